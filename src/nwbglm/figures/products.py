"""Products of two inputs: a map of both, or a curve for each condition where one of them is a condition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from nwbglm.filters import filters
from nwbglm.study import Factor

from .filters import filter_table
from .inference_bands import columns_of, found_bands, veil
from .session import Stores
from .style import COLORS, DASHES, FAINT, NothingToDraw, abreast, grid, letters, mark_clipped
from .texts import shown

FINE = 41  # values at which a map is drawn and tabulated, at most


def draw_product(stores: Stores, subject: str) -> tuple[Figure, pd.DataFrame]:
    """Draw what a product of two inputs adds, for each unit and model."""
    models = [model for model in stores.models if subject in stores.study.models[model].terms]
    whole = {model: filters(stores.fits[model], subject) for model in models if model in stores.fits}
    if not whole:
        raise NothingToDraw(f"No fitted model of this session uses {subject}.")
    found = {model: _thinned(curves) for model, curves in whole.items()}
    bands = {
        model: {name: _thinned(whole[model].copy(data=edge)) for name, edge in band.items()}
        for model, band in found_bands(stores, subject, whole).items()
    }
    factors = stores.study.terms[subject].factors
    conditions = [i for i, factor in enumerate(factors) if _is_condition(factor)]
    across = 1 - conditions[-1] if conditions else 0  # the factor whose lags or values the axis has
    order, units = stores.order(), stores.fitted_units
    figure, panels = grid(len(units) * len(found), 5, width=9, height=1.7)
    size = _size(found)
    places = [(model, position) for model in found for position in order]
    for axes, (model, position) in zip(panels, places, strict=True):
        curves = found[model].isel(unit=position)
        dims = [str(dim) for dim in curves.dims]
        curves = curves.transpose(dims[across], dims[1 - across])
        band = {
            name: edge.isel(unit=position).transpose(*curves.dims).values for name, edge in bands.get(model, {}).items()
        }
        if conditions:
            _draw_curves(axes, curves, size, factors[1 - across], band)
        else:
            _draw_surface(axes, curves, size)
            if band:
                veil(axes, curves[curves.dims[0]].values, curves[curves.dims[1]].values, band)
        axes.set_title(f"unit {units[position]}" + (f", {model}" if len(found) > 1 else ""))
    names = [_axis_name(factor, next(iter(found.values())), i) for i, factor in enumerate(factors)]
    gain = stores.gain(found)
    figure.supxlabel(names[across], fontsize=letters(9))
    if conditions:
        figure.supylabel(gain, fontsize=letters(9))
        lines = panels[0].get_legend_handles_labels()
        figure.legend(*lines, loc="outside upper center", ncols=abreast(6), title=names[1 - across])
    else:
        figure.supylabel(names[1 - across], fontsize=letters(9))
        bar = figure.colorbar(ScalarMappable(Normalize(-size, size), colormaps["RdBu_r"]), ax=panels, aspect=40)
        bar.set_label(gain)
    table = filter_table(found)
    if bands:
        edges = {model: {name: edge.values for name, edge in band.items()} for model, band in bands.items()}
        table = table.assign(**columns_of(edges, list(found), len(table) // len(found)))
    return figure, table


def _is_condition(factor: Factor) -> bool:
    """Whether a factor is a label, or the value itself: a few curves tell all of it."""
    return factor.basis.settings.plain and not factor.basis.settings.over_lags


def _thinned(found: xr.DataArray) -> xr.DataArray:
    """Leave out values between those that are drawn."""
    for dim in found.dims:
        if str(dim).startswith("value"):
            found = found.isel({dim: slice(None, None, -(-found.sizes[dim] // FINE))})
    return found


def _size(found: dict[str, xr.DataArray]) -> float:
    """Return the log gain that all panels reach, but for the most extreme few."""
    sizes = np.concatenate([np.abs(curves.values[np.isfinite(curves.values)]) for curves in found.values()])
    return (float(np.quantile(sizes, 0.997)) if sizes.size else 0.0) or 1.0


def _draw_curves(
    axes: Axes, curves: xr.DataArray, size: float, condition: Factor, band: Mapping[str, np.ndarray]
) -> None:
    """Draw a curve for each level; of the value itself the ends and the middle, since all else lies between."""
    at = curves[curves.dims[1]].values
    chosen = list(range(len(at))) if condition.basis.settings.labels else [0, len(at) // 2, len(at) - 1]
    axes.axhline(0, color=FAINT, linewidth=0.8)
    for line, k in enumerate(chosen):
        values = curves.values[:, k]
        label = shown(at[k], 18) if at.dtype.kind == "U" else f"{at[k]:.4g}"
        x = curves[curves.dims[0]].values
        style: dict[str, Any] = {"color": COLORS[line % len(COLORS)], "linestyle": DASHES[line % len(DASHES)]}
        if band and x.dtype.kind != "U":
            axes.fill_between(x, band["low"][:, k], band["high"][:, k], color=style["color"], alpha=0.2, linewidth=0)
        axes.plot(x, values, label=label, **style)
    axes.set_ylim(-1.08 * size, 1.08 * size)
    mark_clipped(axes, curves.values[:, chosen], (-1.08 * size, 1.08 * size))


def _draw_surface(axes: Axes, curves: xr.DataArray, size: float) -> None:
    x, y = (curves[dim].values for dim in curves.dims)
    axes.pcolormesh(x, y, curves.values.T, cmap="RdBu_r", vmin=-size, vmax=size, shading="nearest", rasterized=True)
    mark_clipped(axes, curves.values, (-size, size))


def _axis_name(factor: Factor, found: xr.DataArray, position: int) -> str:
    dim = str(found.dims[1 + position])
    if dim.startswith("lag"):
        return f"Time since {factor.of} (s)"
    units = found[dim].attrs["units"]
    return f"{factor.of} ({units})" if units else factor.of
