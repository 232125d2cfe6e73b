"""Which pass over the recording's times a row, a sample or a spike belongs to.

In an ordinary file a time means one moment, and everything is on clock 0. Where every sweep restarts at 0 a time
means several moments. Two things tell them apart, in this order: a table whose rows name their samples (`timeseries`
references, sweeps), and times that run back in the table and in a series alike, equally often. What neither tells
apart is taken by time alone, which is refused where two passes cover the same time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from nwbglm import epochs
from nwbglm.epochs import Epochs
from nwbglm.errors import RecordingError
from nwbglm.recording.series import Series
from nwbglm.recording.tables import SampleRange

NOISE = 0.01
"""Rows that share less than this part of their time touch, and are not two passes over it."""

Ranges = dict[str, tuple[int, int]]


class Piece(NamedTuple):
    """Samples ``low:high`` of a series, of which those from `start` until before `stop` (s) are meant."""

    low: int
    high: int
    start: float = -np.inf
    stop: float = np.inf


class Clocks:
    """The clocks of a recording, found out as its tables are read.

    Parameters
    ----------
    series
        The file's series, by path.
    where
        How errors name the file.
    """

    def __init__(self, series: dict[str, Series], where: str):
        self.series, self.where = series, where
        self.named: list[Ranges] = []
        self.runs = 1
        self.rows: dict[int, Epochs] = {}

    @property
    def several(self) -> bool:
        """Whether any time means several moments."""
        return bool(self.named) or self.runs > 1

    def of_rows(self, start: np.ndarray, stop: np.ndarray, ranges: list[list[SampleRange]] | None) -> np.ndarray:
        """Find the clock of each row of a table, and remember the rows.

        Parameters
        ----------
        start, stop
            (rows,) s.
        ranges
            The samples that each row names; None where the table names none.
        """
        rows = Epochs.of(start, stop, np.arange(len(start)))
        ordered = rows.sorted()
        # Intervals that touch overlap by rounding, in many files; sweeps go over old ground.
        whole = replace(ordered, stop=ordered.stop - NOISE * ordered.duration)
        if not epochs.overlapping(whole).any():
            return np.zeros(len(rows), dtype=np.int64)
        clock = self._by_samples(rows, ranges) if ranges is not None and any(ranges) else self._by_runs(start, stop)
        for one in np.unique(clock):
            part = rows.take(clock == one)
            self.rows[int(one)] = epochs.concatenate([self.rows.get(int(one), epochs.empty()), part])
        return clock

    def _by_samples(self, rows: Epochs, ranges: list[list[SampleRange]]) -> np.ndarray:
        own = [_merged(row) for row in ranges]
        clock = np.zeros(len(rows), dtype=np.int64)
        at = _index_by_path(self.named)
        for row in np.flatnonzero(_apart(rows, own)):
            known = _sharing(own[row], at)
            if not known:
                known = {len(self.named)}
                self.named.append(own[row])
                _add_to_index(at, len(self.named) - 1, own[row])
            clock[row] = 1 + min(known)
        return clock

    def _by_runs(self, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
        clock = _row_runs(start, stop)
        runs = int(clock.max(initial=0)) + 1
        if runs > 1 and any(len(one.timing.runs) == runs for one in self.series.values() if _stamped(one)):
            self.runs = runs
            return clock
        return np.zeros(len(start), dtype=np.int64)

    def samples(self, series: Series, clock: int, spans: Epochs) -> list[Piece]:
        """Find the samples of a series that belong to a clock, in order of time.

        Parameters
        ----------
        series
            The series.
        clock
            The clock.
        spans
            The intervals of that clock that samples are wanted for.

        Raises
        ------
        RecordingError
            If the samples cannot be told apart from those of another sweep at the same time.
        """
        if self.named and clock > 0:
            ranges = self.named[clock - 1]
            if series.path in ranges:
                return [Piece(*ranges[series.path])]
        elif self.runs > 1 and len(series.timing.runs) == self.runs:
            return [Piece(*series.timing.runs[clock])]
        self.check(series.path, clock, spans)
        if series.timing.restarts:
            return list(self._only_runs(series, spans))
        return [Piece(0, series.samples)]

    def _only_runs(self, series: Series, spans: Epochs) -> Iterator[Piece]:
        """Find, for each interval, the one run of a restarting series that has samples in it."""
        runs = [(low, high, np.sort(series.times(low, high))) for low, high in series.timing.runs]
        for span in spans.sorted():
            found = [
                Piece(low, high, span.start, span.stop)
                for low, high, times in runs
                if np.diff(np.searchsorted(times, [span.start, span.stop]))[0]
            ]
            if len(found) > 1:
                self._refuse(series.path, "its times restart, and several passes cover the same times", span.start)
            yield from found

    def check(self, path: str, clock: int, spans: Epochs) -> None:
        """Raise where another clock's rows cover the same times as the spans."""
        for other, rows in self.rows.items():
            if other != clock:
                moved = Epochs.of(rows.start, rows.stop, clock=np.full(len(rows), clock))
                shared = epochs.intersect(spans, moved)
                if len(shared):
                    self._refuse(path, "several sweeps cover the same times", shared.start[0])

    def _refuse(self, path: str, why: str, time: float) -> None:
        raise RecordingError(
            f"{why} (at {time:.3f} s, for one), and nothing says which sweep a time belongs to",
            where=f"{self.where}: {path}",
            mend="select sweeps whose times do not repeat (`epochs.use.where`), or a table that names its samples",
        )

    def train(self, path: str, times: np.ndarray, clock: int, spans: Epochs) -> np.ndarray:
        """Find the spikes of a clock, sorted.

        Parameters
        ----------
        path
            How errors name the unit.
        times
            Spike times, s, in the file's order.
        clock
            The clock.
        spans
            The intervals of that clock that spikes are wanted for.
        """
        if not self.several:
            return np.sort(times)
        count = self.runs if self.runs > 1 else len(self.named)
        cuts = np.flatnonzero(np.diff(times) < 0) + 1
        if len(cuts) + 1 == count and count > 1:
            run = clock if self.runs > 1 else clock - 1
            return np.split(times, cuts)[run] if run >= 0 else np.sort(times)
        inside = np.sort(times[epochs.contains(spans, times, clock)])
        if len(inside):
            self.check(path, clock, spans)
        return inside


