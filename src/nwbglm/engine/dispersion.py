"""The dispersion of the negative binomial, by maximum likelihood, in turns with the coefficients.

The two are orthogonal in expectation, so that a few turns suffice. For given means, the derivative of the
log-likelihood in the dispersion is brought to zero on a logarithmic axis, by a bracketing secant (Illinois), for all
columns at once.
"""

from __future__ import annotations

import numpy as np

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
    kept = np.zeros(len(theta), int)  # the end that stayed the last time: 1 low, -1 high
    for step in range(steps):
        if not len(open_):
            break
        a, b, fa, fb = low[open_], high[open_], slope_low[open_], slope_high[open_]
        # every third step halves the bracket, whatever the slopes are like
        point = 0.5 * (a + b) if step % 3 == 2 else np.clip(b - fb * (b - a) / (fb - fa), a, b)
        value = _slope(problem, columns.take(open_), theta[open_], point)
        rises = value > 0
        stays = np.where(rises, 1, -1)
        # Illinois: an end that stays twice halves its value, so that it moves the next time
        again = np.where(stays == kept[open_], 0.5, 1.0)
        slope_low[open_] = np.where(rises, fa * again, value)
        slope_high[open_] = np.where(rises, value, fb * again)
        low[open_], high[open_] = np.where(rises, a, point), np.where(rises, point, b)
        kept[open_] = stays
        scale = problem.rows[columns.unit[open_], columns.mask[open_]]
        done = (high[open_] - low[open_] < 1e-9) | (np.abs(value) < 1e-13 * scale)
        result[open_] = point
        open_ = open_[~done]
    return np.exp(result)


def _slope(problem: Problem, columns: Columns, theta: np.ndarray, log_dispersion: np.ndarray) -> np.ndarray:
    """Return the derivative of the negative log-likelihood in the logarithm of the dispersion."""
    alpha = np.exp(log_dispersion)
    table = problem.table[columns.unit, columns.mask]
    # the derivative of log Gamma(y + 1/a) - log Gamma(1/a) = sum_{j<y} log(j + 1/a), without their cancellation
    each = 1.0 / (1.0 + alpha[:, None] * np.arange(table.shape[1] - 1))
    constant = -np.pad(np.cumsum(each, axis=1), ((0, 0), (1, 0))) / alpha[:, None]
    total = np.zeros(len(theta))
    for start in range(0, len(theta), problem.slots):
        part = slice(start, start + problem.slots)
        total[part] = problem.dispersion_slopes(theta[part], columns.unit[part], columns.mask[part], alpha[part])
    return alpha * (total - np.einsum("nv,nv->n", table, constant))
