"""The simulated session of trials: valid, repeatable, and an independent fit finds the truth again."""

import os
import subprocess
import sys
import warnings

import h5py
import numpy as np
import pytest
import yaml
from scipy.interpolate import BSpline
from sklearn.linear_model import PoissonRegressor

from nwbglm.binning import bin_recording
from nwbglm.labels import levels_of
from nwbglm.recording import open_recording
from nwbglm.simulate import Trials, draw_trials, simulate_recording
from nwbglm.study import DataSettings

WIDTH = 0.02


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("simulated") / "trials.nwb"
    truth = simulate_recording("trials", path, seed=1)
    with h5py.File(path) as file:
        table = {
            name: column.asstr()[:] if column.dtype.kind == "O" else column[:]
            for name, column in file["intervals/trials"].items()
        }
        trains = np.split(file["units/spike_times"][:], file["units/spike_times_index"][:-1].astype(int))
    return path, truth, table, trains


@pytest.fixture(scope="module")
def binned(made, repository):
    parts = yaml.safe_load((repository / "config" / "demo_trials.yaml").read_text())
    settings = DataSettings.model_validate({name: parts[name] for name in parts if name in DataSettings.model_fields})
    with open_recording(made[0], session="simulated") as recording:
        return bin_recording(recording, settings).load()


def test_nwbinspector_finds_nothing(made):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the inspector's and its dependencies' own deprecations
        inspector = pytest.importorskip("nwbinspector", exc_type=ImportError)  # its peers may be too old for it
        messages = list(inspector.inspect_nwbfile(nwbfile_path=str(made[0])))
    assert [(message.check_function_name, message.message) for message in messages] == []


def test_same_seed_same_bytes_in_another_process(made, tmp_path):
    code = f"from nwbglm.simulate import simulate_recording as s; s('trials', {str(tmp_path / 'b.nwb')!r}, seed=1)"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONHASHSEED": "77"})
    assert made[0].read_bytes() == (tmp_path / "b.nwb").read_bytes()


def test_trials_do_not_overlap_and_hold_what_happens_in_them(made):
    _, _, table, _ = made
    assert (table["stop_time"][:-1] <= table["start_time"][1:]).all()
    for name in ("cue_time", "go_time"):
        known = np.isfinite(table[name])
        assert (table[name][known] > table["start_time"][known]).all()
        assert (table[name][known] < table["stop_time"][known]).all()
    assert 0.05 < np.isnan(table["go_time"]).mean() < 0.2 and set(table["side"]) == {"left", "right"}


def test_truth_names_what_it_is(made):
    truth = made[1]
    assert all({"units", "basis"} & set(variable.attrs) for variable in truth.data_vars.values())
    assert not any(variable.isnull().any() for variable in truth.data_vars.values())
    np.testing.assert_allclose(truth["drift_gain"].isel(drift=0), truth["drift_gain"].sel(drift=0.0))


def test_binning_gives_back_what_it_was_drawn_from(made, binned):
    _, _, table, trains = made
    edges = np.round((binned.time.values - WIDTH / 2) / WIDTH).astype(int)
    for unit, train in enumerate(trains):
        place = np.floor(train / WIDTH + 1e-9).astype(int)
        expected = np.bincount(place, minlength=edges.max() + 1)[edges]
        np.testing.assert_array_equal(binned.response.values[:, unit], expected)
    for name in ("cue", "go"):
        times = table[f"{name}_time"]
        place = np.floor(times[np.isfinite(times)] / WIDTH + 1e-9).astype(int)
        assert binned[name].values.sum() == len(place)
        np.testing.assert_array_equal(edges[binned[name].values > 0], np.sort(place))
    right = levels_of(binned.side.attrs).index("right")
    on = np.zeros(edges.max() + 1, bool)
    for start, stop, side in zip(table["start_time"], table["stop_time"], table["side"], strict=True):
        on[round(start / WIDTH) : round(stop / WIDTH)] |= side == "right"
    np.testing.assert_array_equal(binned.side.values == right, on[edges])


def _design(made):
    """Make the true model's features on every bin of the session, without the library."""
    _, _, table, trains = made
    bins = int(np.ceil((table["stop_time"][-1] + 5.0) / WIDTH))
    counts = np.stack(
        [np.bincount(np.floor(t / WIDTH + 1e-9).astype(int), minlength=bins)[:bins] for t in trains], axis=1
    )
    knots = np.concatenate([np.zeros(3), np.linspace(0, 1, 5), np.ones(3)])
    kernel = BSpline.design_matrix(np.linspace(0, 1, 50), knots, 3).toarray()
    features = []
    for name in ("cue_time", "go_time"):
        events = np.zeros(bins)
        events[np.floor(table[name][np.isfinite(table[name])] / WIDTH).astype(int)] = 1
        features += [np.convolve(events, function)[:bins] for function in kernel.T]
    right = np.zeros(bins)
    for start, stop, side in zip(table["start_time"], table["stop_time"], table["side"], strict=True):
        right[round(start / WIDTH) : round(stop / WIDTH)] = side == "right"
    first, last = table["start_time"][0], table["stop_time"][-1]
    share = np.clip(((np.arange(bins) + 0.5) * WIDTH - first) / (last - first), 0, 1)
    features += [right, *(np.cos(np.pi * k * share) for k in (1, 2, 3))]
    return np.stack(features, axis=1), counts, kernel


def test_an_independent_fit_finds_the_truth(made):
    """Kernels .98 / .2, drift .99 / .15, side within .1 (correlation / relative error, the median of units)."""
    truth = made[1]
    shared, counts, kernel = _design(made)
    own_kernel = truth["kernel"].values
    agreement = {"cue": [], "go": [], "drift": []}
    for unit in range(counts.shape[1]):
        past = np.concatenate([[0], counts[:-1, unit]]).astype(float)
        own = np.stack([np.convolve(past, function)[: len(past)] for function in own_kernel.T], axis=1)
        fit = PoissonRegressor(alpha=1e-5, max_iter=500, tol=1e-8).fit(np.hstack([shared, own]), counts[:, unit])
        found = {"cue": fit.coef_[:7] @ kernel.T, "go": fit.coef_[7:14] @ kernel.T}
        grid = truth["drift"].values
        found["drift"] = np.stack([np.cos(np.pi * k * grid) for k in (1, 2, 3)], axis=1) @ fit.coef_[15:18]
        for name, values in found.items():
            true = truth["drift_gain" if name == "drift" else f"{name}_filter"].values[unit]
            error = np.sqrt(np.mean((values - true) ** 2) / np.mean(true**2))
            agreement[name].append((np.corrcoef(values, true)[0, 1], error))
        assert fit.coef_[14] == pytest.approx(truth["side_gain"].values[unit, 1], abs=0.15)
        np.testing.assert_allclose(own_kernel @ fit.coef_[18:], truth["history"].values[unit], atol=0.35)
    for name, pairs in agreement.items():
        correlation, error = np.median(pairs, axis=0)
        assert correlation > 0.9 and error < 0.3, (name, correlation, error)


def test_what_is_drawn_follows_the_options():
    few = draw_trials(3, Trials(trials=20, units=2, kernel=0.0, side=0.0, drift=0.0))
    assert len(few.spike_times) == 2 and len(few.start) == 20
    assert not few.truth["cue_filter"].values.any() and not few.truth["drift_gain"].values.any()
