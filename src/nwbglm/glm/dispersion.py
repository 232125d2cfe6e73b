"""The dispersion of the negative binomial, by maximum likelihood, in turns with the coefficients.

The two are orthogonal in expectation, so that a few turns suffice. For given means, the derivative of the
log-likelihood in the dispersion is brought to zero on a logarithmic axis, by a bracketing secant (Illinois), for all
columns at once.
"""

from __future__ import annotations

import numpy as np
from scipy.special import digamma

from ..errors import ProblemError
from .columns import Columns
from .problem import Problem

__all__ = ["best_dispersion", "first_dispersion"]

SMALLEST, LARGEST = 1e-6, 1e3
"""Bounds of the dispersion; the smallest is Poisson to all digits that matter."""


def first_dispersion(problem: Problem, columns: Columns) -> np.ndarray:
    """Return the dispersion of each column's responses around their mean, by moments."""
    if problem.table is None:
        raise ProblemError(
            "negative binomial responses are not counts below 1024", where="fit_splits", mend="fit counts per bin"
        )
    count = np.arange(problem.table.shape[2])
    table = problem.table[columns.unit, columns.mask]
    rows = table.sum(axis=1)
    mean = table @ count / rows
    variance = table @ count**2 / rows - mean**2
    return np.clip((variance - mean) / mean**2, 1e-2, LARGEST)


def best_dispersion(problem: Problem, columns: Columns, theta: np.ndarray, steps: int = 60) -> np.ndarray:
    """Return the dispersion of largest likelihood for each column's coefficients (n,)."""
    low = np.full(len(theta), np.log(SMALLEST))
    high = np.full(len(theta), np.log(LARGEST))
    slope_low, slope_high = (_slope(problem, columns, theta, end) for end in (low, high))
    result = np.where(slope_low >= 0, low, np.where(slope_high <= 0, high, np.nan))
    open_ = np.flatnonzero(np.isnan(result))
    for _ in range(steps):
        if not len(open_):
            break
        a, b, fa, fb = low[open_], high[open_], slope_low[open_], slope_high[open_]
        point = np.clip(b - fb * (b - a) / (fb - fa), a + 1e-3 * (b - a), b - 1e-3 * (b - a))
        value = _slope(problem, columns.take(open_), theta[open_], point)
        rises = value > 0
        # Illinois: an end that stays halves its value, so that it moves the next time
        slope_low[open_] = np.where(rises, fa * 0.5, value)
        slope_high[open_] = np.where(rises, value, fb * 0.5)
        low[open_], high[open_] = np.where(rises, a, point), np.where(rises, point, b)
        scale = problem.rows[columns.unit[open_], columns.mask[open_]]
        done = (high[open_] - low[open_] < 1e-9) | (np.abs(value) < 1e-13 * scale)
        result[open_] = point
        open_ = open_[~done]
    return np.exp(result)


def _slope(problem: Problem, columns: Columns, theta: np.ndarray, log_dispersion: np.ndarray) -> np.ndarray:
    """Return the derivative of the negative log-likelihood in the logarithm of the dispersion."""
    alpha = np.exp(log_dispersion)
    table = problem.table[columns.unit, columns.mask]
    count = np.arange(table.shape[1])
    inverse = 1.0 / alpha[:, None]
    constant = -(inverse**2) * (digamma(count + inverse) - digamma(inverse))
    total = np.zeros(len(theta))
    for start in range(0, len(theta), problem.slots):
        part = slice(start, start + problem.slots)
        total[part] = problem.dispersion_slopes(theta[part], columns.unit[part], columns.mask[part], alpha[part])
    return alpha * (total - np.einsum("nv,nv->n", table, constant))
