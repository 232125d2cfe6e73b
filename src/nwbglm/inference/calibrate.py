"""Hold nulls, intervals and checks to what they promise: sizes, power and coverage on recordings of known truth."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from nwbglm.engine.fit import fit_splits

from .nulls import draw_p_value, linear_shifts
from .score_test import prepare_rest, score_statistic
from .shifted import central_rows, circular_shifts, circular_test, linear_test
from .simulated import SCENARIOS, Scenario, bumps, cosines, draw_covariate, simulate_unit

RESULT = ("scenario", "null", "drift", "gain", "repeats", "rejected", "standard_error")

Fit = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""``fit(features (T, q), count (T,), rows (T,) bool) -> expected counts (T,)`` by unpenalised Poisson regression."""


def fit_by_engine(features: np.ndarray, count: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Fit a unit with the product's engine, without a penalty (see `Fit`)."""
    found = fit_splits(features, count[:, None], rows[None], np.zeros((1, len(count)), bool))
    with np.errstate(over="ignore"):  # far outside the rows that were fitted; nobody looks there
        return np.exp(features @ found.coef[0, 0, 0] + found.intercept[0, 0, 0])


def calibration_text(table: pd.DataFrame) -> str:
    """Write what `rejections` found: a line a null, a column a scenario."""
    wide = table.assign(null=table.null + np.where(table.drift, " + drift term", ""))
    order = list(dict.fromkeys(wide.null))
    shown = wide.pivot(index="null", columns="scenario", values="rejected")
    shown = shown.loc[order, list(dict.fromkeys(wide.scenario))]
    error = table.standard_error.max()
    return f"{shown.round(3).to_string()}\n\n{int(table.repeats.iloc[0])} repeats, standard error at most {error:.3f}"


def rejections(
    fit: Fit = fit_by_engine,
    *,
    scenarios: Sequence[Scenario] = SCENARIOS,
    repeats: int = 200,
    rows: int = 6000,
    draws: int = 99,
    drift_terms: int = 20,
    level: float = 0.05,
    seed: int = 0,
    rate: float = 0.3,
) -> pd.DataFrame:
    """Count how often each null rejects a term that is, or is not, there.

    Parameters
    ----------
    fit
        Fits the model without the term; the product's engine in practice.
    scenarios
        Which recordings; without a gain the rejections are the null's size, with one its power.
    repeats, rows, draws
        Recordings of each scenario, their bins, draws of each null.
    drift_terms
        Cosines of time in the rest, for the tests with a drift term.
    level
        A p value at or below it rejects.
    seed
        Of everything.
    rate
        Expected count in a bin.

    Returns
    -------
    DataFrame
        ``scenario, null, drift, gain, repeats, rejected, standard_error``.
    """
    out = []
    time = cosines(rows, drift_terms)
    for scenario in scenarios:
        found: dict[tuple[str, bool], list[bool]] = {}
        for repeat in range(repeats):
            random = np.random.default_rng([seed, zlib.crc32(scenario.name.encode()), repeat])
            data = simulate_unit(scenario, rows, random, rate=rate)
            others = [bumps(draw_covariate(scenario, rows, random)) for _ in range(draws)]
            for drift, rest in ((False, time[:, :0]), (True, time)):
                for null, p in _p_values(fit, data.count, bumps(data.covariate), rest, others, draws, repeat).items():
                    found.setdefault((null, drift), []).append(p <= level + 1e-12)
        out += [
            {
                "scenario": scenario.name,
                "null": null,
                "drift": drift,
                "gain": scenario.gain,
                "repeats": repeats,
                "rejected": (share := float(np.mean(hits))),
                "standard_error": float(np.sqrt(max(share * (1 - share), 0.25 / repeats) / repeats)),
            }
            for (null, drift), hits in found.items()
        ]
    return pd.DataFrame(out, columns=list(RESULT))


def _p_values(
    fit: Fit,
    count: np.ndarray,
    term: np.ndarray,
    rest: np.ndarray,
    others: list[np.ndarray],
    draws: int,
    seed: int,
) -> dict[str, float]:
    """Return the p value of every null for one unit."""
    rows = len(count)
    everywhere = np.ones(rows, bool)
    expected = fit(rest, count, everywhere)
    shifts = circular_shifts(rows, draws, term, 1, seed)
    circular = circular_test(term, rest, count - expected, expected, shifts=shifts)
    central = fit(rest, count, central_rows(rows))
    linear = linear_test(term, rest, count - central, central, shifts=linear_shifts(rows, 81))
    prepared = prepare_rest(rest, count - expected, expected)
    pseudo = np.array([score_statistic(other, prepared)[0] for other in others])
    return {
        "circular": circular.p,
        "linear": linear.p,
        "linear, conservative": linear.p_conservative,
        "pseudosession": float(draw_p_value(circular.statistic, pseudo)),
    }
