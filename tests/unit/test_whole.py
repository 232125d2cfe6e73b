"""Files are written whole or not at all, whichever operation of the disk fails, and whenever a writer is killed."""

import os
import signal
import stat
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from disk_faults import CODES, KINDS, Disk, faulty

from nwbglm import limits, log, store, whole
from nwbglm.audit import Audit
from nwbglm.report import write_files
from nwbglm.simulate.nwb import new_file, write_repeatable


def dataset(value: float) -> xr.Dataset:
    rate = np.full((50, 2), value)
    variables = {"rate": (("time", "unit"), rate), "heldout_rate": (("time", "unit"), rate)}
    return xr.Dataset(variables | {"row": ("time", np.arange(50))}, coords={"unit": [1, 2]}, attrs={"session": "s"})


def write_store(folder: Path, value: float) -> None:
    store.write(dataset(value), folder / "a.zarr.zip", "predictions")


def write_large_store(folder: Path, value: float) -> None:
    before = limits.IN_MEMORY_BYTES, limits.STREAM_BYTES
    limits.IN_MEMORY_BYTES, limits.STREAM_BYTES = 0, 500  # through files, piece by piece
    try:
        write_store(folder, value)
    finally:
        limits.IN_MEMORY_BYTES, limits.STREAM_BYTES = before


def write_tables(folder: Path, value: float) -> None:
    tables = {name: pd.DataFrame({"x": [value]}) for name in ("scores", "pairs")}
    store.write_tables(tables, [folder / "scores.parquet", folder / "pairs.parquet"])


def write_figure(folder: Path, value: float) -> None:
    from nwbglm.figures import save
    from nwbglm.figures.style import say

    figure, table = say(f"It is {value}.")
    save(figure, table, folder / "a.svg", folder / "a.csv")


def write_audit(folder: Path, value: float) -> None:
    Audit(session="s", recording={"x": value}).write(folder / "a.json", folder / "a.html")


def write_report(folder: Path, value: float) -> None:
    write_files({"index.html": f"{value}", "sessions/a.html": f"{value} a", "tables/t.csv": f"{value} t"}, folder)


def write_left_out(folder: Path, value: float) -> None:
    log.write_excluded([folder / "a.zarr.zip"], f"reason {value}")


def write_recording(folder: Path, value: float) -> None:
    write_repeatable(new_file("a", "a recording", f"{value}"), folder / "a.nwb")


WRITERS = [
    write_store,
    write_large_store,
    write_tables,
    write_figure,
    write_audit,
    write_report,
    write_left_out,
    write_recording,
]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def made(write, folder: Path, value: float) -> dict[str, bytes]:
    folder.mkdir()
    write(folder, value)
    return contents(folder)


