"""Choose the solver by the penalty, and take turns with the dispersion where the observation model has one."""

from __future__ import annotations

from functools import partial

import numpy as np

from .corners.proximal import Proximal
from .data.problem import Problem
from .dispersion import alternate
from .objective import Fits, Solution
from .smooth.solvers import solve_smooth
from .tolerance import Tolerance

__all__ = ["solve"]


def solve(problem: Problem, fits: Fits, union: int, *, gap: Tolerance, max_iterations: int) -> tuple[Solution, Fits]:
    """Minimise all objectives; return the solution, and the fits with the dispersion that was found.

    Parameters
    ----------
    problem, fits
        What to fit.
    union
        The set of all rows that any split trains on.
    gap
        How near to the minimum is good enough.
    max_iterations
        As in `fit_splits`.
    """
    if not len(fits.unit):
        return Solution.empty(0, problem.width), fits
    once = partial(_solve, problem, union=union, gap=gap, max_iterations=max_iterations)
    return alternate(problem, fits, once) if problem.observations.has_dispersion else (once(fits, None), fits)


def _solve(
    problem: Problem, fits: Fits, start: np.ndarray | None, *, union: int, gap: Tolerance, max_iterations: int
) -> Solution:
    """Minimise all objectives at given dispersions."""
    if problem.absolute is None:
        return solve_smooth(problem, fits, union, start, gap=gap, max_iterations=max_iterations)
    return Proximal(problem, union, gap=gap, max_iterations=max_iterations).solve(fits, start)
