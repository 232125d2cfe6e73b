"""Time series of the file: times and values, read in blocks, with conversions applied.

What is done about bad times, always and in this order (the audit reports each):

1. samples whose time is NaN or infinite, or further than `ABSURD` from the median time, are dropped;
2. times that run back are sorted together with their values, if they run back by accident; where the clock restarts
   (several long runs that cover the same times) the runs are told apart as *clocks* and never mixed;
3. samples that repeat a time are all averaged, and the first of them is used where one value at a time is wanted.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nwbglm import epochs
from nwbglm.epochs import Epochs, rounded
from nwbglm.errors import RecordingError
from nwbglm.recording.nodes import Array, Group

ABSURD = 1e7
"""A time this far (s; 116 days) from the median is no time of this recording."""
SHORTEST_RUN = 10
"""Runs with fewer samples than this (on average) are disorder, not a restarting clock."""
OVERLAP = 0.05
"""Runs that cover less than this share of their time twice are disorder, not a restarting clock."""
BLOCK = 1_000_000
"""Samples read at once."""


@dataclass(frozen=True, eq=False)
class Series:
    """A time series of the file.

    Parameters
    ----------
    group
        Its group: ``data`` with ``timestamps``, or with ``starting_time``.
    where
        How errors name the file.
    """

    group: Group
    where: str

    @property
    def path(self) -> str:
        """Path in the file."""
        return self.group.path

    @property
    def name(self) -> str:
        """Last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def kind(self) -> str:
        """Neurodata type."""
        return self.group.kind

    @property
    def description(self) -> str:
        """The file's own words."""
        return str(self.group.attrs.get("description", ""))

    @cached_property
    def data(self) -> Array | None:
        """Stored values, before conversion."""
        return self.group.array("data")

    @cached_property
    def timestamps(self) -> Array | None:
        """Stored times, s; None where the series has a rate."""
        return self.group.array("timestamps")

    @cached_property
    def rate(self) -> float | None:
        """Samples a second, where the file states it."""
        start = self.group.array("starting_time")
        rate = None if start is None else start.attrs.get("rate")
        return None if rate is None else float(rate)

    @cached_property
    def starting_time(self) -> float:
        """Time of the first sample, s, where the file states a rate."""
        start = self.group.array("starting_time")
        return 0.0 if start is None else float(np.ravel(start.read())[0])

    @property
    def unit(self) -> str:
        """Unit of the converted values, as the file writes it."""
        return "" if self.data is None else str(self.data.attrs.get("unit") or "")

    @property
    def conversion(self) -> float:
        """Stored values times this (plus `offset`) are in `unit`."""
        value = 1.0 if self.data is None else self.data.attrs.get("conversion")
        return 1.0 if value is None else float(value)

    @property
    def offset(self) -> float:
        """Added after `conversion`."""
        value = 0.0 if self.data is None else self.data.attrs.get("offset")
        return 0.0 if value is None else float(value)

    @property
    def resolution(self) -> float | None:
        """Smallest step that the file claims, in `unit`; None where it claims none (NaN, 0 or -1)."""
        value = None if self.data is None else self.data.attrs.get("resolution")
        return float(value) if value is not None and value > 0 else None

    @property
    def samples(self) -> int:
        """Number of samples."""
        if self.data is not None and self.data.shape:
            return self.data.shape[0]
        return 0 if self.timestamps is None else self.timestamps.shape[0]

    @property
    def columns(self) -> int:
        """Number of columns of the values (1 where they are a plain list)."""
        return 1 if self.data is None else int(np.prod(self.data.shape[1:], dtype=int))

    @property
    def problem(self) -> str:
        """Say why the series cannot be read as values over time; empty where it can."""
        if self.data is None:
            return "it has no data"
        if not self.data.shape:
            return "its data are a single value"
        if self.data.is_text:
            return "its data are text"
        if self.data.dtype.kind not in "iufb":
            return f"its data are of type {self.data.dtype}, not numbers"
        if "external_file" in self.group:
            return "its data are frames in other files"
        if self.timestamps is None:
            return "" if self.rate else "it has neither timestamps nor a rate"
        return self._shape_problem()

    def _shape_problem(self) -> str:
        shape, times = self.data.shape, self.timestamps.shape
        if len(times) != 1:
            return f"its timestamps have shape {times}, not one time a sample"
        if shape[0] == times[0]:
            return ""
        if len(shape) == 2 and shape[1] == times[0]:
            return f"its data {shape} are transposed: {times[0]} timestamps run along the second axis"
        return f"it has {shape[0]} samples and {times[0]} timestamps"

    @cached_property
    def channel_conversion(self) -> np.ndarray | None:
        """(columns,) factors of the channels, on top of `conversion`."""
        found = self.group.array("channel_conversion")
        return None if found is None else np.ravel(found.read()).astype(np.float64)

    @cached_property
    def labels(self) -> np.ndarray | None:
        """Text of each mark (the `labels` of labelled events and TTL series); None where there is none."""
        found = self.group.array("labels") or self.group.array("data_labels")
        listed = self.data.attrs.get("labels") if self.data is not None else None
        values = listed if found is None else found.read()
        return None if values is None else np.array([str(value) for value in np.ravel(values)], dtype=object)

    def times(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Read the times of samples ``start:stop``, s, rounded to the nanosecond, as they stand in the file."""
        stop = self.samples if stop is None else min(stop, self.samples)
        if self.timestamps is not None:
            return rounded(self.timestamps.read(slice(start, stop)))
        if not self.rate:
            raise self._unreadable()
        return rounded(self.starting_time + np.arange(start, stop) / self.rate)

    def values(self, start: int = 0, stop: int | None = None, column: int | None = None) -> np.ndarray:
        """Read the values of samples ``start:stop`` in `unit`, float64.

        Parameters
        ----------
        start, stop
            Range of samples.
        column
            Which column; further dimensions count as columns, the last running fastest.

        Returns
        -------
        (samples,), or (samples, columns) where there are several and none is named.
        """
        if self.problem:
            raise self._unreadable()
        rows = slice(start, self.samples if stop is None else min(stop, self.samples))
        if column is None and self.columns > 1:
            raw = self.data.read(rows).astype(np.float64).reshape(rows.stop - rows.start, -1)
            return raw * self._factor(slice(None)) + self.offset
        column = column or 0
        if not 0 <= column < self.columns:
            where, mend = f"{self.where}: {self.path}", f"columns are 0 to {self.columns - 1}"
            raise RecordingError(f"there is no column {column}", where=where, mend=mend)
        place = np.unravel_index(column, self.data.shape[1:]) if len(self.data.shape) > 1 else ()
        return self.data.read((rows, *map(int, place))).astype(np.float64) * self._factor(column) + self.offset

    def _factor(self, column: int | slice) -> float | np.ndarray:
        return self.conversion * (1.0 if self.channel_conversion is None else self.channel_conversion[column])

    def _unreadable(self) -> RecordingError:
        problem = self.problem or "it has neither timestamps nor a rate"
        mend = "take another series, or correct the file"
        return RecordingError(f"the series cannot be read: {problem}", where=f"{self.where}: {self.path}", mend=mend)

    @cached_property
    def timing(self) -> Timing:
        """What the times are like."""
        if self.timestamps is None:
            return _regular_timing(self)
        ascending = _timing_of_blocks(self) if self.samples > BLOCK else None
        return _timing(self.times()) if ascending is None else ascending

    def blocks(
        self, column: int | None, samples: tuple[int, int], start: float, stop: float
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield times (s) and values of a range of samples in order of time, a few million at once.

        Parameters
        ----------
        column
            Which column, for series with several; all of them where None.
        samples
            First sample, and one after the last.
        start, stop
            Blocks that end before or begin after this stretch (s) are not read.
        """
        low, high = samples
        if self.timestamps is None:
            low = max(low, math.floor((start - self.starting_time) * self.rate) - 1)
            high = min(high, math.ceil((stop - self.starting_time) * self.rate) + 2)
        elif self.timing.backward > len(self.timing.runs) - 1 or self.timing.dropped:
            times, index = _ordered(self.times(low, high), self.timing)
            if len(times):
                yield times, self.values(low, high, column)[index]
            return
        for first in range(low, high, BLOCK):
            end = min(first + BLOCK, high)
            times = self.times(first, end)
            if times[-1] >= start and times[0] <= stop:
                yield times, self.values(first, end, column)


@dataclass(frozen=True)
class Timing:
    """What the times of a series are like.

    Parameters
    ----------
    first, last
        Earliest and latest believable time, s.
    interval
        Usual time between samples (median), s; NaN for fewer than two.
    largest_gap
        s.
    dropped
        Times that are NaN or absurd.
    absurd
        One of the absurd times, for the report; NaN where there is none.
    backward, duplicates
        How often a time is earlier than, or equal to, the one before.
    runs
        Sample ranges of the clock's runs; one in an ordinary file.
    centre
        Median time, s, by which absurd times are told.
    """

    first: float
    last: float
    interval: float
    largest_gap: float
    dropped: int
    absurd: float
    backward: int
    duplicates: int
    runs: tuple[tuple[int, int], ...]
    centre: float

    @property
    def restarts(self) -> bool:
        """Whether the clock restarts within the series."""
        return len(self.runs) > 1


def _regular_timing(series: Series) -> Timing:
    n, rate = series.samples, series.rate or np.nan
    first, last = series.starting_time, series.starting_time + max(n - 1, 0) / rate
    interval = 1 / rate if n > 1 else np.nan
    return Timing(first, last, interval, interval, 0, np.nan, 0, 0, ((0, n),), (first + last) / 2)


def _timing_of_blocks(series: Series) -> Timing | None:
    """Look at ascending times block by block; None where they are not, and must be looked at together.

    The usual interval is the median of the blocks' medians.
    """
    last, largest, duplicates, usual = series.times(0, 1)[0], 0.0, 0, []
    middle = series.times(series.samples // 2, series.samples // 2 + 1)[0]
    for start in range(1, series.samples, BLOCK):
        times = np.concatenate([[last], series.times(start, start + BLOCK)])
        if not believable(times, middle).all():
            return None
        steps = np.diff(times)
        if (steps < 0).any():
            return None
        forward = steps[steps > 0]
        duplicates += len(steps) - len(forward)
        largest, last = max(largest, float(steps.max())), times[-1]
        usual += [float(np.median(forward))] if len(forward) else []
    first, whole = float(series.times(0, 1)[0]), ((0, series.samples),)
    interval = float(np.median(usual)) if usual else np.nan
    return Timing(first, float(last), interval, largest, 0, np.nan, 0, duplicates, whole, float(middle))


def believable(times: np.ndarray, centre: float) -> np.ndarray:
    """Tell which times are finite and near the recording."""
    return np.isfinite(times) & (np.abs(times - centre) <= ABSURD)


def _timing(times: np.ndarray) -> Timing:
    finite = times[np.isfinite(times)]
    if not finite.size:
        return Timing(np.nan, np.nan, np.nan, np.nan, len(times), np.nan, 0, 0, ((0, len(times)),), np.nan)
    centre = float(np.median(finite))
    good = believable(times, centre)
    strange = finite[np.abs(finite - centre) > ABSURD]
    kept = times[good]
    steps = np.diff(kept)
    backward = int((steps < 0).sum())
    runs = _runs(times, good) if backward else ((0, len(times)),)
    forward = steps[steps > 0]
    ordered = np.diff(np.sort(kept)) if backward and len(runs) == 1 else forward
    return Timing(
        first=float(kept.min()),
        last=float(kept.max()),
        interval=float(np.median(forward)) if forward.size else np.nan,
        largest_gap=float(ordered.max()) if ordered.size else np.nan,
        dropped=int((~good).sum()),
        absurd=float(strange[0]) if strange.size else np.nan,
        backward=backward,
        duplicates=int((steps == 0).sum()),
        runs=runs,
        centre=centre,
    )


def _runs(times: np.ndarray, good: np.ndarray) -> tuple[tuple[int, int], ...]:
    """Find the runs of a restarting clock; one run where times are only in disorder, or runs do not overlap."""
    index = np.flatnonzero(good)
    cuts = index[1:][np.diff(times[index]) < 0]
    if len(times) < SHORTEST_RUN * len(cuts):
        return ((0, len(times)),)
    bounds = np.concatenate([[0], cuts, [len(times)]])
    runs = tuple((int(low), int(high)) for low, high in itertools.pairwise(bounds))
    spans = [
        np.array([times[low:high][good[low:high]].min(), times[low:high][good[low:high]].max()]) for low, high in runs
    ]
    covered = epochs.union(Epochs.of(*np.array(spans).T)).duration.sum()
    long = sum(stop - start for start, stop in spans)
    # One stray time makes its run look long: most of a run must go over old ground, not one sample of it.
    again = np.mean(times[index] < np.maximum.accumulate(times[index]))
    return runs if long - covered > OVERLAP * long and again > OVERLAP else ((0, len(times)),)


def _ordered(times: np.ndarray, timing: Timing) -> tuple[np.ndarray, np.ndarray]:
    index = np.flatnonzero(believable(times, timing.centre))
    index = index[np.argsort(times[index], kind="stable")]
    return times[index], index


def is_series(group: Group) -> bool:
    """Tell whether a group is a time series: values or marks over times, whatever its type is called."""
    return "timestamps" in group or "starting_time" in group
