"""What other writers make of the same data: lists with a second axis, padded texts, other clocks, stand-ins."""

import h5py
import numpy as np
import pytest
from built_files import add_units, built, series, settings

from nwbglm.audit import audit_recording
from nwbglm.audit.plausible import Extent, apart
from nwbglm.binning import bin_recording
from nwbglm.recording import open_recording
from nwbglm.recording.texts import as_text

TRAIN = np.arange(0.5, 100, 0.7)
TAKEN = {
    "units": {"where": "quality == 'good'"},
    "signals": {
        "x": {"from": "x", "resample": "interpolate"},
        "cue": {"from": "trials", "resample": "events", "time": "cue"},
        "side": {"from": "trials", "resample": "boxcar", "value": "side"},
    },
}


@pytest.fixture
def changed(tmp_path):
    """Build a file, and write some of its datasets again."""

    def fill(file):
        file.add_epoch(0.0, 100.0, ["wake"])
        file.add_trial_column("cue", "when")
        file.add_trial_column("side", "which")
        for k in range(20):
            file.add_trial(start_time=5.0 * k, stop_time=5.0 * k + 4, cue=5.0 * k + 1, side="lr"[k % 2])
        add_units(file, [TRAIN, TRAIN + 0.01], quality=["good", "mua"])
        walk = np.cumsum(np.random.default_rng(0).normal(size=1000))
        file.add_acquisition(series("x", walk, unit="m", timestamps=np.arange(1000) * 0.1))

    def change(**datasets):
        path = built(tmp_path / "a.nwb", fill)
        with h5py.File(path, "r+") as file:
            for name, make in datasets.items():
                place = name.replace("__", "/")
                values, attributes = file[place][()], dict(file[place].attrs)
                del file[place]
                file.create_dataset(place, data=make(values)).attrs.update(attributes)
        return path

    return change


def bins(path):
    with open_recording(path) as recording:
        return bin_recording(recording, settings(**TAKEN)).load()


def findings(path, **more):
    return {one.code: one for one in audit_recording(path, settings(**TAKEN | more), session="s").findings}


def column(values):
    return values[:, None]


def row(values):
    return values[None]


@pytest.mark.parametrize("turn", [column, row])
@pytest.mark.parametrize(
    "name",
    [
        "units__spike_times", "units__spike_times_index", "units__id", "acquisition__x__timestamps",
        "acquisition__x__data", "intervals__trials__start_time", "intervals__trials__cue", "intervals__trials__id",
    ],
)  # fmt: skip
def test_a_list_with_a_second_axis_is_the_list(changed, turn, name):
    plain, turned = bins(changed()), bins(changed(**{name: turn}))
    assert plain.identical(turned) and turned.sizes["unit"] == 1


def test_texts_of_matlab_are_texts(changed):
    fixed = changed(units__quality=lambda _: np.array([[b"good  "], [b"mua   "]]))
    assert bins(fixed).quality.values.tolist() == ["good"]
    assert as_text(b"good \0 ") == "good" and as_text(" of one's own ") == " of one's own "


def test_several_values_a_row_stay_several(changed):
    path = changed(units__quality=lambda _: np.array([["good", "x"], ["mua", "y"]], dtype="S4"))
    with open_recording(path) as recording:
        assert recording.units.table.column("quality").shape == (2, 2)


@pytest.mark.parametrize("kind", ["f8", "f4"])
def test_times_since_1970_are_told(changed, kind):
    found = findings(changed(acquisition__x__timestamps=lambda times: (times + 1.7e9).astype(kind)))
    assert "counted from 1970" in found["times-apart"].seen and found["times-apart"].path == "acquisition/x"
    found = findings(changed(units__spike_times=lambda times: times + 1.7e9))
    assert "counted from 1970" in found["times-apart"].seen and found["times-apart"].path == "units/spike_times"


def test_another_clock_is_told_and_what_follows_the_rest_is_not(changed):
    found = findings(changed(acquisition__x__timestamps=lambda times: times + 5000.0))
    assert "by another clock" in found["times-apart"].seen and "between 0 and 100 s" in found["times-apart"].seen
    assert "times-apart" not in findings(changed(acquisition__x__timestamps=lambda times: 101.0 + times))
    first, rest = Extent("a", "series", 0.0, 10.0), [Extent("b", "table", 100.0, 120.0)]
    assert apart(first, rest) == (100.0, 120.0) and apart(first, [first]) is None


def test_milliseconds_since_each_trial_are_told(changed):
    found = findings(changed(intervals__trials__cue=lambda times: np.full(len(times), 1000.0)))
    assert "milliseconds since each row's start" in found["times-not-in-seconds"].seen
    for early in (0.0, 2.0, 30.0):  # a fixation point before its trial is no time since the trial's start
        path = changed(intervals__trials__cue=lambda times, early=early: times - early)
        assert "times-not-in-seconds" not in findings(path)


def test_a_table_that_is_doubted_is_no_witness(changed):
    def ms(times):
        return 1e3 * times

    path = changed(intervals__trials__start_time=ms, intervals__trials__stop_time=ms, intervals__trials__cue=ms)
    found = findings(path)
    assert "milliseconds" in found["times-not-in-seconds"].seen and "times-since-rows" not in found
    epochs = findings(changed(intervals__epochs__stop_time=ms))["times-not-in-seconds"]
    assert epochs.path == "intervals/epochs" and "ends at 99.91 s" in epochs.seen


@pytest.mark.parametrize(("value", "sign"), [(-999.0, ">"), (1e6, "<")])
def test_a_number_that_stands_for_no_value_is_told_and_the_mend_works(changed, value, sign):
    def lost(values):
        return np.where(np.arange(len(values)) % 10 == 0, value, values)

    path = changed(acquisition__x__data=lost)
    found = findings(path)["values-apart"]
    assert f"100 of 1000 values are {value:g}" in found.seen and f"value {sign} {value:g}" in found.mend
    where = found.mend.partition("`where: ")[2].partition("`")[0]
    with open_recording(path) as recording:
        parts = TAKEN | {"signals": {"x": {"from": "x", "resample": "interpolate", "where": where}}}
        assert np.nanmax(np.abs(bin_recording(recording, settings(**parts)).x)) < 999


def test_values_that_occur_often_are_no_stand_ins(changed):
    for values in (np.repeat([0.0, 1.0], 500), np.arange(1000.0), np.maximum(np.sin(np.arange(1000.0)), 0)):
        assert "values-apart" not in findings(changed(acquisition__x__data=lambda _, values=values: values))
