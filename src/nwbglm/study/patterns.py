"""Patterns of recordings: one entry for many files, each a session named after its file; looking is bounded."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .base import NAME

MOST_SEEN = 100_000
"""Names of files and folders that a pattern may look at."""
DEEPEST = 50
"""Folders below one another that `**` follows: links may lead round in a circle."""


def expand_patterns(recordings: dict[str, Any]) -> dict[str, Any]:
    """Replace each entry whose path is a pattern by one entry a file, named after the file."""
    expanded: dict[str, Any] = {}
    for name, entry in recordings.items():
        nwb = entry.get("nwb") if isinstance(entry, dict) else None
        pattern = nwb.get("path") if isinstance(nwb, dict) else nwb
        if not isinstance(pattern, str) or not glob.has_magic(pattern):
            found = {name: entry}
        else:
            files = find_files(pattern, f"{name}.nwb")
            if not files:
                raise ValueError(f"{name}.nwb: no file matches '{pattern}' (from {os.getcwd()})")
            found = {}
            for file in files:
                session = safe_name(file)
                if session in found:
                    raise ValueError(
                        f"{name}.nwb: '{file}' and '{found[session]['nwb']}' would both be session '{session}'"
                    )
                found[session] = {**entry, "nwb": file}
        for session in found.keys() & expanded.keys():
            raise ValueError(f"{name}.nwb: session '{session}' is there twice")
        expanded |= found
    return expanded


def safe_name(path: str) -> str:
    """Make a session's name of a file's: what a name may not hold becomes '-'."""
    name = re.sub(r"[^A-Za-z0-9_+-]+", "-", Path(path).stem).lstrip("_+-")
    if not re.fullmatch(NAME, name):
        raise ValueError(f"no session name can be made of '{path}': name it by hand")
    return name


def find_files(pattern: str, field: str) -> list[str]:
    """List what matches a pattern, sorted: as `glob.glob(pattern, recursive=True)`, after a bounded number of looks.

    Raises
    ------
    ValueError
        If more than `MOST_SEEN` names would have to be looked at.
    """
    looks = _Looks(pattern, field)
    anchor, *parts = Path(pattern).parts if os.path.isabs(pattern) else ("", *Path(pattern).parts)
    return sorted(set(_matches(anchor, tuple(parts), looks)))


class _Looks:
    """Counts the names that were looked at."""

    def __init__(self, pattern: str, field: str):
        self.pattern, self.field, self.seen = pattern, field, 0

    def names(self, folder: str) -> Iterator[os.DirEntry]:
        try:
            with os.scandir(folder or ".") as entries:
                for entry in entries:
                    self.seen += 1
                    if self.seen > MOST_SEEN:
                        raise ValueError(
                            f"{self.field}: '{self.pattern}' leads through more than {MOST_SEEN} files and folders; "
                            "begin it with the folder of the recordings, such as data/*.nwb"
                        )
                    yield entry
        except OSError:  # no folder, or not ours to read: nothing in it matches
            return


def _matches(folder: str, parts: tuple[str, ...], looks: _Looks, depth: int = 0) -> Iterator[str]:
    """List the paths below a folder that match the parts of a pattern."""
    if not parts:
        yield folder
        return
    part, *rest = parts
    if part == "**":
        # Any number of folders, none included; names that begin with a dot are hidden, as everywhere.
        yield from _matches(folder, tuple(rest), looks, depth)
        for entry in list(looks.names(folder)):
            if entry.name.startswith("."):
                continue
            inner = os.path.join(folder, entry.name)
            if _is_folder(entry) and depth < DEEPEST:
                yield from _matches(inner, parts, looks, depth + 1)
            elif not rest:
                yield inner
    elif glob.has_magic(part):
        for entry in list(looks.names(folder)):
            shown = part.startswith(".") or not entry.name.startswith(".")
            if shown and fnmatch.fnmatchcase(entry.name, part) and (not rest or _is_folder(entry)):
                yield from _matches(os.path.join(folder, entry.name), tuple(rest), looks, depth)
    else:
        inner = os.path.join(folder, part)
        if os.path.lexists(inner) if not rest else os.path.isdir(inner):
            yield from _matches(inner, tuple(rest), looks, depth)


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to what is not ours to see
        return False
