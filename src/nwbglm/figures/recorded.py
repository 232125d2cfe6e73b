"""The recording at a glance: what the study calls its epochs, its signals and its spikes, over all that is in use."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .rates import ENVELOPE, draw_line, envelope
from .session import Stores, name_levels, segment_breaks, signal_label, time_axis
from .style import COLORS, FAINT, INK, QUIET, canvas, letters
from .texts import shown

LABEL = 0.22  # height of a label with the room around it, about inches
COLUMNS = 1500  # pieces of time of the raster, and of its table
NAMED = 12  # kinds of epochs that have a colour and a name of their own
LETTER = 0.0085  # share of the width that a letter above the epochs needs


def draw_overview(stores: Stores, subject: str) -> tuple[Figure, pd.DataFrame]:
    """Draw epochs with their labels, every signal, and the units' responses, over all bins in use."""
    binned = stores.binned
    breaks = segment_breaks(np.arange(binned.sizes["time"]), binned.segment.values)
    time, label = time_axis(binned, breaks, stores.bin)
    signals = list(stores.study.signals)
    counted = stores.response.counts
    units = len(stores.fitted_units)
    heights = [0.55] + [0.9] * len(signals) + [_rows_height(units)]
    figure = canvas(9, 1.05 * sum(heights) + 1.0)
    panels = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
    _draw_epochs(panels[0], stores, time, breaks)
    for axes, name in zip(panels[1:], signals, strict=False):
        _draw_signal(axes, time, binned[name], breaks, stores.bin)
    order = stores.order()
    pieces = np.array_split(np.arange(len(time)), min(COLUMNS, len(time)))
    values = np.stack([binned.response.values[piece].sum(0) / len(piece) for piece in pieces])[:, order]
    _draw_units(panels[-1], stores, time, breaks, order, values)
    for axes in panels[1:]:
        axes.vlines(time[breaks], 0, 1, transform=axes.get_xaxis_transform(), color=FAINT, linewidth=0.6)
    panels[-1].set(xlabel=label, xlim=(time[0], time[-1] + stores.bin))
    figure.align_ylabels(panels)
    starts = np.array([piece[0] for piece in pieces])
    table = pd.DataFrame(
        {
            "time": binned.time.values[starts],
            "segment": binned.segment.values[starts],
            "epoch": _labels(binned)[binned.segment.values[starts]],
        }
    )
    for purpose in binned.purpose.values.astype(str):
        table[f"in_{purpose}"] = binned.in_epoch.sel(purpose=purpose).values[starts]
    for name in signals:
        table[name] = [_mean(binned[name].values[piece]) for piece in pieces]
    what = "rate" if counted else "response"
    per = stores.response.per
    return figure, table.assign(**{f"{what}_{u}": values[:, i] / per for i, u in enumerate(binned.unit.values[order])})


def _rows_height(units: int) -> float:
    """Return the height of the units' panel, about inches."""
    return float(np.clip(0.07 * units, 0.5, 2.4))


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else np.nan


def _labels(binned: xr.Dataset) -> np.ndarray:
    """Return what the file calls each segment; its number where it calls it nothing."""
    count = int(binned.segment.values.max(initial=-1)) + 1
    if "segment_label" not in binned:
        return np.array([str(k) for k in range(count)])
    texts = [str(label) for label in binned["segment_label"].values]
    return np.array([text if text not in ("", "nan", "None") else str(k) for k, text in enumerate(texts)])


