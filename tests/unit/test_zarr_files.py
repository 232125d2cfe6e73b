"""NWB files in the Zarr format, read as HDF5 ones are.

``tests/data/small.nwb.zarr.zip`` was written by hdmf-zarr 0.14.0, which needs Python 3.12; its copy of the schema was
left out.
"""

import json
import warnings
import zipfile
from datetime import UTC, datetime

import numpy as np
import pytest
from built_files import add_units, settings
from pynwb import NWBFile

from nwbglm.audit import audit_recording
from nwbglm.binning import bin_recording
from nwbglm.errors import RecordingError
from nwbglm.recording import open_recording


@pytest.fixture
def store(tmp_path, repository):
    place = tmp_path / "small.nwb.zarr"
    with zipfile.ZipFile(repository / "tests" / "data" / "small.nwb.zarr.zip") as archive:
        archive.extractall(place)
    return place


def test_units_tables_series_links_and_references(store):
    with open_recording(store, session="s") as recording:
        assert recording.identifier == "z" and recording.version.startswith("2.")
        assert [recording.units.spike_times(unit).tolist() for unit in range(3)] == [[1, 2], [], [3, 6]]
        assert recording.units.metadata["electrode_group"].tolist() == ["tetrode 1"] * 3
        located = recording.units.table.column("electrodes.location")
        assert [row.tolist() for row in located] == [["ca1"], ["ca1", "ca3"], ["ca3"]]
        epochs = recording.find_table("epochs")
        assert [row.tolist() for row in epochs.column("tags")] == [["wake", "box"], ["sleep"]]
        linked = recording.find_series("y")
        assert linked.times().tolist() == list(range(10)) and linked.values(column=1).tolist() == list(range(1, 20, 2))
        assert recording.find_series("x").values().tolist() == (np.arange(10) / 2).tolist()
        (row,) = recording.find_table("trials").ranges()
        assert [(one.first, one.count, one.series) for one in row] == [(1, 1, "acquisition/x")]


def test_binned_and_audited_like_any_other(store):
    taken = settings(
        bin="1 s",
        epochs={"use": {"tags": "wake"}},
        units={"where": "electrodes.location == 'ca1'"},
        signals={"x": {"from": "x"}, "trial": {"from": "trials", "resample": "boxcar", "where": "ok"}},
    )
    with open_recording(store, session="s") as recording:
        data = bin_recording(recording, taken)
    assert data.response.values.T.tolist() == [[0, 1, 1, 0, 0], [0] * 5]
    assert data.x.values.tolist() == [0, 0.5, 1, 1.5, 2] and data.trial.values.tolist() == [0, 1, 0, 0, 0]
    done = audit_recording(store, taken, session="s")
    assert done.verdict == "pass" and len(done.recording["sha256"]) == 64


def test_links_to_other_stores_are_refused(store):
    place = store / "acquisition" / "y" / "zarr.json"
    metadata = json.loads(place.read_text())
    metadata["attributes"]["_LINKS"][0]["source"] = "../other.nwb.zarr"
    place.write_text(json.dumps(metadata))
    with pytest.raises(RecordingError, match="link into another file"), open_recording(store):
        pass


def test_a_store_of_the_old_format_or_of_something_else_is_refused(store, tmp_path):
    old = tmp_path / "old.zarr"
    old.mkdir()
    (old / ".zgroup").write_text('{"zarr_format": 2}')
    with pytest.raises(RecordingError, match="pickles"), open_recording(old):
        pass
    metadata = json.loads((store / "zarr.json").read_text())
    del metadata["attributes"]["nwb_version"]
    (store / "zarr.json").write_text(json.dumps(metadata))
    with pytest.raises(RecordingError, match="not an NWB file"), open_recording(store):
        pass


def test_damaged_metadata_is_a_failing_audit(store):
    (store / "units" / "zarr.json").write_text("{")
    assert audit_recording(store, settings(), session="s").verdict == "fail"


def test_what_hdmf_zarr_writes_today_is_read(tmp_path):
    hdmf_zarr = pytest.importorskip("hdmf_zarr", reason="hdmf-zarr needs Python 3.12")
    file = NWBFile("a test", "z", datetime(2026, 1, 1, tzinfo=UTC))
    file.add_epoch(0.0, 5.0, ["wake"])
    add_units(file, [[1.0, 2.0], []], location=["adn", "ca1"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of consolidated metadata
        with hdmf_zarr.NWBZarrIO(str(tmp_path / "a.nwb.zarr"), "w") as io:
            io.write(file)
    with open_recording(tmp_path / "a.nwb.zarr", session="s") as recording:
        data = bin_recording(recording, settings(bin="1 s", units={"where": "location == 'adn'"}))
    assert data.response.values[:, 0].tolist() == [0, 1, 1, 0, 0]
