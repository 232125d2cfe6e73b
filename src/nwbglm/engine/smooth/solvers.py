"""Solvers of smooth problems, with their starting points: exact Newton, and quasi-Newton around a metric.

Cross-validation is many nearly equal fits. Each unit and strength is first fitted on all rows (the *reference*), and
each split starts from there; where a unit has many fits, its own curvature, taken once near its reference, replaces
the null model's in the metric.
"""

from __future__ import annotations

import jax
import numpy as np

from ..certify import free_coefficients
from ..data.problem import Problem, padded_width
from ..objective import Fits, Solution, mean_response, null_point
from ..tolerance import Tolerance
from .lbfgs import Memory, QuasiNewtonDirections
from .metric import factorise
from .newton import NewtonDirections
from .search import descend

__all__ = ["solve_smooth", "works_mixed"]

NEWTON_WIDTH = 28
"""Coefficients up to which exact Newton is cheaper than quasi-Newton."""

QUASI_NEWTON_GAP = 0.1
"""Gap asked of quasi-Newton, relative to the one wanted: its estimate can be several times too low."""

PILOT_GAP = 1e-5
"""Gap of the pilot fits, relative to the unit's rate, at which its own curvature is taken."""

CURVATURE_SHARE = 3.2
"""Passes that own curvature may cost, for each fit that it helps."""

QUASI_NEWTON_STEPS = 150
"""Steps after which quasi-Newton gives a fit to exact Newton."""

THIN = 0.3
"""Share of all rows below which a split's curvature is not that of all rows."""

RESCUED = 16
"""Fits that exact Newton takes at once."""

