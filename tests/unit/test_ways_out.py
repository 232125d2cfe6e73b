"""More ways that a file may try: out of itself, around in circles, into code, past what memory holds."""

import csv
import io
import json
import os
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import zarr
from built_files import add_units, built, series

from nwbglm import log
from nwbglm.audit import audit_recording
from nwbglm.binning import bin_recording
from nwbglm.errors import RecordingError, StudyError
from nwbglm.figures.style import csv_text
from nwbglm.recording import open_recording
from nwbglm.study import DataSettings, read_study

TAKEN = {"epochs": {"use": {"table": "epochs"}}, "bin": "100 ms", "signals": {"x": {"from": "x"}}}


def recording(path, change):
    def fill(file):
        file.add_epoch(0.0, 10.0, ["wake"])
        add_units(file, [np.linspace(0, 9, 40), [3.0]])
        file.add_acquisition(series("x", np.sin(np.arange(1000.0)), rate=100.0))

    built(path, fill)
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def audited(path, **changes):
    return audit_recording(path, DataSettings.model_validate(TAKEN | changes), session="s")


def put_together(file, name, source, target="."):
    attributes = dict(file[name].attrs) if name in file else {}
    if name in file:
        del file[name]
    layout = h5py.VirtualLayout(shape=(1000,), dtype="f8")
    layout[:] = h5py.VirtualSource(target, source, shape=(1000,))
    file.create_virtual_dataset(name, layout).attrs.update(attributes)


@pytest.mark.fault(
    "a dataset is put together from itself",
    "in one step and in two, links elsewhere allowed or not",
    "refused in words",
)
@pytest.mark.parametrize("external", ["refuse", "allow"])
@pytest.mark.parametrize("steps", [1, 2])
def test_a_dataset_that_is_put_together_from_itself_is_refused(tmp_path, steps, external):
    def change(file):
        if steps == 2:
            put_together(file, "general/step", "/acquisition/x/data")
        put_together(file, "acquisition/x/data", "/general/step" if steps == 2 else "/acquisition/x/data")

    done = audited(recording(tmp_path / "a.nwb", change), audit={"external_links": external})
    assert done.verdict == "fail" and "put together from itself" in done.findings[0].seen


def chain(file):
    put_together(file, "general/step", "secret", "other.h5")
    put_together(file, "acquisition/x/data", "/general/step")


def group(file):
    file["general/far"] = h5py.ExternalLink("other.h5", "/")
    del file["acquisition/x/data"]
    file["acquisition/x/data"] = h5py.SoftLink("/general/far/secret")


def parent(file):
    del file["acquisition"]
    file["acquisition"] = h5py.ExternalLink("other.h5", "/")


def column(file):
    place = file.filename.replace("a.nwb", "other.h5")
    file["units"].create_dataset("quality", shape=(2,), dtype="f8", external=[(place, 0, 16)])
    file["units"].attrs["colnames"] = np.array([*file["units"].attrs["colnames"], "quality"], dtype=object)


def description(file):
    place = file.filename.replace("a.nwb", "other.h5")
    del file["session_description"]
    file.create_dataset("session_description", shape=(1,), dtype="S500", external=[(place, 0, 500)])


@pytest.mark.fault(
    "another way into another file",
    "a virtual dataset over a virtual dataset, a link to a file's root, a group elsewhere, a column, a text elsewhere",
    "refused where `external_links: refuse` stands",
)
@pytest.mark.parametrize("way", [chain, group, parent, column, description])
def test_no_other_way_leads_out_of_a_file(tmp_path, way):
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["secret"] = np.linspace(40, 50, 1000)
    done = audited(recording(tmp_path / "a.nwb", way))
    assert done.verdict == "fail" and "another file" in done.findings[0].seen


@pytest.mark.fault(
    "a number that no float holds comes out of a conversion",
    "10^10 times 10^308",
    "the audit's page shows what is left",
)
def test_values_that_overflow_are_values_that_are_missing(tmp_path):
    def change(file):
        file["acquisition/x/data"][0] = 1e10
        file["acquisition/x/data"].attrs["conversion"] = 1e308

    path = recording(tmp_path / "a.nwb", change)
    done = audited(path)
    assert "</html>" in done.html()
    with open_recording(path) as opened:
        values = bin_recording(opened, DataSettings.model_validate(TAKEN)).x.values
    assert not np.isinf(values).any()


