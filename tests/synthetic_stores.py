"""Small sessions whose stores follow the contracts of docs/stores.md, made without the stages that make them."""

from __future__ import annotations

import json
from typing import NamedTuple

import numpy as np
import xarray as xr
from synthetic_data import FOLDS, Term, binned_of, bumps, circular_bumps, features_of, folds_of
from synthetic_fits import STRENGTHS, fit_of
from synthetic_rates import predictions_of, tuning_of

from nwbglm.study import Study, read_study


class SyntheticSession(NamedTuple):
    """The stores of one session, as the stages hand them on."""

    name: str
    binned: xr.Dataset
    tuning: xr.Dataset
    folds: xr.Dataset
    features: dict[str, xr.Dataset]
    fits: dict[str, xr.Dataset]
    predictions: dict[str, xr.Dataset]


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
    binned = binned_of(name, counts, units, bin_, {"heading": (heading, "rad", 2 * np.pi)}, fit_rows=3000)
    lags = (np.arange(12) + 1) * bin_
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    terms = {
        "raw-history": Term("own spikes", np.eye(12), lags, own=True),
        "history": Term("own spikes", bumps(12, 4), lags, own=True),
        "coupling": Term("all spikes", bumps(12, 4), lags),
        "heading": Term("heading", circular_bumps(angle, 6), angle),
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
    binned = binned_of(name, counts, np.array([0]), bin_, {"current": (current, "pA", None)}, fit_rows=rows)
    lags = (np.arange(30) + 1) * bin_
    value = np.linspace(current.min(), current.max(), 2)
    terms = {
        "current": Term("current", (value / 1.0)[:, None], value),
        "current-history": Term("current", bumps(30, 5), lags),
        "history": Term("own spikes", bumps(30, 4), lags, own=True),
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


def _session(name, binned, terms, models, halves, values) -> SyntheticSession:
    row = np.flatnonzero(binned.in_epoch.sel(purpose="fit").values)
    features = {t: features_of(name, t, term, binned, row) for t, term in terms.items()}
    folds = folds_of(name, binned, features, row)
    fits = {m: fit_of(name, m, t, features, folds, binned, m in halves) for m, t in models.items()}
    signal = "heading" if "heading" in binned else "current"
    tuning = tuning_of(name, binned, signal, values)
    predictions = {
        m: predictions_of(name, m, fits[m], t, features, folds, binned, tuning, signal) for m, t in models.items()
    }
    return SyntheticSession(name, binned, tuning, folds, features, fits, predictions)
