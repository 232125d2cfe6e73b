"""Terms -> features: spikes and signals through their bases, with the rows on which they can be trusted.

`build_features` makes the store of one term; every model that uses the term shares it. The room `filters` goes the
other way, from coefficients to filters.

A feature at bin t of a causal window with kernel K is ``sum_k K[k] x[t - 1 - k]``, as NeMoS has it: the present never
explains itself. A row is valid only where the whole window lies in its segment and holds no missing value; a bin in
which a sender was not observed counts as missing.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from nwbglm import basis as bases
from nwbglm.errors import ProblemError
from nwbglm.filters import Table, put_in_features
from nwbglm.labels import as_level, levels_of
from nwbglm.making import Lagged, Maker, Product, Valued, lazy_features
from nwbglm.study import Factor, Term

FITTED = ("fit", "train", "test")
MIXING = ("mean", "interpolate", "boxcar")
"""Ways to the bins that may mix labels."""
MOST_LABELS = 12
"""Labels that an error lists."""
GRID = 121  # values at which functions of a value are tabulated


# ---------------------------------------------------------------- one input


class Part(NamedTuple):
    """One input of a term."""

    maker: Maker
    """Makes them on any rows."""
    table: Table
    """The functions that it uses."""
    bounds: Sequence[float | str]
    """Range, or levels (texts where the values are), that were used; empty for lags and the identity."""


def _over_lags(factor: Factor, binned: xr.Dataset) -> Part:
    if not factor.of_spikes:
        _refuse_texts(factor, binned)
    maker = Lagged(binned, factor)
    return Part(maker, Table("lag", maker.kernel.lags(float(binned.attrs["bin"])), maker.kernel.weights, "s"), [])


def _over_values(factor: Factor, binned: xr.Dataset, bounds: Sequence[float | str]) -> Part:
    series, period = np.asarray(binned[factor.of].values, dtype=float), binned[factor.of].attrs.get("period")
    # bins of a margin, and masked ones, may hold labels that no row has: their columns would never vary
    known = series[analysis_rows(binned)] if factor.basis.settings.labels else series
    known = known[np.isfinite(known)]
    if len(known) == 0:
        raise ProblemError(
            f"signal '{factor.of}' has no value in the epochs of use", where=f"basis.{factor.basis.kind}"
        )
    if levels := levels_of(binned[factor.of].attrs):
        return _over_texts(factor, binned, bounds, known, levels)
    if factor.basis.kind == "categorical" and not (bounds or factor.basis.settings.levels):
        _refuse_fractions(factor, series, str(binned[factor.of].attrs.get("resample", "")))
    bounds = list(bounds) or _session_bounds(factor, known, period)
    maker = Valued(binned, factor, bounds)
    grid = maker.functions.grid(bounds, known, GRID)
    # the last value of a circular signal is its first: it would be wrapped to where it belongs all the same
    return Part(maker, Table("value", grid, maker.evaluate(grid), _units(binned, factor.of)), bounds)


def _over_texts(
    factor: Factor, binned: xr.Dataset, bounds: Sequence[float | str], known: np.ndarray, levels: list[str]
) -> Part:
    """Return what makes one column a text, and names the columns by their texts."""
    _refuse_texts(factor, binned)
    there = [levels[int(code)] for code in np.unique(known)]
    wanted = [as_level(level) for level in bounds or factor.basis.settings.levels or there]
    if not bounds and (unknown := [level for level in wanted if level not in levels]):
        raise ProblemError(
            f"signal '{factor.of}' has no level {unknown[0]!r}",
            where="basis.categorical.levels",
            mend="name levels that there are: " + ", ".join(levels[:MOST_LABELS]),
        )
    maker = Valued(binned, factor, wanted)
    functions = maker.evaluate(np.arange(len(wanted), dtype=float))
    return Part(maker, Table("value", np.array(wanted, dtype=str), functions, _units(binned, factor.of)), wanted)


def _refuse_texts(factor: Factor, binned: xr.Dataset) -> None:
    """Raise `ProblemError` where the values are texts, and the basis takes them for numbers."""
    levels = levels_of(binned[factor.of].attrs)
    if not levels or factor.basis.settings.labels:
        return
    raise ProblemError(
        f"the values of signal '{factor.of}' are texts ({', '.join(levels[:MOST_LABELS])}): this basis takes numbers",
        where=f"basis.{factor.basis.kind}",
        mend="use the basis categorical; or, for a kernel of each, one signal a text without `value`, such as "
        f"where: \"<column> == '{levels[0]}'\"",
    )


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


def _refuse_fractions(factor: Factor, series: np.ndarray, resample: str) -> None:
    """Raise `ProblemError` where labels were averaged: a bin that a row covers in part holds part of its label."""
    if resample not in MIXING:
        return
    levels = np.unique(series[np.isfinite(series)])
    alone = np.ones(len(series), bool)  # no neighbour has the same value: the bin at a row's edge
    alone[1:] &= series[1:] != series[:-1]
    alone[:-1] &= series[:-1] != series[1:]
    held = np.isin(levels, series[~alone & np.isfinite(series)])
    if held.all() or not held.any():
        return
    between, labels = levels[~held], levels[held]
    shown = ", ".join(f"{value:g}" for value in labels[:MOST_LABELS]) + (", ..." if len(labels) > MOST_LABELS else "")
    raise ProblemError(
        f"signal '{factor.of}' is taken for labels, and {len(between)} of its {len(levels)} values are mixtures that "
        f"single bins have, such as {between[len(between) // 2]:.4g}: bins that hold two labels, or part of one",
        where="basis.categorical",
        mend=f"name the labels, levels: [{shown}]; bins between them are then no rows"
        + ("" if resample == "boxcar" else "; or `resample: hold`"),
    )


def _units(binned: xr.Dataset, signal: str) -> str:
    return str(binned[signal].attrs.get("units", ""))


# ---------------------------------------------------------------- the store


def build_features(
    binned: xr.Dataset,
    term: Term,
    *,
    name: str,
    bounds: Sequence[Sequence[float | str]] | None = None,
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
    dataset.attrs["bounds"] = json.dumps([list(part.bounds) for part in parts])
    return put_in_features(dataset, [part.table for part in parts])


def remake(store: xr.Dataset, binned: xr.Dataset) -> Maker:
    """Return what makes a store's features again, from the bins that it was made of."""
    term = Term.model_validate_json(store.attrs["term"])
    makers: list[Maker] = [
        Lagged(binned, factor) if factor.basis.window else Valued(binned, factor, bounds)
        for factor, bounds in zip(term.factors, json.loads(store.attrs["bounds"]), strict=True)
    ]
    return functools.reduce(Product, makers)


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
            "features": lazy_features(maker, rows).variable(("time", "feature")),
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
