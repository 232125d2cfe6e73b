"""Basis functions: what a coefficient multiplies, over the lags of a window or over the values of a signal.

Every family is a function of a position in [0, 1]. `kernel` lays positions over a window (the first lag is 0, the
last is 1), `evaluate` over the bounds of a value. Nothing is normalised unless its name says so, so that features and
coefficients equal those of NeMoS, which the tests run beside ours. Positions outside [0, 1] give NaN.

Sources: Pillow et al. 2005 (raised cosines), de Boor 1978 (B-splines), Ramsay 1988 (M-splines).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from nwbglm.errors import StudyError
from nwbglm.study.terms import Basis


def raised_cosine_linear(x: np.ndarray, n: int, *, width: float = 2.0) -> np.ndarray:
    """Evaluate cosine bumps whose peaks are evenly spaced over [0, 1], first and last on its ends.

    Parameters
    ----------
    x
        Positions in [0, 1], any shape.
    n
        Number of functions, at least 2.
    width
        Half-width of a bump in units of the distance between peaks.

    Returns
    -------
    np.ndarray
        Shape of `x` with an axis of `n` functions added at the end.
    """
    return _bumps(_inside(x), np.linspace(0.0, 1.0, n), width)


def raised_cosine_log(
    x: np.ndarray, n: int, *, width: float = 2.0, time_scaling: float = 50.0, decay_to_zero: bool = True
) -> np.ndarray:
    """Evaluate cosine bumps on a logarithmic axis, ``u = log(c x + 1) / log(c + 1)`` with c = `time_scaling`.

    Fine near 0 and coarse near 1. With `decay_to_zero` the last bump ends at 1 with value 0; otherwise it peaks there.

    Parameters
    ----------
    x
        Positions in [0, 1], any shape.
    n
        Number of functions, at least 2.
    width
        Half-width of a bump in units of the distance between peaks.
    time_scaling
        Strength of the stretch; towards 0 the axis becomes linear.
    decay_to_zero
        Whether the last function vanishes at 1.

    Returns
    -------
    np.ndarray
        Shape of `x` with an axis of `n` functions added at the end.
    """
    last = 1.0 - width / (n + width - 1.0) if decay_to_zero else 1.0
    stretched = np.log1p(time_scaling * _inside(x)) / np.log1p(time_scaling)
    return _bumps(stretched, np.linspace(0.0, last, n), width)


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
    return _design(_inside(x), _clamped_knots(n, order), order)


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
    x = _inside(x)
    from scipy.interpolate import BSpline  # 0.4 s, which most jobs need not wait for

    cardinal = BSpline.basis_element(np.arange(order + 1.0), extrapolate=False)
    place = np.mod(x[..., None] * n - np.arange(n) + (order - 1), n)
    # beyond its knots the element is NaN: there it is zero, but where x itself is NaN the answer stays NaN
    return np.where(np.isnan(x)[..., None], np.nan, np.nan_to_num(cardinal(place), nan=0.0))


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
    phase = 2.0 * np.pi * _inside(x)[..., None] * np.arange(1, n + 1)
    return np.concatenate([np.cos(phase), np.sin(phase)], axis=-1)


def orthogonal_exponentials(lag: np.ndarray, time_constants: np.ndarray) -> np.ndarray:
    """Orthonormalise ``exp(-lag / tau)`` over the lags of a window, in the order given (Gram-Schmidt).

    Each function is positive at the first lag or, where it is zero there, at its largest value.

    Parameters
    ----------
    lag
        Time from the first bin of the window, s, shape (lags,).
    time_constants
        Decay times, s, distinct, shape (functions,).

    Returns
    -------
    np.ndarray
        Orthonormal columns, shape (lags, functions).
    """
    decays = np.exp(-np.asarray(lag)[:, None] / np.asarray(time_constants, dtype=float))
    functions, triangle = np.linalg.qr(decays)
    size = np.abs(np.diag(triangle))
    if len(size) < decays.shape[1] or size.min() < 1e-10 * size.max():
        raise StudyError(
            f"exponentials with decay times {list(time_constants)} s cannot be told apart over {len(lag)} lags",
            mend="use fewer or more widely spaced decay times, or a longer window",
        )
    return functions * np.sign(np.diag(triangle))


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
    return np.polynomial.legendre.legvander(2.0 * _inside(x) - 1.0, degree)[..., 1:]


def categorical(value: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Mark which of `levels` a value equals: one column a level; a value that is none of them gives NaN.

    Parameters
    ----------
    value
        Any shape.
    levels
        Distinct levels, shape (levels,).

    Returns
    -------
    np.ndarray
        Zeros and ones, shape of `value` with an axis of levels added at the end.
    """
    hit = np.asarray(value)[..., None] == np.asarray(levels)
    return np.where(hit.any(axis=-1, keepdims=True), hit.astype(float), np.nan)


