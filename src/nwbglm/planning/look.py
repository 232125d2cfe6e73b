"""Sizes of recordings before anything ran: those that are there are looked at, simulated ones are made."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from nwbglm.precheck import look_at_data
from nwbglm.simulate import simulate_recording
from nwbglm.study import Recording, Source, Study

from .sizes import Size, size_of


def look(study: Study, results: str | Path, *, seconds: float) -> dict[str, Size]:
    """Return the size of each recording: from its audit, else from a look at it, else the mean of the others.

    One recording of each kind of simulation is made in a temporary folder: the others of that kind are like it.
    """
    sizes = {name: size_of_recording(study, name, results) for name in study.recordings}
    kinds: dict[str, Size] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, recording in study.recordings.items():
            if sizes[name].known:
                continue
            if recording.nwb.simulate:
                kind = recording.nwb.simulate.kind
                if kind not in kinds:
                    path = Path(folder) / f"{kind}.nwb"
                    simulate_recording(kind, path, seed=recording.nwb.simulate.seed)
                    kinds[kind] = _looked_at(study, str(path), seconds)
                sizes[name] = kinds[kind]
            elif recording.nwb.path:
                sizes[name] = _looked_at(study, recording.nwb.path, seconds)
    return _guessed(sizes)


def size_of_recording(study: Study, name: str, results: str | Path) -> Size:
    """Return what is known of a recording, also of one that is joined to others."""
    return size_of(study.model_copy(update={"join": {}}), name, results)


def _looked_at(study: Study, path: str, seconds: float) -> Size:
    alone = study.model_copy(update={"recordings": {"it": Recording(nwb=Source(path=path))}, "join": {}})
    taken = look_at_data(alone, seconds=seconds).taken
    megabytes = Path(path).stat().st_size / 2**20 if Path(path).is_file() else 0.0
    if not taken:
        return Size(megabytes=megabytes)
    spikes = round(megabytes * 2**20 / 8)  # at most: a spike time has 8 bytes
    return Size(taken[0].rows, taken[0].units, spikes, megabytes, known=True)


def _guessed(sizes: Mapping[str, Size]) -> dict[str, Size]:
    """Give recordings whose size is not known the mean of those that are, still not known."""
    known = [size for size in sizes.values() if size.known]
    if not known:
        return dict(sizes)
    mean = Size(*(round(sum(getattr(s, n) for s in known) / len(known)) for n in ("rows", "units", "spikes")))
    return {name: size if size.known else mean for name, size in sizes.items()}
