"""Does a model predict *when* spikes come: time rescaling in discrete time, and what is left in the residuals.

Use rates that were predicted for held-out rows: on rates fitted to the same spikes the test never rejects (its size
is 0), because the parameters were estimated.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy import stats


def rescale_spikes(hazard: np.ndarray, spikes: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Return rescaled intervals between spikes in bins of at most one: standard exponential if the model is right.

    ``tau_i = sum of q over the bins between two spikes - log(1 - r (1 - exp(-q)))``, q that of the later spike's bin
    (Haslinger, Pipa & Brown 2010): without the random place r inside the bin, the test rejects the right model.

    Parameters
    ----------
    hazard : (T,)
        ``q_t = -log(1 - p_t)``; the expected count where ``p = 1 - exp(-mu)``.
    spikes : (n,)
        Bins with a spike, ascending.
    uniform : (n - 1,)
        r, uniform on (0, 1), one for each interval.

    Returns
    -------
    np.ndarray
        (n - 1,).
    """
    hazard, spikes = np.asarray(hazard, float), np.asarray(spikes)
    total = np.concatenate([[0.0], np.cumsum(hazard)])
    between = total[spikes[1:]] - total[spikes[:-1] + 1]
    return between - np.log1p(-np.asarray(uniform) * -np.expm1(-hazard[spikes[1:]]))


def spike_times_in_mean(count: np.ndarray, mean: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Return the places of Poisson counts on the axis of accumulated mean, those of a bin uniform in its stretch.

    Exact for counts above one: given its number, a Poisson process' events are uniform.

    Parameters
    ----------
    count : (T,) int
    mean : (T,)
        Expected counts.
    uniform : (sum of count,)
        Places in the bins, in (0, 1), in the bins' order.
    """
    count, mean = np.asarray(count).astype(int), np.asarray(mean, float)
    start = np.cumsum(mean) - mean
    bins = np.repeat(np.arange(len(count)), count)
    place = start[bins] + mean[bins] * np.asarray(uniform)
    return place[np.lexsort((place, bins))]


class Rescaled(NamedTuple):
    """Rescaled intervals of one unit, uniform on (0, 1) and independent if the model is right."""

    z: np.ndarray
    follows: np.ndarray
    """Whether an interval follows the one before it without a break between stretches of rows."""


def rescale_counts(
    count: np.ndarray,
    mean: np.ndarray,
    stretch: np.ndarray,
    random: np.random.Generator,
    *,
    binary: bool = False,
    truncated: bool = False,
) -> Rescaled:
    """Rescale all intervals that lie inside one stretch of rows (one segment, one fold).

    Parameters
    ----------
    count, mean : (T,)
        Counts and their held-out expectations.
    stretch : (T,)
        Number of the stretch a row belongs to; intervals never span two.
    random
        Generator of the places inside bins.
    binary
        Bins are Bernoulli with probability `mean` (else Poisson counts).
    truncated
        Whether an interval's probability is that among intervals that end before their stretch does (Wiener 2003):
        short stretches hold short intervals only, and the right model is rejected otherwise.
    """
    count, mean, stretch = np.asarray(count).astype(int), np.asarray(mean, float), np.asarray(stretch)
    edges = np.flatnonzero(np.r_[True, stretch[1:] != stretch[:-1], True])
    z, follows = [], []
    for start, stop in pairwise(edges):
        y, mu = count[start:stop], mean[start:stop]
        if binary:
            spikes = np.flatnonzero(y)
            hazard = -np.log1p(-np.minimum(mu, 1 - 1e-12))
            tau = rescale_spikes(hazard, spikes, random.random(max(len(spikes) - 1, 0)))
            left = hazard.sum() - np.cumsum(hazard)[spikes[:-1]]
        else:
            places = spike_times_in_mean(y, mu, random.random(int(y.sum())))
            tau, left = np.diff(places), mu.sum() - places[:-1]
        if len(tau):
            z.append(_before(tau, left) if truncated else -np.expm1(-tau))
            follows.append(np.r_[False, np.ones(len(tau) - 1, bool)])
    if not z:
        return Rescaled(np.zeros(0), np.zeros(0, bool))
    return Rescaled(np.concatenate(z), np.concatenate(follows))


def _before(tau: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Return the probability of a standard exponential below tau, given that it is below what is left."""
    whole = -np.expm1(-left)
    share = np.divide(-np.expm1(-tau), whole, out=np.zeros(len(tau)), where=whole > 0)
    return np.clip(share, 0.0, 1.0)


def ks_distance(z: np.ndarray) -> float:
    """Return the Kolmogorov-Smirnov distance of values from the uniform on (0, 1); NaN without any."""
    z = np.sort(np.asarray(z, float))
    n = len(z)
    if n == 0:
        return float("nan")
    steps = np.arange(n + 1) / n
    return float(max((steps[1:] - z).max(), (z - steps[:-1]).max()))


def ks_band(n: int) -> float:
    """Return the distance that 5 % of uniform samples of n values exceed, ``1.36 / sqrt(n)``."""
    return float(1.36 / np.sqrt(n)) if n else float("nan")


def ks_p_value(z: np.ndarray) -> float:
    """Return the exact p value of the distance from the uniform; NaN without values."""
    z = np.asarray(z, float)
    return float(stats.kstwo.sf(ks_distance(z), len(z))) if len(z) else float("nan")


def autocorrelations(series: np.ndarray, lags: int, follows: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the autocorrelation at each lag from 1 on, and how many pairs of values it is from.

    Parameters
    ----------
    series : (n,)
    lags
        The largest lag.
    follows : (n,) bool or None
        Whether a value follows the one before it; pairs that span a break are left out.

    Returns
    -------
    correlation, pairs : (lags,)
        NaN where there is no pair, and where nothing varies.
    """
    x = np.asarray(series, float)
    correlation, pairs = np.full(lags, np.nan), np.zeros(lags, int)
    if not len(x):
        return correlation, pairs
    x = x - x.mean()
    run = np.cumsum(~np.asarray(follows, bool)) if follows is not None else np.zeros(len(x))
    variance = (x**2).mean()
    for lag in range(1, min(lags, len(x) - 1) + 1):
        paired = run[lag:] == run[:-lag]
        pairs[lag - 1] = paired.sum()
        if pairs[lag - 1] and variance > 0:
            correlation[lag - 1] = (x[lag:] * x[:-lag])[paired].sum() / (pairs[lag - 1] * variance)
    return correlation, pairs


def ljung_box(series: np.ndarray, lags: int, follows: np.ndarray | None = None) -> float:
    """Return the p value of no autocorrelation up to a lag (Ljung & Box 1978).

    Parameters
    ----------
    series : (n,)
    lags
        Lags that are tested together.
    follows : (n,) bool or None
        As in `autocorrelations`.

    Returns
    -------
    float
        NaN with too few values.
    """
    x = np.asarray(series, float)
    n = len(x)
    if n < 3 * lags or not x.std() > 0:
        return float("nan")
    correlation, pairs = autocorrelations(x, lags, follows)
    total = np.nansum(pairs * correlation**2) * (n + 2) / n
    return float(stats.chi2.sf(total, lags))


def to_normal(z: np.ndarray) -> np.ndarray:
    """Return ``Phi^-1(z)``, bounded to finite values."""
    return stats.norm.ppf(np.clip(z, 1e-12, 1 - 1e-12))
