"""Tuning curves: equal to pynapple's on common ground, exact where its definition is another."""

import warnings

import numpy as np
import pytest
import xarray as xr
from built_files import add_units, built, heading, position, series, settings
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from scipy.stats import poisson

from nwbglm.binning import bin_recording
from nwbglm.errors import RecordingError, StudyError
from nwbglm.recording import open_recording
from nwbglm.tuning import mean_vector, poisson_limits, skaggs_information, tune_units, tuning_curve, value_index
from nwbglm.tuning.curves import Curve, map_rate

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pynapple as nap

TURN = 2 * np.pi


def pynapples(times, values, trains, epochs, **options):
    group = nap.TsGroup({unit: nap.Ts(train) for unit, train in enumerate(trains)}, time_support=epochs)
    return nap.compute_tuning_curves(group, nap.Tsd(times, values, time_support=epochs), epochs=epochs, **options)


def test_equal_to_pynapple_on_bins_whose_spikes_sit_at_the_centres():
    rng = np.random.default_rng(0)
    centres, value = np.arange(5000) * 0.01 + 0.005, rng.normal(size=5000)
    counts = rng.poisson(0.3, (5000, 3))
    trains = [np.repeat(centres, counts[:, unit]) for unit in range(3)]
    theirs = pynapples(centres, value, trains, nap.IntervalSet(0, 50), bins=15)
    edges = np.linspace(value.min(), value.max(), 16)
    ours = tuning_curve(counts, value, edges, 0.01)
    assert np.abs(ours.rate - theirs.values).max() < 1e-12 * np.nanmax(theirs.values) * 1e2
    assert (ours.count.sum(1) == counts.sum(0)).all() and ours.occupancy.sum() == pytest.approx(50)


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.sampled_from([None, TURN]))
@effort(max_examples=40)
def test_counts_and_occupancy_are_conserved(seed, bins, period):
    rng = np.random.default_rng(seed)
    counts, value = rng.poisson(0.5, (300, 2)), rng.uniform(-TURN, 2 * TURN, 300)
    value[rng.random(300) < 0.2] = np.nan
    edges = np.linspace(0, TURN, bins + 1) if period else np.linspace(-TURN, 2 * TURN, bins + 1)
    curve = tuning_curve(counts, value, edges, 0.01, period)
    known = np.isfinite(value)
    assert curve.count.sum(1) == pytest.approx(counts[known].sum(0))
    assert curve.occupancy.sum() == pytest.approx(0.01 * known.sum())


def test_values_are_binned_as_numpys_histogram_does():
    value = np.array([0.0, 0.5, 1.0, 2.9, 3.0, 3.1, -0.1, np.nan])
    assert value_index(value, np.arange(4.0)).tolist() == [0, 0, 1, 2, 2, -1, -1, -1]
    assert value_index(np.array([-0.5, TURN, 7.0]), np.linspace(0, TURN, 5), TURN).tolist() == [3, 0, 0]


def test_unvisited_values_have_no_rate():
    curve = tuning_curve(np.ones((4, 1)), np.array([0.1, 0.2, 0.1, 2.5]), np.arange(4.0), 0.5)
    assert curve.rate[0, [0, 2]].tolist() == [2.0, 2.0] and np.isnan(curve.rate[0, 1])


def test_exposure_counts_per_unit():
    exposure = np.array([[1.0, 1.0], [0.5, 0.0]])
    curve = tuning_curve(np.array([[2, 2], [1, 0]]), np.array([0.5, 0.5]), np.array([0.0, 1.0]), exposure)
    assert curve.rate[:, 0].tolist() == [2.0, 2.0] and curve.occupancy[:, 0].tolist() == [1.5, 1.0]


def test_two_dimensional_maps_equal_a_histogram():
    rng = np.random.default_rng(1)
    x, y, counts = rng.uniform(0, 4, 1000), rng.uniform(0, 3, 1000), rng.poisson(1, (1000, 2))
    edges = np.arange(5.0), np.arange(4.0)
    curve = tuning_curve(counts, (x, y), edges, 0.1)
    for unit in range(2):
        expected = np.histogram2d(x, y, edges, weights=counts[:, unit])[0] / np.histogram2d(x, y, edges)[0] / 0.1
        assert np.allclose(curve.rate[unit], expected)


def test_rates_of_a_model_are_averaged_like_counts():
    rate = np.array([[10.0], [30.0], [5.0]])
    curve = tuning_curve(rate * 0.01, np.array([0.5, 0.5, 1.5]), np.arange(3.0), 0.01)
    assert curve.rate[0] == pytest.approx([20.0, 5.0])


