"""Tests of terms as figures: each unit's null, effects beside p values, counts beside what chance gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nwbglm.inference.nulls import FEW_STRETCHES, TOO_FEW_STRETCHES
from nwbglm.study import Study

from .session import Stores
from .style import COLORS, FAINT, INK, QUIET, NothingToDraw, canvas, grid, letters

MOST = 25
"""Units whose nulls are drawn; all are in the table."""

WARN = "#B00020"


def draw_null(stores: Stores, subject: str) -> tuple[Figure, pd.DataFrame]:
    """Draw, for each unit, the statistics of the moved rows and the real one."""
    if subject not in stores.tests:
        raise NothingToDraw(f"The test '{subject}' was not made in this session.")
    tests = stores.tests[subject]
    known = np.flatnonzero(np.isfinite(tests["p"].values))
    if not known.size:
        raise NothingToDraw("No unit could be tested: the model without the term has no fit.")
    shown = _example_first(tests["unit"].values, known, stores.example)[:MOST]
    figure, panels = grid(len(shown), 5 if len(shown) > 1 else 1, width=9 if len(shown) > 1 else 5, height=1.5)
    for axes, k in zip(panels, shown, strict=True):
        _draw_one(axes, tests.isel(unit=k))
    stretches = float(tests["stretches"].values[known].min())
    left_out = f"; the first {MOST} of {known.size} units" if known.size > MOST else ""
    figure.suptitle(
        f"{tests.attrs['null']} null, {tests.sizes['draw']} draws; {stretches:.1f} independent stretches{left_out}",
        fontsize=letters(9), x=0.01, ha="left", color=WARN if stretches < FEW_STRETCHES else INK,
    )  # fmt: skip
    figure.supxlabel("Statistic", fontsize=letters(9))
    figure.supylabel("Draws", fontsize=letters(9))
    return figure, _null_table(tests)


def _example_first(units: np.ndarray, known: np.ndarray, example: int) -> np.ndarray:
    first = known[units[known] == example]
    return np.concatenate([first, known[units[known] != example]])


def _draw_one(axes: Axes, unit: xr.Dataset) -> None:
    null = unit["null"].values
    null = null[np.isfinite(null)]
    real, p = float(unit["statistic"]), float(unit["p"])
    top = max(real, float(np.quantile(null, 0.995)) if null.size else 0.0) * 1.08
    axes.hist(np.minimum(null, top), bins=np.linspace(0, top or 1.0, 30).tolist(), color=FAINT, linewidth=0)
    axes.axvline(real, color=COLORS[1] if p <= 0.05 else INK, linewidth=1.6)
    axes.set_yticks([])
    axes.set_title(f"unit {int(unit['unit'])}: p {p:.2g}")


def _null_table(tests: xr.Dataset) -> pd.DataFrame:
    """Lay the draws out as unit, draw, statistic; draw 0 is the data."""
    draws = tests.sizes["draw"]
    statistics = np.concatenate([tests["statistic"].values[:, None], tests["null"].values], axis=1)
    return pd.DataFrame(
        {
            "unit": np.repeat(tests["unit"].values, draws + 1),
            "draw": np.tile(np.arange(draws + 1), tests.sizes["unit"]),
            "statistic": statistics.ravel(),
            "p": np.repeat(tests["p"].values, draws + 1),
        }
    )


def draw_volcano(study: Study, tables: Mapping[str, pd.DataFrame]) -> tuple[Figure, pd.DataFrame]:
    """Draw, for each test, held-out gain against p value, and the p values against the uniform."""
    tests = tables["tests"]
    tests = tests[np.isfinite(tests["p"])] if len(tests) else tests
    names = [name for name in study.inference.tests if len(tests) and (tests.test == name).any()]
    if not names:
        raise NothingToDraw("No unit could be tested.")
    figure = canvas(9, 2.9 * len(names))
    for row, name in zip(figure.subplots(len(names), 2, squeeze=False, width_ratios=[2, 1]), names, strict=True):
        part = tests[tests.test == name]
        _draw_effects(row[0], part, name)
        _draw_p_values(row[1], part["p"].to_numpy(float))
    return figure, tests


def _draw_effects(axes: Axes, tests: pd.DataFrame, name: str) -> None:
    gain, height = tests.held_out_gain.to_numpy(float), -np.log10(tests.p.to_numpy(float))
    significant = tests.significant.to_numpy(bool)
    reach = 3 * np.nanquantile(np.abs(gain), 0.9) if np.isfinite(gain).any() else 1.0
    shown = np.clip(np.nan_to_num(gain), -reach, reach)
    axes.axvline(0, color=FAINT, linewidth=0.8)
    axes.axhline(-np.log10(tests.floor.min()), color=QUIET, linewidth=0.8, linestyle="--")
    axes.scatter(shown[~significant], height[~significant], s=18, facecolors="none", edgecolors=COLORS[0])
    axes.scatter(shown[significant], height[significant], s=18, color=COLORS[1], linewidths=0)
    ticks = [p for p in (1, 0.1, 0.05, 0.01, 0.001, 1e-4, 1e-5) if p >= tests.floor.min() / 2]
    axes.set_yticks(-np.log10(ticks), [f"{p:g}" for p in ticks])
    axes.set(ylabel="p value", ylim=(-0.05, -np.log10(tests.floor.min()) * 1.12 + 0.1))
    axes.set_xlabel("Held-out gain (bits per spike)" if np.isfinite(gain).any() else "Nothing was held out")
    title = f"{name}: {int(significant.sum())} of {len(tests)} units significant after correction"
    stretches = float(tests.stretches.min())
    if stretches < TOO_FEW_STRETCHES:
        axes.set_title(f"{title}; undecided: {stretches:.1f} independent stretches", color=WARN)
    else:
        axes.set_title(title)


def _draw_p_values(axes: Axes, p: np.ndarray) -> None:
    bins = np.linspace(0, 1, 21).tolist()
    axes.hist(p, bins=bins, color=FAINT, edgecolor="white", linewidth=0.5)
    axes.axhline(len(p) / 20, color=INK, linewidth=1)
    axes.set(xlim=(0, 1), xlabel="p value", ylabel="Units")


def draw_beside_null(axes: Axes, place: int, line: Any, count: float, *, beyond: bool) -> None:
    """Draw a count in its row, over the range and the median of what chance gives (``null_*`` of `line`)."""
    axes.plot([line.null_low, line.null_high], [place, place], color=FAINT, linewidth=7, solid_capstyle="butt")
    axes.plot([line.null_median] * 2, [place - 0.28, place + 0.28], color=QUIET, linewidth=1.4)
    axes.plot(count, place, "o", color=COLORS[1] if beyond else COLORS[0], markersize=6)


def draw_counts(study: Study, tables: Mapping[str, pd.DataFrame]) -> tuple[Figure, pd.DataFrame]:
    """Draw the number of units with p <= .05 in each session beside the middle 95 % of what the null gives."""
    population = tables["population"]
    known = population[np.isfinite(population.null_median)] if len(population) else population
    if not len(known):
        raise NothingToDraw("No unit could be tested.")
    figure = canvas(9, 0.32 * len(known) + 1.1)
    axes = figure.add_subplot()
    for place, line in enumerate(known.itertuples()):
        draw_beside_null(axes, place, line, line.alone, beyond=line.alone > line.null_high)
        axes.annotate(
            f"p {line.p:.2g}", (max(line.alone, line.null_high), place), xytext=(8, 0), textcoords="offset points",
            va="center", fontsize=letters(7.5), color=QUIET,
        )  # fmt: skip
    axes.set_yticks(range(len(known)), [f"{line.test}, {line.session} ({line.units})" for line in known.itertuples()])
    axes.set(ylim=(len(known) - 0.4, -0.6), xlim=(-0.5, None), xlabel="Units with p ≤ 0.05 by themselves")
    return figure, known
