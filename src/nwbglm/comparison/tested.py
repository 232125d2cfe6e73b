"""Tests of terms over units and sessions: corrected p values, and how many significant units chance would give."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from nwbglm.inference.correction import benjamini_hochberg, benjamini_yekutieli
from nwbglm.inference.nulls import FEW_STRETCHES, TOO_FEW_STRETCHES
from nwbglm.study.inference import FalseDiscoveries

from .common import concat

ALONE = 0.05
"""P value below which a unit is called significant by itself, where units are counted before any correction."""

TESTS = (
    "session", "unit", "test", "model", "term", "null", "drift", "statistic", "draws", "failed", "null_median",
    "null_q95", "held_out_gain", "p", "p_conservative", "p_bh", "p_by", "significant", "floor", "stretches",
    "rank_changes", "warning",
)  # fmt: skip
POPULATION = (
    "session", "test", "units", "alone", "null_median", "null_low", "null_high", "p", "p_mean", "significant",
    "stretches", "least",
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
    return tests[list(TESTS)], population[list(POPULATION)]


def _units(store: xr.Dataset) -> pd.DataFrame:
    null = store["null"].values
    known = np.isfinite(null)
    some = known.any(axis=1)
    median, high = np.full((2, len(null)), np.nan)
    if some.any():
        median[some], high[some] = np.nanquantile(null[some], [0.5, 0.95], axis=1)
    columns = ("statistic", "held_out_gain", "p", "p_conservative", "floor", "stretches", "rank_changes")
    table = pd.DataFrame({name: store[name].values for name in columns})
    table = table.assign(draws=known.sum(axis=1), failed=(~known).sum(axis=1), null_median=median, null_q95=high)
    for place, name in enumerate(("session", "unit", "test", "model", "term", "null", "drift")):
        table.insert(place, name, store["unit"].values if name == "unit" else store.attrs[name])
    return table


def _warning(row: Any) -> str:
    """Say what stands between a p value and a conclusion."""
    said = []
    if not np.isfinite(row.p):
        return "not tested: the model without the term has no fit"
    if row.stretches < TOO_FEW_STRETCHES:
        said.append(f"{row.stretches:.1f} independent stretches: a shift null can hardly decide here")
    elif row.stretches < FEW_STRETCHES:
        said.append(f"only {row.stretches:.0f} independent stretches")
    if row.null == "circular" and not row.drift:
        said.append("no term of time in the rest: a drift can pass for an effect")
    if row.p <= ALONE < row.p_conservative:
        said.append("not significant by the guaranteed p value")
    if row.rank_changes:
        said.append(f"{row.rank_changes:.0f} draws visit another number of basis functions")
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
        everything = np.concatenate([real[:, None], null], axis=1)
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
    means = np.log(np.maximum(statistics, 1e-300)).mean(axis=0)
    return (at_least / total <= ALONE).sum(axis=0), means
