"""Small sessions whose stores follow the contracts of docs/architecture.md, made without the stages that make them.

The models are really fitted (Newton on a penalised Poisson likelihood), so that scores and filters mean something.
"""

from __future__ import annotations

import json
from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy.special import gammaln

from nwbglm.study import Study, read_study

STRENGTHS = np.array([0.1, 0.01, 0.001])
STATUS = "ok no_spikes separable rank_deficient not_converged"
FOLDS = 4


class SyntheticSession(NamedTuple):
    """The stores of one session, as the stages hand them on."""

    name: str
    binned: xr.Dataset
    tuning: xr.Dataset
    folds: xr.Dataset
    features: dict[str, xr.Dataset]
    fits: dict[str, xr.Dataset]
    predictions: dict[str, xr.Dataset]


class Term(NamedTuple):
    """One term of a synthetic study: what it reads and its kernel over lags or function of values."""

    of: str
    matrix: np.ndarray
    grid: np.ndarray
    own: bool = False


# ---------------------------------------------------------------- the two kinds of session


def head_direction_session(name: str = "mouse-1", seed: int = 0, silent_unit: bool = False) -> SyntheticSession:
    """Five coupled units tuned to a drifting heading, 10 ms bins, 40 s of which 30 s are fitted."""
    rng = np.random.default_rng(seed)
    rows, units, bin_ = 4000, np.array([3, 7, 8, 11, 12]), 0.01
    heading = np.mod(np.cumsum(rng.normal(0, 0.08, rows)) + 0.02 * np.arange(rows), 2 * np.pi)
    preferred = np.linspace(0, 2 * np.pi, len(units), endpoint=False) + 0.3
    rate = 2 + 28 * np.exp(4 * (np.cos(heading[:, None] - preferred) - 1))
    counts = np.zeros((rows, len(units)))
    for t in range(rows):
        recent = counts[max(0, t - 4) : t].sum(axis=0)
        counts[t] = rng.poisson(rate[t] * bin_ * np.exp(-0.8 * recent + 0.15 * np.roll(recent, 1)))
    if silent_unit:
        counts[:, -1] = 0
    binned = _binned(name, counts, units, bin_, {"heading": (heading, "rad", 2 * np.pi)}, fit_rows=3000)
    lags = (np.arange(12) + 1) * bin_
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    terms = {
        "raw-history": Term("own spikes", np.eye(12), lags, own=True),
        "history": Term("own spikes", _bumps(12, 4), lags, own=True),
        "coupling": Term("all spikes", _bumps(12, 4), lags),
        "heading": Term("heading", _circular_bumps(angle, 6), angle),
    }
    models = {
        "constant": [],
        "raw-history": ["raw-history"],
        "history": ["history"],
        "coupling": ["coupling"],
        "heading": ["heading"],
        "full": ["coupling", "heading"],
    }
    return _session(name, binned, terms, models, halves=("raw-history", "history"), values=61)


def injected_current_session(name: str = "cell-1", seed: int = 1) -> SyntheticSession:
    """Make one unit driven by a noise current, 1 ms bins, 6 s."""
    rng = np.random.default_rng(seed)
    rows, bin_ = 6000, 0.001
    noise = np.convolve(rng.normal(0, 60, rows + 20), np.ones(20) / np.sqrt(20), mode="valid")[:rows]
    current = 150 + noise
    log_rate = np.log(0.02) + 0.012 * (np.convolve(current, np.ones(10) / 10)[:rows] - 150)
    counts = rng.poisson(np.exp(np.clip(log_rate, -20, 1)))[:, None].astype(float)
    binned = _binned(name, counts, np.array([0]), bin_, {"current": (current, "pA", None)}, fit_rows=rows)
    lags = (np.arange(30) + 1) * bin_
    value = np.linspace(current.min(), current.max(), 2)
    terms = {
        "current": Term("current", (value / 1.0)[:, None], value),
        "current-history": Term("current", _bumps(30, 5), lags),
        "history": Term("own spikes", _bumps(30, 4), lags, own=True),
    }
    models = {
        "constant": [],
        "current": ["current"],
        "current-history": ["current-history"],
        "history+own": ["current-history", "history"],
    }
    return _session(name, binned, terms, models, halves=(), values=15)


