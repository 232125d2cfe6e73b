"""Files as they are found: refused in one line, or read as they mean, trap by trap."""

import warnings

import h5py
import numpy as np
import pytest
from built_files import add_units, built, heading, position, series, settings
from pynwb import NWBHDF5IO, NWBFile, TimeSeries
from pynwb.epoch import TimeIntervals
from trap_files import REFUSED, broken_series, icephys, linked, restarting, small

from nwbglm.binning import bin_recording
from nwbglm.errors import RecordingError
from nwbglm.recording import open_recording
from nwbglm.recording import series as series_module
from nwbglm.recording.si import factor


def bins(path, **parts):
    with open_recording(path, session="s") as recording:
        return bin_recording(recording, settings(**parts)).load()


# --- refusals: one line, no traceback --------------------------------------------------------------------------------


@pytest.mark.parametrize(("make", "what", "mend"), REFUSED)
def test_a_file_that_cannot_be_used_is_refused_in_one_line(tmp_path, make, what, mend):
    path = make(tmp_path / "a.nwb")
    with pytest.raises(RecordingError, match=what) as caught, open_recording(path, session="s"):
        pass
    assert caught.value.where == str(path) and mend in caught.value.mend and "\n" not in caught.value.what


def test_external_links_are_followed_where_allowed(tmp_path):
    with open_recording(linked(tmp_path / "a.nwb"), session="s", external="allow") as recording:
        assert recording.find_series("raw").values().tolist() == list(range(10))


# --- the traps of ../shared/data/README.md, in its order -------------------------------------------------------------


def test_trap_1_conversion_offset_and_channel_conversion_are_applied(tmp_path):
    def fill(file):
        small(file)
        file.add_acquisition(series("plain", [1, 2, 3], rate=1.0, conversion=0.5, offset=10.0, unit="volts"))
        device = file.create_device("d")
        group = file.create_electrode_group("g", "g", "ca1", device)
        for _ in range(2):
            file.add_electrode(group=group, location="ca1")
        from pynwb.ecephys import ElectricalSeries

        electrodes = file.create_electrode_table_region([0, 1], "all")
        raw = np.array([[1, 10], [2, 20]], dtype=np.int16)
        file.add_acquisition(
            ElectricalSeries("raw", raw, electrodes, channel_conversion=[1.0, 3.0], conversion=2.0, rate=1.0)
        )

    with open_recording(built(tmp_path / "a.nwb", fill), session="s") as recording:
        assert recording.find_series("plain").values().tolist() == [10.5, 11.0, 11.5]
        assert recording.find_series("raw").values().tolist() == [[2, 60], [4, 120]]
        assert recording.find_series("raw").values(column=1).tolist() == [60, 120]


def test_trap_2_overlapping_trials_keep_their_rows(tmp_path):
    def fill(file):
        small(file)
        file.add_trial_column("side", "chosen")
        for start, stop, side in [(1.0, 4.0, "left"), (3.0, 6.0, "right"), (2.0, 5.0, "left")]:
            file.add_trial(start_time=start, stop_time=stop, side=side)

    with open_recording(built(tmp_path / "a.nwb", fill), session="s") as recording:
        table = recording.find_table("trials")
        intervals, bad = recording.intervals(table)
        assert intervals.start.tolist() == [1, 3, 2] and intervals.row.tolist() == [0, 1, 2] and not bad.size
        assert set(intervals.clock) == {0}
        assert table.column("side").tolist() == ["left", "right", "left"]


def test_trap_3_series_of_the_same_name_stay_apart(tmp_path):
    def fill(file):
        small(file)
        file.add_acquisition(series("sweep", [1.0, 1.0], rate=1.0))
        file.add_stimulus(series("sweep", [2.0, 2.0], rate=1.0))

    with open_recording(built(tmp_path / "a.nwb", fill), session="s") as recording:
        with pytest.raises(RecordingError, match="2 objects called 'sweep'") as caught:
            recording.find_series("sweep")
        assert "acquisition/sweep, stimulus/presentation/sweep" in caught.value.mend
        assert recording.find_series("presentation/sweep").values().tolist() == [2, 2]
        assert recording.find_series("acquisition/sweep").values().tolist() == [1, 1]


