"""Hold intervals on filters, and checks of fits, to their word: coverage and sizes on recordings of known truth.

Recipe of the intervals: units of .15 spikes a bin that drive one another through filters of 20 lags, half of which
are 0; all couplings are fitted at once. A drift of each unit, of standard deviation .5 in log rate and a memory of 500
bins, is there or not, and 16 cosines of time are in the model or not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from nwbglm import basis as bases
from nwbglm.engine.fit import SplitFits, fit_splits
from nwbglm.engine.observations import BERNOULLI, GAMMA, GAUSSIAN, NEGATIVE_BINOMIAL, POISSON, Observations
from nwbglm.engine.penalties import NO_PENALTY, Ridge
from nwbglm.study.bases import Basis

from .goodness import SEEDS, check_unit
from .sandwich import (
    block_covariance,
    block_scores,
    contiguous_blocks,
    curvature,
    filter_band,
    laplace,
    newey_west,
    sampling,
)
from .simulated import cosines, slow

COVERAGE = ("drift", "term of time", "penalty", "method", "couplings", "repeats", "covered", "standard_error")
STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
SHOWN = 4
"""Lags of a filter at which its interval is held against the truth."""

DISPERSION = 0.5
"""Of responses whose model has one."""


class Coupled(NamedTuple):
    """Units that drive one another."""

    counts: np.ndarray
    """(T, units)"""
    features: np.ndarray
    """(T, units x functions) of all units' spikes, sender by sender."""
    kernel: np.ndarray
    """(lags, functions)"""
    weights: np.ndarray
    """(senders, functions, units)"""


def simulate_coupled(
    rows: int, units: int, random: np.random.Generator, *, drift: float, memory: float = 500, rate: float = 0.15
) -> Coupled:
    """Simulate units that drive one another (see the recipe above)."""
    basis = Basis.model_validate({"raised_cosine_log": {"n": 4, "window": "20 s"}})
    kernel = bases.kernel(basis, 1.0).weights
    lags, functions = kernel.shape
    weights = random.normal(size=(units, functions, units)) * 0.25
    weights *= random.random((units, 1, units)) < 0.5  # half of the couplings are 0
    weights[np.arange(units), :, np.arange(units)] = [-0.4, -0.2, -0.1, 0.0]
    filters = np.einsum("lf,sfu->lsu", kernel, weights)[::-1]
    log_rate = np.log(rate) + drift * slow(random, rows, memory, units) - drift**2 / 2
    log_rate = log_rate - rate * filters.sum(axis=(0, 1))  # so that the mean is about the rate
    counts = np.zeros((rows, units))
    for t in range(rows):
        past = counts[max(0, t - lags) : t]
        driven = np.tensordot(past, filters[lags - len(past) :], axes=2) if t else 0.0
        counts[t] = random.poisson(np.exp(np.minimum(log_rate[t] + driven, 1.5)))
    padded = np.concatenate([np.zeros((lags, units)), counts])
    made = [
        sum(kernel[lag, f] * padded[lags - 1 - lag : lags - 1 - lag + rows, s] for lag in range(lags))
        for s in range(units)
        for f in range(functions)
    ]
    return Coupled(counts, np.stack(made, axis=1), kernel, weights)


def coverage(*, repeats: int = 28, rows: int = 8000, units: int = 8, blocks: int = 50, seed: int = 0) -> pd.DataFrame:
    """Count how often the intervals of filters hold the truth.

    Parameters
    ----------
    repeats, rows, units
        Recordings, their bins and units.
    blocks
        Of the sandwich.
    seed
        Of everything.

    Returns
    -------
    DataFrame
        Of `COVERAGE`; the standard error is that over units of all recordings.
    """
    hits: dict[tuple, list[float]] = {}
    for repeat in range(repeats):
        for drift, timed in ((0.0, False), (0.5, False), (0.5, True)):
            random = np.random.default_rng([seed, repeat, int(drift > 0)])
            data = simulate_coupled(rows, units, random, drift=drift)
            x = np.column_stack([data.features, cosines(rows, 16)]) if timed else data.features
            for penalty, method, kind, unit_hits in _covered(data, x, blocks):
                hits.setdefault((drift > 0, timed, penalty, method, kind), []).extend(unit_hits)
    return pd.DataFrame(
        [
            (*key, len(each), float(np.mean(each)), float(np.std(each, ddof=1) / np.sqrt(len(each))))
            for key, each in hits.items()
        ],
        columns=list(COVERAGE),
    )


