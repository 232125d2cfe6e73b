"""Rao's score statistic of a term beside the rest of a model, for many draws of the term's rows at once.

``R = g' V^-1 g`` with ``g = A' r``, ``V = A'WA - A'WB (B'WB)^-1 B'WA``: r the derivative of the log-likelihood by the
linear predictor and W its expected curvature, both at the fit *without* the term, B the features of that fit with a
column of ones (Rao 1948). One fit serves all draws; a draw costs a Gram matrix. It is the one-step form of the gain
``2 [L(B + A) - L(B)]`` of a refit, to which it is equal to second order; with the curvature of the term's own penalty
added to V, of the penalised gain.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import fft


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


class Moments(NamedTuple):
    """Sums over rows that a draw's statistic is made of; the draws come first, where there are several."""

    gradient: np.ndarray
    """(..., p) ``A'r``."""
    cross: np.ndarray
    """(..., q, p) ``B'WA``."""
    gram: np.ndarray
    """(..., p, p) ``A'WA``."""


def moments(term: np.ndarray, rest: Rest) -> Moments:
    """Return the sums over rows of one draw (T, p)."""
    term = np.asarray(term, float)
    gram = term.T @ (term * rest.weight[:, None])
    return Moments(term.T @ rest.residual, rest.weighted.T @ term, gram)


