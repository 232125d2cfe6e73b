"""The search: many fits descend at once, each on its own, through a fixed number of slots.

Every pass over the data evaluates one trial point of each fit that is in a slot. A fit that is done leaves its
slot to the next that waits, so that the arrays keep their size and the matrix products stay full. Nothing that
happens in one fit touches another.

A trial along a direction ``d`` is accepted on the directional derivative, which noise in the objective cannot fool: the
problems are convex, so ``g_new.d <= 0`` proves descent. An overshoot is accepted while the new slope is at most half of
the old one's size and the objective fell; otherwise the step is cut at the secant's root.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ..data.problem import Problem
from ..objective import NOISE, Fits, Point, Solution, evaluate

__all__ = ["Directions", "descend"]

MAX_CUTS = {"float64": 40, "float32": 8}
"""Shorter steps tried before a fit is given up; in float32 that is where noise begins."""

LONGEST_STEP = 5.0
"""Longest step in standardised coefficients, relative to 1 + the norm of the coefficients."""

BREAKDOWN = 100.0
"""Rise of the objective, in units of its error, that no slope excuses: far out along a flat direction (separable data)
predictors of other rows are rounding errors, and slopes with them."""


class Directions(Protocol):
    """A rule for the direction of descent, with memory of its own for each slot."""

    needs_hessian: bool
    exact: bool
    """Whether they lead to the minimum of the quadratic model: the last one is then followed without another pass."""

    def restart(self, slots: np.ndarray, fits: np.ndarray) -> None:
        """Forget what was learned in slots that new fits take."""

    def retire(self, slots: np.ndarray, fits: np.ndarray) -> None:
        """Take note that these slots' fits are done."""

    def learn(self, slots: np.ndarray, step: np.ndarray, change: np.ndarray) -> None:
        """Take note of accepted steps and the changes of the gradient."""

    def propose(self, slots: np.ndarray, fits: Fits, point: Point) -> np.ndarray:
        """Return directions of descent (n, P)."""


class _Slots:
    """State of the fits at work, one row a slot."""

    def __init__(self, size: int, width: int):
        self.fit = np.full(size, -1)
        self.theta = np.zeros((size, width))
        self.gradient = np.zeros((size, width))
        self.direction = np.zeros((size, width))
        self.objective = np.zeros(size)
        self.slope = np.zeros(size)
        self.step = np.ones(size)
        self.iterations = np.zeros(size, int)
        self.cuts = np.zeros(size, int)


def descend(
    problem: Problem,
    fits: Fits,
    start: np.ndarray,
    directions: Directions,
    *,
    gap: float | np.ndarray,
    max_iterations: int | np.ndarray,
) -> Solution:
    """Minimise the smooth objective of every fit.

    Parameters
    ----------
    problem, fits
        What to fit.
    start : (n, P)
        First trial points.
    directions
        The rule for directions; knows at least ``problem.slots`` slots.
    gap
        Stop a fit when half the predicted decrease ``-g.d`` is below; one number, or one a fit.
    max_iterations
        Accepted steps of a fit before it is given up; one number, or one a fit.
    """
    n, width = start.shape
    result = Solution(
        start.copy(), np.full(n, np.nan), np.full(n, np.inf), np.full(n, np.inf), np.zeros(n, int), np.zeros(n, bool)
    )
    slots = _Slots(min(problem.slots, n), width)
    gap = np.broadcast_to(np.asarray(gap, float), n)
    max_iterations = np.broadcast_to(np.asarray(max_iterations), n)
    waiting = 0
    while True:
        free = np.flatnonzero(slots.fit < 0)[: n - waiting]
        if len(free):
            slots.fit[free] = np.arange(waiting, waiting + len(free))
            waiting += len(free)
            slots.theta[free] = start[slots.fit[free]]
            slots.direction[free] = 0.0
            slots.iterations[free] = slots.cuts[free] = 0
            slots.step[free] = 1.0
            directions.restart(free, slots.fit[free])
        busy = np.flatnonzero(slots.fit >= 0)
        if not len(busy):
            return result
        here = fits.take(slots.fit[busy])
        trial = slots.theta[busy] + slots.step[busy, None] * slots.direction[busy]
        point = evaluate(problem, here, trial, hessian=directions.needs_hessian)
        accepted = _judge(slots, busy, point, NOISE[problem.dtype])
        _cut(slots, busy[~accepted], MAX_CUTS[problem.dtype])
        _advance(
            slots, busy[accepted], here.take(accepted), point.take(accepted), directions, result, gap, max_iterations
        )


