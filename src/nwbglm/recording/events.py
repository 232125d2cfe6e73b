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
from nwbglm.recording.tables import Table, is_interval_table
from nwbglm.study.base import nearest

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
        if not isinstance(values, np.ndarray) or values.dtype.kind not in "iufb" or values.ndim != 1:
            mend = "name a column of numbers: " + ", ".join(self.columns)
            raise RecordingError(
                f"column {name!r} does not hold one number a row", where=f"{where}: {self.path}", mend=mend
            )
        return values.astype(np.float64)

    def time_column(self, where: str) -> str:
        """Name the column that holds the events' times."""
        for name in TIMES:
            if name in self.columns:
                return name
        mend = "say which: `time: <column>`; columns are " + ", ".join(self.columns)
        raise RecordingError("no column is known to hold times", where=f"{where}: {self.path}", mend=mend)


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
        columns = _pairs(columns["time"], columns["value"])
    if series.labels is not None and "value" in columns:
        columns["label"] = series.labels[columns["value"].astype(np.int64)]
    size = len(next(iter(columns.values())))
    kept = np.ones(size, dtype=bool)
    if expression is not None:
        kept = select(expression, columns.__getitem__, columns, size, where=f"{field}.where")
    columns = {name: values[kept] for name, values in columns.items()}
    return Rows(series.path, tuple(columns), columns.__getitem__, np.zeros(int(kept.sum()), dtype=np.int64))


def _pairs(times: np.ndarray, marks: np.ndarray) -> dict[str, np.ndarray]:
    """Pair the beginnings (> 0) and ends (< 0) of an IntervalSeries, by kind (the mark's size)."""
    rows = []
    for kind in np.unique(np.abs(marks[marks != 0])):
        starts, stops = times[marks == kind], times[marks == -kind]
        # An end before the first beginning belongs to an interval that began before the series did.
        stops = stops[stops >= starts[0]] if len(starts) else stops[:0]
        rows += [(start, stop, kind) for start, stop in zip(starts, stops, strict=False)]
    table = np.array(sorted(rows), dtype=np.float64).reshape(-1, 3)
    return {"start_time": table[:, 0], "stop_time": table[:, 1], "value": table[:, 2]}
