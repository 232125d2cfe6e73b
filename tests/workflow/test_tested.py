"""Nulls beside shifts and refits of each draw, run to the tables: on a recording of noise nothing is found."""

import numpy as np
import pandas as pd
import pytest
from built_files import add_units, built, series

from nwbglm import store
from nwbglm.inference.simulated import slow

from .conftest import Workflow, sources

pytestmark = pytest.mark.slow


def noise(file):
    """Two units with drifts of 100 s of their own over 600 s, beside an unrelated signal that is as slow."""
    random = np.random.default_rng(1)
    rows = 6000
    drift = slow(random, rows, 1000, 24)
    arousal = slow(random, rows, 1000)
    counts = random.poisson(0.3 * np.exp(0.5 * drift - 0.125))
    bins = [np.repeat(np.arange(rows), each) for each in counts.T]
    add_units(file, [np.sort((bin_ + random.random(len(bin_))) * 0.1) for bin_ in bins])
    times = (np.arange(rows) + 0.5) * 0.1
    file.add_acquisition(series("arousal", arousal, timestamps=times, unit="au"))
    blocks = np.arange(rows) // 50
    file.add_acquisition(series("block", (blocks // 10).astype(float), timestamps=times, unit="au"))
    file.add_acquisition(series("onset", (np.arange(rows) % 50 == 0).astype(float), timestamps=times, unit="au"))


GENERATOR = """
import numpy as np
from scipy.signal import lfilter


def arousal(time, random, session):
    a = np.exp(-0.1 / 100)
    return lfilter([1], [1, -a], random.normal(size=len(time)) * np.sqrt(1 - a * a))
"""


@pytest.fixture(scope="module")
def tested(tmp_path_factory, repository):
    folder = tmp_path_factory.mktemp("noise")
    built(folder / "s1.nwb", noise)
    (folder / "generate.py").write_text(GENERATOR)
    workflow = Workflow(folder, repository)
    shared = {"term": "arousal", "model": "full", "draws": 19}
    workflow.write(
        recordings=sources(folder, "s1"), epochs={"use": {"intervals": [["0 s", "600 s"]]}}, units={"ids": [0, 1]},
        bin="100 ms",
        signals={
            "arousal": {"from": "arousal", "resample": "interpolate"}, "drift": {"of": "time"},
            "onset": {"from": "onset", "resample": "hold"}, "block": {"from": "block", "resample": "hold"},
        },
        tuning={},
        terms={
            "arousal": {"of": "arousal", "basis": {"bspline": {"n": 5, "full_rank": True}}},
            "history": {"of": "own spikes", "basis": {"raised_cosine_log": {"n": 3, "window": "2 s"}}},
            "drift": {"of": "drift", "basis": {"cosine": {"n": 16}}},
        },
        models={"full": ["history", "arousal", "drift"]},
        fit={"penalty": {"ridge": {"strength": [1e-4, 1e-2]}}, "folds": {"blocks": 5, "cut": "rows", "pieces": 40}},
        inference={
            "tests": {
                "generated": shared | {"null": {"draws": "generate.py:arousal"}},
                "exchanged": shared | {"null": {"trials": {"starts": "onset", "within": ["block"]}}},
                "refitted": shared | {"statistic": "held_out"},
            }
        },
    )  # fmt: skip
    workflow.run("--until", "compare_models")
    return workflow


def test_every_null_and_a_refit_run_to_the_tables(tested):
    tests = pd.read_parquet(tested.results / "comparison" / "tests.parquet")
    assert tests.groupby("test").null.first().to_dict() == {
        "generated": "draws", "exchanged": "trials", "refitted": "circular"
    }  # fmt: skip
    assert np.isfinite(tests.p).all() and (tests.failed == 0).all() and not tests.significant.any()
    trials = tests[tests.test == "exchanged"]
    assert (trials.stretches == 119).all() and (trials.warning == "").all()  # the first lacks the history's window
    refitted = tests[tests.test == "refitted"]
    assert refitted.effect.notna().all() and tests[tests.test != "refitted"].effect.isna().all()
    assert refitted.warning.str.contains("3.6 independent stretches: a shift null can hardly decide here").all()
    assert tests.assumes.str.len().min() > 10
    kept = store.read(tested.results / "tests" / "generated" / "s1.0-of-1.zarr.zip", "tests")
    assert kept["null"].shape == (2, 19)


def test_a_generator_that_changed_is_asked_again_and_nothing_is_fitted_again(tested):
    path = tested.folder / "generate.py"
    path.write_text(GENERATOR.replace("/ 100", "/ 90"))
    planned = tested.plan("--until", "compare_models")
    assert planned == {"test_term": 1, "compare_models": 1}
    path.write_text(GENERATOR)