def study_of(session: SyntheticSession, **changes) -> Study:
    """Return the study that such a session would come from."""
    circular = "heading" in session.binned
    signal = (
        {"from": "ry", "period": "2 pi", "resample": "interpolate"} if circular else {"from": "stimulus", "units": "pA"}
    )
    name = "heading" if circular else "current"
    config = {
        "study": "synthetic",
        "recordings": {session.name: {"nwb": f"{session.name}.nwb"}},
        "epochs": {
            "use": {"table": "epochs", "where": "tags == 'wake'"},
            "fit": {"within": "use", "first": "30 s" if circular else "6 s"},
        },
        "units": {"where": "rate > 1.0"},
        "bin": "10 ms" if circular else "1 ms",
        "signals": {name: signal},
        "tuning": {name: {"of": name, "bins": 61 if circular else 15}},
        "terms": {
            term: {"of": store.attrs["of"], "basis": json.loads(store.attrs["basis"])}
            for term, store in session.features.items()
        },
        "models": {
            model: {"terms": json.loads(fit.attrs["terms"]), "halves": "half_coef" in fit}
            for model, fit in session.fits.items()
        },
        "fit": {"penalty": {"ridge": {"strength": STRENGTHS[::-1].tolist()}}, "folds": {"blocks": FOLDS}},
        "figures": {
            "unit": 7 if circular else 0,
            "window": {"start": "2 s" if circular else "0.5 s", "length": "10 s" if circular else "4 s"},
            "smooth": {"std": "50 ms"},
        },
    }
    return read_study(config | changes, "synthetic study")


# ---------------------------------------------------------------- binned


def _binned(name, counts, units, bin_, signals, fit_rows) -> xr.Dataset:
    time = (np.arange(len(counts)) + 0.5) * bin_ + 100.0
    in_epoch = np.ones((2, len(counts)), bool)
    in_epoch[1, fit_rows:] = False
    dataset = xr.Dataset(
        {
            "spike_count": (("time", "unit"), counts.astype(np.uint16)),
            "segment": ("time", np.zeros(len(counts), np.int32)),
            "in_epoch": (("purpose", "time"), in_epoch),
        },
        coords={
            "time": time,
            "unit": units,
            "purpose": ["use", "fit"],
            "location": ("unit", ["adn"] * len(units)),
            "rate": ("unit", counts.mean(axis=0) / bin_),
            "spikes": ("unit", counts.sum(axis=0).astype(np.int64)),
            "segment_label": ("segments", ["wake"]),
            "segment_start": ("segments", [100.0]),
            "segment_stop": ("segments", [100.0 + len(counts) * bin_]),
        },
        attrs={"kind": "binned", "session": name, "bin": bin_, "provenance": _provenance(name)},
    )
    for signal, (values, unit, period) in signals.items():
        attrs = {"role": "signal", "units": unit} | ({"period": period} if period else {})
        dataset[signal] = ("time", values, attrs)
    return dataset


def _provenance(name: str) -> str:
    return json.dumps(
        {
            "nwb": {"file": f"{name}.nwb", "sha256": "ab" * 32, "identifier": name},
            "versions": {"nwbglm": "0.1.0", "numpy": np.__version__},
            "study": "cd" * 32,
            "code": "ef" * 32,
            "seed": 0,
        }
    )


# ---------------------------------------------------------------- bases and features


def _bumps(lags: int, count: int) -> np.ndarray:
    x = np.linspace(0, 1, lags)[:, None]
    centres = np.linspace(0, 0.8, count)
    return 0.5 * (np.cos(np.clip((x - centres) * np.pi / 0.35, -np.pi, np.pi)) + 1)


