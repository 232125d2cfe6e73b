"""What terms are worth over units, sessions and animals: one table of units, one of estimates with intervals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from nwbglm.inference.levels import estimate
from nwbglm.inference.weighing import OF_MODEL, OF_TERM

from .animals import levels_of
from .common import concat

WORTH = ("session", "model", "unit", "term", *OF_TERM, *OF_MODEL, "reason")

INFLATED = 5.0
"""Variance inflation above which a unique contribution is small because others stand in for the term."""

SHOWN = ("unique", "alone", "unique_bits", "alone_bits")
"""Quantities that are estimated over sessions."""


def gather_worth(stores: Iterable[xr.Dataset]) -> pd.DataFrame:
    """Gather stores of worth into one table, one row a unit and term; see `nwbglm.inference.weighing.weigh_terms`."""
    table = concat([_units(store) for store in stores])
    return table[list(WORTH)] if len(table) else pd.DataFrame(columns=list(WORTH))


def _units(store: xr.Dataset) -> pd.DataFrame:
    units, terms = store.sizes["unit"], store.sizes["term"]
    columns = {name: store.attrs[name] for name in ("session", "model")}
    columns |= {"unit": np.repeat(store["unit"].values, terms), "term": np.tile(store["term"].values, units)}
    columns |= {name: store[name].transpose("unit", "term").values.ravel() for name in OF_TERM}
    columns |= {name: np.repeat(store[name].values, terms) for name in (*OF_MODEL, "reason")}
    return pd.DataFrame(columns, index=range(units * terms))


def summarise_worth(
    worth: pd.DataFrame, seed: int = 0, levels: Sequence[str] = ("animal", "session"), draws: int = 2000
) -> pd.DataFrame:
    """Estimate what each term is worth over sessions and animals.

    Returns
    -------
    DataFrame
        One row a model, term and quantity (`SHOWN`): the mean over top-level units of the sessions' medians over
        units, ``low`` and ``high`` of its interval, ``method``, ``top`` (of what), units, sessions, and the median
        ``vif`` of the term.
    """
    rows = []
    for (model, term), part in worth.groupby(["model", "term"], sort=False) if len(worth) else ():
        used = levels_of(part, levels)
        for quantity in SHOWN:
            values = part[quantity].to_numpy(float)
            values = np.where(np.isfinite(values), values, np.nan)
            found = estimate(values, [part[name].to_numpy() for name in used], draws=draws, seed=seed)
            rows.append(
                {
                    "model": model,
                    "term": term,
                    "quantity": quantity,
                    "units": int(np.isfinite(values).sum()),
                    "sessions": part.session.nunique(),
                    "estimate": found.value,
                    "low": found.low,
                    "high": found.high,
                    "method": found.method,
                    "top": used[0],
                    "vif": part.vif.median(),
                }
            )
    return pd.DataFrame(rows)
