"""How many coefficients the data were free to choose, and what a fit predicts in sum: one pass over the rows each.

The effective number of parameters is the trace of the hat matrix ``H^-1 G`` with ``G = X'WX`` and H that plus the
penalty's second derivative (Hastie & Tibshirani 1990, 6.8). Where a penalty has corners, only the coefficients that
are not 0 count: for the lasso it is then their number (Zou, Hastie & Tibshirani 2007), for a group lasso less, since
the norm of a group is curved (Vaiter et al. 2012).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .observations import Observations
from .penalties import NoPenalty, Penalty

__all__ = ["effective_parameters", "predicted_sums"]

BLOCK = 1024
"""Rows that are worked on together."""

LEAST_ROWS, ROWS_PER_FEATURE = 16384, 16
"""Rows from which the Gram matrix is estimated, evenly spread, where there are more: its trace moves by about 1 %."""


def effective_parameters(
    X: np.ndarray,
    y: np.ndarray,
    rows: np.ndarray,
    coef: np.ndarray,
    intercept: np.ndarray,
    strength: np.ndarray,
    *,
    observations: Observations,
    penalty: Penalty,
    exposure: np.ndarray | None,
    dispersion: np.ndarray,
    usable: np.ndarray,
) -> np.ndarray:
    """Return the effective number of parameters of each unit's fit, intercept included.

    Parameters
    ----------
    X : (T, p)
        Features.
    y : (T, U)
        Responses.
    rows : (n,) int
        Rows that the fits were trained on, ascending.
    coef, intercept : (U, p), (U,)
        In raw feature units.
    strength, dispersion : (U,)
        Of each fit.
    observations, penalty, exposure
        As given to `fit_splits`.
    usable : (p, U) bool
        Features that the unit may use and that vary.

    Returns
    -------
    np.ndarray
        (U,); NaN where a unit has no fit (no finite intercept).
    """
    units = len(coef)
    result = np.full(units, np.nan)
    fitted = np.flatnonzero(np.isfinite(intercept))
    unheld = isinstance(penalty, NoPenalty)
    free = [unit for unit in fitted if unheld or strength[unit] == 0]
    result[free] = usable[:, free].sum(axis=0) + 1
    held = [unit for unit in fitted if not (unheld or strength[unit] == 0)]
    if not held:
        return result
    active = {unit: np.flatnonzero(usable[:, unit] & penalty.free_to_move(coef[unit])) for unit in held}
    grams = {unit: np.zeros((len(active[unit]) + 1,) * 2) for unit in held}
    total = dict.fromkeys(held, 0.0)
    for here in _spread(rows, X.shape[1]):
        x = np.asarray(X[here], float)
        for unit in held:
            share = np.ones(len(here)) if exposure is None else np.asarray(exposure[here, unit], float)
            seen = share > 0
            eta = x[seen] @ coef[unit] + intercept[unit]
            response = np.asarray(y[here, unit], float)[seen]
            weight = np.asarray(observations.curvature(eta, response, share[seen], dispersion[unit]), float)
            chosen = np.column_stack([x[seen][:, active[unit]], np.ones(seen.sum())])
            grams[unit] += chosen.T @ (chosen * weight[:, None])
            total[unit] += seen.sum()
    for unit in held:
        gram = grams[unit] / max(total[unit], 1.0)
        curved = gram.copy()
        curved[:-1, :-1] += strength[unit] * penalty.curvature(coef[unit])[np.ix_(active[unit], active[unit])]
        result[unit] = _trace(gram, curved)
    return result


def predicted_sums(
    X: np.ndarray,
    coef: np.ndarray,
    intercept: np.ndarray,
    rows: np.ndarray,
    exposure: np.ndarray | None,
    observations: Observations,
) -> np.ndarray:
    """Return the sums of the responses that fits expect on sets of rows.

    Parameters
    ----------
    X : (T, p)
        Features.
    coef : (U, K, p)
        In raw feature units.
    intercept : (U, K)
    rows : (K, T) bool
        The rows that each of a unit's K fits is summed over.
    exposure : (T, U) or None
        Multiplies what is expected of counts; rows with 0 do not exist.
    observations
        The model that was fitted.

    Returns
    -------
    np.ndarray
        (U, K).
    """
    units, fits, features = coef.shape
    total = np.zeros((units, fits))
    for start in range(0, X.shape[0], BLOCK):
        here = slice(start, start + BLOCK)
        members = rows[:, here]
        if not members.any():
            continue
        eta = np.asarray(X[here], float) @ coef.reshape(units * fits, features).T + intercept.ravel()
        with np.errstate(over="ignore"):
            mean = observations.mean(eta).reshape(-1, units, fits)
        if exposure is not None:
            share = np.asarray(exposure[here], float)[:, :, None]
            mean = np.where(share > 0, mean * (share if observations.offset or observations.has_dispersion else 1), 0.0)
        total += np.einsum("kt,tuk->uk", members.astype(float), mean)
    return total


def _spread(rows: np.ndarray, features: int) -> Iterator[np.ndarray]:
    """Yield blocks of rows: all of them, or evenly spread ones where there are many more than features."""
    wanted = max(LEAST_ROWS, ROWS_PER_FEATURE * features)
    every = max(1, len(rows) // wanted)
    for start in range(0, len(rows), BLOCK * every):
        yield rows[start : start + BLOCK]


def _trace(gram: np.ndarray, curved: np.ndarray) -> float:
    """Return ``tr(H^-1 G)``, with coefficients brought to one size first."""
    size = np.sqrt(np.where(np.diagonal(curved) > 0, np.diagonal(curved), 1.0))
    scaled = np.outer(size, size)
    return float(np.trace(np.linalg.pinv(curved / scaled, hermitian=True, rcond=1e-12) @ (gram / scaled)))
