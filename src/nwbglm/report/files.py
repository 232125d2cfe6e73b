"""Figures from disk, and pages to disk."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from nwbglm.whole import write_together


def read_figures(
    svg: Iterable[str | os.PathLike[str]], csv: Iterable[str | os.PathLike[str]]
) -> dict[str, dict[str, tuple[str, str]]]:
    """Read figures and their tables: by the name of their folder (the session), and by their own."""
    figures: dict[str, dict[str, tuple[str, str]]] = {}
    for drawing, table in zip(map(Path, svg), map(Path, csv), strict=True):
        texts = _read_text(drawing, end="</svg>"), _read_text(table, end="")
        figures.setdefault(drawing.parent.name, {})[drawing.stem] = texts
    return figures


def _read_text(path: Path, end: str) -> str:
    """Read a text that was written whole: it ends as it should, with a line break."""
    from nwbglm.store.archive import damaged, unreadable  # heavy; the Snakefile asks for names of figures alone

    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise damaged(path, str(error)) from error
    except OSError as error:
        raise unreadable(path, error) from error
    if not text.endswith(f"{end}\n"):
        raise damaged(path, "its end is missing")
    return text


def write_files(files: Mapping[str, str], folder: str | os.PathLike[str]) -> None:
    """Write a report's files below a folder, together: the pages (last `index.html`) after the tables they show."""
    order = sorted(files, key=lambda name: (name == "index.html", name.endswith(".html"), name))
    write_together({Path(folder) / name: files[name] for name in order})
