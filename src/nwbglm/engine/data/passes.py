"""The hot loop: sums over rows, for many fits at once.

A *fit* is a unit, a set of rows, a strength. All fits share one pair of matrix products a block of rows,
``eta = theta X'`` and ``slope X``; coefficients are row-major (fit, feature), the layout in which XLA reaches the
speed of BLAS. Nothing of size rows x fits outlives a block. Data are arguments, never constants of the compiled
program, and shapes come in a few sizes, so that nothing is compiled twice. A predictor that overflows makes its own
fit's sums infinite, which the search takes as a step too far.
"""

from __future__ import annotations

from functools import cache, partial
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

__all__ = [
    "Panel",
    "Unscaled",
    "compact_grams",
    "dispersion_slopes",
    "loss_sums",
    "packed_index",
    "predictor_extremes",
    "weighted_grams",
]


class Panel(NamedTuple):
    """A stretch of the data, on the device, in blocks of rows.

    Attributes
    ----------
    x : (blocks, rows, features)
        Features, standardised or as they are given; the last column is 1 (the intercept).
    masks : (blocks, masks, rows) bool
        Sets of rows: training and test rows of each split.
    exposure, y : (blocks, units, rows) or None
        Exposure where it is not all 1; responses where the observation model needs them row by row.
    members : (masks, blocks) int, numpy
        Rows of a set in a block.
    """

    x: jax.Array
    masks: jax.Array
    exposure: jax.Array | None
    y: jax.Array | None
    members: np.ndarray

    def load(self) -> Panel:
        """Return itself: it is there already."""
        return self


class Unscaled(NamedTuple):
    """Features as they are given, with what makes them standardised block by block: ``(raw - mean) * factor``.

    Attributes
    ----------
    raw : (blocks, rows, features)
    mean, factor : (features,)
        0 and 1 for the intercept.
    """

    raw: jax.Array
    mean: jax.Array | np.ndarray
    factor: jax.Array | np.ndarray


@cache
def packed_index(features: int) -> tuple[np.ndarray, np.ndarray]:
    """Return row and column of each entry of a packed upper triangle."""
    return np.triu_indices(features)


def _rows(panel, j, theta, unit, mask, alpha):
    """Return the block's features and, for each fit: linear predictor, weight, exposure, response."""
    x, masks, exposure, y = panel
    take = partial(jax.lax.dynamic_index_in_dim, index=j, keepdims=False)
    if isinstance(x, Unscaled):
        xb = ((take(x.raw).astype(x.mean.dtype) - x.mean) * x.factor).astype(theta.dtype)
    else:
        xb = take(x)
    eta = jnp.matmul(theta, xb.T, precision=jax.lax.Precision.HIGHEST)
    weight = take(masks)[mask]
    e = jnp.ones((), eta.dtype)
    if exposure is not None:
        e = take(exposure)[unit].astype(eta.dtype)
        weight = weight & (e > 0)
    response = take(y)[unit].astype(eta.dtype) if y is not None else None
    return xb, eta, weight, (response, e, alpha[:, None])


STRIPES, LEAST_STRIPE = 4, 32
"""Stripes of columns in which the upper half of a Hessian is made: four save three eighths of the work."""

FEW_FITS = 4
"""Up to here the products of pairs of features cost more than they save."""


def _packed_hessians(xb, curvature, product):
    """Return ``X' diag(curvature) X`` of each fit over one block, packed (fits, pairs)."""
    first, second = packed_index(xb.shape[1])
    xt = xb.T
    if len(curvature) > FEW_FITS:
        return product(curvature, (xt[first] * xt[second]).T)
    stacked = (xt[None] * curvature[:, None, :]).reshape(-1, len(xb))
    return product(stacked, xb).reshape(len(curvature), len(xt), len(xt))[:, first, second]


