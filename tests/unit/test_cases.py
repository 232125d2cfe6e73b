"""The files that were found to fail, one by one: each gives what is right, or one clear line.

They stand beside the checkout; the kinds that they are of have tests of files of our own (`test_odd_recordings.py`).
"""

import shutil

import h5py
import numpy as np
import pytest
from built_files import add_units, built, settings

from nwbglm.audit import audit_recording
from nwbglm.binning import bin_recording
from nwbglm.errors import RecordingError
from nwbglm.labels import levels_of
from nwbglm.precheck import look_at_data
from nwbglm.recording import open_recording
from nwbglm.study import load_study


@pytest.fixture(scope="module")
def cases(shared_data):
    folder = shared_data.parent / "cases"
    if not folder.is_dir():
        pytest.skip(f"no cases beside the checkout ({folder.parent.name}/cases)")
    return folder


class Case:
    """One case, audited under a study and, where it passes, binned."""

    def __init__(self, path, **parts):
        taken = settings(**parts)
        self.audit = audit_recording(path, taken, session="s")
        self.codes = {one.code: one for one in self.audit.findings}
        self.text = self.audit.text()
        assert "</html>" in self.audit.html()
        self.verdict = self.audit.verdict
        if self.verdict != "fail":
            with open_recording(path) as recording:
                self.bins = bin_recording(recording, taken).load()


@pytest.fixture
def case(cases, request):
    name = request.node.get_closest_marker("parametrize")
    assert name is None
    return lambda name, **parts: Case(cases / "nwb" / f"{name}.nwb", **parts)


def seconds(signal, width=0.01):
    return float(signal.values.sum() * width)


def test_texts_and_attributes_have_one_form(case):
    for name in ("fixed_length_version", "version_in_a_list", "utf8_text_marked_ascii", "conversion_in_a_list"):
        one = case(name)
        assert one.verdict != "fail" and one.bins.sizes["unit"] == 2, name
    one = case(
        "fixed_length_attributes",
        signals={
            "box": {"from": "licks", "resample": "boxcar"},
            "lick": {"from": "licks", "resample": "events"},
            "x": {"from": "x", "units": "mV"},
        },
    )
    assert seconds(one.bins.box) == pytest.approx(4.0) and one.bins.lick.values.sum() == 2
    assert one.bins.x.attrs["units"] == "mV"
    one = case("enum_column", units={"where": "quality == 'good'"})
    assert one.bins.unit.values.tolist() == [0, 2] and one.bins.quality.values.tolist() == ["good", "good"]


def test_an_object_that_cannot_be_read_costs_itself(case):
    used = {"signals": {"u": {"from": "used", "resample": "hold"}}}
    assert np.isfinite(case("conversion_in_a_list", **used).bins.u.values).any()
    one = case("rate_is_nan", **used)
    assert one.verdict == "fail" and "neither timestamps nor a rate (its rate is nan)" in one.text
    assert case("rate_is_nan").verdict != "fail"
    one = case("channel_conversion_too_short", signals={"l": {"from": "lfp", "column": 3, "resample": "hold"}})
    assert one.verdict == "fail" and "2 factors for 4 columns" in one.text
    assert case("channel_conversion_too_short").verdict != "fail"


def test_a_filter_that_is_missing_is_named(case):
    one = case("blosc_compressed", signals={"u": {"from": "used", "resample": "hold"}})
    if one.verdict == "fail":
        assert "Blosc" in one.text and "pip install hdf5plugin" in one.text and "damaged" not in one.text
    else:
        assert np.isfinite(one.bins.u.values).any()


def test_units_are_told_apart_and_selected_by_name(case):
    one = case("unit_ids_repeat", units={"ids": [1]})
    assert "unit-ids" in one.codes and "2 ids name two units each: 0, 1" in one.text
    assert one.bins.sizes["unit"] == 1
    assert case("group_by_name", units={"where": "electrode_group == 'probeB'"}).bins.unit.values.tolist() == [2, 3]
    wrong = case("group_by_name", units={"where": "electrode_group == 'probeC'"})
    assert wrong.verdict == "fail" and "electrode_group is probeA, probeB" in wrong.text
    one = case("index_stops_early")
    assert one.verdict == "fail" and "ends at 232 of 800 values" in one.text
    one = case("observed_until_infinity", units={"where": "unit == 1"})
    assert one.verdict != "fail" and one.bins.unit.values.tolist() == [1]


