"""Odd but legal recordings: the right numbers, or one clear line. Each kind has several members."""

import json
import sys

import h5py
import numpy as np
import pytest
from built_files import add_units, built, series, settings
from pynwb.misc import IntervalSeries
from trap_files import restarting

from nwbglm.audit import audit_recording
from nwbglm.audit.plausible import Extent, counts_from_rows, unit_of_time
from nwbglm.binning import bin_recording
from nwbglm.errors import RecordingError
from nwbglm.recording import open_recording
from nwbglm.recording.events import pair_marks
from nwbglm.recording.texts import as_number, as_text

TRAIN = np.arange(0.5, 100, 0.7)


def small(file, trains=(TRAIN, TRAIN + 0.01), **columns):
    file.add_epoch(0.0, 100.0, ["wake"])
    add_units(file, trains, **columns)


def changed(path, fill, change):
    """Build a file, then change what pynwb would not have written."""
    built(path, fill)
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def rewritten(file, name, values, **kind):
    """Write a dataset again with other values or another type, its attributes kept."""
    attributes = dict(file[name].attrs)
    del file[name]
    file.create_dataset(name, data=values, **kind).attrs.update(attributes)


def audit(path, **parts):
    return audit_recording(path, settings(**parts), session="s")


def bins(path, **parts):
    with open_recording(path, external="refuse") as recording:
        return bin_recording(recording, settings(**parts)).load()


def found(done, code):
    (finding,) = [one for one in done.findings if one.code == code]
    return finding


def codes(done):
    return {finding.code for finding in done.findings}


# ---------------------------------------------------------------- one form of texts and numbers


@pytest.mark.parametrize("version", ["2.6.0", np.bytes_(b"2.6.0"), np.array(["2.6.0"], dtype=object), [b"2.6.0"]])
def test_a_version_is_read_in_any_form(tmp_path, version):
    def change(file):
        del file.attrs["nwb_version"]
        file.attrs["nwb_version"] = version

    with open_recording(changed(tmp_path / "a.nwb", small, change)) as recording:
        assert recording.version == "2.6.0" and len(recording.units) == 2


def test_attributes_of_fixed_length_mean_what_others_mean(tmp_path):
    def fill(file):
        small(file)
        file.add_acquisition(IntervalSeries("licks", data=[1, -1, 1, -1], timestamps=[10.0, 12.0, 20.0, 22.0]))
        file.add_acquisition(series("x", np.arange(1000.0), unit="volts", rate=10.0))

    def change(file):
        def fixed(_, node):
            for key, value in list(node.attrs.items()):
                if isinstance(value, str) and value.isascii():
                    node.attrs[key] = np.bytes_(value.encode())

        for group in ("acquisition", "units", "intervals"):
            file[group].visititems(fixed)
            fixed("", file[group])

    taken = {
        "signals": {
            "box": {"from": "licks", "resample": "boxcar"},
            "lick": {"from": "licks", "resample": "events"},
            "x": {"from": "x", "units": "mV"},
        }
    }
    plain = bins(built(tmp_path / "a.nwb", fill), **taken)
    fixed = bins(changed(tmp_path / "b.nwb", fill, change), **taken)
    assert fixed.box.values.sum() * 0.01 == pytest.approx(4.0) and fixed.lick.values.sum() == 2
    for name in ("box", "lick", "x"):
        np.testing.assert_array_equal(fixed[name], plain[name])


@pytest.mark.parametrize("number", [[0.01], np.array([[0.01]]), "0.01", np.float32(0.01)])
def test_a_conversion_is_read_in_any_form(tmp_path, number):
    def change(file):
        file["acquisition/x/data"].attrs["conversion"] = number

    path = changed(tmp_path / "a.nwb", lambda file: (small(file), _add_x(file)), change)
    assert audit(path).verdict != "fail"
    assert bins(path, signals={"x": {"from": "x"}}).x.values[10] == pytest.approx(0.01)


def _add_x(file, **more):
    file.add_acquisition(series("x", np.ones(1000), unit="m", **({"rate": 10.0} | more)))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.array(["\u00b5V".encode(), b"ok"]), {}),
        (np.array([b"caf\xe9", b"ok"]), {}),
        (np.array([b"caf\xe9 \xff", b"\x01ok"], dtype=object), {"dtype": h5py.string_dtype("utf-8")}),
    ],
)
def test_text_in_any_encoding_costs_nothing(tmp_path, values, kind):
    def change(file):
        rewritten(file, "units/note", values, **kind)

    path = changed(tmp_path / "a.nwb", lambda file: small(file, note=["a", "b"]), change)
    done = audit(path)
    assert done.verdict != "fail"
    done.write(tmp_path / "a.json", tmp_path / "a.html")
    assert (tmp_path / "a.html").read_text(encoding="utf-8")
    assert bins(path, units={"where": "contains(note, 'ok')"}).sizes["unit"] == 1


