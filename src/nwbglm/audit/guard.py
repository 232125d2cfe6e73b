"""One object's failure stays its own: whatever is raised while it is looked at becomes a finding on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from nwbglm.errors import NwbGlmError
from nwbglm.recording.nodes import OutsideError
from nwbglm.recording.texts import as_text
from nwbglm.verdict import Finding, Level

T = TypeVar("T")

DAMAGED = "the object is damaged or was written wrongly; the rest of the file may still be used"


def guarded(look: Callable[[], Iterable[Finding]], path: str, level: Level = "warn") -> Iterator[Finding]:
    """Look at an object; what is raised becomes a finding of this level.

    A file can break the reader anywhere (HDF5, zarr and numpy each have their own errors), so every error counts.
    Where the study takes the object, taking it fails once more, and that fails the session.

    Parameters
    ----------
    look
        What looks at it.
    path
        Where the object stands in the file.
    level
        ``fail`` for what no study can do without.
    """
    try:
        yield from look()
    except Exception as error:
        yield failure(error, path, level=level)


def or_else(describe: Callable[[], T], broken: T) -> T:
    """Describe an object, or say that it is broken: what was raised is a finding of the audit."""
    try:
        return describe()
    except Exception:
        return broken


def failure(error: Exception, path: str, *, code: str = "unreadable", level: Level = "fail", mend: str = "") -> Finding:
    """Say in a finding what was raised."""
    if isinstance(error, OutsideError):
        return Finding("outside", "fail", error.where or path, error.what, error.mend)
    if isinstance(error, NwbGlmError):
        if code == "study" and error.where and path not in error.where:  # the field, then the place in the file
            return Finding(code, level, path, f"{error.where}: {error.what}", error.mend)
        return Finding(code, level, error.where or path, error.what, error.mend)
    if isinstance(error, MemoryError):
        return Finding(code, level, path, f"it does not fit in memory ({as_text(error)})", mend or DAMAGED)
    seen = f"reading it failed: {type(error).__name__}: {as_text(error)[:300]}"
    return Finding(code, level, path, seen, mend or DAMAGED)
