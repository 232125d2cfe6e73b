"""Functions of a whole range: harmonics and polynomials."""

from __future__ import annotations

import numpy as np

from nwbglm.study import bases

from .family import OfPosition, OverRange, inside


def fourier(x: np.ndarray, n: int) -> np.ndarray:
    """Evaluate ``cos(2 pi k x)`` for k = 1..n, then ``sin(2 pi k x)`` for k = 1..n: 2n functions, no constant.

    Parameters
    ----------
    x
        Positions in [0, 1], any shape.
    n
        Number of harmonics.

    Returns
    -------
    np.ndarray
        Shape of `x` with an axis of 2n functions added at the end.
    """
    phase = 2.0 * np.pi * inside(x)[..., None] * np.arange(1, n + 1)
    return np.concatenate([np.cos(phase), np.sin(phase)], axis=-1)


def cosine(x: np.ndarray, n: int) -> np.ndarray:
    """Evaluate ``cos(pi k x)`` for k = 1..n: half waves, no constant.

    On the middles of T equal bins they are the first functions of the discrete cosine transform, and orthogonal. Of
    time they are the terms of slow drift that fMRI analyses use.

    Parameters
    ----------
    x
        Positions in [0, 1], any shape.
    n
        Number of functions.

    Returns
    -------
    np.ndarray
        Shape of `x` with an axis of n functions added at the end.
    """
    return np.cos(np.pi * inside(x)[..., None] * np.arange(1, n + 1))


def polynomial(x: np.ndarray, degree: int) -> np.ndarray:
    """Evaluate Legendre polynomials of degree 1 to `degree` on [-1, 1] (no constant: the model has an intercept).

    They span the powers of x and keep the problem well conditioned.

    Parameters
    ----------
    x
        Positions in [0, 1], any shape.
    degree
        Highest degree.

    Returns
    -------
    np.ndarray
        Shape of `x` with an axis of `degree` functions added at the end.
    """
    return np.polynomial.legendre.legvander(2.0 * inside(x) - 1.0, degree)[..., 1:]


class Fourier(OfPosition):
    """Cosines and sines."""

    family = bases.Fourier

    def at(self, x: np.ndarray) -> np.ndarray:
        """Return the functions at positions."""
        return fourier(x, self.settings.n)


class Cosine(OverRange):
    """Half waves of a cosine."""

    family = bases.Cosine

    def at(self, x: np.ndarray) -> np.ndarray:
        """Return the functions at positions."""
        return cosine(x, self.settings.n)


class Polynomial(OverRange):
    """Legendre polynomials."""

    family = bases.Polynomial

    def at(self, x: np.ndarray) -> np.ndarray:
        """Return the functions at positions."""
        return polynomial(x, self.settings.degree)
