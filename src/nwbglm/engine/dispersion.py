"""The dispersion of the negative binomial, by maximum likelihood, in turns with the coefficients.

The two are orthogonal in expectation, so that a few turns suffice. For given means, the derivative of the
log-likelihood in the dispersion is brought to zero on a logarithmic axis, by a bracketing secant (Illinois), for all
fits at once.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import ProblemError
from .data.problem import Problem
from .objective import Fits, Solution

__all__ = ["alternate", "best_dispersion", "first_dispersion"]

SMALLEST, LARGEST = 1e-6, 1e3
"""Bounds of the dispersion; the smallest is Poisson to all digits that matter."""


TURNS = 12
"""Turns of coefficients and dispersion."""

LOG_TOLERANCE = 1e-6
"""Change of the logarithm of the dispersion that ends them: its effect on the objective is quadratic."""


def alternate(
    problem: Problem, fits: Fits, solve: Callable[[Fits, np.ndarray | None], Solution]
) -> tuple[Solution, Fits]:
    """Take turns between coefficients and dispersion, each fit its own.

    Parameters
    ----------
    problem, fits
        What to fit.
    solve
        From fits at given dispersions, and first points (n, P) or None, to their solution.

    Returns
    -------
    tuple
        The solution, and the fits with the dispersion that was found.
    """
    n = len(fits.unit)
    fits = fits._replace(alpha=first_dispersion(problem, fits))
    result, turning, start = Solution.empty(n, problem.width), np.arange(n), None
    for turn in range(1, TURNS + 1):
        here = fits.take(turning)
        found = solve(here, start)
        found = found._replace(iterations=found.iterations + result.iterations[turning])
        alpha = best_dispersion(problem, here, found.theta)
        moved = np.abs(np.log(alpha / here.alpha)) >= LOG_TOLERANCE
        if turn == TURNS:
            found = found._replace(converged=found.converged & ~moved)
            moved[:] = False
        result.put(turning, found)
        turning, start = turning[moved], found.theta[moved]
        if not len(turning):
            break
        fits.alpha[turning] = alpha[moved]
    return result, fits


def first_dispersion(problem: Problem, fits: Fits) -> np.ndarray:
    """Return the dispersion of each fit's responses around their mean, by moments."""
    if problem.table is None:
        raise ProblemError(
            "negative binomial responses are not counts below 1024", where="fit_splits", mend="fit counts per bin"
        )
    count = np.arange(problem.table.shape[2])
    assert problem.table is not None  # counts have one
    table = problem.table[fits.unit, fits.mask]
    rows = table.sum(axis=1)
    mean = table @ count / rows
    variance = table @ count**2 / rows - mean**2
    return np.clip((variance - mean) / mean**2, 1e-2, LARGEST)


def best_dispersion(problem: Problem, fits: Fits, theta: np.ndarray, steps: int = 60) -> np.ndarray:
    """Return the dispersion of largest likelihood for each fit's coefficients (n,)."""
    low = np.full(len(theta), np.log(SMALLEST))
    high = np.full(len(theta), np.log(LARGEST))
    slope_low, slope_high = (_slope(problem, fits, theta, end) for end in (low, high))
    result = np.where(slope_low >= 0, low, np.where(slope_high <= 0, high, np.nan))
    open_ = np.flatnonzero(np.isnan(result))
    kept = np.zeros(len(theta), int)  # the end that stayed the last time: 1 low, -1 high
    for step in range(steps):
        if not len(open_):
            break
        a, b, fa, fb = low[open_], high[open_], slope_low[open_], slope_high[open_]
        # every third step halves the bracket, whatever the slopes are like
        point = 0.5 * (a + b) if step % 3 == 2 else np.clip(b - fb * (b - a) / (fb - fa), a, b)
        value = _slope(problem, fits.take(open_), theta[open_], point)
        rises = value > 0
        stays = np.where(rises, 1, -1)
        # Illinois: an end that stays twice halves its value, so that it moves the next time
        again = np.where(stays == kept[open_], 0.5, 1.0)
        slope_low[open_] = np.where(rises, fa * again, value)
        slope_high[open_] = np.where(rises, value, fb * again)
        low[open_], high[open_] = np.where(rises, a, point), np.where(rises, point, b)
        kept[open_] = stays
        scale = problem.rows[fits.unit[open_], fits.mask[open_]]
        done = (high[open_] - low[open_] < 1e-9) | (np.abs(value) < 1e-13 * scale)
        result[open_] = point
        open_ = open_[~done]
    return np.exp(result)


def _slope(problem: Problem, fits: Fits, theta: np.ndarray, log_dispersion: np.ndarray) -> np.ndarray:
    """Return the derivative of the negative log-likelihood in the logarithm of the dispersion."""
    alpha = np.exp(log_dispersion)
    assert problem.table is not None  # counts have one
    table = problem.table[fits.unit, fits.mask]
    # the derivative of log Gamma(y + 1/a) - log Gamma(1/a) = sum_{j<y} log(j + 1/a), without their cancellation
    each = 1.0 / (1.0 + alpha[:, None] * np.arange(table.shape[1] - 1))
    constant = -np.pad(np.cumsum(each, axis=1), ((0, 0), (1, 0))) / alpha[:, None]
    total = np.zeros(len(theta))
    for start in range(0, len(theta), problem.slots):
        part = slice(start, start + problem.slots)
        total[part] = problem.dispersion_slopes(theta[part], fits.unit[part], fits.mask[part], alpha[part])
    return alpha * (total - np.einsum("nv,nv->n", table, constant))
