"""What computes a study's basis: a class a family.

A family over lags gives the weights of a window's bins, one over values is evaluated at values; most are functions of a
position in [0, 1] and do both. Positions run from the first lag of a window (0) to its last (1), or over the bounds of
a value. Positions outside [0, 1] give NaN.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from nwbglm.study.family import Family


class Computed:
    """A basis as arrays.

    Parameters
    ----------
    settings
        The study's settings of this family.

    Attributes
    ----------
    family
        The class of these settings, on each class that computes one.
    """

    family: ClassVar[type[Family]]

    def __init__(self, settings: Any):
        self.settings = settings


class OverLags(Computed, ABC):
    """A basis that weighs the bins of a window."""

    @abstractmethod
    def weights(self, lags: int, bin_width: float) -> np.ndarray:
        """Return what the bins of a window are weighed by, the nearest to now first, shape (lags, functions).

        `bin_width` is in s.
        """


class OverValues(Computed, ABC):
    """A basis that is a function of a value now."""

    @abstractmethod
    def bounds(self, known: np.ndarray, period: float | None) -> list[float]:
        """Return the range, or the levels, to use for a session whose values are `known`; or none."""

    @abstractmethod
    def evaluate(self, value: np.ndarray, bounds: Sequence[float], period: float | None) -> np.ndarray:
        """Return the functions of values (n,), NaN outside the bounds, shape (n, functions)."""

    def grid(self, bounds: Sequence[float], known: np.ndarray, points: int) -> np.ndarray:
        """Return the values at which the functions are tabulated."""
        low, high = bounds or (known.min(), known.max())
        return np.linspace(low, high, points)


class OverRange(OverValues):
    """Functions of where a value lies between two bounds: those of the study, the period, or the session's range."""

    @abstractmethod
    def at(self, x: np.ndarray) -> np.ndarray:
        """Return the functions at positions in [0, 1], with an axis of functions added at the end."""

    def bounds(self, known: np.ndarray, period: float | None) -> list[float]:
        """Return the range (see `OverValues`)."""
        if self.settings.bounds is not None:
            return list(self.settings.bounds)
        return [0.0, period] if period is not None else [float(known.min()), float(known.max())]

    def evaluate(self, value: np.ndarray, bounds: Sequence[float], period: float | None) -> np.ndarray:
        """Return the functions of values (see `OverValues`)."""
        low, high = bounds
        return self.at(positions(value, (low, high), period=period))


class OfPosition(OverLags, OverRange):
    """Functions of a position, over the lags of a window or over the bounds of a value."""

    def weights(self, lags: int, bin_width: float) -> np.ndarray:
        """Return what the bins of a window are weighed by (see `OverLags`)."""
        return self.at(np.linspace(0.0, 1.0, lags))


def positions(value: np.ndarray, bounds: tuple[float, float], *, period: float | None = None) -> np.ndarray:
    """Map values to [0, 1] over `bounds`; a circular value is first brought into its period.

    Parameters
    ----------
    value
        Any shape, in the signal's units.
    bounds
        The values that become 0 and 1.
    period
        Of a circular signal; the bounds then span one period.

    Returns
    -------
    np.ndarray
        Positions; NaN where the value is NaN or outside the bounds.
    """
    low, high = bounds
    value = np.asarray(value, dtype=float)
    if period is not None:
        value = low + np.mod(value - low, period)
    return inside((value - low) / (high - low))


def inside(x: np.ndarray) -> np.ndarray:
    """Return x as floats with everything outside [0, 1] set to NaN."""
    x = np.asarray(x, dtype=float)
    return np.where((x >= 0.0) & (x <= 1.0), x, np.nan)
