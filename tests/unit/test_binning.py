"""Bins: equal to pynapple's where it is right, exact where it is not; nothing lost, nothing twice."""

import warnings

import numpy as np
import pytest
from built_files import add_units, built, heading, position, series, settings
from hypothesis import assume, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from pynwb.epoch import TimeIntervals

from nwbglm import limits, store
from nwbglm.binning import Grid, bin_recording, count_in_bins, resample, smooth
from nwbglm.binning.exposure import exposure
from nwbglm.binning.grid import coverage
from nwbglm.epochs import Epochs, difference, intersect, rounded, union
from nwbglm.errors import RecordingError, StudyError
from nwbglm.recording import open_recording

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pynapple as nap

TURN = 2 * np.pi


def binned(path, **parts):
    with open_recording(path, session="s") as recording:
        return bin_recording(recording, settings(**parts)).load()


def one_epoch(file, stop=10.0, start=0.0):
    file.add_epoch(start, stop, ["wake"])


# --- edges -----------------------------------------------------------------------------------------------------------

starts = st.integers(0, 10**6).map(lambda k: k / 1000)
lengths = st.integers(1, 40_000).map(lambda k: k / 1000)
widths = st.sampled_from([0.001, 0.002, 0.005, 0.01, 0.025, 0.1, 1 / 30, 1 / 3, 0.0166666])


@given(starts, lengths, widths, st.integers(0, 2**32 - 1))
def test_every_spike_lies_in_exactly_one_bin(start, length, width, seed):
    grid = Grid(Epochs.of([start], [start + length]), width)
    assume(len(grid))
    rng = np.random.default_rng(seed)
    spikes = rounded(rng.uniform(grid.left[0], grid.right[-1], 200))
    spikes = np.concatenate([spikes[spikes < grid.right[-1]], grid.left[:500]])
    index = grid.index(spikes)
    assert (index >= 0).all()
    assert (grid.left[index] <= spikes).all() and (spikes < grid.right[index]).all()
    assert count_in_bins(spikes, grid).sum() == len(spikes)


@given(starts, widths)
def test_bins_share_their_edges_and_never_drift(start, width):
    grid = Grid(Epochs.of([start], [start + 3600 * 0.1]), width)
    assert (grid.left[1:] == grid.right[:-1]).all()
    assert np.abs(grid.left - (start + np.arange(len(grid)) * width)).max() < 1e-9


@given(st.lists(st.integers(0, 10**7), max_size=60), st.integers(0, 10**5), st.sampled_from([10, 25, 100, 1000]))
def test_counts_move_with_time(spikes, shift, width):
    spikes = np.array(spikes, dtype=float) / 1e4
    still = count_in_bins(spikes, Grid(Epochs.of([0], [1000]), width / 1e4))
    moved = count_in_bins(spikes + shift / 1e4, Grid(Epochs.of([shift / 1e4], [1000 + shift / 1e4]), width / 1e4))
    assert (still == moved).all()


@given(st.lists(st.tuples(starts, lengths), min_size=1, max_size=5), widths, st.booleans())
def test_a_spike_of_an_epoch_is_in_a_bin_unless_the_last_partial_one(rows, width, partial):
    from nwbglm.epochs import merge_overlaps

    segments = merge_overlaps(Epochs.of(*np.array([[start, start + length] for start, length in rows]).T))
    grid = Grid(segments, width, partial)
    times = rounded(np.concatenate([np.linspace(span.start, span.stop, 50)[:-1] for span in segments]))
    index = grid.index(times)
    for time, place in zip(times, index, strict=True):
        rest = [span.stop - time for span in segments if span.start <= time < span.stop]
        if place < 0 and partial:
            assert rest[0] <= 2e-6 * width
        elif place < 0:
            assert rest[0] < width