def zarr_store(place, **metadata):
    """A store with one series, as hdmf-zarr lays it out."""
    root = zarr.open_group(place, mode="w", zarr_format=3)
    root.attrs["nwb_version"] = "2.6.0"
    data = root.create_group("acquisition").create_group("x")
    data.attrs["neurodata_type"] = "TimeSeries"
    data.create_array("data", data=np.arange(1000.0), chunks=(500,))
    if metadata:
        file = place / "acquisition/x/data/zarr.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | metadata))
    return place


def read(place, external="refuse"):
    with open_recording(place, external=external) as opened:
        return opened.root.get("acquisition/x/data").read()


@pytest.mark.fault(
    "a chunk of a Zarr store is a link to a file elsewhere", "a symbolic link in its folder", "refused, unless allowed"
)
def test_a_chunk_that_lies_elsewhere_is_refused(tmp_path):
    place = zarr_store(tmp_path / "a.nwb.zarr")
    np.testing.assert_array_equal(read(place), np.arange(1000.0))
    chunk = place / "acquisition/x/data/c/0"
    chunk.rename(tmp_path / "secret")
    chunk.symlink_to(tmp_path / "secret")
    np.testing.assert_array_equal(read(place, "allow"), np.arange(1000.0))
    with pytest.raises(RecordingError, match="outside this store"):
        read(place)
    metadata = place / "acquisition/x/data/zarr.json"
    metadata.rename(tmp_path / "zarr.json")
    metadata.symlink_to(tmp_path / "zarr.json")
    with pytest.raises(RecordingError, match="outside this store"):
        read(place)


@pytest.mark.fault(
    "a Zarr store is read by a codec that runs what it reads",
    "pickles, and codecs that nobody knows, alone and inside of shards",
    "refused by us before the store is opened",
)
@pytest.mark.parametrize("name", ["numcodecs.pickle", "pickle", "evil", ""])
@pytest.mark.parametrize("deep", [False, True])
def test_only_codecs_of_numbers_and_texts_are_read(tmp_path, name, deep):
    codecs = [{"name": name, "configuration": {}}]
    if deep:
        codecs = [{"name": "sharding_indexed", "configuration": {"chunk_shape": [100], "codecs": codecs}}]
    with pytest.raises(RecordingError, match="which is not read"):
        read(zarr_store(tmp_path / "a.nwb.zarr", codecs=codecs))


FORMULAS = ["a\r=1", "=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", "\r=1", '=HYPERLINK("http://x")']


@pytest.mark.fault(
    "a text of a file is a formula of a spreadsheet",
    "in cells and names of columns of every CSV that is written, reasons of sessions that were left out included",
    "no cell begins as a formula does",
)
@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_of_a_table_is_a_formula(tmp_path, text):
    lines = csv_text(pd.DataFrame({text: [text, 1], "b": [2, text]}))
    rows = list(csv.reader(io.StringIO(lines, newline="")))
    assert [len(row) for row in rows] == [2, 2, 2]
    assert not any(cell.strip("\n").startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for cell in row)
    log.write_excluded([tmp_path / "a.csv"], text)
    assert (tmp_path / "a.csv").read_text().splitlines()[1].startswith('"left out: ')


@pytest.mark.fault(
    "a recording is a device or a pipe, whose reading never ends",
    "/dev/zero and a named pipe, as the study's file, audited alone, and as a chunk of a Zarr store",
    "refused in words, without being read",
)
def test_what_has_no_end_is_not_read(tmp_path):
    pipe = tmp_path / "pipe.nwb"
    os.mkfifo(pipe)
    for place in (pipe, Path("/dev/zero")):
        study = {"study": "s", "recordings": {"a": {"nwb": str(place)}}, "models": {"m": []}} | TAKEN
        with pytest.raises(StudyError, match=r"recordings\.a\.nwb: .* is neither a file nor a folder"):
            read_study(study).refuse_missing()
        done = audited(place)
        assert done.verdict == "fail" and "neither a file nor a folder" in done.findings[0].seen
    store = zarr_store(tmp_path / "a.nwb.zarr")
    (store / "acquisition/x/data/c/0").unlink()
    os.mkfifo(store / "acquisition/x/data/c/0")
    with pytest.raises(RecordingError, match="neither a file nor a folder"):
        read(store, "allow")
