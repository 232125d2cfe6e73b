"""Predict rates from a store of fits: over the figures' window, and averaged by value for model tuning curves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr

from nwbglm import limits, response
from nwbglm.engine.fit import predict
from nwbglm.engine.observations import MODELS
from nwbglm.errors import ProblemError
from nwbglm.features import build_features
from nwbglm.study import Fit, Term, Window
from nwbglm.tuning import value_index

from .design import Design, pick_terms
from .matching import Match, match_units
from .rows import FeatureRows


def predict_rates(
    binned: xr.Dataset,
    tuning: xr.Dataset,
    folds: xr.Dataset,
    features: Sequence[xr.Dataset],
    fits: xr.Dataset,
    *,
    window: Window,
) -> xr.Dataset:
    """Predict each unit's rate (or response) in sample (final fit) and held out (the fit without the row's fold).

    Parameters
    ----------
    binned, tuning, folds
        The session's stores.
    features
        ``features`` stores of the model's terms.
    fits
        The model's fits, all units.
    window
        Which stretch of rows to store, from the first fitted row on.

    Returns
    -------
    xr.Dataset
        A ``predictions`` store; NaN where the model has no valid features, or a row is in no test fold.
    """
    bin_width, session, facts = float(binned.attrs["bin"]), binned.attrs.get("session", ""), response.of(binned)
    row = folds["row"].values
    shown = window_rows(folds, window, bin_width)
    stores = pick_terms(features, json.loads(fits.attrs["terms"]))
    curves = {name: _ValueMeans(name, tuning, binned, row, fits.sizes["unit"]) for name in tuned(tuning)}
    rates = {
        kind: np.full((len(row[shown]), fits.sizes["unit"]), np.nan, np.float32) for kind in ("rate", "heldout_rate")
    }
    for position, time, rate, heldout in expected_responses(fits, stores, folds, binned):
        of_chunk = np.flatnonzero((time >= shown.start) & (time < shown.stop))
        for kind, values in (("rate", rate / facts.per), ("heldout_rate", heldout / facts.per)):
            with np.errstate(over="ignore"):  # a rate beyond float32 is infinite, and says so
                rates[kind][np.ix_(time[of_chunk] - shown.start, position)] = values[of_chunk]
            for curve in curves.values():
                curve.add(kind, position, time, values)
    dataset = xr.Dataset(
        {kind: (("time", "unit"), values, {"units": facts.rate_units}) for kind, values in rates.items()},
        coords={"time": folds["time"][shown], "row": ("time", row[shown]), "unit": fits["unit"].values},
        attrs={"session": session, "model": fits.attrs["model"], **response.carried(binned)},
    )
    return dataset.merge(xr.merge([curve.dataset() for curve in curves.values()]) if curves else xr.Dataset())


def predict_recording(fits: xr.Dataset, binned: xr.Dataset, *, match: Match = None) -> xr.DataArray:
    """Predict rates on any recording from a store of fits alone.

    The features are made anew from the terms, bases and bounds that the store holds.

    Parameters
    ----------
    fits
        A ``fits`` store.
    binned
        A recording with the fit's bin, the signals of its terms and, where terms are of spikes, its units.
    match
        Which units of another session are those of the fit, where terms are of spikes (see `match_units`): an id
        alone says nothing there.

    Returns
    -------
    xr.DataArray
        Rate (time, unit), Hz (or the units of a continuous response), by the final fit; NaN where the model has no
        valid features.

    Raises
    ------
    ProblemError
        Where the recording lacks what the model needs.
    """
    _refuse_other_recordings(fits, binned)
    binned = match_units(fits, binned, match)
    settings = Fit.model_validate(json.loads(fits.attrs["settings"]))
    everywhere = binned.assign(in_epoch=binned["in_epoch"].copy(data=np.ones(binned["in_epoch"].shape, bool)))
    stores = tuple(
        build_features(
            everywhere, Term.model_validate_json(entry["term"]), name=name, bounds=json.loads(entry["bounds"])
        )
        for name, entry in json.loads(fits.attrs["term_settings"]).items()
    )
    rate = np.full((binned.sizes["time"], fits.sizes["unit"]), np.nan)
    design = Design(stores, np.ones(binned.sizes["time"], bool))
    valid = np.logical_and.reduce([design.rows, *(store["valid"].values for store in stores)])
    coef, intercept = fits["coef"].values, fits["intercept"].values
    # another recording may hold more units: the features are put in the order of the fit's columns
    columns, each = _places(fits, design), _sources(fits, design, everywhere)
    for here in _pieces(design):
        for group, x in each:
            part = x[here][:, columns]
            rate[here, group] = predict(part, coef[group], intercept[group], observations=MODELS[settings.observations])
    rate[~valid] = np.nan
    rate[np.broadcast_to(~_known(stores, fits["unit"].values), rate.shape)] = np.nan
    return label_rates(rate, fits, binned["time"].values)


def label_rates(expected: np.ndarray, fits: xr.Dataset, time: np.ndarray) -> xr.DataArray:
    """Name the axes of expected responses per bin (time, unit), and turn them into rates where they are counts."""
    facts = response.of(fits)
    return xr.DataArray(
        expected / facts.per,
        dims=("time", "unit"),
        coords={"time": time, "unit": fits["unit"].values},
        name="rate",
        attrs={"units": facts.rate_units, "model": fits.attrs["model"]},
    )


def _known(stores: Sequence[xr.Dataset], units: np.ndarray) -> np.ndarray:
    """Return where each unit's own features are known, shape (rows, units), or one for all where none differ."""
    known = np.ones((1, 1), bool)
    for store in stores:
        if "input_valid" in store:
            known = known & store["input_valid"].sel(input_unit=[str(unit) for unit in units]).values
    return known


