"""Choose a solver by the shape of the problem, and good starting points by its structure.

Cross-validation is many nearly equal fits. Each unit and strength is first fitted on all rows (the *reference*), and
each split starts from there; where a unit has many columns, its own curvature, taken once near its reference,
replaces the null model's in the metric.
"""

from __future__ import annotations

import jax
import numpy as np

from .certify import free_coefficients
from .columns import Columns, Solution, mean_response, null_point
from .dispersion import best_dispersion, first_dispersion
from .lbfgs import Memory, QuasiNewtonDirections
from .metric import factorise
from .newton import NewtonDirections
from .problem import Problem, padded_width
from .proximal import Proximal
from .search import descend

__all__ = ["solve", "works_mixed"]

NEWTON_WIDTH = 28
"""Coefficients up to which exact Newton is cheaper than quasi-Newton."""

SAFETY = 0.1
"""Gap asked of quasi-Newton, relative to the one wanted: its estimate can be several times too low."""

PILOT_GAP = 1e-5
"""Gap of the pilot fits, relative to the unit's rate, at which its own curvature is taken."""

CURVATURE_SHARE = 3.2
"""Passes that own curvature may cost, for each column that it helps."""


DISPERSION_TURNS = 12
"""Turns of coefficients and dispersion."""

DISPERSION_TOLERANCE = 1e-6
"""Change of the logarithm of the dispersion that ends them: its effect on the objective is quadratic."""

PATIENCE = 150
"""Steps after which quasi-Newton gives a column to exact Newton."""

THIN = 0.3
"""Share of all rows below which a split's curvature is not that of all rows."""

RESCUED = 16
"""Columns that exact Newton takes at once."""

FLOAT32_GAP = 1e-13
"""Smallest gap that is asked of passes in float32."""


def works_mixed(features: int, dtype: str) -> bool:
    """Return whether a copy of the data in float32 pays: on processors, where its passes cost half."""
    return dtype == "float64" and padded_width(features) > NEWTON_WIDTH and jax.default_backend() == "cpu"


def solve(
    problem: Problem, columns: Columns, union: int, *, gap: float, max_iterations: int
) -> tuple[Solution, Columns]:
    """Fit all columns; return the solution, and the columns with the dispersion that was found."""
    n = len(columns.unit)
    if not n:
        return Solution.empty(0, problem.width), columns
    if not problem.observations.has_dispersion:
        return _solve(problem, columns, union, None, gap=gap, max_iterations=max_iterations), columns
    columns = columns._replace(alpha=first_dispersion(problem, columns))
    result, turning, start = Solution.empty(n, problem.width), np.arange(n), None
    for turn in range(1, DISPERSION_TURNS + 1):
        here = columns.take(turning)
        found = _solve(problem, here, union, start, gap=gap, max_iterations=max_iterations)
        found = found._replace(iterations=found.iterations + result.iterations[turning])
        alpha = best_dispersion(problem, here, found.theta)
        moved = np.abs(np.log(alpha / here.alpha)) >= DISPERSION_TOLERANCE
        if turn == DISPERSION_TURNS:
            found = found._replace(converged=found.converged & ~moved)
            moved[:] = False
        result.put(turning, found)
        turning, start = turning[moved], found.theta[moved]
        if not len(turning):
            break
        columns.alpha[turning] = alpha[moved]
    return result, columns


def _solve(problem, columns, union, start, *, gap, max_iterations) -> Solution:
    """Fit all columns: first each unit and strength on all rows (``union``), then each split from there."""
    if problem.absolute is not None:
        return Proximal(problem, union, gap=gap, max_iterations=max_iterations).solve(columns, start)
    result = Solution.empty(len(columns.unit), problem.width)
    whole = columns.mask == union
    pairs, of_column = np.unique(np.stack([columns.unit, columns.strength]), axis=1, return_inverse=True)
    of_column = of_column.ravel()
    alpha = np.exp(np.bincount(of_column, np.log(columns.alpha)) / np.bincount(of_column))
    alpha[of_column[whole]] = columns.alpha[whole]
    reference = Columns(pairs[0].astype(int), np.full(pairs.shape[1], union), pairs[1], alpha)
    solver = _Newton(problem) if problem.width <= NEWTON_WIDTH else _QuasiNewton(problem, reference, len(whole))
    shared = None
    if start is None and (whole.any() or len(np.unique(columns.mask)) > 2):
        shared = solver.solve(reference, solver.start(reference), gap=gap, max_iterations=max_iterations)
        result.put(np.flatnonzero(whole), shared.take(of_column[whole]))
        start = shared.theta[of_column]
        whole_done = whole
    else:
        start = solver.start(columns) if start is None else start
        whole_done = np.zeros_like(whole)
    rest = np.flatnonzero(~whole_done)
    rest = rest[np.lexsort((columns.strength[rest], columns.unit[rest], columns.mask[rest]))]
    if len(rest):
        inherit = None if shared is None else of_column[rest]
        part = solver.solve(columns.take(rest), start[rest], gap=gap, max_iterations=max_iterations, inherit=inherit)
        result.put(rest, part)
    return result


