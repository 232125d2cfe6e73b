"""One store of fits as a table of scores.

Log-likelihoods, rows and spikes are sums, so that a pooled score is the score of the sums over folds: each row counts
once, and a fold with few spikes does not weigh as much as one with many.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import xarray as xr

from nwbglm import response
from nwbglm.scores import SCORES
from nwbglm.study import OBSERVATION_MODELS

from .common import POOLED, SUMS, nulls_of


def status_names(fit: xr.Dataset) -> np.ndarray:
    """Return the words of the status codes, indexed by code."""
    meanings = fit.status.attrs["flag_meanings"]
    return np.array(meanings.split() if isinstance(meanings, str) else list(meanings), dtype=object)


def score_fit(fit: xr.Dataset) -> pd.DataFrame:
    """Score one store of fits: in-sample, per fold at the strength chosen without that fold, and pooled.

    The null is the training rows' mean rate; columns that end in ``_own_mean`` hold the scores against the mean of
    the scored rows themselves (what NeMoS prints), a null that has seen what it is judged on.
    """
    folds = _per_fold(fit)
    pooled = pool(folds[folds.kind == "held-out"])
    table = pd.concat([_in_sample(fit), folds, pooled], ignore_index=True)
    table["status"] = status_names(fit)[table["status"].to_numpy(int)]
    name = observation_model(fit)
    table["observations"], table["measure"] = name, OBSERVATION_MODELS[name].measure
    counts = OBSERVATION_MODELS[name].counts
    table["per"] = response.of(fit).per if "response" in fit.attrs else float(fit.attrs["bin"]) if counts else 1.0
    table.insert(0, "model", str(fit.attrs["model"]))
    table.insert(0, "session", str(fit.attrs["session"]))
    return add_scores(table)


def _in_sample(fit: xr.Dataset) -> pd.DataFrame:
    """Return the final fit's sums on the rows that it was fitted to."""
    final = fit.status.sel(fit="final").isel(strength=fit.chosen.astype(int))
    return pd.DataFrame(
        {
            "unit": fit.unit.values,
            "kind": "in-sample",
            "fold": POOLED,
            "rows": fit.rows.values,
            "spikes": fit.spikes.values,
            "log_likelihood": fit.log_likelihood.values,
            "null_log_likelihood": fit.null_log_likelihood.values,
            "own_mean_log_likelihood": fit.null_log_likelihood.values,
            "deviance": fit.deviance.values,
            "null_deviance": fit.null_deviance.values,
            "own_mean_deviance": fit.null_deviance.values,
            "exposure": fit.exposure.values,
            "predicted": fit.predicted.values,
            "intercept": fit.intercept.values,
            "parameters": fit.parameters.values,
            "effective_parameters": fit.effective_parameters.values,
            "dispersion": fit.dispersion.values,
            "strength": fit.strength.values[fit.chosen.values.astype(int)],
            "at_edge": fit.at_edge.values.astype(bool),
            "at_bound": fit.dispersion_at_bound.values.astype(bool),
            "status": final.values,
            **_of_terms(fit),
        }
    )


def _of_terms(fit: xr.Dataset) -> dict[str, np.ndarray]:
    """Return strengths and effective parameters of terms, where each has a strength of its own."""
    if "term_strength" not in fit:
        return {}
    names = fit.penalised_term.values.astype(str)
    columns = {"strength": fit.term_strength, "effective_parameters": fit.term_parameters}
    return {f"{key}_{name}": values.values[:, i] for key, values in columns.items() for i, name in enumerate(names)}