def test_trap_4_recording_time_is_that_of_the_epochs_not_of_the_spikes(tmp_path):
    data = bins(built(tmp_path / "a.nwb", small))
    assert data.sizes["time"] == 1000 and data.rate.values.tolist() == [0.2, 0.1]


def test_trap_5_bad_times_are_treated_by_the_documented_rule(tmp_path):
    times = [0.0, 1.0, -1.5e9, 3.0, 2.0, 2.0, np.nan, 4.0]
    values = [0.0, 10.0, 999.0, 30.0, 20.0, 40.0, 999.0, 50.0]

    def fill(file):
        small(file)
        file.add_acquisition(series("x", values, timestamps=times))

    path = built(tmp_path / "a.nwb", fill)
    with open_recording(path, session="s") as recording:
        timing = recording.find_series("x").timing
    assert (timing.dropped, timing.absurd, timing.backward, timing.duplicates) == (2, -1.5e9, 1, 1)
    assert (timing.first, timing.last, timing.restarts) == (0.0, 4.0, False)
    mean = bins(path, bin="1 s", signals={"x": {"from": "x"}}).x.values
    assert mean[:5].tolist() == [0.0, 10.0, 30.0, 30.0, 50.0]  # both samples at 2 s are averaged
    linear = bins(path, bin="1 s", signals={"x": {"from": "x", "resample": "interpolate"}}).x.values
    assert linear[:4].tolist() == [5.0, 15.0, 25.0, 40.0]  # the first sample at 2 s is taken


def test_trap_6_a_listed_series_that_cannot_be_read_is_named_when_used(tmp_path):
    path = broken_series(tmp_path / "a.nwb")
    assert bins(path).sizes["unit"] == 2
    with pytest.raises(RecordingError, match="frames in other files") as caught:
        bins(path, signals={"m": {"from": "movie"}})
    assert "stimulus/presentation/movie" in caught.value.where


def test_trap_7_sweeps_that_restart_are_told_apart_by_how_often_times_run_back(tmp_path):
    def fill(file):
        restarting(file)
        add_units(file, [[0.5, 1.5, 0.25, 1.9, 0.1, 0.2, 0.3]])

    data = bins(built(tmp_path / "a.nwb", fill), signals={"i": {"from": "current"}})
    assert data.sizes["time"] == 600 and data.segment_label.values.tolist() == ["sweep 0", "sweep 1", "sweep 2"]
    by_sweep = data.response.values[:, 0].reshape(3, 200)
    assert by_sweep.sum(1).tolist() == [2, 2, 3] and by_sweep[0, 50] == by_sweep[1, 25] == by_sweep[2, 10] == 1
    means = data.i.values.reshape(3, 200)[:, ::2]
    assert (means == np.arange(3.0)[:, None]).all()
    assert np.isnan(data.i.values.reshape(3, 200)[:, 1::2]).all()


def test_trap_7_sweeps_that_restart_are_told_apart_by_the_samples_that_rows_name(tmp_path):
    def fill(file):
        restarting(file, references=True)
        add_units(file, [[]])

    data = bins(built(tmp_path / "a.nwb", fill), bin="20 ms", signals={"i": {"from": "current"}})
    assert (data.i.values.reshape(3, 100) == np.arange(3.0)[:, None]).all()


def test_trap_7_spikes_at_a_time_that_several_sweeps_cover_are_refused(tmp_path):
    def fill(file):
        restarting(file)
        add_units(file, [[0.5, 1.5]])

    with pytest.raises(RecordingError, match="several sweeps cover the same times"):
        bins(built(tmp_path / "a.nwb", fill))