def test_equal_to_pynapple_where_widths_are_whole_nanoseconds():
    rng = np.random.default_rng(0)
    spikes = np.sort(np.round(rng.uniform(0, 600, 20_000), 4))
    epochs = Epochs.of([1.0003, 200.0, 400.5], [150.0003, 390.0, 599.5])
    theirs = nap.Ts(spikes).count(0.005, nap.IntervalSet(epochs.start, epochs.stop))
    grid = Grid(epochs, 0.005)
    assert (count_in_bins(spikes, grid) == theirs.values).all()
    assert np.abs(grid.centre - theirs.t).max() < 1e-9


def test_departs_from_pynapple_whose_bins_of_a_thirtieth_of_a_second_drift():
    hours = 4 * 3600.0
    grid = Grid(Epochs.of([0], [hours]), 1 / 30)
    theirs = nap.Ts(np.array([0.5, 9.0])).count(1 / 30, nap.IntervalSet(0, hours))
    assert len(grid) == 432_000
    assert abs(grid.left[-1] - (hours - 1 / 30)) < 1e-9
    assert abs(theirs.t[431_999] - (hours - 1 / 60)) > 1e-4


def test_departs_from_pynapple_which_keeps_a_short_last_bin_as_if_it_were_whole():
    epochs, spikes = Epochs.of([0], [1.006]), np.array([0.5, 1.001, 1.002])
    theirs = nap.Ts(spikes).count(0.01, nap.IntervalSet(0, 1.006))
    assert len(theirs) == 101 and theirs.values[-1] == 2
    assert len(Grid(epochs, 0.01)) == 100
    kept = Grid(epochs, 0.01, partial=True)
    assert len(kept) == 101 and count_in_bins(spikes, kept)[-1] == 2
    assert kept.fraction[-1] == pytest.approx(0.6)


@given(st.lists(st.tuples(st.integers(0, 900), st.integers(1, 200)), max_size=6))
def test_coverage_is_the_time_that_intervals_share_with_bins(rows):
    starts_ = np.array([start / 100 for start, _ in rows])
    stops = np.array([(start + length) / 100 for start, length in rows])
    grid = Grid(Epochs.of([0], [10]), 0.05)
    exact = sum(
        (
            np.clip(stop - grid.left, 0, 0.05) - np.clip(start - grid.left, 0, 0.05)
            for start, stop in zip(starts_, stops, strict=True)
        ),
        np.zeros(len(grid)),
    )
    assert np.allclose(coverage(starts_, stops, grid), exact / 0.05, atol=1e-9)


@given(st.lists(st.tuples(st.integers(0, 9000), st.integers(1, 3000)), max_size=5), st.booleans(), st.integers(0, 8000))
@effort(max_examples=60)
def test_exposure_is_the_observed_time(rows, partial, blank):
    observed = np.array([[start / 1000, (start + length) / 1000] for start, length in rows]).reshape(-1, 2)
    grid = Grid(Epochs.of([0.5, 6.0], [4.203, 9.007]), 0.01, partial)
    off = Epochs.of([blank / 1000], [blank / 1000 + 0.5])
    fraction = exposure(observed, off, grid, 1e-9)
    seen = intersect(Epochs.of(grid.left, grid.right), difference(union(Epochs.of(*observed.T)), off))
    assert ((fraction >= 0) & (fraction <= 1)).all()
    assert fraction.sum() * 0.01 == pytest.approx(seen.duration.sum(), abs=1e-6)


# --- samples ---------------------------------------------------------------------------------------------------------


def test_averages_equal_pynapple(tmp_path):
    rng = np.random.default_rng(1)
    times, values = np.arange(20_000) / 1000, rng.normal(size=20_000)
    epochs = Epochs.of([0.5, 10.0], [9.5, 19.5])
    theirs = nap.Tsd(times, values).bin_average(0.01, nap.IntervalSet(epochs.start, epochs.stop))
    ours = resample([(times[:7000], values[:7000]), (times[7000:], values[7000:])], Grid(epochs, 0.01), "mean")
    assert np.abs(ours - theirs.values).max() < 1e-12


