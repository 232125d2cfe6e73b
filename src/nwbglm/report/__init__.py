"""The report: one folder of HTML that opens from disk, offline.

Importing this package is light (the Snakefile does); pandas and jinja2 are loaded when the report is built.
"""

from __future__ import annotations

from typing import Any

from .files import read_figures, write_files
from .paths import report_files

__all__ = ["build_report", "read_figures", "report_files", "write_files"]


def build_report(*arguments: Any, **settings: Any) -> dict[str, str]:
    """Build the report's files; see `nwbglm.report.build.build_report`."""
    from .build import build_report as build

    return build(*arguments, **settings)
