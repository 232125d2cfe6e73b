"""One workload through one library, in a process of its own: times, memory, and the fits it found.

Started by `run.py`. Every engine gets the same arrays and returns coefficients in raw feature units; the objective and
the gradient are then computed here in float64, outside all libraries.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
import warnings
from pathlib import Path

import numpy as np
import workloads

CHECKED = {(0, 1), (0, 5)}
"""(fold, strength) of the sweep that are checked for every unit; the first two units are for all."""


def models(name: str):
    """Return the parts of a workload: (label, workload, folds, whether each unit sees only its own 8 features)."""
    if name == "W1":
        return [(workloads.injected_current(), None, False)]
    if name.startswith("W2a"):
        return [(workloads.coupling(float(name.split(":")[1])), None, False)]
    if name == "W2b":
        return [(workloads.raw_lags(), None, False)]
    if name == "W2c":
        return [(workloads.own_history(), None, False)]
    if name in ("L1", "L2", "L3", "L4"):
        return [(workloads.corners(name), 5, False)]
    if name == "W3":
        parts = workloads.sweep()
        return [(part, 5, label == "history") for label, part in parts.items()]
    rows = int(name.split(":")[1]) if ":" in name else 360_000
    return [(workloads.big_session(rows), None, False)]


def splits(workload, count):
    """Return training and test sets of the folds, or everything; or both, where the penalty has corners."""
    rows = len(workload.X)
    whole = np.ones((1, rows), bool)
    if count is None:
        return whole, ~whole
    train, test = workloads.folds(rows, count)
    return (train, test) if workload.penalty == "ridge" else (np.r_[train, whole], np.r_[test, ~whole])


def features_of(workload, unit: int, own: bool) -> slice:
    """Return the features that a unit sees."""
    return slice(8 * unit, 8 * unit + 8) if own else slice(None)


def nwbglm(workload, count, own, units, dtype):
    """Return fits {(unit, split, strength): (coef, intercept)} of ours, held-out scores included in the work."""
    from nwbglm.engine.fit import Status, fit_splits
    from nwbglm.engine.penalties import PENALTIES

    train, test = splits(workload, count)
    own_options = {"group_lasso": {"groups": workload.groups}, "elastic_net": {"ratio": workload.ratio}}
    penalty = PENALTIES[workload.penalty](**own_options.get(workload.penalty, {}))
    options = {"strengths": workload.strengths, "penalty": penalty, "dtype": dtype}
    found = {}
    for group in [[unit] for unit in units] if own else [list(units)]:
        X = workload.X[:, features_of(workload, group[0], own)]
        fits = fit_splits(X, workload.y[:, group], train, test, **options)
        if not (fits.status == Status.ok).all():
            print(workload.name, "status", np.bincount(fits.status.ravel()))
        for i, unit in enumerate(group):
            for k, s in np.ndindex(fits.intercept.shape[1:]):
                found[unit, k, s] = fits.coef[i, k, s], fits.intercept[i, k, s]
    return found


def one_by_one(workload, count, own, units, fit, limit=None):
    """Return fits of a library that takes one response, one set of rows and one strength at a time."""
    train, _ = splits(workload, count)
    found = {}
    for unit in units:
        X = workload.X[:, features_of(workload, unit, own)]
        for k, rows in enumerate(train):
            Xk, yk = X[rows], workload.y[rows, unit].astype(float)
            if workload.penalty != "ridge":
                for s, result in enumerate(glum_path(Xk, yk, workload.strengths, workload.ratio)):
                    found[unit, k, s] = result
                continue
            for s, strength in enumerate(workload.strengths):
                if limit is None or (k, s) in limit:
                    found[unit, k, s] = fit(Xk, yk, strength)
    return found


def scikit_learn(X, y, strength):
    """Fit with newton-cholesky."""
    from sklearn.linear_model import PoissonRegressor

    model = PoissonRegressor(alpha=strength, solver="newton-cholesky", tol=1e-6, max_iter=100).fit(X, y)
    return model.coef_, model.intercept_


def glum(X, y, strength):
    """Fit with glum's default solver."""
    from glum import GeneralizedLinearRegressor

    model = GeneralizedLinearRegressor(family="poisson", alpha=strength, l1_ratio=0, gradient_tol=1e-6, max_iter=100)
    model.fit(X, y)
    return model.coef_, model.intercept_


def glum_path(X, y, strengths, ratio):
    """Fit a path of lasso or elastic net with glum, from the largest strength down, each from the one before."""
    from glum import GeneralizedLinearRegressor

    model = GeneralizedLinearRegressor(
        family="poisson", alpha_search=True, alpha=list(strengths), l1_ratio=ratio, gradient_tol=1e-6, max_iter=100
    ).fit(X, y)
    return list(zip(model.coef_path_, model.intercept_path_, strict=True))


def nemos_kind(workload, strength):
    """Return NeMoS' regularizer of a workload."""
    import nemos as nmo

    if not strength:
        return {}
    kind = {"ridge": "Ridge", "lasso": "Lasso", "elastic_net": "ElasticNet"}.get(workload.penalty)
    if workload.penalty == "elastic_net":
        strength = (strength, workload.ratio)
    if kind is None:
        labels = workload.groups
        kind = nmo.regularizer.GroupLasso(mask=(np.unique(labels)[:, None] == labels).astype(float))
    return {"regularizer": kind, "regularizer_strength": strength}


