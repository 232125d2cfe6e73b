"""What the times of a series are like, and what is done about bad ones.

Always, and in this order (the audit reports each):

1. samples whose time is NaN or infinite, or further than `ABSURD` from the median time, are dropped;
2. times that run back are sorted together with their values, if they run back by accident; where the clock restarts
   (several long runs that cover the same times) the runs are told apart as *clocks* and never mixed;
3. samples that repeat a time are all averaged, and the first of them is used where one value at a time is wanted.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nwbglm import epochs
from nwbglm.epochs import Epochs

ABSURD = 1e7
"""A time this far (s; 116 days) from the median is no time of this recording."""
SHORTEST_RUN = 10
"""Runs with fewer samples than this (on average) are disorder, not a restarting clock."""
OVERLAP = 0.05
"""Runs that cover less than this share of their time twice are disorder, not a restarting clock."""


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


def believable(times: np.ndarray, centre: float) -> np.ndarray:
    """Tell which times are finite and near the recording."""
    return np.isfinite(times) & (np.abs(times - centre) <= ABSURD)


def timing_of(times: np.ndarray) -> Timing:
    """Look at all times (s, in the file's order) together."""
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


def ordered_times(times: np.ndarray, timing: Timing) -> tuple[np.ndarray, np.ndarray]:
    """Return the believable times in order, and where each stood."""
    index = np.flatnonzero(believable(times, timing.centre))
    index = index[np.argsort(times[index], kind="stable")]
    return times[index], index


def regular_timing(samples: int, start: float, rate: float) -> Timing:
    """Give the timing of samples at a rate (Hz)."""
    n, first, last = samples, start, start + max(samples - 1, 0) / rate
    interval = 1 / rate if n > 1 else np.nan
    return Timing(first, last, interval, interval, 0, np.nan, 0, 0, ((0, n),), (first + last) / 2)


def timing_of_blocks(read: Callable[[int, int], np.ndarray], samples: int, block: int) -> Timing | None:
    """Look at ascending times block by block; None where they are not, and must be looked at together.

    The usual interval is the median of the blocks' medians.

    Parameters
    ----------
    read
        Gives the times (s) of a range of samples.
    samples
        How many there are.
    block
        How many to look at together.
    """
    last, largest, duplicates, usual = read(0, 1)[0], 0.0, 0, []
    middle = read(samples // 2, samples // 2 + 1)[0]
    for start in range(1, samples, block):
        times = np.concatenate([[last], read(start, start + block)])
        if not believable(times, middle).all():
            return None
        steps = np.diff(times)
        if (steps < 0).any():
            return None
        forward = steps[steps > 0]
        duplicates += len(steps) - len(forward)
        largest, last = max(largest, float(steps.max())), times[-1]
        usual += [float(np.median(forward))] if len(forward) else []
    first, whole = float(read(0, 1)[0]), ((0, samples),)
    interval = float(np.median(usual)) if usual else np.nan
    return Timing(first, float(last), interval, largest, 0, np.nan, 0, duplicates, whole, float(middle))