def test_an_empty_bin_or_one_with_a_nan_sample_has_no_mean():
    times = np.array([0.001, 0.002, 0.021, 0.022])
    ours = resample([(times, np.array([1.0, 3.0, 5.0, np.nan]))], Grid(Epochs.of([0], [0.03]), 0.01), "mean")
    assert ours[0] == 2.0 and np.isnan(ours[1:]).all()


def test_circular_mean_at_the_wrap():
    times, values = np.array([0.001, 0.002]), np.array([0.1, TURN - 0.3])
    grid = Grid(Epochs.of([0], [0.01]), 0.01)
    assert resample([(times, values)], grid, "mean")[0] == pytest.approx(np.pi - 0.1)
    assert resample([(times, values)], grid, "mean", period=TURN)[0] == pytest.approx(TURN - 0.1)


def test_circular_interpolation_takes_the_shorter_way():
    times, values = np.array([0.0, 0.02]), np.array([TURN - 0.1, 0.3])
    grid = Grid(Epochs.of([0], [0.02]), 0.01)
    plain = resample([(times, values)], grid, "interpolate")
    ours = resample([(times, values)], grid, "interpolate", period=TURN)
    assert plain[0] == pytest.approx(TURN - 0.1 - (TURN - 0.4) / 4)
    assert ours == pytest.approx([0.0, 0.2], abs=1e-12)


@pytest.mark.parametrize("cut", [1, 2, 3, 5])
@pytest.mark.parametrize("how", ["mean", "interpolate", "hold"])
def test_blocks_of_any_size_give_the_same(how, cut):
    rng = np.random.default_rng(2)
    times = np.sort(np.round(rng.uniform(0, 2, 60), 3))
    values = np.where(rng.random(60) < 0.1, np.nan, rng.normal(size=60))
    grid = Grid(Epochs.of([0.1, 1.2], [1.0, 1.9]), 0.01)
    whole = resample([(times, values)], grid, how, max_gap=0.08)
    pieces = [(times[low : low + cut], values[low : low + cut]) for low in range(0, 60, cut)]
    assert np.array_equal(resample(pieces, grid, how, max_gap=0.08), whole, equal_nan=True)


def test_interpolation_equals_numpy_where_samples_are_close():
    rng = np.random.default_rng(3)
    times, values = np.arange(0, 10, 0.025), rng.normal(size=400)
    grid = Grid(Epochs.of([1], [9]), 0.01)
    assert np.allclose(
        resample([(times, values)], grid, "interpolate", max_gap=0.1), np.interp(grid.centre, times, values)
    )


def test_gaps_make_bins_invalid_rather_than_invented():
    times = np.array([0.0, 0.1, 0.2, 1.0, 1.1])
    grid = Grid(Epochs.of([0], [1.1]), 0.1)
    linear = resample([(times, times)], grid, "interpolate", max_gap=0.15)
    held = resample([(times, times)], grid, "hold", max_gap=0.15)
    assert np.isfinite(linear).tolist() == [True, True] + [False] * 8 + [True]
    assert held[:3].tolist() == [0.0, 0.1, 0.2] and np.isnan(held[4:10]).all() and held[10] == 1.0


def test_hold_never_looks_ahead():
    times, values = np.array([0.1, 0.5]), np.array([1.0, 2.0])
    held = resample([(times, values)], Grid(Epochs.of([0], [1.0]), 0.1), "hold", max_gap=10.0)
    assert np.isnan(held[0]) and held[1:5].tolist() == [1.0] * 4 and held[5:].tolist() == [2.0] * 5


# --- smoothing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("std", "size_factor"), [(0.05, 20), (0.05, 10), (0.02, 6)])
def test_smoothing_in_pynapples_form(std, size_factor):
    counts = np.random.default_rng(4).poisson(0.1, 3000).astype(float)
    times = np.arange(3000) * 0.01 + 0.005
    theirs = nap.Tsd(times, counts, time_support=nap.IntervalSet(0, 30)).smooth(std=std, size_factor=size_factor)
    ours = smooth(counts, 0.01, std, size_factor, renormalise=False)
    assert np.abs(ours - theirs.values).max() < 1e-12


