"""Figures over all sessions, from the comparison's tables."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nwbglm.comparison import headline, primary, summarise_pairs
from nwbglm.study import Study

from .catalogue import OVERALL, split_name
from .scores import draw_score_panels
from .style import (
    COLORS,
    INK,
    QUIET,
    NothingToDraw,
    abreast,
    canvas,
    letters,
    line_styles,
    robust_limits,
    say,
    settled,
    styled,
)


def draw_overall(name: str, *, study: Study, **tables: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Draw one figure over all sessions.

    Parameters
    ----------
    name
        One of `overall_figures_of(study)`.
    study
        The study: order and colours of the models.
    **tables
        What `compare_models` returns.
    """
    module, function = OVERALL[split_name(name)[0]].draw.split(":")
    with styled():
        try:
            figure, table = getattr(importlib.import_module(f"nwbglm.figures.{module}"), function)(study, tables)
            return settled(figure), table
        except NothingToDraw as reason:
            return say(str(reason))


def draw_scores(study: Study, tables: Mapping[str, pd.DataFrame]) -> tuple[Figure, pd.DataFrame]:
    """Draw the scores of all sessions' units."""
    scores = tables["scores"]
    if scores.empty:
        raise NothingToDraw("No session was fitted.")
    models = [model for model in study.models if model in set(scores.model)]
    colors = {model: style["color"] for model, style in line_styles(study.models).items()}
    return draw_score_panels(scores, models, colors, join=False), scores


def _seen(rows: pd.DataFrame) -> str:
    return "in sample" if (rows.kind == "in-sample").any() else "held out"


def draw_differences(study: Study, tables: Mapping[str, pd.DataFrame]) -> tuple[Figure, pd.DataFrame]:
    """Draw the paired differences of every two models, one row each."""
    pairs = tables["pairs"]
    if pairs.empty:
        raise NothingToDraw("There is no session in which two models were fitted.")
    rows = headline(pairs)
    summary = summarise_pairs(pairs, seed=study.seed, levels=study.inference.levels)
    sessions = {name: COLORS[k % len(COLORS)] for k, name in enumerate(dict.fromkeys(rows.session))}
    score = primary(rows)
    limits = robust_limits(rows[score.name].to_numpy(float))
    figure = canvas(9, 0.36 * len(summary) + 1.2)
    axes = figure.add_subplot()
    for position, line in enumerate(summary.itertuples()):
        part = rows[(rows.model == line.model) & (rows.other == line.other)]
        _draw_points(axes, part.assign(value=part[score.name]), position, sessions, limits)
        axes.vlines(np.clip(line.estimate, *limits), position - 0.32, position + 0.32, color=INK, linewidth=2)
        if np.isfinite(line.low):
            ends = np.clip([line.low, line.high], *limits)
            axes.hlines(position + 0.36, *ends, color=INK, linewidth=1.2)
    axes.axvline(0, color=QUIET, linewidth=0.8, zorder=0)
    labels = [f"{line.model} − {line.other}" for line in summary.itertuples()]
    axes.set_yticks(range(len(labels)), labels)
    axes.set(ylim=(len(labels) - 0.4, -0.6), xlabel=f"Difference in {score.label} ({_seen(rows)})")
    if 1 < len(sessions) <= len(COLORS):
        handles = [axes.plot([], [], "o", color=color, markersize=4, label=name)[0] for name, color in sessions.items()]
        figure.legend(handles=handles, loc="outside upper center", ncols=abreast(6))
    return figure, rows


def _draw_points(
    axes: Axes, part: pd.DataFrame, position: int, sessions: dict[str, str], limits: tuple[float, float]
) -> None:
    """Draw the units of one pair; what lies outside the limits becomes a triangle at the edge."""
    part = part[part.value.notna()]
    values = part.value.to_numpy(float)
    y = position + np.linspace(-0.22, 0.22, len(values)) if len(values) > 1 else np.full(len(values), position)
    colors = part.session.map(sessions).to_numpy()
    below, above = values < limits[0], values > limits[1]
    for marker, chosen in (("o", ~below & ~above), ("<", below), (">", above)):
        axes.scatter(np.clip(values[chosen], *limits), y[chosen], s=14, c=colors[chosen], marker=marker, linewidths=0)
    for hidden, edge, shift, align in ((below, limits[0], -5, "right"), (above, limits[1], 5, "left")):
        if hidden.any():
            axes.annotate(
                f"{hidden.sum()}", (edge, position), (shift, 0), textcoords="offset points", ha=align, va="center",
                fontsize=letters(7),
            )  # fmt: skip
