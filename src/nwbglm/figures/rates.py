"""The example unit in time: signals, spikes and smoothed rate (or a continuous response), and what models predict."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nwbglm.labels import in_texts

from .session import Stores, interrupt, name_levels, segment_breaks, signal_label, smooth, time_axis
from .style import FAINT, INK, QUIET, NothingToDraw, abreast, canvas, mark_clipped

ZOOMS = 3
ENVELOPE = 1500  # pieces; a line with more samples is drawn by the smallest and largest value of each


class Traces(NamedTuple):
    """What is drawn over time, where each row stands on the axis, and where lines are interrupted."""

    table: pd.DataFrame
    x: np.ndarray
    label: str
    breaks: np.ndarray
    signals: dict[str, str]  # column -> axis label
    data: str  # column
    rates: dict[str, tuple[str, str]]  # model -> (column, label)


def draw_rates(stores: Stores, subject: str) -> tuple[Figure, pd.DataFrame]:
    """Draw signals, spikes and rates of the example unit over the window, with busy moments enlarged."""
    traces = collect(stores, stores.example)
    heights = [0.8] * len(traces.signals) + [1.6, 1.6]
    figure = canvas(9, 1.15 * sum(heights) + 0.4)
    layout = figure.add_gridspec(len(heights), ZOOMS, height_ratios=heights)
    zooms = busy_moments(traces.table[traces.data].to_numpy(), traces.breaks)
    top = [figure.add_subplot(layout[i, :]) for i in range(len(traces.signals))]
    for axes, (column, label) in zip(top, traces.signals.items(), strict=True):
        _draw_signal(axes, traces, column, label)
        name_levels(axes.yaxis, stores.binned[column].attrs)
    main = figure.add_subplot(layout[-2, :])
    _draw_lines(main, stores, traces, slice(None))
    for axes in top:
        axes.set_xlim(main.get_xlim())
    main.set_title(f"unit {stores.example}")
    for axes in (*top, main):
        axes.vlines(traces.x[traces.breaks], 0, 1, transform=axes.get_xaxis_transform(), color=FAINT, linewidth=0.8)
    main.set_ylabel(stores.response.label)
    figure.legend(*main.get_legend_handles_labels(), loc="outside upper center", ncols=abreast(4))
    for position, (first, last) in enumerate(zooms):
        axes = figure.add_subplot(layout[-1, position])
        _draw_lines(axes, stores, traces, slice(first, last))
        main.axvspan(traces.x[first], traces.x[last - 1], color=QUIET, alpha=0.12, linewidth=0)
        axes.set_xlabel(traces.label)
    figure.axes[-len(zooms)].set_ylabel(stores.response.label)
    texts = {name: in_texts(traces.table[name].to_numpy(), stores.binned[name].attrs) for name in traces.signals}
    return figure, traces.table.assign(**texts)


def collect(stores: Stores, unit: int) -> Traces:
    """Gather the window's signals, counts, and smoothed rates of data and models, with where lines break."""
    rows = stores.window
    part = stores.binned.isel(time=rows)
    if not rows.size:
        raise NothingToDraw("The figures' window holds no bin of this session.")
    breaks = segment_breaks(rows, part.segment.values)
    settings = stores.study.figures.smooth
    values, counted = part.response.sel(unit=unit).values.astype(float), stores.response.counts
    what = "rate" if counted else "response"

    def smoothed(values: np.ndarray) -> np.ndarray:
        # a continuous response has no need of it: it is shown as it was fitted
        return smooth(values, breaks, settings.std / stores.bin, settings.size_factor) if counted else values

    table = pd.DataFrame({"time": part.time.values, "segment": part.segment.values})
    signals = {}
    for name in stores.study.signals:
        table[name] = part[name].values
        signals[name] = signal_label(name, part[name].attrs, "\n")
    if counted:
        table["spikes"] = values
    table[f"{what}_data"] = smoothed(values / stores.response.per)
    rates = {}
    for model, prediction in stores.predictions.items():
        mine = prediction.sel(unit=unit)
        table[f"{what}_{model}"] = smoothed(mine.rate.values.astype(float))
        table[f"heldout_{what}_{model}"] = smoothed(mine.heldout_rate.values.astype(float))
        held_out = np.isfinite(mine.heldout_rate.values).any()
        rates[model] = (f"heldout_{what}_{model}", model) if held_out else (f"{what}_{model}", f"{model} (in-sample)")
    return Traces(table, *time_axis(part, breaks, stores.bin), breaks, signals, f"{what}_data", rates)