def test_information_of_a_unit_that_fires_in_one_of_four_places_is_two_bits():
    occupancy = np.full(4, 2.0)
    rate = np.array([[8.0, 0, 0, 0], [3.0, 3, 3, 3], [0, 0, 0, 0], [4.0, 4.0, 0, 0]])
    assert skaggs_information(rate, occupancy)[[0, 1, 3]] == pytest.approx([2.0, 0.0, 1.0])
    assert np.isnan(skaggs_information(rate, occupancy)[2])


def test_mean_vector_of_a_von_mises_curve():
    centres = (np.arange(60) + 0.5) * 6.0
    rate = np.exp(2 * np.cos(np.deg2rad(centres - 350)))[None]
    direction, length = mean_vector(rate, centres, 360.0)
    assert direction[0] == pytest.approx(350.0) and length[0] == pytest.approx(0.697775, abs=1e-6)  # I1(2) / I0(2)


def test_confidence_limits_cover_the_truth():
    low, high = poisson_limits(np.array([0.0, 5.0]), 0.95)
    assert low[0] == 0 and high[0] == pytest.approx(3.688879)  # -ln(0.025)
    assert (low[1], high[1]) == pytest.approx((1.623486, 11.668332), abs=1e-6)
    counts = np.arange(60.0)
    low, high = poisson_limits(counts, 0.9)
    for truth in (0.3, 2.0, 7.7):
        assert poisson.pmf(counts, truth)[(low <= truth) & (truth <= high)].sum() >= 0.9


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    times = np.arange(0, 60, 0.02)
    rng = np.random.default_rng(2)
    angle = np.cumsum(rng.normal(0, 0.2, len(times))) % TURN

    def fill(file):
        file.add_epoch(0.0, 60.0, ["wake"])
        spikes = times[rng.random(len(times)) < 0.4 * np.exp(3 * (np.cos(angle - 1.0) - 1))] + 0.003
        add_units(file, [spikes, np.sort(rng.uniform(0, 60, 300)), []], area=["hd", "flat", "silent"])
        behaviour = file.create_processing_module("behavior", "b")
        behaviour.add(heading("ry", angle, timestamps=times))
        track = np.stack([times % 4, times % 3], 1)
        behaviour.add(position(track, timestamps=times))

    return built(tmp_path_factory.mktemp("tuning") / "a.nwb", fill)


def tuned(path, signals, **parts):
    taken = settings(signals=signals, epochs={"use": {}, "fit": {"within": "use", "first": "30 s"}}, **parts)
    with open_recording(path, session="s") as recording:
        return tune_units(bin_recording(recording, taken), taken, [recording])


HEADING = {"heading": {"from": "ry", "period": "2 pi", "resample": "interpolate"}}


def test_the_tuning_dataset_of_a_circular_signal(session):
    data = tuned(
        session,
        HEADING,
        tuning={
            "hd": {"of": "heading", "bins": 12},
            "half": {"of": "heading", "epochs": "fit"},
            "narrow": {"of": "heading", "bins": 12, "confidence": 0.5},
        },
    )
    assert data.rate_hd.dims == ("unit", "value_hd") and data.edges_hd.values[[0, -1]] == pytest.approx([0, TURN])
    assert data.preferred_hd.values[0] == pytest.approx(1.0, abs=TURN / 12)
    assert data.mean_direction_hd.values[0] == pytest.approx(1.0, abs=0.3)
    assert data.vector_length_hd.values[0] > 0.6 > 0.3 > data.vector_length_hd.values[1]
    assert data.information_hd.values[0] > 5 * data.information_hd.values[1]
    assert np.isnan(data.preferred_hd.values[2]) and np.isnan(data.mean_direction_hd.values[2])
    assert ((data.low_hd <= data.rate_hd) & (data.rate_hd <= data.high_hd)).values.all()
    assert data.value_hd.attrs == {"units": "radians", "period": TURN}
    assert data.occupancy_hd.sum().item() == pytest.approx(60, abs=0.05)
    assert data.occupancy_half.sum().item() == pytest.approx(30, abs=0.05)
    assert data.area.values.tolist() == ["hd", "flat", "silent"]
    assert data.rate_hd.attrs["sampled_on"] == "bins"
    assert ((data.low_narrow.values >= data.low_hd.values) & (data.high_narrow.values < data.high_hd.values)).all()


