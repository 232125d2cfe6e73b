"""Tidy tables over sessions and models: scores, paired differences, units, sessions, and how the fits ended.

Log-likelihoods, rows and spikes are sums, so that a pooled score is the score of the sums over folds: each row counts
once, and a fold with few spikes does not weigh as much as one with many.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from nwbglm import scores as formulas

TABLES = ("scores", "pairs", "units", "sessions", "fits")

KEYS = ["session", "unit", "model", "kind", "fold"]
SUMS = [
    "rows",
    "spikes",
    "log_likelihood",
    "null_log_likelihood",
    "own_mean_log_likelihood",
    "saturated_log_likelihood",
]
SCORES = ["bits_per_spike", "deviance_explained", "pseudo_r2_mcfadden", "pseudo_r2_cohen"]
POOLED = "pooled"
ROUNDING = 1e-9  # bits per spike; what is smaller is no difference


def compare_models(
    fits: Sequence[xr.Dataset],
    *,
    binned: Sequence[xr.Dataset] = (),
    tuning: Sequence[xr.Dataset] = (),
    audits: Sequence[Mapping[str, Any]] = (),
    excluded: Mapping[str, str] | None = None,
) -> dict[str, pd.DataFrame]:
    """Gather every fit of a study into tables.

    Parameters
    ----------
    fits
        Stores of kind ``fits``: any number of sessions, models and blocks of units.
    binned, tuning
        Stores of the same sessions; they add what is known of each unit.
    audits
        Audits of the recordings (plain data), for the numbers of units before selection.
    excluded
        Reason by session, for the sessions that were left out.

    Returns
    -------
    dict
        ``scores``: one row a session, unit, model, kind (in-sample, held-out, test) and fold (or ``pooled``);
        ``pairs``: paired differences between two models of a unit, per fold and pooled; ``units``; ``sessions``;
        ``fits``: numbers of fits of each status, with their largest gap and gradient norm.
    """
    scores = _concat([score_fit(fit) for fit in fits])
    terms = {str(fit.attrs["model"]): frozenset(map(str, fit.term.values)) for fit in fits}
    fit_rows = _concat([count_fits(fit) for fit in fits])
    units = describe_units(scores, binned, tuning)
    return {
        "scores": scores,
        "pairs": pair_models(scores, terms),
        "units": units,
        "sessions": describe_sessions(scores, units, binned, audits, excluded or {}),
        "fits": _merge_blocks(fit_rows),
    }


def _concat(frames: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


# ------------------------------------------------------------------------------------------------ scores


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
            "saturated_log_likelihood": fit.saturated_log_likelihood.values,
            "strength": fit.strength.values[fit.chosen.values.astype(int)],
            "at_edge": fit.at_edge.values.astype(bool),
            "status": final.values,
        }
    )


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
            "saturated_log_likelihood": flat(fit.saturated_test_log_likelihood),
            "strength": strengths.ravel(),
            "at_edge": np.repeat(fit.at_edge.values.astype(bool), folds),
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
    pooled["status"] = grouped.status.max()
    return pooled.reset_index().assign(kind="held-out", fold=POOLED)[list(folds.columns)]


def add_scores(table: pd.DataFrame) -> pd.DataFrame:
    """Add the scores to a table that holds the sums; the null of the plain names is the training mean."""
    table = table.copy()
    for suffix, null in (("", "null_log_likelihood"), ("_own_mean", "own_mean_log_likelihood")):
        for name, values in _scores(table, table[null].to_numpy(float)).items():
            table[name + suffix] = values
    table["null"] = "training mean"
    return table


def _scores(table: pd.DataFrame, null: np.ndarray) -> dict[str, np.ndarray]:
    model, saturated, spikes = (
        table[name].to_numpy(float) for name in ("log_likelihood", "saturated_log_likelihood", "spikes")
    )
    return {
        "bits_per_spike": formulas.bits_per_spike(model, null, spikes),
        "deviance_explained": formulas.deviance_explained(model, null, saturated),
        "pseudo_r2_mcfadden": formulas.pseudo_r2_mcfadden(model, null),
        "pseudo_r2_cohen": formulas.pseudo_r2_cohen(model, null, saturated),
    }


# ------------------------------------------------------------------------------------------------ pairs


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
    table = _concat([_difference(by_model, model, other, terms) for model, other in pairs])
    return _add_fold_spread(table) if len(table) else table


def _orient(first: str, second: str, terms: Mapping[str, frozenset[str]]) -> tuple[str, str]:
    """Order two models: the larger first where they nest, else the later first."""
    return (first, second) if terms[second] < terms[first] else (second, first)


def _difference(by_model, model: str, other: str, terms: Mapping[str, frozenset[str]]) -> pd.DataFrame:
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


# ------------------------------------------------------------------------------------------------ units, sessions, fits


def describe_units(
    scores: pd.DataFrame, binned: Iterable[xr.Dataset] = (), tuning: Iterable[xr.Dataset] = ()
) -> pd.DataFrame:
    """List the units: what the file and the tuning say of each, the best held-out model, and what went wrong."""
    known = _concat([_unit_frame(dataset) for dataset in binned])
    tuned = _concat([_unit_frame(dataset) for dataset in tuning])
    if known.empty:
        columns = ["session", "unit"]
        known = scores[columns].drop_duplicates() if len(scores) else pd.DataFrame(columns=columns)
    if not tuned.empty:
        new = [name for name in tuned if name not in known or name in ("session", "unit")]
        known = known.merge(tuned[new], how="left", on=["session", "unit"])
    return known.merge(_best_models(scores), how="left", on=["session", "unit"]) if len(scores) else known


def _unit_frame(dataset: xr.Dataset) -> pd.DataFrame:
    """Return every variable and coordinate that has one value a unit."""
    names = [n for n, v in dataset.variables.items() if v.dims == ("unit",) and n != "unit"]
    frame = pd.DataFrame({name: dataset[name].values for name in names})
    frame.insert(0, "unit", dataset.unit.values)
    frame.insert(0, "session", str(dataset.attrs["session"]))
    return frame


def _best_models(scores: pd.DataFrame) -> pd.DataFrame:
    """Name, for each unit, the model of the highest held-out score among the fits that ended well."""
    pooled = headline(scores)
    good = pooled[(pooled.status == "ok") & pooled.bits_per_spike.notna()]
    best = good.loc[good.groupby(["session", "unit"]).bits_per_spike.idxmax()]
    best = best[["session", "unit", "model", "bits_per_spike"]].rename(columns={"model": "best_model"})
    bad = scores[scores.status != "ok"].groupby(["session", "unit"])[["model", "status"]]
    notes = bad.apply(lambda part: "; ".join(sorted({f"{m}: {s}" for m, s in part.to_numpy()})))
    notes = notes.rename("notes").reset_index() if len(notes) else pd.DataFrame(columns=["session", "unit", "notes"])
    everyone = scores[["session", "unit"]].drop_duplicates()
    return everyone.merge(best, how="left", on=["session", "unit"]).merge(notes, how="left", on=["session", "unit"])


def headline(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that a comparison rests on: the explicit test where there is one, else the pooled held-out."""
    if scores.empty:
        return scores
    test = scores[scores.kind == "test"]
    return test if len(test) else scores[(scores.kind == "held-out") & (scores.fold == POOLED)]


