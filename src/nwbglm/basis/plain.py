"""Bases that are the input itself: each lag, the value, its levels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nwbglm.errors import ProblemError
from nwbglm.labels import as_level
from nwbglm.study import bases

from .family import OverLags, OverValues

SHOWN = 12
"""Levels that an error lists."""


def categorical(value: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Mark which of `levels` a value equals: one column a level; a value that is none of them gives NaN.

    Parameters
    ----------
    value
        Any shape.
    levels
        Distinct levels, shape (levels,).

    Returns
    -------
    np.ndarray
        Zeros and ones, shape of `value` with an axis of levels added at the end.
    """
    hit = np.asarray(value)[..., None] == np.asarray(levels)
    return np.where(hit.any(axis=-1, keepdims=True), hit.astype(float), np.nan)


class Lags(OverLags):
    """One function a lag."""

    family = bases.Lags

    def weights(self, lags: int, bin_width: float) -> np.ndarray:
        """Return what the bins of a window are weighed by."""
        return np.eye(lags)


class Categorical(OverValues):
    """One column a level."""

    family = bases.Categorical

    def bounds(self, known: np.ndarray, period: float | None) -> list[float]:
        """Return the levels."""
        return list(self.settings.levels or np.unique(known).tolist())

    def evaluate(self, value: np.ndarray, bounds: Sequence[float | str], period: float | None) -> np.ndarray:
        """Return which level values are of, NaN where of none; of texts, values are places among the bounds."""
        codes = np.arange(len(bounds)) if _texts(bounds) else np.array(bounds)
        marked = categorical(value, codes)
        return np.delete(marked, self._left_out(bounds), axis=-1)

    def grid(self, bounds: Sequence[float | str], known: np.ndarray, points: int) -> np.ndarray:
        """Return the levels."""
        return np.array(bounds)

    def _left_out(self, bounds: Sequence[float | str]) -> list[int]:
        """Return the place of the level that is left out, if one is."""
        if self.settings.reference is None:
            return [0] if self.settings.full_rank else []
        names = [as_level(level) for level in bounds]
        reference = as_level(self.settings.reference)
        if reference not in names:
            raise ProblemError(
                f"no value is the reference {reference!r}",
                where="basis.categorical.reference",
                mend="name a level that there is: " + ", ".join(names[:SHOWN]) + (", ..." if names[SHOWN:] else ""),
            )
        return [names.index(reference)]


def _texts(bounds: Sequence[float | str]) -> bool:
    return any(isinstance(bound, str) for bound in bounds)


class Identity(OverValues):
    """The value itself."""

    family = bases.Identity

    def bounds(self, known: np.ndarray, period: float | None) -> list[float]:
        """Return none."""
        return []

    def evaluate(self, value: np.ndarray, bounds: Sequence[float], period: float | None) -> np.ndarray:
        """Return the values."""
        return value[..., None]
