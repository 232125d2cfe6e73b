"""Terms -> features: spikes and signals through their bases, with the rows on which they can be trusted.

`build_features` makes the store of one term; every model that uses the term shares it. `filters` goes the other way:
from the coefficients of a fit to filters over lags and tuning over values, with names and units on every axis.

A feature at bin t of a causal window with kernel K is ``sum_k K[k] x[t - 1 - k]``, as NeMoS has it: the present never
explains itself. A row is valid only where the whole window lies in its segment and holds no missing value; a bin in
which a sender was not observed counts as missing.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from xarray.core import indexing

from nwbglm import basis as bases
from nwbglm.errors import ProblemError
from nwbglm.making import Lagged, Lazy, Maker, Product, Valued
from nwbglm.study import Factor, Term
from nwbglm.study.terms import OTHER_SPIKES

FITTED = ("fit", "train", "test")
IN_MEMORY = 256 * 2**20  # bytes of features above which they are made one input at a time, when asked for
GRID = 121  # values at which functions of a value are tabulated


# ---------------------------------------------------------------- one input


class Part(NamedTuple):
    """What makes the features of one input of a term, and the functions that it uses."""

    maker: Maker
    """Makes them on any rows."""
    axis: str
    """What the functions are functions of: ``lag`` (s) or ``value`` (the signal's units)."""
    grid: np.ndarray
    """Lags or values, shape (points,)."""
    table: np.ndarray
    """The functions on the grid, shape (points, functions)."""
    bounds: list[float]
    """Range, or levels, that were used; empty for functions of lags and the identity."""
    units: str
    """Of the grid."""


def _over_lags(factor: Factor, binned: xr.Dataset) -> Part:
    maker = Lagged(binned, factor)
    return Part(maker, "lag", maker.kernel.lags(float(binned.attrs["bin"])), maker.kernel.weights, [], "s")


def _over_values(factor: Factor, binned: xr.Dataset, bounds: Sequence[float]) -> Part:
    series, period = np.asarray(binned[factor.of].values, dtype=float), binned[factor.of].attrs.get("period")
    known = series[np.isfinite(series)]
    if len(known) == 0:
        raise ProblemError(
            f"signal '{factor.of}' has no value in the epochs of use", where=f"basis.{factor.basis.kind}"
        )
    bounds = list(bounds) or _session_bounds(factor, known, period)
    maker = Valued(binned, factor, bounds)
    grid = maker.functions.grid(bounds, known, GRID)
    # the last value of a circular signal is its first: it would be wrapped to where it belongs all the same
    return Part(maker, "value", grid, maker.evaluate(grid), bounds, _units(binned, factor.of))


def _session_bounds(factor: Factor, known: np.ndarray, period: float | None) -> list[float]:
    """Return the range that the study names or, once for the session, what the data span."""
    bounds = bases.computed(factor.basis).bounds(known, period)
    if len(bounds) == 2 and bounds[0] == bounds[1]:
        raise ProblemError(
            f"signal '{factor.of}' is constant ({known[0]:g}), so it has no range to lay functions over",
            where=f"basis.{factor.basis.kind}",
            mend="name bounds, or leave the term out",
        )
    return bounds


def _units(binned: xr.Dataset, signal: str) -> str:
    return str(binned[signal].attrs.get("units", ""))


# ---------------------------------------------------------------- the store


def build_features(
    binned: xr.Dataset,
    term: Term,
    *,
    name: str,
    bounds: Sequence[Sequence[float]] | None = None,
) -> xr.Dataset:
    """Make the feature store of one term: the rows that any model fits or tests, and every column of the term.

    Columns are input-major: column = input * functions + function (in a product, function = f1 * n2 + f2).

    Parameters
    ----------
    binned
        A ``binned`` store.
    term
        The study's entry.
    name
        The term's name in the study.
    bounds
        Ranges (or levels) of the factors, where those of another recording must be used. Default: the study's, or this
        session's.

    Returns
    -------
    xr.Dataset
        A ``features`` store. Where spike exposure makes a term of own spikes valid for some units only, ``input_valid
        (time, input_unit)`` says for which.
    """
    rows = analysis_rows(binned)
    given = bounds or [()] * len(term.factors)
    parts = [
        _over_lags(factor, binned) if factor.basis.window else _over_values(factor, binned, limits)
        for factor, limits in zip(term.factors, given, strict=True)
    ]
    maker = functools.reduce(Product, [part.maker for part in parts])
    valid = maker.valid(rows)
    _refuse_unusable(valid, binned, term, name)
    dataset = _label(maker, valid, binned, rows, term, name)
    return _tabulate(dataset, parts)


def remake(store: xr.Dataset, binned: xr.Dataset) -> Maker:
    """Return what makes a store's features again, from the bins that it was made of."""
    term = Term.model_validate_json(store.attrs["term"])
    makers: list[Maker] = [
        Lagged(binned, factor) if factor.basis.window else Valued(binned, factor, bounds)
        for factor, bounds in zip(term.factors, json.loads(store.attrs["bounds"]), strict=True)
    ]
    return functools.reduce(Product, makers)


def _values(maker: Maker, rows: np.ndarray) -> np.ndarray | indexing.LazilyIndexedArray:
    """Return features (rows, inputs x functions), or where they are large what makes them when they are asked for."""
    lazy = Lazy(maker, rows)
    if lazy.shape[0] * lazy.shape[1] * lazy.dtype.itemsize > IN_MEMORY:
        return indexing.LazilyIndexedArray(lazy)
    return np.concatenate([maker.make([column], rows) for column in range(len(maker.inputs))], axis=1)


def _refuse_unusable(valid: np.ndarray, binned: xr.Dataset, term: Term, name: str) -> None:
    """Raise `ProblemError` where no row at all has the term's features."""
    usable = valid.any(axis=1) if term.own else valid.all(axis=1)
    if usable.any():
        return
    segments = np.unique(binned["segment"].values, return_counts=True)[1]
    longest = segments.max(initial=0) * float(binned.attrs["bin"])
    where = f"session {binned.attrs.get('session', '')}, term {name}"
    if term.window >= longest:
        raise ProblemError(
            f"the window of {term.window:g} s is longer than every segment (the longest has {longest:g} s)",
            where=where,
            mend="use a shorter window, or longer epochs",
        )
    raise ProblemError(
        f"no fitted bin has all of its values: {term.inputs} is missing in each, or outside its bounds",
        where=where,
        mend="look at the audit for gaps in the signal and in the observed times, and at the term's bounds",
    )


def analysis_rows(binned: xr.Dataset) -> np.ndarray:
    """Return the indices of the bins that lie in the epochs ``fit``, ``train`` or ``test``."""
    purposes = [purpose for purpose in binned["purpose"].values.tolist() if purpose in FITTED]
    chosen = purposes or ["use"]
    return np.flatnonzero(binned["in_epoch"].sel(purpose=chosen).values.any(axis=0))


def _label(
    maker: Maker, input_valid: np.ndarray, binned: xr.Dataset, rows: np.ndarray, term: Term, name: str
) -> xr.Dataset:
    """Name the axes of a term's features."""
    count, inputs, own = maker.count, maker.inputs, term.own
    # a term of own spikes fails a unit alone, any other fails everybody
    valid = input_valid.any(axis=1) if own else input_valid.all(axis=1)
    dataset = xr.Dataset(
        {
            "features": (("time", "feature"), _values(maker, rows)),
            "valid": ("time", valid),
            "row": ("time", rows.astype(np.int64)),
        },
        coords={
            "time": ("time", binned["time"].values[rows], {"units": "s"}),
            "term": ("feature", np.full(len(inputs) * count, name)),
            "input": ("feature", np.repeat(np.array(inputs, dtype=str), count)),
            "function": ("feature", np.tile(np.arange(count), len(inputs))),
        },
        attrs={
            "session": binned.attrs.get("session", ""),
            "basis": json.dumps([factor.basis.dump() for factor in term.factors]),
            "term": json.dumps(term.dump()),
            "of": term.inputs,
            "own": int(own),
            "window": float(max(_longest_lag(factor, binned) for factor in term.factors)),
            "ahead": float(max(-_shortest_lag(factor, binned) for factor in term.factors)),
        },
    )
    if own and (input_valid != np.asarray(valid)[:, None]).any():
        dataset["input_valid"] = (("time", "input_unit"), input_valid)
        dataset = dataset.assign_coords(input_unit=np.array(inputs, dtype=str))
    return dataset


def _longest_lag(factor: Factor, binned: xr.Dataset) -> float:
    """Return how far into the past a factor reaches, s."""
    if not factor.basis.window:
        return 0.0
    width = float(binned.attrs["bin"])
    return max(0.0, bases.kernel(factor.basis, width).last * width)


def _shortest_lag(factor: Factor, binned: xr.Dataset) -> float:
    """Return the first lag of a factor, s: below 0 where it reaches into the future."""
    if not factor.basis.window:
        return 0.0
    return min(0.0, bases.kernel(factor.basis, float(binned.attrs["bin"])).first * float(binned.attrs["bin"]))


def _tabulate(dataset: xr.Dataset, parts: list[Part]) -> xr.Dataset:
    """Add the functions of each factor on their grid; those of a product are numbered."""
    dataset.attrs["bounds"] = json.dumps([part.bounds for part in parts])
    for i, part in enumerate(parts):
        suffix = f"_{i}" if len(parts) > 1 else ""
        table = "kernel" if part.axis == "lag" else "values_of_function"
        axis = f"{part.axis}{suffix}"
        dataset[f"{table}{suffix}"] = ((axis, f"function{suffix}" if suffix else "function"), part.table)
        dataset = dataset.assign_coords({axis: (axis, part.grid, {"units": part.units})})
    return dataset


# ---------------------------------------------------------------- and back


def filters(fits: xr.Dataset, term: str, *, of: str = "coef") -> xr.DataArray:
    """Turn a term's coefficients into filters over lags, or into tuning over values.

    Parameters
    ----------
    fits
        A ``fits`` store whose model has the term.
    term
        The term's name.
    of
        Which fits: ``coef`` (final), ``fold_coef`` or ``half_coef``; the latter two keep their axis.

    Returns
    -------
    xr.DataArray
        What the term adds to the log expected count for one unit of input (a spike; the signal's units): ``(receiver,
        sender, lag)`` for all or other spikes (a sender that is the receiver itself is NaN among the others), ``(unit,
        lag)`` for own spikes and for signals over lags, ``(unit, value)`` for functions of a value. A product has one
        axis for each factor, numbered.
    """
    if not (fits["term"].values == term).any():
        raise ProblemError(f"the model '{fits.attrs['model']}' has no term '{term}'", where="filters")
    settings = Term.model_validate_json(json.loads(fits.attrs["term_settings"])[term]["term"])
    mine = fits[of].isel(feature=np.flatnonzero(fits["term"].values == term))
    senders = list(dict.fromkeys(str(sender) for sender in mine["input"].values))
    tables = _tables(fits, term)
    sizes = [table.sizes[table.dims[1]] for table, _ in tables]
    leading = [dim for dim in mine.dims if dim != "feature"]
    values = mine.transpose(*leading, "feature").values
    values = values.reshape(*values.shape[:-1], len(senders), *sizes)
    for position, (table, _) in enumerate(tables):
        axis = values.ndim - len(tables) + position
        values = np.moveaxis(np.tensordot(values, table.values, axes=(axis, 1)), -1, axis)
    coupled = settings.of_spikes and not settings.own
    dims = [*leading, "sender", *(name for _, name in tables)]
    coordinates: dict[Hashable, Any] = {dim: fits[dim].values for dim in leading if dim in fits.coords}
    coordinates |= {name: (name, fits[table.dims[0]].values, fits[table.dims[0]].attrs) for table, name in tables}
    found = xr.DataArray(values, dims=dims, coords=coordinates, name=term, attrs={"long_name": "log rate per input"})
    if not coupled:
        return found.isel(sender=0, drop=True)
    found = found.assign_coords(sender=[int(sender) for sender in senders]).rename(unit="receiver")
    if OTHER_SPIKES in settings.inputs:
        found = found.where(found["sender"] != found["receiver"])
    return found.transpose("receiver", "sender", ...)


def _tables(fits: xr.Dataset, term: str) -> list[tuple[xr.DataArray, str]]:
    """Return the functions of each of a term's factors, with the name of what they are functions of."""
    count = len(json.loads(json.loads(fits.attrs["term_settings"])[term]["basis"]))
    found = []
    for suffix in [""] if count == 1 else [f"_{i}" for i in range(count)]:
        axis, table = next(
            (axis, f"{table}_{term}{suffix}")
            for axis, table in (("lag", "kernel"), ("value", "values"))
            if f"{table}_{term}{suffix}" in fits
        )
        found.append((fits[table], f"{axis}{suffix}"))
    return found