def _stamped(series: Series) -> bool:
    return series.timestamps is not None and not series.problem


def _merged(ranges: list[SampleRange]) -> Ranges:
    merged: Ranges = {}
    for one in ranges:
        low, high = merged.get(one.series, (one.first, one.first))
        merged[one.series] = min(low, one.first), max(high, one.first + one.count)
    return merged


Index = dict[str, list[tuple[int, int, int]]]


def _index_by_path(ranges: list[Ranges]) -> Index:
    """List, for each series, the sample ranges that name it, with their numbers."""
    at: Index = {}
    for number, own in enumerate(ranges):
        _add_to_index(at, number, own)
    return at


def _add_to_index(at: Index, number: int, own: Ranges) -> None:
    for path, (low, high) in own.items():
        at.setdefault(path, []).append((low, high, number))


def _sharing(own: Ranges, at: Index) -> set[int]:
    """Find the numbers of those that name some of the same samples."""
    return {
        number
        for path, (low, high) in own.items()
        for first, stop, number in at.get(path, [])
        if first < high and low < stop
    }


def _apart(rows: Epochs, own: list[Ranges]) -> np.ndarray:
    """Tell which rows share their time with a row that names other samples."""
    starts, stops = np.sort(rows.start), np.sort(rows.stop)
    meeting = np.searchsorted(starts, rows.stop, "left") - np.searchsorted(stops, rows.start, "right")
    at = _index_by_path(own)
    apart = np.zeros(len(rows), dtype=bool)
    for row in np.flatnonzero(meeting > 1):
        # Rows that name the same samples meet in time, and those without samples cannot be told apart.
        alike = _sharing(own[row], at)
        apart[row] = bool(own[row]) and meeting[row] > len(alike)
    return apart


def _row_runs(start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """Find the run of each row: a new one begins where a row goes back into the time that its run has covered."""
    run, reach, clock = 0, -np.inf, np.zeros(len(start), dtype=np.int64)
    for row in range(len(start)):
        if row and start[row] <= start[row - 1] and start[row] < reach:
            run, reach = run + 1, -np.inf
        reach = max(reach, stop[row])
        clock[row] = run
    return clock
