"""Intervals on filters where a figure is no plain curve: matrices of couplings, products, tuning of predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection

from nwbglm.study import OBSERVATION_MODELS

from .filters import bands_of
from .session import Stores

LIMITS = ("low", "high", "low_all", "high_all")
DOUBT = 0.3
"""How strongly a filter is drawn whose simultaneous interval holds 0 everywhere."""


def shaped(intervals: xr.Dataset, term: str, like: xr.DataArray) -> dict[str, np.ndarray] | None:
    """Return a term's intervals in the shape of its filters (unit, ...); None where they are of other points."""
    band, units = bands_of(intervals, term), like[like.dims[0]].values
    if int(np.prod(like.shape)) != band["low"].size or not np.array_equal(band["unit"].values, units):
        return None
    return {name: band[name].values.reshape(like.shape) for name in LIMITS}


def found_bands(stores: Stores, term: str, found: Mapping[str, xr.DataArray]) -> dict[str, dict[str, np.ndarray]]:
    """Return the intervals on a term's filters, by model, in their shape."""
    bands = {}
    for model, curves in found.items():
        if model in stores.intervals and (band := shaped(stores.intervals[model], term, curves)) is not None:
            bands[model] = band
    return bands


def decided(band: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return where an interval that is known leaves 0 out, simultaneously over the filter: a mask of its points."""
    return (band["low_all"] > 0) | (band["high_all"] < 0)


def fill_cells(
    axes: Axes, x: np.ndarray, band: Mapping[str, np.ndarray], scales: tuple[float, float], room: float
) -> None:
    """Shade pointwise intervals in the cells of a matrix of filters (receiver, sender, lag)."""
    polygons = []
    low, high = band["low"], band["high"]
    for i, j in np.argwhere(np.isfinite(low).all(axis=-1)):
        scale = scales[1] if i == j else scales[0]
        upper, lower = (np.clip(edge[i, j] / scale, -1.1, 1.1) * room for edge in (high, low))
        there = np.column_stack([j + x, i + 0.5 - upper])
        polygons.append(np.concatenate([there, np.column_stack([j + x, i + 0.5 - lower])[::-1]]))
    axes.add_collection(PolyCollection(polygons, facecolors="#8a8a8a", alpha=0.35, linewidths=0, zorder=1))


def veil(axes: Axes, x: np.ndarray, y: np.ndarray, band: Mapping[str, np.ndarray]) -> None:
    """Lay a veil over the places of a map whose simultaneous interval holds 0; (x, y) maps."""
    known = np.isfinite(band["low_all"])
    hidden = np.where(known & ~decided(band), 1.0, np.nan)
    axes.pcolormesh(
        x, y, hidden.T, cmap="Greys", vmin=0, vmax=8, alpha=0.55, shading="nearest", rasterized=True, zorder=2
    )


def tuning_band(
    stores: Stores, tuning: str, model: str, unit: int, at: np.ndarray, rate: np.ndarray
) -> np.ndarray | None:
    """Return the limits (2, values) of a predicted tuning curve by the interval on the model's term of that signal.

    The curve is moved by the pointwise interval of the filter, all else as it is. None where the model has no such
    term over the signal's values, no interval, or a link that is neither the logarithm nor the identity.
    """
    of = stores.study.tuning[tuning].of
    terms = [
        name
        for name in stores.study.models[model].terms
        if [factor.of for factor in stores.study.terms[name].factors] == [of]
        and not stores.study.terms[name].factors[0].basis.settings.over_lags
    ]
    link = OBSERVATION_MODELS[stores.study.fit.of_model(stores.study.models[model]).observations].link
    if len(terms) != 1 or model not in stores.intervals or link not in ("log", "identity"):
        return None
    band = bands_of(stores.intervals[model], terms[0]).sel(unit=unit)
    if not np.isfinite(band["low"].values).any() or band["text"].values[0] or at.dtype.kind not in "iuf":
        return None
    period = stores.period(tuning) if stores.circular(tuning) else None
    places, value = band["at"].values, band["value"].values
    moved = [np.interp(at, places, band[name].values - value, period=period) for name in ("low", "high")]
    return np.array([rate * np.exp(each) if link == "log" else rate + each for each in moved])


def columns_of(
    bands: Mapping[str, Mapping[str, np.ndarray]], models: Sequence[str], size: int
) -> dict[str, np.ndarray]:
    """Return the intervals of several models' filters as columns of a table that stacks the models."""
    empty = np.full(size, np.nan)
    return {
        name: np.concatenate([bands[model][name].ravel() if model in bands else empty for model in models])
        for name in LIMITS
    }
