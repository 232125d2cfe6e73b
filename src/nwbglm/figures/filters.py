"""Fitted filters: the weighted sum of basis functions, by unit and model, and on both halves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nwbglm.filters import filters, tabulate

from .session import Stores, signal_label, tell_few
from .style import FAINT, INK, QUIET, NothingToDraw, abreast, canvas, grid, letters, mark_clipped, shared_limits
from .subjects import history_terms
from .texts import shown


def draw_filters(stores: Stores, subject: str) -> tuple[Figure, pd.DataFrame]:
    """Draw one term's filter of every unit, with all models that use the term."""
    models = [model for model in stores.models if subject in stores.study.models[model].terms]
    found = {model: filters(stores.fits[model], subject) for model in models if model in stores.fits}
    if not found:
        raise NothingToDraw(f"No fitted model of this session uses {subject}.")
    first = next(iter(found.values()))
    axis = str(first.dims[1])
    bands = {model: bands_of(stores.intervals[model], subject) for model in found if model in stores.intervals}
    order, units = stores.few(stores.order()), stores.fitted_units
    single = len(units) == 1
    figure, panels = grid(len(order), 1 if single else 5, width=6 if single else 9, height=3 if single else 1.5)
    texts = first[axis].dtype.kind == "U"
    points: dict[str, Any] = (
        {"marker": "o", "markersize": 4, "markevery": None} if texts else {}
    )  # nothing lies between texts
    limits = _common_limits(found, [*bands.values()])
    for axes, position in zip(panels, order, strict=True):
        axes.axhline(0, color=FAINT, linewidth=0.8)
        for model, curves in found.items():
            if model in bands:
                shade(axes, bands[model].isel(unit=position), stores.styles[model]["color"])
            at = np.arange(curves.sizes[axis]) if texts else curves[axis].values
            axes.plot(at, curves.values[position], label=model, **stores.styles[model] | points)
        if texts:
            axes.set_xticks(range(first.sizes[axis]), [shown(level, 14) for level in first[axis].values], rotation=30)
        axes.set_title(f"unit {units[position]}")
        axes.set_ylim(limits)
        mark_clipped(axes, np.concatenate([curves.values[position] for curves in found.values()]), limits)
    of = stores.study.terms[subject].inputs
    figure.supxlabel(
        "Time since the input (s)" if axis == "lag" else signal_label(of, first[axis].attrs), fontsize=letters(9)
    )
    gain = stores.gain(found)
    figure.supylabel(f"{gain} per unit of input" if axis == "lag" else gain, fontsize=letters(9))
    if single:
        panels[0].legend()
    else:
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=abreast(6))
    tell_few(figure, len(order), len(units))
    return figure, filter_table(found, bands)


def bands_of(intervals: xr.Dataset, term: str) -> xr.Dataset:
    """Return the intervals (unit, point) on a term's filters, ``at`` the points' lags or values."""
    return intervals.isel(point=np.flatnonzero(intervals["term"].values == term))


def shade(axes: Axes, band: xr.Dataset, color: str) -> None:
    """Shade the pointwise interval of one filter, and more lightly the simultaneous one."""
    for low, high, alpha in (("low_all", "high_all", 0.13), ("low", "high", 0.22)):
        axes.fill_between(
            band["at"].values, band[low].values, band[high].values, color=color, alpha=alpha, linewidth=0, zorder=1
        )


def _common_limits(found: Mapping[str, xr.DataArray], bands: Sequence[xr.Dataset] = ()) -> tuple[float, float]:
    """Return one scale for all panels that a few outlying units (separable lags) do not set, and 0 is on.

    Of intervals it holds most: where a value was hardly visited, they are as wide as one likes.
    """
    groups = [curves.values[i] for curves in found.values() for i in range(curves.sizes["unit"])]
    low, high = shared_limits(groups)
    edges = np.concatenate([np.zeros(1), *(band[name].values.ravel() for band in bands for name in ("low", "high"))])
    least, largest = np.quantile(edges[np.isfinite(edges)], [0.1, 0.9])
    margin = 0.08 * (max(high, largest) - min(low, least))
    return min(low, least - margin), max(high, largest + margin)