def _covered(data: Coupled, x: np.ndarray, blocks: int) -> Iterator[tuple[str, str, str, list[float]]]:
    """Yield, of each penalty, method and kind of coupling, the share of filter values that each unit's bands hold."""
    rows, units = data.counts.shape
    piece = (np.arange(rows) * 40 // rows) % 5
    test = np.array([piece == fold for fold in range(5)] + [np.zeros(rows, bool)])
    deviation = x.std(axis=0)
    member = contiguous_blocks(np.zeros(rows, int), blocks)
    for name, penalty, strengths in (("none", NO_PENALTY, (0.0,)), ("ridge", Ridge(scale=deviation), STRENGTHS)):
        found = fit_splits(x, data.counts, ~test, test, strengths=strengths, penalty=penalty)
        chosen = found.test_log_likelihood[:, :5].sum(axis=1).argmax(axis=1)
        each: dict[tuple[str, str], list[float]] = {}
        for unit in range(units):
            if name == "ridge" and chosen[unit] == len(strengths) - 1:
                continue  # refused: the penalty alone would make the interval
            covariances = _covariances(data, x, member, found, unit, int(chosen[unit]), strengths, deviation)
            for method, (covariance, degrees) in covariances.items():
                inside = _inside(data, found.coef[unit, 5, chosen[unit]], covariance, degrees, unit)
                truly = np.abs(data.weights[:, :, unit]).max(axis=1) > 0
                for kind, which in (("all", slice(None)), ("nonzero", truly), ("zero", ~truly)):
                    if inside[which].size:
                        each.setdefault((method, kind), []).append(float(inside[which].mean()))
        for (method, kind), shares in each.items():
            yield name, method, kind, shares


def _covariances(
    data: Coupled, x: np.ndarray, member: np.ndarray, found: SplitFits, unit: int, chosen: int,
    strengths: Sequence[float], deviation: np.ndarray,
) -> dict[str, tuple[np.ndarray, float]]:  # fmt: skip
    """Return the covariances of a unit's coefficients by every method, with their degrees of freedom."""
    mu = np.exp(x @ found.coef[unit, 5, chosen] + found.intercept[unit, 5, chosen])
    residual = data.counts[:, unit] - mu
    prior = len(x) * strengths[chosen] * np.diag(deviation**2)
    at = curvature(x, mu, prior)
    scores = block_scores(x, residual, member)
    degrees = float(len(scores) - 1)
    return {
        "block + prior": (block_covariance(at, scores, prior=prior), degrees),
        "block": (block_covariance(at, scores), degrees),
        "laplace": (laplace(at), np.inf),
        "sampling": (sampling(at), np.inf),
        "newey_west 40": (newey_west(at, x, residual, 40), np.inf),
    }


def _inside(data: Coupled, coef: np.ndarray, covariance: np.ndarray, degrees: float, unit: int) -> np.ndarray:
    """Return whether the bands of a unit's filters hold the truth (senders, lags shown)."""
    lags, functions = data.kernel.shape
    shown = np.linspace(0, lags - 1, SHOWN).round().astype(int)
    shown = shown[np.abs(data.kernel[shown]).max(axis=1) > 0]
    out = []
    for sender in range(len(data.weights)):
        mine = slice(sender * functions, (sender + 1) * functions)
        band = filter_band(data.kernel[shown], coef[mine], covariance[mine, mine], degrees=degrees, draws=2)
        truth = data.kernel[shown] @ data.weights[sender, :, unit]
        out.append((band.low <= truth) & (truth <= band.high))
    return np.array(out)


CHECKED = ("observations", "rate", "pieces", "repeats", "ks", "intervals", "residuals", "standard_error")


def check_sizes(*, repeats: int = 200, rows: int = 10_000, seed: int = 0) -> pd.DataFrame:
    """Count how often the checks reject the model that is right, at .05: in one piece, and in 100 pieces.

    Parameters
    ----------
    repeats, rows
        Recordings of each kind, and their bins.
    seed
        Of everything.

    Returns
    -------
    DataFrame
        Of `CHECKED`; NaN where a response has no intervals.
    """
    cases = [(POISSON, 0.02), (POISSON, 0.2), (BERNOULLI, 0.02), (BERNOULLI, 0.2), (NEGATIVE_BINOMIAL, 0.2),
             (GAUSSIAN, 0.2), (GAMMA, 0.2)]  # fmt: skip
    out = []
    for number, (observations, rate) in enumerate(cases):
        for pieces in (1, 100):
            stretch = np.arange(rows) * pieces // rows
            hits = []
            for repeat in range(repeats):
                random = np.random.default_rng([seed, number, repeat])
                mean = np.minimum(rate * np.exp(0.5 * slow(random, rows, 20) - 0.125), 0.9)
                y = draw_response(observations, mean, random)
                seeds = [np.random.default_rng([seed, repeat, k]) for k in range(SEEDS)]
                one = check_unit(y, mean, stretch, observations, DISPERSION, seeds)[0]
                hits.append([one["ks"] > one["ks_band"] if "ks" in one else np.nan,
                             one["interval_p"] < 0.05 if "interval_p" in one else np.nan,
                             one["residual_p"] < 0.05])  # fmt: skip
            shares = np.array(hits, float).mean(axis=0)
            error = np.sqrt(max(0.05 * 0.95, np.nanmax(shares * (1 - shares))) / repeats)
            out.append((observations.name, rate, pieces, repeats, *shares, error))
    return pd.DataFrame(out, columns=list(CHECKED))


def draw_response(observations: Observations, mean: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Draw responses of a model that is right, with the dispersion `DISPERSION` where it has one."""
    if observations is BERNOULLI:
        return (random.random(mean.shape) < mean).astype(float)
    if observations is NEGATIVE_BINOMIAL:
        return random.poisson(mean * random.gamma(1 / DISPERSION, DISPERSION, mean.shape)).astype(float)
    if observations is GAUSSIAN:
        return mean + np.sqrt(DISPERSION) * random.normal(size=mean.shape)
    if observations is GAMMA:
        return mean * random.gamma(1 / DISPERSION, DISPERSION, mean.shape)
    return random.poisson(mean).astype(float)
