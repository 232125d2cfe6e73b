"""What a term is worth: definitions of the large labs side by side, and how far the rest can stand in for it.

For a full model F, the same without the term R, and the term alone S. `y` and predictions are in the response's units
per row.
"""

from __future__ import annotations

import numpy as np


def r_squared(y: np.ndarray, prediction: np.ndarray) -> float:
    """Return ``1 - sum (y - yhat)^2 / sum (y - mean y)^2`` on the rows given, as IBL's encoding models score a fold."""
    y, prediction = np.asarray(y, float), np.asarray(prediction, float)
    total = ((y - y.mean()) ** 2).sum()
    return float(1.0 - ((y - prediction) ** 2).sum() / total) if total > 0 else float("nan")


def variance_explained(y: np.ndarray, prediction: np.ndarray) -> float:
    """Return ``1 - var(y - yhat) / var(y)``, as Allen's visual-behaviour models score a fold; ``-inf`` for no variance.

    An offset of the prediction does not count against it.
    """
    y, prediction = np.asarray(y, float), np.asarray(prediction, float)
    variance = y.var()
    return float(1.0 - (y - prediction).var() / variance) if variance > 0 else float("-inf")


def squared_correlation(y: np.ndarray, prediction: np.ndarray) -> float:
    """Return the squared correlation of data and held-out prediction (Musall 2019): blind to scale and offset."""
    y, prediction = np.asarray(y, float), np.asarray(prediction, float)
    if not (y.std() > 0 and prediction.std() > 0):
        return float("nan")
    return float(np.corrcoef(y, prediction)[0, 1] ** 2)


def allen_pooled(folds: np.ndarray) -> float:
    """Average the variance explained over folds as Allen does: ``-inf`` counts as 0, and the mean is at least 0."""
    folds = np.asarray(folds, float)
    return float(max(np.where(np.isneginf(folds), 0.0, folds).mean(), 0.0))


def allen_dropout(full: float, reduced: float, least: float = 0.005) -> float:
    """Return Allen's coding score of a term that is left out, ``-(1 - R / F)``: between -1 (all of it) and 0.

    0 where the full model explains less than `least`, or less than the reduced one. Clipping makes medians look cleaner
    than they are: see `allen_dropout_unclipped`.
    """
    if full < least or reduced > full:
        return 0.0
    return float(-(1.0 - reduced / full))


def allen_dropout_unclipped(full: float, reduced: float) -> float:
    """Return ``-(1 - R / F)`` as it is; NaN where the full model explains nothing."""
    return float(-(1.0 - reduced / full)) if full > 0 else float("nan")


def allen_single(full: float, single: float, least: float = 0.005) -> float:
    """Return Allen's score of a term alone, ``-S / F``, at least -1; 0 where either explains less than `least`."""
    if full < least or single < least:
        return 0.0
    return float(max(-single / full, -1.0))


def engelhard_share(full: float, without: dict[str, float]) -> dict[str, float]:
    """Return each term's relative share of what is lost without it, losses below 0 taken as 0 (Engelhard 2019).

    Parameters
    ----------
    full
        Score of the full model.
    without
        Score without each term.

    Returns
    -------
    dict
        Shares that sum to 1; NaN where no term is worth anything.
    """
    loss = {name: max(full - score, 0.0) for name, score in without.items()}
    total = sum(loss.values())
    return {name: value / total if total > 0 else float("nan") for name, value in loss.items()}


def shared_worth(full: float, null: float, unique: dict[str, float]) -> float:
    """Return what the model explains that no term explains alone: ``F - null - sum of unique contributions``.

    Below 0 where terms only work together (suppression, interactions).
    """
    return full - null - sum(unique.values())


def canonical_r2(term: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Return the squared canonical correlations of a term's features with those of the rest, largest first.

    Parameters
    ----------
    term : (T, p)
    rest : (T, q)

    Returns
    -------
    np.ndarray
        At most ``min(p, q)`` values in [0, 1]; none where either has no variance.
    """
    a, b = _orthonormal(term), _orthonormal(rest)
    if not (a.shape[1] and b.shape[1]):
        return np.zeros(0)
    return np.clip(np.linalg.svd(a.T @ b, compute_uv=False), 0.0, 1.0) ** 2


def variance_inflation(term: np.ndarray, rest: np.ndarray) -> float:
    """Return ``1 / (1 - R2)`` of a term given the rest, with the largest canonical R2 for a group; 1 is none.

    It does not see covariates that are measured with noise: there the wrong covariate can win at an inflation of 1.7.
    """
    shared = canonical_r2(term, rest)
    if not len(shared):
        return 1.0
    return float(1.0 / (1.0 - shared[0])) if shared[0] < 1.0 - 1e-12 else float("inf")


def condition_number(features: np.ndarray) -> float:
    """Return the condition number of the features' correlation matrix; infinite where one is a mixture of others."""
    features = np.asarray(features, float)
    features = features[:, features.std(axis=0) > 0]
    if features.shape[1] < 2:
        return 1.0
    values = np.linalg.eigvalsh(np.corrcoef(features, rowvar=False))
    return float(values[-1] / values[0]) if values[0] > 1e-12 * values[-1] else float("inf")


def _orthonormal(features: np.ndarray) -> np.ndarray:
    centred = np.asarray(features, float) - np.mean(features, axis=0)
    u, s, _ = np.linalg.svd(centred, full_matrices=False)
    return u[:, s > 1e-10 * max(s.max(initial=0.0), 1e-300)]
