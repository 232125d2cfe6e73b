"""The reduced problem of one fit: the minimum of a quadratic plus norms of blocks. Small dense algebra, no data.

    m(u) = slope.(u - v) + 0.5 (u - v)' H (u - v) + sum_b weight_b |u_b|

An active set method. On the blocks that are not zero the function is smooth: Newton's step there is its minimum for
blocks of one (as in the feature-sign search of Lee et al. 2007, NIPS 19), and is taken as far as it pays, a coefficient
that it carries past zero stopping there. Then blocks at zero whose gradient exceeds their weight enter; where the step
could not be taken whole, a sweep of exact minimisations over all blocks, one by one, moves others to zero. Every move
lowers the function; started from the last solution, a round or two mostly suffice.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.linalg.blas import daxpy
from scipy.linalg.lapack import dposv

__all__ = ["BlockNorms", "minimise"]

MAX_ROUNDS = 200
"""Rounds after which what was reached is returned: it is still a descent."""

LIFTS = (0.0, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2, 1.0)
"""Added to the diagonal, relative to its mean, until the Hessian is positive definite."""

WORTH_A_ROUND = 3e-3
"""Share of the gain that is not worth another round: the model is not better than that."""

LEFT_FACTOR = 10.0
"""Factor on the estimate of what is left after a step where the function is no quadratic."""

ROUNDING = 1e-15
"""Gains below are rounding."""

MAX_ROOT_STEPS = 50

STEP_SHARES = 0.5 ** np.arange(24)
"""Shares of a Newton step that are tried where blocks are larger than one."""


class BlockNorms(NamedTuple):
    """The penalty on k coefficients, those of a block side by side.

    Attributes
    ----------
    weight : (B,)
        Factor of each block's norm.
    of : (k,) int
        Block of each coefficient.
    first : (B + 1,) int
        Where each block begins.
    """

    weight: np.ndarray
    of: np.ndarray
    first: np.ndarray

    @property
    def single(self) -> bool:
        """Whether every block is one coefficient."""
        return len(self.weight) == len(self.of)

    def of_blocks(self, values: np.ndarray) -> np.ndarray:
        """Return the norm of each block (..., B)."""
        if self.single:
            return np.abs(values)
        return np.sqrt(np.add.reduceat(values * values, self.first[:-1], axis=-1))

    def value(self, values: np.ndarray) -> np.ndarray:
        """Return the penalty of coefficients (..., k)."""
        return self.of_blocks(values) @ self.weight


def minimise(
    hessian: np.ndarray, slope: np.ndarray, start: np.ndarray, norms: BlockNorms, tolerance: float
) -> tuple[np.ndarray, float]:
    """Return the minimum (k,), and by how much the function falls from the start to it.

    Parameters
    ----------
    hessian : (k, k)
        Positive semidefinite.
    slope : (k,)
        Gradient of the smooth part at the start.
    start : (k,)
        ``v``.
    norms
        The penalty.
    tolerance
        A round that could bring no more, or no more than `WORTH_A_ROUND` of what all brought, is the last.
    """
    u, slope = start.copy(), slope.copy()
    gain = 0.0
    for _ in range(MAX_ROUNDS):
        moved, left, whole = _newton(hessian, u, slope, norms)
        entered = _visit_blocks(hessian, u, slope, norms, everything=not whole)
        gain += entered + moved
        if left + entered <= max(tolerance, WORTH_A_ROUND * gain):
            break
    return u, gain


def _visit_blocks(hessian, u, slope, norms: BlockNorms, *, everything: bool) -> float:
    """Minimise one by one over blocks at zero that want to leave it, or over all blocks; return the gain."""
    size, steep = norms.of_blocks(u), norms.of_blocks(slope)
    wanted = (size == 0) & (steep > norms.weight * (1 + 1e-12))
    if everything:
        wanted |= size > 0
    if norms.single:
        return _visit_single(hessian, u, slope, norms.weight, np.flatnonzero(wanted))
    gain = 0.0
    for b in np.flatnonzero(wanted):
        here, weight = slice(norms.first[b], norms.first[b + 1]), norms.weight[b]
        block, old = hessian[here, here], u[here].copy()
        new = _block_minimum(block, slope[here] - block @ old, weight)
        change = new - old
        gained = -(slope[here] @ change + 0.5 * change @ block @ change)
        gained -= weight * (math.sqrt(new @ new) - math.sqrt(old @ old))
        if gained > 0:
            gain += gained
            u[here] = new
            slope += change @ hessian[here]
    return gain


def _visit_single(hessian, u, slope, weight, wanted) -> float:
    """Minimise over coefficients one by one (`_visit_blocks` for blocks of one, without the cost of small arrays)."""
    gain = 0.0
    for j in wanted.tolist():
        steep, old, hold, curved = slope.item(j), u.item(j), weight.item(j), hessian.item(j, j)
        target = curved * old - steep
        new = 0.0 if abs(target) <= hold else (target - math.copysign(hold, target)) / max(curved, 1e-300)
        change = new - old
        gained = -change * (steep + 0.5 * curved * change) - hold * (abs(new) - abs(old))
        if gained > 0:
            gain += gained
            u[j] = new
            daxpy(hessian[j], slope, a=change)
    return gain


def _block_minimum(block: np.ndarray, slope: np.ndarray, weight: float) -> np.ndarray:
    """Return the minimum of ``slope.w + 0.5 w' block w + weight |w|``.

    Where it is not zero, ``w = -(block + weight / r)^-1 slope`` with its own norm ``r``: where
    ``1 / |(r block + weight)^-1 slope|``, increasing and concave as in the subproblem of trust regions, is 1. Newton's
    steps come to it from below.
    """
    if math.sqrt(slope @ slope) <= weight:
        return np.zeros_like(slope)
    values, vectors = np.linalg.eigh(block)
    values = np.maximum(values, 1e-12 * max(values[-1], 1e-30))
    along = slope @ vectors
    if weight == 0:
        return -vectors @ (along / values)
    r = 0.0
    for _ in range(MAX_ROOT_STEPS):
        shrunk = r * values + weight
        z = along / shrunk
        square = z @ z
        norm = math.sqrt(square)
        r += (norm - 1) * square / ((z * z) @ (values / shrunk))
        if norm - 1 <= 1e-9:
            break
    return -vectors @ (along / (values + weight / r))


def _newton(hessian, u, slope, norms: BlockNorms) -> tuple[float, float, bool]:
    """Move by a Newton step on the blocks that are not zero.

    Returns the gain, an estimate of what is left to gain on these blocks, and whether the whole step was taken.
    """
    size = norms.of_blocks(u)
    inside = np.flatnonzero(((size > 0) | (norms.weight == 0))[norms.of])
    if not len(inside):
        return 0.0, 0.0, True
    matrix = hessian[inside].take(inside, axis=1) if len(inside) < len(u) else hessian.copy()
    diagonal = matrix.diagonal().copy()
    right, scale = _descent(u, slope, size, inside, norms)
    if not norms.single:
        _bend(matrix, u[inside], norms.of[inside], scale, size)
    step = np.zeros_like(u)
    step[inside] = _solve(matrix, right)
    hoped = 0.5 * (right @ step[inside])
    turn = hessian @ step
    share, gain = _along(u, step, slope @ step, 0.5 * (step @ turn), hoped, norms)
    if not gain > 0:
        return 0.0, hoped, hoped <= ROUNDING
    u += share * step
    if share < 1 and norms.single:
        u[np.abs(u) <= 1e-14 * np.abs(step)] = 0.0
    slope += share * turn
    if share < 1:
        return gain, hoped, False
    if norms.single:
        return gain, 0.0, True
    rest, _ = _descent(u, slope, norms.of_blocks(u), inside, norms)
    return gain, LEFT_FACTOR * hoped * (rest**2 / diagonal).sum() / (right**2 / diagonal).sum(), True


def _descent(u, slope, size, inside, norms: BlockNorms) -> tuple[np.ndarray, np.ndarray]:
    """Return minus the gradient on the blocks that are not zero, and weight / norm of each coefficient's block."""
    of = norms.of[inside]
    scale = norms.weight[of] / np.where(size > 0, size, 1.0)[of]
    return -(slope[inside] + scale * u[inside]), scale