class _Newton:
    """Exact Newton."""

    def __init__(self, problem: Problem):
        self.problem = problem

    def start(self, columns: Columns) -> np.ndarray:
        """Return first points."""
        return null_point(self.problem, columns)

    def solve(self, columns, start, *, gap, max_iterations, inherit=None) -> Solution:
        """Fit columns from these points."""
        directions = NewtonDirections(self.problem)
        return descend(self.problem, columns, start, directions, gap=gap, max_iterations=max_iterations)


class _QuasiNewton:
    """L-BFGS around the null model's curvature, or around each unit's own where that pays.

    Where the problem has a copy in float32, that is what is descended on, at half the cost: its optimum is within
    about 1e-14 of the true one, and a start at which the true problem's certificate needs one pass or two.
    """

    def __init__(self, problem: Problem, reference: Columns, n: int):
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

    def start(self, columns: Columns) -> np.ndarray:
        """Return first points; where it pays, those of pilot fits at the middle strength, with the curvature there."""
        if self.stride > 8:
            return null_point(self.problem, columns)
        union = np.full(len(self.units), columns.mask[0])
        middle = np.full(len(self.units), np.sort(columns.strength)[len(columns.strength) // 2])
        first = np.searchsorted(columns.unit, self.units)
        pilots = Columns(self.units, union, middle, columns.alpha[first])
        found = self._descend(
            self.fast, pilots, null_point(self.problem, pilots), PILOT_GAP * self.scale[self.units], 50
        )
        lot = self.problem.hessians_at_once(1)
        for first in range(0, len(self.units), lot):
            some = slice(first, first + lot)
            grams = self._grams(found.theta[some], pilots.take(some), self.stride)
            for unit, gram in zip(self.units[some], grams, strict=True):
                self.metric_of[unit] = len(self.metrics)
                mine = self.scale[unit], self.floor, self.problem.usable[unit]
                self.metrics.append(factorise(gram * mine[0], self.problem.quadratic, *mine[1:]))
        self.scale_of = np.ones(len(self.scale))
        place = np.zeros(len(self.scale), int)
        place[self.units] = np.arange(len(self.units))
        return found.theta[place[columns.unit]]

    def _grams(self, theta: np.ndarray, columns: Columns, stride: int = 1) -> np.ndarray:
        """Return columns' Hessians without their penalty, scaled to 1 in the intercept."""
        grams = self.fast.grams(theta, columns.unit, columns.mask, columns.alpha, stride=stride)
        return grams / grams[:, -1:, -1:]

    def solve(self, columns, start, *, gap, max_iterations, inherit=None) -> Solution:
        """Fit columns from these points; ``inherit`` names, for each, a column of the last call to learn from."""
        target = SAFETY * gap
        # where the likelihood may be flat, an old curvature leads far astray
        flat = free_coefficients(self.problem, columns.strength)
        if inherit is not None:
            inherit = np.where(flat, -1, inherit)
        patience = np.minimum(max_iterations, PATIENCE)
        spent = np.zeros(len(start), int)
        if self.problem.fast is not None:
            near = self._descend(self.fast, columns, start, max(target, FLOAT32_GAP), patience, inherit)
            start, spent = near.theta, near.iterations
            inherit = np.where(flat, -1, np.arange(len(start)))
        found = self._descend(self.problem, columns, start, target, np.maximum(patience - spent, 1), inherit)
        found = found._replace(iterations=found.iterations + spent)
        return self._rescue(columns, found, target, max_iterations)

    def _rescue(self, columns: Columns, found: Solution, target: float, max_iterations: int) -> Solution:
        """Finish by exact Newton, dear but sure, what the metric cannot, or whose gap it cannot tell."""
        rows = self.problem.rows
        thin = rows[columns.unit, columns.mask] < THIN * rows[columns.unit].max(axis=1)
        lost = np.flatnonzero((~found.converged | thin) & (found.iterations < max_iterations))
        for first in range(0, len(lost), RESCUED):
            some = lost[first : first + RESCUED]
            directions = NewtonDirections(self.problem, with_gradient=False)
            spent = found.iterations[some]
            part = descend(
                self.problem, columns.take(some), found.theta[some], directions,
                gap=target, max_iterations=max_iterations - spent,
            )  # fmt: skip
            found.put(some, part._replace(iterations=part.iterations + spent))
        return found

    def _descend(self, problem, columns, start, gap, max_iterations, inherit=None) -> Solution:
        inherited = None if inherit is None or self.memory is None else (self.memory, inherit)
        directions = QuasiNewtonDirections(
            problem, self.metrics, self.metric_of, self.scale_of, keep=len(start), inherited=inherited
        )
        found = descend(problem, columns, start, directions, gap=gap, max_iterations=max_iterations)
        self.memory = directions.kept
        return found
