"""What a file holds, told by its bytes: whether a recording is still the one that was analysed, wherever it lies.

Light on purpose: the Snakefile asks for every recording before anything runs.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from nwbglm.errors import RecordingError
from nwbglm.whole import write_text

HASHED_BYTES = 100 * 2**20  # up to here a fingerprint is the hash of all bytes


def endless(place: str | os.PathLike[str]) -> bool:
    """Tell whether something is neither a file nor a folder: a device, a pipe, whose reading may never end."""
    place = Path(place)
    return place.exists() and not place.is_file() and not place.is_dir()


def sha256_of(place: str | os.PathLike[str]) -> tuple[str, int]:
    """Return the sha256 and the size of a file, or of all files of a folder with their names, in order of name.

    Raises
    ------
    RecordingError
        It is neither a file nor a folder.
    """
    place = Path(place)
    if endless(place):
        mend = "name the recording's file"
        raise RecordingError("it is neither a file nor a folder, and has no end", where=str(place), mend=mend)
    digest, size = hashlib.sha256(), 0
    for file in _files(place):
        if place.is_dir():
            digest.update(file.relative_to(place).as_posix().encode())
        with file.open("rb") as stream:
            while block := stream.read(2**22):
                digest.update(block)
                size += len(block)
    return digest.hexdigest(), size


def fingerprint(place: str | os.PathLike[str], cache: str | os.PathLike[str] | None = None) -> str:
    """Return what changes when a recording's content does, and stays when it is moved or renamed.

    The hash of its bytes; of recordings above 100 MB their sizes and times of change, which stay when they are moved,
    and differ after a file was replaced by another, be it older.

    Parameters
    ----------
    place
        A file or a folder; '' is returned where there is none.
    cache
        A file in which hashes are kept, by what the system says of a file (its number, size and times): bytes are read
        again only where that has changed. It may be absent, and is left alone where it cannot be written.
    """
    place = Path(place)
    if not place.exists():
        return ""
    states = [(file.relative_to(place).as_posix(), file.stat()) for file in _files(place)]
    if sum(state.st_size for _, state in states) > HASHED_BYTES:
        lines = [f"{name} {state.st_size} {state.st_mtime_ns}" for name, state in states]
        return "large-" + hashlib.sha256("\n".join(lines).encode()).hexdigest()
    lines = [_state(status) for _, status in states]
    key = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    known = _read(cache)
    if key not in known:
        known[key] = sha256_of(place)[0]
        if cache is not None:
            with contextlib.suppress(OSError):
                write_text(cache, json.dumps(known, indent=0, sort_keys=True))
    return known[key]


def state_of(file: str | os.PathLike[str]) -> str:
    """Return what the system says of a file, which changes when its bytes do: its number, size and times."""
    return _state(Path(file).stat())


def _state(status: os.stat_result) -> str:
    return f"{status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def _files(place: Path) -> Iterator[Path]:
    yield from [place] if not place.is_dir() else sorted(file for file in place.rglob("*") if file.is_file())


def _read(cache: str | os.PathLike[str] | None) -> dict[str, str]:
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(Path(cache).read_text(encoding="utf-8")) if cache is not None else {}
        return known if isinstance(known, dict) else {}
    return {}
