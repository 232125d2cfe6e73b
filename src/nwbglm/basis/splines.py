"""Splines: piecewise polynomials on uniform knots (de Boor 1978; Ramsay 1988 for M-splines)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from nwbglm.study import bases

from .family import OfPosition, inside


def bspline(x: np.ndarray, n: int, *, order: int = 4) -> np.ndarray:
    """Evaluate B-splines on clamped uniform knots; they are non-negative and sum to 1 everywhere.

    Parameters
    ----------
    x
        Positions in [0, 1], any shape.
    n
        Number of functions, at least `order`.
    order
        Polynomial degree plus one: 4 is cubic, 1 is piecewise constant.

    Returns
    -------
    np.ndarray
        Shape of `x` with an axis of `n` functions added at the end.
    """
    return _design(inside(x), _clamped_knots(n, order), order)


def mspline(x: np.ndarray, n: int, *, order: int = 2) -> np.ndarray:
    """Evaluate M-splines: B-splines divided by their own integral over [0, 1].

    Parameters
    ----------
    x
        Positions in [0, 1], any shape.
    n
        Number of functions, at least `order`.
    order
        Polynomial degree plus one.

    Returns
    -------
    np.ndarray
        Shape of `x` with an axis of `n` functions added at the end.
    """
    knots = _clamped_knots(n, order)
    return bspline(x, n, order=order) * (order / (knots[order:] - knots[:-order]))


def cyclic_bspline(x: np.ndarray, n: int, *, order: int = 4) -> np.ndarray:
    """Evaluate periodic B-splines: one cardinal spline shifted by 1/n, wrapped round; they sum to 1 everywhere.

    Function i rises from (i + 1 - order)/n and falls back to zero at (i + 1)/n, modulo 1.

    Parameters
    ----------
    x
        Positions in [0, 1], any shape; 0 and 1 are the same place.
    n
        Number of functions, at least `order`.
    order
        Polynomial degree plus one, at least 2.

    Returns
    -------
    np.ndarray
        Shape of `x` with an axis of `n` functions added at the end.
    """
    x = inside(x)
    from scipy.interpolate import BSpline  # 0.4 s, which most jobs need not wait for

    cardinal = BSpline.basis_element(np.arange(order + 1.0), extrapolate=False)
    place = np.mod(x[..., None] * n - np.arange(n) + (order - 1), n)
    # beyond its knots the element is NaN: there it is zero, but where x itself is NaN the answer stays NaN
    return np.where(np.isnan(x)[..., None], np.nan, np.nan_to_num(cardinal(place), nan=0.0))


def without_constant(weights: np.ndarray) -> np.ndarray:
    """Return combinations of functions that leave out the one constant among them.

    Orthonormal columns that are perpendicular to `weights`, by a Householder reflection: the ridge penalty on their
    coefficients is that on the functions' own, held to a weighted sum of zero.

    Parameters
    ----------
    weights
        With these the functions sum to a constant, shape (functions,).

    Returns
    -------
    np.ndarray
        Shape (functions, functions - 1).
    """
    normal = weights / np.linalg.norm(weights)
    normal = normal + np.eye(len(weights))[0] * (1.0 if normal[0] >= 0 else -1.0)
    reflection = np.eye(len(weights)) - 2.0 * np.outer(normal, normal) / (normal @ normal)
    return reflection[:, 1:]


def _clamped_knots(n: int, order: int) -> np.ndarray:
    inner = np.linspace(0.0, 1.0, n - order + 2)
    return np.concatenate([np.zeros(order - 1), inner, np.ones(order - 1)])


def _design(x: np.ndarray, knots: np.ndarray, order: int) -> np.ndarray:
    """Evaluate all B-splines of `knots` at x; NaN rows stay NaN (scipy's design matrix refuses them)."""
    flat = x.ravel()
    known = ~np.isnan(flat)
    values = np.full((flat.size, len(knots) - order), np.nan)
    if known.any():
        from scipy.interpolate import BSpline

        values[known] = BSpline.design_matrix(flat[known], knots, order - 1).toarray()
    return values.reshape(*x.shape, -1)


class _Spline(OfPosition):
    """Splines that sum to a constant, which may be left out."""

    def at(self, x: np.ndarray) -> np.ndarray:
        """Return the functions at positions, without the constant among them where that is asked for."""
        values = self.full(x)
        return values @ without_constant(self.sum_to_one()) if self.settings.full_rank else values

    @abstractmethod
    def full(self, x: np.ndarray) -> np.ndarray:
        """Return all functions at positions."""

    def sum_to_one(self) -> np.ndarray:
        """Return the weights with which the functions sum to 1 everywhere."""
        return np.ones(self.settings.n)


class BSpline(_Spline):
    """B-splines on clamped knots."""

    family = bases.BSpline

    def full(self, x: np.ndarray) -> np.ndarray:
        """Return all functions at positions."""
        return bspline(x, self.settings.n, order=self.settings.order)


class CyclicBSpline(_Spline):
    """B-splines that close over a period."""

    family = bases.CyclicBSpline

    def full(self, x: np.ndarray) -> np.ndarray:
        """Return all functions at positions."""
        return cyclic_bspline(x, self.settings.n, order=self.settings.order)


class MSpline(_Spline):
    """M-splines: over values they integrate to 1 in the signal's units, over lags with the window as the unit.

    Both as NeMoS has it.
    """

    family = bases.MSpline

    def full(self, x: np.ndarray) -> np.ndarray:
        """Return all functions at positions."""
        return mspline(x, self.settings.n, order=self.settings.order)

    def sum_to_one(self) -> np.ndarray:
        """Return the weights with which the functions sum to 1 everywhere."""
        n, order = self.settings.n, self.settings.order
        knots = _clamped_knots(n, order)
        return (knots[order:] - knots[:-order]) / order

    def evaluate(self, value: np.ndarray, bounds: Sequence[float], period: float | None) -> np.ndarray:
        """Return the functions of values, in one over the signal's units."""
        return super().evaluate(value, bounds, period) / (bounds[1] - bounds[0])