def _per_fold(fit: xr.Dataset) -> pd.DataFrame:
    """Return the sums of each unit and fold (units slowest), at the strength chosen without the fold."""
    chosen = fit.fold_chosen.astype(int)
    units, folds = fit.sizes["unit"], fit.sizes["fold"]
    status = fit.status.sel(fit=fit.fold.values.astype(str)).rename(fit="fold").isel(strength=chosen)
    kind = np.where(fit.fold_kind.values.astype(str) == "test", "test", "held-out")
    strengths = fit.strength.values[chosen.values]

    def flat(values: xr.DataArray) -> np.ndarray:
        return values.transpose("unit", "fold").values.ravel()

    return pd.DataFrame(
        {
            "unit": np.repeat(fit.unit.values, folds),
            "kind": np.tile(kind, units),
            "fold": np.tile(fit.fold.values.astype(str), units),
            "rows": flat(fit.test_rows),
            "spikes": flat(fit.test_spikes),
            "log_likelihood": flat(fit.test_log_likelihood.isel(strength=chosen)),
            "null_log_likelihood": flat(fit.null_test_log_likelihood),
            "own_mean_log_likelihood": flat(fit.test_mean_log_likelihood),
            "deviance": flat(fit.test_deviance),
            "null_deviance": flat(fit.null_test_deviance),
            "own_mean_deviance": flat(fit.test_mean_deviance),
            "exposure": flat(fit.test_exposure),
            "predicted": flat(fit.test_predicted),
            "strength": strengths.ravel(),
            "at_edge": np.repeat(fit.at_edge.values.astype(bool), folds),
            "at_bound": np.repeat(fit.dispersion_at_bound.values.astype(bool), folds),
            "status": flat(status),
        }
    )


def pool(folds: pd.DataFrame) -> pd.DataFrame:
    """Sum each unit's folds; the status is the worst of them, the strength their median."""
    folds = folds[folds.rows > 0]
    if folds.empty:
        return folds
    grouped = folds.groupby("unit", sort=False)
    # min_count: a fold without a likelihood makes the sum unknown, it does not vanish from it
    pooled = grouped[SUMS].agg(lambda column: column.sum(skipna=False))
    pooled["strength"] = grouped.strength.median()
    pooled["at_edge"] = grouped.at_edge.any()
    pooled["at_bound"] = grouped.at_bound.any()
    pooled["status"] = grouped.status.max()
    return pooled.reset_index().assign(kind="held-out", fold=POOLED)[list(folds.columns)]


def add_scores(table: pd.DataFrame) -> pd.DataFrame:
    """Add every score to a table that holds the sums; the null of the plain names is the training mean."""
    table = table.copy()
    measure = table["measure"].to_numpy(str)
    held_out = (table["kind"] != "in-sample").to_numpy()
    for score in SCORES:
        for column, null in nulls_of(score).items():
            values = score.of({name: table[name] for name in table}, measure, null)
            table[column] = np.where(held_out, np.nan, values) if score.in_sample else values
    table["null"] = "training mean"
    return table


def observation_model(fit: xr.Dataset) -> str:
    """Return the name of a fit's observation model."""
    return json.loads(fit.attrs["settings"])["observations"] if "settings" in fit.attrs else "poisson"


def count_fits(fit: xr.Dataset) -> pd.DataFrame:
    """Count one store's fits by status: all of them, and those at a strength that a result rests on."""
    reported = np.zeros(fit.status.shape, bool)
    chosen, fold_chosen = fit.chosen.values.astype(int), fit.fold_chosen.values.astype(int)
    names = list(fit.fit.values.astype(str))
    for position, name in enumerate(names):
        at = fold_chosen[:, list(fit.fold.values.astype(str)).index(name)] if name in fit.fold.values else chosen
        reported[np.arange(len(chosen)), position, at] = True
    words = status_names(fit)
    frame = pd.DataFrame(
        {
            "status": words[fit.status.transpose("unit", "fit", "strength").values.ravel().astype(int)],
            "reported": reported.ravel(),
            "gradient_norm": fit.gradient_norm.transpose("unit", "fit", "strength").values.ravel(),
            "gap": fit.gap.transpose("unit", "fit", "strength").values.ravel(),
            "iterations": fit.iterations.transpose("unit", "fit", "strength").values.ravel(),
        }
    )
    frame.insert(0, "model", str(fit.attrs["model"]))
    frame.insert(0, "session", str(fit.attrs["session"]))
    return frame


def merge_blocks(rows: pd.DataFrame) -> pd.DataFrame:
    """Count fits by session, model and status, over the blocks of units."""
    if rows.empty:
        return rows
    grouped = rows.groupby(["session", "model", "status"], sort=False)
    return grouped.agg(
        fits=("status", "size"),
        reported=("reported", "sum"),
        gradient_norm=("gradient_norm", "max"),
        gap=("gap", "max"),
        iterations_median=("iterations", "median"),
        iterations_max=("iterations", "max"),
    ).reset_index()