def filter_table(found: Mapping[str, xr.DataArray], bands: Mapping[str, xr.Dataset] | None = None) -> pd.DataFrame:
    """Lay filters out as model, unit, input, lag (or value), log_gain, and the intervals where there are some."""
    parts = []
    for model, curves in found.items():
        part = tabulate(curves)
        part.insert(0, "model", model)
        for name in ("low", "high", "low_all", "high_all") if bands else ():
            part[name] = bands[model][name].values.ravel() if bands and model in bands else np.nan
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def draw_halves(stores: Stores, subject: str) -> tuple[Figure, pd.DataFrame]:
    """Overlay own-history filters of both halves for the example unit, and correlate the halves for all units."""
    curves = _half_filters(stores)
    if curves.empty:
        raise NothingToDraw("No model of this session was fitted on halves.")
    figure = canvas(9, 3.4)
    left, right = figure.subplots(1, 2, width_ratios=[3, 1])
    left.axhline(0, color=FAINT, linewidth=0.8)
    example = curves[curves.unit == stores.example]
    several = curves.groupby("model").term.nunique() > 1
    for (model, term, half), part in example.groupby(["model", "term", "half"], sort=False):
        style = stores.styles[model] | {"linestyle": "-" if half == 0 else (0, (4, 1.5))}
        raw = stores.study.terms[term].factors[0].basis.settings.plain
        weight = {"linewidth": 0.9, "alpha": 0.55} if raw else {"linewidth": 1.8}
        name = f"{model}: {term}" if several[model] else model
        label = f"{name}, {'first' if half == 0 else 'second'} half"
        left.plot(part.lag, part.log_gain, label=label, **style, **weight)
    left.set(
        title=f"unit {stores.example}",
        xlabel=f"Time since the unit's own {'spike' if stores.response.counts else 'value'} (s)",
        ylabel=f"{stores.gain(curves.model.unique())} per {stores.response.one}",
    )
    left.legend()
    agreement = half_agreement(curves)
    names = []
    for position, ((model, term), part) in enumerate(agreement.groupby(["model", "term"], sort=False)):
        names.append(f"{model}: {term}" if several[model] else model)
        values = part.correlation.to_numpy()
        spread = position + np.linspace(-0.18, 0.18, len(values))
        right.plot(spread, values, "o", markersize=4, color=stores.styles[model]["color"], alpha=0.8)
        if np.isfinite(values).any():
            right.hlines(np.nanmedian(values), position - 0.28, position + 0.28, color=INK, linewidth=1.6)
    right.axhline(0, color=QUIET, linewidth=0.6)
    right.set_xticks(range(len(names)), names, rotation=20)
    right.set(ylim=(-1.05, 1.05), xlim=(-0.6, len(names) - 0.4), ylabel="Correlation of the halves")
    return figure, curves.merge(agreement, how="left", on=["model", "term", "unit"])


def _half_filters(stores: Stores) -> pd.DataFrame:
    parts = []
    for model in stores.models:
        fit = stores.fits.get(model)
        if fit is None or "half_coef" not in fit:
            continue
        for term in history_terms(stores.study, model):
            halves = filters(fit, term, of="half_coef")
            for half in range(fit.sizes["half"]):
                table = filter_table({model: halves.isel(half=half, drop=True)})
                table.insert(1, "term", term)
                parts.append(table.assign(half=half))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def half_agreement(curves: pd.DataFrame) -> pd.DataFrame:
    """Correlate the filters of the two halves, by model, term and unit; NaN where one is flat or was not fitted."""
    rows = []
    for keys, part in curves.groupby(["model", "term", "unit"], sort=False):
        a, b = (part[part.half == half].log_gain.to_numpy() for half in (0, 1))
        fitted = np.isfinite(a).all() and np.isfinite(b).all() and a.std() > 0 and b.std() > 0
        rows.append((*keys, float(np.corrcoef(a, b)[0, 1]) if fitted else np.nan))
    return pd.DataFrame(rows, columns=["model", "term", "unit", "correlation"])
