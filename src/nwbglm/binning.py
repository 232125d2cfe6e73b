"""Spike times and samples brought to one time axis.

The bins of an interval ``[start, stop)`` are ``[start + k bin, start + (k+1) bin)``, each edge computed by itself and
rounded to the nanosecond, so that nothing drifts over hours and times that are equal decimals compare equal. Every
spike of the interval falls into exactly one bin. What is left at the end, shorter than a bin, is dropped (default) or
kept with the fraction of a bin that it is worth.

Pynapple's `count` agrees bin by bin where the width is a whole number of nanoseconds; it differs where its running
sum of rounded widths drifts (1/30 s), and in its last bin, which it keeps or drops by the place of its centre, with
exposure uncorrected.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr
from scipy.signal import oaconvolve

from nwbglm import epochs
from nwbglm.epochs import Epochs, Span, rounded
from nwbglm.errors import RecordingError
from nwbglm.recording.choose import UnitColumns, choose_epochs, choose_units, purposes
from nwbglm.recording.model import Recording
from nwbglm.recording.series import Series
from nwbglm.recording.si import factor
from nwbglm.study.data import DataSettings, Signal

SLACK = 1e-6
"""An interval that lacks less than this fraction of a bin holds the bin: its edges were rounded."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Bins over segments that do not overlap.

    Parameters
    ----------
    segments
        Sorted by clock and start, without overlaps on a clock.
    bin
        Width, s.
    partial
        Keep what is left at an interval's end as a shorter bin.
    """

    segments: Epochs
    bin: float
    partial: bool = False

    @cached_property
    def sizes(self) -> np.ndarray:
        """(segments,) number of bins."""
        worth = self.segments.duration / self.bin
        whole = np.floor(worth + SLACK).astype(np.int64)
        return whole + (worth - whole > SLACK) if self.partial else whole

    @cached_property
    def offsets(self) -> np.ndarray:
        """(segments + 1,) index of each segment's first bin, and the total."""
        return np.concatenate([[0], np.cumsum(self.sizes)])

    def __len__(self) -> int:
        return int(self.offsets[-1])

    @cached_property
    def segment(self) -> np.ndarray:
        """(bins,) int32, which segment each bin lies in."""
        return np.repeat(np.arange(len(self.segments), dtype=np.int32), self.sizes)

    @property
    def number(self) -> np.ndarray:
        """(bins,) number of each bin within its segment."""
        return np.arange(len(self)) - self.offsets[self.segment]

    @property
    def clock(self) -> np.ndarray:
        """(bins,) the clock that each bin lies on."""
        return self.segments.clock[self.segment]

    @cached_property
    def left(self) -> np.ndarray:
        """(bins,) left edges, s."""
        return rounded(self.segments.start[self.segment] + self.number * self.bin)

    @cached_property
    def right(self) -> np.ndarray:
        """(bins,) right edges, s."""
        right = rounded(self.segments.start[self.segment] + (self.number + 1) * self.bin)
        return np.minimum(right, self.segments.stop[self.segment]) if self.partial else right

    @property
    def centre(self) -> np.ndarray:
        """(bins,) centres, s: half a (whole) bin after the left edge."""
        return rounded(self.left + self.bin / 2)

    @property
    def fraction(self) -> np.ndarray:
        """(bins,) how much of a whole bin each is: 1, except where a partial last bin is kept."""
        if not self.partial:
            return np.ones(len(self))
        share = (self.right - self.left) / self.bin
        return np.where(np.abs(share - 1) < SLACK, 1.0, share)

    def index(self, times: np.ndarray, clock: int = 0) -> np.ndarray:
        """Find the bin of each time.

        Parameters
        ----------
        times
            (n,) s, in any order, rounded to the nanosecond.
        clock
            The clock that they were taken on.

        Returns
        -------
        (n,) int64, -1 where a time lies in no bin.
        """
        mine = np.flatnonzero((self.segments.clock == clock) & (self.sizes > 0))
        if not mine.size or not len(times):
            return np.full(len(times), -1)
        starts = self.segments.start[mine]
        place = np.searchsorted(starts, times, side="right") - 1
        inside = place >= 0
        segment = mine[np.maximum(place, 0)]
        start, size = self.segments.start[segment], self.sizes[segment]
        with np.errstate(invalid="ignore"):
            number = np.floor((times - start) / self.bin).astype(np.int64)
        # The division may be off by one next to an edge: the edges themselves decide.
        number -= times < rounded(start + number * self.bin)
        number += times >= rounded(start + (number + 1) * self.bin)
        inside &= (number >= 0) & (number < size)
        if self.partial:
            inside &= times < self.segments.stop[segment]
        return np.where(inside, self.offsets[segment] + number, -1)


