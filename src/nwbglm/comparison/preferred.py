"""How many units prefer each model, beside what labels that mean nothing would give; and model selection by option."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from nwbglm.inference.selection import select_models

from .common import POOLED

PREFERENCES = ("kind", "model", "units", "preferred", "null_median", "null_low", "null_high", "p", "folds")
SELECTION = ("model", "units", "frequency", "exceedance", "protected", "omnibus_risk")


def count_preferences(scores: pd.DataFrame, draws: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Count the units that each model predicts best on held-out rows, beside what chance gives.

    The null: the models' labels mean nothing. In each draw they are exchanged in every fold of every session, for all
    of a session's units together, since its units share signals and time; then log-likelihoods are summed over folds,
    and preferences counted. It assumes nothing of single units; of one session with five folds and two models it has
    2^5 patterns. Units that some model has no score for are left out.

    Returns
    -------
    DataFrame
        One row a model: ``units`` that were counted, ``preferred``, the median and middle 95 % of the null, ``p`` (one
        sided: as many or more).
    """
    folds, kind = _folds(scores)
    models = list(dict.fromkeys(folds.model)) if len(folds) else []
    if len(models) < 2:
        return pd.DataFrame(columns=list(PREFERENCES))
    wide = folds.pivot_table(index=["session", "unit", "fold"], columns="model", values="log_likelihood", dropna=False)
    wide = wide[models]
    known = wide.apply(lambda column: np.isfinite(column) | (column == -np.inf)).all(axis=1)
    known = known.groupby(["session", "unit"]).transform("all")
    wide = wide[known]
    if wide.empty:
        return pd.DataFrame(columns=list(PREFERENCES))
    values = np.nan_to_num(wide.to_numpy(float), neginf=-1e300)
    place = wide.index.to_frame(index=False)
    unit = place.groupby(["session", "unit"], sort=False).ngroup().to_numpy()
    fold = place.groupby(["session", "fold"], sort=False).ngroup().to_numpy()
    real = _counts(values, unit, len(models))
    random = np.random.default_rng([seed, 31])
    null = np.empty((draws, len(models)))
    for k in range(draws):
        exchanged = random.permuted(np.tile(np.arange(len(models)), (fold.max() + 1, 1)), axis=1)
        null[k] = _counts(np.take_along_axis(values, exchanged[fold], axis=1), unit, len(models))
    low, middle, high = np.quantile(null, [0.025, 0.5, 0.975], axis=0)
    return pd.DataFrame(
        {
            "kind": kind,
            "model": models,
            "units": int(unit.max()) + 1,
            "preferred": real.astype(int),
            "null_median": middle,
            "null_low": low,
            "null_high": high,
            "p": (1 + (null >= real).sum(axis=0)) / (draws + 1),
            "folds": int(fold.max()) + 1,
        }
    )


def _folds(scores: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Return the rows that preferences rest on: test epochs, or single folds; of one measure and on equal rows."""
    if scores.empty:
        return scores, ""
    test = scores[scores.kind == "test"]
    rows = test if len(test) else scores[(scores.kind == "held-out") & (scores.fold != POOLED)]
    rows = rows[rows.rows > 0]
    if rows.empty or rows.measure.nunique() > 1:
        return rows.iloc[:0], ""
    equal = rows.groupby(["session", "unit", "fold"])["rows"].nunique().max() == 1
    return (rows if equal else rows.iloc[:0]), str(rows.kind.iloc[0])


def _counts(values: np.ndarray, unit: np.ndarray, models: int) -> np.ndarray:
    """Count, for each model, the units (rows of one stand together) whose summed log-likelihood it makes largest."""
    total = np.add.reduceat(values, np.flatnonzero(np.r_[True, np.diff(unit) != 0]), axis=0)
    return np.bincount(total.argmax(axis=1), minlength=models).astype(float)


def select_among(scores: pd.DataFrame, models: Sequence[str], seed: int = 0) -> pd.DataFrame:
    """Infer how frequent each of some models is over units, by random effects: a heuristic.

    Returns
    -------
    DataFrame
        One row a model: expected ``frequency``, ``exceedance`` and ``protected`` exceedance probability, and the
        ``omnibus_risk`` that all are equally frequent.
    """
    folds, _ = _folds(scores)
    folds = folds[folds.model.isin(models)] if len(folds) else folds
    if not models or folds.empty:
        return pd.DataFrame(columns=list(SELECTION))
    evidence = folds.groupby(["session", "unit", "model"])["log_likelihood"].sum(min_count=1).unstack("model")
    evidence = evidence.reindex(columns=list(models))
    evidence = evidence[np.isfinite(evidence).all(axis=1)]
    if evidence.empty:
        return pd.DataFrame(columns=list(SELECTION))
    found = select_models(evidence.to_numpy(float), seed=seed)
    return pd.DataFrame(
        {
            "model": list(models),
            "units": len(evidence),
            "frequency": found.frequency,
            "exceedance": found.exceedance,
            "protected": found.protected,
            "omnibus_risk": found.omnibus_risk,
        }
    )
