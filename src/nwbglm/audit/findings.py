"""What an audit looks for in a file, whatever the study: times, units, tables, series."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from nwbglm import epochs
from nwbglm.audit.guard import failure, guarded
from nwbglm.audit.plausible import GUESSES
from nwbglm.audit.values import doubtful_unit, stand_in
from nwbglm.epochs import Epochs
from nwbglm.recording.choose import REFRACTORY, recording_span, series_instead
from nwbglm.recording.events import pair_marks
from nwbglm.recording.model import Recording
from nwbglm.recording.series import Series
from nwbglm.recording.sweeps import Sweeps
from nwbglm.recording.tables import Table, labels_of
from nwbglm.verdict import Finding, Level

MANY_VIOLATIONS = 0.01
"""Share of short intervals between spikes above which a unit is hardly one neuron."""
LONG_GAP = 10
"""Gaps of more than this many usual sampling intervals are reported."""


def find_in_file(recording: Recording, use: Epochs | None = None, *, spikes: bool = True) -> Iterator[Finding]:
    """Look at everything in a file.

    Parameters
    ----------
    recording
        The file.
    use
        The study's epochs, which its times are held against, too; None where there is no study.
    spikes
        Whether its spikes are what counts; otherwise what is wrong with them costs nothing.
    """
    yield from guarded(partial(_names, recording), "series")
    for path, error in recording.lost.items():
        yield failure(error, path, level="warn")
    for series in recording.series.values():
        yield from guarded(partial(_series, series), series.path)
    for path, table in recording.tables.items():
        yield from guarded(partial(_intervals, recording, table), path)
    yield from guarded(partial(_units, recording), "units", "fail" if spikes else "pass")
    if spikes:
        yield from guarded(partial(_spikes, recording, use), "units/spike_times", "fail")
    yield from guarded(partial(_sweeps, recording), "sweeps")


def _names(recording: Recording) -> Iterator[Finding]:
    count = Counter(series.name for series in recording.series.values())
    for name, several in count.items():
        if several > 1:
            paths = ", ".join(path for path in recording.series if path.rpartition("/")[2] == name)
            seen = f"{several} series are called {name!r}: {paths}"
            yield Finding("same-name", "pass", name, seen, "name such a signal by its path")


def _series(series: Series) -> Iterator[Finding]:
    marks = series.data is None or series.data.is_text
    if series.problem and not (marks and series.timestamps is not None):
        seen = f"the series cannot be read: {series.problem}"
        yield Finding("series-unreadable", "warn", series.path, seen, "do not use it as a signal")
        return
    if series.conversion != 1 or series.offset != 0 or series.channel_conversion is not None:
        seen = f"values are stored as x in: x * {series.conversion:g} + {series.offset:g} {series.unit}"
        yield Finding("conversion", "pass", series.path, seen, "applied on reading")
    yield from _times(series)
    yield from _marks(series)
    if not marks:
        yield from doubtful_unit(series)
        yield from stand_in(series)


def _marks(series: Series) -> Iterator[Finding]:
    """Look at marks that name kinds: beginnings and ends without a partner, numbers without a label."""
    if series.data is None or series.data.is_text or series.columns > 1:
        return
    if series.kind == "IntervalSeries":
        *_, alone = pair_marks(series.times(), series.values())
        if len(alone):
            shown = ", ".join(f"{time:.3f}" for time in alone[:8]) + (", ..." if len(alone) > 8 else "")
            seen = f"{len(alone)} marks have no partner (at {shown} s): a beginning without an end, or an end alone"
            yield Finding(
                "marks-unpaired", "warn", series.path, seen, "they are left out; the others are paired by time"
            )
    elif series.labels is not None:
        named = np.unique(labels_of(series.values(), series.labels).astype(str))
        unknown = [name for name in named if name.startswith("unknown (")]
        if unknown:
            seen = f"marks without a label, of {len(series.labels)} that there are: {', '.join(unknown[:8])}"
            yield Finding("labels-unknown", "warn", series.path, seen, "they count as events of that name")


def _times(series: Series) -> Iterator[Finding]:
    timing, path = series.timing, series.path
    if timing.dropped:
        seen = f"{_times_are(timing.dropped)} not finite"
        if np.isfinite(timing.absurd):
            seen = f"{_times_are(timing.dropped)} absurd, such as {timing.absurd:.6g} s"
        yield Finding("times-absurd", "warn", path, seen, "these samples are left out")
    if timing.restarts:
        seen = f"times run back to the start {len(timing.runs) - 1} times, over the same stretch"
        mend = "runs are kept apart; select epochs from a table that restarts as often, or that names its samples"
        yield Finding("times-restart", "warn", path, seen, mend)
    elif timing.backward:
        seen = f"{_times_are(timing.backward)} earlier than the one before"
        yield Finding("times-unsorted", "warn", path, seen, "samples are sorted by time, values with them")
    if timing.duplicates:
        seen = f"{_times_are(timing.duplicates)} the same as the one before"
        yield Finding("times-duplicated", "warn", path, seen, "all are averaged; interpolation takes the first")
    if timing.largest_gap > LONG_GAP * timing.interval:
        seen = f"the longest gap is {timing.largest_gap:.4g} s, the usual interval {timing.interval:.4g} s"
        yield Finding("times-gap", "pass", path, seen, "bins in gaps longer than `max_gap` are invalid")


def _times_are(count: int) -> str:
    return "1 time is" if count == 1 else f"{count} times are"


def _intervals(recording: Recording, table: Table | Sweeps) -> Iterator[Finding]:
    intervals, bad = recording.intervals(table)
    if bad.size:
        seen = f"{bad.size} of {len(table)} rows have no time, or stop before they start (row {bad[0]}, for one)"
        yield Finding("rows-without-time", "warn", table.path, seen, "these rows are left out")
    if not len(intervals):
        return
    if (intervals.duration == 0).any():
        seen = f"{int((intervals.duration == 0).sum())} rows last no time"
        yield Finding("rows-of-no-time", "pass", table.path, seen, "they hold no bin")
    clocks = len(np.unique(intervals.clock))
    if clocks > 1:
        seen = f"times repeat: {clocks} passes over the same times"
        mend = "samples and spikes are taken by the sweep that they belong to"
        yield Finding("sweeps-restart", "warn", table.path, seen, mend)
    late = int(epochs.overlapping(intervals).sum())
    if late:
        zero = len(intervals) > 1 and (intervals.start == intervals.start[0]).all()
        seen = (
            f"all rows start at {intervals.start[0]:g} s" if zero else f"{late} rows start before an earlier one ends"
        )
        mend = "all rows are kept; where `use` takes rows that overlap they are joined, so that no spike counts twice"
        yield Finding("rows-overlap", "warn", table.path, seen, mend)


def _sweeps(recording: Recording) -> Iterator[Finding]:
    if recording.sweeps is None:
        return
    clamps = Counter(recording.sweeps.column("clamp").tolist())
    if len(clamps) > 1:
        seen = ", ".join(f"{count} in {clamp or 'unknown'} clamp" for clamp, count in sorted(clamps.items()))
        yield Finding(
            "clamps-mixed", "warn", "sweeps", f"sweeps of several kinds: {seen}", "select: `clamp == 'current'`"
        )


def _units(recording: Recording) -> Iterator[Finding]:
    units = recording.units
    if units.table is None:
        return
    others = [table.path for table in recording.units_tables if table.path != units.table.path]
    if others:
        seen = f"there are other tables of units: {', '.join(others)}"
        mend = f"this one is taken; `units: {{table: {others[0]}}}` takes another"
        yield Finding("several-units-tables", "pass", units.table.path, seen, mend)
    if units.ids_problem:
        mend = f"units go by their row instead, 0 to {len(units) - 1}: `units.ids` and `unit` mean these"
        yield Finding("unit-ids", "warn", f"{units.table.path}/id", units.ids_problem, mend)
    for name in units.table.columns:
        yield from guarded(partial(_unit_column, units.table, name), f"{units.table.path}/{name}")


def _unit_column(table: Table, name: str) -> Iterator[Finding]:
    path, array = f"{table.path}/{name}", table.group.array(name)
    kind = "" if array is None else array.attrs.text("neurodata_type")
    if array is not None and array.is_reference and not table.is_ragged(name):
        nowhere = int(np.sum(array.read() == ""))
        if nowhere:
            seen = f"{nowhere} of {len(table)} units refer to an object that is not there"
            yield Finding("reference-lost", "warn", path, seen, "such entries are empty texts")
    if kind == "DynamicTableRegion" and table.target(name) is None:
        mend = f"select on {name!r} itself; `{name}.column` cannot be followed"
        yield Finding("reference-lost", "warn", path, "the column refers to rows of a table that is not named", mend)
    if array is not None and not table.is_ragged(name) and array.shape and array.shape[0] != len(table):
        seen = f"the column has {array.shape[0]} entries for {len(table)} units"
        yield Finding("column-misfit", "warn", path, seen, "do not select on it; its rows cannot be told apart")
    elif array is not None and array.dtype.kind == "f" and len(array.shape) == 1 and not table.is_ragged(name):
        missing = int(np.isnan(array.read()).sum())
        if missing:
            seen = f"{missing} of {len(table)} units have no value"
            yield Finding("values-missing", "pass", path, seen, "they satisfy no comparison with this column")


@dataclass
class _Trains:
    """What was seen over all units."""

    silent: list
    unsorted: list
    nan: list
    repeated: list
    violating: list
    outside: list
    unobserved: list
    spikes: int = 0
    beyond: int = 0
    whole: int = 0
    latest: float = -np.inf


def _spikes(recording: Recording, use: Epochs | None) -> Iterator[Finding]:
    units = recording.units
    if not len(units):
        yield Finding("no-units", "warn", "units", "the file has no units", series_instead(recording))
        return
    low, high = recording_span(recording, use)
    seen = _Trains([], [], [], [], [], [], [])
    for unit in range(len(units)):
        times = units.spike_times(unit)
        if unit not in units.damaged:
            _look_at_train(seen, units.ids[unit], times, units.observed(unit), low, high)
    if units.damaged:
        error = units.damaged[min(units.damaged)]
        which = _listed(units.ids[sorted(units.damaged)], len(units))
        text = f"the spike times of {which} cannot be read: {error.what}"
        level: Level = "fail" if len(units.damaged) == len(units) else "warn"
        yield Finding("spikes-unreadable", level, "units/spike_times", text, f"they are left out; {error.mend}")
    doubted = list(_time_unit(seen, high))
    yield from doubted
    yield from _about_trains(seen, len(units), low, high, told=bool(doubted))
    if wrong := [units.ids[unit] for unit in range(len(units)) if units.misobserved(unit)]:
        text = f"some obs_intervals of {_listed(wrong, len(units))} are no intervals"
        yield Finding("obs-intervals", "warn", "units/obs_intervals", text, "left out: time that was not observed")


def _look_at_train(
    seen: _Trains, unit: int, times: np.ndarray, observed: np.ndarray | None, low: float, high: float
) -> None:
    finite = times[np.isfinite(times)]
    seen.spikes += len(finite)
    if len(finite) < len(times):
        seen.nan.append(unit)
    if not len(finite):
        seen.silent.append(unit)
        return
    steps = np.diff(finite)
    if (steps < 0).any():
        seen.unsorted.append(unit)
        steps = np.diff(np.sort(finite))
    if (steps == 0).any():
        seen.repeated.append(unit)
    if len(steps) and np.mean(steps < REFRACTORY) > MANY_VIOLATIONS:
        seen.violating.append(unit)
    out = int(((finite < low) | (finite > high)).sum())
    seen.beyond += int((finite > high).sum())
    seen.whole += int((finite == np.rint(finite)).sum())
    seen.latest = max(seen.latest, float(finite.max()))
    if out:
        seen.outside.append((unit, out))
    if observed is not None:
        closed = epochs.Epochs.of(observed[:, 0], observed[:, 1] + 1e-9)
        lost = int((~epochs.contains(closed, finite)).sum())
        if lost:
            seen.unobserved.append((unit, lost))


def _time_unit(seen: _Trains, high: float) -> Iterator[Finding]:
    """Guess whether spike times are in seconds at all."""
    if not seen.spikes or not np.isfinite(high):
        return
    if seen.beyond > 0.5 * seen.spikes:
        fits = [name for name, factor in GUESSES.items() if 0.3 * high < seen.latest / factor <= 1.01 * high]
        if not fits:  # tables that end early are no reason to doubt the spikes
            return
        text = f"{seen.beyond} of {seen.spikes} spikes lie after the recording's end ({high:.1f} s), as if they were "
        text += " or ".join(fits)
        yield Finding("spikes-not-in-seconds", "fail", "units/spike_times", text, "NWB wants seconds: correct the file")
    elif seen.whole == seen.spikes and seen.spikes > 100:
        text = "every spike time is a whole number, as if they were bins or samples"
        yield Finding("spikes-not-in-seconds", "fail", "units/spike_times", text, "NWB wants seconds: correct the file")


def _about_trains(seen: _Trains, count: int, low: float, high: float, *, told: bool) -> Iterator[Finding]:
    path = "units/spike_times"
    if seen.silent:
        mend = "they are kept; select with `spikes > 0` to leave them out"
        yield Finding("units-silent", "pass", path, f"{_listed(seen.silent, count)} have no spikes", mend)
    if seen.nan:
        yield Finding(
            "spikes-nan", "warn", path, f"{_listed(seen.nan, count)} have NaN spike times", "these are left out"
        )
    if seen.unsorted:
        text = f"{_listed(seen.unsorted, count)} have spike times out of order"
        yield Finding("spikes-unsorted", "warn", path, text, "they are sorted, or told apart by sweep")
    if seen.repeated:
        text = f"{_listed(seen.repeated, count)} have two spikes at the same time"
        yield Finding("spikes-repeated", "warn", path, text, "both are counted; ask how the units were sorted")
    if seen.violating:
        text = f"{_listed(seen.violating, count)} have more than 1 % of intervals below 2 ms"
        mend = "hardly single neurons, if cells: select with `refractory_violations < 0.01`"
        yield Finding("refractory", "warn", path, text, mend)
    if seen.outside and not told:
        lost = sum(out for _, out in seen.outside)
        text = (
            f"{lost} of {seen.spikes} spikes ({_listed([unit for unit, _ in seen.outside], count)}) lie outside "
            f"{low:.3f} to {high:.3f} s, which epochs and series cover"
        )
        level: Level = "warn" if lost > 0.01 * seen.spikes else "pass"
        yield Finding("spikes-outside", level, path, text, "spikes outside the epochs in use are not counted")
    if seen.unobserved:
        lost = sum(out for _, out in seen.unobserved)
        text = f"{lost} spikes lie outside their unit's obs_intervals"
        yield Finding(
            "spikes-unobserved", "warn", path, text, "they are left out, since that time counts as unobserved"
        )


def _listed(units: Iterable, count: int) -> str:
    units = [int(unit) for unit in units]
    shown = ", ".join(str(unit) for unit in units[:8]) + (", ..." if len(units) > 8 else "")
    return f"{len(units)} of {count} units ({shown})"
