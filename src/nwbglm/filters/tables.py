"""Where the functions of terms stand in stores: the only place that knows their names.

A store of features holds the functions of its term: ``kernel (lag, function)`` over lags in s, or ``values_of_function
(value, function)`` over values; a product has one for each factor, numbered (``kernel_0``, ``values_of_function_1``). A
store of fits holds those of all its terms: ``kernel_TERM (lag_TERM, function_TERM)``, ``values_TERM (value_TERM,
function_TERM)``, numbered behind a point (``kernel_TERM.0``), which no term's name has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

LAG, VALUE = "lag", "value"
IN_FEATURES = {LAG: "kernel", VALUE: "values_of_function"}
IN_FITS = {LAG: "kernel", VALUE: "values"}


class Table(NamedTuple):
    """The functions of one factor of a term."""

    axis: str
    """What they are functions of: ``lag`` or ``value``."""
    grid: np.ndarray
    """Lags (s) or values (the signal's units), shape (points,)."""
    functions: np.ndarray
    """Shape (points, functions)."""
    units: str
    """Of the grid."""


def put_in_features(store: xr.Dataset, tables: Sequence[Table]) -> xr.Dataset:
    """Add the functions of a term's factors to its store of features."""
    return _put(store, IN_FEATURES, tables, [f"_{i}" if len(tables) > 1 else "" for i in range(len(tables))])


def tables_of_features(store: xr.Dataset) -> list[Table]:
    """Return the functions of a term's factors from its store of features."""
    return _take(store, IN_FEATURES, [""]) or _take(store, IN_FEATURES, _numbered(store, "_"))


def put_in_fits(fits: xr.Dataset, term: str, tables: Sequence[Table]) -> xr.Dataset:
    """Add the functions of a term's factors to a store of fits."""
    return _put(fits, IN_FITS, tables, [f"_{term}.{i}" if len(tables) > 1 else f"_{term}" for i in range(len(tables))])


def tables_of_fits(fits: xr.Dataset, term: str) -> list[Table]:
    """Return the functions of a term's factors from a store of fits."""
    return _take(fits, IN_FITS, [f"_{term}"]) or _take(fits, IN_FITS, _numbered(fits, f"_{term}."))


def _numbered(store: xr.Dataset, before: str) -> list[str]:
    return [f"{before}{i}" for i in range(len(store.data_vars))]


def _put(store: xr.Dataset, names: dict[str, str], tables: Sequence[Table], endings: Sequence[str]) -> xr.Dataset:
    for table, ending in zip(tables, endings, strict=True):
        axis = f"{table.axis}{ending}"
        store = store.assign({f"{names[table.axis]}{ending}": ((axis, f"function{ending}"), table.functions)})
        store = store.assign_coords({axis: (axis, table.grid, {"units": table.units})})
    return store


def _take(store: xr.Dataset, names: dict[str, str], endings: Sequence[str]) -> list[Table]:
    """Return the tables with these endings, up to the first that is not there."""
    found: list[Table] = []
    for ending in endings:
        axis = next((axis for axis, name in names.items() if f"{name}{ending}" in store.data_vars), None)
        if axis is None:
            break
        grid = store[f"{axis}{ending}"]
        functions = store[f"{names[axis]}{ending}"].values
        found.append(Table(axis, grid.values, functions, str(grid.attrs.get("units", ""))))
    return found
