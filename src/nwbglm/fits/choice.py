"""Choosing the strength of a penalty from held-out likelihoods, never from the rows that are then scored.

Every path runs from weak to strong. A fold without a finite likelihood at any strength (a training fold without spikes)
says nothing and is left out; a single impossible likelihood counts as the worst.
"""

from __future__ import annotations

import numpy as np


def choose_strength(log_likelihood: np.ndarray, rows: np.ndarray, rule: str) -> int:
    """Choose one strength from the held-out scores of several folds.

    `best` takes the highest summed log-likelihood. `one_se` takes the largest strength that is not worse by more than
    one standard error: with ``d_f`` the fold's mean log-likelihood at the best strength less that at another,
    ``mean(d) <= sd(d) / sqrt(F)``. Differences are paired, since folds differ from one another far more than
    strengths do. Ties go to the larger strength.

    Parameters
    ----------
    log_likelihood
        Sums over the test rows of each fold, nats, shape (folds, strengths), strengths ascending.
    rows
        Test rows of each fold, shape (folds,).
    rule
        ``best`` or ``one_se``.

    Returns
    -------
    int
        Index of the strength; the largest where no fold says anything.
    """
    strengths = log_likelihood.shape[1]
    scores = np.where(np.isnan(log_likelihood), -np.inf, log_likelihood)
    telling = np.isfinite(scores).any(axis=1) & (rows > 0)
    if not telling.any():
        return strengths - 1
    scores, rows = scores[telling], rows[telling]
    best = strengths - 1 - int(np.argmax(scores.sum(axis=0)[::-1]))
    if rule == "best" or len(scores) < 2 or not np.isfinite(scores[:, best]).all():
        return best
    for stronger in range(strengths - 1, best, -1):
        difference = (scores[:, best] - scores[:, stronger]) / rows
        if np.isfinite(difference).all():
            error = difference.std(ddof=1) / np.sqrt(len(difference))
            if difference.mean() <= error:
                return stronger
    return best


def choose_without_each_fold(log_likelihood: np.ndarray, rows: np.ndarray, rule: str) -> np.ndarray:
    """Choose, for each fold, the strength from the scores of the other folds.

    Parameters
    ----------
    log_likelihood
        Shape (folds, strengths).
    rows
        Shape (folds,).
    rule
        ``best`` or ``one_se``.

    Returns
    -------
    np.ndarray
        Index of each fold's strength, shape (folds,).
    """
    folds = len(rows)  # as if nested, but the same fits whichever fold is left out
    shape = (folds, *log_likelihood.shape)
    return choose_nested(np.broadcast_to(log_likelihood, shape), np.broadcast_to(rows, (folds, folds)), rule)


def choose_nested(log_likelihood: np.ndarray, rows: np.ndarray, rule: str) -> np.ndarray:
    """Choose, for each outer fold, the strength from fits that saw nothing of it.

    Parameters
    ----------
    log_likelihood
        Entry [k, j] is the score on inner fold j of the fit trained without folds k and j; the diagonal is not read.
        Shape (folds, folds, strengths).
    rows
        Rows scored, shape (folds, folds).
    rule
        ``best`` or ``one_se``.

    Returns
    -------
    np.ndarray
        Index of each fold's strength, shape (folds,).
    """
    folds = len(rows)
    chosen = [
        choose_strength(np.delete(log_likelihood[k], k, axis=0), np.delete(rows[k], k), rule) for k in range(folds)
    ]
    return np.array(chosen, dtype=int).reshape(folds)