def busy_moments(rate: np.ndarray, breaks: np.ndarray, share: float = 0.1) -> list[tuple[int, int]]:
    """Return, for each third of the window, the rows around its highest rate, within one segment."""
    rate = np.where(np.isfinite(rate), rate, np.nanmin(rate) if np.isfinite(rate).any() else 0.0)
    width = max(10, int(len(rate) * share))
    ends = np.concatenate([[0], breaks, [len(rate)]])
    out = []
    for part in np.array_split(np.arange(len(rate)), ZOOMS):
        if part.size:
            peak = int(part[np.argmax(rate[part])])
            segment = np.searchsorted(ends, peak, side="right") - 1
            begin, end = max(part[0], ends[segment]), min(part[-1] + 1, ends[segment + 1])
            first = int(np.clip(peak - width // 2, begin, max(begin, end - width)))
            out.append((first, int(min(first + width, end))))
    return out


def _draw_signal(axes: Axes, traces: Traces, column: str, label: str) -> None:
    time, values = traces.x, traces.table[column].to_numpy(float)
    wraps = "rad" in label
    breaks = np.union1d(traces.breaks, np.flatnonzero(np.abs(np.diff(values)) > np.pi) + 1) if wraps else traces.breaks
    draw_line(axes, time, values, breaks.astype(int), color=QUIET, linewidth=0.8)
    axes.set_ylabel(label)
    axes.tick_params(labelbottom=False)
    if wraps:
        axes.set(ylim=(0, 2 * np.pi), yticks=[0, np.pi, 2 * np.pi], yticklabels=["0", "π", "2π"])


def draw_line(axes: Axes, time: np.ndarray, values: np.ndarray, breaks: np.ndarray, **style: Any) -> None:
    """Plot a line that stops at breaks, thinned to its envelope where it has more samples than the eye can see."""
    if len(time) > 2 * ENVELOPE and not len(breaks):
        time, values = envelope(time, values)
    axes.plot(interrupt(time, breaks), interrupt(values, breaks), **style)


def draw_ticks(axes: Axes, at: np.ndarray, low: float, high: float, **style: Any) -> None:
    """Draw upright ticks as one interrupted line: thousands of lines of their own would weigh a megabyte."""
    x = np.repeat(at.astype(float), 3)
    y = np.tile([low, high, np.nan], len(at))
    axes.plot(x, y, **{"color": INK, "solid_capstyle": "butt"} | style)


def envelope(time: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keep the smallest and the largest value of each of `ENVELOPE` pieces, in their order."""
    pieces = np.array_split(np.arange(len(time)), ENVELOPE)
    filled = np.where(np.isfinite(values), values, np.nanmean(values) if np.isfinite(values).any() else 0.0)
    ends = [sorted((piece[np.argmin(filled[piece])], piece[np.argmax(filled[piece])])) for piece in pieces]
    keep = np.unique(np.concatenate(ends))
    return time[keep], values[keep]


def _draw_lines(axes: Axes, stores: Stores, traces: Traces, part: slice) -> None:
    table = traces.table.iloc[part]
    first = part.start or 0
    breaks = traces.breaks[(traces.breaks > first) & (traces.breaks < first + len(table))] - first
    time = traces.x[part]
    draw_line(axes, time, table[traces.data].to_numpy(), breaks, color=INK, linewidth=1.4, label="data")
    for model, (column, label) in traces.rates.items():
        draw_line(axes, time, table[column].to_numpy(), breaks, label=label, **stores.styles[model])
    axes.set_xlim(time[0], time[-1] + 1e-9)
    columns = [column for column, _ in traces.rates.values()]
    drawn = table[[traces.data, *columns]].to_numpy(float)
    if not stores.response.counts:
        axes.set_ylim(data_limits(table[traces.data].to_numpy(float), table[columns].to_numpy(float)))
        mark_clipped(axes, drawn, axes.get_ylim())
        return
    axes.set_ylim(0, _top(table, columns))
    mark_clipped(axes, drawn, axes.get_ylim())
    spikes = time[table.spikes.to_numpy() > 0]
    # the raster stands under the axis, so that it hides no line
    draw_ticks(axes, spikes, -0.09, -0.02, linewidth=0.5, transform=axes.get_xaxis_transform(), clip_on=False)
    axes.tick_params(axis="x", pad=9)


def data_limits(data: np.ndarray, lines: np.ndarray) -> tuple[float, float]:
    """Return limits that hold the data, and other lines as far as they stay within one more range of it."""
    known = data[np.isfinite(data)]
    if not known.size:
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    span = (high - low) or abs(high) or 1.0
    others = np.clip(lines[np.isfinite(lines)], low - span, high + span)
    low, high = float(others.min(initial=low)), float(others.max(initial=high))
    return low - 0.05 * span, high + 0.05 * span


def _top(table: pd.DataFrame, columns: list[str]) -> float:
    """Return the axis's upper limit: all lines, but no more than three times the data (a diverging model leaves it)."""
    data = table.rate_data.max()
    lines = table[["rate_data", *columns]].to_numpy(float)
    highest = lines[np.isfinite(lines)].max(initial=0.0)
    return 1.08 * float(min(highest, 3 * data) if data > 0 else highest) or 1.0
