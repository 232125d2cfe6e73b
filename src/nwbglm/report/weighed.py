"""What the report shows of what terms are worth, and of which model units prefer."""

from __future__ import annotations

from typing import Any

import pandas as pd

from nwbglm.comparison import summarise_worth
from nwbglm.comparison.weighed import INFLATED
from nwbglm.study import Study

from .compared import METHODS
from .markup import number

LABS = {
    "unique": "deviance explained, lost without it",
    "ibl_delta": "R², lost without it (IBL)",
    "allen_dropout": "dropout (Allen; −1: all)",
    "allen_dropout_unclipped": "the same, unclipped",
    "allen_single": "alone (Allen; −1: all)",
    "musall_delta": "r², lost without it (Musall)",
    "musall_alone": "r², alone (Musall)",
    "engelhard_share": "share of all losses (Engelhard)",
}
"""The definitions side by side, by column of the table of worth."""


def worth_rows(study: Study, worth: pd.DataFrame) -> pd.DataFrame:
    """Return what each term is worth, uniquely and alone, with intervals over animals or sessions."""
    summary = summarise_worth(worth, study.seed, study.inference.levels)
    rows = []
    for (model, term), part in summary.groupby(["model", "term"], sort=False) if len(summary) else ():
        mine = worth[(worth.model == model) & (worth.term == term)]
        of = {line.quantity: line for line in part.itertuples()}
        bits = "bits per spike" if study.response is None else "bits per bin"
        rows.append(
            {
                "model": model,
                "term": term,
                "units": of["unique"].units,
                "unique (deviance explained)": _estimate(of["unique"]),
                "alone": _estimate(of["alone"]),
                "of the whole model": number(mine["full"].median(), 3),
                "shared by its terms": number(mine["shared"].median(), 3),
                f"unique ({bits})": _estimate(of["unique_bits"]),
                "inflation by the others": number(mine["vif"].median(), 3),
                "condition number": number(mine["condition"].median(), 3),
                "to be said": _said(mine),
            }
        )
    return pd.DataFrame(rows)


def _estimate(line: Any) -> str:
    """Write an estimate with its interval, where it has one."""
    value = number(line.estimate, 3)
    if line.method == "none":
        return value
    return f"{value} ({number(line.low, 3)} to {number(line.high, 3)}, {METHODS[line.method]})"


def _said(units: pd.DataFrame) -> str:
    """Say what stands between these numbers and a conclusion."""
    said = []
    if units["vif"].median() > INFLATED:
        said.append("the other terms can stand in for it: read unique and alone together")
    bad = units[units.reason != ""].drop_duplicates(["session", "unit"])
    if len(bad):
        said.append(f"{len(bad)} units have a fit behind it that did not end well")
    return "; ".join(said)


def definition_rows(worth: pd.DataFrame) -> pd.DataFrame:
    """Return the large labs' definitions of a term's worth side by side: medians over units."""
    rows = []
    for (model, term), part in worth.groupby(["model", "term"], sort=False) if len(worth) else ():
        medians = {words: number(part[name].median(), 3) for name, words in LABS.items()}
        rows.append({"model": model, "term": term, **medians})
    return pd.DataFrame(rows)


def preference_rows(preferences: pd.DataFrame) -> pd.DataFrame:
    """Return how many units each model predicts best, and what exchanged labels give."""
    return pd.DataFrame(
        [
            {
                "model": line.model,
                "units": line.units,
                "predicted best": line.preferred,
                "with exchanged labels": f"{number(line.null_median)} ({number(line.null_low)} to "
                f"{number(line.null_high)})",
                "p": number(line.p, 2),
            }
            for line in preferences.itertuples()
        ]
    )


def selection_rows(selection: pd.DataFrame) -> pd.DataFrame:
    """Return the random-effects selection as it is shown."""
    columns = {
        "model": "model", "units": "units", "frequency": "expected frequency", "exceedance": "exceedance probability",
        "protected": "protected", "omnibus_risk": "risk that all are equally frequent",
    }  # fmt: skip
    return selection[list(columns)].rename(columns=columns)
