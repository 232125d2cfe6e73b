"""The demonstration's own truth: what drives a cell is found in every unit, what does not is not (in small)."""

import numpy as np
import pytest
import yaml

import nwbglm
from nwbglm.comparison.tested import gather_tests
from nwbglm.crossval import split_rows
from nwbglm.fits.model import fit_model
from nwbglm.inference.stage import test_term as run_test
from nwbglm.study import read_study
from nwbglm.study.inference import FalseDiscoveries, TermTest

TESTS = {
    "heading": {"term": "heading", "model": "all"},
    "pairs": {"term": "pairs", "model": "all", "null": {"jitter": "200 ms"}, "draws": 99},
    "place": {"term": "place", "model": "all"},
}


@pytest.fixture(scope="module", params=[1, 2])
def tested(request, tmp_path_factory, repository):
    """Two minutes of six cells of the ring, with the animal's place as a decoy: it drives nobody."""
    config = yaml.safe_load((repository / "config" / "demo_head_direction.yaml").read_text())
    path = tmp_path_factory.mktemp("ring") / "mouse.nwb"
    nwbglm.simulate_recording("head_direction", path, seed=request.param, wake=120.0, sleep=5.0, adn=6, postsub=2)
    lags = {"raised_cosine_log": {"n": 4, "window": "0.2 s"}}
    config["recordings"] = {"mouse": {"nwb": str(path)}}
    config["signals"]["place"] = {"from": "position", "column": 0, "resample": "interpolate"}
    config["terms"] |= {
        "pairs": {"of": "other spikes", "basis": lags},
        "history": {"of": "own spikes", "basis": lags},
        "place": {"of": "place", "basis": {"bspline": {"n": 5, "full_rank": True}}},
    }
    config["models"] = {"all": ["pairs", "history", "heading", "place"]}
    config["fit"]["penalty"] = {"ridge": {"strength": [1e-4, 1e-2]}}
    study = read_study(config | {"inference": {"tests": TESTS}})
    binned = nwbglm.bin_recording(path, study, session="mouse")
    stores = list(nwbglm.make_features(binned, study).values())
    folds = split_rows(binned, stores, study.fit.folds, seed=0)
    model = study.model_settings("all")
    fits = fit_model(binned, folds, stores, model=model, fit=study.fit, name="all")
    found = [
        run_test(binned, folds, stores, fits, test=TermTest.model_validate(test), name=name, model=model, fit=study.fit,
                 drift=study.rest_has_drift(name))
        for name, test in TESTS.items()
    ]  # fmt: skip
    return gather_tests(found, FalseDiscoveries())


def test_true_terms_are_found_in_every_unit_and_the_decoy_in_none(tested):
    tests, population = tested
    found = tests.groupby("test").significant.mean()
    assert found["heading"] == 1 and found["pairs"] == 1 and found["place"] == 0, found
    population = population.set_index("test")
    assert (population.loc[["heading", "pairs"], "p"] <= 0.05).all() and population.loc["place", "p"] > 0.05
    nulls = tests.groupby("test").null.first()
    assert nulls.to_dict() == {"heading": "linear", "pairs": "jitter", "place": "linear"}
    assert np.isfinite(tests.statistic).all() and (tests.failed == 0).all()