def _refuse_other_recordings(fits: xr.Dataset, binned: xr.Dataset) -> None:
    """Raise `ProblemError` where a recording lacks the bin or a signal that a model needs."""
    where = f"model {fits.attrs['model']}, session {binned.attrs.get('session', '')}"
    if abs(float(binned.attrs["bin"]) - float(fits.attrs["bin"])) > 1e-9:
        raise ProblemError(
            f"the fit has bins of {float(fits.attrs['bin']):g} s and the recording of {float(binned.attrs['bin']):g} s",
            where=where,
            mend="bin the recording as the fit was",
        )
    if response.of(binned).kind != response.of(fits).kind:
        raise ProblemError(
            f"the fit explains {response.of(fits).name} and the recording holds {response.of(binned).name}",
            where=where,
            mend="bin the recording with the fit's `response`",
        )
    terms = [Term.model_validate_json(entry["term"]) for entry in json.loads(fits.attrs["term_settings"]).values()]
    missing = [signal for term in terms for signal in term.signals if signal not in binned]
    if missing:
        raise ProblemError(
            f"the recording has no signal {', '.join(missing)}",
            where=where,
            mend="bin it with the signals of the model's terms",
        )


def _sources(fits: xr.Dataset, design: Design, binned: xr.Dataset) -> list[tuple[np.ndarray, FeatureRows]]:
    """Return the features of the units that share them, with the positions of these units."""
    features, units = design.by_rows(binned, hold=True), np.arange(fits.sizes["unit"])
    groups = units[:, None] if design.own else [units]
    return [(group, features(fits["unit"].values[group[0]])) for group in groups]


