"""The objective of many fits at once: what a list of fits is, and what one evaluation of it returns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .data.passes import packed_index
from .data.problem import Problem

__all__ = [
    "NOISE",
    "Fits",
    "Point",
    "Solution",
    "evaluate",
    "mean_response",
    "null_point",
    "penalty_values",
    "quadratic_of",
    "unpack_hessians",
]


NOISE = {"float64": 1e-14, "float32": 3e-7}
"""Error of an objective, relative to 1 + its size."""


class Fits(NamedTuple):
    """A list of ``n`` fits.

    Attributes
    ----------
    unit, mask : (n,) int
        Unit, and set of training rows.
    strength, alpha : (n,)
        Strength of the penalty, dispersion.
    weight : (n, P) or None
        What coefficients are multiplied by in the quadratic penalty, where fits differ in that; None: 1.
    """

    unit: np.ndarray
    mask: np.ndarray
    strength: np.ndarray
    alpha: np.ndarray
    weight: np.ndarray | None = None

    def take(self, index) -> Fits:
        """Return some of the fits."""
        weight = None if self.weight is None else self.weight[index]
        return Fits(self.unit[index], self.mask[index], self.strength[index], self.alpha[index], weight)


class Point(NamedTuple):
    """Coefficients with the objective and its derivatives there.

    Attributes
    ----------
    theta, gradient : (n, P)
    objective : (n,)
    hessian : (n, P, P) or None
    """

    theta: np.ndarray
    objective: np.ndarray
    gradient: np.ndarray
    hessian: np.ndarray | None

    def take(self, index) -> Point:
        """Return some of the points."""
        hessian = None if self.hessian is None else self.hessian[index]
        return Point(self.theta[index], self.objective[index], self.gradient[index], hessian)

    def put(self, index, values: Point) -> None:
        """Write other points, without Hessians, into places of these."""
        for into, some in zip(self[:3], values[:3], strict=True):
            into[index] = some


class Solution(NamedTuple):
    """Where a solver stopped.

    Attributes
    ----------
    theta : (n, P)
    objective, gap, gradient_norm : (n,)
        The objective, its estimated distance from the minimum, and the norm of its least (sub)gradient in
        standardised features.
    iterations : (n,) int
    converged : (n,) bool
    """

    theta: np.ndarray
    objective: np.ndarray
    gap: np.ndarray
    gradient_norm: np.ndarray
    iterations: np.ndarray
    converged: np.ndarray

    @classmethod
    def empty(cls, n: int, width: int) -> Solution:
        """Return room for n fits."""
        objective, gap, gradient_norm = np.zeros((3, n))
        return cls(np.zeros((n, width)), objective, gap, gradient_norm, np.zeros(n, int), np.zeros(n, bool))

    def take(self, index) -> Solution:
        """Return some of the fits."""
        return Solution(*(array[index] for array in self))

    def put(self, index, part: Solution) -> None:
        """Write other fits into places of these."""
        for into, values in zip(self, part, strict=True):
            into[index] = values


def evaluate(problem: Problem, fits: Fits, theta: np.ndarray, *, hessian: bool = False) -> Point:
    """Return the objective (mean loss + quadratic penalty) with its derivatives.

    Where the observation model allows, the intercept is first replaced by the best one for the coefficients, which
    costs nothing: ``mu`` then sums to the spikes and the gradient in the intercept is zero.
    """
    # a trial far out overflows: it is infinite or unknown here, and refused by the search
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return _assembled(
            problem, fits, theta, problem.sums(theta, fits.unit, fits.mask, fits.alpha, order=2 if hessian else 1)
        )


def _assembled(problem: Problem, fits: Fits, theta: np.ndarray, sums: list[np.ndarray]) -> Point:
    """Return the point from the sums over rows of loss, gradient and perhaps Hessian."""
    unit, mask = fits.unit, fits.mask
    loss, slope = sums[:2]
    hessian = len(sums) > 2
    rows = problem.rows[unit, mask]
    curvature = unpack_hessians(sums[2], problem.width) if hessian else None
    theta = theta.copy()
    if problem.observations.intercept_in_closed_form:
        ratio = problem.spikes[unit, mask] / slope[:, -1]
        ratio = np.where(np.isfinite(ratio) & (ratio > 0), ratio, 1.0)
        theta[:, -1] += np.log(ratio)
        loss, slope = loss * ratio, slope * ratio[:, None]
        curvature = curvature * ratio[:, None, None] if hessian else None
    if problem.observations.linear:
        moments = problem.moments[unit, mask]
        loss = loss - np.einsum("np,np->n", moments, theta)
        slope = slope - moments
    penalty_slope = _quadratic_slope(problem, fits, theta) * fits.strength[:, None]
    if problem.observations.offset:
        loss = loss - problem.log_exposure[unit, mask]
    objective = loss / rows + 0.5 * np.einsum("np,np->n", theta, penalty_slope)
    gradient = (slope / rows[:, None] + penalty_slope) * problem.usable[unit]
    if hessian:
        curvature = curvature / rows[:, None, None] + fits.strength[:, None, None] * quadratic_of(problem, fits)
    return Point(theta, objective, gradient, curvature)


def _quadratic_slope(problem: Problem, fits: Fits, theta: np.ndarray) -> np.ndarray:
    """Return the gradient of the quadratic penalty at a strength of 1 (n, P)."""
    if fits.weight is None:
        return theta @ problem.quadratic
    return (theta * fits.weight) @ problem.quadratic * fits.weight


def quadratic_of(problem: Problem, fits: Fits) -> np.ndarray:
    """Return the matrix of the quadratic penalty at a strength of 1: (P, P), or (n, P, P) where fits differ in it."""
    if fits.weight is None:
        return problem.quadratic
    return problem.quadratic * fits.weight[:, :, None] * fits.weight[:, None, :]


def penalty_values(problem: Problem, fits: Fits, theta: np.ndarray) -> np.ndarray:
    """Return the penalty of each fit (n,), its absolute part included."""
    value = 0.5 * np.einsum("np,np->n", _quadratic_slope(problem, fits, theta), theta)
    if problem.absolute is not None:
        value = value + problem.absolute_sum(theta)
    return fits.strength * value


def null_point(problem: Problem, fits: Fits) -> np.ndarray:
    """Return coefficients of zero with the intercept of the mean."""
    theta = np.zeros((len(fits.unit), problem.width))
    where = fits.unit, fits.mask
    theta[:, -1] = problem.observations.link(mean_response(problem, *where))
    return theta


def mean_response(problem: Problem, unit, mask) -> np.ndarray:
    """Return the mean of the responses, kept inside what the link allows."""
    mean = problem.spikes[unit, mask] / np.maximum(problem.exposure[unit, mask], np.finfo(float).tiny)
    return np.clip(mean, *problem.observations.inside)


def unpack_hessians(packed: np.ndarray, features: int) -> np.ndarray:
    """Return symmetric (n, P, P) matrices from their packed upper triangles."""
    first, second = packed_index(features)
    full = np.empty((len(packed), features, features))
    full[:, first, second] = packed
    full[:, second, first] = packed
    return full
