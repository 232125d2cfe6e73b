"""Tests of terms over units and sessions: corrected p values, and how many significant units chance would give."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from nwbglm.inference.correction import benjamini_hochberg, benjamini_yekutieli
from nwbglm.inference.nulls import FEW_STRETCHES, TOO_FEW_STRETCHES
from nwbglm.inference.together import exchanged_sessions, mean_ranks
from nwbglm.study.inference import FalseDiscoveries

from .common import concat

ALONE = 0.05
"""P value below which a unit is called significant by itself, where units are counted before any correction."""

SHIFTS = ("circular", "linear")
"""Nulls that need many independent stretches of rows."""

TESTS = (
    "session", "unit", "test", "model", "term", "null", "drift", "kind_of_statistic", "assumes", "statistic", "draws",
    "failed", "null_median", "null_q95", "held_out_gain", "effect", "p", "p_conservative", "p_bh", "p_by",
    "significant", "floor", "stretches", "rank_changes", "warning",
)  # fmt: skip
POPULATION = (
    "session", "test", "units", "alone", "null_median", "null_low", "null_high", "p", "p_mean", "p_sessions",
    "significant", "stretches", "least",
)  # fmt: skip


def gather_tests(stores: Iterable[xr.Dataset], fdr: FalseDiscoveries) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Gather stores of tests into a table of units and a table of populations.

    Parameters
    ----------
    stores
        Stores of kind ``tests``: any number of tests, sessions and blocks of units.
    fdr
        The correction over the units of all sessions, for each test by itself.

    Returns
    -------
    tests, population : DataFrame
        One row a unit, and one row a session, of each test. In `population`, ``alone`` units have p <= .05 by
        themselves; ``null_median``, ``null_low``, ``null_high`` are what the null's own draws give when each is taken
        for the data (the middle 95 %), ``p`` the rank of the real count among them and ``p_mean`` that of the mean
        logarithm of the statistics: units share the term, so that their counts are no binomial ones. ``least`` is
        how many units must be significant together for the correction to accept any of them with so many draws.
    """
    stores = list(stores)
    tests = concat([_units(store) for store in stores])
    if tests.empty:
        return pd.DataFrame(columns=list(TESTS)), pd.DataFrame(columns=list(POPULATION))
    for name, adjust in (("p_bh", benjamini_hochberg), ("p_by", benjamini_yekutieli)):
        tests[name] = tests.groupby("test", sort=False)["p"].transform(lambda p, adjust=adjust: adjust(p.to_numpy()))
    tests["significant"] = tests[f"p_{fdr.method}"] <= fdr.level
    tests["warning"] = [_warning(row) for row in tests.itertuples()]
    size = tests.groupby("test", sort=False)["p"].count()
    population = concat(
        [
            _population(
                [store for store in stores if (store.attrs["session"], store.attrs["test"]) == key], part
            ).assign(least=max(1, int(np.ceil(part.floor.min() * size[key[1]] / fdr.level - 1e-9))))
            for key, part in tests.groupby(["session", "test"], sort=False)
        ]
    )
    population["p_sessions"] = population.test.map(_over_sessions(stores))
    return tests[list(TESTS)], population[list(POPULATION)]


