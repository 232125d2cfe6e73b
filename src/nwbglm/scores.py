"""Scores of a model of counts, from sums of log-likelihoods.

All take sums over the same rows, in nats, as numbers or as arrays that broadcast: the model's ``LL``, that of a null
model ``LL0`` (a constant rate), that of the saturated model ``LLs`` (which predicts every count exactly), and the
number of spikes. The null is the caller's: the mean of the *training* rows is the honest one for held-out rows
(chance or drift may make it worse than what it is judged on); the mean of the scored rows themselves is NeMoS's. A
score that is undefined (no spikes, a null that is already perfect) is NaN, and a likelihood of zero (``LL = -inf``)
gives ``-inf``.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln, xlogy


def poisson_log_likelihood(count: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return ``y log(mu) - mu - log(y!)`` entry by entry.

    Parameters
    ----------
    count
        Counts y.
    expected
        Expected counts mu, per bin (not Hz); zero is allowed.

    Returns
    -------
    np.ndarray
        Nats; ``-inf`` where a spike was impossible.
    """
    count = np.asarray(count, dtype=float)
    with np.errstate(divide="ignore"):
        return xlogy(count, expected) - expected - gammaln(count + 1.0)


def saturated_log_likelihood(count: np.ndarray) -> np.ndarray:
    """Return the log-likelihood of each count under its own value as the mean: the best any model can do."""
    count = np.asarray(count, dtype=float)
    return poisson_log_likelihood(count, count)


def constant_log_likelihood(
    spikes: np.ndarray, exposure: np.ndarray, log_factorials: np.ndarray, rate: np.ndarray
) -> np.ndarray:
    """Return the sum of Poisson log-likelihoods under one constant rate, from sums over the rows.

    Parameters
    ----------
    spikes
        Sum of the counts.
    exposure
        Sum of the exposures (the number of rows, where every bin was observed whole).
    log_factorials
        Sum of ``log(y!)``, and of ``-y log(exposure)`` where the exposure is not 1.
    rate
        Expected count in a bin of exposure 1.

    Returns
    -------
    np.ndarray
        Nats.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return xlogy(spikes, rate) - np.asarray(rate) * exposure - log_factorials


def bits_per_spike(model: np.ndarray, null: np.ndarray, spikes: np.ndarray) -> np.ndarray:
    """Return ``(LL - LL0) / (spikes log 2)``: what the model tells beyond the null rate, per spike."""
    return _ratio(_difference(model, null), np.asarray(spikes, dtype=float) * np.log(2.0))


def deviance_explained(model: np.ndarray, null: np.ndarray, saturated: np.ndarray) -> np.ndarray:
    """Return ``1 - D / D0`` with deviances ``D = 2 (LLs - LL)``: 1 is perfect, 0 is no better than the null.

    The same number as Cohen's pseudo-R2 and scikit-learn's D2.
    """
    return _ratio(_difference(model, null), _difference(saturated, null))


def pseudo_r2_cohen(model: np.ndarray, null: np.ndarray, saturated: np.ndarray) -> np.ndarray:
    """Return Cohen's pseudo-R2, ``1 - D / D0``."""
    return deviance_explained(model, null, saturated)


def pseudo_r2_mcfadden(model: np.ndarray, null: np.ndarray) -> np.ndarray:
    """Return McFadden's pseudo-R2, ``1 - LL / LL0``."""
    return _ratio(_difference(model, null), -np.asarray(null, dtype=float))


def _difference(model: np.ndarray, null: np.ndarray) -> np.ndarray:
    """Subtract log-likelihoods; where both are impossible the answer is unknown (NaN), not a warning."""
    with np.errstate(invalid="ignore"):
        return np.asarray(model, dtype=float) - np.asarray(null, dtype=float)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Divide, with NaN where the denominator is zero, negative or unknown."""
    above, below = np.broadcast_arrays(np.asarray(above, dtype=float), np.asarray(below, dtype=float))
    good = (below > 0) & np.isfinite(below)
    return np.divide(above, below, out=np.full(below.shape, np.nan), where=good)[()]