@partial(jax.jit, static_argnames=("observations", "order"))
def loss_sums(x, masks, exposure, y, blocks, count, theta, unit, mask, alpha, *, observations, order):
    """Sum loss, gradient and Hessian of each fit over the blocks listed.

    Parameters
    ----------
    x, masks, exposure, y
        Of a `Panel`; ``x`` may be `Unscaled`.
    blocks : (blocks,) int32
        Which blocks to visit: the first ``count`` entries.
    theta : (fits, features)
        Coefficients, the intercept last.
    unit, mask : (fits,) int32
        The unit and the set of rows of each fit.
    alpha : (fits,)
        Dispersion.
    order
        0: loss; 1: and gradient; 2: and Hessian, packed as `packed_index` says.

    Returns
    -------
    tuple of float64 arrays
        ``(fits,)``, ``(fits, features)``, ``(fits, pairs)``.
    """
    fits, features = theta.shape

    def body(i, sums):
        xb, eta, weight, rest = _rows((x, masks, exposure, y), blocks[i], theta, unit, mask, alpha)
        parts = [jnp.where(weight, observations.loss(eta, *rest), 0).sum(axis=1)]
        product = partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)
        if order >= 1:
            parts.append(product(jnp.where(weight, observations.slope(eta, *rest), 0), xb))
        if order >= 2:
            curvature = jnp.where(weight, observations.curvature(eta, *rest), 0)
            parts.append(_packed_hessians(xb, curvature, product))
        return tuple(s + part.astype(s.dtype) for s, part in zip(sums, parts, strict=True))

    shapes = [(fits,), (fits, features), (fits, features * (features + 1) // 2)][: order + 1]
    start = tuple(jnp.zeros(shape, jnp.float64) for shape in shapes)
    return jax.lax.fori_loop(0, count, body, start)


@partial(jax.jit, static_argnames=("observations",))
def weighted_grams(x, masks, exposure, y, blocks, count, theta, unit, mask, alpha, *, without, observations):
    """Sum the full Hessian ``X' diag(curvature) X`` of each fit over the blocks listed.

    Parameters are those of `loss_sums`; rows of the set ``without`` (an index; -1 is none) do not count. Returns
    float64 ``(fits, features, features)``.
    """
    fits, features = theta.shape
    edges = [*range(0, features, max(-(-features // STRIPES), LEAST_STRIPE)), features]
    stripes = list(pairwise(edges))

    def body(i, sums):
        xb, eta, weight, rest = _rows((x, masks, exposure, y), blocks[i], theta, unit, mask, alpha)
        weight = weight & ~(masks[blocks[i], without] & (without >= 0))
        curvature = jnp.where(weight, observations.curvature(eta, *rest), 0)
        added = []
        for (first, last), stripe in zip(stripes, sums, strict=True):
            # one product for all fits: twice as fast in float64 as a product for each
            stacked = (xb.T[None, first:last] * curvature[:, None, :]).reshape(fits * (last - first), -1)
            part = jnp.matmul(stacked, xb[:, first:], precision=jax.lax.Precision.HIGHEST)
            added.append(stripe + part.reshape(stripe.shape).astype(stripe.dtype))
        return tuple(added)

    start = tuple(jnp.zeros((fits, last - first, features - first), jnp.float64) for first, last in stripes)
    sums = jax.lax.fori_loop(0, count, body, start)
    upper = jnp.concatenate([jnp.pad(s, ((0, 0), (0, 0), (e[0], 0))) for s, e in zip(sums, stripes, strict=True)], 1)
    return jnp.triu(upper) + jnp.swapaxes(jnp.triu(upper, 1), 1, 2)


@partial(jax.jit, static_argnames=("observations",))
def compact_grams(x, masks, exposure, y, blocks, count, theta, unit, mask, alpha, *, index, used, observations):
    """Sum the Hessian of each fit on its own few coefficients, ``index`` (fits, k), over the blocks listed.

    Other parameters are those of `loss_sums`; only the first ``used`` fits are visited. Returns float64
    ``(fits, k, k)``.
    """

    def body(i, sums):
        xb, eta, weight, rest = _rows((x, masks, exposure, y), blocks[i], theta, unit, mask, alpha)
        curvature = jnp.where(weight, observations.curvature(eta, *rest), 0)
        xt = xb.T

        def one(c, sums):
            mine = xt[index[c]]
            part = jnp.matmul(mine * curvature[c], mine.T, precision=jax.lax.Precision.HIGHEST)
            return sums.at[c].add(part.astype(sums.dtype))

        return jax.lax.fori_loop(0, used, one, sums)

    fits, few = index.shape
    return jax.lax.fori_loop(0, count, body, jnp.zeros((fits, few, few), jnp.float64))


@jax.jit
def predictor_extremes(x, masks, exposure, y, blocks, count, theta, unit, mask, alpha):
    """Return the least and the largest linear predictor of each fit over the blocks listed (fits, 2)."""

    def body(i, found):
        _, eta, weight, _ = _rows((x, masks, exposure, y), blocks[i], theta, unit, mask, alpha)
        low = jnp.where(weight, eta, jnp.inf).min(axis=1)
        high = jnp.where(weight, eta, -jnp.inf).max(axis=1)
        return jnp.minimum(found[0], low), jnp.maximum(found[1], high)

    start = jnp.full(len(theta), jnp.inf, theta.dtype)
    low, high = jax.lax.fori_loop(0, count, body, (start, -start))
    return jnp.stack([low, high], axis=1)


@jax.jit
def dispersion_slopes(x, masks, exposure, y, blocks, count, theta, unit, mask, alpha):
    """Sum the derivative in the dispersion of the negative binomial's loss of each fit (fits,)."""

    def body(i, total):
        _, eta, weight, (response, e, a) = _rows((x, masks, exposure, y), blocks[i], theta, unit, mask, alpha)
        mu = e * jnp.exp(eta)
        each = -jnp.log1p(a * mu) / a**2 + (response + 1 / a) * mu / (1 + a * mu) - response / a
        return total + jnp.where(weight, each, 0).sum(axis=1).astype(jnp.float64)

    return jax.lax.fori_loop(0, count, body, jnp.zeros(len(theta), jnp.float64))
