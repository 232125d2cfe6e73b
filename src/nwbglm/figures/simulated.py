"""Simulated responses beside the recorded one: several draws of each model, their smoothed rate and its spread."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nwbglm.errors import ProblemError
from nwbglm.fits.generate import simulate

from .rates import draw_ticks
from .session import Stores, interrupt, segment_breaks, smooth, time_axis
from .style import INK, NothingToDraw, canvas, letters, mark_clipped
from .texts import shown

SHOWN = 5  # draws whose spikes are shown
DRAWS = 20  # that the smoothed rate and its spread are of
POINTS = 1000  # pieces of time of the lines and of the table
MOST = 4e9  # multiplications of a simulation; above, fewer draws, and none where one is too much


class Draws(NamedTuple):
    """Simulations of one model over the window: responses (draw, time) of the example unit, or why there are none."""

    values: np.ndarray
    why: str


def draw_simulated(stores: Stores, subject: str) -> tuple[Figure, pd.DataFrame]:
    """Draw the recorded response of the example unit above draws of every model, and their smoothed rates below."""
    rows = stores.window
    if not rows.size or not stores.fits:
        raise NothingToDraw("The figures' window holds no bin of this session.")
    part = stores.binned.isel(time=rows)
    breaks = segment_breaks(rows, part.segment.values)
    time, label = time_axis(part, breaks, stores.bin)
    counted, unit = stores.response.counts, stores.example
    data = part.response.sel(unit=unit).values.astype(float)
    drawn = {model: draw_model(stores, model, rows) for model in stores.models if model in stores.fits}
    heights = [0.28] * counted + ([0.5, 0.75] if counted else [0.9]) * len(drawn)
    figure = canvas(9, sum(heights) * 1.2 + 0.7)
    panels = iter(figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0])
    pieces = np.array_split(np.arange(len(rows)), min(POINTS, len(rows)))
    starts = np.array([piece[0] for piece in pieces])
    table = pd.DataFrame({"time": part.time.values[starts], "segment": part.segment.values[starts]})
    table["data"] = [data[piece].sum() if counted else data[piece].mean() for piece in pieces]
    if counted:
        _raster(next(panels), time, data[None], "data")
    spread = Spread(stores, time, breaks, data, starts)
    table["smoothed data"] = spread.rate[starts]
    for model, draws in drawn.items():
        if counted:
            _raster(next(panels), time, draws.values[:SHOWN], shown(model, 24), draws.why)
        table = table.assign(**spread.draw(next(panels), model, draws, pieces))
    figure.axes[-1].set(xlabel=label, xlim=(time[0], time[-1] + stores.bin))
    figure.axes[-1].tick_params(labelbottom=True)
    figure.axes[0].set_title(f"unit {unit}")
    return figure, table


def draw_model(stores: Stores, model: str, rows: np.ndarray) -> Draws:
    """Simulate a model over the window, from a run-up as long as the longest history on."""
    nothing = np.zeros((0, len(rows)))
    fit, binned = stores.fits[model], stores.binned
    windows = [
        factor.basis.window or 0.0
        for name in stores.study.models[model].terms
        for factor in stores.study.terms[name].factors
    ]
    lead = round(max(windows, default=0.0) / stores.bin)
    first = max(0, int(rows[0]) - lead)
    here = np.arange(first, int(rows[-1]) + 1)
    units = fit.sizes["unit"]
    cost = (
        float(len(here))
        * units
        * (1 + units * lead * any(stores.study.terms[t].of_spikes for t in stores.study.models[model].terms))
    )
    draws = int(min(DRAWS, MOST // max(cost, 1)))
    if not draws:
        return Draws(nothing, "too many units to be simulated for a figure")
    try:
        made = simulate(fit, binned.isel(time=here), draws=draws, seed=stores.study.seed)
    except ProblemError as error:
        return Draws(nothing, f"not simulated: {error.args[0]}"[:160])
    values = made["response"].sel(unit=stores.example).values[:, rows - first].astype(float)
    ran = int(np.isfinite(made["ran_away"].values).sum())
    values[:, ~made["valid"].values[rows - first]] = np.nan
    return Draws(values, f"ran away in {ran} of {draws} draws" if ran else "")


def _raster(axes: Axes, time: np.ndarray, counts: np.ndarray, label: str, why: str = "") -> None:
    """Draw a row of ticks for each draw."""
    for row, values in enumerate(counts):
        draw_ticks(axes, time[np.nan_to_num(values) > 0], row + 0.1, row + 0.9, linewidth=0.5)
    if why:
        axes.text(0.01, 0.5, why, transform=axes.transAxes, va="center", fontsize=letters(7.5), backgroundcolor="white")
    axes.set(ylim=(max(len(counts), 1), 0), yticks=[max(len(counts), 1) / 2], yticklabels=[label])
    axes.tick_params(length=0, labelbottom=False)
    axes.spines[:].set_visible(False)


class Spread:
    """The smoothed rate of the data, and beside it that of a model's draws: their mean, with 5 to 95 % of them."""

    def __init__(self, stores: Stores, time: np.ndarray, breaks: np.ndarray, data: np.ndarray, starts: np.ndarray):
        self.stores, self.time, self.breaks, self.starts = stores, time, breaks, starts
        self.rate = self._smoothed(data)
        known = self.rate[np.isfinite(self.rate)]
        low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
        span = (high - low) or abs(high) or 1.0
        self.limits = (0.0 if stores.response.counts else low - 0.5 * span, high + 0.5 * span)

    def _smoothed(self, values: np.ndarray) -> np.ndarray:
        settings, per = self.stores.study.figures.smooth, self.stores.response.per
        if not self.stores.response.counts:
            return values
        return smooth(values / per, self.breaks, settings.std / self.stores.bin, settings.size_factor)

    def draw(self, axes: Axes, model: str, draws: Draws, pieces: list[np.ndarray]) -> dict[str, np.ndarray]:
        """Draw one model; return the columns of its table."""
        at, counted = self.time[self.starts], self.stores.response.counts
        cuts = np.searchsorted(self.starts, self.breaks)
        axes.plot(interrupt(at, cuts), interrupt(self.rate[self.starts], cuts), color=INK, linewidth=1.0)
        axes.set(ylim=self.limits, ylabel=self.stores.response.rate_units)
        axes.tick_params(labelbottom=False)
        if not counted:
            axes.set_title(f"{shown(model, 24)} {draws.why}")
        if not len(draws.values):
            return {}
        each = np.stack([self._smoothed(values) for values in draws.values])[:, self.starts]
        low, mean, high = np.quantile(each, 0.05, axis=0), each.mean(axis=0), np.quantile(each, 0.95, axis=0)
        style = self.stores.styles[model]
        axes.fill_between(at, low, high, color=style["color"], alpha=0.25, linewidth=0)
        axes.plot(interrupt(at, cuts), interrupt(mean, cuts), **style)
        mark_clipped(axes, np.concatenate([mean, self.rate]), self.limits)
        first = [draws.values[0][piece].sum() if counted else draws.values[0][piece].mean() for piece in pieces]
        names = (f"{model}, mean of {len(each)}", f"{model}, 5 %", f"{model}, 95 %")
        return {f"{model}, draw 1": np.array(first)} | dict(zip(names, (mean, low, high), strict=True))