def _judge(slots: _Slots, busy: np.ndarray, point: Point, noise: float) -> np.ndarray:
    """Return which trials are accepted; prepare the step sizes of the others."""
    fresh = slots.direction[busy].any(axis=1) == 0
    before = slots.slope[busy]
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        after = np.einsum("np,np->n", point.gradient, slots.direction[busy])
        finite = np.isfinite(point.objective) & np.isfinite(point.gradient).all(axis=1)
        noise = noise * (1 + np.abs(slots.objective[busy]))
        fell = point.objective <= slots.objective[busy] + noise
        sane = point.objective <= slots.objective[busy] + BREAKDOWN * noise
        accepted = finite & (fresh | (sane & (after <= 0)) | (fell & (after <= -0.5 * before)))
        root = before / (before - after)
    shrink = np.where(np.isfinite(root) & finite, np.clip(root, 0.1, 0.7), 0.1)
    slots.step[busy] = np.where(accepted, slots.step[busy], slots.step[busy] * shrink)
    return accepted


def _within_reach(direction: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Return factors that keep steps within reach: where the likelihood is flat, its curvature says little."""
    length = np.linalg.norm(direction, axis=1)
    return np.minimum(1.0, LONGEST_STEP * (1.0 + np.linalg.norm(theta, axis=1)) / np.maximum(length, 1e-200))


def _cut(slots: _Slots, rejected: np.ndarray, limit: int) -> None:
    """Count rejected trials, and let go of fits that can go no further."""
    slots.cuts[rejected] += 1
    first = slots.direction[rejected].any(axis=1) == 0
    slots.theta[rejected[first]] *= 0.5  # a starting point that overflows
    stuck = rejected[slots.cuts[rejected] > limit]
    slots.fit[stuck] = -1


def _advance(slots, moved, fits, point, directions, result, gap, max_iterations) -> None:
    """Move to accepted points, store them, and choose the next directions or stop."""
    if not len(moved):
        return
    fresh = slots.direction[moved].any(axis=1) == 0
    old = moved[~fresh]
    directions.learn(old, point.theta[~fresh] - slots.theta[old], point.gradient[~fresh] - slots.gradient[old])
    slots.theta[moved], slots.gradient[moved] = point.theta, point.gradient
    slots.objective[moved] = point.objective
    slots.iterations[moved] += ~fresh
    direction = directions.propose(moved, fits, point)
    slope = np.einsum("np,np->n", direction, point.gradient)
    fit = slots.fit[moved]
    result.theta[fit], result.objective[fit] = point.theta, point.objective
    result.gap[fit] = np.maximum(-0.5 * slope, 0.0)
    result.gradient_norm[fit] = np.linalg.norm(point.gradient, axis=1)
    result.iterations[fit] = slots.iterations[moved]
    done = -0.5 * slope <= gap[fit]
    result.converged[fit] = done
    shrink = _within_reach(direction, point.theta)
    if directions.exact:  # what Newton leaves after it is the square of a gap that is good enough already
        last = done & (shrink == 1.0)
        result.theta[fit[last]] += direction[last]
        result.objective[fit[last]] -= result.gap[fit[last]]
    slots.direction[moved], slots.slope[moved] = direction * shrink[:, None], slope * shrink
    slots.step[moved], slots.cuts[moved] = 1.0, 0
    leaving = moved[done | (slots.iterations[moved] >= max_iterations[fit])]
    directions.retire(leaving, slots.fit[leaving])
    slots.fit[leaving] = -1
