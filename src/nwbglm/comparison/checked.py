"""Goodness of fit of units on held-out rows as one table, with what is bad about each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd
import xarray as xr

from nwbglm.inference.goodness import NUMBERS

from .common import concat

LEVEL = 0.05
"""P value below which an autocorrelation is called one."""

CROWDED = 0.1
"""Spikes a bin above which it matters that a bin could hold two."""

SLOPES, DISPERSIONS, GROWTH = (0.8, 1.25), (0.8, 1.25), 1.5
"""What is called calibrated, as variable as expected, and growing with the window."""

WHAT_TO_DO = {
    "binary": "no bin holds two spikes, which Poisson counts would: use `observations: bernoulli`, or smaller bins",
    "intervals": "intervals between spikes are not distributed as expected: add or lengthen a term of own spikes",
    "counts": "counts are not distributed as expected: another observation model, or what drives the unit is missed",
    "drift": "what one interval leaves over tells of the next: a drift or state is missed: a term of time, or more",
    "grows": "variability grows with the window, as it does where a drift is missed: a term of time, or more of it",
    "residuals": "residuals of neighbouring bins are correlated: add own history, or lags of what drives the unit",
    "extreme": "expectations are too extreme (slope below 0.8): a stronger penalty, or fewer functions",
    "cautious": "expectations are too cautious (slope above 1.25): a weaker penalty, or what drives the unit is missed",
    "more": "more variable than the model expects: use `negative_binomial` for counts, or find what is missed",
    "less": "less variable than the model expects: add a term of own spikes, or use `bernoulli` for binary bins",
}
"""What is bad about a unit, and what mends it."""

CHECKS = ("session", "model", "unit", "observations", *NUMBERS, "bad", "reason")


def gather_checks(stores: Iterable[xr.Dataset]) -> pd.DataFrame:
    """Gather stores of checks into one table.

    Parameters
    ----------
    stores
        Stores of kind ``checks``: any number of models, sessions and blocks of units.

    Returns
    -------
    DataFrame
        One row a unit: see `nwbglm.inference.goodness.check_fit`; ``bad`` are keys of `WHAT_TO_DO`, separated by
        blanks.
    """
    table = concat([_units(store) for store in stores])
    return table if len(table) else pd.DataFrame(columns=list(CHECKS))


def _units(store: xr.Dataset) -> pd.DataFrame:
    columns = {name: store.attrs[name] for name in ("session", "model", "observations")}
    columns |= {name: store[name].values for name in ("unit", *NUMBERS, "reason")}
    table = pd.DataFrame(columns, index=range(store.sizes["unit"]))
    return table.assign(bad=[" ".join(_bad(row)) for row in table.itertuples()])[list(CHECKS)]


def _bad(row: Any) -> list[str]:
    """Name what is bad about a unit; comparisons with what is unknown are false."""
    found = []
    if row.ks > row.ks_band:
        binary = row.observations.startswith("poisson") and row.largest <= 1 and row.spikes > CROWDED * row.rows
        counts = row.observations == "negative_binomial"
        found.append("binary" if binary else "counts" if counts else "intervals")
    if row.interval_p < LEVEL:
        found.append("drift")
    elif row.fano_100 > GROWTH * max(row.fano_1, 1.0):
        found.append("grows")
    if row.residual_p < LEVEL:
        found.append("residuals")
    if row.slope < SLOPES[0]:
        found.append("extreme")
    elif row.slope > SLOPES[1]:
        found.append("cautious")
    if row.dispersion > DISPERSIONS[1]:
        found.append("more")
    elif row.dispersion < DISPERSIONS[0]:
        found.append("less")
    return found
