"""Differences between two models of the same unit and fold."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd

from nwbglm.inference.levels import nadeau_bengio
from nwbglm.scores import SCORES

from .common import POOLED, ROUNDING, SUMS, concat, primary


def pair_models(scores: pd.DataFrame, terms: Mapping[str, frozenset[str]]) -> pd.DataFrame:
    """Set off two models of the same unit and fold, for every two models whose likelihoods have a common unit.

    On equal rows a difference in bits is that of the log-likelihoods, whatever each one's null.


    Where the models nest, `model` is the larger one and `adds` lists the terms that it has more: one term there means
    that the difference is that term's unique contribution. `same_rows` says whether both were scored on equal rows.
    """
    if scores.empty:
        return pd.DataFrame()
    models = list(dict.fromkeys(scores.model))
    by_model = {name: part.set_index(["session", "unit", "kind", "fold"]) for name, part in scores.groupby("model")}
    apart = {frozenset(pair[:2]) for pair in unpaired(scores)}
    pairs = [_orient(a, b, terms) for a, b in itertools.combinations(models, 2) if frozenset((a, b)) not in apart]
    table = concat([_difference(by_model, model, other, terms) for model, other in pairs])
    return _add_fold_spread(table) if len(table) else table


def unpaired(scores: pd.DataFrame) -> list[tuple[str, str, str]]:
    """List the pairs of models that are not compared, and why: densities are not set off against probabilities."""
    if scores.empty:
        return []
    measure = scores.drop_duplicates("model").set_index("model")["measure"]
    return [
        (a, b, f"the likelihood of '{a}' is a {measure[a]}, that of '{b}' a {measure[b]}: they have no common unit")
        for a, b in itertools.combinations(measure.index, 2)
        if measure[a] != measure[b]
    ]


def _orient(first: str, second: str, terms: Mapping[str, frozenset[str]]) -> tuple[str, str]:
    """Order two models: the larger first where they nest, else the later first."""
    return (first, second) if terms[second] < terms[first] else (second, first)


def _difference(
    by_model: Mapping[str, pd.DataFrame], model: str, other: str, terms: Mapping[str, frozenset[str]]
) -> pd.DataFrame:
    a, b = by_model[model].align(by_model[other], join="inner", axis=0)
    nested = terms[other] < terms[model]
    table = pd.DataFrame(
        {
            "model": model,
            "other": other,
            "nested": nested,
            "adds": " + ".join(sorted(terms[model] - terms[other])) if nested else "",
            "rows": a.rows,
            "spikes": a.spikes,
            # sums of a continuous response agree but for the order in which they were taken
            "same_rows": (a.rows == b.rows) & np.isclose(a.spikes, b.spikes, rtol=1e-9, atol=1e-9 * a.rows),
            "log_likelihood": a.log_likelihood - b.log_likelihood,
            "status": np.where(a.status != "ok", a.status, b.status),
        },
        index=a.index,
    )
    for score in SCORES:
        if score.paired:
            difference = a[score.name] - b[score.name]
            if score.gain is not None:  # on equal rows no null takes part; elsewhere scores are set off
                sums = {name: a[name].to_numpy(float) for name in SUMS}
                gain = score.gain(table.log_likelihood.to_numpy(float), sums)
                known = table.same_rows & np.isin(a.measure, score.measures)
                difference = difference.where(~known, gain)
            table[score.name] = difference
    return table.reset_index()


def _add_fold_spread(table: pd.DataFrame) -> pd.DataFrame:
    """Add to the pooled held-out rows: folds, folds that favour `model`, the folds' standard deviation, and `p_nb`.

    The folds share training rows, so that their spread divided by a root is no standard error of anything; `p_nb` is
    Nadeau & Bengio's corrected one-sided p value, for readers who expect it: with contiguous folds of slow signals it
    finds next to nothing.
    """
    score = primary(table).name
    keys = ["session", "unit", "model", "other"]
    held_out = table.kind == "held-out"
    folds = table[held_out & (table.fold != POOLED) & (table.rows > 0)]
    spread = folds.groupby(keys, sort=False)[score].agg(
        folds="count", folds_better=lambda d: int((d > ROUNDING).sum()), spread="std"
    )
    nb = folds.groupby(keys, sort=False)[score].agg(lambda d: nadeau_bengio(d.to_numpy(float))[1])
    spread = spread.assign(p_nb=nb)
    spread = spread.reset_index().assign(kind="held-out", fold=POOLED)
    return table.merge(spread, how="left", on=[*keys, "kind", "fold"])