def test_a_constant_stays_constant_to_the_edge():
    ones = np.ones((300, 2))
    segment = np.repeat([0, 1], 150)
    assert smooth(ones, 0.01, 0.05, segment=segment) == pytest.approx(1.0)
    assert smooth(ones, 0.01, 0.05, segment=segment, renormalise=False)[149:151] == pytest.approx(0.54, abs=0.01)


def test_nothing_is_smoothed_across_segments():
    values = np.concatenate([np.zeros(100), np.ones(100)])
    assert (np.abs(smooth(values, 0.01, 0.05, segment=np.repeat([0, 1], 100)) - values) < 1e-12).all()


# --- recordings ------------------------------------------------------------------------------------------------------


def test_counts_signals_and_purposes_of_a_small_file(tmp_path):
    def fill(file):
        one_epoch(file)
        add_units(file, [[0.005, 0.006, 9.999, 10.0], [5.0]], location=["adn", "ca1"])
        file.add_acquisition(series("current", np.arange(1000.0), rate=100.0, starting_time=0.0, conversion=1e-12))

    path = built(tmp_path / "a.nwb", fill)
    data = binned(
        path,
        epochs={"use": {}, "fit": {"within": "use", "first": "2 s"}},
        signals={"i": {"from": "current", "units": "pA"}},
    )
    assert data.sizes == {"time": 1000, "unit": 2, "segments": 1, "purpose": 2}
    assert data.response.values[0].tolist() == [2, 0] and data.response.values.sum(0).tolist() == [3, 1]
    assert data.in_epoch.sel(purpose="fit").values.sum() == 200
    assert np.allclose(data.i.values, np.arange(1000.0)) and data.i.attrs["units"] == "pA"
    assert data.spikes.values.tolist() == [3, 1] and data.rate.values.tolist() == [0.3, 0.1]
    assert data.location.values.tolist() == ["adn", "ca1"] and data.attrs["bin"] == 0.01
    assert "exposure" not in data


def test_observation_intervals_are_exposure_of_their_unit_alone(tmp_path):
    def fill(file):
        one_epoch(file)
        observed = [[[0.0, 4.0], [6.0, 10.0]], [[0.0, 10.0]], np.empty((0, 2))]
        add_units(file, [[1.0, 5.0, 7.0], [5.0], []], obs_intervals=observed)

    data = binned(built(tmp_path / "a.nwb", fill))
    assert data.exposure.sum("time").values.tolist() == [800, 1000, 0]
    assert data.response.sum("time").values.tolist() == [2, 1, 0]  # the spike at 5 s was not observed
    assert data.rate.values[:2].tolist() == [2 / 8, 1 / 10] and np.isnan(data.rate.values[2])


def test_a_partly_observed_bin_has_part_of_the_exposure(tmp_path):
    def fill(file):
        one_epoch(file, 1.0)
        add_units(file, [[0.5]], obs_intervals=[[[0.0, 0.106], [0.204, 1.0]]])

    exposure = binned(built(tmp_path / "a.nwb", fill)).exposure.values[:, 0]
    assert exposure[10] == pytest.approx(0.6) and exposure[20] == pytest.approx(0.6)
    assert (exposure[11:20] == 0).all() and (exposure[21:] == 1).all()


def test_little_observed_bins_count_as_not_observed(tmp_path):
    def fill(file):
        one_epoch(file, 1.0)
        add_units(file, [[0.101]], obs_intervals=[[[0.0, 0.104], [0.5, 1.0]]])

    path = built(tmp_path / "a.nwb", fill)
    assert binned(path).response.values.sum() == 0
    lenient = binned(path, min_exposure=0.3)
    assert lenient.response.values[10, 0] == 1 and lenient.exposure.values[10, 0] == pytest.approx(0.4)


