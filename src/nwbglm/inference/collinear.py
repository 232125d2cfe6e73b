"""How far a model's other terms can stand in for a term: from one correlation matrix of all features.

It speaks of features that are measured without error. Where a covariate is measured with noise, another that goes with
it takes its place however small the inflation is.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

FLAT = 1e-10
"""Share of the largest eigenvalue below which a direction does not vary."""

SAME = 1e-8
"""What a squared canonical correlation lacks of 1 at least, lest the term be a mixture of the rest."""


def correlation_matrix(pieces: Iterator[np.ndarray]) -> np.ndarray:
    """Return the correlation matrix of features that come some rows at a time; 0 where one does not vary."""
    rows, total, products, shift = 0, None, None, None
    for piece in pieces:
        piece = np.asarray(piece, float)
        if shift is None or total is None or products is None:
            shift = piece.mean(axis=0) if len(piece) else np.zeros(piece.shape[1])
            total, products = np.zeros(len(shift)), np.zeros((len(shift), len(shift)))
        centred = piece - shift
        rows, total, products = rows + len(piece), total + centred.sum(axis=0), products + centred.T @ centred
    if not rows or total is None or products is None:
        return np.zeros((0, 0))
    covariance = products / rows - np.outer(total, total) / rows**2
    deviation = np.sqrt(np.clip(np.diag(covariance), 0.0, None))
    scale = np.divide(1.0, deviation, out=np.zeros(len(deviation)), where=deviation > 1e-7 * deviation.max(initial=0.0))
    return covariance * np.outer(scale, scale)


def canonical_r2_of(correlation: np.ndarray, term: np.ndarray) -> np.ndarray:
    """Return the squared canonical correlations of some features with all others, largest first.

    Parameters
    ----------
    correlation : (p, p)
    term : (p,) bool
        Which features belong to the term.
    """
    a, b = _whitening(correlation[np.ix_(term, term)]), _whitening(correlation[np.ix_(~term, ~term)])
    if not (a.shape[1] and b.shape[1]):
        return np.zeros(0)
    return np.clip(np.linalg.svd(a.T @ correlation[np.ix_(term, ~term)] @ b, compute_uv=False), 0.0, 1.0) ** 2


def inflation(canonical: np.ndarray) -> float:
    """Return ``1 / (1 - R2)`` of the largest squared canonical correlation; 1 is none."""
    if not len(canonical):
        return 1.0
    return float(1.0 / (1.0 - canonical[0])) if canonical[0] < 1.0 - SAME else float("inf")


def condition_of(correlation: np.ndarray) -> float:
    """Return the condition number of a correlation matrix, features that do not vary left out."""
    varies = np.diag(correlation) > 0
    if varies.sum() < 2:
        return 1.0
    values = np.linalg.eigvalsh(correlation[np.ix_(varies, varies)])
    return float(values[-1] / values[0]) if values[0] > FLAT * values[-1] else float("inf")


def _whitening(block: np.ndarray) -> np.ndarray:
    """Return what makes features uncorrelated with unit variance, (p, rank)."""
    values, vectors = np.linalg.eigh(block) if len(block) else (np.zeros(0), np.zeros((0, 0)))
    kept = values > FLAT * max(values.max(initial=0.0), 1e-300)
    return vectors[:, kept] / np.sqrt(values[kept])
