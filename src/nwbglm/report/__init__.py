"""The report: one folder of HTML that opens from disk, offline.

Importing this package is light (the Snakefile does); pandas and jinja2 are loaded when the report is built.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .files import CHECKSUMS, Texts, checksums, read_checksums, read_figures, remove_others, write_files
from .paths import report_files

__all__ = [
    "CHECKSUMS",
    "Texts",
    "build_report",
    "checksums",
    "read_checksums",
    "read_figures",
    "remove_others",
    "report_files",
    "report_parts",
    "write_files",
]


def build_report(*arguments: Any, **settings: Any) -> dict[str, str | bytes]:
    """Build the report's files; see `nwbglm.report.build.build_report`."""
    from .build import build_report as build

    return build(*arguments, **settings)


def report_parts(*arguments: Any, **settings: Any) -> Iterator[tuple[str, str | bytes]]:
    """Build the report's files one after the other; see `nwbglm.report.build.report_parts`."""
    from .build import report_parts as parts

    return parts(*arguments, **settings)