def test_trap_7_sweeps_of_a_restarting_series_are_taken_by_time_where_only_one_pass_covers_it(tmp_path):
    def fill(file):
        first, second = np.arange(0, 10, 0.02), np.arange(0, 4, 0.02)
        values = np.concatenate([np.full(len(first), 1.0), np.full(len(second), 2.0)])
        file.add_stimulus(series("current", values, timestamps=np.concatenate([first, second])))
        for start, tag in [(5.0, "noise"), (8.0, "noise"), (1.0, "ramp")]:
            file.add_epoch(start, start + 1, [tag])
        add_units(file, [[5.5, 8.5]])

    path = built(tmp_path / "a.nwb", fill)
    signals = {"i": {"from": "current", "resample": "hold"}}
    data = bins(path, epochs={"use": {"tags": "noise"}}, signals=signals)
    assert (data.i.values == 1.0).all() and data.response.values.sum() == 2
    with pytest.raises(RecordingError, match="several passes cover the same times"):
        bins(path, epochs={"use": {"tags": "ramp"}}, signals=signals)


def test_unit_columns_that_are_called_like_a_signal_keep_their_values(tmp_path):
    def fill(file):
        file.add_epoch(0.0, 10.0, ["wake"])
        file.add_acquisition(series("x", np.arange(100.0), rate=10.0))
        add_units(file, [[1.0]], depth=[7.0], rate=[9.0])

    data = bins(built(tmp_path / "a.nwb", fill), signals={"depth": {"from": "x", "resample": "hold"}})
    assert data.depth.dims == ("time",) and data.file_depth.values.tolist() == [7.0]
    assert data.rate.values.tolist() == [0.1] and data.file_rate.values.tolist() == [9.0]


def test_trap_7_a_table_sorted_by_condition_is_no_restarting_clock(tmp_path):
    def fill(file):
        small(file)
        file.add_acquisition(series("x", np.zeros(100), rate=10.0))
        for start in (1.0, 5.0, 8.0, 0.5, 1.5, 6.0):
            file.add_trial(start_time=start, stop_time=start + 1.5)

    with open_recording(built(tmp_path / "a.nwb", fill), session="s") as recording:
        assert set(recording.intervals(recording.find_table("trials"))[0].clock) == {0}
        assert not recording.clocks.several


def test_trap_8_sweeps_come_in_the_order_of_their_numbers_not_their_names(tmp_path):
    def fill(file):
        icephys(file, [1, 10, 2])

    with open_recording(built(tmp_path / "a.nwb", fill), session="s") as recording:
        assert recording.sweeps.column("sweep_number").tolist() == [1, 2, 10]
        assert recording.sweeps.column("stimulus").tolist() == [
            f"stimulus/presentation/stimulus__{k}" for k in (1, 2, 10)
        ]


def test_trap_9_silent_units_plain_integers_and_nan_rows(tmp_path):
    def fill(file):
        file.add_epoch(0.0, 10.0, ["wake"])
        device = file.create_device("d")
        group = file.create_electrode_group("tetrode 1", "g", "ca1", device)
        for location in ("ca1", "ca3"):
            file.add_electrode(group=group, location=location)
        file.add_unit_column("depth", "um")
        for train, depth, electrodes in [([], np.nan, [0]), ([1.0], 20.0, [0, 1]), ([], 30.0, [1])]:
            file.add_unit(spike_times=train, depth=depth, electrodes=electrodes, electrode_group=group)
        file.add_trial(start_time=np.nan, stop_time=np.nan)
        file.add_trial(start_time=1.0, stop_time=2.0)

    path = built(tmp_path / "a.nwb", fill)
    data = bins(path)
    assert data.unit.values.tolist() == [0, 1, 2] and data.response.values.sum(0).tolist() == [0, 1, 0]
    assert np.isnan(data.depth.values[0]) and data.electrode_group.values.tolist() == ["tetrode 1"] * 3
    assert bins(path, units={"where": "depth > 10"}).unit.values.tolist() == [1, 2]
    assert bins(path, units={"where": "electrodes.location == 'ca3'"}).unit.values.tolist() == [1, 2]
    assert bins(path, units={"where": "electrode_group.name == 'tetrode 1'"}).sizes["unit"] == 3
    with open_recording(path, session="s") as recording:
        intervals, bad = recording.intervals(recording.find_table("trials"))
        assert intervals.row.tolist() == [1] and bad.tolist() == [0]
    with h5py.File(path, "r+") as file:
        del file["units/electrodes"].attrs["table"]
    with pytest.raises(RecordingError, match="plain numbers and names no table"):
        bins(path, units={"where": "electrodes.location == 'ca3'"})
    assert bins(path, units={"where": "electrodes == 1"}).unit.values.tolist() == [1, 2]