def test_times_that_are_not_plausible_are_told(case):
    one = case("trials_end_early", epochs={"use": {"intervals": [["0 s", "1000 s"]]}})
    assert one.verdict != "fail" and "spikes-not-in-seconds" not in one.codes
    one = case("signal_times_in_ms", signals={"x": {"from": "x", "resample": "interpolate"}})
    assert one.verdict == "fail" and "as if its times were milliseconds" in one.text
    assert case("signal_times_in_ms").codes["times-not-in-seconds"].level == "warn"
    events = {"from": "trials", "resample": "events", "time": "response_time"}
    one = case("event_times_since_trial_start", signals={"r": events})
    assert "19 of 19 times lie outside their own rows" in one.text
    assert "since: start_time" in one.codes["times-since-rows"].mend
    mended = case("event_times_since_trial_start", signals={"r": events | {"since": "start_time"}})
    at = mended.bins.time.values[mended.bins.r.values > 0]
    assert len(at) == 19 and at[0] == pytest.approx(5.32, abs=0.02) and at[-1] == pytest.approx(95.68, abs=0.02)
    one = case("rois_by_time_with_a_rate", signals={"r": {"from": "roi", "column": 3, "resample": "interpolate"}})
    assert one.verdict == "fail" and "20 samples x 1000 columns" in one.text


def test_what_the_file_says_is_bad_is_blanked(case):
    one = case("invalid_times")
    assert one.codes["invalid-times"].level == "warn" and "30.000 to 40.000 s" in one.text
    time = one.bins.time.values
    bad = (time > 30) & (time < 40)
    assert (one.bins.exposure.values[bad] == 0).all() and (one.bins.exposure.values[~bad] == 1).all()
    assert (case("invalid_times", invalid_times="keep").bins.get("exposure", 1) == 1) is not False


def test_starts_and_stops_are_paired_and_labels_are_bounded(case):
    one = case("interval_lost_its_end", signals={"l": {"from": "licks", "resample": "boxcar"}})
    assert one.codes["marks-unpaired"].level == "warn" and "5.000 s" in one.codes["marks-unpaired"].seen
    on = one.bins.time.values[one.bins.l.values > 0]
    assert seconds(one.bins.l) == pytest.approx(4.0) and one.bins.l.values.max() == 1
    assert ((on > 10) & (on < 12) | (on > 20) & (on < 22)).all()
    one = case("label_number_too_large", signals={"t": {"from": "ttl", "resample": "events"}})
    assert one.bins.t.values.sum() == 3 and "unknown (5)" in one.codes["labels-unknown"].seen


def test_labels_are_held(case):
    averaged = case("codes_are_averaged", bin="200 ms", signals={"image": {"from": "image"}})
    assert averaged.codes["labels-averaged"].level == "warn" and "hold" in averaged.codes["labels-averaged"].mend
    held = case("codes_are_averaged", bin="200 ms", signals={"image": {"from": "image", "resample": "hold"}})
    assert "labels-averaged" not in held.codes
    known = held.bins.image.values[np.isfinite(held.bins.image.values)]
    assert set(known) <= {1.0, 2.0, 3.0} and not set(averaged.bins.image.values[:0])


def test_trials_as_they_are(case):
    one = case("ragged_event_times", signals={"l": {"from": "trials", "resample": "events", "time": "lick_times"}})
    np.testing.assert_allclose(one.bins.time.values[one.bins.l.values > 0], [1.005, 2.005, 3.005, 6.005])
    one = case("text_stimulus_column", signals={"i": {"from": "trials", "resample": "boxcar", "value": "image"}})
    levels = levels_of(one.bins.i.attrs)
    assert levels[:3] == ["car", "cat", "dog"]
    with h5py.File(one.audit.source) as file:
        start, image = file["intervals/trials/start_time"][:], file["intervals/trials/image"].asstr()[:]
    at = np.searchsorted(one.bins.time.values, start + 0.5)
    assert [levels[int(code)] for code in one.bins.i.values[at]] == image.tolist()