def blankable(file):
    one_epoch(file)
    add_units(file, [np.arange(0.05, 10, 0.1), np.arange(0.05, 5, 0.1)])
    pulses = TimeIntervals("pulses", "light")
    pulses.add_row(start_time=2.0, stop_time=2.5)
    file.add_time_intervals(pulses)


def test_blanked_epochs_and_events_are_neither_spikes_nor_silence(tmp_path):
    path = built(tmp_path / "a.nwb", blankable)
    epochs = binned(path, blank={"light": {"epochs": {"table": "pulses"}, "after": "500 ms"}})
    assert epochs.exposure.values[:, 0].sum() == 900 and epochs.response.values[:, 0].sum() == 90
    events = binned(path, blank={"light": {"events": "pulses", "before": "10 ms", "after": "20 ms"}})
    assert np.flatnonzero(events.exposure.values[:, 1] == 0).tolist() == [199, 200, 201]
    assert events.rate.values[0] == pytest.approx(100 / 9.97)
    none = binned(path, blank={"light": {"events": "pulses", "where": "start_time > 5", "after": "1 s"}})
    assert "exposure" not in none


def test_silences_of_all_units_can_be_blanked(tmp_path):
    def fill(file):
        one_epoch(file)
        add_units(file, [[1.0, 1.2, 4.0], [1.1, 4.1, 9.9]])

    data = binned(built(tmp_path / "a.nwb", fill), units={"ids": [0]}, blank={"lost": {"silence": "2 s"}})
    seen = data.exposure.values[:, 0] > 0
    assert seen.sum() == 1000 - 278 - 578  # 1.2 to 4.0 s and 4.1 to 9.9 s, but the bins of the spikes around them
    assert data.response.values[:, 0].sum() == 3


def test_a_kept_partial_bin_says_its_exposure(tmp_path):
    def fill(file):
        one_epoch(file, 1.006)
        add_units(file, [[1.002]])

    path = built(tmp_path / "a.nwb", fill)
    assert binned(path).sizes["time"] == 100
    kept = binned(path, partial_bins="keep")
    assert kept.sizes["time"] == 101 and kept.exposure.values[-1, 0] == pytest.approx(0.6)
    assert kept.response.values[-1, 0] == 1


def test_epochs_in_use_that_overlap_count_each_spike_once(tmp_path):
    def fill(file):
        for start, stop in [(0.0, 6.0), (4.0, 10.0)]:
            file.add_epoch(start, stop, [f"from {start:g}"])
        add_units(file, [[5.0]])

    data = binned(built(tmp_path / "a.nwb", fill))
    assert data.sizes["time"] == 1000 and data.response.values.sum() == 1
    assert data.segment_label.values.tolist() == ["from 0+from 4"]


def test_trial_events_and_boxcars(tmp_path):
    def fill(file):
        one_epoch(file)
        add_units(file, [[1.0]])
        file.add_trial_column("contrast", "of the grating")
        file.add_trial_column("lick", "time of the lick")
        for start, contrast, lick in [(1.0, 0.5, 1.255), (3.0, 1.0, np.nan), (5.0, 0.25, 5.5)]:
            file.add_trial(start_time=start, stop_time=start + 1.005, contrast=contrast, lick=lick)

    signals = {
        "onset": {"from": "trials", "resample": "events"},
        "strong": {"from": "trials", "resample": "events", "where": "contrast >= 0.5", "value": "contrast"},
        "lick": {"from": "trials", "resample": "events", "time": "lick", "shift": "100 ms"},
        "grating": {"from": "trials", "resample": "boxcar", "value": "contrast"},
        "delay": {"from": "trials", "resample": "boxcar", "start": "stop_time", "stop": "lick", "where": "lick > 5.4"},
        "wait": {"from": "trials", "resample": "boxcar", "start": "start_time", "stop": "lick"},
    }
    data = binned(built(tmp_path / "a.nwb", fill), signals=signals)
    assert np.flatnonzero(data.onset.values).tolist() == [100, 300, 500]
    assert data.strong.values[[100, 300, 500]].tolist() == [0.5, 1.0, 0.0]
    assert np.flatnonzero(data.lick.values).tolist() == [135, 560]
    assert data.grating.values[[99, 100, 199, 200, 201]].tolist() == [0, 0.5, 0.5, 0.25, 0]
    assert data.grating.values.sum() == pytest.approx(100.5 * 1.75)
    assert data.delay.values.sum() == 0  # the lick comes before the trial's end: no time is left
    assert data.wait.values.sum() == pytest.approx(25.5 + 50)