@pytest.mark.parametrize("together", [False, True])
def test_trap_10_voltage_clamp_sweeps_stay_out_of_current_clamp(tmp_path, together):
    path = built(tmp_path / "a.nwb", lambda file: icephys(file, [0, 1, 2, 3], voltage=[1], together=together))
    current = {"table": "sweeps", "where": "clamp == 'current'"}
    signals = {"i": {"from": "sweeps.stimulus", "units": "pA"}, "v": {"from": "sweeps.response", "units": "mV"}}
    data = bins(path, bin="20 ms", epochs={"use": current}, signals=signals)
    assert data.sizes["segments"] == 3
    assert np.allclose(data.i.values.reshape(3, 100), np.array([0, 2, 3.0])[:, None])
    assert np.allclose(data.v.values.reshape(3, 100), 1000 * np.array([0, 2, 3.0])[:, None])
    with pytest.raises(RecordingError, match="does not convert") as caught:
        bins(path, bin="20 ms", epochs={"use": {"table": "sweeps"}}, signals=signals)
    assert "__1" in caught.value.where and "clamp == 'current'" in caught.value.mend


# --- what else files hold --------------------------------------------------------------------------------------------


def test_two_row_timestamps_and_transposed_data_are_refused_when_used(tmp_path):
    def fill(file):
        small(file)
        for name in ("wide", "short", "pairs"):
            file.add_acquisition(series(name, np.zeros(50), timestamps=np.arange(50.0)))

    path = built(tmp_path / "a.nwb", fill)
    with h5py.File(path, "r+") as file:
        for place, values in [
            ("wide/data", np.zeros((2, 50))), ("short/data", np.zeros(40)), ("pairs/timestamps", np.zeros((50, 2))),
        ]:  # fmt: skip
            replaced = file[f"acquisition/{place}"]
            attributes = dict(replaced.attrs)
            del file[f"acquisition/{place}"]
            file[f"acquisition/{place}"] = values
            file[f"acquisition/{place}"].attrs.update(attributes)
    for name, what in [
        ("wide", "transposed"),
        ("short", "40 samples and 50 timestamps"),
        ("pairs", "not one time a sample"),
    ]:
        with pytest.raises(RecordingError, match=what):
            bins(path, signals={"x": {"from": name, "column": 0}})


