"""Stores: whole or not there, equal bytes for equal content, checked both ways."""

import os
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from synthetic_stores import head_direction_session, injected_current_session

from nwbglm import limits, store
from nwbglm.errors import StoreError
from nwbglm.response import SPIKES


@pytest.fixture
def binned() -> xr.Dataset:
    time = (np.arange(5000) + 0.5) * 0.01
    return xr.Dataset(
        {
            "response": (("time", "unit"), np.random.default_rng(0).poisson(0.1, (5000, 3)).astype(np.uint8), SPIKES),
            "segment": ("time", np.zeros(5000, np.int32)),
            "in_epoch": (("purpose", "time"), np.ones((2, 5000), bool)),
        },
        coords={"time": time, "unit": [3, 5, 8], "location": ("unit", ["adn", "ü", None]), "purpose": ["use", "fit"]},
        attrs={"bin": 0.01},
    )


def test_what_is_read_is_what_was_written(binned, tmp_path):
    path = tmp_path / "sub" / "a.zarr.zip"
    store.write(binned, path, "binned", recording={"sha256": "ab"}, seed=3)
    back = store.read(path, "binned")
    xr.testing.assert_equal(
        back[["response", "segment", "in_epoch"]].drop_vars("location"), binned.drop_vars("location")
    )
    assert back["location"].values.tolist() == ["adn", "ü", ""]
    assert back.attrs["bin"] == 0.01
    facts = store.provenance(back)
    assert facts["seed"] == 3 and facts["recording"] == {"sha256": "ab"} and "jax" in facts["versions"]


def test_equal_content_gives_equal_bytes(binned, tmp_path, monkeypatch):
    store.write(binned, tmp_path / "a.zarr.zip", "binned")
    store.write(store.read(tmp_path / "a.zarr.zip"), tmp_path / "b.zarr.zip", "binned")
    monkeypatch.setattr(limits, "IN_MEMORY_BYTES", 0)  # through a temporary directory
    store.write(binned, tmp_path / "c.zarr.zip", "binned")
    first, *others = [(tmp_path / f"{name}.zarr.zip").read_bytes() for name in "abc"]
    assert all(other == first for other in others)
    assert sorted(os.listdir(tmp_path)) == ["a.zarr.zip", "b.zarr.zip", "c.zarr.zip"]


def test_a_failed_write_leaves_nothing_and_keeps_the_old(binned, tmp_path, monkeypatch):
    path = tmp_path / "a.zarr.zip"
    store.write(binned, path, "binned")
    before = path.read_bytes()

    def broken(*_):
        raise OSError("disk full")

    monkeypatch.setattr(store.writing, "zip_whole", broken)
    with pytest.raises(OSError, match="disk full"):
        store.write(binned.isel(unit=[0]), path, "binned")
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.zarr.zip"]


def test_entries_are_stored_sorted_and_undated(binned, tmp_path):
    store.write(binned, tmp_path / "a.zarr.zip", "binned")
    with zipfile.ZipFile(tmp_path / "a.zarr.zip") as archive:
        names = archive.namelist()
        assert names == sorted(names)
        assert {item.compress_type for item in archive.infolist()} == {zipfile.ZIP_STORED}
        assert {item.date_time for item in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.drop_vars("segment"), "'segment' is missing"),
        (lambda d: d.transpose("unit", "time", "purpose"), "'response' has dimensions"),
        (lambda d: d.drop_attrs(), "attribute 'bin' is missing"),
        (lambda d: d.assign(extra=("time", np.zeros(5000))), "'extra' is not in the contract"),
        (lambda d: d.assign(extra=("unit", np.zeros(3))), "'extra' is not in the contract"),
        (lambda d: d.assign_coords(extra=("purpose", [0, 1])), "'extra' is not in the contract"),
        (lambda d: d.assign(segment=("time", np.zeros(5000))), "'segment' is of type float64, not integer"),
    ],
)
def test_broken_contracts_are_refused(binned, tmp_path, change, message):
    with pytest.raises(StoreError, match=message):
        store.write(change(binned), tmp_path / "a.zarr.zip", "binned")
    assert os.listdir(tmp_path) == []


def test_a_variable_outside_the_contract_is_refused_when_read_too(binned, tmp_path, monkeypatch):
    path = tmp_path / "a.zarr.zip"
    monkeypatch.setattr(store.writing, "check", lambda *_: None)  # as another version of the code would have written it
    store.write(binned.assign(extra=("time", np.zeros(5000))), path, "binned")
    with pytest.raises(StoreError, match="'extra' is not in the contract") as caught:
        store.read(path, "binned")
    assert str(path) in str(caught.value)


def test_names_of_the_study_bind_a_pattern_and_its_dimensions():
    rate = (("unit", "value_speed"), np.zeros((2, 4)))
    good = xr.Dataset({"rate_speed": rate}, {"unit": [3, 5], "value_speed": np.arange(4.0)})
    store.check(good, "tuning", "here")
    with pytest.raises(StoreError, match="'rate_heading' has dimensions"):
        store.check(good.rename(rate_speed="rate_heading"), "tuning", "here")


@pytest.mark.parametrize("make", [head_direction_session, injected_current_session])
def test_the_synthetic_stores_of_other_tests_keep_the_contracts(make):
    session = make()
    for kind in ("binned", "tuning", "folds"):
        store.check(getattr(session, kind), kind, kind)
    for kind in ("features", "fits", "predictions"):
        for name, dataset in getattr(session, kind).items():
            store.check(dataset, kind, f"{kind} of {name}")


