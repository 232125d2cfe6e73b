"""The population in the order of preferred value: raster and heat maps, data above predictions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from .rates import draw_line, draw_ticks
from .session import Stores, segment_breaks, signal_label, smooth, time_axis
from .style import QUIET, NothingToDraw
from .tuning import mark_circle, value_label

COLUMNS = 1000  # pixels of a heat map along time


def draw_population(stores: Stores, subject: str) -> tuple[Figure, pd.DataFrame]:
    """Draw the signal, the sorted raster, and heat maps of smoothed counts and held-out rates."""
    rows = stores.window
    if "tuning" not in stores.single or not rows.size:
        raise NothingToDraw("The figures' window holds no bin of this session.")
    part = stores.binned.isel(time=rows)
    order = stores.order(subject)
    breaks = segment_breaks(rows, part.segment.values)
    pieces = np.array_split(np.arange(len(rows)), min(COLUMNS, len(rows)))
    maps = {name: _shrink(values, pieces) for name, values in _maps(stores, part, order, breaks).items()}
    tuning = _tuning_maps(stores, subject, order)
    figure, layout = _layout(len(maps) + stores.response.counts, len(order))
    time, label = time_axis(part.time.values, breaks, stores.bin)
    top = figure.add_subplot(layout[0, 1])
    _draw_heading(top, stores, subject, (time, part), breaks)
    counted = stores.response.counts
    if counted:
        _draw_raster(figure.add_subplot(layout[1, 1], sharex=top), time, part.response.values[:, order])
    for position, (name, values) in enumerate(maps.items(), start=1 + counted):
        left, right = figure.add_subplot(layout[position, 0]), figure.add_subplot(layout[position, 1], sharex=top)
        _draw_tuning(left, stores, subject, tuning[name], name)
        _draw_map(right, time, values, counted)
        right.set_title(("data, smoothed" if counted else "data") if name == "data" else f"{name}, held out")
    for axes in figure.axes:
        place = axes.get_subplotspec()
        assert place is not None  # all were added by a place of the layout
        last = place.rowspan.stop == layout.nrows
        axes.tick_params(labelbottom=last)
        if last:
            axes.set_xlabel(label if place.colspan.start else value_label(stores, subject))
        if place.rowspan.start:
            _unit_ticks(axes, stores.fitted_units[order], place.colspan.start == 0)
    times = part.time.values[[piece[0] for piece in pieces]]
    if not counted:
        return figure, _table(times, stores.fitted_units[order], None, maps)
    counts = np.stack([part.response.values[piece][:, order].sum(axis=0) for piece in pieces])
    return figure, _table(times, stores.fitted_units[order], counts, maps)


def _layout(maps: int, units: int) -> tuple[Figure, GridSpec]:
    height = float(np.clip(0.085 * units, 0.9, 2.2))
    heights = [0.7] + [height] * maps
    figure = Figure(figsize=(9, sum(heights) + 0.32 * len(heights) + 0.3))
    return figure, figure.add_gridspec(len(heights), 2, width_ratios=[1, 4.2], height_ratios=heights)


def _maps(stores: Stores, part: xr.Dataset, order: np.ndarray, breaks: np.ndarray) -> dict[str, np.ndarray]:
    """Return (time, unit) rates, Hz (or responses), of the data and of each model that is no constant."""
    settings = stores.study.figures.smooth
    counted = stores.response.counts

    def smoothed(values: np.ndarray) -> np.ndarray:
        values = values[:, order]
        return smooth(values, breaks, settings.std / stores.bin, settings.size_factor) if counted else values

    maps = {"data": smoothed(part.response.values / stores.response.per)}
    for model in stores.models:
        if model in stores.predictions and stores.study.models[model].terms:
            prediction = stores.predictions[model].sel(unit=part.unit.values)
            maps[model] = smoothed(prediction.heldout_rate.values.astype(float))
    return maps


def _tuning_maps(stores: Stores, subject: str, order: np.ndarray) -> dict[str, np.ndarray]:
    units = stores.fitted_units
    maps = {"data": stores.tuning[f"rate_{subject}"].sel(unit=units).values[order]}
    for model, prediction in stores.predictions.items():
        held_out = prediction[f"heldout_rate_{subject}"].sel(unit=units).values[order]
        maps[model] = held_out
    return maps


def _draw_heading(axes: Axes, stores: Stores, subject: str, shown: tuple, breaks: np.ndarray) -> None:
    time, part = shown
    signal = stores.study.tuning[subject].of
    values = part[signal].values
    period = stores.period(subject)
    wraps = np.flatnonzero(np.abs(np.diff(values)) > period / 2) + 1
    draw_line(axes, time, values, np.union1d(breaks, wraps).astype(int), color=QUIET)
    axes.set(ylim=(0, period), ylabel=signal_label(signal, part[signal].attrs, "\n"))
    if np.isclose(period, 2 * np.pi):
        axes.set(yticks=[0, np.pi, 2 * np.pi], yticklabels=["0", "π", "2π"])


def _draw_raster(axes: Axes, time: np.ndarray, counts: np.ndarray) -> None:
    for position in range(counts.shape[1]):
        spikes = time[counts[:, position] > 0]
        draw_ticks(axes, spikes, position - 0.4, position + 0.4, linewidth=0.45)
    axes.set(ylim=(-0.5, counts.shape[1] - 0.5), title="data, spikes")


def _draw_map(axes: Axes, time: np.ndarray, values: np.ndarray, counted: bool) -> None:
    extent = (time[0], time[-1], -0.5, values.shape[1] - 0.5)
    axes.imshow(_scaled(values.T, counted), aspect="auto", origin="lower", extent=extent, cmap="Greys", vmin=0, vmax=1)


def _shrink(values: np.ndarray, pieces: list[np.ndarray]) -> np.ndarray:
    """Average (time, unit) over pieces of time, around NaN."""
    return np.stack([_mean(values[piece]) for piece in pieces])


def _mean(values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values)
    return np.where(
        known.any(axis=0), np.where(known, values, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1), np.nan
    )


def _draw_tuning(axes: Axes, stores: Stores, subject: str, rates: np.ndarray, title: str) -> None:
    edges = stores.tuning[f"edges_{subject}"].values
    extent = (edges[0], edges[-1], -0.5, len(rates) - 0.5)
    axes.imshow(
        _scaled(rates, stores.response.counts),
        aspect="auto",
        origin="lower",
        extent=extent,
        cmap="Greys",
        vmin=0,
        vmax=1,
    )
    axes.set_title(title)
    mark_circle(axes, stores.tuning[f"value_{subject}"].attrs)


def _scaled(rates: np.ndarray, counted: bool) -> np.ndarray:
    """Divide each row by its 99th percentile: a single diverging prediction must not whiten the rest.

    A continuous response, which has no zero of its own, runs from its 1st percentile.
    """
    scaled = np.full(rates.shape, np.nan)
    for row, rate in enumerate(rates):
        known = np.isfinite(rate)
        if known.any():
            low = 0.0 if counted else np.quantile(rate[known], 0.01)
            scaled[row, known] = (rate[known] - low) / max(np.quantile(rate[known], 0.99) - low, 1e-12)
    return scaled


def _unit_ticks(axes: Axes, units: np.ndarray, labelled: bool) -> None:
    step = max(1, -(-len(units) // 8))
    positions = np.arange(0, len(units), step)
    axes.set_yticks(positions, [str(units[p]) for p in positions])
    if labelled:
        axes.set_ylabel("Unit")
    else:
        axes.tick_params(labelleft=False)


def _table(time: np.ndarray, units: np.ndarray, counts: np.ndarray | None, maps: dict[str, np.ndarray]) -> pd.DataFrame:
    table = {"time": np.repeat(time, len(units)), "unit": np.tile(units, len(time))}
    if counts is not None:
        table["spikes"] = counts.ravel()
    what = "response" if counts is None else "rate"
    return pd.DataFrame(table | {f"{what}_{name}": values.ravel() for name, values in maps.items()})