def test_every_family_of_series_is_found(tmp_path):
    from pynwb.behavior import BehavioralEvents, BehavioralTimeSeries, EyeTracking, PupilTracking, SpatialSeries
    from pynwb.misc import AbstractFeatureSeries, DecompositionSeries
    from pynwb.ophys import Fluorescence, ImageSegmentation, OpticalChannel, RoiResponseSeries

    times = np.arange(0, 10, 0.1)
    values = np.sin(times)

    def fill(file):
        small(file)
        behaviour = file.create_processing_module("behavior", "b")
        behaviour.add(heading("hd", values, timestamps=times))
        behaviour.add(position(np.stack([values, values], 1), timestamps=times))
        behaviour.add(BehavioralTimeSeries(time_series=TimeSeries("run", data=values, unit="m/s", timestamps=times)))
        behaviour.add(BehavioralEvents(time_series=TimeSeries("reward", data=values, unit="ml", timestamps=times)))
        behaviour.add(PupilTracking(time_series=TimeSeries("pupil", data=values, unit="mm", timestamps=times)))
        eye = SpatialSeries("eye", data=np.stack([values, values], 1), reference_frame="screen", timestamps=times)
        behaviour.add(EyeTracking(spatial_series=eye))
        file.add_acquisition(AbstractFeatureSeries("grating", ["deg"], ["orientation"], data=values, timestamps=times))
        power = DecompositionSeries("power", values.reshape(-1, 1, 1), "power", rate=10.0, unit="V")
        power.add_band(band_name="theta", band_limits=(6.0, 10.0), band_mean=np.nan, band_stdev=np.nan)
        file.add_acquisition(power)
        ophys = file.create_processing_module("ophys", "o")
        plane = file.create_imaging_plane(
            name="p", optical_channel=OpticalChannel("c", "c", 500.0), description="p", device=file.create_device("m"),
            excitation_lambda=600.0, indicator="GCaMP", location="V1",
        )  # fmt: skip
        segmentation = ImageSegmentation()
        ophys.add(segmentation)
        rois = segmentation.create_plane_segmentation("rois", plane)
        for _ in range(3):
            rois.add_roi(image_mask=np.ones((2, 2)))
        region = rois.create_roi_table_region("all", region=[0, 1, 2])
        traces = np.stack([values, 2 * values, 3 * values], 1)
        ophys.add(Fluorescence(roi_response_series=RoiResponseSeries("df", traces, "F", region, rate=10.0)))

    names = {
        "hd": None,
        "position": 1,
        "run": None,
        "reward": None,
        "pupil": None,
        "eye": 0,
        "grating": None,
        "power": 0,
        "df": 2,
    }
    signals = {
        name: {"from": name, "resample": "interpolate"} | ({} if column is None else {"column": column})
        for name, column in names.items()
    }
    data = bins(built(tmp_path / "a.nwb", fill), signals=signals)
    expected = np.interp(data.time.values, times, values)
    for name in names:
        known = data.time.values < 9.85
        assert np.allclose(data[name].values[known], (3 if name == "df" else 1) * expected[known]), name


def test_events_tables_of_nwb_are_found(tmp_path):
    pynwb_event = pytest.importorskip("pynwb.event")

    def fill(file):
        small(file)
        events = pynwb_event.EventsTable(name="licks", description="licks")
        for time in (1.0, 2.5):
            events.add_row(timestamp=time)
        file.add_events_table(events)

    data = bins(built(tmp_path / "a.nwb", fill), signals={"lick": {"from": "licks", "resample": "events"}})
    assert np.flatnonzero(data.lick.values).tolist() == [100, 250]


def test_shared_timestamps_and_tables_in_any_module(tmp_path):
    def fill(file):
        small(file)
        first = series("one", np.arange(5.0), timestamps=np.arange(5.0))
        file.add_acquisition(first)
        file.add_acquisition(series("two", np.arange(5.0) * 2, timestamps=first))
        module = file.create_processing_module("behavior", "b")
        bouts = TimeIntervals("bouts", "running")
        bouts.add_row(start_time=1.0, stop_time=3.0)
        module.add(bouts)

    path = built(tmp_path / "a.nwb", fill)
    data = bins(path, bin="1 s", epochs={"use": {"table": "bouts"}}, signals={"x": {"from": "two"}})
    assert data.x.values.tolist() == [2.0, 4.0]