def test_texts_and_numbers_have_one_form():
    assert as_text([[b"a"]]) == "a" and as_text(None) == "" and as_text("caf\udce9") == "caf\ufffd"
    assert as_text("a\x1b[31m") == "a\ufffd[31m" and as_text(np.array([3])) == "3"
    assert as_number([b"2.5"]) == 2.5 and as_number("fast") is None and as_number([1, 2]) is None


# ---------------------------------------------------------------- one object's failure stays its own


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("conversion", np.nan, "its conversion is nan"),
        ("conversion", np.inf, "its conversion is inf"),
        ("offset", -np.inf, "its offset is -inf"),
    ],
)
def test_a_series_that_nobody_uses_costs_nothing(tmp_path, name, value, words):
    def change(file):
        file["acquisition/x/data"].attrs[name] = value

    path = changed(tmp_path / "a.nwb", lambda file: (small(file), _add_x(file)), change)
    assert audit(path).verdict != "fail" and words in found(audit(path), "series-unreadable").seen
    done = audit(path, signals={"x": {"from": "x"}})
    assert done.verdict == "fail" and words in done.findings[0].seen
    with pytest.raises(RecordingError, match=words):
        bins(path, signals={"x": {"from": "x"}})


@pytest.mark.parametrize("rate", [np.nan, 0.0, -10.0, np.inf, "fast"])
def test_a_rate_that_is_none_is_said(tmp_path, rate):
    def change(file):
        file["acquisition/x/starting_time"].attrs["rate"] = rate

    path = changed(tmp_path / "a.nwb", lambda file: (small(file), _add_x(file)), change)
    assert audit(path).verdict != "fail"
    with pytest.raises(RecordingError, match=r"neither timestamps nor a rate"):
        bins(path, signals={"x": {"from": "x"}})


@pytest.mark.parametrize("factors", [[1.0, 1.0], [1.0], np.ones(7)])
def test_channel_conversions_that_do_not_fit_are_one_failing_line(tmp_path, factors):
    def fill(file):
        small(file)
        file.add_acquisition(series("lfp", np.ones((1000, 4)), rate=10.0))

    path = changed(tmp_path / "a.nwb", fill, lambda file: file["acquisition/lfp"].create_dataset(
        "channel_conversion", data=np.asarray(factors)))  # fmt: skip
    done = audit(path, signals={"l": {"from": "lfp", "column": 3, "resample": "hold"}})
    assert done.verdict == "fail" and f"{len(factors)} factors for 4 columns" in done.findings[0].seen
    assert audit(path).verdict != "fail"


@pytest.mark.parametrize(("marks", "unknown"), [([0, 1, 5], "unknown (5)"), ([0, -1, 1], "unknown (-1)")])
def test_labels_go_by_their_number_with_bounds(tmp_path, marks, unknown):
    def fill(file):
        small(file)
        file.add_acquisition(series("ttl", np.array(marks), timestamps=[1.0, 2.0, 3.0]))

    def change(file):
        file["acquisition/ttl/labels"] = np.array(["a", "b"], dtype=object)

    path = changed(tmp_path / "a.nwb", fill, change)
    taken = {"signals": {"t": {"from": "ttl", "resample": "events"}}}
    assert unknown in found(audit(path, **taken), "labels-unknown").seen
    assert bins(path, **taken).t.values.sum() == 3
    taken["signals"]["t"]["where"] = "label == 'a'"
    assert bins(path, **taken).t.values.sum() == 1


def test_a_series_with_a_filter_that_is_missing_names_the_package(tmp_path):
    """Blosc is 32001, Zstd 32015; a filter that nobody knows still is one line."""
    for number, name in ((32001, "Blosc"), (32015, "Zstd"), (32099, "a filter")):
        if h5py.h5z.filter_avail(number):
            continue

        def change(file, number=number):
            created = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            created.set_chunk((1000,))
            created.set_filter(number, h5py.h5z.FLAG_OPTIONAL, ())
            attributes = dict(file["acquisition/x/data"].attrs)
            del file["acquisition/x/data"]
            space = h5py.h5s.create_simple((1000,))
            made = h5py.h5d.create(file["acquisition/x"].id, b"data", h5py.h5t.IEEE_F64LE, space, created)
            made.write_direct_chunk((0,), np.ones(1000).tobytes())
            h5py.Dataset(made).attrs.update(attributes)

        path = changed(tmp_path / f"{number}.nwb", lambda file: (small(file), _add_x(file)), change)
        assert audit(path).verdict != "fail"
        first = audit(path, signals={"x": {"from": "x"}}).findings[0]
        assert f"compressed with {name} (HDF5 filter {number})" in first.seen
        assert "pip install hdf5plugin" in first.mend