def _over_sessions(stores: list[xr.Dataset]) -> dict[str, float]:
    """Return the p value over all sessions of each test whose draws are other sessions."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for (test, session), drawn in {
        (store.attrs["test"], store.attrs["session"]): json.loads(store.attrs["drawn"]) for store in stores
    }.items():
        mine = [store for store in stores if (store.attrs["test"], store.attrs["session"]) == (test, session)]
        values = np.concatenate([np.column_stack([store["statistic"].values, store["null"].values]) for store in mine])
        known = values[np.isfinite(values).all(axis=1)]
        if drawn and len(known):
            ranks = mean_ranks(known)
            found.setdefault(test, {})[session] = dict(zip([session, *drawn], ranks.tolist(), strict=True))
    return {test: exchanged_sessions(ranks) for test, ranks in found.items()}


def _units(store: xr.Dataset) -> pd.DataFrame:
    null = store["null"].values
    known = np.isfinite(null)
    some = known.any(axis=1)
    median, high = np.full((2, len(null)), np.nan)
    if some.any():
        median[some], high[some] = np.nanquantile(null[some], [0.5, 0.95], axis=1)
    columns = ("statistic", "held_out_gain", "effect", "p", "p_conservative", "floor", "stretches", "rank_changes")
    table = pd.DataFrame({name: store[name].values for name in columns})
    table = table.assign(draws=known.sum(axis=1), failed=(~known).sum(axis=1), null_median=median, null_q95=high)
    told = ("session", "unit", "test", "model", "term", "null", "drift", "kind_of_statistic", "assumes")
    for place, name in enumerate(told):
        table.insert(place, name, store["unit"].values if name == "unit" else store.attrs[name])
    return table.assign(said="; ".join(json.loads(store.attrs["said"])))


def _warning(row: Any) -> str:
    """Say what stands between a p value and a conclusion."""
    said = []
    if not np.isfinite(row.p):
        return "not tested: the model without the term has no fit"
    if row.null in SHIFTS and row.stretches < TOO_FEW_STRETCHES:
        said.append(f"{row.stretches:.1f} independent stretches: a shift null can hardly decide here")
    elif row.null in SHIFTS and row.stretches < FEW_STRETCHES:
        said.append(f"only {row.stretches:.0f} independent stretches")
    elif row.null == "trials" and row.stretches < FEW_STRETCHES:
        said.append(f"only {row.stretches:.0f} trials are exchanged")
    if row.null == "circular" and not row.drift:
        said.append("no term of time in the rest: a drift can pass for an effect")
    if row.p <= ALONE < row.p_conservative:
        said.append("not significant by the guaranteed p value")
    if row.rank_changes:
        said.append(f"{row.rank_changes:.0f} draws visit another number of basis functions")
    if row.failed:
        said.append(f"{row.failed:.0f} draws did not end well, and are left out")
    if row.said:
        said.append(row.said)
    return "; ".join(said)


def _population(stores: list[xr.Dataset], tests: pd.DataFrame) -> pd.DataFrame:
    """Return the row of one session and test."""
    known = tests[np.isfinite(tests.p)]
    row = {
        "session": tests.session.iloc[0],
        "test": tests.test.iloc[0],
        "units": len(known),
        "alone": int((known.p <= ALONE).sum()),
        "significant": int(known.significant.sum()),
        "stretches": known.stretches.min(),
        **dict.fromkeys(("null_median", "null_low", "null_high", "p", "p_mean"), np.nan),
    }
    if len(known):
        null = np.concatenate([store["null"].values[np.isfinite(store["p"].values)] for store in stores])
        real = np.concatenate([store["statistic"].values[np.isfinite(store["p"].values)] for store in stores])
        least = np.fmin(np.fmin.reduce(null, axis=1), real) if null.shape[1] else real
        everything = np.concatenate([real[:, None], np.where(np.isfinite(null), null, least[:, None])], axis=1)
        counts, means = _as_if_data(everything)
        low, middle, high = np.quantile(counts[1:], [0.025, 0.5, 0.975])
        row |= {"null_median": middle, "null_low": low, "null_high": high}
        row |= {"p": (counts >= counts[0]).mean(), "p_mean": (means >= means[0] - 1e-12).mean()}
    return pd.DataFrame([row])


def _as_if_data(statistics: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Take each column (the data, then the draws) for the data: units with p <= .05, and mean log statistic.

    Parameters
    ----------
    statistics : (units, 1 + draws)

    Returns
    -------
    counts, means : (1 + draws,)
    """
    order = np.sort(statistics, axis=1)
    total = statistics.shape[1]
    at_least = total - np.stack([np.searchsorted(a, b, side="left") for a, b in zip(order, statistics, strict=True)])
    if (statistics < 0).any():  # gains on held-out rows: in units of their own spread
        spread = statistics.std(axis=1, keepdims=True)
        means = (statistics / np.where(spread > 0, spread, 1.0)).mean(axis=0)
    else:
        means = np.log(np.maximum(statistics, 1e-300)).mean(axis=0)
    return (at_least / total <= ALONE).sum(axis=0), means