def _pieces(design: Design) -> Iterator[slice]:
    """Cut a design's rows so that the features of a piece are not many bytes."""
    rows = len(design.rows)
    step = max(1024, limits.PREDICTED_BYTES // max(design.nbytes // max(rows, 1), 1))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def _places(fits: xr.Dataset, design: Design) -> list[int]:
    """Return which of a design's columns each column of the fit is."""
    labels = design.labels
    place = {key: i for i, key in enumerate(zip(labels["term"], labels["input"], labels["function"], strict=True))}
    wanted = zip(*(fits[name].values.tolist() for name in ("term", "input", "function")), strict=True)
    return [place[(str(term), str(sender), int(k))] for term, sender, k in wanted]


def window_rows(folds: xr.Dataset, window: Window, bin_width: float) -> slice:
    """Return the rows of the folds store that a window shows.

    Raises
    ------
    ProblemError
        Where no row lies in the window.
    """
    row = folds["row"].values
    first = row[np.argmax(folds["final"].values)]
    start = first + round(window.start / bin_width)
    shown = slice(*np.searchsorted(row, [start, start + round(window.length / bin_width)]).tolist())
    if shown.start == shown.stop:
        last = (row[-1] + 1 - first) * bin_width
        raise ProblemError(
            f"no fitted or tested bin lies between {window.start:g} and {window.start + window.length:g} s",
            where="figures.window",
            mend=f"choose a start below {last:g} s after the first fitted bin",
        )
    return shown


def tuned(tuning: xr.Dataset) -> list[str]:
    """Return the names of the study's one-dimensional tuning curves that this store holds."""
    return [
        str(name)[len("rate_") :]
        for name, variable in tuning.data_vars.items()
        if str(name).startswith("rate_") and variable.ndim == 2
    ]


class _ValueMeans:
    """The mean predicted rate by value of one signal, summed up chunk by chunk."""

    def __init__(self, name: str, tuning: xr.Dataset, binned: xr.Dataset, row: np.ndarray, units: int):
        self.name, self.axis = name, f"value_{name}"
        self.value = tuning[self.axis]
        signal = binned[tuning[f"rate_{name}"].attrs["signal"]]
        edges = tuning[f"edges_{name}"].values
        self.bin = value_index(signal.values[row], edges, signal.attrs.get("period"))
        self.units = response.of(binned).rate_units
        self.sums = {kind: np.zeros((units, len(edges) - 1, 2)) for kind in ("rate", "heldout_rate")}

    def add(self, kind: str, unit: np.ndarray, time: np.ndarray, values: np.ndarray) -> None:
        """Add the rates (rows, units) of some rows."""
        bins, size = self.bin[time], self.value.size
        for column, u in enumerate(unit):
            known = np.isfinite(values[:, column]) & (bins >= 0)
            self.sums[kind][u, :, 0] += np.bincount(bins[known], values[known, column], size)
            self.sums[kind][u, :, 1] += np.bincount(bins[known], minlength=size)

    def dataset(self) -> xr.Dataset:
        """Return the means, NaN where no row was."""
        data = {}
        for kind, sums in self.sums.items():
            total, count = sums[..., 0], sums[..., 1]
            mean = np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)
            data[f"{kind}_{self.name}"] = (("unit", self.axis), mean, {"units": self.units})
        return xr.Dataset(data, coords={self.axis: self.value})


def expected_responses(
    fits: xr.Dataset, stores: tuple[xr.Dataset, ...], folds: xr.Dataset, binned: xr.Dataset
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield what fits expect of each unit per bin, chunk by chunk, at full exposure.

    Parameters
    ----------
    fits
        A ``fits`` store: some units of a session.
    stores
        Feature stores of the model's terms, in the model's order.
    folds, binned
        The session's stores.

    Yields
    ------
    tuple
        Positions of units and of rows of the folds store, and expected responses of the final fit, and of the fit
        without the row's fold, (rows, units); NaN where features are not valid, or no fold tests the row.
    """
    settings = Fit.model_validate(json.loads(fits.attrs["settings"]))
    observations = MODELS[settings.observations]
    count = folds.sizes["time"]
    tests = folds["test"].sel(fold=fits["fold"].values).values if fits.sizes["fold"] else np.zeros((0, count), bool)
    coef, intercept = fits["coef"].values, fits["intercept"].values
    fold_coef, fold_intercept = fits["fold_coef"].values, fits["fold_intercept"].values
    design = Design(stores, np.ones(count, bool))
    each = _sources(fits, design, binned)
    valid = np.logical_and.reduce([design.rows, *(store["valid"].values for store in stores)])
    for here in _pieces(design):
        chunk = [store[["input_valid"]].isel(time=here) for store in stores if "input_valid" in store]
        for group, source in each:
            x = source[here]
            rate = predict(x, coef[group], intercept[group], observations=observations)
            heldout = np.full_like(rate, np.nan)
            for k, test in enumerate(tests[:, here]):
                heldout[test] = predict(
                    x[test], fold_coef[group, k], fold_intercept[group, k], observations=observations
                )
            unknown = np.broadcast_to(~valid[here, None] | ~_known(chunk, fits["unit"].values[group]), rate.shape)
            rate[unknown] = heldout[unknown] = np.nan
            yield group, np.arange(here.start, here.stop), rate, heldout
