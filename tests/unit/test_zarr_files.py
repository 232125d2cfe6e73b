"""NWB files in the Zarr format, read as HDF5 ones are.

``tests/data/small.nwb.zarr.zip`` was written by hdmf-zarr 0.14.0, which needs Python 3.12; its copy of the schema was
left out.
"""

import json
import os
import pickle
import warnings
import zipfile
from datetime import UTC, datetime

import numcodecs
import numpy as np
import pytest
from built_files import add_units, settings
from old_zarr import as_zarr2
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


@pytest.fixture(params=["3", "pickle", "json2", "vlen-utf8"])
def either(request, store):
    """The store in version 3, and in version 2 with its texts coded in each way."""
    if request.param == "3":
        return store
    return as_zarr2(store, store.with_name("old.nwb.zarr"), codec=request.param)


def test_units_tables_series_links_and_references(either):
    with open_recording(either, session="s") as recording:
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


def test_binned_and_audited_like_any_other(either):
    taken = settings(
        bin="1 s",
        epochs={"use": {"tags": "wake"}},
        units={"where": "electrodes.location == 'ca1'"},
        signals={"x": {"from": "x"}, "trial": {"from": "trials", "resample": "boxcar", "where": "ok"}},
    )
    with open_recording(either, session="s") as recording:
        data = bin_recording(recording, taken)
    assert data.response.values.T.tolist() == [[0, 1, 1, 0, 0], [0] * 5]
    assert data.x.values.tolist() == [0, 0.5, 1, 1.5, 2] and data.trial.values.tolist() == [0, 1, 0, 0, 0]
    done = audit_recording(either, taken, session="s")
    assert done.verdict == "pass" and len(done.recording["sha256"]) == 64


def test_links_to_other_stores_are_refused(store):
    place = store / "acquisition" / "y" / "zarr.json"
    metadata = json.loads(place.read_text())
    metadata["attributes"]["_LINKS"][0]["source"] = "../other.nwb.zarr"
    place.write_text(json.dumps(metadata))
    with pytest.raises(RecordingError, match="link into another file"), open_recording(store):
        pass


def test_a_store_of_something_else_is_refused(store, tmp_path):
    old = tmp_path / "old.zarr"
    old.mkdir()
    (old / ".zgroup").write_text('{"zarr_format": 2}')
    with pytest.raises(RecordingError, match="not an NWB file"), open_recording(old):
        pass
    metadata = json.loads((store / "zarr.json").read_text())
    del metadata["attributes"]["nwb_version"]
    (store / "zarr.json").write_text(json.dumps(metadata))
    with pytest.raises(RecordingError, match="not an NWB file"), open_recording(store):
        pass


class Runs:
    """Pickled as a call, which whoever reads it makes."""

    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


def itself():
    found = []
    found.append(found)
    return found


@pytest.mark.fault(
    "a Zarr store of version 2 holds a pickle that runs something when it is read",
    "calls, types, lists that hold themselves, arrays, in the place of a text",
    "refused in words; nothing is run, and the rest of the store is read",
)
@pytest.mark.parametrize(
    ("value", "said"),
    [
        (Runs(os.system, ("touch ran",)), "which reading would run"),
        (Runs(exec, ("open('ran', 'w')",)), "which reading would run"),
        (Runs(getattr, (np.dtype("f8"), "type")), "which reading would run"),
        (np.add, "which reading would run"),
        (itself(), "neither a text, a number nor a row"),
        (["x"] * 1000, "neither a text, a number nor a row"),
        (np.arange(3.0), "among texts"),
    ],
)
def test_pickles_of_anything_but_texts_are_refused(store, tmp_path, monkeypatch, value, said):
    monkeypatch.chdir(tmp_path)
    old = as_zarr2(store, tmp_path / "old.nwb.zarr")
    hostile = np.empty(2, dtype=object)  # as many as a piece holds
    hostile.fill("ca1")
    hostile[1] = value
    place = old / "units" / "electrode_group"
    compressor = numcodecs.get_codec(json.loads((place / ".zarray").read_text())["compressor"])
    (place / "0").write_bytes(compressor.encode(pickle.dumps(hostile)))
    with open_recording(old, session="s") as recording:
        with pytest.raises(RecordingError, match=f"units/electrode_group.*{said}"):
            recording.root.array("units/electrode_group").read()
        assert recording.root.array("units/id").read().tolist() == [0, 1, 2]
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("cut", [0, 1, 7, -1])
def test_damaged_pieces_of_an_old_store_name_their_array(store, cut):
    old = as_zarr2(store, store.with_name("old.nwb.zarr"))
    piece = old / "units" / "electrode_group" / "0"
    piece.write_bytes(piece.read_bytes()[:cut])
    with open_recording(old, session="s") as recording, pytest.raises(RecordingError, match="units/electrode_group"):
        recording.root.array("units/electrode_group").read()
    assert audit_recording(old, settings(), session="s").verdict in ("pass", "warn")


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
