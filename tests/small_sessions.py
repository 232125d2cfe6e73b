"""Small binned datasets for tests of features, folds and fits."""

from __future__ import annotations

import numpy as np
import xarray as xr

from nwbglm.crossval import split_rows
from nwbglm.features import build_features
from nwbglm.response import SPIKES
from nwbglm.study import Fit, Folds, Model, Term


def binned_session(counts, *, bin_width=0.01, segment=None, in_epoch=None, exposure=None, **signals) -> xr.Dataset:
    """Make a `binned` dataset of counts (time, unit); `in_epoch` maps purposes to masks, `fit` is all by default."""
    counts = np.atleast_2d(np.asarray(counts).T).T
    time = (np.arange(len(counts)) + 0.5) * bin_width
    purposes = {"use": np.ones(len(counts), bool), "fit": np.ones(len(counts), bool)} | (in_epoch or {})
    dataset = xr.Dataset(
        {
            "response": (("time", "unit"), counts.astype(np.uint16), SPIKES),
            "segment": ("time", np.zeros(len(counts), np.int32) if segment is None else np.asarray(segment, np.int32)),
            "in_epoch": (("purpose", "time"), np.stack(list(purposes.values()))),
        },
        coords={"time": time, "unit": np.arange(counts.shape[1]) + 1, "purpose": list(purposes)},
        attrs={"bin": bin_width, "session": "small"},
    )
    if exposure is not None:
        dataset["exposure"] = (("time", "unit"), np.asarray(exposure, np.float32))
    for name, value in signals.items():
        values, attrs = value if isinstance(value, tuple) else (value, {})
        dataset[name] = ("time", np.asarray(values, float), {"role": "signal", "units": "au"} | attrs)
    return dataset


WINDOW = "100 ms"
TERMS = {
    "coupling": {"of": "all spikes", "basis": {"raised_cosine_log": {"n": 3, "window": WINDOW}}},
    "others": {"of": "other spikes", "basis": {"raised_cosine_log": {"n": 3, "window": WINDOW}}},
    "history": {"of": "own spikes", "basis": {"raised_cosine_log": {"n": 3, "window": WINDOW}}},
    "heading": {"of": "heading", "basis": {"cyclic_bspline": {"n": 6}}},
    "full-rank": {"of": "heading", "basis": {"cyclic_bspline": {"n": 6, "full_rank": True}}},
    "drive": {"of": "drive", "basis": "identity"},
    "gain": {
        "product": [
            {"of": "heading", "basis": {"cyclic_bspline": {"n": 4}}},
            {"of": "own spikes", "basis": {"raised_cosine_log": {"n": 2, "window": WINDOW}}},
        ]
    },
}
RIDGE = {"ridge": {"strength": [1e-4, 1e-2, 1.0]}}


def head_direction_session(rows=4000, seed=0, **more):
    """Make three units driven by a heading and a current of about 50 +- 20."""
    rng = np.random.default_rng(seed)
    heading = np.mod(np.cumsum(rng.normal(0, 0.1, rows)), 2 * np.pi)
    drive = 50 + 20 * np.convolve(rng.normal(size=rows), np.ones(10) / 3, mode="same")
    rate = 0.1 * np.exp(np.cos(heading[:, None] - np.array([0, 2, 4])) + (drive[:, None] - 50) / 60)
    counts = rng.poisson(rate)
    return binned_session(counts, heading=(heading, {"period": 2 * np.pi}), drive=drive, **more)


class Stages:
    """What the stages before a fit make of a session: `terms` are names in `TERMS`, or terms by name."""

    def __init__(self, binned, terms, seed=0, **folds):
        self.binned = binned
        entries = terms if isinstance(terms, dict) else {name: TERMS[name] for name in terms}
        self.features = [
            build_features(binned, Term.model_validate(entry), name=name) for name, entry in entries.items()
        ]
        self.folds = split_rows(binned, self.features, Folds.model_validate({"blocks": 4} | folds), seed=seed)

    def fit(self, *terms: str, fit=None, block="0-of-1", **model):
        from nwbglm.fits.model import fit_model  # features and folds are tested without the engine

        settings = Fit.model_validate({"penalty": RIDGE, "tolerance": 1e-16} | (fit or {}))
        return fit_model(
            self.binned,
            self.folds,
            self.features,
            model=Model.model_validate({"terms": terms} | model),
            fit=settings,
            name="model",
            block=block,
        )

    def design(self, name, unit=None):
        features = next(f for f in self.features if f["term"].values[0] == name)
        columns = features["input"].values == str(unit) if features.attrs["own"] else slice(None)
        return features["features"].values[:, columns].astype(float)

    @property
    def counts(self):
        return self.binned["response"].values[self.folds["row"].values].astype(float)