def count_in_bins(times: np.ndarray, grid: Grid, clock: int = 0) -> np.ndarray:
    """Count events in bins.

    Parameters
    ----------
    times
        (n,) s, in any order.
    grid
        The bins.
    clock
        The clock of the times.

    Returns
    -------
    (bins,) int64.
    """
    index = grid.index(rounded(times), clock)
    return np.bincount(index[index >= 0], minlength=len(grid))


def circular_mean(values: np.ndarray, period: float, axis: int | None = None) -> np.ndarray:
    """Average on the circle: the direction of the mean vector, in [0, period)."""
    vector = np.exp(2j * np.pi * np.asarray(values) / period).mean(axis=axis)
    return np.mod(np.angle(vector) * period / (2 * np.pi), period)


class _Average:
    """Means of the samples in each bin, gathered block by block."""

    def __init__(self, grid: Grid, clock: int, period: float | None):
        self.grid, self.clock, self.period = grid, clock, period
        self.samples = np.zeros(len(grid), dtype=np.int64)
        self.total = np.zeros(len(grid), dtype=np.complex128 if period else np.float64)

    def add(self, times: np.ndarray, values: np.ndarray) -> None:
        index = self.grid.index(times, self.clock)
        inside = index >= 0
        index, values = index[inside], values[inside]
        if not index.size:
            return
        if self.period:
            values = np.exp(2j * np.pi * values / self.period)
        # Sums over one bin are short, so their rounding does not depend on how the file was cut into blocks by more
        # than an ulp.
        first, length = index.min(), np.ptp(index) + 1
        here = slice(first, first + length)
        self.samples[here] += np.bincount(index - first, minlength=length)
        self.total[here] += _sums(index - first, values, length)

    def result(self) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = self.total / self.samples
        if self.period:
            angle = np.mod(np.angle(mean) * self.period / (2 * np.pi), self.period)
            mean = np.where(np.isfinite(mean), angle, np.nan)
        return np.where(self.samples > 0, mean, np.nan)


def _sums(index: np.ndarray, values: np.ndarray, length: int) -> np.ndarray:
    if np.iscomplexobj(values):
        return np.bincount(index, values.real, length) + 1j * np.bincount(index, values.imag, length)
    return np.bincount(index, values, length)


class _Between:
    """Values at the bins' centres from the samples around them, gathered block by block."""

    def __init__(self, grid: Grid, clock: int, period: float | None, max_gap: float, hold: bool):
        self.mine = np.flatnonzero(grid.clock == clock)
        self.wanted = grid.centre[self.mine]
        self.period, self.max_gap, self.hold = period, max_gap, hold
        self.values = np.full(len(grid), np.nan)
        self.before: tuple[np.ndarray, np.ndarray] = (np.empty(0), np.empty(0))

    def add(self, times: np.ndarray, values: np.ndarray) -> None:
        good = np.isfinite(values)
        times = np.concatenate([self.before[0], times[good]])
        values = np.concatenate([self.before[1], values[good]])
        if not len(times):
            return
        fresh = np.concatenate([[True], np.diff(times) > 0])
        times, values = times[fresh], values[fresh]
        # Each centre is met once: between the last sample of the block before and the last of this one.
        low, high = np.searchsorted(self.wanted, [times[0], times[-1]])
        self._fill(slice(low, high), times, values)
        exact = slice(high, np.searchsorted(self.wanted, times[-1], side="right"))
        self.values[self.mine[exact]] = values[-1]
        self.before = times[-1:], values[-1:]

    def _fill(self, part: slice, times: np.ndarray, values: np.ndarray) -> None:
        wanted = self.wanted[part]
        after = np.searchsorted(times, wanted, side="right")
        before = after - 1
        after = np.minimum(after, len(times) - 1)
        age, gap = wanted - times[before], times[after] - times[before]
        if self.hold:
            near, found = age <= self.max_gap + 1e-9, values[before]
        else:
            near = (gap <= self.max_gap + 1e-9) | (age == 0)
            step = values[after] - values[before]
            if self.period:
                step = step - self.period * np.round(step / self.period)
            found = values[before] + step * np.divide(age, gap, out=np.zeros_like(age), where=gap > 0)
            if self.period:
                found = np.mod(found, self.period)
        self.values[self.mine[part]] = np.where(near, found, np.nan)

    def finish(self) -> None:
        if self.hold and len(self.before[0]):
            late = np.isnan(self.values[self.mine]) & (self.wanted > self.before[0][0])
            late &= self.wanted - self.before[0][0] <= self.max_gap + 1e-9
            self.values[self.mine[late]] = self.before[1][0]

    def result(self) -> np.ndarray:
        self.finish()
        return self.values


