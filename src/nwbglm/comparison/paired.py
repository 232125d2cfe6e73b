"""Differences between two models of the same unit and fold."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd

from .common import POOLED, ROUNDING, SCORES, concat


def pair_models(scores: pd.DataFrame, terms: Mapping[str, frozenset[str]]) -> pd.DataFrame:
    """Subtract the scores of two models of the same unit and fold, for every two models.

    Where the models nest, `model` is the larger one and `adds` lists the terms that it has more: one term there means
    that the difference is that term's unique contribution. `same_rows` says whether both were scored on equal rows.
    """
    if scores.empty:
        return pd.DataFrame()
    models = list(dict.fromkeys(scores.model))
    by_model = {name: part.set_index(["session", "unit", "kind", "fold"]) for name, part in scores.groupby("model")}
    pairs = [_orient(a, b, terms) for a, b in itertools.combinations(models, 2)]
    table = concat([_difference(by_model, model, other, terms) for model, other in pairs])
    return _add_fold_spread(table) if len(table) else table


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
            "same_rows": (a.rows == b.rows) & (a.spikes == b.spikes),
            "log_likelihood": a.log_likelihood - b.log_likelihood,
            "status": np.where(a.status != "ok", a.status, b.status),
        },
        index=a.index,
    )
    for name in SCORES:
        table[name] = a[name] - b[name]
    return table.reset_index()


def _add_fold_spread(table: pd.DataFrame) -> pd.DataFrame:
    """Add to the pooled held-out rows: folds, folds that favour `model`, standard error of the folds' differences."""
    keys = ["session", "unit", "model", "other"]
    held_out = table.kind == "held-out"
    folds = table[held_out & (table.fold != POOLED) & (table.rows > 0)]
    spread = folds.groupby(keys, sort=False).bits_per_spike.agg(
        folds="count",
        folds_better=lambda d: int((d > ROUNDING).sum()),
        bits_per_spike_se=lambda d: d.std() / np.sqrt(len(d)),
    )
    spread = spread.reset_index().assign(kind="held-out", fold=POOLED)
    return table.merge(spread, how="left", on=[*keys, "kind", "fold"])
