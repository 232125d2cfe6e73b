"""Proximal quasi-Newton with active sets, for penalties with corners: lasso, elastic net, group lasso.

Around a point the smooth part of the objective is replaced by a quadratic on a *working set* of coefficients. Its
minimum, penalty included, costs no pass over the data (`reduced`). One pass then judges the step and gives the full
gradient, which shows what else belongs to the set, corrects the quadratic (BFGS) and certifies. Strengths are walked
from the largest down; at each the fit to all rows comes first, from the one before, and the splits start there, with
the Hessians of their own rows near that point.
"""

from __future__ import annotations

import numpy as np

from .. import limits
from ..data.problem import Problem
from ..objective import Fits, Point, Solution, evaluate, null_point
from ..tolerance import Tolerance
from .descent import Descent
from .screening import Blocks
from .working_set import WorkingSets, divide_rows

__all__ = ["Proximal"]


class Proximal:
    """Paths of fits.

    Parameters
    ----------
    problem
        What is fitted.
    union
        The set of all rows that any split trains on.
    gap, max_iterations
        As in `solve`.
    """

    def __init__(self, problem: Problem, union: int, *, gap: Tolerance, max_iterations: int):
        self.problem, self.union, self.gap, self.max_iterations = problem, union, gap, max_iterations
        self.blocks = Blocks.of_problem(problem)
        self.parts, self.shares = divide_rows(problem, union)

    def solve(self, fits: Fits, start: np.ndarray | None) -> Solution:
        """Minimise; ``start`` (n, P) are first points, or None."""
        result = Solution.empty(len(fits.unit), self.problem.width)
        units = np.unique(fits.unit)
        chunk = max(
            1, min(self.problem.slots, limits.MODEL_BYTES // (8 * self.problem.width**2 * (1 + len(self.parts))))
        )
        for first in range(0, len(units), chunk):
            some = np.flatnonzero(np.isin(fits.unit, units[first : first + chunk]))
            walk = _Walk(self, fits.take(some), None if start is None else start[some])
            result.put(some, walk.solve())
        return result


class _Walk:
    """The paths of a chunk of units."""

    def __init__(self, solver: Proximal, fits: Fits, start: np.ndarray | None):
        self.solver, self.problem, self.fits, self.start = solver, solver.problem, fits, start
        self.units, self.unit_row = np.unique(fits.unit, return_inverse=True)
        pairs, self.pair = np.unique(np.stack([fits.unit, fits.mask]), axis=1, return_inverse=True)
        self.pair = self.pair.ravel()
        self.sets = WorkingSets(self.problem, solver.blocks, self.units, solver.parts, solver.shares)
        self.last = _blank(pairs.shape[1], self.problem.width)
        self.result = Solution.empty(len(fits.unit), self.problem.width)

    def solve(self) -> Solution:
        """Walk down the strengths."""
        strengths = np.unique(self.fits.strength)[::-1]
        point, before = None, 0.0
        for i, strength in enumerate(strengths):
            rest = np.flatnonzero(self.fits.strength == strength)
            if self.start is None:
                following = strengths[i + 1] if i + 1 < len(strengths) else 0.9 * strength
                lead = self._lead(rest, point, strength, before, following)
                whole = self.fits.mask[rest] == self.solver.union
                self.result.put(rest[whole], lead.solution().take(self.unit_row[rest[whole]]))
                point, before, rest = lead.point, strength, rest[~whole]
            else:
                self.sets.forget()
            chunk = max(1, min(self.problem.slots, limits.MODEL_BYTES // (8 * self.sets.widest**2)))
            for first in range(0, len(rest), chunk):
                self._split(rest[first : first + chunk], point)
        return self.result

    def _lead(self, here: np.ndarray, point: Point | None, strength: float, before: float, following: float) -> Descent:
        """Fit all rows at one strength, from the point at the one before; ``here`` are the fits of this strength."""
        of, n = self.unit_row[here], len(self.units)
        logs, count = np.bincount(of, np.log(self.fits.alpha[here]), n), np.bincount(of, minlength=n)
        alpha = np.exp(logs / np.maximum(count, 1))
        whole = self.fits.mask[here] == self.solver.union
        alpha[of[whole]] = self.fits.alpha[here[whole]]
        fits = Fits(self.units, np.full(n, self.solver.union), np.full(n, strength), alpha)
        if point is None or self.problem.observations.has_dispersion:
            point = first_point(self.problem, fits, null_point(self.problem, fits) if point is None else point.theta)
        else:
            point = _at_strength(self.problem, fits, point, strength - before)
        return self._descend(fits, point, np.ones(n, bool), following)

    def _descend(self, fits, point, precise, following=None) -> Descent:
        descent = Descent(self.problem, fits, point, precise, self.sets, following)
        descent.run(gap=self.solver.gap.of(self.problem, fits), max_iterations=self.solver.max_iterations)
        return descent

    def _split(self, some: np.ndarray, reference: Point | None) -> None:
        """Fit splits at one strength, from the fits to all rows, and keep what they found.

        Splits that had no coefficient at the strength before and need none now are known without a pass.
        """
        fits, pair = self.fits.take(some), self.pair[some]
        kept = self.last.take(pair)
        held = self.solver.blocks.weight[self.solver.blocks.of] > 0
        silent = np.isfinite(kept.objective) & ~(kept.theta * held).any(axis=1)
        silent &= ~(self.solver.blocks.above(kept.gradient, fits.strength) & held).any(axis=1)
        silent &= not self.problem.observations.has_dispersion  # it may differ between strengths
        moving = np.flatnonzero(~silent)
        if reference is not None:
            start = reference.theta[self.unit_row[some]]
        else:
            assert self.start is not None  # without a start, all rows are fitted first
            start = self.start[some]
        if len(moving):
            found = first_point(self.problem.fast or self.problem, fits.take(moving), start[moving])
            kept.put(moving, found)
        descent = self._descend(fits, kept, silent | (self.problem.fast is None))
        self.last.put(pair, descent.point)
        self.result.put(some, descent.solution())


def first_point(problem: Problem, fits: Fits, start: np.ndarray) -> Point:
    """Return the points where fits start: where they overflow there, those of the mean alone."""
    point = evaluate(problem, fits, start)
    bad = ~(np.isfinite(point.objective) & np.isfinite(point.gradient).all(axis=1))
    if bad.any():
        point = evaluate(problem, fits, np.where(bad[:, None], null_point(problem, fits), start))
    return point


def _at_strength(problem: Problem, fits: Fits, point: Point, change: float) -> Point:
    """Return a point of the smooth objective at another strength."""
    slope = change * (point.theta @ problem.quadratic)
    objective = point.objective + 0.5 * np.einsum("np,np->n", point.theta, slope)
    return point._replace(objective=objective, gradient=point.gradient + slope * problem.usable[fits.unit])


def _blank(n: int, width: int) -> Point:
    return Point(np.zeros((n, width)), np.full(n, np.nan), np.zeros((n, width)), None)