def resample(
    blocks, grid: Grid, how: str, *, clock: int = 0, period: float | None = None, max_gap: float = np.inf
) -> np.ndarray:
    """Bring samples to bins.

    Parameters
    ----------
    blocks
        Pairs of times (s, ascending over all blocks) and values.
    grid
        The bins.
    how
        ``mean``: average of the samples in a bin, NaN where there is none or one is NaN; ``interpolate``: linear
        between the samples around the bin's centre; ``hold``: the last sample before the centre. The last two step
        over NaN samples.
    clock
        The clock of the samples.
    period
        Average and interpolate on the circle of this length, along the shorter way.
    max_gap
        Bins whose samples are further apart (``interpolate``) or older (``hold``) than this, s, are NaN.

    Returns
    -------
    (bins,) float64; NaN where the bins lie on another clock.
    """
    gather = _Average(grid, clock, period) if how == "mean" else _Between(grid, clock, period, max_gap, how == "hold")
    for times, values in blocks:
        gather.add(times, values)
    return gather.result()


def smallest_counts(counts: np.ndarray) -> np.ndarray:
    """Store counts in the smallest unsigned integers that hold them."""
    return counts.astype(np.min_scalar_type(int(counts.max(initial=0))))


def bin_recording(recording: Recording, settings: DataSettings) -> xr.Dataset:
    """Bring a recording to one time axis.

    Parameters
    ----------
    recording
        The opened file.
    settings
        The study's part about data.

    Returns
    -------
    The ``binned`` dataset: see docs/architecture.md.

    Raises
    ------
    RecordingError
        If the file does not hold what the study asks of it.
    """
    use = epochs.merge_overlaps(choose_epochs(recording, settings, "use"))
    grid = Grid(use, settings.bin)
    if not len(grid):
        raise RecordingError(
            f"no epoch in use is as long as a bin ({settings.bin} s)",
            where=recording.where,
            mend="check `epochs.use` and `bin`",
        )
    columns = UnitColumns(recording, use)
    units = choose_units(columns, settings)
    counts = np.stack([count_in_bins(recording.units.spike_times(unit), grid) for unit in units], axis=1)
    dataset = xr.Dataset(
        {"spike_count": (("time", "unit"), smallest_counts(counts)), "segment": ("time", grid.segment)},
        coords={"time": grid.centre, **_unit_coordinates(columns, units), **_segment_coordinates(use)},
        attrs={"bin": settings.bin, "session": recording.session},
    )
    return dataset.assign(in_epoch=_purposes(recording, settings, grid)).assign(
        {name: bin_signal(recording, signal, grid, name) for name, signal in settings.signals.items()}
    )


def _unit_coordinates(columns: UnitColumns, units: np.ndarray) -> dict:
    metadata = {name: values[units] for name, values in columns.recording.units.metadata.items()}
    own = {"rate": columns.rate[units], "spikes": columns.spikes[units]}
    reserved = {"unit", "time", "spike_count", "segment"}
    renamed = {f"units_{name}" if name in reserved | own.keys() else name: values for name, values in metadata.items()}
    return {"unit": columns.recording.units.ids[units]} | {
        name: ("unit", values) for name, values in {**renamed, **own}.items()
    }


def _segment_coordinates(use: Epochs) -> dict:
    return {
        "segment_label": ("segments", use.label),
        "segment_start": ("segments", use.start),
        "segment_stop": ("segments", use.stop),
    }


def _purposes(recording: Recording, settings: DataSettings, grid: Grid) -> xr.DataArray:
    names = purposes(settings)
    inside = [
        epochs.covers(choose_epochs(recording, settings, name), grid.left, grid.right, grid.clock) for name in names
    ]
    return xr.DataArray(np.stack(inside), dims=("purpose", "time"), coords={"purpose": names})


def bin_signal(recording: Recording, signal: Signal, grid: Grid, name: str) -> xr.DataArray:
    """Bring one of the study's signals to the bins.

    Parameters
    ----------
    recording
        The opened file.
    signal
        The study's entry.
    grid
        The bins.
    name
        The signal's name in the study, for errors.
    """
    source = find_signal(recording, signal, name)
    low, high = grid.left[0] - source.max_gap, grid.right[-1] + source.max_gap
    values = resample(source.blocks(0, low, high), grid, signal.resample, period=signal.period, max_gap=source.max_gap)
    attributes = {"role": "signal", "units": source.units, "source": source.series.path, "resample": signal.resample}
    return xr.DataArray(values, dims="time", attrs=attributes | ({"period": signal.period} if signal.period else {}))