def _circular_bumps(angle: np.ndarray, count: int) -> np.ndarray:
    centres = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.exp(2 * (np.cos(np.asarray(angle)[:, None] - centres) - 1))


def _convolve(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """X[t] = sum_k K[k] x[t-1-k]; the first rows of the window are NaN."""
    window = len(kernel)
    out = np.full((len(x), kernel.shape[1]), np.nan)
    for t in range(window, len(x)):
        out[t] = x[t - window : t][::-1] @ kernel
    return out


def _features(name, term_name, term, binned, row) -> xr.Dataset:
    counts = binned.spike_count.values.astype(float)
    spikes = term.of.endswith("spikes")
    inputs = (
        {str(u): counts[:, i] for i, u in enumerate(binned.unit.values)}
        if spikes
        else {term.of: binned[term.of].values}
    )
    bin_ = binned.attrs["bin"]
    lagged = len(term.grid) > 2 and np.isclose(term.grid[0], bin_) and "period" not in binned.get(term.of, binned).attrs
    columns, names, functions = [], [], []
    for label, values in inputs.items():
        if lagged:
            block = _convolve(values, term.matrix)
        elif term.matrix.shape[1] == 1:
            block = values[:, None]
        else:
            block = _circular_bumps(values, term.matrix.shape[1])
        columns.append(block)
        names += [label] * block.shape[1]
        functions += range(block.shape[1])
    matrix = np.concatenate(columns, axis=1)[row]
    grid, values_name = ("lag", "kernel") if lagged else ("value", "values_of_function")
    window = f"{1000 * float(term.grid[-1]):g} ms"
    basis = {"raised_cosine_log": {"n": term.matrix.shape[1], "window": window}}
    if lagged and len(term.matrix) == term.matrix.shape[1]:
        basis = {"lags": {"window": window}}
    if not lagged:
        basis = {"identity": {}} if term.matrix.shape[1] == 1 else {"cyclic_bspline": {"n": term.matrix.shape[1]}}
    return xr.Dataset(
        {
            "features": (("time", "feature"), matrix.astype(np.float32)),
            "valid": ("time", np.isfinite(matrix).all(axis=1)),
            values_name: ((grid, "function_index"), term.matrix),
        },
        coords={
            "time": binned.time.values[row],
            "row": ("time", row),
            "term": ("feature", [term_name] * matrix.shape[1]),
            "input": ("feature", names),
            "function": ("feature", functions),
            grid: term.grid,
        },
        attrs={
            "kind": "features",
            "session": name,
            "term": term_name,
            "of": term.of,
            "own": int(term.own),
            "basis": json.dumps(basis),
            "window": float(term.grid[-1]) if lagged else 0.0,
            "provenance": binned.attrs["provenance"],
        },
    )


# ---------------------------------------------------------------- folds


def _folds(name, binned, features, row) -> xr.Dataset:
    shared = np.logical_and.reduce([f.valid.values for f in features.values()])
    fold = np.minimum(np.arange(len(row)) * FOLDS // len(row), FOLDS - 1).astype(np.int16)
    test = np.stack([fold == k for k in range(FOLDS)])
    gap = max(f.attrs["window"] for f in features.values())
    width = round(gap / binned.attrs["bin"])
    train = np.stack([~np.convolve(t, np.ones(2 * width + 1), mode="same").astype(bool) for t in test])
    return xr.Dataset(
        {
            "shared": ("time", shared),
            "reason": ("time", (~shared).astype(np.uint8), {"flag_meanings": "kept feature_invalid"}),
            "fold_of_row": ("time", fold),
            "train": (("fold", "time"), train),
            "test": (("fold", "time"), test),
            "final": ("time", np.ones(len(row), bool)),
            "half": ("time", (np.arange(len(row)) >= len(row) // 2).astype(np.int8)),
        },
        coords={
            "time": binned.time.values[row],
            "row": ("time", row),
            "fold": [str(k) for k in range(FOLDS)],
            "fold_kind": ("fold", ["cv"] * FOLDS),
        },
        attrs={"kind": "folds", "session": name, "scheme": json.dumps({"blocks": FOLDS}), "gap": gap, "seed": 0},
    )


# ---------------------------------------------------------------- fits


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


def _design(features, term_names, unit):
    blocks = []
    for term in term_names:
        store = features[term]
        keep = store.input.values == str(unit) if store.attrs["own"] else slice(None)
        blocks.append(np.nan_to_num(store.features.values[:, keep].astype(float)))
    rows = next(iter(features.values())).sizes["time"]
    return np.concatenate(blocks, axis=1) if blocks else np.zeros((rows, 0))


def _fit(name, model, term_names, features, folds, binned, halves) -> xr.Dataset:
    units = binned.unit.values
    row = folds.row.values
    strengths = STRENGTHS if term_names else STRENGTHS[:1]
    parts = [
        _unit_fit(
            _Problem(_design(features, term_names, u), binned.spike_count.values[row, i].astype(float), folds),
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
            "saturated_test_log_likelihood": (("unit", "fold"), every["saturated"][:, :cv]),
            "test_spikes": (("unit", "fold"), every["spikes"][:, :cv]),
            "test_rows": (("unit", "fold"), every["rows"][:, :cv]),
            "log_likelihood": ("unit", every["train"][u, cv, chosen]),
            "null_log_likelihood": ("unit", every["null"][:, cv]),
            "saturated_log_likelihood": ("unit", every["saturated"][:, cv]),
            "spikes": ("unit", every["spikes"][:, cv]),
            "rows": ("unit", every["rows"][:, cv]),
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
        dataset["half_rows"] = (("unit", "half"), every["train_rows"][:, cv + 1 :])
    return _label_features(dataset, term_names, features, binned.unit.values[0])


def _label_features(dataset, term_names, features, first_unit) -> xr.Dataset:
    term, inputs, function = [], [], []
    for t in term_names:
        store = features[t]
        keep = store.input.values == str(first_unit) if store.attrs["own"] else np.ones(store.sizes["feature"], bool)
        term += list(store.term.values[keep])
        inputs += ["own"] * keep.sum() if store.attrs["own"] else list(store.input.values)
        function += list(store.function.values[keep])
        if "kernel" in store:
            dataset[f"kernel_{t}"] = ((f"lag_{t}", f"function_{t}"), store.kernel.values)
            dataset = dataset.assign_coords({f"lag_{t}": store.lag.values})
        else:
            dataset[f"values_{t}"] = ((f"value_{t}", f"function_{t}"), store.values_of_function.values)
            dataset = dataset.assign_coords({f"value_{t}": store.value.values})
    return dataset.assign_coords(
        term=("feature", np.array(term, dtype=str)),
        input=("feature", np.array(inputs, dtype=str)),
        function=("feature", np.array(function, dtype=int)),
    )


# ---------------------------------------------------------------- tuning and predictions


def _mean_by_value(values, signal, edges):
    which = np.digitize(signal, edges) - 1
    sums = np.stack([np.nansum(values[which == k], axis=0) for k in range(len(edges) - 1)], axis=1)
    rows = np.array([(which == k).sum() for k in range(len(edges) - 1)])
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums / rows, sums, rows


def _tuning(name, binned, signal, bins) -> xr.Dataset:
    values, bin_ = binned[signal].values, binned.attrs["bin"]
    period = binned[signal].attrs.get("period")
    edges = np.linspace(0, period, bins + 1) if period else np.linspace(values.min(), values.max() + 1e-9, bins + 1)
    mean, count, rows = _mean_by_value(binned.spike_count.values.astype(float), values, edges)
    centres = (edges[1:] + edges[:-1]) / 2
    attrs = {"units": binned[signal].attrs["units"]} | ({"period": period} if period else {})
    dataset = xr.Dataset(
        {
            f"rate_{signal}": (("unit", f"value_{signal}"), mean / bin_),
            f"low_{signal}": (("unit", f"value_{signal}"), 0.8 * mean / bin_, {"confidence": 0.95}),
            f"high_{signal}": (("unit", f"value_{signal}"), 1.2 * mean / bin_, {"confidence": 0.95}),
            f"count_{signal}": (("unit", f"value_{signal}"), count),
            f"occupancy_{signal}": (f"value_{signal}", rows * bin_),
            f"preferred_{signal}": ("unit", centres[np.nan_to_num(mean, nan=-1).argmax(axis=1)]),
            f"information_{signal}": ("unit", np.full(binned.sizes["unit"], 0.5)),
        },
        coords={
            "unit": binned.unit.values,
            f"value_{signal}": (f"value_{signal}", centres, attrs),
            f"edges_{signal}": (f"edge_{signal}", edges),
        },
        attrs={"kind": "tuning", "session": name},
    )
    if period:
        dataset[f"vector_length_{signal}"] = ("unit", np.full(binned.sizes["unit"], 0.6))
        dataset[f"mean_direction_{signal}"] = dataset[f"preferred_{signal}"]
    return dataset


def _trained(folds, halves: bool) -> np.ndarray:
    final = folds.final.values
    masks = [*folds.train.values, final, *([final & (folds.half.values == half) for half in (0, 1)] if halves else [])]
    return np.stack(masks) & folds.shared.values


def _predictions(name, model, fit, term_names, features, folds, binned, tuning, signal) -> xr.Dataset:
    bin_, row = binned.attrs["bin"], folds.row.values
    rate = np.stack(
        [
            np.exp(fit.intercept.values[i] + _design(features, term_names, u) @ fit.coef.values[i])
            for i, u in enumerate(binned.unit.values)
        ],
        axis=1,
    )
    held_out = np.full_like(rate, np.nan)
    for i, u in enumerate(binned.unit.values):
        design = _design(features, term_names, u)
        for k in range(FOLDS):
            rows = folds.test.values[k]
            held_out[rows, i] = np.exp(fit.fold_intercept.values[i, k] + design[rows] @ fit.fold_coef.values[i, k])
    invalid = ~folds.shared.values
    rate[invalid] = held_out[invalid] = np.nan
    edges = tuning[f"edges_{signal}"].values
    values = binned[signal].values[row]
    window = slice(200, 1200) if "heading" in binned else slice(500, 4500)
    return xr.Dataset(
        {
            "rate": (("time", "unit"), (rate / bin_)[window].astype(np.float32)),
            "heldout_rate": (("time", "unit"), (held_out / bin_)[window].astype(np.float32)),
            f"rate_{signal}": (("unit", f"value_{signal}"), _mean_by_value(rate, values, edges)[0] / bin_),
            f"heldout_rate_{signal}": (("unit", f"value_{signal}"), _mean_by_value(held_out, values, edges)[0] / bin_),
        },
        coords={
            "time": folds.time.values[window],
            "row": ("time", row[window]),
            "unit": binned.unit.values,
            f"value_{signal}": tuning[f"value_{signal}"],
        },
        attrs={"kind": "predictions", "session": name, "model": model},
    )


def _session(name, binned, terms, models, halves, values) -> SyntheticSession:
    row = np.flatnonzero(binned.in_epoch.sel(purpose="fit").values)
    features = {t: _features(name, t, term, binned, row) for t, term in terms.items()}
    folds = _folds(name, binned, features, row)
    fits = {m: _fit(name, m, t, features, folds, binned, m in halves) for m, t in models.items()}
    signal = "heading" if "heading" in binned else "current"
    tuning = _tuning(name, binned, signal, values)
    predictions = {
        m: _predictions(name, m, fits[m], t, features, folds, binned, tuning, signal) for m, t in models.items()
    }
    return SyntheticSession(name, binned, tuning, folds, features, fits, predictions)
