"""Ceilings of units by repeated stimuli as one table."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
import xarray as xr

from nwbglm.inference.ceiling import NUMBERS

from .common import concat

CEILING = ("session", "model", "unit", "width", *NUMBERS, "reason")


def gather_ceilings(stores: Iterable[xr.Dataset]) -> pd.DataFrame:
    """Gather stores of ceilings into one table, one row a unit; see `nwbglm.inference.ceiling.measure_ceiling`."""
    table = concat([_units(store) for store in stores])
    return table if len(table) else pd.DataFrame(columns=list(CEILING))


def _units(store: xr.Dataset) -> pd.DataFrame:
    columns = {name: store.attrs[name] for name in ("session", "model", "width")}
    columns |= {name: store[name].values for name in ("unit", *NUMBERS, "reason")}
    return pd.DataFrame(columns, index=range(store.sizes["unit"]))[list(CEILING)]
