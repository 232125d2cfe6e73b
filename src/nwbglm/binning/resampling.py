"""Samples brought to bins: averaged, interpolated or held; on the circle where the signal is circular."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from nwbglm.binning.grid import Grid

Blocks = Iterable[tuple[np.ndarray, np.ndarray]]


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
    blocks: Iterable[tuple[np.ndarray, np.ndarray]],
    grid: Grid,
    how: str,
    *,
    clock: int = 0,
    period: float | None = None,
    max_gap: float = np.inf,
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
    gather = gatherer(grid, how, clock=clock, period=period, max_gap=max_gap)
    for times, values in blocks:
        gather.add(times, values)
    return gather.result()


def gatherer(
    grid: Grid, how: str, *, clock: int = 0, period: float | None = None, max_gap: float = np.inf
) -> _Average | _Between:
    """Make what gathers one column's samples, block by block, and gives its values on the bins (see `resample`)."""
    if how == "mean":
        return _Average(grid, clock, period)
    return _Between(grid, clock, period, max_gap, how == "hold")
