"""What terms are worth: alone and uniquely, by session and animal; how many units prefer each model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nwbglm.comparison import summarise_worth
from nwbglm.comparison.animals import levels_of
from nwbglm.comparison.weighed import INFLATED
from nwbglm.study import Study

from .inference_tests import draw_beside_null
from .style import COLORS, FAINT, INK, QUIET, NothingToDraw, canvas, letters

MOST = 0.98
"""Share of the sessions' values that an axis holds at least."""


def draw_worth(study: Study, tables: Mapping[str, pd.DataFrame]) -> tuple[Figure, pd.DataFrame]:
    """Draw each term's unique and lone contribution, and the unique ones of every session with their interval."""
    worth = tables["worth"]
    if not len(worth) or not np.isfinite(worth["unique"].to_numpy(float)).any():
        raise NothingToDraw("No term was weighed: nothing was held out, or no session was fitted.")
    summary = summarise_worth(worth, study.seed, study.inference.levels)
    terms = list(dict.fromkeys(zip(summary.model, summary.term, strict=True)))
    figure = canvas(9, 0.5 * len(terms) + 1.4)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1, 1.1])
    used = levels_of(worth, study.inference.levels)
    colors = {name: COLORS[k % len(COLORS)] for k, name in enumerate(dict.fromkeys(worth[used[0]]))}
    sessions = _sessions(worth)
    for place, (model, term) in enumerate(terms):
        mine = summary[(summary.model == model) & (summary.term == term)].set_index("quantity")
        _draw_ends(left, place, mine)
        part = sessions[(sessions.model == model) & (sessions.term == term)]
        _draw_sessions(right, place, part, mine.loc["unique"], colors, used[0])
    for axes, title in ((left, "unique to alone, with the inflation"), (right, "unique, by session")):
        axes.axvline(0, color=QUIET, linewidth=0.8, zorder=0)
        axes.set(xlabel="Deviance explained, held out", title=title)
    several = len(study.inference.worth.models) > 1
    left.set_yticks(range(len(terms)), [f"{model}: {term}" if several else term for model, term in terms])
    left.set_ylim(len(terms) - 0.4, -0.6)
    if 1 < len(colors) <= len(COLORS):
        handles = [right.plot([], [], "o", color=color, markersize=4, label=name)[0] for name, color in colors.items()]
        figure.legend(handles=handles, loc="outside upper center", ncols=6, title=f"{used[0]}s")
    return figure, pd.concat([summary, sessions.assign(quantity="unique", top="session")], ignore_index=True)


def _sessions(worth: pd.DataFrame) -> pd.DataFrame:
    """Return the medians over units of each session's unique contributions."""
    keys = [name for name in ("model", "term", "animal", "session") if name in worth]
    known = worth[np.isfinite(worth["unique"].to_numpy(float))]
    return known.groupby(keys, sort=False)["unique"].agg(estimate="median", units="size").reset_index()


def _draw_ends(axes: Axes, place: int, summary: pd.DataFrame) -> None:
    unique, alone = summary.estimate["unique"], summary.estimate["alone"]
    axes.plot([unique, alone], [place, place], color=FAINT, linewidth=7, solid_capstyle="butt", zorder=1)
    axes.plot(alone, place, "o", markersize=6, markerfacecolor="white", markeredgecolor=INK)
    axes.plot(unique, place, "o", markersize=6, color=INK)
    vif = summary.vif["unique"]
    text = "×∞" if np.isinf(vif) else f"×{vif:.2g}"
    axes.annotate(
        text, (max(unique, alone), place), xytext=(8, 0), textcoords="offset points", va="center",
        fontsize=letters(7.5),
        color=COLORS[1] if vif > INFLATED else QUIET,
    )  # fmt: skip


def _draw_sessions(
    axes: Axes, place: int, sessions: pd.DataFrame, summary: pd.Series, colors: Mapping[str, str], top: str
) -> None:
    spread = np.linspace(-0.2, 0.2, len(sessions)) if len(sessions) > 1 else np.zeros(1)
    tints = [colors[name] for name in sessions[top]]
    axes.scatter(sessions.estimate, place + spread[: len(sessions)], s=14, linewidths=0, c=tints)
    axes.plot([summary.estimate] * 2, [place - 0.32, place + 0.32], color=INK, linewidth=1.8)
    if np.isfinite(summary.low):
        axes.plot([summary.low, summary.high], [place + 0.32] * 2, color=INK, linewidth=1.2)


def draw_preferences(study: Study, tables: Mapping[str, pd.DataFrame]) -> tuple[Figure, pd.DataFrame]:
    """Draw how many units each model predicts best, beside what exchanged labels give."""
    found = tables["preferences"]
    if not len(found):
        raise NothingToDraw("There are no two models that were scored on equal held-out rows.")
    figure = canvas(9, 0.32 * len(found) + 1.1)
    axes = figure.add_subplot()
    for place, line in enumerate(found.itertuples()):
        outside = not line.null_low <= line.preferred <= line.null_high
        draw_beside_null(axes, place, line, line.preferred, beyond=outside)
    axes.set_yticks(range(len(found)), list(found.model))
    axes.set(ylim=(len(found) - 0.4, -0.6), xlim=(-0.5, None))
    axes.set_xlabel(f"Units (of {found.units.iloc[0]}) that the model predicts best")
    return figure, found
