"""One session's stores, what all its figures ask of them, and the way from a figure's name to its drawing."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axis import Axis
from matplotlib.figure import Figure

from nwbglm import response
from nwbglm.binning.smoothing import smooth as smooth_bins
from nwbglm.labels import levels_of
from nwbglm.response import Facts
from nwbglm.study import OBSERVATION_MODELS, Study

from .catalogue import FIGURES, split_name
from .marks import mark_models
from .style import NothingToDraw, line_styles, say, settled, styled
from .texts import shown

MOST_PANELS = 25
"""Units that a figure of a panel each has room for."""
MOST_NAMED = 12
"""Levels that an axis has room to name."""


@dataclass(frozen=True)
class Stores:
    """What a session's figures are drawn from; a figure asks only for the kinds that its `needs` lists.

    Attributes
    ----------
    single
        The stores that a session has one of, by kind.
    features, fits, predictions, intervals, checks, ceilings, tests
        Those by term, by model, and by test.
    """

    study: Study
    single: Mapping[str, xr.Dataset]
    features: Mapping[str, xr.Dataset] = field(default_factory=dict)
    fits: Mapping[str, xr.Dataset] = field(default_factory=dict)
    predictions: Mapping[str, xr.Dataset] = field(default_factory=dict)
    intervals: Mapping[str, xr.Dataset] = field(default_factory=dict)
    checks: Mapping[str, xr.Dataset] = field(default_factory=dict)
    tests: Mapping[str, xr.Dataset] = field(default_factory=dict)
    ceilings: Mapping[str, xr.Dataset] = field(default_factory=dict)

    @property
    def binned(self) -> xr.Dataset:
        """Counts and signals."""
        return self.single["binned"]

    @property
    def tuning(self) -> xr.Dataset:
        """Tuning curves of the data."""
        return self.single["tuning"]

    @property
    def folds(self) -> xr.Dataset:
        """Rows and folds."""
        return self.single["folds"]

    @property
    def truth(self) -> xr.Dataset:
        """What a simulated recording was made from."""
        return self.single["truth"]

    @cached_property
    def models(self) -> list[str]:
        """The models in the study's order, of those that are there."""
        return [name for name in self.study.models if name in self.fits or name in self.predictions]

    @cached_property
    def styles(self) -> dict[str, dict[str, Any]]:
        """Colour and dash of each model of the study."""
        return line_styles(self.study.models)

    @cached_property
    def bin(self) -> float:
        """Width of a bin, s."""
        return float(self.binned.attrs["bin"])

    @cached_property
    def example(self) -> int:
        """The unit of figures that show one: the study's, or the first by preferred value, or the busiest.

        Of a continuous response that is the one that varies most.
        """
        units = self.binned.unit.values
        if not units.size:
            raise NothingToDraw("No unit of this session passed the selection.")
        asked = self.study.figures.unit
        if asked is not None and asked in units:
            return int(asked)
        for name in self.study.tuning:
            if self.circular(name) and "tuning" in self.single:
                return int(units[np.argsort(self.tuning[f"preferred_{name}"].values, kind="stable")[0]])
        values = self.binned.response
        busy = values.sum("time") if self.response.counts else values.std("time").fillna(0.0)
        return int(units[np.argmax(busy.values)])

    @cached_property
    def response(self) -> Facts:
        """What the units do: counts, or a continuous response, with its words for axes."""
        known = [self.single[kind] for kind in ("binned", "tuning") if kind in self.single]
        for store in (*known, *self.predictions.values(), *self.fits.values()):
            if "response" in store or "response" in store.attrs:
                return response.of(store)
        return response.of(xr.Dataset(attrs={"bin": self.study.bin}))

    def circular(self, tuning: str) -> bool:
        """Whether a tuning is to a circular signal."""
        return self.study.signals[self.study.tuning[tuning].of].circular is not None

    def period(self, tuning: str) -> float:
        """Return the period of the signal that a circular tuning is to."""
        period = self.study.signals[self.study.tuning[tuning].of].circular
        if period is None:
            raise ValueError(f"tuning '{tuning}' is not to a circular signal")
        return period

    def gain(self, models: Iterable[str]) -> str:
        """Name what a filter of these models adds to: the log rate, the response itself, or a linear predictor."""
        used = {self.study.fit.of_model(self.study.models[model]).observations for model in models}
        links = {OBSERVATION_MODELS[name].link for name in used}
        if links <= {"identity"} and not self.response.counts:
            return self.response.label
        return "Log gain" if links <= {"log"} else "Linear predictor"

    def order(self, tuning: str | None = None) -> np.ndarray:
        """Return the units' positions sorted by preferred value of a tuning (the first circular one by default)."""
        names = [tuning] if tuning else [name for name in self.study.tuning if self.circular(name)]
        if not names or "tuning" not in self.single:
            return np.arange(self.fitted_units.size)
        preferred = self.tuning[f"preferred_{names[0]}"]
        return np.argsort(preferred.sel(unit=self.fitted_units).values, kind="stable")

    def few(self, order: np.ndarray) -> np.ndarray:
        """Return which of the units in an order a figure of a panel each shows: all, or some evenly along it.

        The example unit is among them.
        """
        if len(order) <= MOST_PANELS:
            return order
        places = np.unique(np.linspace(0, len(order) - 1, MOST_PANELS).round().astype(int))
        example = np.flatnonzero(self.fitted_units[order] == self.example)
        if len(example) and example[0] not in places:
            places[np.argmin(np.abs(places - example[0]))] = example[0]
        return order[places]

    @cached_property
    def fitted_units(self) -> np.ndarray:
        """NWB ids of the units, in the stores' order."""
        kept = [self.single[kind] for kind in ("binned", "tuning") if kind in self.single]
        for source in (*kept, *self.fits.values()):
            return source.unit.values
        raise NothingToDraw("No unit of this session passed the selection.")

    @cached_property
    def window(self) -> np.ndarray:
        """Rows of `binned` that figures over time show: the predictions' rows, or the study's window."""
        for prediction in self.predictions.values():
            if prediction.sizes["time"]:
                return prediction.row.values.astype(int)
        fit = np.flatnonzero(self.binned.in_epoch.sel(purpose="fit").values)
        if not fit.size:
            raise NothingToDraw("The fit epochs of this session hold no bin.")
        asked = self.study.figures.window
        first = min(round(asked.start / self.bin), fit.size - 1)
        return fit[first : first + round(asked.length / self.bin)]


