"""The study of trials, `config/trials.yaml`: every event, boxcar, category and count beside plain numpy on the file."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from nwbglm.binning import bin_recording
from nwbglm.features import build_features
from nwbglm.labels import NONE, levels_of
from nwbglm.recording import open_recording
from nwbglm.study import load_study

WIDTH = 20_000_000  # ns


def ns(seconds):
    return np.rint(np.asarray(seconds) * 1e9)


@pytest.fixture(scope="module")
def study(repository):
    return load_study(repository / "config" / "trials.yaml")


@pytest.fixture(scope="module")
def binned(study, shared_data):
    with open_recording(shared_data / "alm_trials.nwb") as recording:
        return bin_recording(recording, study.data)


@pytest.fixture(scope="module")
def trials(shared_data):
    with h5py.File(shared_data / "alm_trials.nwb") as file:
        table = file["intervals/trials"]
        return {
            name: table[name].asstr()[:] if table[name].dtype.kind == "O" else table[name][:]
            for name in table
            if name != "id"
        }


@pytest.fixture(scope="module")
def edges(binned):
    """Left edges of the bins, whole nanoseconds."""
    return ns(binned.time.values) - WIDTH / 2


def inside(edges, times):
    """Count times (ns) in each bin."""
    times = np.sort(times[np.isfinite(times)])
    return np.searchsorted(times, edges + WIDTH, "left") - np.searchsorted(times, edges, "left")


def test_counts_are_those_of_the_file(binned, edges, shared_data):
    with h5py.File(shared_data / "alm_trials.nwb") as file:
        trains = np.split(file["units/spike_times"][:], file["units/spike_times_index"][:-1])
    for unit, train in enumerate(trains):
        np.testing.assert_array_equal(binned.response.values[:, unit], inside(edges, ns(train)))


@pytest.mark.parametrize(
    "signal, column", [("pole_in", "pole_in_time"), ("pole_out", "pole_out_time"), ("cue", "cue_start_time")]
)
def test_events_are_those_of_the_table(binned, edges, trials, signal, column):
    expected = inside(edges, ns(trials[column]))
    assert expected.sum() == 342
    np.testing.assert_array_equal(binned[signal].values, expected)


def covered(edges, starts, stops, weights):
    """Add up the part (ns) of each bin that rows cover, times their weights; edges ascend."""
    total = np.zeros(len(edges))
    for start, stop, weight in zip(starts, stops, weights, strict=True):
        near = slice(*np.searchsorted(edges, [start - WIDTH, stop]))
        part = np.minimum(edges[near] + WIDTH, stop) - np.maximum(edges[near], start)
        total[near] += weight * np.clip(part, 0, None)
    return total


def test_the_light_is_on_from_the_pole_to_the_cue(binned, edges, trials):
    on = (trials["stim_present"] == 1) & (trials["photo_stim_period"] == "delay")
    on &= np.isfinite(trials["cue_start_time"])
    assert on.sum() > 50
    starts, stops = ns(trials["pole_out_time"][on]), ns(trials["cue_start_time"][on])
    expected = covered(edges, starts, stops, trials["photo_stim_power"][on]) / WIDTH
    np.testing.assert_allclose(binned.light.values, expected, atol=1e-9)


@pytest.mark.parametrize("signal, column", [("side", "type"), ("outcome", "response")])
def test_categories_are_those_of_the_table(binned, edges, trials, signal, column):
    levels = levels_of(binned[signal].attrs)
    assert levels == [*sorted(set(trials[column])), NONE]
    starts, stops = ns(trials["start_time"]), ns(trials["stop_time"])
    each = np.stack([covered(edges, starts, stops, trials[column] == level) for level in levels[:-1]])
    free = WIDTH - each.sum(axis=0)
    expected = np.where(each.max(axis=0) >= free, each.argmax(axis=0), len(levels) - 1)
    np.testing.assert_array_equal(binned[signal].values, expected)


def test_early_licks_are_masked_and_the_rest_is_in_trials(binned, edges, trials):
    good = trials["is_good"] == 1
    starts, stops = ns(trials["start_time"][good]), ns(trials["stop_time"][good])
    within, touching = np.zeros(len(edges), bool), np.zeros(len(edges), int)
    for start, stop in zip(starts, stops, strict=True):
        within |= (edges >= start) & (edges + WIDTH <= stop)
        touching += (edges + WIDTH > start) & (edges < stop)
    levels = levels_of(binned.outcome.attrs)
    early = binned.outcome.values == levels.index("early lick")
    fit = binned.in_epoch.sel(purpose="fit").values
    inner = touching < 2  # a bin across the edge of two good trials lies in both together
    np.testing.assert_array_equal(fit[inner], (within & ~early)[inner])
    assert not (fit & early).any()


def test_the_product_of_a_kernel_and_a_category(study, binned):
    made = build_features(binned, study.terms["side-in-time"], name="side-in-time")
    kernel = made["kernel_0"].values
    full = np.stack([np.convolve(binned.pole_in.values, one)[: binned.sizes["time"]] for one in kernel.T], axis=1)
    right = binned.side.values == levels_of(binned.side.attrs).index("lick right")
    rows, valid = made["row"].values, made["valid"].values
    expected = full[rows] * right[rows, None]
    np.testing.assert_allclose(made["features"].values[valid], expected[valid], atol=1e-6)
    assert made["value_1"].values.tolist() == ["lick left", "lick right"]