@pytest.mark.fault(
    "an open, write, fsync or move fails (full disk, broken disk)",
    "each operation in turn, for each kind of file",
    "what was there stays, or none of a group; nothing half-written; the same command ends as if nothing had been",
)
@pytest.mark.parametrize("code", CODES, ids=["full", "broken"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("write", WRITERS)
def test_whichever_operation_fails_the_old_files_stay_or_all_are_gone(write, kind, code, tmp_path, monkeypatch):
    if write is write_recording and (kind in ("open", "write") or code != CODES[0]):
        return  # HDF5 opens and writes by itself, under the hidden name
    old, new = made(write, tmp_path / "old", 1.0), made(write, tmp_path / "new", 2.0)
    place = tmp_path / "place"
    write(place, 1.0) if place.mkdir() is None else None
    with faulty(Disk(place, kind, None, code), monkeypatch) as disk:
        write(place, 2.0)
    assert contents(place) == new and disk.count > 0
    for turn in sorted({*range(min(disk.count, 6)), disk.count // 2, disk.count - 1}):
        write(place, 1.0)
        failed = False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # a file whose last write failed closes itself
            lasting = code == CODES[0] and kind != "replace"  # a disk stays full; a fault may pass
            with faulty(Disk(place, kind, turn, code, lasting), monkeypatch):
                try:
                    write(place, 2.0)
                except OSError as error:
                    failed = error.errno == code
        left = contents(place)
        if not failed:  # zipfile opens a second time, in another mode
            assert left == new and kind == "open" and not lasting
            continue
        assert left in (old, {}) or (left == new and kind == "fsync"), (turn, sorted(left))
        if kind in ("open", "write"):
            assert left == old, "nothing has taken its place yet"
        write(place, 2.0)
        assert contents(place) == new, "the same command again ends as if nothing had been"


@pytest.mark.fault(
    "a writer is killed (SIGKILL)",
    "between writing and moving into place",
    "a hidden folder, which the next writer of the file removes",
)
def test_what_a_killed_writer_leaves_is_swept_by_the_next(tmp_path):
    code = (
        "import os, signal, sys\n"
        "from nwbglm import store\n"
        "os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "store.write_excluded(sys.argv[1], 'reason')\n"
    )
    path = tmp_path / "x.zarr.zip"
    done = subprocess.run([sys.executable, "-c", code, str(path)])
    assert done.returncode == -signal.SIGKILL
    (left,) = os.listdir(tmp_path)
    assert left.startswith(".x.zarr.zip.")
    others = [".x.zarr.zip.keep", ".y.zarr.zip.abcd1234", "x.zarr.zip.abcd1234"]
    for name in others:
        (tmp_path / name).mkdir()
    store.write_excluded(path, "reason")
    assert sorted(os.listdir(tmp_path)) == sorted([*others, "x.zarr.zip"]), "its own leftovers, and nothing else"


def test_a_living_writer_is_left_alone(tmp_path):
    path = tmp_path / "a.txt"
    with whole.written_whole(path) as (first,):
        first.write_text("first")
        whole.write_text(path, "second")
        assert path.read_text() == "second" and first.exists()
    assert path.read_text() == "first" and os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_files_have_the_permissions_that_the_user_gives(tmp_path, mask):
    before = os.umask(mask)
    try:
        whole.write_text(tmp_path / "a.txt", "a")
        write_store(tmp_path, 1.0)
        write_tables(tmp_path, 1.0)
    finally:
        os.umask(before)
    for name in ("a.txt", "a.zarr.zip", "scores.parquet"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o666 & ~mask


def test_files_that_belong_together_appear_together(tmp_path):
    seen = []
    true = os.replace

    def watch(source, target):
        seen.append((Path(target).name, sorted(path.name for path in Path(source).parent.parent.glob(".*/*"))))
        true(source, target)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "replace", watch)
        whole.write_together({tmp_path / "a.csv": "table", tmp_path / "a.svg": "figure"})
    assert seen[0] == ("a.csv", ["a.csv", "a.svg"]), "the first takes its place when all are written"
    assert [name for name, _ in seen] == ["a.csv", "a.svg"]


def test_text_that_is_no_unicode_does_not_stop_a_page(tmp_path):
    whole.write_text(tmp_path / "a.html", "caf\udce9")
    assert (tmp_path / "a.html").read_text(encoding="utf-8") == "caf\\udce9"


def test_a_link_to_a_folder_elsewhere_is_written_through(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "results").symlink_to(tmp_path / "disk")
    write_store(tmp_path / "results", 1.0)
    assert os.listdir(tmp_path / "disk") == ["a.zarr.zip"]


@pytest.mark.fault(
    "the disk is full, broken, read-only or another user's",
    "a stage writes its output there",
    "its job says so in a line, with what to do; no output is left",
)
def test_a_stage_that_meets_a_full_disk_says_so_and_leaves_no_output(tmp_path, monkeypatch, capsys):
    rule = SimpleNamespace(
        threads=1, log=[], input=[], output=[str(tmp_path / "a.zarr.zip")], rule="predict_rates", wildcards={}
    )
    with pytest.raises(SystemExit), log.stage(rule), faulty(Disk(tmp_path, "write", 0, CODES[0], True), monkeypatch):
        write_store(tmp_path, 1.0)
    assert os.listdir(tmp_path) == []
    said = capsys.readouterr().err
    assert "predict_rates: " in said and "No space left on device" in said and "make room" in said