def draw_session(
    name: str,
    *,
    study: Study,
    binned: xr.Dataset | None = None,
    tuning: xr.Dataset | None = None,
    folds: xr.Dataset | None = None,
    features: Mapping[str, xr.Dataset] | None = None,
    fits: Mapping[str, xr.Dataset] | None = None,
    predictions: Mapping[str, xr.Dataset] | None = None,
    intervals: Mapping[str, xr.Dataset] | None = None,
    checks: Mapping[str, xr.Dataset] | None = None,
    tests: Mapping[str, xr.Dataset] | None = None,
    ceilings: Mapping[str, xr.Dataset] | None = None,
    truth: xr.Dataset | None = None,
) -> tuple[Figure, pd.DataFrame]:
    """Draw one figure of a session.

    Parameters
    ----------
    name
        One of `figures_of(study)`.
    study
        The study: names, order of models, example unit, window, smoothing.
    binned, tuning, folds, features, fits, predictions, intervals, checks, tests, ceilings, truth
        The session's stores; `features` by term, `fits`, `intervals`, `checks`, `ceilings` (blocks of units joined) and
        `predictions` by model, `tests` by test.

    Returns
    -------
    Figure, DataFrame
        The figure, and a table of the numbers in it. What does not apply becomes a figure that says so.
    """
    family, subject = split_name(name)
    module, function = FIGURES[family].draw.split(":")
    single = {"binned": binned, "tuning": tuning, "folds": folds, "truth": truth}
    stores = Stores(
        study,
        {kind: store for kind, store in single.items() if store is not None},
        features or {},
        fits or {},
        predictions or {},
        intervals or {},
        checks or {},
        tests or {},
        ceilings or {},
    )
    with styled():
        try:
            if not stores.fitted_units.size:
                raise NothingToDraw("No unit of this session passed the selection.")
            figure, table = getattr(importlib.import_module(f"nwbglm.figures.{module}"), function)(stores, subject)
            mark_models(figure, study.models)
            return settled(figure), table
        except NothingToDraw as reason:
            return say(str(reason))


