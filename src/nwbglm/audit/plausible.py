"""Are the times plausible? Every series, table and spike train is held against the others and the study's epochs.

Pure functions of extents; what reads them from a recording stands at the end.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from nwbglm.epochs import Epochs
from nwbglm.errors import NwbGlmError
from nwbglm.recording.model import Recording
from nwbglm.recording.series import Series
from nwbglm.verdict import Finding

SAMPLING_RATES = (20_000.0, 24_414.0625, 25_000.0, 30_000.0, 32_000.0, 32_552.0, 40_000.0)
"""Usual rates of acquisition systems, Hz: sample numbers fit the recording after division by one of these."""
GUESSES = {"milliseconds": 1e3, "microseconds": 1e6} | {f"samples at {rate:g} Hz": rate for rate in SAMPLING_RATES}
"""What times may be taken for seconds, and how many of it a second has."""
AS_LONG = (0.5, 1.05)
"""Times in another unit end, once converted, within this share of where the others end."""
MANY_TRIALS = 5
"""Tables with fewer rows than this say nothing about times that count from each row's start."""
SHORT = 0.2
"""Times that cover less than this share of the trials' time may count from each trial's start."""
SINCE_1970 = 3e8
"""Times (s) above this count from 1970, where all else is below."""
COARSE = 1e-3
"""Steps (s) between stored times that are worth a word where no bin is known."""


@dataclass(frozen=True)
class Extent:
    """When an object begins and ends, s."""

    path: str
    kind: str
    first: float
    last: float


def unit_of_time(one: Extent, others: Sequence[Extent]) -> str:
    """Name the unit that times seem to be in, if not seconds; empty where they agree with the others.

    Parameters
    ----------
    one
        What is looked at.
    others
        All that is known; what is of its own kind is no witness, since a converter that forgot one conversion forgot
        it everywhere.
    """
    ends = [_whole(others, kind) for kind in dict.fromkeys(other.kind for other in others) if kind != one.kind]
    ends = [end for end in ends if end > 0]
    for name, factor in GUESSES.items():
        agree = [AS_LONG[0] * end <= one.last / factor <= AS_LONG[1] * end for end in ends]
        if len(agree) and 2 * sum(agree) > len(agree):
            return name
    return ""


def apart(one: Extent, others: Sequence[Extent]) -> tuple[float, float] | None:
    """Return when all else begins and ends, where something lies far before or after; None where it does not."""
    rest = [other for other in others if other.kind != one.kind]
    if not rest:
        return None
    low, high = min(other.first for other in rest), max(other.last for other in rest)
    between = max(one.first - high, low - one.last)
    return (low, high) if between > max(one.last - one.first, high - low) else None


def _whole(extents: Sequence[Extent], kind: str) -> float:
    return max(one.last for one in extents if one.kind == kind)


def counts_from_rows(times: np.ndarray, start: np.ndarray, stop: np.ndarray) -> int:
    """Count the times that lie outside their own row, where most do and all would fit as times since its start.

    Parameters
    ----------
    times
        (n,) s, of events.
    start, stop
        (n,) s, of the row of each.

    Returns
    -------
    How many; 0 where the times are those of the session.
    """
    good = np.isfinite(times) & np.isfinite(start) & np.isfinite(stop)
    times, start, stop = times[good], start[good], stop[good]
    inside = (times >= start - 1e-6) & (times <= stop + 1e-6)
    since = (times >= -1e-6) & (times <= stop - start + 1e-6)
    if len(times) < MANY_TRIALS or np.mean(inside) > 0.5 or np.mean(since) < 0.9:
        return 0
    return int((~inside).sum())


def in_first_row(one: Extent, start: np.ndarray, stop: np.ndarray) -> bool:
    """Tell whether something lasts no longer than one row of many: as if it counted from each row's start."""
    if len(start) < MANY_TRIALS:
        return False
    longest, whole = float((stop - start).max()), float(stop.max() - start.min())
    return one.first >= -1e-6 and one.last <= 1.05 * longest and one.last < SHORT * whole and one.last < stop.max() / 2


def exchanged(series: Series, others: Sequence[Extent]) -> bool:
    """Tell whether the second axis of a series with a rate is as long as the recording, and the first far shorter."""
    if series.problem or series.timestamps is not None or series.data is None or len(series.data.shape) != 2:
        return False
    ends = [other.last - other.first for other in others if other.kind != "series"]
    if not ends or not series.rate:
        return False
    rows, columns = (size / series.rate for size in series.data.shape)
    whole = float(np.median(ends))
    return rows < SHORT * whole and 0.5 * whole <= columns <= 1.5 * whole


def step(dtype: np.dtype, latest: float) -> float:
    """Give the distance between the numbers of a type around a time, s; 0 where there is none to speak of."""
    if dtype.kind != "f" or dtype.itemsize > 4 or not np.isfinite(latest):
        return 0.0
    return float(np.spacing(np.abs(np.asarray(latest)).astype(dtype)))


