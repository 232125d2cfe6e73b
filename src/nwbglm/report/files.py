"""Figures from disk, and pages to disk."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path


def read_figures(
    svg: Iterable[str | os.PathLike[str]], csv: Iterable[str | os.PathLike[str]]
) -> dict[str, dict[str, tuple[str, str]]]:
    """Read figures and their tables: by the name of their folder (the session), and by their own."""
    figures: dict[str, dict[str, tuple[str, str]]] = {}
    for drawing, table in zip(map(Path, svg), map(Path, csv), strict=True):
        texts = drawing.read_text(encoding="utf-8"), table.read_text(encoding="utf-8")
        figures.setdefault(drawing.parent.name, {})[drawing.stem] = texts
    return figures


def write_files(files: Mapping[str, str], folder: str | os.PathLike[str]) -> None:
    """Write a report's files below a folder."""
    for name, text in files.items():
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
