"""Drifting units beside a slow covariate, and tests of terms on them."""

from __future__ import annotations

import numpy as np
from small_sessions import TERMS, Stages, binned_session

from nwbglm.engine.observations import MODELS
from nwbglm.inference import stage
from nwbglm.inference.simulated import slow
from nwbglm.study import Fit, Model
from nwbglm.study.inference import TermTest

NONE = {"penalty": "none", "tolerance": 1e-12}
DRIFTING = TERMS | {
    "drift": {"of": "time_itself", "basis": {"polynomial": {"degree": 5}}},
    "drifts": {"of": "time_itself", "basis": {"polynomial": {"degree": 20}}},
    "short": {"of": "own spikes", "basis": {"raised_cosine_log": {"n": 2, "window": "500 ms"}}},
    "pairs": {"of": "other spikes", "basis": {"raised_cosine_log": {"n": 2, "window": "500 ms"}}},
    "curve": {"of": "drive", "basis": {"bspline": {"n": 5, "full_rank": True}}},
}


def session(seed=0, gain=0.0, rows=2000, units=4, **more):
    """Units with own drifts beside a slow covariate, which drives the first half of them."""
    random = np.random.default_rng(seed)
    drive = slow(random, rows, 20)
    drift = np.stack([slow(random, rows, 400) for _ in range(units)], axis=1)
    gains = np.where(np.arange(units) < units // 2, gain, 0.0)
    counts = random.poisson(0.5 * np.exp(0.4 * drift + gains * drive[:, None]))
    time = (np.arange(rows) + 0.5) / rows
    return binned_session(counts, bin_width=0.1, drive=drive, time_itself=time, **more)


def respond_as(binned, observations):
    """Turn the counts of a session into responses that an observation model can have."""
    values = binned["response"].values
    if observations == "bernoulli":
        binned["response"] = binned["response"].clip(max=1)
    elif not MODELS[observations].counts:
        noise = np.random.default_rng(0).normal(size=values.shape)
        values = values + noise if observations == "gaussian" else np.exp(0.3 * noise) * (1 + values)
        binned["response"] = (("time", "unit"), values, {"kind": "continuous", "name": "dF/F", "units": ""})


def stages_of(binned, terms, pieces=40, **more):
    return Stages(binned, {name: DRIFTING[name] for name in terms}, pieces=pieces, **more)


def examine(binned, terms, term="drive", fit=None, block="0-of-1", drift=True, seed=0, others=None, pieces=40, **test):
    """Test a term of a model of all `terms` (see `inference.stage.test_term`)."""
    stages = stages_of(binned, terms, pieces)
    settings = NONE | (fit or {})
    fits = stages.fit(*terms, fit=settings, block=block)
    return stage.test_term(
        binned, stages.folds, stages.features, fits, test=TermTest(term=term, model="model", **test), name="t",
        model=Model(terms=terms), fit=Fit.model_validate(settings), drift=drift, block=block, seed=seed, others=others,
    )  # fmt: skip