def find_implausible(recording: Recording, use: Epochs | None = None, bin: float | None = None) -> Iterator[Finding]:
    """Look at all times of a recording beside each other.

    Parameters
    ----------
    recording
        The file.
    use
        The study's epochs; None where there is no study.
    bin
        Width of the study's bins, s.
    """
    known = list(_extents(recording))
    if use is not None and len(use):
        known.append(Extent("epochs.use", "study", float(use.start.min()), float(use.stop.max())))
    doubted = set()
    for one in known:
        # A table that the study takes its epochs from is no other than they are.
        others = [other for other in known if other.kind != "study" or one.kind != "table" or other.last < one.last]
        unit = unit_of_time(one, others) if one.kind in ("series", "table") else ""
        lasts = f"it lasts from {one.first:.10g} to {one.last:.10g} s"
        if unit:
            seen = f"{lasts}, as if its times were {unit}: the rest of the "
            seen += f"recording ends at {max(other.last for other in others if other.kind != one.kind):.6g} s"
            yield Finding("times-not-in-seconds", "warn", one.path, seen, "NWB wants seconds: correct the file")
        elif one.kind != "study" and (rest := apart(one, others)):
            clock = "its times counted from 1970" if one.first > SINCE_1970 > rest[1] else "by another clock"
            seen = f"{lasts}, as if {clock}: all else lies between {rest[0]:.6g} and {rest[1]:.6g} s"
            mend = "NWB wants seconds since the session's start: correct the file"
            yield Finding("times-apart", "warn", one.path, seen, mend)
        else:
            continue
        doubted.add(one.path)
    yield from _from_rows(recording, [one for one in known if one.path not in doubted], doubted)
    yield from _axes(recording, known)
    yield from _coarse(recording, known, bin)


def _from_rows(recording: Recording, known: Sequence[Extent], doubted: set[str]) -> Iterator[Finding]:
    for path, table in recording.tables.items():
        if path in doubted:
            continue
        with contextlib.suppress(NwbGlmError):
            rows, _ = recording.intervals(table)
            if len(np.unique(rows.clock)) > 1 or path == "sweeps" or path.endswith("invalid_times"):
                continue
            for one in known:
                if one.kind in ("series", "spikes") and in_first_row(one, rows.start, rows.stop):
                    seen = (
                        f"all its times lie between {one.first:.3f} and {one.last:.3f} s, no longer than one row of "
                        f"{path} ({len(rows)} rows, until {rows.stop.max():.1f} s), as if they counted from each row's "
                        "start"
                    )
                    mend = "NWB wants times of the session: correct the file"
                    yield Finding("times-since-rows", "warn", one.path, seen, mend)


def _axes(recording: Recording, known: Sequence[Extent]) -> Iterator[Finding]:
    for series in recording.series.values():
        with contextlib.suppress(NwbGlmError):
            if exchanged(series, known):
                assert series.data is not None
                rows, columns = series.data.shape
                seen = (
                    f"its data are {rows} samples x {columns} columns, {rows / (series.rate or 1):.3g} s; with the "
                    f"axes exchanged they would last as long as the recording ({columns / (series.rate or 1):.3g} s)"
                )
                mend = "NWB wants time along the first axis: transpose the data in the file"
                yield Finding("axes-exchanged", "warn", series.path, seen, mend)


def _coarse(recording: Recording, known: Sequence[Extent], bin: float | None) -> Iterator[Finding]:
    for one in known:
        array = None
        if one.kind == "series":
            array = recording.series[one.path].timestamps
        elif one.kind == "spikes" and recording.units.table is not None:
            array = recording.units.table.array("spike_times")
        elif one.kind == "table" and one.path in recording.all_tables:
            array = recording.all_tables[one.path].array("start_time")
        wide = 0.0 if array is None else step(array.dtype, one.last)
        if array is not None and wide > (COARSE if bin is None else bin):
            than = f"{COARSE * 1e3:g} ms" if bin is None else f"the bin of {bin * 1e3:g} ms"
            seen = f"times are stored as {array.dtype}: at {one.last:.6g} s they come in steps of {wide * 1e3:.3g} ms"
            yield Finding("times-coarse", "warn", one.path, f"{seen}, wider than {than}", "take wider bins")


def _extents(recording: Recording) -> Iterator[Extent]:
    for path, series in recording.series.items():
        with contextlib.suppress(NwbGlmError):
            if not series.problem and series.samples > 1 and np.isfinite(series.timing.first):
                yield Extent(path, "series", series.timing.first, series.timing.last)
    for path, table in recording.tables.items():
        with contextlib.suppress(NwbGlmError):
            rows, _ = recording.intervals(table)
            if len(rows) and path != "sweeps":
                yield Extent(path, "table", float(rows.start.min()), float(rows.stop.max()))
    with contextlib.suppress(NwbGlmError):
        ends = recording.units.ends_of_trains()
        if len(ends):
            yield Extent("units/spike_times", "spikes", float(ends.min()), float(ends.max()))
