"""How the fits ended, and which units to look at."""

from __future__ import annotations

import pandas as pd

from nwbglm.comparison import POOLED, primary
from nwbglm.scores import PROBABILITY
from nwbglm.study import Study

from .answer import below_null, worst_folds
from .compared import KINDS

WORST = 10
"""Rows of the units to look at that stand open."""


def fit_rows(fits: pd.DataFrame) -> pd.DataFrame:
    """Return, by model and status over sessions, the numbers of fits and their certificates."""
    if not len(fits):
        return fits
    grouped = fits.groupby(["model", "status"], sort=False)
    table = grouped.agg(
        fits=("fits", "sum"),
        reported=("reported", "sum"),
        gradient_norm=("gradient_norm", "max"),
        gap=("gap", "max"),
        iterations=("iterations_max", "max"),
    ).reset_index()
    return table.rename(
        columns={
            "reported": "of these, behind a result",
            "gradient_norm": "largest gradient norm",
            "gap": "largest gap",
            "iterations": "most iterations",
        }
    )


def trouble_rows(study: Study, scores: pd.DataFrame) -> pd.DataFrame:
    """List results to look at, the worst first.

    They score below their null, whatever their status; or their fit did not end well; or their strength or dispersion
    ended on a bound.
    """
    if not len(scores):
        return scores
    rows = scores[(scores.fold == POOLED) | (scores.kind == "test")]
    score, counted = primary(rows), (rows.measure == PROBABILITY).any()
    below = rows.index.isin(below_null(study, scores).index)
    bound = (rows.at_edge | rows.at_bound) & (rows.kind == "in-sample")
    chosen = (rows.status != "ok") | bound | below
    rows, below = rows[chosen], below[chosen]
    worst = worst_folds(scores, rows)
    table = pd.DataFrame(
        {
            "session": rows.session,
            "unit": rows.unit,
            "model": rows.model,
            "scored": rows.kind.map(KINDS),
            "status": rows.status,
            score.label: rows[score.name],
            "below its null": ["yes" if flag else "" for flag in below],
            f"worst fold ({score.label})": worst,
            "strength at the path's edge": rows.at_edge.map({True: "yes", False: ""}),
            "dispersion on its bound": rows.at_bound.map({True: "yes", False: ""}),
            **({"spikes": rows.spikes} if counted else {}),
        }
    )
    order = pd.DataFrame({"below": ~below, "bad": rows.status == "ok", "score": rows[score.name]}, index=rows.index)
    return table.loc[order.sort_values(["below", "bad", "score"], kind="stable").index]