def test_native_samples_equal_pynapple(session):
    data = tuned(
        session, {"x": {"from": "position", "column": 0}}, tuning={"x": {"of": "x", "bins": 10, "at": "samples"}}
    )
    with open_recording(session, session="s") as recording:
        one = recording.find_series("position")
        trains = [recording.units.spike_times(unit) for unit in range(2)]
        times, values = one.times(), one.values(column=0)
    theirs = pynapples(times, values, trains, nap.IntervalSet(0, 60), bins=10)
    assert np.abs(data.rate_x.values[:2] - theirs.values).max() < 1e-12 * 1e3
    assert data.rate_x.attrs["sampled_on"] == "native samples"


def test_native_samples_and_bins_differ_and_say_which_is_which(shared_data):
    signals = {"current": {"from": "stimulus/presentation/stimulus", "units": "pA"}}
    curve = {"of": "current", "bins": 15, "range": [-600, 900]}
    taken = settings(bin="1 ms", signals=signals, tuning={"native": curve | {"at": "samples"}, "binned": curve})
    with open_recording(shared_data / "noise_current_cell3.nwb", session="s") as recording:
        data = tune_units(bin_recording(recording, taken), taken, [recording])
        stimulus, train = recording.find_series("presentation/stimulus"), recording.units.spike_times(0)
        epochs, _ = recording.intervals(recording.find_table("epochs"))
        support = nap.IntervalSet(epochs.start, epochs.stop)
        theirs = pynapples(stimulus.times(), stimulus.values() * 1e12, [train], support, bins=15, range=[(-600, 900)])
    assert np.nanmax(np.abs(data.rate_native.values - theirs.values)) < 1e-10
    assert np.nanmax(np.abs(data.rate_native.values - data.rate_binned.values)) > 20
    assert data.count_binned.sum().item() == pytest.approx(2050, abs=5)


def test_departs_from_pynapple_which_gives_a_spike_in_a_gap_the_value_of_a_distant_sample(tmp_path):
    times = np.concatenate([np.arange(0, 4, 0.02), np.arange(8, 10, 0.02)])

    def fill(file):
        file.add_epoch(0.0, 10.0, ["wake"])
        add_units(file, [[1.0, 5.9, 6.1, 9.0]])
        file.add_acquisition(series("x", np.where(times < 5, 0.5, 1.5), unit="m", timestamps=times))

    taken = settings(
        signals={"x": {"from": "x", "resample": "interpolate"}},
        tuning={
            "x": {"of": "x", "bins": 2, "range": [0, 2], "at": "samples"},
            "bins": {"of": "x", "bins": 2, "range": [0, 2]},
        },
    )
    with open_recording(built(tmp_path / "a.nwb", fill), session="s") as recording:
        data = tune_units(bin_recording(recording, taken), taken, [recording])
    values, train, whole = np.where(times < 5, 0.5, 1.5), np.array([1.0, 5.9, 6.1, 9.0]), nap.IntervalSet(0, 10)
    theirs = pynapples(times, values, [train], whole, bins=2, range=[(0, 2)], return_counts=True)
    assert theirs.values.tolist() == [[2, 2]]  # the spikes at 5.9 and 6.1 s are 2 s away from any sample
    assert data.count_x.values.tolist() == [[1, 1]] == data.count_bins.values.tolist()


def test_unobserved_time_is_no_occupancy_of_that_unit(tmp_path):
    times = np.arange(0, 10, 0.02)

    def fill(file):
        file.add_epoch(0.0, 10.0, ["wake"])
        add_units(file, [[1.0], [1.0]], obs_intervals=[[[0.0, 5.0]], [[0.0, 10.0]]])
        file.add_acquisition(series("x", np.where(times < 5, 0.5, 1.5), unit="m", timestamps=times))

    taken = settings(
        signals={"x": {"from": "x", "resample": "hold"}},
        tuning={
            name: {"of": "x", "bins": 2, "range": [0, 2], "at": at} for name, at in [("b", "bins"), ("s", "samples")]
        },
    )
    with open_recording(built(tmp_path / "a.nwb", fill), session="s") as recording:
        data = tune_units(bin_recording(recording, taken), taken, [recording])
    for occupancy in (data.occupancy_b, data.occupancy_s):
        assert occupancy.dims[0] == "unit"
        assert occupancy.values == pytest.approx(np.array([[5, 0], [5, 5]]), abs=0.03)
    assert np.isnan(data.rate_b.values[0, 1]) and data.rate_b.values[1, 1] == 0


