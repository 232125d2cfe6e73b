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

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nwbglm.epochs import Epochs, rounded
from nwbglm.errors import RecordingError

MOST_BINS = 500_000_000
"""Six days at 1 ms."""
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

    def __post_init__(self) -> None:
        """Refuse what no memory holds, before any bin is made."""
        if len(self) > MOST_BINS:
            raise RecordingError(
                f"{float(self.segments.duration.sum()):g} s of epochs hold {len(self)} bins of {self.bin:g} s, and at "
                f"most {MOST_BINS} are made",
                where="bin",
                mend="use a wider `bin` (5 ms to 50 ms are usual), or fewer epochs",
            )

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


def coverage(
    starts: np.ndarray, stops: np.ndarray, grid: Grid, clock: int = 0, weights: np.ndarray | None = None
) -> np.ndarray:
    """Find how much of each bin intervals cover.

    Parameters
    ----------
    starts, stops
        (n,) s; the intervals may overlap, and then count several times.
    grid
        The bins.
    clock
        The clock of the intervals; bins on others are covered by none.
    weights
        (n,) what each interval counts; 1 by default.

    Returns
    -------
    (bins,) sum over the intervals of weight times the share of the (whole) bin that is covered.
    """
    # Whole nanoseconds, so that a bin that is covered is covered by exactly 1.
    starts, stops = nanoseconds(starts), nanoseconds(stops)
    weights = np.ones(len(starts)) if weights is None else np.asarray(weights, dtype=np.float64)
    knots, place = np.unique(np.concatenate([starts, stops]), return_inverse=True)
    if not len(knots):
        return np.zeros(len(grid))
    slope = np.cumsum(np.bincount(place, np.concatenate([weights, -weights]), len(knots)))
    height = np.concatenate([[0.0], np.cumsum(slope[:-1] * np.diff(knots))])
    left, right = nanoseconds(grid.left), nanoseconds(grid.right)
    covered = np.interp(right, knots, height) - np.interp(left, knots, height)
    whole = np.where(grid.fraction == 1.0, right - left, grid.bin * 1e9)
    return np.where(grid.clock == clock, covered / whole, 0.0)


def nanoseconds(time: np.ndarray) -> np.ndarray:
    """Express times (s) in whole nanoseconds, as float64 (exact for 104 days)."""
    return np.rint(np.asarray(time, dtype=np.float64) * 1e9)
