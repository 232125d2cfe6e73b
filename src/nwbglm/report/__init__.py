"""The report: one folder of HTML that opens from disk, offline.

Importing this package is light (the Snakefile does); pandas and jinja2 are loaded when the report is built.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .paths import report_files

__all__ = ["build_report", "read_figures", "report_files", "write_files"]


def build_report(*arguments: Any, **settings: Any) -> dict[str, str]:
    """Build the report's files; see `nwbglm.report.build.build_report`."""
    from .build import build_report as build

    return build(*arguments, **settings)


def read_figures(svg_paths: Iterable[str], csv_paths: Iterable[str]) -> dict[str, dict[str, tuple[str, str]]]:
    """Read drawn figures and their tables: (SVG, CSV) by the name of their folder (the session) and of the figure."""
    figures: dict[str, dict[str, tuple[str, str]]] = {}
    for svg, csv in zip(map(Path, svg_paths), map(Path, csv_paths), strict=True):
        texts = (svg.read_text(encoding="utf-8"), csv.read_text(encoding="utf-8"))
        figures.setdefault(svg.parent.name, {})[svg.stem] = texts
    return figures


def write_files(files: Mapping[str, str], folder: Path) -> None:
    """Write the report's files below a folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
