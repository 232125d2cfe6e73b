"""The cases of inference that were filed: pure noise is not called an effect, and intervals cover what they say."""

import numpy as np
import pytest
import yaml

import nwbglm
from nwbglm.comparison import compare_models, summarise_pairs
from nwbglm.comparison.tested import gather_tests
from nwbglm.crossval import split_rows
from nwbglm.features import build_features
from nwbglm.fits.model import fit_model
from nwbglm.inference.levels import estimate
from nwbglm.inference.stage import test_term as run_test
from nwbglm.report.answer import sentences
from nwbglm.report.mend import mend_rows
from nwbglm.study import read_study
from nwbglm.study.inference import FalseDiscoveries


@pytest.fixture(scope="module")
def noise(shared_data):
    """The study of the noise recording as it was filed, with a test of its covariate; its tables."""
    folder = shared_data.parent / "cases" / "inference"
    if not folder.is_dir():
        pytest.skip(f"no cases beside the checkout ({folder})")
    config = yaml.safe_load((folder / "false_positive.yaml").read_text())
    config["recordings"] = {"s1": {"nwb": str(folder / "false_positive.nwb")}}
    config["inference"] = {"tests": {"arousal": {"term": "arousal", "model": "full"}}}
    study = read_study(config)
    binned = nwbglm.bin_recording(folder / "false_positive.nwb", study, session="s1")
    features = [build_features(binned, study.terms[name], name=name) for name in study.used_terms]
    folds = split_rows(binned, features, study.fit.folds, seed=0)
    fits = {
        name: fit_model(binned, folds, features, model=study.model_settings(name), fit=study.fit, name=name)
        for name in ("history", "full")
    }
    test = run_test(
        binned, folds, features, fits["full"], test=study.inference.tests["arousal"], name="arousal",
        model=study.model_settings("full"), fit=study.fit, drift=study.rest_has_drift("arousal"), seed=study.seed,
    )  # fmt: skip
    return study, compare_models(list(fits.values()), binned=[binned], tests=[test]), test


def test_no_unit_of_pure_noise_is_significant(noise):
    _, tables, test = noise
    assert test.attrs["null"] == "linear"  # no term of time beside it
    assert not tables["tests"].significant.any() and len(tables["tests"]) == 24
    assert tables["population"].p.item() > 0.05
    by, _ = gather_tests([test], FalseDiscoveries(method="by"))
    assert not by.significant.any()


def test_its_report_says_that_little_can_be_decided(noise):
    study, tables, _ = noise
    told = sentences(study, summarise_pairs(tables["pairs"], study.seed), tables)
    mine = next(line for line in told if line.startswith("'arousal'"))
    assert "undecided" in mine and "significant in 0 of 24 units" in mine and "one session: no interval" in mine
    assert tables["tests"].warning.str.contains("can hardly decide here").all()
    assert any("independent stretches of its term" in what for what in mend_rows(study, tables)["what is bad"])


@pytest.mark.parametrize("sessions", [2, 3, 5, 10])
def test_intervals_over_sessions_cover_what_they_say(sessions):
    """The percentile bootstrap that stood here covered .49, .75, .83, .90."""
    random = np.random.default_rng(sessions)
    covered = []
    for seed in range(200):
        centres = random.normal(0.05, 0.04, sessions)
        values = (centres[:, None] + random.normal(0, 0.05, (sessions, 20))).ravel()
        found = estimate(values, [np.repeat(np.arange(sessions), 20)], draws=400, seed=seed)
        covered.append(found.low <= 0.05 <= found.high)
    assert 0.88 <= np.mean(covered) <= 0.99
