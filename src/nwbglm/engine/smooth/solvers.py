"""Choice of the solver of smooth problems, and the order of the fits.

Cross-validation is many nearly equal fits. Each unit and strength is first fitted on all rows (the *reference*), and
each split starts from there.
"""

from __future__ import annotations

import jax
import numpy as np

from .. import limits
from ..data.problem import Problem, padded_width
from ..objective import Fits, Solution, null_point
from ..tolerance import Tolerance
from .newton import NewtonDirections
from .quasi_newton import QuasiNewton
from .search import descend

__all__ = ["polish", "solve_smooth", "works_mixed"]

NEWTON_WIDTH = 28
"""Coefficients up to which exact Newton is cheaper than quasi-Newton."""


def works_mixed(features: int, dtype: str) -> bool:
    """Return whether a copy of the data in float32 pays: on processors, where its passes cost half."""
    return dtype == "float64" and padded_width(features) > NEWTON_WIDTH and jax.default_backend() == "cpu"


def solve_smooth(
    problem: Problem, fits: Fits, union: int, start: np.ndarray | None, *, gap: Tolerance, max_iterations: int
) -> Solution:
    """Minimise smooth objectives: first each unit and strength on all rows (``union``), then each split from there.

    Parameters
    ----------
    problem, fits
        What to fit. Where fits have a ``weight``, it belongs to the strength.
    union
        The set of all rows that any split trains on.
    start : (n, P) or None
        First points, where they are known.
    gap
        How near to the minimum is good enough.
    max_iterations
        As in `fit_splits`.
    """
    if fits.weight is None or problem.width <= NEWTON_WIDTH:
        return _solve_together(problem, fits, union, start, gap=gap, max_iterations=max_iterations)
    result, units = Solution.empty(len(fits.unit), problem.width), np.unique(fits.unit)
    # each unit has a metric for each strength
    most = max(1, limits.METRIC_BYTES // (8 * problem.width**2 * len(np.unique(fits.strength))))
    for first in range(0, len(units), most):
        mine = np.flatnonzero(np.isin(fits.unit, units[first : first + most]))
        at = None if start is None else start[mine]
        part = _solve_together(problem, fits.take(mine), union, at, gap=gap, max_iterations=max_iterations)
        result.put(mine, part)
    return result


def polish(
    problem: Problem, fits: Fits, start: np.ndarray, hessian: np.ndarray, *, gap: Tolerance, max_iterations: int
) -> Solution:
    """Minimise smooth objectives from points that are near, with Hessians of the mean loss (n, P, P) there.

    Each fit has its own ``weight`` of the penalty.
    """
    if problem.width <= NEWTON_WIDTH:
        return _Newton(problem).solve(fits, start, gap=gap, max_iterations=max_iterations)
    return QuasiNewton(problem, fits, len(start)).solve_alone(
        fits, start, hessian, gap=gap, max_iterations=max_iterations
    )


def _solve_together(problem, fits, union, start, *, gap, max_iterations) -> Solution:
    """Do what `solve_smooth` does, with all metrics at once."""
    result = Solution.empty(len(fits.unit), problem.width)
    whole = fits.mask == union
    pairs, first, of_fit = np.unique(
        np.stack([fits.unit, fits.strength]), axis=1, return_index=True, return_inverse=True
    )
    of_fit = of_fit.ravel()
    alpha = np.exp(np.bincount(of_fit, np.log(fits.alpha)) / np.bincount(of_fit))
    alpha[of_fit[whole]] = fits.alpha[whole]
    reference = fits.take(first)._replace(mask=np.full(pairs.shape[1], union), alpha=alpha)
    solver = _Newton(problem) if problem.width <= NEWTON_WIDTH else QuasiNewton(problem, reference, len(whole))
    shared = None
    if start is None and (whole.any() or len(np.unique(fits.mask)) > 2):
        shared = solver.solve(reference, solver.start(reference), gap=gap, max_iterations=max_iterations)
        result.put(np.flatnonzero(whole), shared.take(of_fit[whole]))
        start = shared.theta[of_fit]
        whole_done = whole
    else:
        start = solver.start(fits) if start is None else start
        whole_done = np.zeros_like(whole)
    rest = np.flatnonzero(~whole_done)
    rest = rest[np.lexsort((fits.strength[rest], fits.unit[rest], fits.mask[rest]))]
    if len(rest):
        inherit = None if shared is None else of_fit[rest]
        part = solver.solve(fits.take(rest), start[rest], gap=gap, max_iterations=max_iterations, inherit=inherit)
        result.put(rest, part)
    return result


class _Newton:
    """Exact Newton."""

    def __init__(self, problem: Problem):
        self.problem = problem

    def start(self, fits: Fits) -> np.ndarray:
        """Return first points."""
        return null_point(self.problem, fits)

    def solve(self, fits, start, *, gap, max_iterations, inherit=None) -> Solution:
        """Fit fits from these points."""
        directions = NewtonDirections(self.problem)
        gap = gap.of(self.problem, fits)
        return descend(self.problem, fits, start, directions, gap=gap, max_iterations=max_iterations)
