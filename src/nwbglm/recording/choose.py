"""What the study takes of a recording: epochs by purpose, units by expression."""

from __future__ import annotations

from collections.abc import Iterator
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
from nwbglm.study.base import nearest
from nwbglm.study.data import PURPOSES, DataSettings, EpochSelection

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


def recording_span(recording: Recording) -> tuple[float, float]:
    """Find when the recording began and ended by its series and interval tables, s; infinite where neither says."""
    lows, highs = [], []
    for series in recording.series.values():
        if not series.problem and series.samples > 1 and np.isfinite(series.timing.first):
            lows.append(series.timing.first)
            highs.append(series.timing.last + (series.timing.interval if np.isfinite(series.timing.interval) else 0.0))
    for table in recording.tables.values():
        intervals, _ = recording.intervals(table)
        if len(intervals):
            lows.append(float(intervals.start.min()))
            highs.append(float(intervals.stop.max()))
    return (min(lows), max(highs)) if lows else (-np.inf, np.inf)


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


def select_rows(table: Table | Sweeps, expression: str, where: str) -> np.ndarray:
    """Compute an expression over a table's columns; `row`, `id` and `duration` are known too."""

    def lookup(name: str) -> np.ndarray | list[np.ndarray]:
        if name == "row":
            return np.arange(len(table))
        if name == "id":
            return table.ids
        if name == "duration" and name not in table:
            return np.asarray(table.column("stop_time")) - np.asarray(table.column("start_time"))
        return table.column(name)

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
        return units.table.column(name)

    def _observed(self, unit: int) -> Epochs:
        intervals = self.recording.units.observed(unit)
        if intervals is None:
            return self.use
        parts = [
            Epochs.of(intervals[:, 0], intervals[:, 1], clock=np.full(len(intervals), clock))
            for clock in np.unique(self.use.clock)
        ]
        return epochs.intersect(self.use, epochs.concatenate(parts))

    @cached_property
    def observed(self) -> np.ndarray:
        """(units,) time in `use` that each unit was observed, s."""
        return np.array([self._observed(unit).duration.sum() for unit in range(len(self.recording.units))])

    @cached_property
    def spikes(self) -> np.ndarray:
        """(units,) spikes in `use`, while the unit was observed."""
        return np.array([len(times) for times in self._trains()], dtype=np.int64)

    @cached_property
    def rate(self) -> np.ndarray:
        """(units,) Hz; NaN for a unit that was never observed."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.observed > 0, self.spikes / self.observed, np.nan)

    def _trains(self) -> Iterator[np.ndarray]:
        for unit in range(len(self.recording.units)):
            yield np.concatenate([self._on_clock(unit, int(clock)) for clock in np.unique(self.use.clock)])

    def _on_clock(self, unit: int, clock: int) -> np.ndarray:
        spans = self.use.take(self.use.clock == clock)
        times = self.recording.train(unit, clock, spans)
        times = times[epochs.contains(spans, times, clock)]
        intervals = self.recording.units.observed(unit)
        if intervals is None:
            return times
        # Closed on both sides: files often end the last interval with the last spike.
        return times[epochs.contains(Epochs.of(intervals[:, 0], intervals[:, 1] + 1e-9), times)]

    @cached_property
    def presence_ratio(self) -> np.ndarray:
        """(units,) share of the windows of `PRESENCE_WINDOW` in `use` that hold a spike."""
        edges = [
            np.linspace(span.start, span.stop, max(2, 1 + round((span.stop - span.start) / PRESENCE_WINDOW)))
            for span in self.use
        ]
        windows = sum(len(edge) - 1 for edge in edges)
        present = [sum(np.count_nonzero(np.histogram(times, edge)[0]) for edge in edges) for times in self._trains()]
        return np.array(present, dtype=np.float64) / windows

    @cached_property
    def refractory_violations(self) -> np.ndarray:
        """(units,) share of intervals between spikes shorter than `REFRACTORY`; 0 for fewer than two spikes."""
        return np.array([np.mean(np.diff(times) < REFRACTORY) if len(times) > 1 else 0.0 for times in self._trains()])


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
    if not chosen.any():
        used = ", ".join(sorted(names(selection.where))) if selection.where else "the ids"
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
