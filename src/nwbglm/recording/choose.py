"""What the study takes of a recording: epochs by purpose, units by expression."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from functools import cached_property
from typing import Protocol

import numpy as np

from nwbglm import epochs
from nwbglm.epochs import Epochs
from nwbglm.errors import RecordingError, StudyError
from nwbglm.recording.model import Recording
from nwbglm.recording.select import names, select
from nwbglm.recording.sweeps import Sweeps
from nwbglm.recording.tables import Table
from nwbglm.recording.units import FOREVER
from nwbglm.study.base import nearest
from nwbglm.study.data import PURPOSES, DataSettings, EpochSelection, UnitSelection

REFRACTORY = 0.002
"""Two spikes closer than this (s) break the refractory period."""
PRESENCE_WINDOW = 60.0
"""A unit is present in a window of this length (s) if it fires in it."""


def purposes(settings: DataSettings) -> list[str]:
    """List the purposes that a study's bins are marked for: `use` and `fit` always, `train` and `test` where named."""
    return [name for name in PURPOSES if name in ("use", "fit") or name in settings.epochs]


def choose_epochs(recording: Recording, settings: DataSettings, name: str) -> Epochs:
    """Select the epochs of a purpose.

    Parameters
    ----------
    recording
        The file.
    settings
        The study's part about data.
    name
        A key of `epochs`; `fit` is `use` where the study does not name it, and `use` is every row of the table
        `epochs`.

    Raises
    ------
    RecordingError
        If the file has no such table, or nothing is selected.
    StudyError
        If the selection cannot be read, or leads back to itself.
    """
    return _choose(recording, settings, name, ())


def _choose(recording: Recording, settings: DataSettings, name: str, above: tuple[str, ...]) -> Epochs:
    field = f"epochs.{name}"
    if name in above:
        raise StudyError(f"these epochs lie within themselves ({' -> '.join([*above, name])})", where=field)
    if name == "fit" and name not in settings.epochs:
        return _choose(recording, settings, "use", above)
    if name not in settings.epochs and name != "use":
        raise StudyError("there are no such epochs", where=field, mend=nearest(name, settings.epochs))
    selection = settings.epochs.get(name, EpochSelection())
    return choose_selection(recording, settings, selection, field, (*above, name))


def with_margin(recording: Recording, settings: DataSettings, use: Epochs) -> Epochs:
    """Add to the epochs in use the margin around them that the study asks for, where it was recorded.

    Intervals whose margins meet become one: windows read across, as what lies between was recorded, too. Sweeps have
    nothing between them; of other recordings it is known when they began and ended.

    Parameters
    ----------
    recording
        The file.
    settings
        The study's part about data.
    use
        The epochs in use, without overlaps.
    """
    margin = settings.epochs["use"].margin if "use" in settings.epochs else None
    if margin is None or not len(use):
        return use
    margin = np.ceil(margin / settings.bin - 1e-6) * settings.bin  # so that the bins of an epoch begin where it does
    low, high = recording_span(recording)
    start, stop = np.minimum(use.start, np.maximum(use.start - margin, low)), np.minimum(use.stop + margin, high)
    grown = replace(use, start=epochs.rounded(start), stop=epochs.rounded(np.maximum(stop, use.stop)))
    if recording.sweeps is not None:
        sweeps, _ = recording.intervals(recording.sweeps)
        grown = epochs.intersect(grown, epochs.concatenate([sweeps, use]))
    return epochs.merge_overlaps(grown)


def recording_span(recording: Recording, use: Epochs | None = None) -> tuple[float, float]:
    """Find when the recording began and ended, s; infinite where nothing says.

    Its series, interval tables and times of observation say so, and the study's epochs where they are given. An
    object that cannot be read says nothing.
    """
    spans = [] if use is None else [use]
    for series in recording.series.values():
        with contextlib.suppress(RecordingError):
            if not series.problem and series.samples > 1 and np.isfinite(series.timing.first):
                after = series.timing.interval if np.isfinite(series.timing.interval) else 0.0
                spans.append(Epochs.of(series.timing.first, series.timing.last + after))
    for table in recording.tables.values():
        with contextlib.suppress(RecordingError):
            spans.append(recording.intervals(table)[0])
    with contextlib.suppress(RecordingError):
        for unit in range(len(recording.units)):
            observed = recording.units.observed(unit)
            if observed is not None:
                finite = observed[(np.abs(observed) < FOREVER).all(axis=1)]
                spans.append(Epochs.of(finite[:, 0], finite[:, 1]))
    known = [span for span in spans if len(span)]
    if not known:
        return -np.inf, np.inf
    return min(float(span.start.min()) for span in known), max(float(span.stop.max()) for span in known)


