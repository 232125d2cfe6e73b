"""Fitted filters: the weighted sum of basis functions, by unit and model, and on both halves."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from .catalogue import history_terms
from .session import Stores
from .style import FAINT, INK, QUIET, NothingToDraw, grid


class Filters(NamedTuple):
    """Filters of one term: (unit, input, grid), over lags (s) or values."""

    axis: str
    grid: np.ndarray
    inputs: list[str]
    values: np.ndarray


def filters_of(fit: xr.Dataset, term: str, coef: np.ndarray | None = None) -> Filters:
    """Sum a term's basis functions with their coefficients.

    Parameters
    ----------
    fit
        A store of kind ``fits``.
    term
        The term's name.
    coef
        (unit, feature); default: the final fit's.

    Returns
    -------
    Filters
        Log gain per unit of input (over lags), or log gain (over values).
    """
    coef = fit.coef.values if coef is None else coef
    mine = fit.term.values.astype(str) == term
    axis, at, functions = _functions(fit, term)
    inputs = list(dict.fromkeys(fit.input.values.astype(str)[mine]))
    weights = coef[:, mine].reshape(len(coef), len(inputs), functions.shape[1])
    return Filters(axis, at, inputs, weights @ functions.T)


def _functions(fit: xr.Dataset, term: str) -> tuple[str, np.ndarray, np.ndarray]:
    for axis, name in (("lag", "kernel"), ("value", "values")):
        if f"{name}_{term}" in fit:
            return axis, fit[f"{axis}_{term}"].values, fit[f"{name}_{term}"].values
    raise NothingToDraw(f"Term {term} is a product of several functions: it has no filter on one axis.")


def draw_filters(stores: Stores, subject: str) -> tuple[Figure, pd.DataFrame]:
    """Draw one term's filter of every unit, with all models that use the term."""
    models = [model for model in stores.models if subject in stores.study.models[model].terms]
    found = {model: filters_of(stores.fits[model], subject) for model in models if model in stores.fits}
    if not found:
        raise NothingToDraw(f"No fitted model of this session uses {subject}.")
    first = next(iter(found.values()))
    order, units = stores.order(), stores.fitted_units
    single = len(units) == 1
    figure, panels = grid(len(units), 1 if single else 5, width=6 if single else 9, height=3 if single else 1.5)
    limits = _common_limits([filters.values for filters in found.values()])
    for axes, position in zip(panels, order, strict=True):
        axes.axhline(0, color=FAINT, linewidth=0.8)
        for model, filters in found.items():
            axes.plot(filters.grid, filters.values[position, 0], label=model, **stores.styles[model])
        axes.set_title(f"unit {units[position]}")
        axes.set_ylim(limits)
    of = stores.study.terms[subject].inputs
    units_of = stores.fits[next(iter(found))][f"{first.axis}_{subject}"].attrs.get("units", "")
    figure.supxlabel("Time since the input (s)" if first.axis == "lag" else f"{of} ({units_of})", fontsize=9)
    gain = stores.gain(found)
    figure.supylabel(f"{gain} per unit of input" if first.axis == "lag" else gain, fontsize=9)
    if single:
        panels[0].legend()
    else:
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=6)
    return figure, filter_table(found, units)


def _common_limits(values: list[np.ndarray]) -> tuple[float, float]:
    """Return one scale for all panels, that holds all but the most extreme few values (separable lags), and 0."""
    finite = np.concatenate([v[np.isfinite(v)] for v in values])
    low, high = np.quantile(finite, [0.003, 0.997]) if finite.size else (0.0, 0.0)
    low, high = min(low, 0.0), max(high, 0.0)
    margin = 0.08 * (high - low) or 1.0
    return low - margin, high + margin


def filter_table(found: dict[str, Filters], units: np.ndarray) -> pd.DataFrame:
    """Lay filters out as model, unit, input, lag (or value), log_gain."""
    parts = []
    for model, filters in found.items():
        count, inputs, points = filters.values.shape
        parts.append(
            pd.DataFrame(
                {
                    "model": model,
                    "unit": np.repeat(units, inputs * points),
                    "input": np.tile(np.repeat(filters.inputs, points), count),
                    filters.axis: np.tile(filters.grid, count * inputs),
                    "log_gain": filters.values.ravel(),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def draw_halves(stores: Stores, subject: str) -> tuple[Figure, pd.DataFrame]:
    """Overlay own-history filters of both halves for the example unit, and correlate the halves for all units."""
    curves = _half_filters(stores)
    if curves.empty:
        raise NothingToDraw("No model of this session was fitted on halves.")
    figure = Figure(figsize=(9, 3.4))
    left, right = figure.subplots(1, 2, width_ratios=[3, 1])
    left.axhline(0, color=FAINT, linewidth=0.8)
    example = curves[curves.unit == stores.example]
    raw = {name for name in stores.models if _is_raw_history(stores, name)}
    for (model, half), part in example.groupby(["model", "half"], sort=False):
        style = stores.styles[model] | {"linestyle": "-" if half == 0 else (0, (4, 1.5))}
        weight = {"linewidth": 0.9, "alpha": 0.55} if model in raw else {"linewidth": 1.8}
        left.plot(
            part.lag, part.log_gain, label=f"{model}, {'first' if half == 0 else 'second'} half", **style, **weight
        )
    left.set(
        title=f"unit {stores.example}",
        xlabel="Time since the unit's own spike (s)",
        ylabel=f"{stores.gain(curves.model.unique())} per spike",
    )
    left.legend()
    agreement = half_agreement(curves)
    models = list(dict.fromkeys(agreement.model))
    for position, model in enumerate(models):
        values = agreement[agreement.model == model].correlation.to_numpy()
        spread = position + np.linspace(-0.18, 0.18, len(values))
        right.plot(spread, values, "o", markersize=4, color=stores.styles[model]["color"], alpha=0.8)
        if np.isfinite(values).any():
            right.hlines(np.nanmedian(values), position - 0.28, position + 0.28, color=INK, linewidth=1.6)
    right.axhline(0, color=QUIET, linewidth=0.6)
    right.set_xticks(range(len(models)), models, rotation=20)
    right.set(ylim=(-1.05, 1.05), xlim=(-0.6, len(models) - 0.4), ylabel="Correlation of the halves")
    return figure, curves.merge(agreement, how="left", on=["model", "unit"])


def _is_raw_history(stores: Stores, model: str) -> bool:
    return any(stores.study.terms[t].factors[0].basis.kind == "lags" for t in history_terms(stores.study, model))


def _half_filters(stores: Stores) -> pd.DataFrame:
    parts = []
    for model in stores.models:
        fit = stores.fits.get(model)
        if fit is None or "half_coef" not in fit:
            continue
        for term in history_terms(stores.study, model):
            for half in range(fit.sizes["half"]):
                filters = filters_of(fit, term, fit.half_coef.isel(half=half).values)
                table = filter_table({model: filters}, fit.unit.values)
                parts.append(table.assign(half=half))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def half_agreement(curves: pd.DataFrame) -> pd.DataFrame:
    """Correlate the filters of the two halves, by model and unit; NaN where one is flat or was not fitted."""
    rows = []
    for (model, unit), part in curves.groupby(["model", "unit"], sort=False):
        a, b = (part[part.half == half].log_gain.to_numpy() for half in (0, 1))
        fitted = np.isfinite(a).all() and np.isfinite(b).all() and a.std() > 0 and b.std() > 0
        rows.append((model, unit, float(np.corrcoef(a, b)[0, 1]) if fitted else np.nan))
    return pd.DataFrame(rows, columns=["model", "unit", "correlation"])
