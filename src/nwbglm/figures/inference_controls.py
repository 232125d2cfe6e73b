"""Scores of models beside those of the same models under controls."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nwbglm.study import Study

from .style import COLORS, FAINT, INK, NothingToDraw, canvas, robust_limits


def draw_controls(study: Study, tables: Mapping[str, pd.DataFrame]) -> tuple[Figure, pd.DataFrame]:
    """Draw each unit's held-out score under every control, beside that of the model as it is."""
    controls = tables["controls"]
    known = controls[controls.difference.notna()] if len(controls) else controls
    names = [name for name in study.inference.controls if len(known) and (known.name == name).any()]
    if not names:
        reasons = "; ".join(dict.fromkeys(controls.reason)) if len(controls) else ""
        raise NothingToDraw(f"No control could be fitted{': ' + reasons if reasons else ''}.")
    figure = canvas(min(9, 2.4 * len(names) + 1), 3.2)
    panels = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    limits = robust_limits(known[["score", "controlled"]].to_numpy(float).ravel())
    for axes, name in zip(panels, names, strict=True):
        _draw_one(axes, known[known.name == name], limits)
        axes.set_title(name)
    per = "spike" if study.response is None else "bin"
    panels[0].set_ylabel(f"Bits per {per}, held out")
    return figure, controls


def _draw_one(axes: Axes, part: pd.DataFrame, limits: tuple[float, float]) -> None:
    values = np.clip(part[["score", "controlled"]].to_numpy(float), *limits)
    axes.axhline(0, color=FAINT, linewidth=0.8)
    axes.plot([0, 1], values.T, color=FAINT, linewidth=0.6)
    for place, color in ((0, COLORS[0]), (1, COLORS[1])):
        axes.plot(np.full(len(values), place), values[:, place], "o", color=color, markersize=3.5, alpha=0.8)
        median = float(np.median(values[:, place]))
        axes.hlines(median, place - 0.25, place + 0.25, color=INK, linewidth=1.8, zorder=3)
    axes.set_xticks([0, 1], ["as it is", str(part.control.iloc[0]).replace("_", " ")])
    axes.set_xlim(-0.5, 1.5)
