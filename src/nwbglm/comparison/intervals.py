"""Intervals on filters as one table, and what is to be said of them."""

from __future__ import annotations

import json
from collections.abc import Iterable

import numpy as np
import pandas as pd
import xarray as xr

from .common import concat

INTERVALS = (
    "session", "model", "unit", "term", "input", "axis", "at", "text", "axis_1", "at_1", "text_1", "value", "low",
    "high", "low_all", "high_all", "level", "method", "blocks", "drift", "reason", "warning",
)  # fmt: skip


def gather_intervals(stores: Iterable[xr.Dataset]) -> pd.DataFrame:
    """Gather stores of intervals into one table.

    Parameters
    ----------
    stores
        Stores of kind ``intervals``: any number of models, sessions and blocks of units.

    Returns
    -------
    DataFrame
        One row a point of a filter: its place (``at`` on ``axis``, lags in s or values, or the number of a level that
        is a ``text``; ``at_1`` where the term is a product), the filter's ``value``, pointwise ``low`` and ``high``,
        simultaneous ``low_all`` and ``high_all``. A unit without intervals has its ``reason`` and empty ones.
    """
    table = concat([_points(store) for store in stores])
    return table if len(table) else pd.DataFrame(columns=list(INTERVALS))


def _points(store: xr.Dataset) -> pd.DataFrame:
    units, points = store.sizes["unit"], store.sizes["point"]
    columns = {name: store.attrs[name] for name in ("session", "model", "level", "method", "drift")}
    columns["warning"] = "; ".join(json.loads(store.attrs["warnings"]))
    columns |= {name: np.repeat(store[name].values, points) for name in ("unit", "blocks", "reason")}
    places = [name for name, variable in store.variables.items() if variable.dims == ("point",)]
    columns |= {str(name): np.tile(store[name].values, units) for name in places}
    columns |= {name: store[name].values.ravel() for name in ("value", "low", "high", "low_all", "high_all")}
    return pd.DataFrame(columns, columns=list(INTERVALS), index=range(units * points))
