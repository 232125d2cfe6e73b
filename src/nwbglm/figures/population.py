"""The population in the order of preferred value: raster and heat maps, data above predictions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from .colours import around, cyclic_colors
from .rates import draw_line, draw_ticks
from .session import Stores, segment_breaks, signal_label, smooth, time_axis
from .style import QUIET, NothingToDraw, canvas
from .texts import shown
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
    colors = around(
        stores.tuning[f"preferred_{subject}"].sel(unit=stores.fitted_units).values[order], stores.period(subject)
    )
    figure, layout = _layout(len(maps) + stores.response.counts, len(order))
    time, label = time_axis(part, breaks, stores.bin)
    top = figure.add_subplot(layout[0, 1])
    _draw_heading(top, stores, subject, (time, part), breaks)
    _draw_key(figure.add_subplot(layout[0, 0]), stores, subject)
    counted = stores.response.counts
    if counted:
        raster = figure.add_subplot(layout[1, 1], sharex=top)
        _draw_raster(raster, time, part.response.values[:, order], colors)
    scales = {
        what: row_scales(values["data"].T, counted) for what, values in (("time", maps), ("value", _columns(tuning)))
    }
    for position, (name, values) in enumerate(maps.items(), start=1 + counted):
        left, right = figure.add_subplot(layout[position, 0]), figure.add_subplot(layout[position, 1], sharex=top)
        _draw_tuning(left, stores, subject, scaled(tuning[name], scales["value"]), colors)
        left.set_title(shown(name))
        _draw_map(right, time, scaled(values.T, scales["time"]), colors)
        right.set_title(("data, smoothed" if counted else "data") if name == "data" else f"{shown(name)}, held out")
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


def _columns(tuning: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: rates.T for name, rates in tuning.items()}


def _layout(maps: int, units: int) -> tuple[Figure, GridSpec]:
    height = float(np.clip(0.085 * units, 0.9, 2.2))
    heights = [0.7] + [height] * maps
    figure = canvas(9, sum(heights) + 0.32 * len(heights) + 0.3)
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


def _draw_key(axes: Axes, stores: Stores, subject: str) -> None:
    """Draw the scale of preferred values: colours of the raster's ticks, of tuning curves and of the rows' marks."""
    axes.imshow(cyclic_colors()[None], aspect="auto", extent=(0, stores.period(subject), 0, 1))
    axes.set(yticks=[], title=f"preferred {shown(subject, 24)}")
    mark_circle(axes, stores.tuning[f"value_{subject}"].attrs)


def _draw_raster(axes: Axes, time: np.ndarray, counts: np.ndarray, colors: np.ndarray) -> None:
    for position in range(counts.shape[1]):
        spikes = time[counts[:, position] > 0]
        draw_ticks(axes, spikes, position - 0.4, position + 0.4, linewidth=0.6, color=colors[position])
    axes.set(ylim=(-0.5, counts.shape[1] - 0.5), title="data, spikes")


def _draw_map(axes: Axes, time: np.ndarray, values: np.ndarray, colors: np.ndarray) -> None:
    """Draw (unit, time) from 0 to 1, and the colour of each row's preferred value at its end."""
    extent = (time[0], time[-1], -0.5, len(values) - 0.5)
    axes.imshow(values, aspect="auto", origin="lower", extent=extent, cmap="Greys", vmin=0, vmax=1)
    axes.scatter(
        np.full(len(values), 1.006), np.arange(len(values)), s=9, c=colors, marker="s", linewidths=0, clip_on=False,
        transform=axes.get_yaxis_transform(),
    )  # fmt: skip


def _shrink(values: np.ndarray, pieces: list[np.ndarray]) -> np.ndarray:
    """Average (time, unit) over pieces of time, around NaN."""
    return np.stack([_mean(values[piece]) for piece in pieces])


def _mean(values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values)
    return np.where(
        known.any(axis=0), np.where(known, values, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1), np.nan
    )


def _draw_tuning(axes: Axes, stores: Stores, subject: str, rates: np.ndarray, colors: np.ndarray) -> None:
    """Draw tuning curves (unit, value) from 0 to 1, each from its row on upwards, coloured by preferred value."""
    value = stores.tuning[f"value_{subject}"].values
    for row, (rate, color) in enumerate(zip(rates, colors, strict=True)):
        axes.plot(value, row - 0.42 + 1.3 * rate, color=color, linewidth=0.9, zorder=len(rates) - row)
    axes.set_ylim(-0.6, len(rates) + 0.4)
    mark_circle(axes, stores.tuning[f"value_{subject}"].attrs)


def row_scales(data: np.ndarray, counted: bool) -> np.ndarray:
    """Return (unit, 2): what is 0 and what is 1 in each unit's row, from the data, for the predictions too.

    1 is the 99th percentile of the data, so that one extreme moment does not whiten the rest; 0 is no rate, or of a
    continuous response its 1st percentile. A prediction that stays far below the data looks it.
    """
    scales = np.tile([0.0, 1.0], (len(data), 1))
    for row, values in enumerate(data):
        known = values[np.isfinite(values)]
        if known.size:
            low = 0.0 if counted else float(np.quantile(known, 0.01))
            scales[row] = low, max(float(np.quantile(known, 0.99)), low + 1e-12)
    return scales


def scaled(values: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Bring (unit, ...) to the rows' scales; what lies beyond is cut at 1.2."""
    low, high = scales[:, :1], scales[:, 1:]
    with np.errstate(over="ignore"):
        return np.clip((values - low) / (high - low), -0.2, 1.2)


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
