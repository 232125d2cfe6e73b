"""Rao's score statistic of a term beside the rest of a model, for many draws of the term's rows at once.

``R = g' V^-1 g`` with ``g = A' r``, ``V = A'WA - A'WB (B'WB)^-1 B'WA``: r the derivative of the log-likelihood by the
linear predictor and W its expected curvature, both at the fit *without* the term, B the features of that fit with a
column of ones (Rao 1948). One fit serves all draws; a draw costs a Gram matrix. It is the one-step form of the gain
``2 [L(B + A) - L(B)]`` of a refit, to which it is equal to second order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Rest(NamedTuple):
    """What of the model without the term every draw of one unit needs."""

    residual: np.ndarray
    """(T,) derivative of the log-likelihood by the linear predictor."""
    weight: np.ndarray
    """(T,) expected curvature."""
    weighted: np.ndarray
    """(T, q) features of the rest and ones, each row times its weight."""
    inverse: np.ndarray
    """(q, q) pseudo-inverse of ``B'WB``, the penalty of the rest included."""


def prepare_rest(rest: np.ndarray, residual: np.ndarray, weight: np.ndarray, penalty: np.ndarray | None = None) -> Rest:
    """Take from the model without the term what all draws share.

    Parameters
    ----------
    rest : (T, q)
        Features of the model without the term; a column of ones is added.
    residual, weight : (T,)
        Derivative of the log-likelihood by the linear predictor, and its expected curvature, at that model's fit.
    penalty : (q, q) or None
        Second derivative of the rest's summed penalty.
    """
    rest = np.column_stack([np.asarray(rest, float), np.ones(len(residual))])
    weighted = rest * weight[:, None]
    gram = rest.T @ weighted
    if penalty is not None:
        gram[:-1, :-1] += penalty
    return Rest(np.asarray(residual, float), np.asarray(weight, float), weighted, np.linalg.pinv(gram, hermitian=True))


def score_statistic(term: np.ndarray, rest: Rest) -> tuple[float, int]:
    """Return Rao's statistic of a term's rows, and the rank of what it adds.

    Parameters
    ----------
    term : (T, p)
        Feature rows of the term.
    rest
        Of `prepare_rest`.

    Returns
    -------
    (float, int)
        The statistic, and the numerical rank of V: a basis function that no row visits adds nothing.
    """
    term = np.asarray(term, float)
    gradient = term.T @ rest.residual
    cross = rest.weighted.T @ term
    information = term.T @ (term * rest.weight[:, None]) - cross.T @ rest.inverse @ cross
    return _quadratic(gradient, information, np.einsum("tp,tp->p", term * rest.weight[:, None], term))


def shifted_statistics(term: np.ndarray, rest: Rest, shifts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return Rao's statistic with the term's rows moved round the circle by each of many shifts.

    All shifts come out of ``p (p + 1) / 2 + p (q + 2)`` Fourier transforms, so that a thousand shifts cost little more
    than one.

    Parameters
    ----------
    term : (T, p)
        Feature rows of the term.
    rest
        Of `prepare_rest`.
    shifts : (n,)
        Row t of a draw is row ``t - shift`` of the term.

    Returns
    -------
    statistic : (n,)
    rank : (n,) int
    """
    term = np.asarray(term, float)
    rows, features = term.shape
    shifts = np.asarray(shifts) % rows
    first, second = np.triu_indices(features)
    moving = np.fft.rfft(term, axis=0)
    fixed = np.fft.rfft(np.column_stack([rest.residual, rest.weighted]), axis=0)
    gradient = _correlate(fixed[:, :1], moving, rows, shifts)[:, 0]  # (n, p)
    cross = _correlate(fixed[:, 1:], moving, rows, shifts)  # (n, q, p)
    weight = np.fft.rfft(rest.weight)[:, None]
    products = _correlate(weight, np.fft.rfft(term[:, first] * term[:, second], axis=0), rows, shifts)[:, 0]
    gram = np.empty((len(shifts), features, features))
    gram[:, first, second] = gram[:, second, first] = products
    information = gram - np.einsum("nqp,qr,nrs->nps", cross, rest.inverse, cross, optimize=True)
    scale = np.einsum("npp->np", gram)
    out = [_quadratic(*each) for each in zip(gradient, information, scale, strict=True)]
    return np.array([value for value, _ in out]), np.array([rank for _, rank in out], dtype=int)


def _correlate(fixed: np.ndarray, moving: np.ndarray, rows: int, shifts: np.ndarray) -> np.ndarray:
    """Return ``sum_t fixed[t, a] moving[t - s, b]`` (n, a, b) at each shift s, from transforms of both."""
    out = np.empty((len(shifts), fixed.shape[1], moving.shape[1]))
    for column in range(moving.shape[1]):  # one at a time: all at once would take rows x a x b numbers
        out[:, :, column] = np.fft.irfft(fixed * moving[:, column, None].conj(), rows, axis=0)[shifts]
    return out


def _quadratic(gradient: np.ndarray, information: np.ndarray, scale: np.ndarray) -> tuple[float, int]:
    """Return ``g' V^+ g`` and the rank of V, with columns of features brought to one size first."""
    size = np.sqrt(np.where(scale > 0, scale, 1.0))
    values, vectors = np.linalg.eigh(information / np.outer(size, size))
    kept = values > 1e-9 * max(len(values), 1)
    projected = vectors[:, kept].T @ (gradient / size)
    return float((projected**2 / values[kept]).sum()), int(kept.sum())
