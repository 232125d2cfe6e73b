"""Fitted equations with their numbers, and coefficients as a labelled table."""

from __future__ import annotations

import json
import textwrap

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nwbglm.filters.labelled import Layout, layout_of
from nwbglm.study import OBSERVATION_MODELS

from .session import Stores
from .style import FAINT, INK, QUIET, NothingToDraw, canvas, letters, mark_clipped, page_of_lines
from .texts import shown

WRITTEN = 24  # so many coefficients of a term are written out, of more the first and the last
WIDE = 112  # characters of a line
INTERCEPT = "intercept"


def draw_equations(stores: Stores, subject: str) -> tuple[Figure, pd.DataFrame]:
    """Write each model's fitted equation for the example unit, with its intercept and coefficients."""
    models = [model for model in stores.models if model in stores.fits]
    if not models:
        raise NothingToDraw("No model was fitted in this session.")
    lines: list[tuple[str, str]] = []
    for model in models:
        lines.append((model, equation(stores, model)))
        for term in stores.study.models[model].terms:
            lines += [("", line) for line in weights_in_words(stores, model, term)]
    figure, axes = page_of_lines(len(lines) + 1)
    axes.text(0, -0.5, f"unit {stores.example}", va="center")
    for row, (model, text) in enumerate(lines):
        if model:
            axes.text(0, row + 0.5, shown(model, 20), va="center", color=INK, weight="bold", fontsize=letters(8))
        axes.text(
            0.16, row + 0.5, text, va="center", family="monospace", fontsize=letters(7.5), color=INK if model else QUIET
        )
    parts = [coefficient_table(stores.fits[model].sel(unit=[stores.example])).assign(model=model) for model in models]
    table = pd.concat(parts, ignore_index=True)
    return figure, table[["model", *(name for name in table if name != "model")]]


def equation(stores: Stores, model: str) -> str:
    """Return the equation of the example unit: the intercept first, the coefficient of what is taken as it is."""
    fit = stores.fits[model].sel(unit=stores.example)
    text = _signed(float(fit.intercept))
    for term in stores.study.models[model].terms:
        factors = stores.study.terms[term].factors
        name = shown(" × ".join(factor.of for factor in factors), 36)
        weights = fit.coef.values[fit["term"].values == term]
        if len(weights) == 1 and len(factors) == 1 and not factors[0].basis.window:
            size = f"{abs(weights[0]):.4g}"
            text += f" {'-' if weights[0] < 0 else '+'} {size} {name}"
        else:
            text += f" + {shown(term, 24)}({name})"
    link = OBSERVATION_MODELS[stores.study.fit.of_model(stores.study.models[model]).observations].link
    inner = {"log": f"exp({text})", "identity": text}.get(link, f"{link}⁻¹({text})")
    if not stores.response.counts:
        return f"{shown(stores.response.name, 20)} = {inner}"
    return f"rate = {inner} / {stores.bin:g} s"


def _signed(value: float) -> str:
    return f"{value:.4g}".replace("-", "−") if np.isfinite(value) else str(value)


def weights_in_words(stores: Stores, model: str, term: str) -> list[str]:
    """Return the coefficients of a term of several functions, in lines."""
    fit = stores.fits[model].sel(unit=stores.example)
    weights = fit.coef.values[fit["term"].values == term]
    basis = " × ".join(factor.basis.kind for factor in stores.study.terms[term].factors)
    if len(weights) == 1:
        return []
    written = [_signed(weight) for weight in weights]
    if len(written) > WRITTEN:
        written = [*written[:3], "…", *written[-2:]]
    text = f"{shown(term, 24)}: {len(weights)} × {basis}, w = {' '.join(written)}"
    return textwrap.wrap(text, WIDE, initial_indent="  ", subsequent_indent="    ")