def positions(value: np.ndarray, bounds: tuple[float, float], *, period: float | None = None) -> np.ndarray:
    """Map values to [0, 1] over `bounds`; a circular value is first brought into its period.

    Parameters
    ----------
    value
        Any shape, in the signal's units.
    bounds
        The values that become 0 and 1.
    period
        Of a circular signal; the bounds then span one period.

    Returns
    -------
    np.ndarray
        Positions; NaN where the value is NaN or outside the bounds.
    """
    low, high = bounds
    value = np.asarray(value, dtype=float)
    if period is not None:
        value = low + np.mod(value - low, period)
    return _inside((value - low) / (high - low))


def _inside(x: np.ndarray) -> np.ndarray:
    """Return x as floats with everything outside [0, 1] set to NaN."""
    x = np.asarray(x, dtype=float)
    return np.where((x >= 0.0) & (x <= 1.0), x, np.nan)


def _bumps(x: np.ndarray, peaks: np.ndarray, width: float) -> np.ndarray:
    spacing = peaks[1] - peaks[0]
    return 0.5 * (np.cos(np.clip(np.pi * (x[..., None] - peaks) / (spacing * width), -np.pi, np.pi)) + 1.0)


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


# ---------------------------------------------------------------- from a study's settings


def functions(kind: str, settings: Any, x: np.ndarray) -> np.ndarray:
    """Evaluate the family of a study's basis at positions in [0, 1].

    Parameters
    ----------
    kind
        The basis's name in the study, such as ``raised_cosine_log``.
    settings
        Its settings (a part of `nwbglm.study.terms`).
    x
        Positions, any shape.

    Returns
    -------
    np.ndarray
        Shape of `x` with an axis of functions added at the end.
    """
    match kind:
        case "raised_cosine_log":
            scaling = {"time_scaling": settings.time_scaling, "decay_to_zero": settings.decay_to_zero}
            return raised_cosine_log(x, settings.n, width=settings.width, **scaling)
        case "raised_cosine_linear":
            return raised_cosine_linear(x, settings.n, width=settings.width)
        case "bspline" | "cyclic_bspline" | "mspline":
            family = {"bspline": bspline, "cyclic_bspline": cyclic_bspline, "mspline": mspline}[kind]
            values = family(x, settings.n, order=settings.order)
            return values @ without_constant(_sum_to_one(kind, settings)) if settings.full_rank else values
        case "fourier":
            return fourier(x, settings.n)
        case "polynomial":
            return polynomial(x, settings.degree)
    raise ValueError(f"'{kind}' is no family of functions of a position")


def _sum_to_one(kind: str, settings: Any) -> np.ndarray:
    """Return the weights with which a family of splines sums to 1 everywhere."""
    if kind != "mspline":
        return np.ones(settings.n)
    knots = _clamped_knots(settings.n, settings.order)
    return (knots[settings.order :] - knots[: -settings.order]) / settings.order


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


class Kernel(NamedTuple):
    """What a window's bins are weighed by."""

    weights: np.ndarray
    """Shape (lags, functions)."""
    first: int
    """The first lag, in bins; positive lags are the past. The others follow one bin apart."""


def kernel(basis: Basis, bin_width: float) -> Kernel:
    """Lay a basis over the lags of its window.

    Causal windows hold lags 1 to W bins, the first function nearest to now. Anticausal windows mirror them (lags -W to
    -1, again the first function nearest to now; NeMoS runs the other way there). Acausal windows are centred: lags
    -(W // 2) to W - 1 - W // 2, functions in the order of the lag.

    Parameters
    ----------
    basis
        A basis with a window.
    bin_width
        In s.

    Returns
    -------
    Kernel
        The weights and the first lag.
    """
    count = window_bins(basis.window, bin_width, basis.kind)
    if basis.kind == "lags":
        weights = np.eye(count)
    elif basis.kind == "orthogonal_exponentials":
        weights = orthogonal_exponentials(np.arange(count) * bin_width, basis.settings.decay_times)
    else:
        weights = functions(basis.kind, basis.settings, np.linspace(0.0, 1.0, count))
    if basis.direction == "anticausal":
        return Kernel(weights[::-1], -count)
    return Kernel(weights, 1 if basis.direction == "causal" else -(count // 2))


def window_bins(window: float, bin_width: float, where: str) -> int:
    """Return a window in bins, or say that it is not a whole number of them."""
    count = round(window / bin_width)
    if count < 1 or abs(window / bin_width - count) > 1e-6 * count:
        nearest = max(count, 1) * bin_width
        raise StudyError(
            f"a window of {window:g} s is not a whole number of bins of {bin_width:g} s",
            where=f"basis.{where}.window",
            mend=f"use {nearest:g} s",
        )
    return count