FLOAT32_GAP = 1e-13
"""Smallest gap that is asked of passes in float32."""


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
        What to fit.
    union
        The set of all rows that any split trains on.
    start : (n, P) or None
        First points, where they are known.
    gap
        How near to the minimum is good enough.
    max_iterations
        As in `fit_splits`.
    """
    result = Solution.empty(len(fits.unit), problem.width)
    whole = fits.mask == union
    pairs, of_fit = np.unique(np.stack([fits.unit, fits.strength]), axis=1, return_inverse=True)
    of_fit = of_fit.ravel()
    alpha = np.exp(np.bincount(of_fit, np.log(fits.alpha)) / np.bincount(of_fit))
    alpha[of_fit[whole]] = fits.alpha[whole]
    reference = Fits(pairs[0].astype(int), np.full(pairs.shape[1], union), pairs[1], alpha)
    solver = _Newton(problem) if problem.width <= NEWTON_WIDTH else _QuasiNewton(problem, reference, len(whole))
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


class _QuasiNewton:
    """L-BFGS around the null model's curvature, or around each unit's own where that pays.

    Where the problem has a copy in float32, that is what is descended on, at half the cost: its optimum is within
    about 1e-14 of the true one, and a start at which the true problem's certificate needs one pass or two.
    """

    def __init__(self, problem: Problem, reference: Fits, n: int):
        self.problem, self.fast = problem, problem.fast or problem
        self.floor = float(reference.strength.min())
        self.units = np.unique(reference.unit)
        alpha = np.ones(len(problem.rows))
        alpha[reference.unit] = reference.alpha
        mean = mean_response(problem, np.arange(len(alpha)), reference.mask[0])
        self.scale = problem.observations.flat_curvature(mean, alpha)
        (gram,) = self._grams(np.zeros((1, problem.width)), reference.take(slice(1)))
        usable = problem.usable[self.units].any(axis=0)
        self.metrics = [factorise(gram, problem.quadratic, 0.0, usable)]
        self.metric_of = np.zeros(len(self.scale), int)
        self.scale_of = self.scale
        self.stride = int(np.ceil(0.5 * problem.width / (CURVATURE_SHARE * n / len(self.units))))
        self.memory: Memory | None = None

    def start(self, fits: Fits) -> np.ndarray:
        """Return first points; where it pays, those of pilot fits at the middle strength, with the curvature there."""
        if self.stride > 8:
            return null_point(self.problem, fits)
        union = np.full(len(self.units), fits.mask[0])
        middle = np.full(len(self.units), np.sort(fits.strength)[len(fits.strength) // 2])
        first = np.searchsorted(fits.unit, self.units)
        pilots = Fits(self.units, union, middle, fits.alpha[first])
        found = self._descend(
            self.fast, pilots, null_point(self.problem, pilots), PILOT_GAP * self.scale[self.units], 50
        )
        chunk = self.problem.hessians_at_once(1)
        for begin in range(0, len(self.units), chunk):
            some = slice(begin, begin + chunk)
            grams = self._grams(found.theta[some], pilots.take(some), self.stride)
            for unit, gram in zip(self.units[some], grams, strict=True):
                self.metric_of[unit] = len(self.metrics)
                mine = self.scale[unit], self.floor, self.problem.usable[unit]
                self.metrics.append(factorise(gram * mine[0], self.problem.quadratic, *mine[1:]))
        self.scale_of = np.ones(len(self.scale))
        place = np.zeros(len(self.scale), int)
        place[self.units] = np.arange(len(self.units))
        return found.theta[place[fits.unit]]

    def _grams(self, theta: np.ndarray, fits: Fits, stride: int = 1) -> np.ndarray:
        """Return fits' Hessians without their penalty, scaled to 1 in the intercept."""
        grams = self.fast.grams(theta, fits.unit, fits.mask, fits.alpha, stride=stride)
        return grams / grams[:, -1:, -1:]

    def solve(self, fits, start, *, gap, max_iterations, inherit=None) -> Solution:
        """Fit fits from these points; ``inherit`` names, for each, a fit of the last call to learn from."""
        target = QUASI_NEWTON_GAP * gap.of(self.problem, fits)
        # where the likelihood may be flat, an old curvature leads far astray
        flat = free_coefficients(self.problem, fits.strength)
        if inherit is not None:
            inherit = np.where(flat, -1, inherit)
        patience = np.minimum(max_iterations, QUASI_NEWTON_STEPS)
        spent = np.zeros(len(start), int)
        if self.problem.fast is not None:
            near = self._descend(self.fast, fits, start, np.maximum(target, FLOAT32_GAP), patience, inherit)
            start, spent = near.theta, near.iterations
            inherit = np.where(flat, -1, np.arange(len(start)))
        found = self._descend(self.problem, fits, start, target, np.maximum(patience - spent, 1), inherit)
        found = found._replace(iterations=found.iterations + spent)
        return self._rescue(fits, found, target, max_iterations)

    def _rescue(self, fits: Fits, found: Solution, target: np.ndarray, max_iterations: int) -> Solution:
        """Finish by exact Newton, dear but sure, what the metric cannot, or whose gap it cannot tell."""
        rows = self.problem.rows
        thin = rows[fits.unit, fits.mask] < THIN * rows[fits.unit].max(axis=1)
        lost = np.flatnonzero((~found.converged | thin) & (found.iterations < max_iterations))
        for first in range(0, len(lost), RESCUED):
            some = lost[first : first + RESCUED]
            directions = NewtonDirections(self.problem, with_gradient=False)
            spent = found.iterations[some]
            part = descend(
                self.problem, fits.take(some), found.theta[some], directions,
                gap=target[some], max_iterations=max_iterations - spent,
            )  # fmt: skip
            found.put(some, part._replace(iterations=part.iterations + spent))
        return found

    def _descend(self, problem, fits, start, gap, max_iterations, inherit=None) -> Solution:
        inherited = None if inherit is None or self.memory is None else (self.memory, inherit)
        directions = QuasiNewtonDirections(
            problem, self.metrics, self.metric_of, self.scale_of, keep=len(start), inherited=inherited
        )
        found = descend(problem, fits, start, directions, gap=gap, max_iterations=max_iterations)
        self.memory = directions.kept
        return found
