"""How the fits ended, and which units to look at."""

from __future__ import annotations

import pandas as pd

from nwbglm.comparison import POOLED, primary
from nwbglm.scores import PROBABILITY

from .compared import KINDS


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


def trouble_rows(scores: pd.DataFrame) -> pd.DataFrame:
    """List units whose reported fit did not end well, and strengths and dispersions that ended on a bound."""
    if not len(scores):
        return scores
    rows = scores[(scores.fold == POOLED) | (scores.kind == "test")]
    score, counted = primary(rows), (rows.measure == PROBABILITY).any()
    rows = rows[(rows.status != "ok") | ((rows.at_edge | rows.at_bound) & (rows.kind == "in-sample"))]
    return pd.DataFrame(
        {
            "session": rows.session,
            "unit": rows.unit,
            "model": rows.model,
            "scored": rows.kind.map(KINDS),
            "status": rows.status,
            "strength at the path's edge": rows.at_edge.map({True: "yes", False: ""}),
            "dispersion on its bound": rows.at_bound.map({True: "yes", False: ""}),
            **({"spikes": rows.spikes} if counted else {}),
            score.label: rows[score.name],
        }
    )
