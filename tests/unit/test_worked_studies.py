"""The worked studies of real recordings beside plain numpy on their files: counts, exposure, signals, responses.

The third, of trials, has a file of its own (`test_trials_study.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pytest
import xarray as xr

from nwbglm.audit import audit_recording
from nwbglm.binning import bin_recording
from nwbglm.recording import open_recording
from nwbglm.study import load_study

TURN = 2 * np.pi


class Worked(NamedTuple):
    binned: xr.Dataset
    path: Path
    edges: np.ndarray
    """Left edges of the bins, whole nanoseconds, of the first interval of use."""
    width: int


def ns(seconds):
    return np.rint(np.asarray(seconds, dtype=float) * 1e9).astype(np.int64)


def worked(study, path, epoch):
    """Bin a study's recording; its bins lie in one epoch of the file."""
    data = load_study(study).data
    with open_recording(path) as recording:
        binned = bin_recording(recording, data).load()
    with h5py.File(path) as file:
        table = file["intervals/epochs"]
        start, stop = (int(ns(table[name][epoch])) for name in ("start_time", "stop_time"))
    width = int(ns(data.bin))
    return Worked(binned, path, start + width * np.arange((stop - start) // width), width)


@pytest.fixture(scope="module")
def heading(repository, shared_data):
    return worked(repository / "config" / "head_direction.yaml", shared_data / "mouse28_head_direction.nwb", 0)


@pytest.fixture(scope="module")
def current(repository, shared_data):
    return worked(repository / "config" / "injected_current.yaml", shared_data / "noise_current_cell3.nwb", 0)


@pytest.fixture(scope="module")
def worm(repository, shared_data):
    path = shared_data / "worm_calcium.nwb"
    with open_recording(path) as recording:
        return bin_recording(recording, load_study(repository / "config" / "worm_calcium.yaml").data).load(), path


def trains(path):
    with h5py.File(path) as file:
        units = file["units"]
        ends = units["spike_times_index"][:]
        split = np.split(ns(units["spike_times"][:]), ends[:-1].astype(int))
        location = units["location"].asstr()[:] if "location" in units else [""] * len(ends)
        return dict(zip(units["id"][:].tolist(), split, strict=True)), location


@pytest.mark.parametrize("name", ["heading", "current"])
def test_bins_are_whole_and_counts_are_those_of_the_file(name, request):
    one = request.getfixturevalue(name)
    np.testing.assert_array_equal(ns(one.binned.time.values), one.edges + one.width // 2)
    found, _ = trains(one.path)
    for unit in one.binned.unit.values:
        train = np.sort(found[int(unit)])
        expected = np.searchsorted(train, one.edges + one.width) - np.searchsorted(train, one.edges)
        np.testing.assert_array_equal(one.binned.response.sel(unit=unit).values, expected)


def test_the_units_are_those_of_the_thalamus_that_fire(heading):
    found, location = trains(heading.path)
    last = heading.edges[-1] + heading.width
    with h5py.File(heading.path) as file:
        stop = ns(file["intervals/epochs/stop_time"][0])
    seconds = (stop - heading.edges[0]) / 1e9
    rates = {unit: ((train >= heading.edges[0]) & (train < stop)).sum() / seconds for unit, train in found.items()}
    expected = [unit for unit, area in zip(found, location, strict=True) if area == "adn" and rates[unit] > 1.0]
    assert last <= stop and heading.binned.unit.values.tolist() == expected
    np.testing.assert_allclose(heading.binned["rate"], [rates[unit] for unit in expected], rtol=1e-12)


def test_the_heading_is_interpolated_on_the_circle(heading):
    with h5py.File(heading.path) as file:
        series = file["processing/behavior/CompassDirection/ry"]
        values, times = series["data"][:].astype(float), ns(series["timestamps"][:]) / 1e9
    centres = (heading.edges + heading.width // 2) / 1e9
    after = np.searchsorted(times, centres, "right")
    inside = (after > 0) & (after < len(times))
    low, high = np.clip(after - 1, 0, None), np.clip(after, None, len(times) - 1)
    gap = times[high] - times[low]
    inside &= gap <= 0.1
    turn = (values[high] - values[low] + np.pi) % TURN - np.pi
    expected = values[low] + turn * np.divide(centres - times[low], gap, where=gap > 0, out=np.zeros_like(gap))
    found = heading.binned.heading.values
    np.testing.assert_array_equal(np.isfinite(found), inside)
    apart = (found[inside] - expected[inside] + np.pi) % TURN - np.pi
    assert inside.mean() > 0.99 and np.abs(apart).max() < 1e-9


def test_the_current_is_the_mean_of_its_samples(current):
    with h5py.File(current.path) as file:
        series = file["stimulus/presentation/stimulus"]
        values = series["data"][:].astype(float) * float(series["data"].attrs.get("conversion", 1.0)) * 1e12
        times = ns(series["timestamps"][:])
    place = (times - current.edges[0]) // current.width
    mine = (place >= 0) & (place < len(current.edges))
    total = np.bincount(place[mine], values[mine], len(current.edges))
    count = np.bincount(place[mine], minlength=len(current.edges))
    assert (count > 0).all()
    np.testing.assert_allclose(current.binned.current.values, total / count, rtol=1e-9, atol=1e-9)
    assert current.binned.current.attrs["units"] == "pA"


def test_the_worms_neurons_are_their_series_and_gaps_end_stretches(worm):
    binned, path = worm
    with h5py.File(path) as file:
        names = sorted(name for name in file["acquisition"] if name.startswith("Activity_"))
        first = file["acquisition"][names[0]]
        times = ns(first["timestamps"][:])
        values = np.stack([file["acquisition"][name]["data"][:].astype(float) for name in names], axis=1)
        place = file["acquisition/Tracked 2D position/ss_2D"]
        position = place["data"][:].astype(float) * float(place["data"].attrs.get("conversion", 1.0))
        at = ns(place["timestamps"][:])
    used = (times >= 0) & (times < ns(608.0))
    np.testing.assert_array_equal(ns(binned.time.values), times[used])
    assert binned.response.shape == (used.sum(), 57)
    np.testing.assert_allclose(binned.response.values, values[used], atol=1e-9, equal_nan=True)
    stretch = np.concatenate([[0], np.cumsum(np.diff(times[used]) > 1.5 * ns(0.166))])
    np.testing.assert_array_equal(binned.segment.values, stretch)
    assert stretch[-1] > 0
    np.testing.assert_array_equal(at, times)
    for column, name in enumerate("xy"):
        np.testing.assert_allclose(binned[name].values, 1e3 * position[used, column], atol=1e-9)


@pytest.mark.parametrize(
    "name",
    [
        "a8604_minimal", "alm_trials", "human_mtl_sub-4_ses-4", "linear_track", "mouse28_head_direction",
        "noise_current_cell3", "worm_calcium",
    ],
)  # fmt: skip
def test_good_times_and_values_are_not_doubted(shared_data, name):
    doubts = {"times-apart", "times-not-in-seconds", "times-since-rows", "axes-exchanged", "values-apart"}
    audit = audit_recording(shared_data / f"{name}.nwb", None, session="s")
    assert not [one for one in audit.findings if one.code in doubts]
