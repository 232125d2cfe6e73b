"""Rows of what happens at times: events tables, interval tables, TTL and annotation series, interval series."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nwbglm.errors import RecordingError
from nwbglm.recording.choose import select_rows
from nwbglm.recording.model import Recording
from nwbglm.recording.select import select
from nwbglm.recording.series import Series
from nwbglm.recording.sweeps import Sweeps
from nwbglm.recording.tables import Table, is_interval_table, labels_of
from nwbglm.recording.texts import as_text
from nwbglm.study.base import nearest
from nwbglm.study.data import Signal

TIMES = ("timestamp", "start_time", "time", "timestamps", "event_time")
"""Columns that hold the time of an event, in order of preference."""


@dataclass(frozen=True)
class Rows:
    """Rows with columns, some of them times.

    Parameters
    ----------
    path
        Where they stand in the file.
    columns
        Names of the columns.
    column
        Gives a column by name.
    clock
        (rows,) the clock of each row.
    """

    path: str
    columns: tuple[str, ...]
    column: Callable[[str], np.ndarray | list[np.ndarray]]
    clock: np.ndarray

    def numbers(self, name: str, where: str) -> np.ndarray:
        """Read a column that must hold one number a row, float64."""
        if name not in self.columns:
            raise RecordingError(
                f"there is no column {name!r}", where=f"{where}: {self.path}", mend=nearest(name, self.columns)
            )
        values = self.column(name)
        if not _plain_numbers(values):
            fitting = [other for other in self.columns if _plain_numbers(self.column(other))]
            mend = "name a column of numbers: " + (", ".join(fitting) or "there is none")
            raise RecordingError(
                f"column {name!r} does not hold one number a row", where=f"{where}: {self.path}", mend=mend
            )
        return np.asarray(values).astype(np.float64)

    def holds_texts(self, name: str) -> bool:
        """Tell whether a column holds one text a row."""
        return name in self.columns and _plain_texts(self.column(name))

    def texts(self, name: str) -> list[str]:
        """Read a column of texts (see `holds_texts`)."""
        return [as_text(value) for value in self.column(name)]

    def spans(self, signal: Signal, where: str) -> tuple[np.ndarray, np.ndarray]:
        """Read the beginnings and ends of a boxcar's rows, s; with `since`, the named ones count from that column's."""
        found = []
        for field in ("start", "stop"):
            times = self.numbers(getattr(signal, field), where) + signal.shift
            if signal.since is not None and field in signal.changed:
                times = times + self.numbers(signal.since, where)
            found.append(times)
        return found[0], found[1]

    def times(self, signal: Signal, where: str) -> tuple[np.ndarray, np.ndarray]:
        """Read the times of a signal's events, s, and the row of each: one a row, or those of each row's list.

        With `since`, the times count from that column's.
        """
        name = signal.time or self.time_column(where)
        values = self.column(name) if name in self.columns else None
        if isinstance(values, list) and all(np.asarray(row).dtype.kind in "iufb" for row in values):
            row = np.repeat(np.arange(len(values)), [len(one) for one in values])
            times = np.concatenate([np.empty(0), *values]).astype(np.float64)
        else:
            times = self.numbers(name, where)
            row = np.arange(len(times))
        return (times if signal.since is None else times + self.numbers(signal.since, where)[row]), row

    def time_column(self, where: str) -> str:
        """Name the column that holds the events' times."""
        for name in TIMES:
            if name in self.columns:
                return name
        mend = "say which: `time: <column>`; columns are " + ", ".join(self.columns)
        raise RecordingError("no column is known to hold times", where=f"{where}: {self.path}", mend=mend)


def _plain_numbers(values: np.ndarray | list[np.ndarray]) -> bool:
    return isinstance(values, np.ndarray) and values.dtype.kind in "iufb" and values.ndim == 1


def _plain_texts(values: np.ndarray | list[np.ndarray]) -> bool:
    if not isinstance(values, np.ndarray) or values.ndim != 1:
        return False
    return values.dtype.kind in "USTO" and all(isinstance(value, (str, bytes)) for value in values)


def find_rows(recording: Recording, name: str, expression: str | None, field: str) -> Rows:
    """Find a table or series by name or path, and the rows of it that an expression selects.

    Parameters
    ----------
    recording
        The file.
    name
        Name, path or end of a path.
    expression
        Over the columns (`time` and `value` for a series); all rows where None.
    field
        The field of the study, for errors.
    """
    known = {**recording.series, **recording.all_tables, **recording.tables}
    found = recording.find(name, known, "table or series")
    if isinstance(found, Series):
        return _rows_of_series(found, expression, field)
    return _rows_of_table(recording, found, expression, field)


def _rows_of_table(recording: Recording, table: Table | Sweeps, expression: str | None, field: str) -> Rows:
    kept = np.ones(len(table), dtype=bool) if expression is None else select_rows(table, expression, f"{field}.where")
    clock = np.zeros(len(table), dtype=np.int64)
    if is_interval_table(table):
        intervals, _ = recording.intervals(table)
        clock[intervals.row] = intervals.clock

    def column(name: str) -> np.ndarray | list[np.ndarray]:
        values = table.column(name)
        return (
            values[kept]
            if isinstance(values, np.ndarray)
            else [row for row, keep in zip(values, kept, strict=True) if keep]
        )

    return Rows(table.path, tuple(table.columns), column, clock[kept])


def _rows_of_series(series: Series, expression: str | None, field: str) -> Rows:
    columns = {"time": series.times()}
    if series.data is not None:
        columns["value"] = series.data.read() if series.data.is_text else series.values()
    if series.kind == "IntervalSeries":
        start, stop, value, _ = pair_marks(columns["time"], columns["value"])
        columns = {"start_time": start, "stop_time": stop, "value": value}
    if series.labels is not None and "value" in columns and columns["value"].dtype.kind in "iuf":
        columns["label"] = labels_of(columns["value"], series.labels)
    size = len(next(iter(columns.values())))
    kept = np.ones(size, dtype=bool)
    if expression is not None:
        kept = select(expression, columns.__getitem__, columns, size, where=f"{field}.where")
    columns = {name: values[kept] for name, values in columns.items()}
    return Rows(series.path, tuple(columns), columns.__getitem__, np.zeros(int(kept.sum()), dtype=np.int64))


def pair_marks(times: np.ndarray, marks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pair the beginnings (> 0) and ends (< 0) of an IntervalSeries, by kind (the mark's size) and by time.

    A beginning belongs to the next mark of its kind, if that is an end; what has no partner is left out: an end
    without a beginning, or a beginning that another one follows.

    Parameters
    ----------
    times
        (n,) s, in any order.
    marks
        (n,) signed kinds; 0 means nothing.

    Returns
    -------
    start, stop, kind
        (intervals,) each, in order of time.
    unpaired
        Times of the marks without a partner, s.
    """
    used = np.flatnonzero(np.isfinite(times) & np.isfinite(marks) & (marks != 0))
    # An end and the next beginning at one time: the end comes first.
    used = used[np.lexsort((marks[used], times[used], np.abs(marks[used])))]
    times, marks = times[used], marks[used]
    kind, begins = np.abs(marks), marks > 0
    paired = np.flatnonzero(begins[:-1] & ~begins[1:] & (kind[:-1] == kind[1:]))
    alone = np.setdiff1d(np.arange(len(marks)), np.concatenate([paired, paired + 1]))
    order = paired[np.lexsort((kind[paired], times[paired + 1], times[paired]))]
    return times[order], times[order + 1], kind[order], np.sort(times[alone])