def choose_selection(
    recording: Recording, settings: DataSettings, selection: EpochSelection, field: str, above: tuple[str, ...] = ()
) -> Epochs:
    """Select epochs by one of the study's entries.

    Parameters
    ----------
    recording
        The file.
    settings
        The study's part about data, for the epochs that `within` names.
    selection
        The entry.
    field
        Where it stands in the study.
    above
        Names of the entries that lead here.
    """
    if selection.within is not None:
        frame = _choose(recording, settings, selection.within, above)
        plain = {"within", "first", "last"} >= selection.changed
        chosen = frame if plain else epochs.intersect(_source(recording, selection, field), frame)
    else:
        chosen = _source(recording, selection, field)
    if selection.first is not None:
        chosen = epochs.first(chosen, selection.first)
    if selection.last is not None:
        chosen = epochs.last(chosen, selection.last)
    if not len(chosen):
        raise RecordingError(
            "no epochs are selected", where=f"{recording.where}: {field}", mend=_what_there_is(recording, selection)
        )
    return chosen


def _source(recording: Recording, selection: EpochSelection, field: str) -> Epochs:
    if selection.intervals is not None:
        return Epochs.of(*np.array(selection.intervals, dtype=np.float64).reshape(-1, 2).T)
    table = recording.find_table(selection.table or "epochs")
    chosen, _ = recording.intervals(table)
    if selection.where is not None:
        rows = select_rows(table, selection.where, f"{field}.where")
        chosen = chosen.take(rows[chosen.row])
    if selection.tags is not None:
        wanted = {selection.tags} if isinstance(selection.tags, str) else set(selection.tags)
        tags = table.column("tags")
        chosen = chosen.take([not wanted.isdisjoint(np.atleast_1d(tags[row]).tolist()) for row in chosen.row])
    if selection.label is not None:
        chosen = chosen.take(chosen.label == selection.label)
    if selection.index is not None:
        outside = [index for index in selection.index if not -len(chosen) <= index < len(chosen)]
        if outside:
            where, mend = f"{recording.where}: {field}.index", f"{len(chosen)} rows match, counted from 0"
            raise RecordingError(f"there is no row {outside[0]}", where=where, mend=mend)
        chosen = chosen.take(list(selection.index))
    return chosen


def _what_there_is(recording: Recording, selection: EpochSelection) -> str:
    if selection.intervals is not None or not recording.tables:
        return "check the intervals"
    table = recording.find_table(selection.table or "epochs")
    found, _ = recording.intervals(table)
    labels = list(dict.fromkeys(found.label.tolist()))
    shown = ", ".join(labels[:12]) + (", ..." if len(labels) > 12 else "")
    return f"{table.path} has {len(found)} rows labelled {shown}"


class ObjectPath(str):
    """The path of an object, which is equal to its name, too: `electrode_group == 'probeB'`."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and (str(self) == other.strip("/") or self.rpartition("/")[2] == other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


def _called(table: Table | Sweeps, name: str) -> np.ndarray | list[np.ndarray]:
    """Read a column for a selection: objects that it refers to go by their path and by their name."""
    values = table.column(name)
    refers = isinstance(table, Table) and "." not in name and table.array(name).is_reference
    if not refers:
        return values
    rows = values if isinstance(values, list) else [values]
    called = [np.array([ObjectPath(path) for path in row], dtype=object) for row in rows]
    return called if isinstance(values, list) else called[0]


def select_rows(table: Table | Sweeps, expression: str, where: str) -> np.ndarray:
    """Compute an expression over a table's columns; `row`, `id` and `duration` are known too."""

    def lookup(name: str) -> np.ndarray | list[np.ndarray]:
        if name == "row":
            return np.arange(len(table))
        if name == "id":
            return table.ids
        if name == "duration" and name not in table:
            return np.asarray(table.column("stop_time")) - np.asarray(table.column("start_time"))
        return _called(table, name)

    return select(expression, lookup, [*table.columns, "row", "id", "duration"], len(table), where=where)


