"""Proximal quasi-Newton with active sets, for penalties with corners: lasso, elastic net, group lasso.

Around a point the smooth part of the objective is replaced by a quadratic on a *working set* of coefficients. Its
minimum, penalty included, costs no pass over the data (`corner`). One pass then judges the step and gives the full
gradient, which shows what else belongs to the set, corrects the quadratic (BFGS) and certifies. Strengths are walked
from the largest down; at each the fit to all rows comes first, from the one before, and the splits start there, with
the Hessians of their own rows near that point.
"""

from __future__ import annotations

import numpy as np

from .columns import Columns, Point, Solution, evaluate, null_point
from .descent import Descent
from .problem import Problem
from .screening import Blocks
from .working_set import WorkingSets, divide_rows

__all__ = ["Proximal"]

MODEL_BYTES = 2**28
"""Memory for the Hessians of the columns that are worked on at once."""


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

    def __init__(self, problem: Problem, union: int, *, gap: float, max_iterations: int):
        self.problem, self.union, self.gap, self.max_iterations = problem, union, gap, max_iterations
        self.blocks = Blocks.of_problem(problem)
        self.parts, self.shares = divide_rows(problem, union)

    def solve(self, columns: Columns, start: np.ndarray | None) -> Solution:
        """Fit columns; ``start`` (n, P) are first points, or None."""
        result = Solution.empty(len(columns.unit), self.problem.width)
        units = np.unique(columns.unit)
        lot = max(1, min(self.problem.slots, MODEL_BYTES // (8 * self.problem.width**2 * (1 + len(self.parts)))))
        for first in range(0, len(units), lot):
            some = np.flatnonzero(np.isin(columns.unit, units[first : first + lot]))
            walk = _Walk(self, columns.take(some), None if start is None else start[some])
            result.put(some, walk.solve())
        return result


class _Walk:
    """The paths of a lot of units."""

    def __init__(self, solver: Proximal, columns: Columns, start: np.ndarray | None):
        self.solver, self.problem, self.columns, self.start = solver, solver.problem, columns, start
        self.units, self.unit_row = np.unique(columns.unit, return_inverse=True)
        pairs, self.pair = np.unique(np.stack([columns.unit, columns.mask]), axis=1, return_inverse=True)
        self.pair = self.pair.ravel()
        self.sets = WorkingSets(self.problem, solver.blocks, self.units, solver.parts, solver.shares)
        self.last = _blank(pairs.shape[1], self.problem.width)
        self.result = Solution.empty(len(columns.unit), self.problem.width)

    def solve(self) -> Solution:
        """Walk down the strengths."""
        strengths = np.unique(self.columns.strength)[::-1]
        point, before = None, 0.0
        for i, strength in enumerate(strengths):
            rest = np.flatnonzero(self.columns.strength == strength)
            if self.start is None:
                following = strengths[i + 1] if i + 1 < len(strengths) else 0.9 * strength
                lead = self._lead(rest, point, strength, before, following)
                whole = self.columns.mask[rest] == self.solver.union
                self.result.put(rest[whole], lead.solution().take(self.unit_row[rest[whole]]))
                point, before, rest = lead.point, strength, rest[~whole]
            else:
                self.sets.forget()
            lot = max(1, min(self.problem.slots, MODEL_BYTES // (8 * self.sets.widest**2)))
            for first in range(0, len(rest), lot):
                self._split(rest[first : first + lot], point)
        return self.result

    def _lead(self, here: np.ndarray, point: Point | None, strength: float, before: float, following: float) -> Descent:
        """Fit all rows at one strength, from the point at the one before; ``here`` are the columns of this strength."""
        of, n = self.unit_row[here], len(self.units)
        logs, count = np.bincount(of, np.log(self.columns.alpha[here]), n), np.bincount(of, minlength=n)
        alpha = np.exp(logs / np.maximum(count, 1))
        whole = self.columns.mask[here] == self.solver.union
        alpha[of[whole]] = self.columns.alpha[here[whole]]
        columns = Columns(self.units, np.full(n, self.solver.union), np.full(n, strength), alpha)
        if point is None or self.problem.observations.has_dispersion:
            point = first_point(
                self.problem, columns, null_point(self.problem, columns) if point is None else point.theta
            )
        else:
            point = _at_strength(self.problem, columns, point, strength - before)
        return self._descend(columns, point, np.ones(n, bool), following)

    def _descend(self, columns, point, precise, following=None) -> Descent:
        descent = Descent(self.problem, columns, point, precise, self.sets, following)
        descent.run(gap=self.solver.gap, max_iterations=self.solver.max_iterations)
        return descent

    def _split(self, some: np.ndarray, reference: Point | None) -> None:
        """Fit splits at one strength, from the fits to all rows, and keep what they found.

        Splits that had no coefficient at the strength before and need none now are known without a pass.
        """
        columns, pair = self.columns.take(some), self.pair[some]
        kept = self.last.take(pair)
        held = self.solver.blocks.weight[self.solver.blocks.of] > 0
        silent = np.isfinite(kept.objective) & ~(kept.theta * held).any(axis=1)
        silent &= ~(self.solver.blocks.above(kept.gradient, columns.strength) & held).any(axis=1)
        silent &= not self.problem.observations.has_dispersion  # it may differ between strengths
        moving = np.flatnonzero(~silent)
        start = self.start[some] if reference is None else reference.theta[self.unit_row[some]]
        if len(moving):
            found = first_point(self.problem.fast or self.problem, columns.take(moving), start[moving])
            kept.put(moving, found)
        descent = self._descend(columns, kept, silent | (self.problem.fast is None))
        self.last.put(pair, descent.point)
        self.result.put(some, descent.solution())


def first_point(problem: Problem, columns: Columns, start: np.ndarray) -> Point:
    """Return the points where columns start: where they overflow there, those of the mean alone."""
    point = evaluate(problem, columns, start)
    bad = ~(np.isfinite(point.objective) & np.isfinite(point.gradient).all(axis=1))
    if bad.any():
        point = evaluate(problem, columns, np.where(bad[:, None], null_point(problem, columns), start))
    return point


def _at_strength(problem: Problem, columns: Columns, point: Point, change: float) -> Point:
    """Return a point of the smooth objective at another strength."""
    pull = change * (point.theta @ problem.quadratic)
    objective = point.objective + 0.5 * np.einsum("np,np->n", point.theta, pull)
    return point._replace(objective=objective, gradient=point.gradient + pull * problem.usable[columns.unit])


def _blank(n: int, width: int) -> Point:
    return Point(np.zeros((n, width)), np.full(n, np.nan), np.zeros((n, width)), None)
