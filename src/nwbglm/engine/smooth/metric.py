"""Metrics: approximate inverse Hessians, cheap to apply at any strength.

One factorisation serves every strength: with ``B = H + s0 Q = L L'`` and ``L^-1 Q L^-T = U diag(m) U'``,

    (H + s Q)^-1 = A diag(1 / (1 + (s - s0) m)) A',   A = L^-T U.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, cholesky, eigh, solve_triangular

__all__ = ["Metric", "factorise"]

FLOOR = 1e-12
"""Added to the Hessian of standardised features, relative to its mean diagonal, where it is not positive definite."""


class Metric(NamedTuple):
    """A factorised Hessian ``scale (H + (strength / scale) Q)``.

    Attributes
    ----------
    vectors : (P, P)
        ``A``.
    weights : (P,)
        ``m``.
    base
        ``s0``.
    usable : (P,) bool
        Coefficients outside are held.
    """

    vectors: np.ndarray
    weights: np.ndarray
    base: float
    usable: np.ndarray

    def solve(self, right: np.ndarray, strength: np.ndarray, scale: np.ndarray | float = 1.0) -> np.ndarray:
        """Return ``(scale H + strength Q)^-1 right`` for rows of right-hand sides."""
        scale = np.broadcast_to(np.asarray(scale, float), strength.shape)[:, None]
        shrink = 1.0 + (strength[:, None] / scale - self.base) * self.weights
        return ((right @ self.vectors) / (shrink * scale)) @ self.vectors.T


def factorise(hessian: np.ndarray, quadratic: np.ndarray, base: float, usable: np.ndarray) -> Metric:
    """Factorise one Hessian against the penalty.

    Parameters
    ----------
    hessian, quadratic : (P, P)
        ``H`` and ``Q``.
    base
        A strength not above any that will be asked for.
    usable : (P,) bool
        Coefficients that move.
    """
    inside = np.flatnonzero(usable)
    within = np.ix_(inside, inside)
    penalty = quadratic[within]
    matrix = hessian[within] + base * penalty
    floor = 0.0
    size = max(np.trace(matrix) / len(inside), np.finfo(float).tiny)
    while True:
        try:
            lower = cholesky(matrix + floor * np.eye(len(inside)), lower=True)
            break
        except LinAlgError:
            floor = max(10 * floor, FLOOR * size)
    left = solve_triangular(lower, penalty, lower=True)
    weights, turn = eigh(solve_triangular(lower, left.T, lower=True))
    vectors = np.zeros(hessian.shape)
    vectors[within] = solve_triangular(lower, turn, lower=True, trans="T")
    full = np.zeros(len(usable))
    full[inside] = np.maximum(weights, 0.0)
    return Metric(vectors, full, base, usable)
