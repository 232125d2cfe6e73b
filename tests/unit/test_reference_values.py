"""The reference values of the injected-current recording, through the library's own stages.

Nine repeats of 20 s of one frozen noise current, 1 ms bins, current in pA, no penalty, trained on repeats 1-6 and
tested on 7-9; log-likelihoods are means over the test rows, the null is their own mean.

The reference was binned by pynapple, whose floating-point edges put samples that lie on an edge (every tenth one
here) into the bin before in 1.3 % of the bins, and two spikes. Fed with those bins our stages must give the
reference; with our own, which agree with integer arithmetic on the sample numbers, they must give nearly the same.
"""

import warnings

import h5py
import numpy as np
import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pynapple

from nwbglm import scores
from nwbglm.binning import bin_recording
from nwbglm.crossval import split_rows
from nwbglm.features import build_features
from nwbglm.fits.model import fit_model
from nwbglm.recording import open_recording
from nwbglm.study import DataSettings, Fit, Folds, Model, Term

pytestmark = pytest.mark.data

DATA = {
    "epochs": {
        "use": {"table": "epochs"},
        "train": {"table": "epochs", "index": [0, 1, 2, 3, 4, 5]},
        "test": {"table": "epochs", "index": [6, 7, 8]},
    },
    "bin": "1 ms",
    "signals": {"current": {"from": "stimulus", "units": "pA"}},
}
TERMS = {
    "current": {"of": "current", "basis": "identity"},
    "history8": {"of": "current", "basis": {"raised_cosine_log": {"n": 8, "window": "200 ms"}}},
    "history10": {"of": "current", "basis": {"raised_cosine_log": {"n": 10, "window": "200 ms"}}},
}


def stages_of(binned):
    features = [build_features(binned, Term.model_validate(term), name=name) for name, term in TERMS.items()]
    return binned, split_rows(binned, features, Folds(blocks=0), seed=0), features


@pytest.fixture(scope="module")
def path(shared_data):
    return shared_data / "noise_current_cell3.nwb"


@pytest.fixture(scope="module")
def ours(path):
    with open_recording(path, session="cell3") as recording:
        return bin_recording(recording, DataSettings.model_validate(DATA)).load()


@pytest.fixture(scope="module")
def stages(path, ours):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = pynapple.load_file(path)
        count = np.asarray(data["units"].count(0.001, data["epochs"]).d)
        current = np.asarray((data["stimulus"] * 1e12).bin_average(0.001, data["epochs"]).d)
    assert (count != ours["response"].values).sum() == 4
    assert np.mean(np.abs(current - ours["current"].values) > 1e-3) < 0.013
    theirs = ours.assign(response=ours["response"].copy(data=count), current=ours["current"].copy(data=current))
    return stages_of(theirs)


def test_our_bins_are_those_of_integer_arithmetic(path, ours):
    with h5py.File(path) as file:
        samples = file["stimulus/presentation/stimulus/data"][:].astype(float) * 1e12
        spikes = np.round(file["units/spike_times"][:] * 10_000).astype(int)
        starts = np.round(file["intervals/epochs/start_time"][:] * 10_000).astype(int)
    np.testing.assert_allclose(ours["current"].values, samples.reshape(-1, 10).mean(axis=1), atol=1e-4)
    counts = [np.bincount((spikes[(spikes >= s) & (spikes < s + 200_000)] - s) // 10, minlength=20_000) for s in starts]
    np.testing.assert_array_equal(ours["response"].values[:, 0], np.concatenate(counts))


def fit(stages, term, rows):
    binned, folds, features = stages
    settings = Fit.model_validate({"penalty": "none", "rows": rows, "tolerance": 1e-16})
    fits = fit_model(binned, folds, features, model=Model(terms=(term,)), fit=settings, name=term)
    assert fits["status"].values.tolist() == [[[0], [0]]]
    return fits.isel(unit=0, fold=0, strength=0)


def printed(fits):
    test, null = float(fits["test_log_likelihood"]), float(fits["test_mean_log_likelihood"])
    return (
        test / int(fits["test_rows"]),
        float(scores.pseudo_r2_mcfadden(test, null)),
        float(scores.deviance_explained(float(fits["test_deviance"]), float(fits["test_mean_deviance"]))),
    )


def test_rows_of_the_recording(stages):
    binned, folds, _ = stages
    assert binned.sizes["time"] == 180_000
    shared = folds["shared"].values
    assert [(folds["final"].values & shared).sum(), (folds["test"].values[0] & shared).sum()] == [118_800, 59_400]


@pytest.mark.parametrize(
    ("rows", "count", "coefficient", "intercept", "expected"),
    [
        ("own", 120_000, 0.007423, -6.32559, (-0.054311, 0.148960, 0.182458)),
        ("shared", 118_800, 0.007466, -6.347069, (-0.053993, 0.148989, 0.182441)),
    ],
)
def test_instantaneous_current(stages, rows, count, coefficient, intercept, expected):
    fits = fit(stages, "current", rows)
    assert int(fits["rows"]) == count
    assert float(fits["coef"][0]) == pytest.approx(coefficient, abs=1e-6)
    assert float(fits["intercept"]) == pytest.approx(intercept, abs=1e-5)
    assert printed(fits) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("term", "expected"),
    [("history8", (-0.049940, 0.212873, 0.260668)), ("history10", (-0.049478, 0.220142))],
)
def test_current_history(stages, term, expected):
    fits = fit(stages, term, "shared")
    assert int(fits["rows"]) == 118_800
    assert printed(fits)[: len(expected)] == pytest.approx(expected, abs=1e-5)
    assert np.isfinite(fits["coef"].values).all()


def test_with_our_own_bins_the_scores_are_nearly_those(ours):
    stages = stages_of(ours)
    assert printed(fit(stages, "current", "shared")) == pytest.approx((-0.053993, 0.148989, 0.182441), abs=2e-4)
    assert printed(fit(stages, "history8", "shared")) == pytest.approx((-0.049940, 0.212873, 0.260668), abs=2e-4)


def test_repeats_of_one_stimulus_flatter_what_new_stretches_of_it_do_not(path):
    settings = DATA | {"epochs": {"use": {"table": "epochs"}}}
    with open_recording(path, session="cell3") as recording:
        binned = bin_recording(recording, DataSettings.model_validate(settings)).load()
    features = [build_features(binned, Term.model_validate(TERMS["history10"]), name="history10")]
    found = {}
    for cut, blocks in (("epochs", 3), ("within_epochs", 5)):
        folds = split_rows(binned, features, Folds(blocks=blocks, cut=cut), seed=0)
        fit_settings = Fit.model_validate({"penalty": "none"})
        fits = fit_model(binned, folds, features, model=Model(terms=("history10",)), fit=fit_settings, name="history10")
        sums = [fits[f"{name}_deviance"].values.sum() for name in ("test", "test_mean")]
        found[cut] = float(scores.deviance_explained(*sums))
    assert found["epochs"] == pytest.approx(0.2683, abs=1e-3)
    assert found["within_epochs"] == pytest.approx(0.2581, abs=1e-3)