def test_marks_of_a_series_are_events(tmp_path):
    from pynwb.misc import AnnotationSeries, IntervalSeries

    def fill(file):
        one_epoch(file)
        add_units(file, [[1.0]])
        file.add_acquisition(series("ttl", [61, 1, 2, 1], unit="NA", timestamps=[0.5, 1.0, 2.0, 9.0]))
        file.add_acquisition(AnnotationSeries("notes", data=["lick", "reward", "lick"], timestamps=[1.0, 2.0, 3.0]))
        file.add_acquisition(IntervalSeries("light", data=np.int8([1, -1, 1, -1]), timestamps=[1.0, 1.5, 4.0, 4.25]))

    signals = {
        "on": {"from": "ttl", "resample": "events", "where": "value == 1"},
        "lick": {"from": "notes", "resample": "events", "where": "value == 'lick'"},
        "light": {"from": "light", "resample": "boxcar"},
    }
    data = binned(built(tmp_path / "a.nwb", fill), signals=signals)
    assert np.flatnonzero(data.on.values).tolist() == [100, 900]
    assert np.flatnonzero(data.lick.values).tolist() == [100, 300]
    assert data.light.values.sum() == pytest.approx(75)


def test_derived_signals(tmp_path):
    times = np.arange(0, 10, 0.02)

    def fill(file):
        one_epoch(file)
        add_units(file, [[1.0]])
        behaviour = file.create_processing_module("behavior", "b")
        behaviour.add(position(np.stack([300 * times, 400 * times], 1), conversion=0.01, timestamps=times))
        behaviour.add(heading("ry", (3 * times) % TURN, timestamps=times))

    signals = {
        "speed": {"from": "position", "derive": "speed", "units": "cm/s", "resample": "interpolate"},
        "turning": {"from": "ry", "derive": "derivative", "period": "2 pi", "resample": "interpolate"},
        "angle": {"from": "ry", "derive": "unwrap", "period": "2 pi", "resample": "interpolate"},
        "later": {"from": "ry", "period": "2 pi", "shift": "500 ms", "resample": "interpolate"},
        "smooth": {"from": "ry", "period": "2 pi", "smooth": "40 ms", "resample": "interpolate"},
    }
    data = binned(built(tmp_path / "a.nwb", fill), signals=signals)
    middle = slice(100, 900)
    assert data.speed.values[middle] == pytest.approx(500.0) and data.speed.attrs["units"] == "cm/s"
    assert data.turning.values[middle] == pytest.approx(3.0) and data.turning.attrs["units"] == "radians/s"
    assert data.angle.values[middle] == pytest.approx(3 * data.time.values[middle])
    assert data.later.values[middle] == pytest.approx((3 * (data.time.values[middle] - 0.5)) % TURN)
    turned = np.angle(np.exp(1j * (data.smooth.values[middle] - 3 * data.time.values[middle])))
    assert np.abs(turned).max() < 1e-9
    assert "period" not in data.angle.attrs and data.smooth.attrs["period"] == pytest.approx(TURN)