def describe_sessions(
    scores: pd.DataFrame,
    units: pd.DataFrame,
    binned: Iterable[xr.Dataset],
    audits: Iterable[Mapping[str, Any]],
    excluded: Mapping[str, str],
) -> pd.DataFrame:
    """List the sessions: in or out, why, and how many units and rows went in."""
    stores = {str(dataset.attrs["session"]): dataset for dataset in binned}
    seen = {str(audit["session"]): audit for audit in audits}
    counted = units.groupby("session").size() if len(units) else pd.Series(dtype=int)
    fitted = (
        scores[scores.kind == "in-sample"].groupby("session")["rows"].max() if len(scores) else pd.Series(dtype=float)
    )
    names = list(dict.fromkeys([*seen, *stores, *counted.index, *excluded]))
    rows = []
    for name in names:
        store, audit = stores.get(name), seen.get(name, {})
        rows.append(
            {
                "session": name,
                "included": name not in excluded,
                "reason": excluded.get(name, ""),
                "verdict": str(audit.get("verdict", "")),
                "units_in_file": _units_in_file(audit),
                "units": int(counted.get(name, 0)),
                "bins": store.sizes["time"] if store is not None else np.nan,
                "duration": store.sizes["time"] * float(store.attrs["bin"]) if store is not None else np.nan,
                "rows_fitted": fitted.get(name, np.nan),
                "sha256": str(audit.get("sha256", "")),
            }
        )
    return pd.DataFrame(rows)