@dataclass(frozen=True)
class Source:
    """Where a signal comes from: the series, its column, and the factor into the units that the study wants."""

    series: Series
    column: int | None
    scale: float
    units: str
    max_gap: float

    def blocks(self, clock: int, start: float, stop: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield times (s) and values in the study's units, ascending, of the blocks that touch a stretch of time."""
        for times, values in self.series.blocks(self.column, clock, start, stop):
            yield times, values * self.scale


def find_signal(recording: Recording, signal: Signal, name: str) -> Source:
    """Find a signal's series and how its values convert.

    Raises
    ------
    RecordingError
        If there is no such series, it has several columns and none is named, or its unit does not convert.
    """
    series = recording.find_series(signal.source)
    where = f"{recording.where}: {series.path}"
    if series.columns > 1 and signal.column is None:
        mend = f"say which: `signals.{name}.column` (from 0)"
        raise RecordingError(f"the series has {series.columns} columns", where=where, mend=mend)
    scale = 1.0 if signal.units is None else factor(series.unit, signal.units)
    if scale is None:
        what = f"its unit {series.unit!r} does not convert into {signal.units!r}"
        raise RecordingError(what, where=where, mend=f"correct `signals.{name}.units`")
    max_gap = 3 * series.timing.interval if signal.max_gap is None else signal.max_gap
    return Source(series, signal.column, scale, signal.units or series.unit, max_gap)


def signal_samples(recording: Recording, signal: Signal, name: str, span: Span) -> tuple[np.ndarray, np.ndarray]:
    """Read a signal's own samples within one interval: times (s) and values in the study's units."""
    source = find_signal(recording, signal, name)
    parts = [(np.empty(0), np.empty(0))]
    for times, values in source.blocks(span.clock, span.start, span.stop):
        inside = (times >= span.start) & (times < span.stop)
        parts.append((times[inside], values[inside]))
    return np.concatenate([times for times, _ in parts]), np.concatenate([values for _, values in parts])


def smooth(
    values: np.ndarray,
    bin: float,
    std: float,
    size_factor: float = 20,
    *,
    segment: np.ndarray | None = None,
    renormalise: bool = True,
) -> np.ndarray:
    """Smooth values on bins with a Gaussian, within segments.

    The window holds ``int(std / bin * size_factor)`` bins (one more where that is even), and sums to 1.

    Parameters
    ----------
    values
        (bins, ...) counts or rates; NaN bins carry no weight where edges are renormalised.
    bin
        Width of a bin, s.
    std
        Standard deviation of the Gaussian, s.
    size_factor
        Full width of the window in standard deviations.
    segment
        (bins,) segment of each bin; nothing is smoothed from one into the next. All one segment by default.
    renormalise
        Divide by the part of the window that lies on valid bins, so that a constant stays constant to the edges.
        Without it, bins beyond the edge count as zero: pynapple's form, where a constant 1 falls to 0.5 at the edge.

    Returns
    -------
    float64, shaped as `values`.
    """
    width = int(std / bin * size_factor + SLACK)
    width += width % 2 == 0
    offsets = np.arange(width) - width // 2
    window = np.exp(-0.5 * (offsets * bin / std) ** 2)
    window /= window.sum()
    values = np.asarray(values, dtype=np.float64)
    smoothed = np.empty_like(values)
    cuts = [] if segment is None else np.flatnonzero(np.diff(segment)) + 1
    for part in np.split(np.arange(len(values)), cuts):
        smoothed[part] = _smooth_stretch(values[part], window, renormalise)
    return smoothed


def _smooth_stretch(values: np.ndarray, window: np.ndarray, renormalise: bool) -> np.ndarray:
    shaped = window.reshape(-1, *[1] * (values.ndim - 1))
    if not renormalise:
        return _centred(values, shaped)
    valid = np.isfinite(values)
    weight = _centred(valid.astype(np.float64), shaped)
    total = _centred(np.where(valid, values, 0.0), shaped)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(weight > 1e-12, total / weight, np.nan)


def _centred(values: np.ndarray, window: np.ndarray) -> np.ndarray:
    half = len(window) // 2
    if not len(values):
        return values
    return oaconvolve(values, window, mode="full", axes=0)[half : half + len(values)]
