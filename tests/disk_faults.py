"""A disk whose k-th operation fails: opening for writing, writing, forcing to disk, moving into place."""

from __future__ import annotations

import builtins
import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


class Disk:
    """Counts what is done to files below a folder, and lets one operation fail.

    Parameters
    ----------
    folder
        Only files below it count.
    kind
        ``open``, ``write``, ``fsync`` or ``replace``.
    fail
        Which of them fails, counted from 0; None: none does.
    code
        The error's number, such as `errno.ENOSPC`.
    lasting
        Whether all that follow fail, too (a full disk), or only the one.

    What happens then is ``act``, given the path: it raises, unless a test puts something else in its place.
    """

    def __init__(self, folder: Path, kind: str, fail: int | None, code: int, lasting: bool = False):
        self.folder, self.kind, self.fail, self.code, self.lasting = str(folder), kind, fail, code, lasting
        self.count = 0
        self.act: Callable[[object], None] = self._raise

    def _raise(self, path: object) -> None:
        raise OSError(self.code, os.strerror(self.code), str(path))

    def holds(self, path: object) -> bool:
        """Tell whether a path lies below the folder."""
        return os.path.abspath(str(path)).startswith(self.folder)

    def step(self, kind: str, path: object) -> None:
        """Count an operation, and fail where it is its turn."""
        if kind != self.kind or not self.holds(path):
            return
        turn, self.count = self.count, self.count + 1
        if self.fail is not None and (turn == self.fail or (self.lasting and turn > self.fail)):
            self.act(path)


class _Raw(io.FileIO):
    """A file that tells the disk what is written to it."""

    disk: Disk

    def write(self, data) -> int:
        self.disk.step("write", self.name)
        return super().write(data)


@contextmanager
def faulty(disk: Disk, monkeypatch) -> Iterator[Disk]:
    """Let all files be opened, written, forced and moved through a `Disk`."""
    true_open, replace, fsync, os_open = io.open, os.replace, os.fsync, os.open
    names: dict[int, str] = {}

    def fake_open(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, *rest, **named):
        if isinstance(file, int) or not set(mode) & set("wxa+") or not disk.holds(file) or named.get("opener"):
            return true_open(file, mode, buffering, encoding, errors, newline, *rest, **named)
        disk.step("open", file)
        raw = _Raw(os.fspath(file), mode.replace("b", "").replace("t", ""))
        raw.disk = disk
        buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline)

    def fake_replace(source, target, **named):
        disk.step("replace", target)
        return replace(source, target, **named)

    def fake_os_open(path, *rest, **named):
        handle = os_open(path, *rest, **named)
        names[handle] = os.fsdecode(path)
        return handle

    def fake_fsync(handle):
        disk.step("fsync", names.get(handle, ""))
        return fsync(handle)

    with monkeypatch.context() as patched:
        patched.setattr(io, "open", fake_open)
        patched.setattr(builtins, "open", fake_open)
        patched.setattr(os, "replace", fake_replace)
        patched.setattr(os, "open", fake_os_open)
        patched.setattr(os, "fsync", fake_fsync)
        yield disk


KINDS = ("open", "write", "fsync", "replace")
CODES = (errno.ENOSPC, errno.EIO)
