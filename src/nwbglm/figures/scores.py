"""Scores of all models: units as points, medians as bars, in-sample beside held out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nwbglm.comparison import POOLED, ROUNDING, headline, primary, score_fit
from nwbglm.scores import by_name

from .session import Stores
from .style import FAINT, INK, QUIET, NothingToDraw, canvas, letters, robust_limits

AGAINST = "against the mean rate of the training rows"


def draw_scores(stores: Stores, subject: str) -> tuple[Figure, pd.DataFrame]:
    """Draw this session's scores, lines joining the models of a unit."""
    if not stores.fits:
        raise NothingToDraw("No model was fitted in this session.")
    table = pd.concat([score_fit(stores.fits[model]) for model in stores.models], ignore_index=True)
    colors = {model: style["color"] for model, style in stores.styles.items()}
    return draw_score_panels(table, stores.models, colors, join=True), table


def draw_score_panels(table: pd.DataFrame, models: list[str], colors: dict[str, str], join: bool) -> Figure:
    """Draw one panel a measure; held-out (or test) scores filled, in-sample ones hollow."""
    reported = headline(table)
    in_sample = table[(table.kind == "in-sample") & (table.fold == POOLED)]
    figure = canvas(9, 3.6)
    shown = (primary(reported), by_name("deviance_explained"))
    for axes, score in zip(figure.subplots(1, 2), shown, strict=True):
        measure = score.name
        floor = robust_limits(reported[measure].to_numpy(float))[0]
        _draw_group(axes, reported, measure, models, colors, -0.16, floor, join)
        if not (reported.kind == "in-sample").any():
            _draw_group(axes, in_sample, measure, models, colors, 0.2, floor, False)
        _finish(axes, pd.concat([reported, in_sample]), measure, models, floor)
        axes.set_ylabel(f"{score.label.capitalize()}\n{AGAINST}")
    kinds = {"test": "filled: explicit test; hollow: in-sample", "held-out": "filled: held out; hollow: in-sample"}
    kind = kinds.get(next(iter(reported.kind), ""), "in-sample only: nothing was held out")
    figure.axes[0].set_title(f"{kind}; bar: median")
    return figure


def _draw_group(
    axes: Axes,
    table: pd.DataFrame,
    measure: str,
    models: list[str],
    colors: Mapping[str, str],
    offset: float,
    floor: float,
    join: bool,
) -> None:
    wide = table.pivot_table(index=["session", "unit"], columns="model", values=measure, sort=False, dropna=False)
    wide = wide.reindex(columns=models)
    jitter = np.linspace(-0.09, 0.09, len(wide)) if len(wide) > 1 else np.zeros(len(wide))
    x = np.arange(len(models))[None] + offset + jitter[:, None]
    if join:
        axes.plot(x.T, np.maximum(wide.to_numpy(float), floor).T, color=FAINT, linewidth=0.5, zorder=1)
    filled = offset < 0
    for k, model in enumerate(models):
        values = wide[model].to_numpy(float)
        inside = values >= floor - ROUNDING
        face = colors[model] if filled else "none"
        style: dict[str, Any] = {
            "markersize": 4,
            "linestyle": "none",
            "markeredgecolor": colors[model],
            "markerfacecolor": face,
        }
        axes.plot(x[inside, k], values[inside], marker="o", **style)
        below = values < floor - ROUNDING
        if below.any():
            axes.plot(x[below, k], np.full(below.sum(), floor), marker="v", **style)
            axes.annotate(
                f"{below.sum()}",
                (k + offset, floor),
                (0, -9),
                textcoords="offset points",
                ha="center",
                fontsize=letters(7),
            )
        if np.isfinite(values).any():
            median = max(float(np.nanmedian(values)), floor)
            axes.hlines(
                median, k + offset - 0.14, k + offset + 0.14, color=INK, linewidth=1.8 if filled else 0.9, zorder=3
            )


def _finish(axes: Axes, table: pd.DataFrame, measure: str, models: list[str], floor: float) -> None:
    axes.axhline(0, color=QUIET, linewidth=0.7, zorder=0)
    axes.set_xticks(range(len(models)), models, rotation=25, ha="right", rotation_mode="anchor")
    shown = table[measure].to_numpy(float)
    shown = shown[np.isfinite(shown) & (shown >= floor)]
    top = max(float(shown.max()) if shown.size else 1.0, 1e-3)
    low = min(floor, 0.0)
    axes.set_ylim(low - 0.08 * (top - low), top + 0.08 * (top - low))
    axes.set_xlim(-0.6, len(models) - 0.4)
