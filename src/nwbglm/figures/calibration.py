"""What `nwbglm calibrate` found, as figures: sizes of nulls beside their level and power; coverage beside 95 %."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .style import COLORS, INK, QUIET, canvas

LEVEL, TARGET = 0.05, 0.08
METHODS = ("block + prior", "block", "laplace", "sampling", "newey_west 40")


def draw_rejections(table: pd.DataFrame) -> Figure:
    """Draw shares of rejected tests, with two standard errors: sizes on the left, powers on the right.

    Parameters
    ----------
    table
        Of `nwbglm.inference.calibrate.rejections`.
    """
    figure = canvas(9, 4.6)
    left, right = figure.subplots(1, 2, width_ratios=[5, 3], sharey=True)
    nulls = list(dict.fromkeys(zip(table["null"], table["drift"], strict=True)))
    names = [f"{null}{', drift term' if drift else ''}" for null, drift in nulls]
    sizes = table[table["gain"] == 0]
    for axes, part in ((left, sizes), (right, table[table["gain"] > 0])):
        scenarios = list(dict.fromkeys(part["scenario"]))
        for k, scenario in enumerate(scenarios):
            mine = part[part["scenario"] == scenario].set_index(["null", "drift"]).loc[nulls]
            place = np.arange(len(nulls)) + (k - (len(scenarios) - 1) / 2) * 0.13
            axes.errorbar(
                mine["rejected"], place, xerr=2 * mine["standard_error"], fmt="o", markersize=4, linewidth=0.8,
                color=COLORS[k], label=scenario.removeprefix("power: "),
            )  # fmt: skip
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=3 if axes is left else 2, fontsize=7.5)
    left.axvline(LEVEL, color=INK, linewidth=0.8)
    left.axvline(TARGET, color=QUIET, linewidth=0.8, linestyle="--")
    left.set_xscale("symlog", linthresh=0.1)
    left.set_xticks([0, LEVEL, 0.1, 0.2, 0.5, 1], ["0", "0.05", "0.1", "0.2", "0.5", "1"])
    left.set_xlim(-0.005, 1.3)
    right.set_xlim(0, 1)
    left.set_yticks(range(len(names)), names)
    left.invert_yaxis()
    left.set_title("Size: nothing drives the unit (line: 0.05, dashed: 0.08)")
    right.set_title("Power: the covariate drives it")
    figure.suptitle("Share of tests with p ≤ 0.05 (bars: two standard errors)", fontsize=9, x=0.01, ha="left")
    return figure


def draw_coverage(table: pd.DataFrame) -> Figure:
    """Draw the share of filter values that 95 % intervals hold, by method, with two standard errors.

    Parameters
    ----------
    table
        Of `nwbglm.inference.coverage.coverage`.
    """
    figure = canvas(9, 3)
    panels = figure.subplots(1, 3, sharey=True, sharex=True)
    cases = ((False, False, "The true model"), (True, False, "A missed drift"), (True, True, "… with a term of time"))
    known = table[table["couplings"] == "all"]
    for axes, (drift, timed, title) in zip(panels, cases, strict=True):
        for k, penalty in enumerate(("none", "ridge")):
            part = known[
                (known["drift"] == drift) & (known["term of time"] == timed) & (known["penalty"] == penalty)
            ].set_index("method")
            part = part.loc[[method for method in METHODS if method in part.index]]
            axes.errorbar(
                part["covered"], np.arange(len(part)) + (k - 0.5) * 0.2, xerr=2 * part["standard_error"], fmt="o",
                markersize=4, linewidth=0.8, color=COLORS[k], label=f"penalty: {penalty}",
            )  # fmt: skip
        axes.axvline(0.95, color=INK, linewidth=0.8)
        axes.set_title(title)
    panels[0].set_yticks(range(len(METHODS)), METHODS)
    panels[0].invert_yaxis()
    panels[0].legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2, fontsize=7.5)
    words = "Share of filter values inside their 95 % interval (line: 0.95; bars: two standard errors)"
    figure.suptitle(words, fontsize=9, x=0.01, ha="left")
    return figure
