"""Choose a solver by the shape of the problem, and good starting points by its structure."""

from __future__ import annotations

import numpy as np

from .columns import Columns, Solution
from .lbfgs import QuasiNewtonDirections
from .metric import factorise
from .newton import NewtonDirections
from .problem import Problem
from .search import descend

__all__ = ["solve"]

NEWTON_WIDTH = 28
"""Coefficients up to which exact Newton is cheaper than quasi-Newton."""

SAFETY = 0.1
"""Gap asked of quasi-Newton, relative to the one wanted: its estimate can be several times too low."""


def solve(
    problem: Problem, columns: Columns, union: int, *, gap: float, max_iterations: int
) -> tuple[Solution, Columns]:
    """Fit all columns: first each unit and strength on all rows (``union``), then each split from there.

    Returns the solution, and the columns with the dispersion that was found.
    """
    solver = _newton if problem.width <= NEWTON_WIDTH else _quasi_newton
    n = len(columns.unit)
    whole = columns.mask == union
    result = _empty(n, problem.width)
    if not n:
        return result, columns
    pairs, of_column = np.unique(np.stack([columns.unit, columns.strength]), axis=1, return_inverse=True)
    of_column = of_column.ravel()
    if whole.any() or len(np.unique(columns.mask)) > 2:
        reference = Columns(pairs[0].astype(int), np.full(pairs.shape[1], union), pairs[1], np.ones(pairs.shape[1]))
        shared = solver(problem, reference, _null(problem, reference), gap=gap, max_iterations=max_iterations)
        _store(result, np.flatnonzero(whole), shared, of_column[whole])
        start = shared.theta[of_column]
    else:
        start = _null(problem, columns)
    rest = np.flatnonzero(~whole)
    rest = rest[np.lexsort((columns.unit[rest], columns.mask[rest]))]
    if len(rest):
        part = solver(problem, columns.take(rest), start[rest], gap=gap, max_iterations=max_iterations)
        _store(result, rest, part, slice(None))
    return result, columns


def _empty(n: int, width: int) -> Solution:
    return Solution(np.zeros((n, width)), np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n, int), np.zeros(n, bool))


def _store(result: Solution, index, part: Solution, of) -> None:
    for into, values in zip(result, part, strict=True):
        into[index] = values[of]


def _null(problem: Problem, columns: Columns) -> np.ndarray:
    """Return coefficients of zero with the intercept of the mean."""
    theta = np.zeros((len(columns.unit), problem.width))
    where = columns.unit, columns.mask
    rate = problem.spikes[where] / problem.exposure[where]
    if problem.observations.name == "bernoulli":
        rate = np.clip(rate, 1e-6, 1 - 1e-6)
    theta[:, -1] = problem.observations.link(rate)
    return theta


def _newton(problem, columns, start, *, gap, max_iterations) -> Solution:
    return descend(problem, columns, start, NewtonDirections(problem), gap=gap, max_iterations=max_iterations)


def _quasi_newton(problem, columns, start, *, gap, max_iterations) -> Solution:
    first = columns.take(slice(1))
    zero = np.zeros((1, problem.width))
    gram = problem.grams(zero, first.unit, first.mask, first.alpha)[0]
    gram = gram / gram[-1, -1]
    rate = problem.spikes[:, first.mask[0]] / np.maximum(problem.exposure[:, first.mask[0]], 1)
    metric = factorise(gram, problem.quadratic, 0.0, problem.usable.any(axis=0))
    directions = QuasiNewtonDirections(problem, [metric], np.zeros(len(rate), int), np.maximum(rate, 1e-12))
    return descend(problem, columns, start, directions, gap=SAFETY * gap, max_iterations=max_iterations)
