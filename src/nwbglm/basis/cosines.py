"""Raised cosines: bumps that overlap, on a linear or a logarithmic axis (Pillow et al. 2005)."""

from __future__ import annotations

import numpy as np

from nwbglm.study import bases

from .family import OfPosition, inside


def raised_cosine_linear(x: np.ndarray, n: int, *, width: float = 2.0) -> np.ndarray:
    """Evaluate cosine bumps whose peaks are evenly spaced over [0, 1], first and last on its ends.

    Parameters
    ----------
    x
        Positions in [0, 1], any shape.
    n
        Number of functions, at least 2.
    width
        Half-width of a bump in units of the distance between peaks.

    Returns
    -------
    np.ndarray
        Shape of `x` with an axis of `n` functions added at the end.
    """
    return _bumps(inside(x), np.linspace(0.0, 1.0, n), width)


def raised_cosine_log(
    x: np.ndarray, n: int, *, width: float = 2.0, time_scaling: float = 50.0, decay_to_zero: bool = True
) -> np.ndarray:
    """Evaluate cosine bumps on a logarithmic axis, ``u = log(c x + 1) / log(c + 1)`` with c = `time_scaling`.

    Fine near 0 and coarse near 1. With `decay_to_zero` the last bump ends at 1 with value 0; otherwise it peaks there.

    Parameters
    ----------
    x
        Positions in [0, 1], any shape.
    n
        Number of functions, at least 2.
    width
        Half-width of a bump in units of the distance between peaks.
    time_scaling
        Strength of the stretch; towards 0 the axis becomes linear.
    decay_to_zero
        Whether the last function vanishes at 1.

    Returns
    -------
    np.ndarray
        Shape of `x` with an axis of `n` functions added at the end.
    """
    last = 1.0 - width / (n + width - 1.0) if decay_to_zero else 1.0
    stretched = np.log1p(time_scaling * inside(x)) / np.log1p(time_scaling)
    return _bumps(stretched, np.linspace(0.0, last, n), width)


def _bumps(x: np.ndarray, peaks: np.ndarray, width: float) -> np.ndarray:
    spacing = peaks[1] - peaks[0]
    return 0.5 * (np.cos(np.clip(np.pi * (x[..., None] - peaks) / (spacing * width), -np.pi, np.pi)) + 1.0)


class RaisedCosineLinear(OfPosition):
    """Raised cosines with evenly spaced peaks."""

    family = bases.RaisedCosineLinear

    def at(self, x: np.ndarray) -> np.ndarray:
        """Return the functions at positions."""
        return raised_cosine_linear(x, self.settings.n, width=self.settings.width)


class RaisedCosineLog(OfPosition):
    """Raised cosines on a logarithmic axis."""

    family = bases.RaisedCosineLog

    def at(self, x: np.ndarray) -> np.ndarray:
        """Return the functions at positions."""
        given = self.settings
        scaling = {"time_scaling": given.time_scaling, "decay_to_zero": given.decay_to_zero}
        return raised_cosine_log(x, given.n, width=given.width, **scaling)