def coefficient_table(fit: xr.Dataset) -> pd.DataFrame:
    """Lay the final fit's coefficients out: unit, term, input, function, coefficient; on halves too where there are."""
    units = fit["unit"].values
    labels = {name: fit[name].values for name in ("term", "input", "function")}
    columns = {"coefficient": ("intercept", "coef")}
    halves = "half_coef" in fit
    first = pd.DataFrame({"unit": units, "term": INTERCEPT, "input": "", "function": -1})
    rest = pd.DataFrame(
        {"unit": np.repeat(units, fit.sizes["feature"])}
        | {name: np.tile(values, len(units)) for name, values in labels.items()}
    )
    for name, (intercept, coef) in columns.items():
        first[name], rest[name] = fit[intercept].values, fit[coef].transpose("unit", "feature").values.ravel()
    for half, name in enumerate(("first_half", "second_half") if halves else ()):
        one = fit.isel(half=half)
        first[name] = one["half_intercept"].values
        rest[name] = one["half_coef"].transpose("unit", "feature").values.ravel()
    return pd.concat([part for part in (first, rest) if len(part)], ignore_index=True)


def draw_coefficients(stores: Stores, subject: str) -> tuple[Figure, pd.DataFrame]:
    """Draw a model's coefficients as (unit, features), each term's features by input and function."""
    if subject not in stores.fits:
        raise NothingToDraw(f"Model {subject} was not fitted in this session.")
    fit = stores.fits[subject]
    order, units = stores.order(), stores.fitted_units
    terms = list(json.loads(fit.attrs["terms"]))
    if not terms:
        raise NothingToDraw(f"Model {subject} has no coefficients but its intercept.")
    height = float(np.clip(0.16 * len(units), 0.7, 3.0))
    figure = canvas(9, (height + 0.85) * len(terms) + 0.1)
    for axes, term in zip(figure.subplots(len(terms), squeeze=False)[:, 0], terms, strict=True):
        layout = layout_of(fit, term)
        values = fit.coef.values[:, layout.columns][order]
        inputs = sender_order(layout, units[order])
        values = values.reshape(len(units), len(layout.inputs), -1)[:, inputs]
        _draw_table(axes, values, [layout.inputs[i] for i in inputs], units[order])
        axes.set_title(f"{shown(term)}: {shape_words(layout, len(units))}")
    return figure, coefficient_table(fit)


def sender_order(layout: Layout, units: np.ndarray) -> list[int]:
    """Return the inputs' positions in the order of the units, where they are units; else as they are."""
    place = {str(unit): i for i, unit in enumerate(units)}
    return sorted(range(len(layout.inputs)), key=lambda i: place.get(layout.inputs[i], i))


def shape_words(layout: Layout, units: int) -> str:
    """Say how a term's coefficients are shaped: features by units, and what they are without the flattening."""
    count, inputs = len(layout.columns), len(layout.inputs)
    functions = count // inputs
    if inputs > 1:
        return f"({count}, {units}) → {inputs} senders × {functions} functions × {units} receivers"
    return f"({count}, {units}): {functions} functions × {units} units"


def _draw_table(axes: Axes, values: np.ndarray, inputs: list[str], units: np.ndarray) -> None:
    """Draw (unit, input, function) as an image, colours by sign; what the scale does not reach is counted."""
    rows, senders, functions = values.shape
    finite = np.abs(values[np.isfinite(values)])
    size = float(np.quantile(finite, 0.98)) if finite.size else 1.0
    size = size or 1.0
    flat = values.reshape(rows, -1)
    extent = (-0.5, flat.shape[1] - 0.5, rows - 0.5, -0.5)
    image = axes.imshow(flat, aspect="auto", cmap="RdBu_r", vmin=-size, vmax=size, extent=extent)
    bar = axes.figure.colorbar(
        image, ax=axes, aspect=12, pad=0.01, extend="both" if finite.max(initial=0) > size else "neither"
    )
    bar.set_label("Coefficient")
    bar.outline.set_visible(False)
    mark_clipped(axes, flat, (-size, size))
    step = max(1, -(-rows // 8))
    axes.set_yticks(range(0, rows, step), [str(unit) for unit in units[::step]])
    axes.set_ylabel("Unit")
    if senders > 1:
        axes.vlines(np.arange(1, senders) * functions - 0.5, -0.5, rows - 0.5, color=FAINT, linewidth=0.5)
        every = max(1, -(-senders // 20))
        places = np.arange(0, senders, every)
        axes.set_xticks(places * functions + (functions - 1) / 2, [shown(inputs[i], 8) for i in places])
        axes.set_xlabel(f"Sender, {functions} functions each")
    else:
        axes.set_xlabel("Function")
