"""How sure a fit's coefficients are: covariances of penalised maximum-likelihood estimates.

With a column of ones among the features X, r the derivative of a row's log-likelihood by the linear predictor, W its
expected curvature, n rows, strength s and the penalty's second derivative P (0 for the intercept), all at the fit:
``G = X'WX``, ``H = G + n s P``. Rows near in time are not independent (a drift, a state that the model misses), so the
scores are summed over blocks of rows first. The prior's own term ``n s P`` makes the intervals right on average over
filters, the penalty's bias included (Nychka 1988; Marra & Wood 2012); they are not right for each filter.
"""

from __future__ import annotations

from functools import lru_cache
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
    alone = filter_bands(
        kernel,
        np.asarray(coef)[None],
        np.asarray(covariance)[None],
        level=level,
        degrees=degrees,
        draws=draws,
        seed=seed,
    )
    return Band(*(part[0] for part in alone))


TOGETHER = 16
"""Filters whose draws are held at once."""


def filter_bands(
    kernel: np.ndarray,
    coef: np.ndarray,
    covariance: np.ndarray,
    *,
    level: float = 0.95,
    degrees: float = np.inf,
    draws: int = 1000,
    seed: int = 0,
) -> Band:
    """Return several filters of one basis with their intervals, (filters, lags) each (see `filter_band`).

    Parameters
    ----------
    kernel : (lags, functions)
    coef : (filters, functions)
    covariance : (filters, functions, functions)
    level, degrees, draws, seed
        As for one.
    """
    kernel = np.asarray(kernel, float)
    value = coef @ kernel.T
    spread = np.sqrt(np.maximum(((kernel @ covariance) * kernel).sum(axis=2), 0.0))
    point = _quantile(level, degrees)
    parts = [slice(start, start + TOGETHER) for start in range(0, len(value), TOGETHER)]
    largest = [_largest(kernel, covariance[part], spread[part], level, degrees, draws, seed) for part in parts]
    wide = np.maximum(np.concatenate([np.zeros(0), *largest]), point)[:, None]
    return Band(value, value - point * spread, value + point * spread, value - wide * spread, value + wide * spread)


@lru_cache(maxsize=64)
def _quantile(level: float, degrees: float) -> float:
    both = (1 + level) / 2
    return float(stats.t.ppf(both, degrees) if np.isfinite(degrees) else stats.norm.ppf(both))


@lru_cache(maxsize=16)
def _drawn(functions: int, draws: int, degrees: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return normal draws (functions, draws) and what each is divided by (draws,): the same for filters alike."""
    random = np.random.default_rng(seed)
    normal = random.standard_normal((functions, draws))
    finite = np.isfinite(degrees)
    return normal, np.sqrt(random.chisquare(degrees, draws) / degrees) if finite else np.ones(draws)


def _largest(
    kernel: np.ndarray,
    covariance: np.ndarray,
    spread: np.ndarray,
    level: float,
    degrees: float,
    draws: int,
    seed: int,
) -> np.ndarray:
    """Return the quantile of the largest absolute standardised deviation over each filter (filters,)."""
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    normal, divisor = _drawn(kernel.shape[1], draws, degrees, seed)
    standard = np.divide(kernel, spread[:, :, None], out=np.zeros((*spread.shape, kernel.shape[1])),
                         where=spread[:, :, None] > 0)  # fmt: skip
    z = standard @ root @ normal
    return np.quantile(np.maximum(z.max(axis=1), -z.min(axis=1)) / divisor, level, axis=1)