# ---------------------------------------------------------------- units


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        ([0, 1, 0, 1], "2 ids name two units each: 0, 1"),
        ([7, 7, 7, 7], "1 ids name several units each: 7"),
        ([[1, 1], [2, 2], [3, 3], [4, 4]], "no numbers, one a unit"),
        ([0.5, 1.0, np.nan, 3.0], "no whole numbers"),
    ],
)
def test_ids_that_do_not_tell_units_apart_are_replaced_by_rows(tmp_path, ids, words):
    path = changed(
        tmp_path / "a.nwb", lambda file: small(file, [TRAIN] * 4), lambda file: rewritten(file, "units/id", ids)
    )
    finding = found(audit(path), "unit-ids")
    assert words in finding.seen and "0 to 3" in finding.mend
    assert bins(path).unit.values.tolist() == [0, 1, 2, 3]
    assert bins(path, units={"ids": [2]}).unit.values.tolist() == [2]  # what the finding's mend says


@pytest.mark.parametrize("index", [[50, 100], [100, 50], [-5, 143], ["a", "b"]])
def test_a_ragged_index_is_checked_whole(tmp_path, index):
    kind = {"dtype": h5py.string_dtype()} if isinstance(index[0], str) else {}
    path = changed(
        tmp_path / "a.nwb", small, lambda file: rewritten(file, "units/spike_times_index", index, **kind)
    )  # fmt: skip
    done = audit(path)
    assert done.verdict == "fail" and "spike_times_index" in done.findings[0].seen


def test_an_index_that_stops_early_says_where(tmp_path):
    def change(file):
        file["units/spike_times_index"][...] = [20, 40]

    done = audit(changed(tmp_path / "a.nwb", small, change))
    assert f"ends at 40 of {2 * len(TRAIN)} values" in found(done, "unreadable").seen


def test_observed_to_infinity_is_to_the_end(tmp_path):
    intervals = [[[0.0, np.inf]], [[-np.inf, np.inf]], [[0.0, 100.0]]]
    path = built(tmp_path / "a.nwb", lambda file: small(file, [TRAIN] * 3, obs_intervals=intervals))
    binned = bins(path)
    assert binned.response.values.sum(axis=0).tolist() == [len(TRAIN)] * 3 and "exposure" not in binned
    assert audit(path).verdict != "fail"


def test_an_interval_that_is_none_costs_its_unit_alone(tmp_path):
    intervals = [[[np.nan, 5.0]], [[0.0, 100.0]]]
    path = built(tmp_path / "a.nwb", lambda file: small(file, obs_intervals=intervals))
    assert "1 of 2 units (0)" in found(audit(path), "obs-intervals").seen
    assert bins(path, units={"where": "rate > 0"}).unit.values.tolist() == [1]