def test_excluded_sessions_say_why(tmp_path):
    store.write_excluded(tmp_path / "a.zarr.zip", "no units: too bad")
    with pytest.raises(store.Excluded, match="no units: too bad"):
        store.read(tmp_path / "a.zarr.zip", "binned")


def test_damaged_missing_and_foreign_stores(binned, tmp_path):
    path = tmp_path / "a.zarr.zip"
    with pytest.raises(StoreError, match="no such store"):
        store.read(path)
    path.write_bytes(b"")
    with pytest.raises(StoreError, match="is damaged"):
        store.read(path)
    store.write(binned, path, "binned")
    with pytest.raises(StoreError, match="of kind 'binned', not 'fits'"):
        store.read(path, "fits")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(StoreError, match="is damaged"):
        store.read(path)


@pytest.mark.fault(
    "a bit of a store flips", "bits all over the file", "the store is named, or its content is unchanged"
)
def test_every_flipped_bit_of_a_store_is_noticed_and_named(binned, tmp_path):
    path = tmp_path / "a.zarr.zip"
    store.write(binned.isel(time=slice(40)), path, "binned")
    whole, good = path.read_bytes(), store.read(path).load()
    for place in range(0, len(whole), 37):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << (place % 8)
        path.write_bytes(bytes(flipped))
        try:
            found = store.read(path).load()
        except StoreError as error:
            assert str(path) in str(error) and "delete it and run the same command again" in str(error)
        else:
            xr.testing.assert_identical(found, good)  # bytes that mean nothing, such as dates


@pytest.mark.fault("a store loses a chunk", "an entry is taken out, the rest is sound", "damaged, never zeros")
def test_a_store_that_lost_a_chunk_is_damaged_not_zero(binned, tmp_path):
    path = tmp_path / "a.zarr.zip"
    store.write(binned, path, "binned")
    with zipfile.ZipFile(path) as archive:
        entries = [(name, archive.read(name)) for name in archive.namelist()]
        seal = archive.comment
    chunk = next(name for name, _ in entries if "/c/0/0" in name)
    lost = [(name, content) for name, content in entries if name != chunk]
    store.archive.zip_whole(lost, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = seal
    with pytest.raises(StoreError, match="its list of contents"):
        store.read(path)


@pytest.mark.fault(
    "a bit of a table flips", "bits all over the file", "the table is named, or its content is unchanged"
)
def test_every_flipped_bit_of_a_table_is_noticed_and_named(tmp_path):
    path = tmp_path / "scores.parquet"
    table = pd.DataFrame({"session": ["a", "b"] * 20, "x": np.arange(40.0), "n": np.arange(40)})
    store.write_tables({"scores": table}, [path])
    whole = path.read_bytes()
    for place in range(0, len(whole), 3):
        flipped = bytearray(whole)
        flipped[place] ^= 16
        path.write_bytes(bytes(flipped))
        try:
            found = store.read_tables([path])["scores"]
        except StoreError as error:
            assert str(path) in str(error)
        else:
            pd.testing.assert_frame_equal(found, table)


@pytest.mark.fault("a table is cut, emptied or zeroed", "each", "the table is named")
@pytest.mark.parametrize("damage", [lambda b: b[:100], lambda b: b"", lambda b: b"\0" * len(b)])
def test_cut_and_zeroed_tables_are_named(tmp_path, damage):
    path = tmp_path / "scores.parquet"
    store.write_tables({"scores": pd.DataFrame({"x": [1.0]})}, [path])
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(StoreError, match=r"scores\.parquet: is damaged"):
        store.read_tables([path])


def test_blocks_of_units_join_in_the_order_of_the_session(binned, tmp_path):
    paths = []
    for block in range(2):
        paths.append(tmp_path / f"{block}.zarr.zip")
        store.write(binned.isel(unit=slice(block, None, 2)), paths[-1], "binned")
    joined = store.read_blocks(paths, like=binned)
    assert joined["unit"].values.tolist() == [3, 5, 8]
    np.testing.assert_array_equal(joined["response"], binned["response"])


def test_derived_stores_carry_the_recording_along(binned, tmp_path):
    store.write(
        binned.assign_attrs(session="s"), tmp_path / "a.zarr.zip", "binned", recording={"sha256": "ab"}, code="x"
    )
    source = store.read(tmp_path / "a.zarr.zip")
    store.write_derived(xr.Dataset(), tmp_path / "b.zarr.zip", "tuning", of=source, code="y")
    derived = store.read(tmp_path / "b.zarr.zip", "tuning")
    assert derived.attrs["session"] == "s"
    assert store.provenance(derived)["recording"] == {"sha256": "ab"} and store.provenance(derived)["code"] == "y"


def test_the_same_content_gives_the_same_bytes_whatever_the_hash_seed(binned, tmp_path):
    names = {name: ("unit", np.arange(3.0)) for name in ("rate", "location2", "quality", "depth", "shank")}
    store.write(binned.assign_coords(names), tmp_path / "a.zarr.zip", "binned")
    code = "import sys; from nwbglm import store; store.write(store.read(sys.argv[1]), sys.argv[2], 'binned')"
    written = []
    for seed in ("1", "2"):
        path = tmp_path / f"{seed}.zarr.zip"
        command = [sys.executable, "-c", code, str(tmp_path / "a.zarr.zip"), str(path)]
        subprocess.run(command, check=True, env=os.environ | {"PYTHONHASHSEED": seed})
        written.append(path.read_bytes())
    assert written[0] == written[1]
