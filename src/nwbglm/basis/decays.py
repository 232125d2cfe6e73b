"""Decays over lags, orthonormal."""

from __future__ import annotations

import numpy as np

from nwbglm.errors import StudyError
from nwbglm.study import bases

from .family import OverLags

KEPT = 0.99  # least share of a Laguerre function's square that a window must hold


def orthogonal_exponentials(lag: np.ndarray, time_constants: np.ndarray) -> np.ndarray:
    """Orthonormalise ``exp(-lag / tau)`` over the lags of a window, in the order given (Gram-Schmidt).

    Each function is positive at the first lag or, where it is zero there, at its largest value.

    Parameters
    ----------
    lag
        Time from the first bin of the window, s, shape (lags,).
    time_constants
        Decay times, s, distinct, shape (functions,).

    Returns
    -------
    np.ndarray
        Orthonormal columns, shape (lags, functions).
    """
    decays = np.exp(-np.asarray(lag)[:, None] / np.asarray(time_constants, dtype=float))
    functions, triangle = np.linalg.qr(decays)
    size = np.abs(np.diag(triangle))
    if len(size) < decays.shape[1] or size.min() < 1e-10 * size.max():
        raise StudyError(
            f"exponentials with decay times {list(time_constants)} s cannot be told apart over {len(lag)} lags",
            mend="use fewer or more widely spaced decay times, or a longer window",
        )
    return functions * np.sign(np.diag(triangle))


def discrete_laguerre(lags: int, n: int, pole: float) -> np.ndarray:
    """Evaluate discrete Laguerre functions, orthonormal over all lags.

    With p the pole, ``b_0(m) = sqrt(1 - p^2) p^m``, and each function follows from the one before it:
    ``b_j(m) = p b_j(m - 1) + p b_{j-1}(m) - b_{j-1}(m - 1)`` (Marmarelis 1993, Annals of Biomedical Engineering 21,
    573-589, with alpha = p^2).

    Parameters
    ----------
    lags
        Number of lags m = 0, 1, ...
    n
        Number of functions.
    pole
        What is left of a decay after one lag, between 0 and 1.

    Returns
    -------
    np.ndarray
        Shape (lags, n).
    """
    from scipy.signal import lfilter  # slow to import, and most studies do without

    functions = np.empty((lags, n))
    functions[:, 0] = np.sqrt(1.0 - pole**2) * pole ** np.arange(lags)
    for j in range(1, n):
        functions[:, j] = lfilter([pole, -1.0], [1.0, -pole], functions[:, j - 1])
    return functions


class OrthogonalExponentials(OverLags):
    """Exponential decays, made orthonormal."""

    family = bases.OrthogonalExponentials

    def weights(self, lags: int, bin_width: float) -> np.ndarray:
        """Return what the bins of a window are weighed by."""
        return orthogonal_exponentials(np.arange(lags) * bin_width, self.settings.decay_times)


class Laguerre(OverLags):
    """Discrete Laguerre functions, of which the window must hold nearly all: cut off they are orthonormal no more."""

    family = bases.Laguerre

    def weights(self, lags: int, bin_width: float) -> np.ndarray:
        """Return what the bins of a window are weighed by."""
        n, pole = self.settings.n, self.settings.pole
        functions = discrete_laguerre(lags, n, pole)
        if _held(functions)[-1] < KEPT:
            least = _least_lags(n, pole)
            wider = f"a window of at least {least * bin_width:g} s, " if least else ""
            raise StudyError(
                f"a window of {lags * bin_width:g} s cuts off {n} Laguerre functions with the pole {pole:g}: it holds "
                f"{_held(functions)[-1]:.3g} of the squares of one, and should hold {KEPT:g}",
                where="basis.laguerre",
                mend=f"use {wider}fewer functions or a smaller pole",
            )
        return functions


def _held(functions: np.ndarray) -> np.ndarray:
    """Return which share of the worst function's square the first lags hold, shape (lags,)."""
    return np.cumsum(functions**2, axis=0).min(axis=1)


def _least_lags(n: int, pole: float) -> int | None:
    """Return the least window that holds the functions, in bins; None where it would be absurdly long."""
    lags = 64
    while lags <= 2**20:
        held = _held(discrete_laguerre(lags, n, pole))
        if held[-1] >= KEPT:
            return int(np.searchsorted(held, KEPT)) + 1
        lags *= 2
    return None
