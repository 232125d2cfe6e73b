"""How sure a fit's coefficients are: covariances of penalised maximum-likelihood estimates.

With a column of ones among the features X, r the derivative of a row's log-likelihood by the linear predictor, W its
expected curvature, n rows, strength s and the penalty's second derivative P (0 for the intercept), all at the fit:
``G = X'WX``, ``H = G + n s P``. Rows near in time are not independent (a drift, a state that the model misses), so the
scores are summed over blocks of rows first. The prior's own term ``n s P`` makes the intervals right on average over
filters, the penalty's bias included (Nychka 1988; Marra & Wood 2012); they are not right for each filter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import sparse, stats


class Curvature(NamedTuple):
    """Second derivatives of a summed objective at its minimum."""

    gram: np.ndarray
    """(p + 1, p + 1) ``G = X'WX``, the intercept last."""
    hessian: np.ndarray
    """(p + 1, p + 1) ``H = G + n s P``."""


def curvature(features: np.ndarray, weight: np.ndarray, penalty: np.ndarray | None = None) -> Curvature:
    """Return G and H from features (T, p), expected curvatures (T,) and the summed penalty's Hessian (p, p)."""
    x = with_ones(features)
    half = x * np.sqrt(np.asarray(weight, float))[:, None]
    gram = half.T @ half  # one matrix with itself: half of the products
    hessian = gram.copy()
    if penalty is not None:
        hessian[:-1, :-1] += penalty
    return Curvature(gram, hessian)


def with_ones(features: np.ndarray) -> np.ndarray:
    """Return features (T, p) with a column of ones behind them, for the intercept."""
    return np.column_stack([np.asarray(features, float), np.ones(len(features))])


def effective_parameters(at: Curvature) -> float:
    """Return the trace of the hat matrix ``H^-1 G``: the number of coefficients that the data were free to choose."""
    return float(np.trace(np.linalg.pinv(at.hessian, hermitian=True) @ at.gram))


def laplace(at: Curvature) -> np.ndarray:
    """Return ``H^-1``: the Laplace approximation of the posterior; without a penalty, inverse Fisher information."""
    return np.linalg.pinv(at.hessian, hermitian=True)


def sampling(at: Curvature) -> np.ndarray:
    """Return ``H^-1 G H^-1``: the spread of the estimate over new data, about its own biased mean."""
    inverse = laplace(at)
    return inverse @ at.gram @ inverse


def block_scores(features: np.ndarray, residual: np.ndarray, block: np.ndarray) -> np.ndarray:
    """Return the scores summed over each block (blocks, p + 1).

    Parameters
    ----------
    features : (T, p)
    residual : (T,)
        Derivative of each row's log-likelihood by the linear predictor.
    block : (T,) int
        The block of each row, from 0 on.
    """
    block = np.asarray(block)
    shape = (int(block.max(initial=-1)) + 1, len(block))
    member = sparse.csr_array((np.asarray(residual, float), (block, np.arange(len(block)))), shape=shape)
    return np.asarray(member @ with_ones(features))


def block_covariance(
    at: Curvature, scores: np.ndarray, *, prior: np.ndarray | None = None, corrected: bool = True, centred: bool = True
) -> np.ndarray:
    """Return ``H^-1 (S + n s P) H^-1`` with S from the scores of blocks; use t with blocks - 1 degrees.

    Parameters
    ----------
    at
        Curvature at the fit.
    scores : (blocks, p + 1)
        Of `block_scores`; with every row its own block, and neither correction, the result is HC0.
    prior : (p, p) or None
        ``n s P``, the summed penalty's second derivative: its term takes the penalty's bias in. None leaves it out.
    corrected
        Whether S is multiplied by ``blocks / (blocks - 1)``.
    centred
        Whether the scores are taken about their mean over blocks (they sum to the penalty's gradient, not to 0).
    """
    scores = np.asarray(scores, float)
    blocks = len(scores)
    if centred:
        scores = scores - scores.mean(axis=0)
    middle = scores.T @ scores
    if corrected:
        middle = middle * (blocks / (blocks - 1))
    if prior is not None:
        middle[:-1, :-1] += prior
    inverse = laplace(at)
    return inverse @ middle @ inverse


