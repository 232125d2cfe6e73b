"""Figures from disk, and pages to disk."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path

from nwbglm.content import sha256_of
from nwbglm.whole import write_together

TOGETHER = 100
"""Files that are written at once: each is open until all are on the disk."""


class Texts(Mapping[str, str]):
    """Text files, read when they are asked for: a large study's do not fit in memory together."""

    def __init__(self, paths: Mapping[str, Path], end: str = ""):
        self.paths, self.end = dict(paths), end

    def __getitem__(self, name: str) -> str:
        return _read_text(self.paths[name], self.end)

    def __iter__(self) -> Iterator[str]:
        return iter(self.paths)

    def __len__(self) -> int:
        return len(self.paths)


class Figures(Mapping[str, tuple[str, str]]):
    """Figures with their tables, read when they are asked for."""

    def __init__(self) -> None:
        self.paths: dict[str, tuple[Path, Path]] = {}

    def __getitem__(self, name: str) -> tuple[str, str]:
        drawing, table = self.paths[name]
        return _read_text(drawing, end="</svg>"), _read_text(table)

    def __iter__(self) -> Iterator[str]:
        return iter(self.paths)

    def __len__(self) -> int:
        return len(self.paths)


def read_figures(svg: Iterable[str | os.PathLike[str]], csv: Iterable[str | os.PathLike[str]]) -> dict[str, Figures]:
    """Find figures and their tables: by the name of their folder (the session), and by their own."""
    figures: dict[str, Figures] = {}
    for drawing, table in zip(map(Path, svg), map(Path, csv), strict=True):
        figures.setdefault(drawing.parent.name, Figures()).paths[drawing.stem] = drawing, table
    return figures


def _read_text(path: Path, end: str = "") -> str:
    """Read a text that was written whole: it ends as it should, or at least with a line break."""
    from nwbglm.store.archive import damaged, unreadable  # heavy; the Snakefile asks for names of figures alone

    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise damaged(path, str(error)) from error
    except OSError as error:
        raise unreadable(path, error) from error
    if not (text.endswith(f"{end}\n") or (end and text.endswith(end))):
        raise damaged(path, "its end is missing")
    return text


CHECKSUMS = "checksums.txt"
"""The file in a report's folder that holds the sha256 of every other, and of the figures: `sha256sum --check`."""


def checksums(files: Iterable[str | os.PathLike[str]], folder: str | os.PathLike[str]) -> str:
    """Return the sha256 of files, a line each, by their paths from a folder on, as sha256sum writes them."""
    lines = {Path(os.path.relpath(path, folder)).as_posix(): sha256_of(path)[0] for path in files}
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(lines.items()))


def read_checksums(path: Path) -> dict[Path, str]:
    """Return the sha256 of files by their paths."""
    lines = (line.partition("  ") for line in _read_text(path).splitlines())
    return {path.parent / name: digest for digest, _, name in lines}


def write_files(
    files: Mapping[str, str | bytes] | Iterable[tuple[str, str | bytes]], folder: str | os.PathLike[str]
) -> None:
    """Write a report's files below a folder, the pages after the tables they show, and `index.html` last.

    Parameters
    ----------
    files
        Contents by path, or pairs of both in the order in which they are to be written, made as they are written.
    folder
        Where they go. Some hundred at a time take their places together; an `index.html` that was there goes first
        where there are more, so that it never leads to pages of another report.
    """
    folder = Path(folder)
    if isinstance(files, Mapping):
        order = sorted(files, key=lambda name: (name == "index.html", name.endswith(".html"), name))
        waiting = iter([(name, files[name]) for name in order])
    else:
        waiting = iter(files)
    group, following = _some(waiting), _some(waiting)
    if following:
        (folder / "index.html").unlink(missing_ok=True)
    while group:
        write_together({folder / name: content for name, content in group})
        group, following = following, _some(waiting)


def _some(files: Iterator[tuple[str, str | bytes]]) -> list[tuple[str, str | bytes]]:
    return list(islice(files, TOGETHER))


def remove_others(folder: str | os.PathLike[str], keep: Iterable[str], patterns: Iterable[str]) -> list[Path]:
    """Remove the files of a folder that match a pattern and are not to be kept; return them.

    Pages and figures of sessions that are no longer in the study would otherwise stay beside those that are.
    """
    folder, kept = Path(folder), set(keep)
    gone = [
        path
        for pattern in patterns
        for path in sorted(folder.glob(pattern))
        if path.is_file() and path.relative_to(folder).as_posix() not in kept
    ]
    for path in gone:
        path.unlink()
        if not any(path.parent.iterdir()):
            path.parent.rmdir()
    return gone
