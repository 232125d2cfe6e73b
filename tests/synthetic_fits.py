"""Fits of synthetic sessions: Newton on a penalised Poisson likelihood, so that scores and filters mean something."""

from __future__ import annotations

import json
from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy.special import gammaln
from synthetic_data import FOLDS

from nwbglm.filters import put_in_fits, tables_of_features

STRENGTHS = np.array([0.1, 0.01, 0.001])
STATUS = "ok no_spikes separable rank_deficient not_converged"


def _newton(x, y, strength):
    """Penalised Poisson regression with an unpenalised intercept: coefficients, intercept, gradient norm."""
    design = np.column_stack([np.ones(len(x)), x])
    penalty = np.r_[0.0, np.full(x.shape[1], strength)]
    beta = np.zeros(design.shape[1])
    beta[0] = np.log(max(y.mean(), 1e-12))
    for _ in range(60):
        mu = np.exp(np.clip(design @ beta, -30, 10))
        gradient = design.T @ (mu - y) / len(y) + penalty * beta
        if np.abs(gradient).max() < 1e-10:
            break
        hessian = (design * mu[:, None]).T @ design / len(y) + np.diag(penalty + 1e-12)
        beta = beta - np.clip(np.linalg.solve(hessian, gradient), -2, 2)
    return beta[1:], beta[0], np.abs(gradient).max()


def _log_likelihood(y, mu):
    return float(np.sum(y * np.log(np.where(mu > 0, mu, 1)) - mu - gammaln(y + 1)))


def _saturated(y):
    return _log_likelihood(y, y.astype(float))


class _Problem(NamedTuple):
    x: np.ndarray
    y: np.ndarray
    folds: xr.Dataset


def _unit_fit(problem: _Problem, strengths: np.ndarray, halves: bool) -> dict[str, np.ndarray]:
    shared, folds = problem.folds.shared.values, problem.folds
    fits = [(folds.train.values[k] & shared, folds.test.values[k] & shared) for k in range(FOLDS)]
    everything = folds.final.values & shared
    fits.append((everything, everything))
    if halves:
        fits += [((folds.half.values == h) & shared, everything) for h in (0, 1)]
    out = _empty_unit(len(fits), len(strengths), problem.x.shape[1])
    for f, (train, test) in enumerate(fits):
        x, y = problem.x[train], problem.y[train]
        for s, strength in enumerate(strengths):
            if y.sum() == 0:
                out["status"][f, s] = 1
                continue
            coef, intercept, norm = _newton(x, y, strength)
            out["coef"][f, s], out["intercept"][f, s], out["gradient_norm"][f, s] = coef, intercept, norm
            out["train"][f, s] = _log_likelihood(y, np.exp(intercept + x @ coef))
            out["test"][f, s] = _log_likelihood(problem.y[test], np.exp(intercept + problem.x[test] @ coef))
        out["null"][f] = _log_likelihood(problem.y[test], np.full(test.sum(), y.mean()))
        out["own"][f] = _log_likelihood(problem.y[test], np.full(test.sum(), problem.y[test].mean()))
        out["saturated"][f] = _saturated(problem.y[test])
        out["spikes"][f], out["rows"][f], out["train_rows"][f] = problem.y[test].sum(), test.sum(), train.sum()
    return out


def _empty_unit(fits, strengths, features):
    pair, single = (fits, strengths), (fits,)
    out = {name: np.full(pair, np.nan) for name in ("intercept", "train", "test", "gradient_norm")}
    out |= {name: np.full(single, np.nan) for name in ("null", "own", "saturated", "spikes", "rows", "train_rows")}
    return out | {"coef": np.full((*pair, features), np.nan), "status": np.zeros(pair, np.uint8)}


def design_of(features, term_names, unit):
    blocks = []
    for term in term_names:
        store = features[term]
        keep = store.input.values == str(unit) if store.attrs["own"] else slice(None)
        blocks.append(np.nan_to_num(store.features.values[:, keep].astype(float)))
    rows = next(iter(features.values())).sizes["time"]
    return np.concatenate(blocks, axis=1) if blocks else np.zeros((rows, 0))


def fit_of(name, model, term_names, features, folds, binned, halves) -> xr.Dataset:
    units = binned.unit.values
    row = folds.row.values
    strengths = STRENGTHS if term_names else STRENGTHS[:1]
    parts = [
        _unit_fit(
            _Problem(design_of(features, term_names, u), binned.response.values[row, i].astype(float), folds),
            strengths,
            halves,
        )
        for i, u in enumerate(units)
    ]
    every = {key: np.stack([p[key] for p in parts]) for key in parts[0]}
    score = np.nansum(every["test"][:, :FOLDS], axis=1)
    chosen = score.argmax(axis=-1)
    fold_chosen = np.stack(
        [np.nansum(np.delete(every["test"][:, :FOLDS], k, axis=1), axis=1).argmax(-1) for k in range(FOLDS)], axis=1
    )
    return _fit_dataset(
        name, model, term_names, features, folds, binned, (every, strengths, chosen, fold_chosen, halves)
    )