def _draw_epochs(axes: Axes, stores: Stores, time: np.ndarray, breaks: np.ndarray) -> None:
    """Draw a row of epochs by label, and one for each purpose that is not all of it."""
    binned = stores.binned
    labels = _labels(binned)
    kinds = {label: k for k, label in enumerate(dict.fromkeys(labels))}
    ends = [0, *breaks.tolist(), len(time)]
    width = time[-1] - time[0] + stores.bin
    free, before = -np.inf, ""
    for first, end in pairwise(ends):
        name = labels[binned.segment.values[first]]
        color = COLORS[kinds[name] % len(COLORS)] if len(kinds) <= NAMED else QUIET
        span = (time[first], (end - first) * stores.bin)
        axes.broken_barh([span], (-0.4, 0.8), facecolors=color, linewidth=0.4, edgecolor="white")
        place, text = (time[first] - time[0]) / width, shown(name, 24)
        if place >= free and name != before and len(kinds) <= NAMED:
            axes.annotate(
                text, (time[first], -0.45), (1, 2), textcoords="offset points", fontsize=letters(7),
                va="bottom", annotation_clip=False,
            )  # fmt: skip
            free, before = place + LETTER * (len(text) + 1), name
    purposes = [p for p in binned.purpose.values.astype(str) if not binned.in_epoch.sel(purpose=p).values.all()]
    for row, purpose in enumerate(purposes, start=1):
        inside = binned.in_epoch.sel(purpose=purpose).values
        spans = [(time[a], (b - a) * stores.bin) for a, b in runs(inside, breaks)]
        axes.broken_barh(spans, (row - 0.3, 0.6), facecolors=INK)
    axes.set_yticks(range(len(purposes) + 1), ["epochs", *purposes])
    axes.set_ylim(len(purposes) + 0.5, -0.5)
    axes.tick_params(length=0, labelbottom=False)
    axes.spines[:].set_visible(False)


def runs(inside: np.ndarray, breaks: np.ndarray) -> list[tuple[int, int]]:
    """Return first and last position (behind the last) of each stretch that is true, ended by breaks too."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]]).astype(int)))
    out = []
    for first, end in edges.reshape(-1, 2).tolist():
        cuts = [first, *[int(b) for b in breaks if first < b < end], end]
        out += list(pairwise(cuts))
    return out


def _draw_signal(axes: Axes, time: np.ndarray, signal: xr.DataArray, breaks: np.ndarray, bin_: float) -> None:
    values = signal.values.astype(float)
    period = signal.attrs.get("period")
    if period is not None:
        breaks = np.union1d(breaks, np.flatnonzero(np.abs(np.diff(values)) > period / 2) + 1).astype(int)
    if len(time) > 2 * ENVELOPE:
        x, y = envelope(time, values)
        if period is None:
            axes.plot(x, y, color=INK, linewidth=0.5)
        else:
            axes.plot(x, y, ".", color=INK, markersize=0.8)
    else:
        draw_line(axes, time, values, breaks, color=INK, linewidth=0.6)
    axes.set_ylabel(signal_label(shown(signal.name, 24), signal.attrs, "\n"))
    name_levels(axes.yaxis, signal.attrs)


def _draw_units(
    axes: Axes, stores: Stores, time: np.ndarray, breaks: np.ndarray, order: np.ndarray, values: np.ndarray
) -> None:
    """Draw spikes as ticks where one can see them apart, else how dense they are."""
    counts = stores.binned.response.values
    spikes = int((counts > 0).sum())
    if stores.response.counts and spikes <= 700 * len(order) and len(order) <= 40:
        for row, unit in enumerate(order):
            at = time[counts[:, unit] > 0]
            axes.plot(np.repeat(at, 3), np.tile([row - 0.4, row + 0.4, np.nan], len(at)), color=INK, linewidth=0.5)
    else:
        top = np.nanquantile(values, 0.99, axis=0)
        low = np.zeros_like(top) if stores.response.counts else np.nanquantile(values, 0.01, axis=0)
        scaled = (values - low) / np.maximum(top - low, 1e-12)
        extent = (time[0], time[-1] + stores.bin, -0.5, len(order) - 0.5)
        axes.imshow(scaled.T, aspect="auto", origin="lower", extent=extent, cmap="Greys", vmin=0, vmax=1)
    step = max(1, -(-len(order) // max(1, int(_rows_height(len(order)) / LABEL))))
    places = np.arange(0, len(order), step)
    axes.set_yticks(places, [str(stores.binned.unit.values[order[p]]) for p in places])
    axes.set(ylim=(-0.5, len(order) - 0.5), ylabel="Unit")