def test_data_are_read_only_where_asked_for(tmp_path, monkeypatch):
    def fill(file):
        small(file)
        file.add_acquisition(series("huge", np.zeros((500_000, 4)), rate=1000.0))

    path = built(tmp_path / "a.nwb", fill)
    seen = []
    real = h5py.Dataset.__getitem__

    def watched(self, selection, *more):
        if self.name == "/acquisition/huge/data":
            seen.append(selection)
        return real(self, selection, *more)

    monkeypatch.setattr(h5py.Dataset, "__getitem__", watched)
    with open_recording(path, session="s") as recording:
        assert recording.find_series("huge").timing.last == pytest.approx(499.999) and not seen
        bin_recording(recording, settings(signals={"x": {"from": "huge", "column": 2}}))
    assert len(seen) == 1
    rows, column = seen[0]
    assert column == 2 and rows.start == 0 and 10_000 <= rows.stop < 10_100


@pytest.mark.parametrize(
    ("found", "wanted", "expected"),
    [
        ("amperes", "pA", 1e12), ("A", "nA", 1e9), ("volts", "mV", 1e3), ("meters", "cm", 100.0), ("m", "mm", 1000.0),
        ("cm/s", "m/s", 0.01), ("meters/second", "cm/s", 100.0), ("radians", "deg", 180 / np.pi),
        ("degrees", "rad", np.pi / 180), ("microvolts", "V", 1e-6), ("m s^-1", "km/h", 3.6),
        ("pixels", "px", 1.0), ("percent", "%", 1.0), ("Hz", "kHz", 1e-3),
        ("F", "F", 1.0), ("amperes", "mV", None), ("NA", "pA", None), ("smoots", "m", None),
    ],
)  # fmt: skip
def test_units_convert(found, wanted, expected):
    assert factor(found, wanted) == (None if expected is None else pytest.approx(expected, rel=1e-12))


def test_the_real_recordings_agree_with_pynwb(shared_data):
    for name in ("mouse28_head_direction", "noise_current_cell3", "linear_track", "a8604_minimal"):
        path = shared_data / f"{name}.nwb"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with NWBHDF5IO(path, "r") as io, open_recording(path, session=name) as recording:
                file: NWBFile = io.read()
                assert recording.identifier == file.identifier
                assert recording.units.ids.tolist() == file.units.id[:].tolist()
                for unit in range(len(recording.units)):
                    assert np.allclose(recording.units.spike_times(unit), file.units["spike_times"][unit], atol=1e-9)
                theirs = {one.name: one for one in file.objects.values() if isinstance(one, TimeSeries)}
                assert {one.name for one in recording.series.values()} == set(theirs)
                for one in recording.series.values():
                    expected = theirs[one.name].get_data_in_units()
                    assert np.allclose(one.values(0, 1000), expected[:1000], equal_nan=True)
                assert len(recording.find_table("epochs")) == len(file.epochs)


def test_the_human_recording_is_read_with_its_odd_objects(shared_data):
    with open_recording(shared_data / "human_mtl_sub-4_ses-4.nwb", session="s") as recording:
        assert sorted(recording.tables) == [
            "intervals/encoding_table", "intervals/recognition_table", "intervals/timediscrimination_table",
        ]  # fmt: skip
        events = recording.find_series("events")
        assert events.timing.dropped == 1 and not events.timing.restarts
        use = {"table": "recognition_table", "where": "accuracy == 1"}
        signals = {
            "shown": {"from": "events", "resample": "events", "where": "value == 1"},
            "old": {"from": "recognition_table", "resample": "boxcar", "value": "old_new"},
        }
        data = bin_recording(recording, settings(epochs={"use": use}, signals=signals))
    assert data.sizes["unit"] == 35 and set(np.unique(np.round(data.old.values, 6))) >= {0.0, 1.0}
    assert data.shown.values.sum() > 0


def test_a_session_without_behaviour_is_a_session(shared_data):
    data = bins(shared_data / "a8604_minimal.nwb", epochs={"use": {"tags": "wake"}})
    assert data.sizes["unit"] == 3 and data.response.values.sum() == data.spikes.values.sum()