def test_a_group_goes_by_its_name_and_by_its_path(tmp_path):
    def fill(file):
        file.add_epoch(0.0, 100.0, ["wake"])
        device = file.create_device("d")
        groups = [file.create_electrode_group(name, "x", "y", device) for name in ("probeA", "probeB")]
        for unit in range(4):
            file.add_unit(spike_times=TRAIN, electrode_group=groups[unit // 2])

    path = built(tmp_path / "a.nwb", fill)
    for expression in (
        "electrode_group == 'probeB'",
        "electrode_group in ['probeB']",
        "electrode_group == 'general/extracellular_ephys/probeB'",
        "electrode_group != 'probeA'",
    ):
        assert bins(path, units={"where": expression}).unit.values.tolist() == [2, 3]
    with pytest.raises(RecordingError, match="electrode_group is probeA, probeB"):
        bins(path, units={"where": "electrode_group == 'probeC'"})


def test_codes_with_texts_are_texts(tmp_path):
    def change(file):
        units = file["units"]
        units["quality"] = np.array([0, 1, 0, 7], dtype=np.uint8)
        units["quality_elements"] = np.array(["good", "mua"], dtype=object)
        units["quality"].attrs["neurodata_type"] = "EnumData"
        units["quality"].attrs["elements"] = units["quality_elements"].ref

    path = changed(tmp_path / "a.nwb", lambda file: small(file, [TRAIN] * 4), change)
    assert bins(path, units={"where": "quality == 'good'"}).unit.values.tolist() == [0, 2]
    assert bins(path).quality.values.tolist() == ["good", "mua", "good", "unknown (7)"]
    assert "column-misfit" not in codes(audit(path))


def test_the_study_chooses_between_tables_of_units(tmp_path):
    def fill(file):
        small(file)
        file.create_processing_module("ecephys", "x")

    def change(file):
        file.copy("units", "processing/ecephys/sorted")
        file["processing/ecephys/sorted/spike_times"][...] += 0.2
        file.copy("units", "processing/ecephys/curated")

    path = changed(tmp_path / "a.nwb", fill, change)
    assert "processing/ecephys/curated" in found(audit(path), "several-units-tables").seen
    first, other = bins(path), bins(path, units={"table": "sorted"})
    assert not np.array_equal(first.response, other.response)
    with h5py.File(path, "r+") as file:
        del file["units"]
    with pytest.raises(RecordingError, match="table: processing/ecephys/curated"):
        bins(path)
    np.testing.assert_array_equal(bins(path, units={"table": "processing/ecephys/curated"}).response, first.response)


# ---------------------------------------------------------------- times


@pytest.mark.parametrize(
    ("factor", "guess"), [(1e3, "milliseconds"), (1e6, "microseconds"), (30_000.0, "samples at 30000 Hz")]
)
def test_series_and_tables_that_are_not_in_seconds(tmp_path, factor, guess):
    def fill(file):
        small(file)
        file.add_acquisition(series("x", np.ones(1000), timestamps=np.arange(1000) * 0.1 * factor))

    path = built(tmp_path / "a.nwb", fill)
    finding = found(audit(path), "times-not-in-seconds")
    assert finding.level == "warn" and guess in finding.seen and finding.path == "acquisition/x"
    used = audit(path, signals={"x": {"from": "x", "resample": "interpolate", "max_gap": "1e9 s"}})
    assert found(used, "times-not-in-seconds").level == "fail"

    def trials(file):
        small(file)
        _add_x(file)
        file.add_trial(start_time=1.0 * factor, stop_time=99.0 * factor)

    done = audit(built(tmp_path / "b.nwb", trials))
    assert found(done, "times-not-in-seconds").path == "intervals/trials"


def test_times_are_held_against_others_of_another_kind():
    epochs, spikes = Extent("epochs", "table", 0, 100), Extent("units", "spikes", 1, 99)
    slow = [Extent(name, "series", 0, 99_990) for name in ("x", "y", "z")]
    assert all(unit_of_time(one, [epochs, spikes, *slow]) == "milliseconds" for one in slow)
    assert unit_of_time(epochs, [epochs, spikes, *slow]) == ""
    assert unit_of_time(Extent("t", "series", 0, 5000), [epochs, spikes]) == ""


def test_tables_that_end_early_refuse_nothing(tmp_path):
    train = np.sort(np.random.default_rng(0).uniform(0, 1000, 2000))

    def fill(file):
        file.add_trial(start_time=0.0, stop_time=20.0)
        add_units(file, [train], obs_intervals=[[[0.0, 1000.0]]])

    whole = {"epochs": {"use": {"intervals": [["0 s", "1000 s"]]}}}
    assert audit(built(tmp_path / "a.nwb", fill), **whole).verdict != "fail"

    def without(file):
        file.add_trial(start_time=0.0, stop_time=20.0)
        add_units(file, [train])

    path = built(tmp_path / "b.nwb", without)
    assert audit(path, **whole).verdict != "fail"
    part = audit(path, epochs={"use": {"table": "trials"}})
    assert part.verdict != "fail" and found(part, "spikes-outside").level == "warn"


def test_event_times_since_each_trials_start(tmp_path):
    starts = np.arange(5.0, 100, 5)

    def fill(file):
        small(file)
        file.add_trial_column("response_time", "when")
        for row, start in enumerate(starts):
            file.add_trial(start_time=start, stop_time=start + 4, response_time=0.32 + 0.02 * row)

    path = built(tmp_path / "a.nwb", fill)
    taken = {"signals": {"r": {"from": "trials", "resample": "events", "time": "response_time"}}}
    finding = found(audit(path, **taken), "times-since-rows")
    assert "19 of 19 times" in finding.seen and "`since: start_time`" in finding.mend
    taken["signals"]["r"]["since"] = "start_time"  # the mend, followed
    done = audit(path, **taken)
    assert "times-since-rows" not in codes(done)
    binned = bins(path, **taken)
    np.testing.assert_allclose(
        binned.time.values[binned.r.values > 0], starts + 0.32 + 0.02 * np.arange(19), atol=0.006
    )  # fmt: skip
    assert counts_from_rows(starts + 0.3, starts, starts + 4) == 0


def test_spikes_and_series_since_each_trials_start(tmp_path):
    def fill(file):
        add_units(file, [np.sort(np.random.default_rng(0).uniform(0, 4, 300))])
        for start in np.arange(0.0, 100, 5):
            file.add_trial(start_time=start, stop_time=start + 4)
        file.add_acquisition(series("x", np.ones(40), timestamps=np.arange(40) * 0.1))

    done = audit(built(tmp_path / "a.nwb", fill), epochs={"use": {"table": "trials"}})
    paths = {one.path for one in done.findings if one.code == "times-since-rows"}
    assert paths == {"units/spike_times", "acquisition/x"}


def test_times_stored_too_coarsely(tmp_path):
    late = 1e5

    def fill(file):
        file.add_epoch(late, late + 100, ["wake"])
        add_units(file, [TRAIN + late])
        file.add_acquisition(series("x", np.ones(1000), timestamps=late + np.arange(1000) * 0.1))

    def change(file):
        for name in ("units/spike_times", "acquisition/x/timestamps"):
            rewritten(file, name, file[name][:].astype("f4"))

    path = changed(tmp_path / "a.nwb", fill, change)
    coarse = [one for one in audit(path, bin="1 ms").findings if one.code == "times-coarse"]
    assert {one.path for one in coarse} == {"units/spike_times", "acquisition/x"} and "7.81 ms" in coarse[0].seen
    assert "times-coarse" not in codes(audit(path, bin="20 ms"))


@pytest.mark.parametrize(
    ("times", "marks", "intervals", "alone"),
    [
        ([5, 10, 12, 20, 22], [1, 1, -1, 1, -1], [(10, 12), (20, 22)], [5]),
        ([1, 2, 5], [-1, 1, -1], [(2, 5)], [1]),
        ([2, 5, 9], [1, -1, 1], [(2, 5)], [9]),
        ([1, 2, 3, 4], [1, 2, -1, -2], [(1, 3), (2, 4)], []),
        ([3, 1, 2, 4], [1, 1, -1, -1], [(1, 2), (3, 4)], []),
        ([1, 2, 2, 3], [1, 1, -1, -1], [(1, 2), (2, 3)], []),
    ],
)
def test_starts_and_stops_are_paired_by_time(times, marks, intervals, alone):
    start, stop, _, unpaired = pair_marks(np.array(times, float), np.array(marks))
    assert list(zip(start, stop, strict=True)) == intervals and unpaired.tolist() == alone


def test_an_interval_that_lost_its_end_is_dropped_and_told(tmp_path):
    def fill(file):
        small(file)
        file.add_acquisition(IntervalSeries("licks", data=[1, 1, -1, 1, -1], timestamps=[5.0, 10.0, 12.0, 20.0, 22.0]))

    path = built(tmp_path / "a.nwb", fill)
    taken = {"signals": {"l": {"from": "licks", "resample": "boxcar"}}}
    assert bins(path, **taken).l.values.sum() * 0.01 == pytest.approx(4.0)
    assert "1 marks have no partner (at 5.000 s)" in found(audit(path, **taken), "marks-unpaired").seen


def test_lists_of_times_a_row_are_events(tmp_path):
    def fill(file):
        small(file)
        file.add_trial_column("lick_times", "when", index=True)
        for row, times in enumerate(([1.0, 2.0, 3.0], [6.0], [])):
            file.add_trial(start_time=5.0 * row, stop_time=5.0 * row + 5, lick_times=times)

    taken = {"signals": {"l": {"from": "trials", "resample": "events", "time": "lick_times"}}}
    binned = bins(built(tmp_path / "a.nwb", fill), **taken)
    np.testing.assert_allclose(binned.time.values[binned.l.values > 0], [1.005, 2.005, 3.005, 6.005])


# ---------------------------------------------------------------- what the standard and the study say


@pytest.mark.parametrize("bad", [[(30.0, 40.0)], [(30.0, 35.0), (35.0, 40.0)], [(30.0, 38.0), (32.0, 40.0)]])
def test_invalid_times_are_blanked_and_told(tmp_path, bad):
    def fill(file):
        small(file)
        for start, stop in bad:
            file.add_invalid_time_interval(start_time=start, stop_time=stop)

    path = built(tmp_path / "a.nwb", fill)
    finding = found(audit(path), "invalid-times")
    assert finding.level == "warn" and "10.000 s" in finding.seen and "`invalid_times: keep`" in finding.mend
    binned = bins(path)
    off = (binned.time.values > 30) & (binned.time.values < 40)
    assert (binned.exposure.values[off] == 0).all() and (binned.exposure.values[~off] == 1).all()
    kept = bins(path, invalid_times="keep")
    assert "exposure" not in kept and found(audit(path, invalid_times="keep"), "invalid-times").level == "pass"


@pytest.mark.parametrize("kind", ["i4", "f8", "u1"])
def test_labels_that_are_averaged_are_told(tmp_path, kind):
    codes_of = np.repeat([1, 3, 1, 2], 25)[np.arange(1000) % 100].astype(kind)

    def fill(file):
        small(file)
        file.add_stimulus(series("image", codes_of, unit="n.a.", rate=10.0, starting_time=0.05))

    path = built(tmp_path / "a.nwb", fill)
    parts = {"bin": "400 ms", "signals": {"image": {"from": "image"}}}
    finding = found(audit(path, **parts), "labels-averaged")
    assert finding.level == "warn" and "1, 2, 3" in finding.seen and "`resample: hold`" in finding.mend
    parts["signals"]["image"]["resample"] = "hold"  # the mend, followed
    assert "labels-averaged" not in codes(audit(path, **parts))
    assert set(np.unique(bins(path, **parts).image.values)) <= {1.0, 2.0, 3.0}


def test_values_that_are_no_labels_are_averaged_in_peace(tmp_path):
    def fill(file):
        small(file)
        _add_x(file)
        file.add_acquisition(series("y", np.random.default_rng(0).normal(size=1000), rate=10.0))

    done = audit(built(tmp_path / "a.nwb", fill), bin="400 ms", signals={"x": {"from": "x"}, "y": {"from": "y"}})
    assert "labels-averaged" not in codes(done)


@pytest.mark.parametrize("shape", [(20, 1000), (3, 900), (100, 1100)])
def test_the_order_of_axes_is_checked_where_a_rate_is_given(tmp_path, shape):
    def fill(file):
        small(file)
        file.add_acquisition(series("roi", np.ones(shape), rate=10.0))

    path = built(tmp_path / "a.nwb", fill)
    assert found(audit(path), "axes-exchanged").level == "warn"
    used = found(audit(path, signals={"r": {"from": "roi", "column": 0}}), "axes-exchanged")
    assert used.level == "fail" and f"{shape[0]} samples x {shape[1]} columns" in used.seen


def test_rois_along_the_first_axis_are_refused(tmp_path):
    def fill(file):
        small(file)
        file.add_acquisition(series("roi", np.ones((20, 300)), rate=10.0))

    def change(file):
        file["acquisition/roi/rois"] = np.arange(20)

    with pytest.raises(RecordingError, match="transposed: the 20 rois run along the first axis"):
        bins(changed(tmp_path / "a.nwb", fill, change), signals={"r": {"from": "roi", "column": 0}})


def test_a_reference_before_the_first_sample_costs_its_sweep_alone(tmp_path):
    def fill(file):
        restarting(file, references=True)
        add_units(file, [np.concatenate([np.linspace(0.1, 1.9, spikes) for spikes in (5, 7, 9)])])

    def change(file):
        rows = file["intervals/epochs/timeseries"][:]
        rows["idx_start"][1] = -3
        file["intervals/epochs/timeseries"][...] = rows

    path = changed(tmp_path / "a.nwb", fill, change)
    for sweep, spikes in ((0, 5), (2, 9)):
        taken = {
            "epochs": {"use": {"table": "epochs", "where": f"tags == 'sweep {sweep}'"}},
            "signals": {"i": {"from": "current"}},
        }
        binned = bins(path, **taken)
        assert binned.response.values.sum() == spikes and set(np.unique(binned.i.values[~np.isnan(binned.i)])) == {
            sweep
        }
        assert "row 1" in found(audit(path, **taken), "rows-without-time").seen


def test_rows_that_touch_by_rounding_are_no_sweeps(tmp_path):
    def fill(file):
        parts = [series(f"s{row}", np.full(100, float(row)), rate=10.0, starting_time=10.0 * row) for row in range(3)]
        for row, part in enumerate(parts):
            file.add_stimulus(part)
            file.add_epoch(10.0 * row, 10.0 * row + 10 + 1e-6, [f"part {row}"], timeseries=part)
        add_units(file, [np.arange(0.5, 30)])

    with open_recording(built(tmp_path / "a.nwb", fill)) as recording:
        rows, bad = recording.intervals(recording.find_table("epochs"))
    assert set(rows.clock) == {0} and not len(bad)


# ---------------------------------------------------------------- hostile files


def _secret(folder):
    with h5py.File(folder / "other.h5", "w") as other:
        other["secret"] = np.linspace(40, 50, 1000)


def _beside(file):
    return file.filename.replace("a.nwb", "other.h5")


def _raw(file):
    file["acquisition/x"].create_dataset(
        "data", shape=(1000,), dtype="u1", external=[(file.filename.replace("a.nwb", "other.h5"), 0, 1000)]
    )


def _virtual(file):
    layout = h5py.VirtualLayout(shape=(1000,), dtype="f8")
    layout[:] = h5py.VirtualSource("other.h5", "secret", shape=(1000,))
    file["acquisition/x"].create_virtual_dataset("data", layout)


def _virtual_over_a_link(file):
    file["general/far"] = h5py.ExternalLink("other.h5", "/secret")
    layout = h5py.VirtualLayout(shape=(1000,), dtype="f8")
    layout[:] = h5py.VirtualSource(".", "/general/far", shape=(1000,))
    file["acquisition/x"].create_virtual_dataset("data", layout)


def _external(file):
    file["acquisition/x/data"] = h5py.ExternalLink("other.h5", "/secret")


def _two_links(file):
    file.create_group("scratch/deep")
    file["scratch/deep/evil"] = h5py.ExternalLink("other.h5", "/secret")
    file["general/step"] = h5py.SoftLink("/scratch/deep/evil")
    file["acquisition/x/data"] = h5py.SoftLink("/general/step")


def _in_specifications(file):
    file["specifications/evil"] = h5py.ExternalLink("other.h5", "/")
    file["acquisition/x/data"] = h5py.SoftLink("/specifications/evil/secret")


@pytest.mark.parametrize("way", [_raw, _virtual, _virtual_over_a_link, _external, _two_links, _in_specifications])
def test_there_is_no_way_out_of_the_file(tmp_path, way):
    _secret(tmp_path)

    def change(file):
        attributes = dict(file["acquisition/x/data"].attrs)
        del file["acquisition/x/data"]
        way(file)
        file["acquisition/x/data"].attrs.update(attributes if way in (_raw, _virtual) else {})

    path = changed(tmp_path / "a.nwb", lambda file: (small(file), _add_x(file)), change)
    taken = {"signals": {"x": {"from": "x"}}}
    done = audit(path, **taken)
    assert done.verdict == "fail" and "another file" in done.findings[0].seen
    with pytest.raises(RecordingError, match="another file"):
        bins(path, **taken)
    allowed = taken | {"audit": {"external_links": "allow"}}  # the mend, followed
    assert audit(path, **allowed).verdict != "fail"


@pytest.mark.parametrize(
    "name",
    ["units/id", "units/spike_times", "intervals/epochs/start_time", "acquisition/x/data", "acquisition/y/timestamps"],
)
def test_declared_sizes_are_held_against_what_is_there(tmp_path, name):
    def fill(file):
        small(file)
        _add_x(file)
        file.add_acquisition(series("y", np.ones(10), timestamps=np.arange(10.0)))

    def change(file):
        attributes, kind = dict(file[name].attrs), file[name].dtype
        del file[name]
        file.create_dataset(name, shape=(10**11,), chunks=(1024,), dtype=kind).attrs.update(attributes)

    done = audit(changed(tmp_path / "a.nwb", fill, change))
    said = " ".join(one.seen for one in done.findings)
    assert (
        "GB, of which the file holds 0 bytes" in said
        or "of 100000000000 values" in said
        or "100000000000 timestamps" in said
    )
    assert (done.verdict == "fail") == (not name.startswith("acquisition"))


def test_epochs_of_centuries_are_refused_before_they_are_made(tmp_path):
    for stop in (1e10, 9e6, 2.0**53):
        done = audit(built(tmp_path / f"{stop:g}.nwb", lambda file, stop=stop: (
            file.add_epoch(0.0, stop, ["wake"]), add_units(file, [TRAIN]))))  # fmt: skip
        assert done.verdict == "fail" and "bins of 0.01 s" in " ".join(one.seen for one in done.findings)


def test_cycles_dead_references_and_opaque_columns_cost_nothing(tmp_path):
    def change(file):
        file["acquisition/loop"] = file["acquisition"]
        file["acquisition/self"] = h5py.SoftLink("/acquisition/self")
        file.create_group("processing/m")["up"] = file["/"]
        deep = file["processing/m"]
        for _ in range(1200):
            deep = deep.create_group("g")
        gone = file.create_group("gone")
        dead = gone.ref
        del file["gone"]
        units = file["units"]
        units.create_dataset("electrode_group", data=np.array([dead, dead], dtype=object), dtype=h5py.ref_dtype)
        units["opaque"] = np.array([b"ab", b"cd"], dtype="V2")
        units.attrs["colnames"] = np.array(["spike_times", "opaque", "electrode_group"], dtype=object)
        file["acquisition/x"].attrs["other"] = dead
        rewritten(file, "identifier", h5py.Empty("S10"))
        del file["session_description"]
        file.create_dataset("session_description", data=b"caf\xe9 \x01", dtype=h5py.string_dtype("utf-8"))

    path = changed(tmp_path / "a.nwb", lambda file: (small(file), _add_x(file)), change)
    done = audit(path, signals={"x": {"from": "x"}})
    assert done.verdict != "fail" and found(done, "reference-lost").path == "units/electrode_group"
    done.write(tmp_path / "a.json", tmp_path / "a.html")
    assert "caf\ufffd \ufffd" in (tmp_path / "a.html").read_text(encoding="utf-8")


# ---------------------------------------------------------------- cost


def _grown(path, trials=400, units=8, spikes=4000):
    """A file of any size, written as fast as can be."""
    seconds, rng = 1000.0, np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2.6.0"
        table = file.create_group("units")
        table["id"] = np.arange(units)
        table["spike_times"] = np.concatenate([np.sort(rng.uniform(0, seconds, spikes)) for _ in range(units)])
        table["spike_times_index"] = np.cumsum([spikes] * units)
        table["obs_intervals"] = np.tile([[0.0, seconds]], (units, 1))
        table["obs_intervals_index"] = np.arange(1, units + 1)
        table.attrs["colnames"] = np.array(["spike_times", "obs_intervals"], dtype=object)
        rows = file.create_group("intervals/trials")
        rows["id"], start = np.arange(trials), np.arange(trials) * seconds / trials
        rows["start_time"], rows["stop_time"] = start, start + 0.9 * seconds / trials
        rows.attrs["colnames"] = np.array(["start_time", "stop_time"], dtype=object)
    return path


@pytest.mark.parametrize(("what", "size"), [("trials", 8000), ("units", 60), ("spikes", 60_000)])
def test_the_cost_of_an_audit_grows_as_the_recording_does(tmp_path, what, size):
    """In steps of the interpreter, not in seconds: the same on a busy machine."""

    def steps(many):
        path, count = _grown(tmp_path / f"{many}.nwb", **{what: many}), 0

        def counted(frame, event, argument):
            nonlocal count
            count += 1

        sys.setprofile(counted)
        try:
            audit(path, epochs={"use": {"table": "trials"}}, units={"where": "rate > 0"})
        finally:
            sys.setprofile(None)
        return count

    steps(10)
    assert steps(2 * size) < 2.5 * steps(size)


def test_statistics_of_units_are_those_of_a_plain_count(tmp_path):
    path = _grown(tmp_path / "a.nwb", trials=30, units=3, spikes=40)
    taken = audit(path, epochs={"use": {"table": "trials"}}).takes["units"]
    with h5py.File(path) as file:
        trains = np.split(file["units/spike_times"][:], 3)
        spans = np.column_stack([file["intervals/trials/start_time"], file["intervals/trials/stop_time"]])
    for unit, train in enumerate(trains):
        inside = np.array([((train >= low) & (train < high)).sum() for low, high in spans])
        assert taken["spikes"][unit] == inside.sum()
        assert taken["rate"][unit] == pytest.approx(inside.sum() / 900.0)
        assert taken["presence_ratio"][unit] == pytest.approx((inside > 0).mean())


def test_long_recordings_are_looked_at_in_pieces(tmp_path, monkeypatch):
    from nwbglm.audit import signals

    def fill(file):
        small(file)
        file.add_acquisition(series("x", np.sin(np.arange(1000.0)), rate=10.0))

    path, taken = built(tmp_path / "a.nwb", fill), {"signals": {"x": {"from": "x", "resample": "interpolate"}}}
    whole = audit(path, **taken).takes["signals"]["x"]
    monkeypatch.setattr(signals, "PIECE", 997)
    pieces = audit(path, **taken).takes["signals"]["x"]
    for key in ("valid", "min", "max", "median", "low", "high"):
        assert pieces[key] == pytest.approx(whole[key], abs=1e-9)


def _zarr_group(place, **attributes):
    place.mkdir(parents=True, exist_ok=True)
    (place / "zarr.json").write_text(json.dumps({"zarr_format": 3, "node_type": "group", "attributes": attributes}))


def test_there_is_no_way_out_of_a_zarr_store(tmp_path):
    store = tmp_path / "a.nwb.zarr"
    _zarr_group(store, nwb_version="2.6.0")
    _zarr_group(tmp_path / "other.zarr")
    (store / "acquisition").symlink_to(tmp_path / "other.zarr")
    with open_recording(store, external="allow") as recording:
        assert recording.root.get("acquisition") is not None
    with pytest.raises(RecordingError, match="stands outside"), open_recording(store, external="refuse") as recording:
        recording.root.get("acquisition")
    (store / "acquisition").unlink()
    with pytest.raises(RecordingError, match="stands outside"), open_recording(store, external="refuse") as recording:
        recording.root.get("../other.zarr")
    _zarr_group(store, nwb_version="2.6.0", _LINKS=[{"name": "far", "source": "../other.zarr", "path": "/"}])
    with pytest.raises(RecordingError, match="link into another file"), open_recording(store, external="refuse"):
        pass