def _fit_dataset(name, model, term_names, features, folds, binned, results) -> xr.Dataset:
    every, strengths, chosen, fold_chosen, halves = results
    n, cv = binned.sizes["unit"], FOLDS
    u = np.arange(n)
    at = every["coef"][u, cv, chosen]

    def at_folds(name):
        return every[name][u[:, None], np.arange(cv)[None], fold_chosen]

    fits = [*folds.fold.values, "final"] + (["half0", "half1"] if halves else [])
    dataset = xr.Dataset(
        {
            "coef": (("unit", "feature"), at),
            "intercept": ("unit", every["intercept"][u, cv, chosen]),
            "fold_coef": (("unit", "fold", "feature"), every["coef"][u[:, None], np.arange(cv)[None], fold_chosen]),
            "fold_intercept": (("unit", "fold"), every["intercept"][u[:, None], np.arange(cv)[None], fold_chosen]),
            "train_log_likelihood": (("unit", "fold", "strength"), every["train"][:, :cv]),
            "test_log_likelihood": (("unit", "fold", "strength"), every["test"][:, :cv]),
            "null_test_log_likelihood": (("unit", "fold"), every["null"][:, :cv]),
            "test_mean_log_likelihood": (("unit", "fold"), every["own"][:, :cv]),
            "test_deviance": (("unit", "fold"), 2 * (every["saturated"][:, :cv] - at_folds("test"))),
            "null_test_deviance": (("unit", "fold"), 2 * (every["saturated"] - every["null"])[:, :cv]),
            "test_mean_deviance": (("unit", "fold"), 2 * (every["saturated"] - every["own"])[:, :cv]),
            "test_exposure": (("unit", "fold"), every["rows"][:, :cv]),
            "test_predicted": (("unit", "fold"), every["spikes"][:, :cv]),
            "test_spikes": (("unit", "fold"), every["spikes"][:, :cv]),
            "test_rows": (("unit", "fold"), every["rows"][:, :cv].astype(int)),
            "log_likelihood": ("unit", every["train"][u, cv, chosen]),
            "null_log_likelihood": ("unit", every["null"][:, cv]),
            "deviance": ("unit", 2 * (every["saturated"][:, cv] - every["train"][u, cv, chosen])),
            "null_deviance": ("unit", 2 * (every["saturated"] - every["null"])[:, cv]),
            "exposure": ("unit", every["rows"][:, cv]),
            "predicted": ("unit", every["spikes"][:, cv]),
            "dispersion": ("unit", np.ones(n)),
            "dispersion_at_bound": ("unit", np.zeros(n, bool)),
            "parameters": ("unit", np.full(n, at.shape[1] + 1)),
            "effective_parameters": ("unit", np.full(n, at.shape[1] + 1.0)),
            "spikes": ("unit", every["spikes"][:, cv]),
            "rows": ("unit", every["rows"][:, cv].astype(int)),
            "chosen": ("unit", chosen),
            "fold_chosen": (("unit", "fold"), fold_chosen),
            "at_edge": ("unit", (chosen == 0) | (chosen == len(strengths) - 1)),
            "gap": (("unit", "fit", "strength"), every["gradient_norm"] ** 2),
            "gradient_norm": (("unit", "fit", "strength"), every["gradient_norm"]),
            "iterations": (("unit", "fit", "strength"), np.full(every["status"].shape, 7)),
            "status": (
                ("unit", "fit", "strength"),
                every["status"],
                {"flag_meanings": STATUS, "flag_values": list(range(5))},
            ),
            "trained": (("fit", "row"), _trained(folds, halves)),
            "scored": (("fold", "row"), folds.test.values & folds.shared.values),
        },
        coords={
            "row": folds.row.values.astype(np.int32),
            "unit": binned.unit.values,
            "strength": strengths,
            "fold": folds.fold.values,
            "fold_kind": ("fold", folds.fold_kind.values),
            "fit": fits,
            **{k: ("unit", binned[k].values) for k in ("location", "rate")},
        },
        attrs={
            "kind": "fits",
            "session": name,
            "model": model,
            "block": "0-of-1",
            "terms": json.dumps(term_names),
            "settings": json.dumps({"observations": "poisson"}),
            "bin": binned.attrs["bin"],
            "provenance": binned.attrs["provenance"],
        },
    )
    if halves:
        half = every["coef"][u[:, None], cv + 1 + np.arange(2)[None], chosen[:, None]]
        dataset["half_coef"] = (("unit", "half", "feature"), half)
        dataset["half_intercept"] = (
            ("unit", "half"),
            every["intercept"][u[:, None], cv + 1 + np.arange(2)[None], chosen[:, None]],
        )
        dataset["half_rows"] = (("unit", "half"), every["train_rows"][:, cv + 1 :].astype(int))
    return _label_features(dataset, term_names, features, binned.unit.values[0])


def _trained(folds, halves: bool) -> np.ndarray:
    final = folds.final.values
    masks = [*folds.train.values, final, *([final & (folds.half.values == half) for half in (0, 1)] if halves else [])]
    return np.stack(masks) & folds.shared.values


def _label_features(dataset, term_names, features, first_unit) -> xr.Dataset:
    term, inputs, function, settings = [], [], [], {}
    for t in term_names:
        store = features[t]
        keep = store.input.values == str(first_unit) if store.attrs["own"] else np.ones(store.sizes["feature"], bool)
        term += list(store.term.values[keep])
        inputs += ["own"] * keep.sum() if store.attrs["own"] else list(store.input.values)
        function += list(store.function.values[keep])
        dataset = put_in_fits(dataset, t, tables_of_features(store))
        term_of = {"of": store.attrs["of"], "basis": json.loads(store.attrs["basis"])}
        settings[t] = {"term": json.dumps(term_of), "bounds": json.dumps([[]])}
    dataset.attrs["term_settings"] = json.dumps(settings)
    return dataset.assign_coords(
        term=("feature", np.array(term, dtype=str)),
        input=("feature", np.array(inputs, dtype=str)),
        function=("feature", np.array(function, dtype=int)),
    )