def nemos(workload, count, own, units, limit=None):
    """Fit with NeMoS' PopulationGLM in float64, its defaults otherwise: all units of a fold and strength at once."""
    import jax
    import nemos as nmo

    jax.config.update("jax_enable_x64", True)
    train, _ = splits(workload, count)
    found = {}
    alone = own or workload.groups is not None  # its masks of groups are for one response
    for group in [[unit] for unit in units] if alone else [list(units)]:
        X = workload.X[:, features_of(workload, group[0], own)].astype(float)
        for k, rows in enumerate(train):
            for s, strength in enumerate(workload.strengths):
                if limit is not None and (k, s) not in limit:
                    continue
                kind = nemos_kind(workload, strength)
                model = nmo.glm.PopulationGLM if len(group) > 1 or own else nmo.glm.GLM
                responses = workload.y[np.ix_(rows, group)].astype(float)
                model = model(**kind).fit(X[rows], responses if model is nmo.glm.PopulationGLM else responses[:, 0])
                for i, unit in enumerate(group):
                    coef = np.asarray(model.coef_).reshape(X.shape[1], -1)
                    found[unit, k, s] = coef[:, i], float(np.asarray(model.intercept_)[i])
    return found


def certify(workload, count, own, found):
    """Return {key: (objective, gradient norm for standardised features)} in float64."""
    train, _ = splits(workload, count)
    results = {}
    for (unit, k, s), (coef, intercept) in found.items():
        rows = train[k]
        X = workload.X[rows][:, features_of(workload, unit, own)].astype(float)
        y, strength = workload.y[rows, unit], workload.strengths[s]
        eta = X @ coef + intercept
        mu = np.exp(np.minimum(eta, 500))
        gradient = (X - X.mean(axis=0)).T @ (mu - y) / len(y)
        value, gradient = penalised(workload, strength, coef, gradient)
        objective = np.mean(mu - y * eta) + value
        gradient = gradient / X.std(axis=0)
        results[unit, k, s] = objective, float(np.hypot(np.linalg.norm(gradient), np.mean(mu - y)))
    return results


def penalised(workload, strength, coef, gradient):
    """Return the penalty, and the gradient (least subgradient) of loss and penalty."""
    if workload.penalty == "ridge":
        return 0.5 * strength * coef @ coef, gradient + strength * coef
    groups = np.arange(len(coef)) if workload.groups is None else workload.groups
    quadratic, absolute = strength * (1 - workload.ratio), strength * workload.ratio
    value, gradient = 0.5 * quadratic * coef @ coef, gradient + quadratic * coef
    for members in (groups == group for group in np.unique(groups)):
        pull, size = absolute * np.sqrt(members.sum()), np.linalg.norm(coef[members])
        value += pull * size
        steep = np.linalg.norm(gradient[members])
        if size > 0:
            gradient[members] += pull * coef[members] / size
        else:
            gradient[members] *= max(0.0, 1 - pull / max(steep, 1e-300))
    return value, gradient


def run(engine: str, name: str, repeats: int, units: int | None, limit, dtype: str) -> dict:
    """Fit a workload cold and then warm; return times, memory and certificates."""
    parts = models(name)
    chosen = [range(part.y.shape[1])[: units or None] for part, _, _ in parts]

    def everything():
        found = []
        for (part, count, own), some in zip(parts, chosen, strict=True):
            if engine == "nwbglm":
                found.append(nwbglm(part, count, own, some, dtype))
            elif engine == "nemos":
                found.append(nemos(part, count, own, some, limit))
            else:
                found.append(one_by_one(part, count, own, some, {"sklearn": scikit_learn, "glum": glum}[engine], limit))
        return found

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times = []
    for _ in range(repeats + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        found = everything()
        times.append((time.perf_counter() - wall, time.process_time() - cpu))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    certificates = {}
    for (part, count, own), fits in zip(parts, found, strict=True):
        some = {key: fit for key, fit in fits.items() if key[0] < 2 or key[1:] in CHECKED or len(fits) < 100}
        if part.X.nbytes < 5e8:
            for key, value in certify(part, count, own, some).items():
                certificates[f"{part.name}|{'|'.join(map(str, key))}"] = value
    return {
        "engine": engine, "workload": name, "fits": sum(map(len, found)), "wall": [t[0] for t in times],
        "cpu": [t[1] for t in times], "data_mb": before / 1024, "peak_mb": peak / 1024, "certificates": certificates,
    }  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("engine")
    parser.add_argument("workload")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--units", type=int)
    parser.add_argument("--limit", type=json.loads)
    parser.add_argument("--dtype", default="float64")
    parser.add_argument("--out", type=Path, required=True)
    a = parser.parse_args()
    warnings.simplefilter("ignore")
    some = None if a.limit is None else {tuple(pair) for pair in a.limit}
    a.out.write_text(json.dumps(run(a.engine, a.workload, a.repeats, a.units, some, a.dtype)))