def newey_west(at: Curvature, features: np.ndarray, residual: np.ndarray, lags: int) -> np.ndarray:
    """Return ``H^-1 S H^-1`` with Bartlett weights over lags of rows (Newey & West 1987)."""
    scores = with_ones(features) * np.asarray(residual, float)[:, None]
    middle = scores.T @ scores
    for lag in range(1, lags + 1):
        cross = scores[lag:].T @ scores[:-lag]
        middle += (1.0 - lag / (lags + 1.0)) * (cross + cross.T)
    inverse = laplace(at)
    return inverse @ middle @ inverse


def contiguous_blocks(segment: np.ndarray, count: int) -> np.ndarray:
    """Cut rows into about `count` blocks of equal length, none of which spans two segments.

    Parameters
    ----------
    segment : (T,)
        The segment (epoch, trial) of each row, in order.
    count
        Blocks wanted; a segment gets a share by its rows, at least one.

    Returns
    -------
    np.ndarray
        (T,) int, from 0 on.
    """
    segment = np.asarray(segment)
    rows = len(segment)
    starts = np.flatnonzero(np.r_[True, segment[1:] != segment[:-1]])
    stops = np.r_[starts[1:], rows]
    out, used = np.empty(rows, dtype=np.int64), 0
    for start, stop in zip(starts, stops, strict=True):
        share = max(1, round(count * (stop - start) / rows))
        out[start:stop] = used + np.arange(stop - start) * share // (stop - start)
        used += share
    return out


class Band(NamedTuple):
    """A filter with its intervals, over lags or values."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    """Pointwise."""
    low_all: np.ndarray
    high_all: np.ndarray
    """Simultaneous: the whole filter lies between them with the level's probability."""


def filter_band(
    kernel: np.ndarray,
    coef: np.ndarray,
    covariance: np.ndarray,
    *,
    level: float = 0.95,
    degrees: float = np.inf,
    draws: int = 1000,
    seed: int = 0,
) -> Band:
    """Return a filter ``K w`` with pointwise and simultaneous intervals from the covariance of its coefficients.

    Parameters
    ----------
    kernel : (lags, functions)
        K.
    coef : (functions,)
    covariance : (functions, functions)
    level
        Of both intervals.
    degrees
        Of t: blocks - 1 for a covariance from blocks.
    draws, seed
        Draws of ``max |z|`` over the filter, from N(0, V).
    """
    kernel = np.asarray(kernel, float)
    value = kernel @ coef
    spread = np.sqrt(np.maximum(np.einsum("lf,fg,lg->l", kernel, covariance, kernel), 0.0))
    point = stats.t.ppf((1 + level) / 2, degrees) if np.isfinite(degrees) else stats.norm.ppf((1 + level) / 2)
    wide = max(_largest(kernel, covariance, spread, level, degrees, draws, seed), float(point))
    return Band(value, value - point * spread, value + point * spread, value - wide * spread, value + wide * spread)


def _largest(
    kernel: np.ndarray,
    covariance: np.ndarray,
    spread: np.ndarray,
    level: float,
    degrees: float,
    draws: int,
    seed: int | Sequence[int],
) -> float:
    """Return the quantile of the largest absolute standardised deviation over a filter."""
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    random = np.random.default_rng(seed)
    z = kernel @ root @ random.standard_normal((len(covariance), draws))
    if np.isfinite(degrees):
        z = z / np.sqrt(random.chisquare(degrees, draws) / degrees)
    seen = spread > 0
    if not seen.any():
        return 0.0
    return float(np.quantile(np.abs(z[seen] / spread[seen, None]).max(axis=0), level))