class UnitColumns:
    """Columns that units are selected by: the file's, and what is computed over the epochs in use.

    `unit` (the id), `spikes`, `rate` (Hz over the time that the unit was observed in `use`), `presence_ratio` (share
    of minutes of `use` with a spike), `refractory_violations` (share of intervals shorter than 2 ms).
    """

    computed = ("unit", "spikes", "rate", "presence_ratio", "refractory_violations")

    def __init__(self, recording: Recording, use: Epochs, blank: Epochs | None = None):
        self.recording = recording
        self.use = epochs.merge_overlaps(use)
        if blank is not None and len(blank):
            self.use = epochs.difference(self.use, blank)

    @property
    def ids(self) -> np.ndarray:
        """(units,) their numbers."""
        return self.recording.units.ids

    @property
    def names(self) -> list[str]:
        """Every column that an expression may use."""
        table = self.recording.units.table
        return [*self.computed, "id", *(table.columns if table is not None else ())]

    def __call__(self, name: str) -> np.ndarray | list[np.ndarray]:
        """Give a column by its name."""
        units = self.recording.units
        if name in ("unit", "id"):
            return units.ids
        if name in self.computed:
            return getattr(self, name)
        assert units.table is not None  # `names` lists no other column then
        return _called(units.table, name)

    @cached_property
    def observed(self) -> np.ndarray:
        """(units,) time in `use` that each unit was observed, s."""
        # Units that were observed at the same times share one computation (most files hold one such list for all).
        known: dict[bytes | None, float] = {}
        seconds = []
        for unit in range(len(self.recording.units)):
            intervals = self.recording.units.observed(unit)
            key = None if intervals is None else intervals.tobytes()
            if key not in known:
                known[key] = self._seconds(intervals)
            seconds.append(known[key])
        return np.array(seconds)

    def _seconds(self, intervals: np.ndarray | None) -> float:
        if intervals is None:
            return float(self.use.duration.sum())
        parts = [
            Epochs.of(intervals[:, 0], intervals[:, 1], clock=np.full(len(intervals), clock))
            for clock in np.unique(self.use.clock)
        ]
        return float(epochs.intersect(self.use, epochs.concatenate(parts)).duration.sum())

    @property
    def spikes(self) -> np.ndarray:
        """(units,) spikes in `use`, while the unit was observed."""
        return self._of_trains[0]

    @cached_property
    def rate(self) -> np.ndarray:
        """(units,) Hz; NaN for a unit that was never observed."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.observed > 0, self.spikes / self.observed, np.nan)

    @cached_property
    def _of_trains(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(units,) each: spikes, share of the windows with a spike, share of short intervals; trains are read once."""
        count, present, short = [], [], []
        clocks = [int(clock) for clock in np.unique(self.use.clock)]
        windows = {clock: _windows(self.use.take(self.use.clock == clock)) for clock in clocks}
        total = sum(len(edges) for edges in windows.values())
        for unit in range(len(self.recording.units)):
            trains = {clock: self._on_clock(unit, clock) for clock in clocks}
            times = np.concatenate([*trains.values(), np.empty(0)])
            found = [len(np.unique(np.searchsorted(windows[clock], train, "right"))) for clock, train in trains.items()]
            count.append(len(times))
            present.append(sum(found) / max(total, 1))
            short.append(float(np.mean(np.diff(times) < REFRACTORY)) if len(times) > 1 else 0.0)
        return np.array(count, dtype=np.int64), np.array(present, np.float64), np.array(short, np.float64)

    def _on_clock(self, unit: int, clock: int) -> np.ndarray:
        spans = self.use.take(self.use.clock == clock)
        times = self.recording.train(unit, clock, spans)
        times = times[epochs.contains(spans, times, clock)]
        intervals = self.recording.units.observed(unit)
        if intervals is None:
            return times
        # Closed on both sides: files often end the last interval with the last spike.
        return times[epochs.contains(Epochs.of(intervals[:, 0], intervals[:, 1] + 1e-9), times)]

    @property
    def damaged(self) -> np.ndarray:
        """(n,) rows of the units whose spike times cannot be read."""
        return np.array(sorted(self.recording.units.damaged if len(self._of_trains[0]) else ()), dtype=np.int64)

    @property
    def presence_ratio(self) -> np.ndarray:
        """(units,) share of the windows of `PRESENCE_WINDOW` in `use` that hold a spike."""
        return self._of_trains[1]

    @property
    def refractory_violations(self) -> np.ndarray:
        """(units,) share of intervals between spikes shorter than `REFRACTORY`; 0 for fewer than two spikes."""
        return self._of_trains[2]