def _units_in_file(audit: Mapping[str, Any]) -> float:
    units = audit.get("contents", {}).get("units") if isinstance(audit.get("contents"), Mapping) else None
    count = units.get("count") if isinstance(units, Mapping) else len(units) if isinstance(units, list) else units
    return float(count) if isinstance(count, (int, float)) else np.nan


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


def _merge_blocks(rows: pd.DataFrame) -> pd.DataFrame:
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


# ------------------------------------------------------------------------------------------------ summaries


def summarise_models(scores: pd.DataFrame) -> pd.DataFrame:
    """Summarise units by model and kind: medians and quartiles, since one diverging unit would rule a mean.

    Returns
    -------
    DataFrame
        ``model, kind, units, ok, positive`` (units above 0 bits per spike) and, for each score, ``_median``,
        ``_q25``, ``_q75``; ``log_likelihood_per_row`` is the median of nats per row.
    """
    if scores.empty:
        return pd.DataFrame()
    rows = scores[(scores.fold == POOLED) | (scores.kind == "test")]
    rows = rows.assign(log_likelihood_per_row=rows.log_likelihood / rows.rows.where(rows.rows > 0))
    out = []
    for (model, kind), part in rows.groupby(["model", "kind"], sort=False):
        line = {
            "model": model,
            "kind": kind,
            "units": len(part),
            "ok": int((part.status == "ok").sum()),
            "positive": int((part.bits_per_spike > ROUNDING).sum()),
            "log_likelihood_per_row_median": part.log_likelihood_per_row.median(),
        }
        for name in SCORES:
            quartiles = part[name].quantile([0.5, 0.25, 0.75]).to_numpy()
            line |= dict(zip((f"{name}_median", f"{name}_q25", f"{name}_q75"), quartiles, strict=True))
        out.append(line)
    return pd.DataFrame(out)


def summarise_pairs(pairs: pd.DataFrame, seed: int = 0, draws: int = 2000) -> pd.DataFrame:
    """Summarise the paired differences of every two models over units, with a bootstrap over sessions.

    The interval resamples sessions with all their units, because units of one session share its state and noise; with
    one session there is none.
    """
    if pairs.empty:
        return pd.DataFrame()
    rows = headline(pairs)
    out = []
    for (model, other), part in rows.groupby(["model", "other"], sort=False):
        difference = part.bits_per_spike
        low, high = bootstrap_sessions(part, "bits_per_spike", seed, draws)
        out.append(
            {
                "model": model,
                "other": other,
                "adds": part.adds.iloc[0],
                "kind": part.kind.iloc[0],
                "units": len(part),
                "sessions": part.session.nunique(),
                "units_better": int((difference > ROUNDING).sum()),
                "bits_per_spike_median": difference.median(),
                "bits_per_spike_low": low,
                "bits_per_spike_high": high,
                "same_rows": bool(part.same_rows.all()),
            }
        )
    return pd.DataFrame(out)


def bootstrap_sessions(table: pd.DataFrame, column: str, seed: int, draws: int) -> tuple[float, float]:
    """Return the 95 % interval of the median of a column, resampling whole sessions; NaN with fewer than two."""
    known = table[table[column].notna()].sort_values(column, kind="stable")
    session, names = pd.factorize(known["session"])
    if len(names) < 2:
        return np.nan, np.nan
    random = np.random.default_rng(seed)
    picks = random.integers(len(names), size=(draws, len(names)))
    times = np.stack([(picks == k).sum(axis=1) for k in range(len(names))], axis=1)
    # how often each value is there in each draw, values ascending: the median is where half of them lie below
    below = np.cumsum(times[:, session], axis=1)
    total = below[:, -1:]
    values = known[column].to_numpy(float)
    lower, upper = (values[np.argmax(below > rank, axis=1)] for rank in ((total - 1) // 2, total // 2))
    low, high = np.quantile((lower + upper) / 2, [0.025, 0.975])
    return float(low), float(high)
