"""Windows: which bins a basis over lags weighs, and by what. No other module knows where a window begins or ends."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nwbglm.errors import StudyError
from nwbglm.study.bases import Basis

from .registry import computed


class Kernel(NamedTuple):
    """What a window's bins are weighed by."""

    weights: np.ndarray
    """Shape (lags, functions)."""
    first: int
    """The first lag, in bins; positive lags are the past. The others follow one bin apart."""

    @property
    def last(self) -> int:
        """The last lag, in bins."""
        return self.first + len(self.weights) - 1

    def lags(self, bin_width: float) -> np.ndarray:
        """Return the lags, in the unit of `bin_width`."""
        return (self.first + np.arange(len(self.weights))) * bin_width


def kernel(basis: Basis, bin_width: float) -> Kernel:
    """Lay a basis over the lags of its window.

    Causal windows hold lags 1 to W bins, the first function nearest to now. Anticausal windows mirror them (lags -W to
    -1, again the first function nearest to now; NeMoS runs the other way there). Where the basis says that its window
    begins b bins from now, in place of 1, they hold lags b to b + W - 1, and -(b + W - 1) to -b: an event's kernel
    begins in the event's own bin with b = 0, and before it with b < 0. Acausal windows are centred: lags -(W // 2) to
    W - 1 - W // 2, functions in the order of the lag.

    Parameters
    ----------
    basis
        A basis with a window.
    bin_width
        In s.

    Returns
    -------
    Kernel
        The weights and the first lag.
    """
    count = window_bins(basis.window, bin_width, basis.kind)
    weights = computed(basis).weights(count, bin_width)
    begin = 1 if basis.begin is None else whole_bins(basis.begin, bin_width, f"{basis.kind}.begin")
    if basis.direction == "anticausal":
        weights = weights[::-1]
    return Kernel(weights, first_lag(basis.direction, count, begin))


def first_lag(direction: str, count: int, begin: int = 1) -> int:
    """Return the first lag of a window of so many bins that begins so many bins from now; positive is the past."""
    return {"causal": begin, "anticausal": -(begin + count - 1), "acausal": -(count // 2)}[direction]


def whole_bins(time: float, bin_width: float, where: str) -> int:
    """Return a time in bins, below 0 as above, or say that it is not a whole number of them."""
    count = round(time / bin_width)
    if abs(time / bin_width - count) > 1e-6 * max(abs(count), 1):
        raise StudyError(
            f"{time:g} s is not a whole number of bins of {bin_width:g} s",
            where=f"basis.{where}",
            mend=f"use {count * bin_width:g} s",
        )
    return count


def window_bins(window: float, bin_width: float, where: str) -> int:
    """Return a window in bins, or say that it is not a whole number of them."""
    count = round(window / bin_width)
    if count < 1 or abs(window / bin_width - count) > 1e-6 * count:
        nearest = max(count, 1) * bin_width
        raise StudyError(
            f"a window of {window:g} s is not a whole number of bins of {bin_width:g} s",
            where=f"basis.{where}.window",
            mend=f"use {nearest:g} s",
        )
    return count
