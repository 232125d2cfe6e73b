"""What is damaged costs what it touches, and is told once."""

import h5py
import numpy as np
import pytest
from built_files import add_units, built, series, settings

from nwbglm.audit import audit_recording
from nwbglm.binning import bin_recording
from nwbglm.recording import open_recording

TRAIN = np.arange(0.5, 100, 0.7)
CHUNK = 100


def damaged_trains(path, chunks):
    """Write six units of 143 spikes in chunks of 100, and overwrite some chunks."""

    def fill(file):
        file.add_epoch(0.0, 100.0, ["wake"])
        add_units(file, [TRAIN + 0.01 * unit for unit in range(6)])

    built(path, fill)
    with h5py.File(path, "r+") as file:
        values, attributes = file["units/spike_times"][()], dict(file["units/spike_times"].attrs)
        del file["units/spike_times"]
        made = file.create_dataset(
            "units/spike_times", data=values, chunks=(CHUNK,), compression="gzip", fletcher32=True
        )
        made.attrs.update(attributes)
        places = [made.id.get_chunk_info(chunk).byte_offset for chunk in chunks]
    content = bytearray(path.read_bytes())
    for place in places:
        content[place + 10 : place + 20] = b"x" * 10
    path.write_bytes(content)
    return path


@pytest.mark.fault(
    "a piece of a recording's spike times is damaged",
    "bytes of chunks overwritten",
    "the units that it touches are left out and named, the others are analysed",
)
@pytest.mark.parametrize(("chunks", "lost"), [([2], [1, 2]), ([0], [0]), ([8], [5]), ([0, 8], [0, 5]), ([3], [2])])
@pytest.mark.parametrize("where", [None, "rate > 0"])
def test_a_damaged_chunk_of_spike_times_costs_the_units_that_it_touches(tmp_path, chunks, lost, where):
    path, taken = damaged_trains(tmp_path / "a.nwb", chunks), settings(units={"where": where} if where else {})
    audit = audit_recording(path, taken, session="s")
    (finding,) = [one for one in audit.findings if one.code == "spikes-unreadable"]
    assert audit.verdict == "warn" and f"{len(lost)} of 6 units ({', '.join(map(str, lost))})" in finding.seen
    with open_recording(path) as recording:
        binned = bin_recording(recording, taken).load()
    assert binned.unit.values.tolist() == [unit for unit in range(6) if unit not in lost]
    assert (binned.response.sum("time") == 143).all()


def test_where_every_unit_is_damaged_the_session_fails_in_words(tmp_path):
    audit = audit_recording(damaged_trains(tmp_path / "a.nwb", range(9)), settings(), session="s")
    assert audit.verdict == "fail" and any("cannot be read" in one.seen for one in audit.findings)


@pytest.mark.parametrize("column", ["start_time", "stop_time"])
@pytest.mark.parametrize("values", [np.ones(1, "c16"), np.ones((1, 2)), np.array([b"soon"])])
def test_a_column_of_times_that_holds_none_costs_its_table(tmp_path, column, values):
    def fill(file):
        file.add_epoch(0.0, 100.0, ["wake"])
        file.add_trial(start_time=1.0, stop_time=2.0)
        add_units(file, [TRAIN])

    path = built(tmp_path / "a.nwb", fill)
    with h5py.File(path, "r+") as file:
        attributes = dict(file[f"intervals/trials/{column}"].attrs)
        del file[f"intervals/trials/{column}"]
        file.create_dataset(f"intervals/trials/{column}", data=values).attrs.update(attributes)
    audit = audit_recording(path, settings(), session="s")
    assert audit.verdict == "warn" and any("one time a row" in one.seen for one in audit.findings)


@pytest.mark.parametrize("count", [3, 4, 57])
def test_what_is_the_same_of_many_objects_is_said_once(tmp_path, count):
    def fill(file):
        file.add_epoch(0.0, 100.0, ["wake"])
        add_units(file, [TRAIN])
        times = np.concatenate([np.arange(100) * 0.1, 50 + np.arange(100) * 0.1])
        for k in range(count):
            file.add_acquisition(series(f"cell_{k:02}", np.arange(200.0), timestamps=times + 0.001 * k))

    audit = audit_recording(built(tmp_path / "a.nwb", fill), settings(), session="s")
    paths = [one.path for one in audit.findings if one.code == "times-gap"]
    assert paths == (
        [f"acquisition/cell_{k:02}" for k in range(3)] if count == 3 else [f"acquisition/cell_00 and {count - 1} more"]
    )