def test_maps_over_two_signals(session):
    signals = {name: {"from": "position", "column": column, "resample": "hold"} for column, name in enumerate("xy")}
    data = tuned(session, signals, maps={"place": {"of": ["x", "y"], "bins": [4, 3], "range": [[0, 4], [0, 3]]}})
    assert data.map_place.dims == ("unit", "x_place", "y_place")
    assert data.map_occupancy_place.values.sum() == pytest.approx(60, abs=0.05)
    assert np.allclose(data.map_occupancy_place.values, 5.0, atol=0.1)
    assert data.map_information_place.dims == ("unit",)


@pytest.mark.parametrize(
    ("parts", "error", "what"),
    [
        ({"tuning": {"t": {"of": "heading", "epochs": "test"}}}, StudyError, "no 'test' epochs"),
        ({"tuning": {"t": {"of": "nowhere"}}}, RecordingError, "no valid value"),
    ],
)
def test_what_cannot_be_tuned_is_said(session, parts, error, what):
    with pytest.raises(error, match=what):
        tuned(session, HEADING | {"nowhere": {"from": "ry", "shift": "1 h"}}, **parts)


def test_native_samples_without_the_recording_are_an_error(session):
    taken = settings(signals=HEADING, tuning={"t": {"of": "heading", "at": "samples"}})
    with open_recording(session, session="s") as recording:
        data = bin_recording(recording, taken)
    with pytest.raises(StudyError, match="need the recording"):
        tune_units(data, taken)


def test_the_head_direction_study(shared_data):
    taken = settings(
        epochs={"use": {"where": "tags == 'wake'"}, "fit": {"within": "use", "first": "180 s"}},
        units={"where": "location == 'adn' and rate > 1.0"},
        signals={"heading": {"from": "ry", "period": "2 pi", "resample": "interpolate", "max_gap": "100 ms"}},
        tuning={"heading": {"of": "heading", "bins": 61, "range": [0, "2 pi"]}},
    )
    with open_recording(shared_data / "mouse28_head_direction.nwb", session="s") as recording:
        data = bin_recording(recording, taken)
        tuning = tune_units(data, taken, [recording])
        times, angle = recording.find_series("ry").times(), recording.find_series("ry").values()
        epochs, _ = recording.intervals(recording.find_table("epochs"))
        support = nap.IntervalSet(epochs.start, epochs.stop)
        for unit in (1, 7, 16):
            theirs = nap.Ts(recording.units.spike_times(unit)).count(0.01, support).values[: data.sizes["time"]]
            assert (data.response.sel(unit=unit).values == theirs).all()
        trains = [recording.units.spike_times(unit) for unit in data.unit.values]
    assert data.unit.values.tolist() == [*range(1, 9), 10, 11, 13, 14, 15, 16]
    fit = data.isel(time=data.in_epoch.sel(purpose="fit").values)
    assert fit.response.shape == (18000, 14) and fit.time.values[0] == pytest.approx(5565.1416)
    assert np.isnan(data.heading.values).mean() < 2e-5  # averaging instead leaves 60 % of the bins empty
    theirs = pynapples(times, angle, trains, support, bins=61, range=[(0, TURN)])
    assert isinstance(tuning, xr.Dataset) and tuning.rate_heading.shape == (14, 61)
    for unit in range(14):
        assert np.corrcoef(tuning.rate_heading.values[unit], theirs.values[unit])[0, 1] > 0.99


def test_a_map_is_smoothed_as_counts_and_time_apart_and_hardly_visited_places_are_left_out():
    """A rate that is the same everywhere stays so; a place without visits has none; time is what weighs."""
    rng = np.random.default_rng(0)
    seconds = rng.uniform(0, 4, (6, 5))
    seconds[2, 3] = 0.0
    flat = Curve(np.zeros((1, 6, 5)), 7.0 * seconds[None], seconds)
    found = map_rate(flat, 0.0, 1.3, [True, False])
    assert found[0][seconds > 0] == pytest.approx(7.0) and np.isnan(found[0, 2, 3])
    assert np.array_equal(np.isnan(map_rate(flat, 1.0, 0.0, [False, False])[0]), seconds < 1.0)
    spot = Curve(np.zeros((1, 6, 5)), np.zeros((1, 6, 5)), np.ones((6, 5)))
    spot.count[0, 0, 2] = 1.0
    wrapped = map_rate(spot, 0.0, 1.0, [True, False])[0]
    assert wrapped[1, 2] == pytest.approx(wrapped[5, 2]) and wrapped.argmax() == 2
    assert map_rate(spot, 0.0, 1.0, [False, False])[0][5, 2] < 1e-4
    # a Gaussian of one bin: its neighbour is exp(-1/2) of its peak
    assert wrapped[1, 2] / wrapped[0, 2] == pytest.approx(np.exp(-0.5), rel=0.01)
