"""Time series of the file: times and values, read in blocks, with conversions applied.

What is done about bad times stands in `timing`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nwbglm.epochs import rounded
from nwbglm.errors import RecordingError
from nwbglm.recording.nodes import Array, Group, Named, OutsideError, as_list
from nwbglm.recording.texts import as_number, as_texts
from nwbglm.recording.timing import Timing, ordered_times, regular_timing, timing_of, timing_of_blocks

BLOCK = 1_000_000
"""Samples read at once."""


@dataclass(frozen=True, eq=False)
class Series(Named):
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

    @cached_property
    def data(self) -> Array | None:
        """Stored values, before conversion."""
        data = self.group.array("data")
        row = data is not None and len(data.shape) == 2 and data.shape[0] == 1
        # One row is a list, unless it is said that its entries are channels or ROIs.
        return as_list(data) if row and "rois" not in self.group and "electrodes" not in self.group else data

    @cached_property
    def timestamps(self) -> Array | None:
        """Stored times, s; None where the series has a rate."""
        return as_list(self.group.array("timestamps"))

    @cached_property
    def rate(self) -> float | None:
        """Samples a second, where the file states it."""
        start = self.group.array("starting_time")
        rate = None if start is None else start.attrs.number("rate")
        return rate if rate is not None and np.isfinite(rate) and rate > 0 else None

    @cached_property
    def starting_time(self) -> float:
        """Time of the first sample, s, where the file states a rate."""
        start = self.group.array("starting_time")
        return 0.0 if start is None else as_number(start.read()) or 0.0

    @property
    def unit(self) -> str:
        """Unit of the converted values, as the file writes it."""
        return "" if self.data is None else self.data.attrs.text("unit")

    @property
    def conversion(self) -> float:
        """Stored values times this (plus `offset`) are in `unit`."""
        value = None if self.data is None else self.data.attrs.number("conversion")
        return 1.0 if value is None else value

    @property
    def offset(self) -> float:
        """Added after `conversion`."""
        value = None if self.data is None else self.data.attrs.number("offset")
        return 0.0 if value is None else value

    @property
    def resolution(self) -> float | None:
        """Smallest step that the file claims, in `unit`; None where it claims none (NaN, 0 or -1)."""
        value = None if self.data is None else self.data.attrs.number("resolution")
        return value if value is not None and value > 0 else None

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
        try:
            return self._problem()
        except OutsideError:
            raise
        except RecordingError as error:
            return error.what

    def _problem(self) -> str:
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
        if self.data.hollow:
            return f"its data array {self.data.hollow}"
        for name in ("conversion", "offset"):
            if not np.isfinite(getattr(self, name)):
                return f"its {name} is {getattr(self, name)}"
        return self._times_problem() or self._shape_problem() or self._channels_problem()

    def _times_problem(self) -> str:
        if self.timestamps is None:
            start = self.group.array("starting_time")
            if not self.rate:
                given = None if start is None else start.attrs.get("rate")
                return "it has neither timestamps nor a rate" + ("" if given is None else f" (its rate is {given})")
            return "" if np.isfinite(self.starting_time) else f"it starts at {self.starting_time} s"
        if self.timestamps.hollow:
            return f"its array of timestamps {self.timestamps.hollow}"
        kind = self.timestamps.dtype
        return "" if kind.kind in "iuf" else f"its timestamps are of type {kind}, not numbers"

    def _channels_problem(self) -> str:
        factors = self.channel_conversion
        if factors is None or len(factors) == self.columns:
            return ""
        return f"its channel_conversion has {len(factors)} factors for {self.columns} columns"

    def _shape_problem(self) -> str:
        assert self.data is not None  # `problem` has asked
        shape = self.data.shape
        if self.timestamps is None:
            # ROIs and channels are named one by one: where their number is that of the rows, the axes are exchanged.
            for name in ("rois", "electrodes"):
                named = self.group.array(name)
                if named is not None and len(shape) == 2 and named.shape == shape[:1] and shape[0] != shape[1]:
                    return f"its data {shape} are transposed: the {shape[0]} {name} run along the first axis"
            return ""
        times = self.timestamps.shape
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
        listed = self.data.attrs.texts("labels") if self.data is not None else []
        values = listed if found is None else as_texts(found.read())
        return np.array(values, dtype=object) if values or found is not None else None

    def times(self, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Read the times of samples ``start:stop``, s, rounded to the nanosecond, as they stand in the file."""
        stop = self.samples if stop is None else min(stop, self.samples)
        if self.timestamps is not None:
            return rounded(self.timestamps.read(slice(start, stop)).astype(np.float64))
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
        if self.data is None or self.problem:
            raise self._unreadable()
        rows = slice(start, self.samples if stop is None else min(stop, self.samples))
        if column is None and self.columns > 1:
            raw = self.data.read(rows).astype(np.float64).reshape(rows.stop - rows.start, -1)
            return self._converted(raw, slice(None))
        column = column or 0
        if not 0 <= column < self.columns:
            where, mend = f"{self.where}: {self.path}", f"columns are 0 to {self.columns - 1}"
            raise RecordingError(f"there is no column {column}", where=where, mend=mend)
        place = np.unravel_index(column, self.data.shape[1:]) if len(self.data.shape) > 1 else ()
        return self._converted(self.data.read((rows, *map(int, place))).astype(np.float64), column)

    def _converted(self, raw: np.ndarray, column: int | slice) -> np.ndarray:
        """Return values in the series' unit; those that no float holds become infinite, and are missing."""
        with np.errstate(over="ignore", invalid="ignore"):
            return raw * self._factor(column) + self.offset

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
            return regular_timing(self.samples, self.starting_time, self.rate or np.nan)
        ascending = timing_of_blocks(self.times, self.samples, BLOCK) if self.samples > BLOCK else None
        return timing_of(self.times()) if ascending is None else ascending

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
            if self.rate is None:
                raise self._unreadable()
            low = max(low, math.floor((start - self.starting_time) * self.rate) - 1)
            high = min(high, math.ceil((stop - self.starting_time) * self.rate) + 2)
        elif self.timing.backward > len(self.timing.runs) - 1 or self.timing.dropped:
            times, index = ordered_times(self.times(low, high), self.timing)
            if len(times):
                yield times, self.values(low, high, column)[index]
            return
        for first in range(low, high, BLOCK):
            end = min(first + BLOCK, high)
            times = self.times(first, end)
            if times[-1] >= start and times[0] <= stop:
                yield times, self.values(first, end, column)


def is_series(group: Group) -> bool:
    """Tell whether a group is a time series: values or marks over times, whatever its type is called."""
    return "timestamps" in group or "starting_time" in group