def test_a_sweep_that_cannot_be_costs_no_other(case):
    one = case(
        "reference_starts_negative",
        epochs={"use": {"table": "epochs", "where": "tags == 'sweep 0'"}},
        signals={"c": {"from": "current", "resample": "hold"}},
    )
    assert one.verdict != "fail" and one.bins.response.values.sum() == 5
    assert set(one.bins.c.values[np.isfinite(one.bins.c.values)]) == {0.0}
    assert "row 1" in one.codes["rows-without-time"].seen


def test_images_are_a_response(case):
    one = case("imaging_without_spikes", response={"from": "dff"}, bin="100 ms", signals={"v": {"from": "speed"}})
    assert one.verdict != "fail" and one.bins.attrs.get("kind", one.bins.response.attrs["kind"]) == "continuous"
    values, speed = one.bins.response.values, one.bins.v.values
    good = np.isfinite(values).all(axis=1) & np.isfinite(speed)
    design = np.stack([np.ones(good.sum()), speed[good]], axis=1)
    slopes = np.linalg.lstsq(design, values[good], rcond=None)[0][1]
    np.testing.assert_allclose(slopes, [0, 1, 2, 3], atol=0.05)


# ---------------------------------------------------------------- studies


def looked(cases, name, monkeypatch, repository):
    monkeypatch.chdir(repository)
    (found,) = look_at_data(load_study(cases / "studies" / f"{name}.yaml")).findings.values()
    return {one.code: one for one in found}, " ".join(f"{one.path}: {one.seen} {one.mend}" for one in found)


@pytest.mark.parametrize(
    ("name", "level", "words"),
    [
        ("01-sole-session-left-out-exit0", "fail", ["signals.x", "there is no column 2", "columns are 0 to 1"]),
        ("03-period-not-of-the-data", "warn", ["signals.x", "133 to 554 pixels", "period"]),
        ("04-onset-at-epoch-start-lost", "warn", ["terms.onset", "margin: 1 s"]),
        ("05-categorical-of-boxcar-123-levels", "fail", ["category"]),
        ("08-epochs-outside-recording-misleading", "fail", ["epochs.use", "outside the recording", "4397"]),
        ("missing_file", "fail", ["there is no such file", "recordings.one.nwb"]),
    ],
)
def test_studies_are_held_against_their_data(cases, name, level, words, monkeypatch, repository):
    found, text = looked(cases, name, monkeypatch, repository)
    assert any(one.level == level for one in found.values()), text
    assert all(word in text for word in words), text
    if level == "warn":
        assert not any(one.level == "fail" for one in found.values()), text


def test_a_file_without_units_says_so(cases, tmp_path, monkeypatch):
    built(tmp_path / "no_units.nwb", lambda file: file.add_epoch(0.0, 10.0, ["wake"]))
    shutil.copy(cases / "studies" / "all_refused.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    (found,) = look_at_data(load_study("all_refused.yaml")).findings.values()
    assert found[0].level == "fail" and "the file has no units" in found[0].seen
    assert not any("loosen" in one.mend for one in found)


def test_products_are_made_in_any_order(cases, tmp_path, monkeypatch):
    def fill(file):
        for start in (1.0, 4.0, 7.0):
            file.add_trial(start_time=start, stop_time=start + 2)
        add_units(file, [np.arange(0.5, 10, 0.1)])

    built(tmp_path / "one_unit.nwb", fill)
    shutil.copy(cases / "studies" / "product_order.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    looked_at = look_at_data(load_study("product_order.yaml"))
    assert not looked_at.failed
    with pytest.raises(RecordingError), open_recording("absent.nwb"):
        pass
