"""Proximal Newton, for penalties with corners: lasso, elastic net, group lasso.

Around a point the smooth part of the objective is replaced by a quadratic with a fixed Hessian; the model's minimum,
penalty included, is found by block coordinate descent, which touches no data; one pass over the data then judges the
step. With each unit's own curvature near the solution a few passes suffice. Strengths are walked from the largest
down, each starting from the one before; splits start from the fit to all rows, whose curvature they share.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .columns import Columns, Point, Solution, evaluate, null_point
from .problem import COLUMN_BUCKETS, Problem, bucket

__all__ = ["Proximal"]

MODEL_BYTES = 2**28
"""Memory for the Hessians of the columns that are worked on at once."""

REFRESH = (6, 12, 20, 30, 45, 70)
"""Steps after which columns that still move get a Hessian of their own."""

MAX_SWEEPS = 1000
MAX_CUTS = 30


class Proximal:
    """Proximal Newton along a path of strengths."""

    def __init__(self, problem: Problem):
        self.problem = problem
        self.fast = problem.fast or problem

    def start(self, columns: Columns) -> np.ndarray:
        """Return first points."""
        return null_point(self.problem, columns)

    def solve(self, columns: Columns, start: np.ndarray, *, gap: float, max_iterations: int, inherit=None) -> Solution:
        """Fit columns: strength by strength from above, each unit's next start its last solution where it has none."""
        n, width = start.shape
        result = Solution(
            start.copy(),
            np.full(n, np.nan),
            np.full(n, np.inf),
            np.full(n, np.inf),
            np.zeros(n, int),
            np.zeros(n, bool),
        )
        lot = max(1, min(self.problem.slots, MODEL_BYTES // (8 * width**2)))
        before: np.ndarray | None = None
        for strength in np.unique(columns.strength)[::-1]:
            members = np.flatnonzero(columns.strength == strength)
            if before is not None and inherit is None and len(before) == len(members):
                result.theta[members] = result.theta[before]
            for first in range(0, len(members), lot):
                some = members[first : first + lot]
                part = self._descend(columns.take(some), result.theta[some], gap, max_iterations)
                for into, values in zip(result, part, strict=True):
                    into[some] = values
            before = members
        return result

    def _descend(self, columns: Columns, start: np.ndarray, gap: float, max_iterations: int) -> Solution:
        """Fit columns of one strength together until each is done."""
        problem = self.problem
        state = _State(problem, columns, start)
        hessian = self._curvature(columns, state.theta)
        active = np.arange(len(start))
        for turn in range(max_iterations):
            here = columns.take(active)
            if turn in REFRESH:
                hessian[active] = self._curvature(here, state.theta[active])
            step = _model_steps(problem, here, hessian[active], state.gradient[active], state.theta[active], gap)
            predicted = _predicted(problem, here, hessian[active], state, active, step)
            state.gap[active] = np.maximum(-predicted, 0.0)
            done = -predicted <= 0.5 * gap
            state.converged[active] = done
            active, step = active[~done], step[~done]
            if not len(active):
                break
            moved = state.search(columns, active, step)
            state.iterations[active[moved]] += 1
            stuck = active[~moved]
            hessian[stuck] = self._curvature(columns.take(stuck), state.theta[stuck]) if len(stuck) else 0.0
            state.failures[stuck] += 1
            active = active[state.failures[active] < 3]
            if not len(active):
                break
        return state.solution(columns)

    def _curvature(self, columns: Columns, theta: np.ndarray) -> np.ndarray:
        """Return Hessians (n, P, P) of the mean loss and the quadratic penalty, free of held coefficients."""
        problem = self.problem
        same = np.unique(columns.unit)
        share = len(same) * 3 < len(columns.unit)
        hessian = np.empty((len(theta), problem.width, problem.width))
        if share:  # one for each unit, at its first column
            of = np.searchsorted(same, columns.unit)
            first = np.array([np.flatnonzero(columns.unit == unit)[0] for unit in same])
            hessian[:] = self._grams(columns.take(first), theta[first])[of]
        else:
            hessian[:] = self._grams(columns, theta)
        hessian += columns.strength[:, None, None] * problem.quadratic
        usable = problem.usable[columns.unit]
        both = usable[:, :, None] & usable[:, None, :]
        diagonal = np.einsum("npp->np", hessian).copy()
        hessian = np.where(both, hessian, 0.0)
        lift = np.where(usable, 1e-10 * np.where(usable, diagonal, 0).mean(axis=1, keepdims=True) + diagonal, 1.0)
        np.einsum("npp->np", hessian)[:] = lift
        return hessian

    def _grams(self, columns: Columns, theta: np.ndarray) -> np.ndarray:
        parts = []
        for i in range(0, len(theta), 4):
            some = columns.take(slice(i, i + 4))
            parts.append(self.fast.grams(theta[i : i + 4], some.unit, some.mask, some.alpha))
        return np.concatenate(parts) / self.problem.rows[columns.unit, columns.mask][:, None, None]


class _State:
    """Where the columns of one lot are."""

    def __init__(self, problem: Problem, columns: Columns, start: np.ndarray):
        self.problem = problem
        point = evaluate(problem, columns, start)
        bad = ~(np.isfinite(point.objective) & np.isfinite(point.gradient).all(axis=1))
        if bad.any():  # a start that overflows
            start = np.where(bad[:, None], null_point(problem, columns), start)
            point = evaluate(problem, columns, start)
        self.theta, self.gradient = point.theta, point.gradient
        self.objective = point.objective + columns.strength * problem.absolute_sum(point.theta)
        n = len(start)
        self.gap, self.converged = np.full(n, np.inf), np.zeros(n, bool)
        self.iterations, self.failures = np.zeros(n, int), np.zeros(n, int)

    def search(self, columns: Columns, active: np.ndarray, step: np.ndarray) -> np.ndarray:
        """Move along the steps, as far as the objective falls as it should; return which columns moved."""
        problem = self.problem
        size = np.ones(len(active))
        moved = np.zeros(len(active), bool)
        slope = np.einsum("np,np->n", step, self.gradient[active]) + columns.strength[active] * (
            problem.absolute_sum(self.theta[active] + step) - problem.absolute_sum(self.theta[active])
        )
        for _ in range(MAX_CUTS):
            left = np.flatnonzero(~moved)
            if not len(left):
                break
            at = active[left]
            here = columns.take(at)
            point = evaluate(problem, here, self.theta[at] + size[left, None] * step[left])
            with np.errstate(invalid="ignore"):
                value = point.objective + here.strength * problem.absolute_sum(point.theta)
                enough = self.objective[at] + 1e-4 * size[left] * slope[left] + NOISE[problem.dtype] * (1 + abs(value))
                good = np.isfinite(point.gradient).all(axis=1) & (value <= enough)
            self._accept(at[good], _take(point, good), value[good])
            moved[left[good]] = True
            size[left[~good]] *= 0.4
        return moved

    def _accept(self, at: np.ndarray, point: Point, value: np.ndarray) -> None:
        self.theta[at], self.gradient[at], self.objective[at] = point.theta, point.gradient, value

    def solution(self, columns: Columns) -> Solution:
        norm = subgradient_norm(self.problem, columns, self.theta, self.gradient)
        return Solution(self.theta, self.objective, self.gap, norm, self.iterations, self.converged)


NOISE = {"float64": 1e-14, "float32": 3e-7}
"""Error of an objective, relative to 1 + its size."""


def _take(point: Point, index) -> Point:
    return Point(*(None if array is None else array[index] for array in point))


def subgradient_norm(problem: Problem, columns: Columns, theta: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """Return the norm of the least subgradient of each column (n,), for standardised features."""
    total = gradient.copy()
    extended = np.pad(theta, ((0, 0), (0, 1)))
    slopes = np.pad(gradient, ((0, 0), (0, 1)))
    for members, weight in zip(problem.groups, problem.weights, strict=True):
        inside = members[members < problem.width]
        pull = columns.strength * weight
        v, g = extended[:, inside], slopes[:, inside]
        size, steep = np.linalg.norm(v, axis=1), np.linalg.norm(g, axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            on = g + pull[:, None] * v / size[:, None]
            off = g * np.maximum(0.0, 1.0 - pull / steep)[:, None]
        total[:, inside] = np.where(size[:, None] > 0, on, np.where(steep[:, None] > 0, off, 0.0))
    return np.linalg.norm(total * problem.to_standard, axis=1)


def _predicted(problem, columns, hessian, state, active, step) -> np.ndarray:
    """Return the change of the model along the steps: minus the estimated gap."""
    theta = state.theta[active]
    quadratic = 0.5 * np.einsum("np,npq,nq->n", step, hessian, step, optimize=True)
    linear = np.einsum("np,np->n", step, state.gradient[active])
    corner = columns.strength * (problem.absolute_sum(theta + step) - problem.absolute_sum(theta))
    return linear + quadratic + corner


class _Blocks(NamedTuple):
    """Coordinates that move together: index (G, k) padded with P, and the weight of each one's norm (G,)."""

    index: np.ndarray
    weight: np.ndarray


def _all_blocks(problem: Problem) -> _Blocks:
    """Return the penalty's groups, and each coefficient outside them alone, without weight."""
    grouped = np.zeros(problem.width + 1, bool)
    grouped[problem.groups.ravel()] = True
    alone = np.flatnonzero(~grouped[:-1])
    index = np.full((len(problem.groups) + len(alone), problem.groups.shape[1]), problem.width)
    index[: len(problem.groups)] = problem.groups
    index[len(problem.groups) :, 0] = alone
    return _Blocks(index, np.concatenate([problem.weights, np.zeros(len(alone))]))


def _model_steps(problem, columns, hessian, gradient, theta, gap) -> np.ndarray:
    """Return the steps to the minimum of each column's model."""
    n, width = theta.shape
    size = bucket(n, COLUMN_BUCKETS)
    blocks = _all_blocks(problem)
    padded = np.zeros((size, width + 1, width + 1))
    padded[:n, :width, :width] = hessian
    padded[:, np.arange(width + 1), np.arange(width + 1)] += padded[:, np.arange(width + 1), np.arange(width + 1)] == 0
    g, v = np.zeros((2, size, width + 1))
    g[:n, :width], v[:n, :width] = gradient, theta
    pull = np.zeros((size, len(blocks.weight)))
    pull[:n] = columns.strength[:, None] * blocks.weight
    step = _coordinate_descent(padded, g, v, pull, blocks.index, 1e-2 * gap)
    return np.asarray(step)[:n, :width] * problem.usable[columns.unit]


@jax.jit
def _coordinate_descent(hessian, gradient, theta, pull, index, tolerance):
    """Minimise ``g.d + 0.5 d'Hd + sum_g pull_g |v_g + d_g|`` for each column, by sweeps over blocks.

    A block of one is minimised exactly, a larger one by a proximal step of its Hessian's largest eigenvalue. A column
    is done when a sweep brings less than ``tolerance``, or than a thousandth of what all brought.
    """
    block = hessian[:, index[:, :, None], index[:, None, :]]
    steep = jnp.linalg.eigvalsh(block)[..., -1] if index.shape[1] > 1 else block[..., 0, 0]

    def one(i, carry):
        step, slope, gain = carry
        members = index[i]
        u = theta[:, members] + step[:, members]
        z = u - slope[:, members] / steep[:, i, None]
        size = jnp.linalg.norm(z, axis=1)
        keep = jnp.maximum(0.0, 1.0 - pull[:, i] / steep[:, i] / jnp.where(size > 0, size, 1.0))
        change = jnp.where(members == theta.shape[1] - 1, 0.0, z * keep[:, None] - u)
        slope = slope + jnp.einsum("nk,nkp->np", change, hessian[:, members])
        return step.at[:, members].add(change), slope, gain + 0.5 * steep[:, i] * (change**2).sum(axis=1)

    def sweep(carry):
        count, step, slope, _, total = carry
        gain = jnp.zeros(len(theta))
        step, slope, gain = jax.lax.fori_loop(0, len(index), one, (step, slope, gain))
        return count + 1, step, slope, gain, total + gain

    def going(carry):
        count, _, _, gain, total = carry
        return (count < MAX_SWEEPS) & (gain > jnp.maximum(tolerance, 1e-3 * total)).any()

    zero = jnp.zeros(len(theta))
    start = (0, jnp.zeros_like(theta), gradient, zero + jnp.inf, zero)
    return jax.lax.while_loop(going, sweep, start)[1]
