"""How large a session is, as far as it is known: from its audit, from a look at its recording, or from its file."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nwbglm.study import Study


@dataclass(frozen=True)
class Size:
    """What a session's jobs grow with.

    Parameters
    ----------
    rows
        Bins that are used.
    units
        Units that are selected.
    spikes
        Of all units in the file.
    megabytes
        The recording's file, or all those of a joined session.
    known
        Whether rows and units are counted; otherwise they are a guess on the large side.
    """

    rows: int = 400_000
    units: int = 100
    spikes: int = 2_000_000
    megabytes: float = 0.0
    known: bool = False


def size_of(study: Study, session: str, results: str | os.PathLike[str]) -> Size:
    """Return what is known of a session now: what its audit counted, else the size of its file."""
    return joined(_size_of_recording(study, name, Path(results)) for name in study.members(session))


def joined(sizes: Iterable[Size]) -> Size:
    """Return the size of recordings that are one session."""
    sizes = list(sizes)
    return Size(
        rows=sum(size.rows for size in sizes),
        units=max(size.units for size in sizes),
        spikes=sum(size.spikes for size in sizes),
        megabytes=sum(size.megabytes for size in sizes),
        known=all(size.known for size in sizes),
    )


def _size_of_recording(study: Study, name: str, results: Path) -> Size:
    path = study.recordings[name].nwb.path
    megabytes = 0.0
    with contextlib.suppress(OSError):
        megabytes = os.path.getsize(path or results / "recordings" / f"{name}.nwb") / 2**20
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # no audit yet, or one of a failed session
        audit = json.loads((results / "audit" / f"{name}.json").read_text(encoding="utf-8"))
        taken, contents = audit["takes"], audit["contents"]
        rows, units, spikes = taken["bins"], taken["units"]["selected"], contents["units"]["spikes"]
        return Size(int(rows), int(units), int(spikes), megabytes, known=True)
    return Size(megabytes=megabytes)