def test_a_derivative_does_not_cross_a_gap(tmp_path):
    times = np.concatenate([np.arange(0, 4, 0.02), np.arange(6, 10, 0.02)])

    def fill(file):
        one_epoch(file)
        add_units(file, [[1.0]])
        file.add_acquisition(series("x", np.where(times < 5, times, times + 1000), unit="m", timestamps=times))

    data = binned(
        built(tmp_path / "a.nwb", fill), signals={"v": {"from": "x", "derive": "derivative", "resample": "interpolate"}}
    )
    assert np.nanmax(np.abs(data.v.values - 1)) < 1e-6
    assert np.isnan(data.v.values[400:598]).all()


@pytest.mark.parametrize(
    ("signal", "error", "what"),
    [
        ({"from": "curent"}, RecordingError, "did you mean"),
        ({"from": "current", "units": "mV"}, RecordingError, "does not convert"),
        ({"from": "two"}, RecordingError, "2 columns"),
        ({"from": "two", "column": 2}, RecordingError, "no column 2"),
        ({"from": "epochs", "resample": "events", "where": "tag == 'wake'"}, StudyError, "unknown column"),
        ({"from": "epochs", "resample": "boxcar", "value": "tags"}, RecordingError, "one number a row"),
        ({"from": "sweeps.stimulus"}, RecordingError, "no sweeps"),
    ],
)
def test_a_wrong_signal_is_said_in_the_users_terms(tmp_path, signal, error, what):
    def fill(file):
        one_epoch(file)
        add_units(file, [[1.0]])
        file.add_acquisition(series("current", np.zeros(10), rate=1.0))
        file.add_acquisition(series("two", np.zeros((10, 2)), rate=1.0))

    path = built(tmp_path / "a.nwb", fill)
    with pytest.raises(error, match=what):
        binned(path, signals={"x": signal})


def test_large_counts_are_made_piece_by_piece(tmp_path, monkeypatch):
    rng = np.random.default_rng(5)

    def fill(file):
        one_epoch(file)
        add_units(file, [np.sort(rng.uniform(0, 10, size)) for size in (300, 0, 40)])

    path = built(tmp_path / "a.nwb", fill)
    whole = binned(path).response
    monkeypatch.setattr(limits, "WHOLE_BYTES", 10)
    with open_recording(path, session="s") as recording:
        lazy = bin_recording(recording, settings()).response
    assert not lazy.variable._in_memory
    assert (lazy.isel(time=slice(100, 250)).values == whole.isel(time=slice(100, 250)).values).all()
    assert (lazy.isel(unit=2).values == whole.isel(unit=2).values).all()
    assert (lazy.isel(time=7).values == whole.isel(time=7).values).all()
    assert (lazy.isel(time=[3, 500, 4], unit=[2, 0]).values == whole.isel(time=[3, 500, 4], unit=[2, 0]).values).all()
    assert (lazy.isel(time=slice(10, 900, 7)).values == whole.isel(time=slice(10, 900, 7)).values).all()
    assert (lazy.values == whole.values).all() and lazy.dtype == whole.dtype


def test_no_epoch_as_long_as_a_bin_is_an_error(tmp_path):
    def fill(file):
        one_epoch(file, 0.005)
        add_units(file, [[0.001]])

    with pytest.raises(RecordingError, match="as long as a bin"):
        binned(built(tmp_path / "a.nwb", fill))


def test_counts_that_are_made_as_they_are_written_come_back_whole(tmp_path, monkeypatch):
    def fill(file):
        one_epoch(file)
        add_units(file, [np.arange(0.05, 10, 0.07), np.arange(0.05, 5, 0.1)])

    path = built(tmp_path / "a.nwb", fill)
    monkeypatch.setattr(limits, "WHOLE_BYTES", 10)
    for name, least in [("STREAM_BYTES", 10), ("PIECE_BYTES", 500), ("CHUNK_BYTES", 100)]:
        monkeypatch.setattr(limits, name, least)
    with open_recording(path, session="s") as recording:
        store.write(bin_recording(recording, settings()), tmp_path / "b.zarr.zip", "binned")
    monkeypatch.undo()
    back = store.read(tmp_path / "b.zarr.zip", "binned")
    assert (back.response.values == binned(path).response.values).all()
