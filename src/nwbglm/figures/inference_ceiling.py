"""What could be explained of repeated stimuli, and what a model explains of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .session import Stores
from .style import COLORS, FAINT, INK, QUIET, NothingToDraw, canvas

MOST = 200
"""Windows that are drawn; all are in the table."""


def draw_ceiling(stores: Stores, subject: str) -> tuple[Figure, pd.DataFrame]:
    """Draw the mean over repeats and its prediction for the example unit, and every unit's ceiling and score."""
    if subject not in stores.ceilings:
        raise NothingToDraw(f"{subject} was not held against a ceiling in this session.")
    ceiling = stores.ceilings[subject]
    told = ceiling.isel(unit=np.flatnonzero(np.isfinite(ceiling["share"].values)))
    if not told.sizes["unit"]:
        reasons = "; ".join(dict.fromkeys(ceiling["reason"].values.tolist()))
        raise NothingToDraw(f"No unit has a ceiling: {reasons or 'there is none'}.")
    found = np.flatnonzero(told["unit"].values == stores.example)
    example = told.isel(unit=int(found[0]) if found.size else 0)
    figure = canvas(9, 2.8)
    left, right = figure.subplots(1, 2, width_ratios=[2.6, 1])
    _draw_curves(left, example, stores, stores.styles[subject]["color"])
    _draw_units(right, told)
    return figure, _table(told)


def _draw_curves(axes: Axes, unit: xr.Dataset, stores: Stores, color: str) -> None:
    """Draw the first stimulus' windows where the response is liveliest, so that there is something to see."""
    first = np.flatnonzero(unit["stimulus"].values == unit["stimulus"].values[0])
    per = float(unit.attrs["width"]) if stores.response.counts else 1.0
    response, predicted = unit["response"].values[first] / per, unit["predicted"].values[first] / per
    sums = np.convolve(np.nan_to_num(response), np.ones(min(MOST, len(response))), mode="valid")
    shown = slice(int(sums.argmax()), int(sums.argmax()) + MOST)
    time = unit["since"].values[first][shown]
    axes.fill_between(time, response[shown], step="post", color=FAINT, linewidth=0)
    axes.step(time, response[shown], where="post", color=INK, linewidth=0.8, label=f"mean of {int(unit['repeats'])}")
    axes.step(time, predicted[shown], where="post", color=color, linewidth=1.4, label="held-out prediction")
    axes.set(
        xlabel="Time since the stimulus began (s)", ylabel="Hz" if stores.response.counts else stores.response.label
    )
    score = float(unit["cc_norm"])
    axes.set_title(f"unit {int(unit['unit'])}" + (f", CCnorm {score:.2f}" if np.isfinite(score) else ""))
    axes.legend(loc="upper right")


def _draw_units(axes: Axes, told: xr.Dataset) -> None:
    """Draw the explainable share of every unit against its normalised correlation, each with its interval."""
    share, score = told["share"].values, told["cc_norm"].values
    axes.axhline(1, color=QUIET, linewidth=0.8)
    ends = {name: told[name].values for name in ("share_low", "share_high", "cc_low", "cc_high")}
    axes.hlines(score, ends["share_low"], ends["share_high"], color=FAINT, linewidth=1.2)
    axes.vlines(share, ends["cc_low"], ends["cc_high"], color=FAINT, linewidth=1.2)
    axes.plot(share, score, "o", color=COLORS[0], markersize=5)
    unknown = ~np.isfinite(score)
    axes.plot(share[unknown], np.zeros(unknown.sum()), "x", color=QUIET, markersize=5)
    high = np.nanmax(ends["cc_high"]) if np.isfinite(ends["cc_high"]).any() else 1.0
    axes.set(xlim=(0, 1), ylim=(-0.03, max(1.1, float(high) * 1.05)), xlabel="Explainable share", ylabel="CCnorm")


def _table(told: xr.Dataset) -> pd.DataFrame:
    windows, units = told.sizes["window"], told.sizes["unit"]
    return pd.DataFrame(
        {
            "unit": np.repeat(told["unit"].values, windows),
            "stimulus": np.tile(told["stimulus"].values, units),
            "since": np.tile(told["since"].values, units),
            "response": told["response"].values.ravel(),
            "predicted": told["predicted"].values.ravel(),
            **{name: np.repeat(told[name].values, windows) for name in ("share", "snr", "cc_norm", "seen")},
        }
    )