def _windows(spans: Epochs) -> np.ndarray:
    """Cut intervals (disjoint, on one clock) into windows of about `PRESENCE_WINDOW`; return where each begins, s."""
    spans = spans.sorted()
    parts = np.maximum(1, np.rint(spans.duration / PRESENCE_WINDOW).astype(np.int64))
    number = np.arange(parts.sum()) - np.repeat(np.cumsum(parts) - parts, parts)
    return np.repeat(spans.start, parts) + number * np.repeat(spans.duration / parts, parts)


class Columns(Protocol):
    """What units are selected by."""

    recording: Recording

    @property
    def ids(self) -> np.ndarray:
        """(units,) their numbers."""

    @property
    def names(self) -> list[str]:
        """Every column that an expression may use."""

    def __call__(self, name: str) -> np.ndarray | list[np.ndarray]:
        """Give a column by its name."""


def choose_units(columns: Columns, settings: DataSettings) -> np.ndarray:
    """Return the rows of the units that the study selects, in the file's order.

    Raises
    ------
    RecordingError
        If an id is not there, or nothing is selected.
    """
    recording, selection = columns.recording, settings.units
    ids = columns.ids
    if not len(ids):
        raise RecordingError("the file has no units", where=f"{recording.where}: units", mend=series_instead(recording))
    chosen = np.ones(len(ids), dtype=bool)
    if selection.where is not None:
        chosen &= select(selection.where, columns, columns.names, len(ids), where="units.where")
    if selection.ids is not None:
        missing = [unit for unit in selection.ids if unit not in ids]
        if missing:
            mend = f"there are {len(ids)} units, {ids.min()} to {ids.max()}"
            raise RecordingError(f"there is no unit {missing[0]}", where=f"{recording.where}: units.ids", mend=mend)
        chosen &= np.isin(ids, selection.ids)
    if isinstance(columns, UnitColumns) and len(damaged := columns.damaged):
        chosen[damaged] = False
        if len(damaged) == len(ids):
            raise recording.units.damaged[int(damaged[0])]
    if not chosen.any():
        used = ", ".join(sorted(names(selection.where))) if selection.where else "the ids"
        used += _values(columns, selection)
        raise RecordingError(
            f"none of the {len(ids)} units is selected",
            where=f"{recording.where}: units",
            mend=f"loosen `units.where` (it uses {used}); `nwbglm inspect` lists the units",
        )
    return np.flatnonzero(chosen)


def series_instead(recording: Recording) -> str:
    """Say which series of a file without units could be explained in the place of spikes."""
    known = [path for path, series in recording.series.items() if not series.problem]
    if not known:
        return "nothing can be fitted to it"
    shown = ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")
    return f"name series to explain instead, such as `response: {known[0]}`; known here: {shown}"


SHOWN = 12
"""Values of a column that a message lists at most."""


def _values(columns: Columns, selection: UnitSelection) -> str:
    """List the values that there are, of each column that the selection names."""
    listed = []
    for name in sorted(names(selection.where)) if selection.where else []:
        values = columns(name)
        flat = np.concatenate([np.empty(0, object), *values]) if isinstance(values, list) else np.ravel(values)
        if flat.dtype.kind in "iuf" and len(flat):
            listed.append(f"{name} is {np.min(flat):.6g} to {np.max(flat):.6g}")
        elif len(flat):
            texts = list(dict.fromkeys(str(value).rpartition("/")[2] or str(value) for value in flat))
            listed.append(f"{name} is {', '.join(texts[:SHOWN])}" + (", ..." if len(texts) > SHOWN else ""))
    return ": " + "; ".join(listed) if listed else ""