def statistics_of(at: Moments, rest: Rest, penalty: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return Rao's statistic (...) of each draw, and the rank of what it adds (...).

    Parameters
    ----------
    at
        Sums over rows.
    rest
        Of `prepare_rest`.
    penalty : (p, p) or None
        Second derivative of the term's summed penalty.
    """
    information = at.gram - np.swapaxes(at.cross, -1, -2) @ (rest.inverse @ at.cross)
    if penalty is not None:
        information = information + penalty
    size = np.sqrt(np.maximum(np.einsum("...pp->...p", at.gram), 0.0))  # transforms round
    size = np.where(size > 0, size, 1.0)  # columns of features are brought to one size first
    values, vectors = np.linalg.eigh(information / (size[..., :, None] * size[..., None, :]))
    kept = values > 1e-9 * max(values.shape[-1], 1)
    projected = np.einsum("...pk,...p->...k", vectors, at.gradient / size)
    each = np.where(kept, projected**2 / np.where(kept, values, 1.0), 0.0)
    return each.sum(axis=-1), kept.sum(axis=-1)


def score_statistic(term: np.ndarray, rest: Rest, penalty: np.ndarray | None = None) -> tuple[float, int]:
    """Return Rao's statistic of a term's rows, and the rank of what it adds.

    Parameters
    ----------
    term : (T, p)
        Feature rows of the term.
    rest
        Of `prepare_rest`.
    penalty : (p, p) or None
        Second derivative of the term's summed penalty.

    Returns
    -------
    (float, int)
        The statistic, and the numerical rank of V: a basis function that no row visits adds nothing.
    """
    value, rank = statistics_of(moments(term, rest), rest, penalty)
    return float(value), int(rank)


def shifted_statistics(
    term: np.ndarray,
    rest: Rest,
    shifts: np.ndarray,
    *,
    circle: np.ndarray | None = None,
    penalty: np.ndarray | None = None,
    spaced: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return Rao's statistic with the term's rows moved round the circle by each of many shifts.

    All shifts come out of ``p (p + 1) / 2 + p (q + 2)`` Fourier transforms, so that a thousand shifts cost little more
    than one.

    Parameters
    ----------
    term : (T, p)
        Feature rows of the term.
    rest
        Of `prepare_rest`.
    shifts : (n,), or (n, circles)
        Row t of a draw is row ``t - shift`` of the term.
    circle : (T,) int or None
        The circle of each row, where there are several with shifts of their own.
    penalty : (p, p) or None
        Second derivative of the term's summed penalty.
    spaced
        Where all shifts are multiples of this number of rows, and none reaches round the circle to a row with a weight
        or a residual: far fewer places are transformed back. 0: any shifts.

    Returns
    -------
    statistic : (n,)
    rank : (n,) int
    """
    term = np.asarray(term, float)
    if circle is None and spaced <= 1 and rest.weighted.shape[1] == 1 and np.ptp(rest.weight) == 0:
        return _beside_a_constant(term, rest, np.asarray(shifts), penalty)
    total = None
    for number, each in enumerate(np.atleast_2d(np.asarray(shifts).T)):
        mine = slice(None) if circle is None else circle == number
        part = _moments_of_shifts(term[mine], _of_rows(rest, mine), each, spaced)
        total = part if total is None else Moments(*(a + b for a, b in zip(total, part, strict=True)))
    assert total is not None  # there is one circle at least
    return statistics_of(total, rest, penalty)


def _beside_a_constant(
    term: np.ndarray, rest: Rest, shifts: np.ndarray, penalty: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the same where all rows weigh alike: only the gradient moves, and V is that of the data."""
    here = moments(term, rest)
    gradient = _correlate(rest.residual[None], term.T, shifts, 0)[:, 0]
    information = here.gram - here.cross.T @ rest.inverse @ here.cross
    if penalty is not None:
        information = information + penalty
    size = np.sqrt(np.diagonal(here.gram))
    size = np.where(size > 0, size, 1.0)
    values, vectors = np.linalg.eigh(information / np.outer(size, size))
    kept = values > 1e-9 * max(len(values), 1)
    projected = (gradient / size) @ vectors[:, kept] / np.sqrt(values[kept])
    return (projected**2).sum(axis=1), np.full(len(shifts), int(kept.sum()))


def _of_rows(rest: Rest, rows: slice | np.ndarray) -> Rest:
    return rest._replace(residual=rest.residual[rows], weight=rest.weight[rows], weighted=rest.weighted[rows])


def _moments_of_shifts(term: np.ndarray, rest: Rest, shifts: np.ndarray, spaced: int) -> Moments:
    """Return the sums over rows (n, ...) of one circle at each shift."""
    features = term.shape[1]
    first, second = np.triu_indices(features)
    fixed = np.concatenate([rest.residual[None], rest.weighted.T])
    with_term = _correlate(fixed, term.T, shifts, spaced)  # (n, 1 + q, p)
    products = _correlate(rest.weight[None], (term[:, first] * term[:, second]).T, shifts, spaced)[:, 0]
    gram = np.empty((len(shifts), features, features))
    gram[:, first, second] = gram[:, second, first] = products
    return Moments(with_term[:, 0], with_term[:, 1:], gram)


def _correlate(fixed: np.ndarray, moving: np.ndarray, shifts: np.ndarray, spaced: int) -> np.ndarray:
    """Return ``sum_t fixed[a, t] moving[b, t - s]`` (n, a, b) at each shift s, from transforms of both.

    Parameters
    ----------
    fixed : (a, T)
    moving : (b, T)
    shifts : (n,)
    spaced
        See `shifted_statistics`.
    """
    rows = fixed.shape[1]
    if spaced > 1:
        return _correlate_spaced(fixed, moving, np.asarray(shifts) // spaced, spaced)
    # a length with large prime factors transforms slowly: the circle is laid out twice as long then, and folded
    folded = fft.next_fast_len(rows, real=True) != rows
    size = fft.next_fast_len(2 * rows, real=True) if folded else rows
    shifts = np.asarray(shifts) % rows
    still, move = fft.rfft(fixed, size), fft.rfft(moving, size)
    out = np.empty((len(shifts), len(fixed), len(moving)))
    for column in range(len(moving)):  # one at a time: all at once would take rows x a x b numbers
        found = fft.irfft(still * move[column].conj(), size)
        at = found[:, shifts]
        out[:, :, column] = (at + found[:, (shifts - rows) % size] if folded else at).T
    return out


def _correlate_spaced(fixed: np.ndarray, moving: np.ndarray, places: np.ndarray, spaced: int) -> np.ndarray:
    """Return correlations at multiples of a number of rows, which need one Fourier coefficient in so many.

    Sums over the frequencies that alias onto one another come first, as products of small matrices.
    """
    few = fft.next_fast_len(-(-fixed.shape[1] // spaced))
    still, move = fft.fft(fixed, few * spaced), fft.fft(moving, few * spaced)
    still = still.reshape(len(fixed), spaced, few).transpose(2, 0, 1)
    move = move.reshape(len(moving), spaced, few).transpose(2, 1, 0).conj()
    return fft.ifft(still @ move, axis=0).real[places % few] / spaced
