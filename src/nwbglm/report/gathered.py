"""What the report asks of a session's stores, gathered where they are open: small enough for a page.

For every unit the curves of its card; for the session its folds in time, the scores along each model's strengths, and
held-out expectations against what was seen. Plain data, for one JSON file a session.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import xarray as xr

from nwbglm.errors import ProblemError
from nwbglm.figures.session import Stores, segment_breaks, signal_label, smooth
from nwbglm.figures.style import NothingToDraw
from nwbglm.labels import in_texts
from nwbglm.study import Study

POINTS = 80
"""Points of a curve on a card."""
BANDS = 10
"""Bands of expectations of a calibration."""
SPANS = 400
"""Stretches of time that a map of folds names; shorter ones are joined with their neighbours."""


def gather(study: Study, **known: Any) -> dict[str, Any]:
    """Return what a session's page and its units' cards show beside the figures.

    Parameters
    ----------
    study
        The study.
    **known
        The session's stores, as `nwbglm.figures.draw_session` takes them.

    Returns
    -------
    dict
        ``unit``: ids; ``rate``, ``tuning``, ``filters``: curves, by what they are of, each with ``x``, ``label``,
        ``data`` (a list a unit; absent of filters) and ``models`` (the same by model); ``folds``, ``paths``,
        ``calibration``: see the functions that make them. Numbers have four digits, None is unknown.
    """
    many = {kind: known.get(kind) or {} for kind in ("features", "fits", "predictions", "intervals")}
    single = {kind: store for kind, store in known.items() if kind not in many and store is not None}
    stores = Stores(study, single, **many)
    units = stores.fitted_units
    return {
        "unit": [int(unit) for unit in units],
        "rate": _rates(stores, units),
        "tuning": {name: curves for name in stores.study.tuning if (curves := _tuning(stores, name, units))},
        "filters": dict(_filters(stores, units)),
        "folds": fold_spans(stores.binned, stores.folds) if "folds" in stores.single else [],
        "paths": {name: strength_path(fit) for name, fit in stores.fits.items() if fit.sizes["strength"] > 1},
        "calibration": dict(_calibrations(stores, units)),
    }


def as_text(gathered: Mapping[str, Any]) -> str:
    """Return what was gathered as JSON."""
    return json.dumps(gathered, separators=(",", ":"), allow_nan=False) + "\n"


def _plain(values: np.ndarray) -> list[Any]:
    """Round to four digits; None for what is unknown or infinite."""
    return [[_digits(value) for value in row] for row in np.atleast_2d(values)]


def _digits(value: float) -> float | None:
    return float(f"{value:.4g}") if np.isfinite(value) else None


def _shrunk(values: np.ndarray) -> np.ndarray:
    """Average (time, unit) over at most `POINTS` pieces of time, around what is unknown."""
    pieces = np.array_split(np.arange(len(values)), min(POINTS, len(values)))
    known = np.isfinite(values)
    sums = np.stack([np.where(known[piece], values[piece], 0.0).sum(axis=0) for piece in pieces])
    counts = np.stack([known[piece].sum(axis=0) for piece in pieces])
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)


def _named(stores: Stores) -> list[str]:
    """List the models that have a term: a constant's line says nothing."""
    return [name for name in stores.models if stores.study.models[name].terms]


def _rates(stores: Stores, units: np.ndarray) -> dict[str, Any]:
    """Return rates over the window of the figures, data smoothed as there, models' held out."""
    try:
        rows = stores.window
    except NothingToDraw:
        return {}
    if not rows.size:
        return {}
    part = stores.binned.isel(time=rows)
    breaks = segment_breaks(rows, part.segment.values)
    settings = stores.study.figures.smooth

    def curve(values: np.ndarray) -> list[Any]:
        if stores.response.counts:
            values = smooth(values, breaks, settings.std / stores.bin, settings.size_factor)
        return _plain(_shrunk(values).T)

    models = {
        name: curve(stores.predictions[name].heldout_rate.sel(unit=units).values.astype(float))
        for name in _named(stores)
        if name in stores.predictions and stores.predictions[name].sizes["time"] == rows.size
    }
    data = part.response.sel(unit=units).values.astype(float) / stores.response.per
    seconds = len(rows) * stores.bin
    label = f"{stores.response.label}, {seconds:.4g} s from {float(part.time.values[0]):.4g} s on"
    return {"label": label, "data": curve(data), "models": models}


def _tuning(stores: Stores, name: str, units: np.ndarray) -> dict[str, Any]:
    if "tuning" not in stores.single or f"rate_{name}" not in stores.tuning:
        return {}
    rate = stores.tuning[f"rate_{name}"].sel(unit=units)
    value = rate[f"value_{name}"]
    models = {
        model: _plain(stores.predictions[model][f"heldout_rate_{name}"].sel(unit=units).values)
        for model in _named(stores)
        if model in stores.predictions and f"heldout_rate_{name}" in stores.predictions[model]
    }
    return {
        "label": f"{stores.response.label} by {signal_label(stores.study.tuning[name].of, value.attrs)}",
        "ends": _ends(value),
        "data": _plain(rate.transpose("unit", f"value_{name}").values),
        "models": models,
    }


