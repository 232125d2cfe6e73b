"""Coefficients -> filters over lags and tuning over values, with names and units on every axis.

A filter is a linear map of a term's coefficients, ``h = K w`` with the functions K (points, functions). So the same map
takes the coefficients of a fit, of its folds or halves, or draws of them; and ``K C K'`` has the variances of a filter
whose coefficients have the covariance C.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from nwbglm.errors import ProblemError
from nwbglm.study import Term

from .tables import Table, tables_of_fits

OTHER_FEATURE = "other_feature"  # the second axis of a covariance of coefficients


class Layout(NamedTuple):
    """How a term's coefficients lie in a fit: input-major, then the functions of each factor."""

    term: Term
    columns: np.ndarray
    """The term's features among those of the model."""
    inputs: list[str]
    tables: list[Table]
    """The functions of each factor."""

    @property
    def functions(self) -> np.ndarray:
        """The functions of one input (points, functions); points of a product follow its last axis first."""
        return reduce(np.kron, [table.functions for table in self.tables])

    @property
    def columns_of_inputs(self) -> np.ndarray:
        """The features of each input (inputs, functions)."""
        return self.columns.reshape(len(self.inputs), -1)

    @property
    def axes(self) -> list[str]:
        """Names of the filters' axes: lag or value, numbered in a product."""
        if len(self.tables) == 1:
            return [self.tables[0].axis]
        return [f"{table.axis}_{i}" for i, table in enumerate(self.tables)]


def layout_of(fits: xr.Dataset, term: str) -> Layout:
    """Return how a term's coefficients lie in a store of fits.

    Raises
    ------
    ProblemError
        If the model has no such term.
    """
    columns = np.flatnonzero(fits["term"].values == term)
    if not len(columns):
        raise ProblemError(f"the model '{fits.attrs['model']}' has no term '{term}'", where="filters")
    settings = Term.model_validate_json(json.loads(fits.attrs["term_settings"])[term]["term"])
    inputs = list(dict.fromkeys(str(sender) for sender in fits["input"].values[columns]))
    return Layout(settings, columns, inputs, tables_of_fits(fits, term))


def filters(fits: xr.Dataset, term: str, *, of: str | xr.DataArray = "coef") -> xr.DataArray:
    """Turn a term's coefficients into filters over lags, or into tuning over values.

    Parameters
    ----------
    fits
        A ``fits`` store whose model has the term.
    term
        The term's name.
    of
        Which fits: ``coef`` (final), ``fold_coef`` or ``half_coef``; or any coefficients (unit, ..., feature), such as
        draws. Axes beside unit and feature are kept.

    Returns
    -------
    xr.DataArray
        What the term adds to the log expected count for one unit of input (a spike; the signal's units): ``(receiver,
        sender, lag)`` for all or other spikes (a sender that is the receiver itself is NaN among the others: it was
        never fitted), ``(unit, lag)`` for own spikes and for signals over lags, ``(unit, value)`` for functions of a
        value. A product has one axis for each factor, numbered. The coordinate ``input`` says of what input, where it
        is one.

    Raises
    ------
    ProblemError
        If the model has no such term.
    """
    layout = layout_of(fits, term)
    mine = (fits[of] if isinstance(of, str) else of).isel(feature=layout.columns)
    leading = [str(dim) for dim in mine.dims if dim != "feature"]
    values = mine.transpose(*leading, "feature").values
    sizes = [table.functions.shape[1] for table in layout.tables]
    values = values.reshape(*values.shape[:-1], len(layout.inputs), *sizes)
    for position, table in enumerate(layout.tables):
        axis = values.ndim - len(layout.tables) + position
        values = np.moveaxis(np.tensordot(values, table.functions, axes=(axis, 1)), -1, axis)
    # draws may come without their units' ids
    named = [(dim, mine if dim in mine.coords else fits) for dim in leading]
    coordinates: dict[Hashable, Any] = {dim: source[dim].values for dim, source in named if dim in source.coords}
    return _label(values, layout, leading, coordinates).assign_attrs(long_name="log rate per input")


def variances(fits: xr.Dataset, term: str, covariance: xr.DataArray) -> xr.DataArray:
    """Return the variances of a term's filters from the covariance of its coefficients, at each point by itself.

    Parameters
    ----------
    fits
        A ``fits`` store whose model has the term.
    term
        The term's name.
    covariance
        Of all coefficients of each unit, (unit, feature, other_feature).

    Returns
    -------
    xr.DataArray
        Laid out as `filters`.
    """
    layout = layout_of(fits, term)
    mine = covariance.transpose("unit", "feature", OTHER_FEATURE)
    mine = mine.isel(feature=layout.columns, other_feature=layout.columns)
    functions = layout.functions
    blocks = mine.values.reshape(mine.shape[0], *[len(layout.inputs), functions.shape[1]] * 2)
    values = np.einsum("pf,uifig,pg->uip", functions, blocks, functions)
    values = values.reshape(*values.shape[:2], *(len(table.grid) for table in layout.tables))
    return _label(values, layout, ["unit"], {"unit": fits["unit"].values})


def tabulate(found: xr.DataArray) -> pd.DataFrame:
    """Lay filters out as a table: a column for each axis (and for the input, where it is one), and ``log_gain``."""
    columns: dict[str, Any] = {}
    for i, dim in enumerate(found.dims):
        values = found[dim].values.astype(str) if dim == "sender" else found[dim].values
        around = [1] * found.ndim
        around[i] = -1
        columns[str(dim)] = np.broadcast_to(values.reshape(around), found.shape).ravel()
    if "input" in found.coords:
        first, *others = columns
        columns = {first: columns[first], "input": str(found["input"].values)} | {key: columns[key] for key in others}
    return pd.DataFrame(columns | {"log_gain": found.values.ravel()})


def _label(values: np.ndarray, layout: Layout, leading: list[str], coordinates: dict[Hashable, Any]) -> xr.DataArray:
    """Name the axes of (..., inputs, points of each table)."""
    grids: dict[Hashable, Any] = {
        axis: (axis, table.grid, {"units": table.units}) for axis, table in zip(layout.axes, layout.tables, strict=True)
    }
    found = xr.DataArray(values, dims=[*leading, "sender", *layout.axes], coords=coordinates | grids)
    term = layout.term
    if not term.of_spikes or term.own:
        return found.isel(sender=0).assign_coords(input=layout.inputs[0])
    found = found.assign_coords(sender=[int(sender) for sender in layout.inputs]).rename(unit="receiver")
    if term.senders == "other":
        found = found.where(found["sender"] != found["receiver"])
    return found.transpose("receiver", "sender", ...)