def _bend(matrix, u, of, scale, size) -> None:
    """Add the Hessian of the norms, ``weight (I / |u| - u u' / |u|^3)`` in each block."""
    along = u * np.sqrt(scale) / np.maximum(size[of], 1e-300)
    matrix -= (of[:, None] == of) * np.outer(along, along)
    matrix[np.diag_indices(len(u))] += scale


def _solve(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return ``matrix^-1 right``, its diagonal lifted until it is positive definite."""
    diagonal = matrix.diagonal().copy()
    base = max(diagonal.mean(), 1e-300)
    for lift in LIFTS:
        np.fill_diagonal(matrix, diagonal + lift * base)
        _, found, failed = dposv(matrix, right)
        if not failed:
            return found
    return right / base


def _along(u, step, linear, square, hoped, norms: BlockNorms) -> tuple[float, float]:
    """Return the best share of a step, of those that are tried, and the gain there.

    For blocks of one these are the places where a coefficient passes zero: up to the first the function falls.
    """
    before = norms.value(u)
    gain = before - norms.value(u + step) - linear - square
    if norms.single:
        crosses = (u * (u + step) < 0) & (norms.weight > 0)
        if not crosses.any():
            return 1.0, gain
        shares = np.append(-u[crosses] / step[crosses], 1.0)
    elif gain > 0.5 * hoped:
        return 1.0, gain
    else:
        shares = STEP_SHARES
    values = shares * linear + shares**2 * square + norms.value(u + shares[:, None] * step) - before
    best = int(values.argmin())
    return float(shares[best]), float(-values[best])
