"""Results held against what they say they were made from, and by."""

import shutil

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from nwbglm import store, verify
from nwbglm.digest import code_digest
from nwbglm.errors import StoreError


def binned(value=0):
    counts = np.full((50, 2), value, np.uint8)
    return xr.Dataset(
        {
            "response": (("time", "unit"), counts, {"kind": "counts", "units": "spikes", "name": "spikes"}),
            "segment": ("time", np.zeros(50, np.int32)),
            "in_epoch": (("purpose", "time"), np.ones((1, 50), bool)),
        },
        coords={"time": np.arange(50.0), "unit": [1, 2], "purpose": ["use"]},
        attrs={"bin": 0.01, "session": "s"},
    )


@pytest.fixture
def results(tmp_path, repository):
    """A store, one that was made from it, and a table that was made from that."""
    scripts = repository / "scripts"
    first, second, table = (tmp_path / f"{n}/s.zarr.zip" for n in ("binned", "tuning", "x"))
    store.write(binned(), first, "binned", code=code_digest(scripts / "bin_recording.py"))
    code = code_digest(scripts / "tune_units.py")
    store.write_derived(xr.Dataset(), second, "tuning", of=store.read(first), inputs=[first], code=code)
    table = tmp_path / "comparison" / "scores.parquet"
    facts = {"inputs": store.seals([second], table), "code": code_digest(scripts / "compare_models.py")}
    store.write_tables({"scores": pd.DataFrame({"x": [1.0]})}, [table], **facts)
    return tmp_path


def said(results, repository):
    return [str(error) for error in verify.verify(results, scripts=repository / "scripts").wrong]


def test_what_is_as_it_was_made_is_right_wherever_it_was_moved(results, repository, tmp_path_factory):
    found = verify.verify(results, scripts=repository / "scripts")
    assert not found.wrong and (found.stores, found.tables) == (2, 1)
    moved = shutil.copytree(results, tmp_path_factory.mktemp("moved") / "another name")
    assert said(moved, repository) == []
    assert store.provenance(store.read(results / "tuning/s.zarr.zip"))["inputs"].keys() == {"binned/s.zarr.zip"}


@pytest.mark.fault(
    "a store is replaced by another sound one, such as from a backup",
    "the store that others were made from is written with another content",
    "`nwbglm verify` names what was made from the one that is gone",
)
def test_a_store_that_was_replaced_is_told_by_what_was_made_from_it(results, repository):
    store.write(
        binned(1), results / "binned/s.zarr.zip", "binned", code=code_digest(repository / "scripts/bin_recording.py")
    )
    (error,) = said(results, repository)
    assert error.startswith(str(results / "tuning/s.zarr.zip")) and "another 'binned/s.zarr.zip'" in error
    assert "delete it and run the same command again" in error


@pytest.mark.fault(
    "stores were made by other code",
    "their digest is another",
    "`nwbglm verify` says how many of which kind, and what to do",
)
def test_stores_of_other_code_are_told(results, repository):
    store.write(binned(), results / "binned/s.zarr.zip", "binned", code="of another version")
    errors = said(results, repository)
    assert any("1 files were made by other code" in error and "same command again" in error for error in errors)
    assert verify.verify(results).stores == 2, "without scripts, code is not compared"


def test_a_store_that_is_gone_is_told_by_what_was_made_from_it(results, repository):
    (results / "tuning/s.zarr.zip").unlink()
    (error,) = said(results, repository)
    assert "tuning/s.zarr.zip: is not there, and comparison/scores.parquet was made from it" in error


def test_a_folder_that_is_none_is_said(tmp_path):
    with pytest.raises(StoreError, match="no such folder"):
        verify.verify(tmp_path / "absent")


def test_every_kind_of_store_names_its_scripts_and_its_inputs(repository):
    made = {contract.path.partition("/")[0] for kind, contract in store.CONTRACTS.items() if kind != "truth"}
    assert set(verify.SCRIPTS) == made | {"comparison"}
    for script in {script for scripts in verify.SCRIPTS.values() for script in scripts} - {"bin_recording"}:
        text = (repository / "scripts" / f"{script}.py").read_text(encoding="utf-8")
        assert "inputs=snakemake.input" in text or "inputs=store.seals(snakemake.input" in text, script
