"""Newton's directions from exact Hessians, for few features."""

from __future__ import annotations

import numpy as np

from ..data.problem import Problem
from ..objective import Fits, Point, quadratic_of

__all__ = ["NewtonDirections", "exact_hessians", "newton_step"]

LEAST_EIGENVALUE = 1e-11
"""Eigenvalues of a Hessian below this share of its largest carry no step."""


class NewtonDirections:
    """``d = -H^-1 g``, the Hessian taken afresh at every point.

    Parameters
    ----------
    problem
        What is fitted.
    with_gradient
        Whether Hessians come with the gradients, packed (few features), or from passes of their own.
    """

    def __init__(self, problem: Problem, *, with_gradient: bool = True):
        self.exact = problem.dtype == "float64"
        self.problem, self.usable = problem, problem.usable
        self.needs_hessian = with_gradient

    def restart(self, slots: np.ndarray, fits: np.ndarray) -> None:
        """Do nothing: there is no memory."""

    def retire(self, slots: np.ndarray, fits: np.ndarray) -> None:
        """Do nothing: there is no memory."""

    def learn(self, slots: np.ndarray, step: np.ndarray, change: np.ndarray) -> None:
        """Do nothing: there is no memory."""

    def propose(self, slots: np.ndarray, fits: Fits, point: Point) -> np.ndarray:
        """Return Newton directions."""
        hessian = point.hessian
        if hessian is None:
            hessian = exact_hessians(self.problem, fits, point.theta)
        return newton_step(hessian, point.gradient, self.usable[fits.unit])


def exact_hessians(problem: Problem, fits: Fits, theta: np.ndarray) -> np.ndarray:
    """Return the Hessians (n, P, P) of the objective, a few fits at a time."""
    parts = []
    chunk = problem.hessians_at_once(8)
    for i in range(0, len(theta), chunk):
        some = fits.take(slice(i, i + chunk))
        parts.append(problem.grams(theta[i : i + chunk], some.unit, some.mask, some.alpha))
    hessian = np.concatenate(parts) / problem.rows[fits.unit, fits.mask][:, None, None]
    return hessian + fits.strength[:, None, None] * quadratic_of(problem, fits)


def newton_step(hessian: np.ndarray, gradient: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Return ``-H^+ g`` (n, P) in the coefficients that are usable.

    The Hessian is scaled to a unit diagonal first, so that the cut of small eigenvalues does not depend on units.
    """
    both = usable[:, :, None] & usable[:, None, :]
    matrix = np.where(both, hessian, 0.0)
    size = np.sqrt(np.maximum(np.diagonal(matrix, axis1=1, axis2=2), np.finfo(float).tiny))
    size = np.where(usable, size, 1.0)
    matrix = matrix / (size[:, :, None] * size[:, None, :])
    values, vectors = np.linalg.eigh(np.where(both, matrix, np.eye(matrix.shape[1])))
    keep = values > LEAST_EIGENVALUE * values[:, -1:]
    right = np.einsum("npk,np->nk", vectors, gradient * usable / size)
    right = np.where(keep, right / np.where(keep, values, 1.0), 0.0)
    return -np.einsum("npk,nk->np", vectors, right) / size * usable
