"""Metrics: approximate inverse Hessians, cheap to apply at any strength.

One factorisation serves every strength: with ``B = H + s0 Q = L L'`` and ``L^-1 Q L^-T = U diag(m) U'``,

    (H + s Q)^-1 = A diag(1 / (1 + (s - s0) m)) A',   A = L^-T U.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, cholesky, eigh, solve_triangular
from scipy.linalg.lapack import dtrtri

from ..objective import Fits

__all__ = ["Metric", "Metrics", "factorise"]

FLOOR = 1e-12
"""Added to the Hessian of standardised features, relative to its mean diagonal, where it is not positive definite."""


VANISHED = 1e6
"""Inverse factors of a Hessian of standardised features above this: there is no curvature left to measure steps by."""
EVEN = 1e-3
"""Least pivot of a triangular factor, relative to its largest, at which float32 keeps it: it is read in each step."""


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
        right = right.astype(self.vectors.dtype, copy=False)
        return ((right @ self.vectors) / (shrink * scale).astype(right.dtype)) @ self.vectors.T


class Metrics:
    """The metric of each unit, strength and set of rows: at first one for all.

    Parameters
    ----------
    first
        The metric of all.
    scale : (U,)
        What each unit's is multiplied by.
    strengths
        All strengths that will be asked for.
    sets
        Number of sets of rows.
    """

    def __init__(self, first: Metric, scale: np.ndarray, strengths: np.ndarray, sets: int):
        self.each: dict[int, Metric] = {0: first}
        self.levels, self.made = np.unique(strengths), 1
        self.of = np.zeros((len(scale), len(self.levels), sets), int)
        self.home = np.zeros(self.of.shape[:2], int)
        self.scale = np.asarray(scale, float)

    def key(self, fits: Fits) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return unit, place of the strength, and set of rows of each fit."""
        return fits.unit, np.searchsorted(self.levels, fits.strength), fits.mask

    @property
    def single(self) -> int:
        """How many are of one strength and set of rows only."""
        return len(self.each) - len(np.unique(self.home))

    def put(self, metric: Metric, unit: int, level: int | None = None, mask: int | None = None) -> None:
        """Give a unit a metric of its own: for all strengths and sets of rows, for one strength, or for one of each."""
        levels = slice(None) if level is None else level
        if mask is None:
            self.home[unit, levels], self.of[unit, levels] = self.made, self.made
        else:
            if self.of[unit, levels, mask] != self.home[unit, levels]:  # it replaces one
                self.each.pop(int(self.of[unit, levels, mask]))
            self.of[unit, levels, mask] = self.made
        self.each[self.made] = metric
        self.made += 1

    def drop(self, fits: Fits) -> None:
        """Forget what is of one strength and set of rows only, of these fits."""
        key = self.key(fits)
        for number in np.setdiff1d(self.of[key], self.home):
            self.each.pop(int(number))
        self.of[key] = self.home[key[:2]]

    def solve(self, fits: Fits, right: np.ndarray) -> np.ndarray:
        """Return ``H^-1 right`` for each fit's row of right-hand sides, by its metric."""
        which, result = self.of[self.key(fits)], np.empty_like(right)
        scale = np.where(which == 0, self.scale[fits.unit], 1.0)
        for number in np.unique(which):
            rows = np.flatnonzero(which == number)
            result[rows] = self.each[number].solve(right[rows], fits.strength[rows], scale[rows])
        return result


def factorise(
    hessian: np.ndarray, quadratic: np.ndarray, base: float, usable: np.ndarray, *, alone: bool = False
) -> Metric:
    """Factorise one Hessian against the penalty.

    Parameters
    ----------
    hessian, quadratic : (P, P)
        ``H`` and ``Q``.
    base
        A strength not above any that will be asked for.
    usable : (P,) bool
        Coefficients that move.
    alone
        Whether ``base`` is the only strength: no eigenvalues are then needed, which are most of the work.
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
    full, vectors = np.zeros(len(usable)), np.zeros(hessian.shape)
    if alone:
        vectors[within] = dtrtri(lower, lower=1)[0].T
        size = np.diagonal(lower)
        plain = size.min() > EVEN * size.max()
        plain &= np.abs(vectors).max() < VANISHED
        return Metric(vectors.astype(np.float32) if plain else vectors, full, base, usable)
    left = solve_triangular(lower, penalty, lower=True)
    weights, turn = eigh(solve_triangular(lower, left.T, lower=True))
    vectors[within] = solve_triangular(lower, turn, lower=True, trans="T")
    full[inside] = np.maximum(weights, 0.0)
    return Metric(vectors, full, base, usable)
