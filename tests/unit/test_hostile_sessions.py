"""Random bad sessions through all stages: nothing crashes, nothing is NaN, and what is impossible is said in words."""

import numpy as np
import pytest
import xarray as xr
from small_sessions import Stages, binned_session

from nwbglm.errors import ProblemError
from nwbglm.fits.predict import predict_rates, predict_recording
from nwbglm.study import Window

PENALTIES = (
    {"ridge": {"strength": [1e-6, 1e-2, 1]}},
    "none",
    {"lasso": {"strength": [1e-3, 0.1]}},
    {"smoothness": {"strength": [1e-2, 1]}},
)
EDGES = np.linspace(0, 2 * np.pi, 9)


def hostile_session(rng):
    """Silent, sparse and busy units; missing, constant and huge signals; short segments, gaps, explicit tests."""
    rows, units = int(rng.choice([300, 700, 1500])), int(rng.choice([1, 2, 4]))
    level = rng.choice([0.0, 0.003, 0.1, 1.0, 5.0], size=units)
    counts = rng.poisson(level * np.exp(rng.normal(0, 0.3, (rows, 1))))
    heading = np.mod(np.cumsum(rng.normal(0, 0.2, rows)), 2 * np.pi)
    drive = [np.ones(rows), 1e6 * rng.normal(size=rows), rng.normal(50, 20, rows)][rng.integers(3)]
    if rng.random() < 0.5:
        heading[rng.integers(0, rows, 5)] = np.nan
    more = {}
    if rng.random() < 0.4:
        start = rng.integers(0, rows - 60)
        more["exposure"] = np.ones((rows, units))
        more["exposure"][start : start + 50, rng.integers(units)] = rng.choice([0, 0.3])
    if rng.random() < 0.5:
        more["segment"] = np.sort(rng.integers(0, 5, rows))
    if rng.random() < 0.3:
        more["in_epoch"] = {"train": np.arange(rows) < 0.6 * rows, "test": np.arange(rows) >= 0.6 * rows}
    return binned_session(counts, heading=(heading, {"period": 2 * np.pi}), drive=drive, **more)


def tuning_store(units):
    return xr.Dataset(
        {"rate_heading": (("unit", "value_heading"), np.zeros((units, 8)), {"signal": "heading"})},
        coords={"value_heading": (EDGES[1:] + EDGES[:-1]) / 2, "edges_heading": ("edge_heading", EDGES)},
    )


@pytest.mark.parametrize("seed", range(12))
def test_a_hostile_session_is_fitted_or_refused_in_words(seed):
    rng = np.random.default_rng(seed)
    binned = hostile_session(rng)
    terms = rng.choice(["coupling", "others", "history", "heading", "drive"], size=rng.integers(0, 4), replace=False)
    cut, blocks = str(rng.choice(["rows", "within_epochs", "epochs"])), int(rng.choice([2, 3, 5]))
    options = {
        "penalty": PENALTIES[rng.integers(4)],
        "rows": str(rng.choice(["shared", "own"])),
        "halves": bool(rng.random() < 0.5),
        "fit": {"tolerance": 1e-9},
    }
    try:
        stages = Stages(binned, terms, cut=cut, blocks=blocks)
        fits = stages.fit(*terms, **options)
    except ProblemError as error:
        assert error.where.startswith("session small") and error.mend
        return
    words = np.array(fits["status"].attrs["flag_meanings"].split())[fits["status"].values]
    silent = binned["response"].values[stages.folds["row"].values].sum(axis=0) == 0
    assert (words[silent] == "no_spikes").all()
    assert np.isfinite(fits["coef"].values).all()
    assert not np.isnan(fits["test_log_likelihood"].values).any()
    window = Window.model_validate({"start": "0 s", "length": "2 s"})
    made = predict_rates(binned, tuning_store(binned.sizes["unit"]), stages.folds, stages.features, fits, window=window)
    valid = np.logical_and.reduce([np.ones(stages.folds.sizes["time"], bool), *(f["valid"] for f in stages.features)])
    shown = valid[np.isin(stages.folds["row"].values, made["row"].values)]
    assert np.isnan(made["rate"].values[~shown]).all()
    again = predict_recording(fits, binned).values[made["row"].values]
    np.testing.assert_allclose(again, made["rate"].values, rtol=1e-4, atol=1e-30)  # float32 on one side