def tell_few(figure: Figure, shown: int, units: int) -> None:
    """Say in a corner of a figure that not all units are drawn."""
    if shown < units:
        words = f"{shown} of {units} units, evenly along their order"
        figure.text(0.995, 0.001, words, ha="right", va="bottom", fontsize=6.5)


def signal_label(name: str, attrs: Mapping[str, Any], between: str = " ") -> str:
    """Return what an axis of a signal is called: its name, and its units where it has any."""
    units = shown(response.plain_unit(str(attrs.get("units", ""))), 16)
    return f"{name}{between}({units})" if units else name


def name_levels(axis: Axis, attrs: Mapping[str, Any], turn: float = 0.0) -> None:
    """Name the codes on an axis by their texts, where a signal's values are texts; all of them, or every so many."""
    levels = levels_of(attrs)
    every = -(-len(levels) // MOST_NAMED) or 1
    if levels:
        axis.set_ticks(range(0, len(levels), every), [shown(level, 18) for level in levels[::every]], rotation=turn)


def segment_breaks(rows: np.ndarray, segment: np.ndarray) -> np.ndarray:
    """Return the positions before which a line must be interrupted: a jump in rows, or another segment."""
    return np.flatnonzero((np.diff(rows) > 1) | (np.diff(segment) != 0)) + 1


def time_axis(part: xr.Dataset, breaks: np.ndarray, bin_: float) -> tuple[np.ndarray, str]:
    """Return where the bins of a part of a recording stand on a figure's axis of time, and its label.

    Within one segment time counts from the epoch's start: seconds of the recording say nothing, and are in the tables.
    Several segments are set side by side, since the pauses between them may be long, and sweeps of some files all begin
    at 0.
    """
    if len(breaks):
        return np.arange(part.sizes["time"]) * bin_, "Time shown, segments joined (s)"
    return part.time.values - epoch_start(part, bin_), "Time in the epoch (s)"


def epoch_start(part: xr.Dataset, bin_: float) -> float:
    """Return when the segment of a part's first bin begins, s."""
    if "segment_start" in part.coords or "segment_start" in part:
        return float(part["segment_start"].values[int(part.segment.values[0])])
    return float(part.time.values[0] - bin_ / 2)


def interrupt(values: np.ndarray, breaks: np.ndarray) -> np.ndarray:
    """Insert NaN before each break, so that a plotted line stops there."""
    return np.insert(values.astype(float), breaks, np.nan)


def smooth(values: np.ndarray, breaks: np.ndarray, std: float, size_factor: int) -> np.ndarray:
    """Smooth along the first axis with a Gaussian, within segments, around NaN, renormalised at edges.

    Parameters
    ----------
    values
        (time,) or (time, unit); NaN where unknown, and NaN there in the result.
    breaks
        Positions before which a new segment begins.
    std
        Standard deviation in bins.
    size_factor
        Full width of the kernel in standard deviations.
    """
    values = np.asarray(values, dtype=float)
    segment = np.zeros(len(values), int)
    segment[breaks] = 1
    smoothed = smooth_bins(values, 1.0, std, size_factor, segment=np.cumsum(segment))
    return np.where(np.isfinite(values), smoothed, np.nan)
