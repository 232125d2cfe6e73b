"""The window of history that slides along a unit's past: one position, all of them stacked, and the way between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .motion import COVER, SLIDE, mark
from .session import Stores
from .style import COLORS, FAINT, INK, NothingToDraw, canvas
from .texts import shown

STEPS = 40  # positions of the window


@dataclass(frozen=True)
class History:
    """What is drawn: values (bin), where the first predicted bin is, and how many bins the window holds."""

    time: np.ndarray
    values: np.ndarray
    window: int

    @property
    def matrix(self) -> np.ndarray:
        """The window at each position, (position, lag): the nearest past first."""
        positions = len(self.values) - self.window
        return np.stack([self.values[k : k + self.window][::-1] for k in range(positions)])


def draw_window(stores: Stores, subject: str) -> tuple[Figure, pd.DataFrame]:
    """Draw the values of the example unit (or signal) with the window over them, and its rows stacked below."""
    history, label = find_history(stores, subject)
    step = history.time[1] - history.time[0]
    figure = canvas(9, 4.6)
    top, below = figure.subplots(2, 1, height_ratios=[1, 1.6])
    top.bar(history.time, history.values, width=step, color=INK, linewidth=0)
    low, high = min(0.0, float(history.values.min())), float(history.values.max()) or 1.0
    top.set(xlim=(history.time[0] - step / 2, history.time[-1] + step / 2), ylim=(low, high * 1.08), ylabel=label)
    top.set(xlabel="Time in the epoch (s)")
    top.set_title(f"{_input_name(stores, subject)}: the window (shaded) predicts the next bin")
    start = history.time[0] - step / 2
    window = top.add_patch(
        Rectangle((start, low), history.window * step, high * 1.08 - low, color=FAINT, alpha=0.6, zorder=0)
    )
    edge: dict[str, Any] = {"facecolor": "none", "edgecolor": COLORS[1], "linewidth": 1.5}
    now = top.add_patch(Rectangle((start + history.window * step, low), step, high * 1.08 - low, **edge))
    matrix = history.matrix
    rows, lags = matrix.shape
    extent = (0.5 * step, (lags + 0.5) * step, rows - 0.5, -0.5)
    below.imshow(matrix, aspect="auto", extent=extent, cmap="Greys", vmin=low, vmax=high)
    below.set(xlabel="Lag (s)", ylabel="Row of the features", title=f"the window at each of {rows} bins, stacked")
    cover = below.add_patch(Rectangle((extent[0], 0.5), lags * step, rows, color="white", zorder=3))
    cover.set_clip_on(True)
    row = below.add_patch(Rectangle((extent[0], -0.5), lags * step, 1, zorder=4, **edge))
    row.set_clip_on(False)
    figure.draw_without_rendering()  # places are known from here on
    figure.set_layout_engine("none")
    across = _distance(top.transData.transform([(0, 0), ((rows - 1) * step, 0)]), figure)[0]
    down = _distance(below.transData.transform([(0, 0), (0, rows - 1)]), figure)[1]
    moving: tuple[tuple[Artist, str, float, float], ...] = (
        (window, SLIDE, across, 0.0),
        (now, SLIDE, across, 0.0),
        (row, SLIDE, 0.0, down),
        (cover, COVER, 0.0, down),
    )
    for artist, kind, dx, dy in moving:
        mark(artist, kind, dx, dy, rows - 1)
    cover.set_alpha(0.0)
    names = {f"lag_{(k + 1) * step:.6g}": matrix[:, k] for k in range(lags)}
    predicted = {"time": history.time[history.window :], "value": history.values[history.window :]}
    return figure, pd.DataFrame(predicted | names)


def _distance(ends: np.ndarray, figure: Figure) -> np.ndarray:
    """Return a distance on the screen in points, as SVG has them."""
    return (ends[1] - ends[0]) * 72 / figure.dpi


def _input_name(stores: Stores, term: str) -> str:
    of = stores.study.terms[term].factors[0].of
    return f"unit {stores.example}" if stores.study.terms[term].of_spikes else shown(of)


def find_history(stores: Stores, term: str) -> tuple[History, str]:
    """Return the busiest stretch of the window's length and some bins, of the term's input, within one segment.

    Windows of very many bins are shown with their first bins, `STEPS` and a half times.
    """
    factor = stores.study.terms[term].factors[0]
    binned, rows = stores.binned, stores.folds.row.values
    if stores.study.terms[term].of_spikes:
        values, label = binned.response.sel(unit=stores.example).values, stores.response.input_label
    else:
        values, label = binned[factor.of].values, shown(factor.of)
    window = int(min(round((factor.basis.window or 0.0) / stores.bin), 4 * STEPS))
    length = window + STEPS
    segment = binned.segment.values
    if len(rows) < length:
        raise NothingToDraw("The fit epochs are shorter than the window.")
    starts = rows[: len(rows) - length + 1]
    whole = (rows[length - 1 :] - starts == length - 1) & (segment[starts] == segment[rows[length - 1 :]])
    filled = np.nan_to_num(values.astype(float))
    total = np.concatenate([[0.0], np.cumsum(np.abs(filled - np.median(filled)))])
    starts = starts[whole]
    starts = (
        starts[[bool(np.isfinite(values[s : s + length]).all()) for s in starts]] if len(starts) < 20000 else starts
    )
    if not starts.size:
        raise NothingToDraw("No stretch of the fit epochs is as long as the window.")
    start = int(starts[np.argmax(total[starts + length] - total[starts])])
    begin = (
        float(binned["segment_start"].values[segment[start]])
        if "segment_start" in binned.coords
        else binned.time.values[0]
    )
    here = slice(start, start + length)
    return History(binned.time.values[here] - begin, filled[here], window), label