def test_many_sweeps_that_all_start_at_zero_are_told_apart_quickly(tmp_path):
    path = built(tmp_path / "a.nwb", lambda file: icephys(file, range(120)))
    with open_recording(path, session="s") as recording:
        intervals, _ = recording.intervals(recording.sweeps)
        again, _ = recording.intervals(recording.sweeps)
    assert sorted(intervals.clock.tolist()) == list(range(1, 121)) and (again.clock == intervals.clock).all()


def test_units_in_a_module_are_found_where_the_root_has_none(tmp_path):
    from pynwb.misc import Units

    def fill(file):
        file.add_epoch(0.0, 10.0, ["wake"])
        sorted_units = Units(name="sorted", description="by a sorter")
        sorted_units.add_unit(spike_times=[1.0, 2.0])
        file.create_processing_module("ecephys", "e").add(sorted_units)

    assert bins(built(tmp_path / "a.nwb", fill)).response.values.sum() == 2


def test_observation_intervals_that_are_none_are_time_not_observed(tmp_path):
    def fill(file):
        file.add_epoch(0.0, 10.0, ["wake"])
        add_units(file, [[1.0], [2.0]], obs_intervals=[[[5.0, 1.0]], [[0.0, np.inf]]])

    binned = bins(built(tmp_path / "a.nwb", fill))
    assert binned.response.values.sum(axis=0).tolist() == [0, 1]
    assert binned.exposure.values.sum(axis=0).tolist() == [0, binned.sizes["time"]]


def test_a_folder_is_no_recording(tmp_path):
    with pytest.raises(RecordingError, match="a folder"), open_recording(tmp_path):
        pass


@pytest.mark.parametrize("fault", ["none", "gap and repeat", "back", "absurd", "nan"])
def test_times_looked_at_in_blocks_are_the_same_times(tmp_path, monkeypatch, fault):
    times = np.arange(1000) * 0.01
    if fault == "gap and repeat":
        times[500:] += 3.0
        times[100] = times[99]
    elif fault != "none":
        times[700] = {"back": 1.0, "absurd": 1e9, "nan": np.nan}[fault]
    path = built(tmp_path / "a.nwb", lambda file: file.add_acquisition(series("x", np.zeros(1000), timestamps=times)))
    with open_recording(path, session="s") as recording:
        whole = recording.find_series("x").timing
    monkeypatch.setattr(series_module, "BLOCK", 64)
    with open_recording(path, session="s") as recording:
        pieces = recording.find_series("x").timing
    for name in ("first", "last", "interval", "largest_gap", "dropped", "backward", "duplicates"):
        assert getattr(pieces, name) == pytest.approx(getattr(whole, name), abs=1e-9), name
    assert pieces.runs == whole.runs == ((0, 1000),)


def test_events_of_extensions_are_read_by_their_form(tmp_path):
    def fill(file):
        small(file)
        for name in ("labelled", "bare"):
            file.add_acquisition(series(name, [0, 1, 0], timestamps=[1.0, 2.0, 3.0], unit="NA"))

    path = built(tmp_path / "a.nwb", fill)
    with h5py.File(path, "r+") as file:  # as ndx-events writes LabeledEvents and Events
        file["acquisition/labelled"].attrs["neurodata_type"] = "LabeledEvents"
        file["acquisition/labelled/data"].attrs["labels"] = np.array(["lick", "reward"], dtype=h5py.string_dtype())
        file["acquisition/bare"].attrs["neurodata_type"] = "Events"
        del file["acquisition/bare/data"]
    signals = {
        "lick": {"from": "labelled", "resample": "events", "where": "label == 'lick'"},
        "any": {"from": "bare", "resample": "events"},
    }
    data = bins(path, bin="1 s", signals=signals)
    assert np.flatnonzero(data.lick.values).tolist() == [1, 3] and np.flatnonzero(data["any"].values).tolist() == [
        1,
        2,
        3,
    ]
    with pytest.raises(RecordingError, match="it has no data"):
        bins(path, signals={"x": {"from": "bare"}})