def _ends(values: xr.DataArray) -> list[str]:
    texts = in_texts(values.values, values.attrs)
    return [text if isinstance(text, str) else f"{float(text):.3g}" for text in (texts[0], texts[-1])]


def _filters(stores: Stores, units: np.ndarray) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield, by term, the filters of one input; those of several senders are in the figure of coupling."""
    from nwbglm.filters import filters

    for term in stores.study.used_terms:
        found = {}
        for model in _named(stores):
            if model not in stores.fits or term not in stores.study.models[model].terms:
                continue
            try:
                curves = filters(stores.fits[model], term)
            except ProblemError:  # a product of several inputs has no curve
                continue
            if curves.ndim == 2:
                found[model] = curves.sel(unit=units)
        if not found:
            continue
        first = next(iter(found.values()))
        axis = str(first.dims[1])
        every = max(1, -(-first.sizes[axis] // POINTS))
        over = "lag (s)" if axis == "lag" else signal_label(stores.study.terms[term].inputs, first[axis].attrs)
        yield (
            term,
            {
                "label": f"{stores.gain(found)} by {over}",
                "ends": _ends(first[axis]),
                "models": {model: _plain(curves.values[:, ::every]) for model, curves in found.items()},
            },
        )


def fold_spans(binned: xr.Dataset, folds: xr.Dataset) -> list[list[Any]]:
    """List the stretches of the analysis rows: begin and end (s), and the fold that tests there ('' where none).

    A stretch of other segments, or after a gap, is another one.
    """
    rows, fold = folds.row.values.astype(int), folds.fold_of_row.values.astype(int)
    if not rows.size:
        return []
    time, width = binned.time.values[rows], float(binned.attrs["bin"])
    breaks = np.zeros(len(rows), bool)
    breaks[1:] = (np.diff(fold) != 0) | (np.diff(rows) > 1) | (np.diff(binned.segment.values[rows]) != 0)
    starts = np.flatnonzero(np.concatenate([[True], breaks[1:]]))
    stops = np.append(starts[1:], len(rows)) - 1
    names = [*(str(name) for name in folds.fold.values), ""]  # the last one is that of no fold, -1
    edges = np.column_stack([time[starts] - width / 2, time[stops] + width / 2]).round(3).tolist()
    spans = [[*edge, names[fold[start]]] for edge, start in zip(edges, starts, strict=True)]
    return spans if len(spans) <= SPANS else _joined(spans)


def _joined(spans: list[list[Any]]) -> list[list[Any]]:
    """Keep the fold that tests longest in each of `SPANS` pieces of time."""
    edges = np.linspace(spans[0][0], max(span[1] for span in spans), SPANS + 1)
    out = []
    for low, high in pairwise(edges):
        inside = [
            (min(high, stop) - max(low, start), name) for start, stop, name in spans if start < high and stop > low
        ]
        if inside:
            out.append([round(float(low), 3), round(float(high), 3), max(inside)[1]])
    return out


def strength_path(fit: xr.Dataset) -> dict[str, Any]:
    """Return the held-out score along a model's strengths: quartiles over units, bits a spike (or a bin).

    Sums over the folds that cross-validate; units without a spike there say nothing.
    """
    chosen = fit.fold_kind.values.astype(str) == "cv"
    if not chosen.any():
        return {}
    part = fit.isel(fold=np.flatnonzero(chosen))
    gain = (part.test_log_likelihood - part.null_test_log_likelihood).sum("fold", skipna=False)
    per = part.test_spikes if str(fit.attrs.get("response", "")).find("continuous") < 0 else part.test_rows
    values = (gain / np.log(2) / per.sum("fold")).transpose("strength", "unit").values.astype(float)
    values = np.where(np.isfinite(values), values, np.nan)
    known = np.isfinite(values).any(axis=1)
    quartiles = np.full((3, len(values)), np.nan)
    if known.any():
        quartiles[:, known] = np.nanquantile(values[known], [0.25, 0.5, 0.75], axis=1)
    counts = np.bincount(fit.chosen.values.astype(int), minlength=len(values))
    return {
        "strength": [float(f"{value:.6g}") for value in fit.strength.values],
        "quartiles": _plain(quartiles),
        "chosen": counts.tolist(),
    }


def _calibrations(stores: Stores, units: np.ndarray) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield, by model, mean held-out expectation and mean response in bands of the expectation, all units together.

    Over the rows of the figures' window; the bands hold equally many rows.
    """
    for model in _named(stores):
        prediction = stores.predictions.get(model)
        if prediction is None or not prediction.sizes["time"]:
            continue
        expected = prediction.heldout_rate.sel(unit=units).values.astype(float)
        part = stores.binned.response.isel(time=prediction.row.values.astype(int)).sel(unit=units)
        seen = part.values / stores.response.per
        known = np.isfinite(expected) & np.isfinite(seen)
        if known.sum() < BANDS:
            continue
        order = np.argsort(expected[known], kind="stable")
        parts = [np.array_split(values[known][order], BANDS) for values in (expected, seen.astype(float))]
        means = np.array([[part.mean() for part in one] for one in parts])
        yield model, {"expected": _plain(means[0])[0], "observed": _plain(means[1])[0]}
