"""Files written whole or not at all, one or several that belong together.

What is written goes to a hidden folder beside its place (`.NAME.RANDOM`), is forced to disk, and is moved into place in
one step: whoever looks sees the old file or the new one, after a crash or a power cut, too. A writer that is killed
leaves its hidden folder behind; the next writer of the same file removes it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

RANDOM = "[a-z0-9_]{8}"
"""How `tempfile` ends its names."""
NO_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EBADF}
"""What file systems answer that cannot force a folder to disk; any other error is a fault of the disk."""


@contextlib.contextmanager
def written_whole(*paths: str | os.PathLike[str]) -> Iterator[tuple[Path, ...]]:
    """Yield a path to write to for each path; once the block has ended they take their places.

    Files that belong together (a figure and its table, a report's pages) are given together: they take their places
    after all of them are on the disk, one right after the other, in the order given. If that breaks off in the middle
    none of them stays: absent files say what they are, half of a new report beside half of an old one does not.

    Parameters
    ----------
    *paths
        Where the files belong. Their folders are made. Write each of the yielded paths, or none to leave its place
        as it is.

    Raises
    ------
    OSError
        The disk is full, or broken. What was there before stays as it was (of one file always, of several unless
        the fault comes while they take their places).
    """
    places = [Path(path) for path in paths]
    with contextlib.ExitStack() as stack:
        partial = tuple(stack.enter_context(_hidden_folder(place)) / place.name for place in places)
        yield partial
        ready = [(new, place) for new, place in zip(partial, places, strict=True) if new.exists()]
        for new, _ in ready:
            _force(new)
        moved: list[Path] = []
        try:
            for new, place in ready:
                os.replace(new, place)
                moved.append(place)
            for folder in dict.fromkeys(place.parent for place in moved):
                _force(folder)
        except BaseException:
            if len(ready) > 1 and moved:
                for _, place in ready:
                    place.unlink(missing_ok=True)
            raise


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write one text file (UTF-8) whole or not at all."""
    write_together({path: text})


def write_together(contents: Mapping[str | os.PathLike[str], str | bytes]) -> None:
    """Write files that belong together, texts (UTF-8) or bytes by path, see `written_whole`."""
    with written_whole(*contents) as partial:
        for path, content in zip(partial, contents.values(), strict=True):
            # a lone surrogate (bytes that were no UTF-8, from a recording) must not stop a page
            path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace"))


@contextlib.contextmanager
def _hidden_folder(place: Path) -> Iterator[Path]:
    """Make a folder for what is being written, beside its place; remove it, and those of writers that were killed."""
    place.parent.mkdir(parents=True, exist_ok=True)
    _sweep(place)
    folder = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}."))
    lock = None
    try:
        lock = os.open(folder, os.O_RDONLY)
        with contextlib.suppress(OSError):  # a file system without locks: leftovers are kept, nothing else changes
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _sweep(place: Path) -> None:
    """Remove what killed writers of this file left: hidden folders that no living writer holds a lock on."""
    leftover = re.compile(rf"\.{re.escape(place.name)}\.{RANDOM}")
    for folder in place.parent.iterdir():
        if not leftover.fullmatch(folder.name) or folder.is_symlink() or not folder.is_dir():
            continue
        with contextlib.suppress(OSError):  # gone already, or in use
            lock = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def _force(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if not (path.is_dir() and error.errno in NO_SYNC):
            raise
    finally:
        os.close(handle)
