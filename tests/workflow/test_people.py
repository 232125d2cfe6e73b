"""Where people keep things, and what they run into: whole runs in one process."""

import errno
import os
import shutil
import stat
import subprocess
import sys
import warnings
from pathlib import Path

import one_process
import pandas as pd
import pytest
import yaml
from disk_faults import Disk, faulty
from one_process import contents

import nwbglm.figures
from nwbglm import store
from nwbglm.errors import StoreError

pytestmark = pytest.mark.slow


def moved(joined, folder: Path) -> Path:
    """Copy a finished run, time stamps and Snakemake's records included."""
    shutil.copytree(joined.folder, folder, copy_function=shutil.copy2, symlinks=True)
    return folder


def begun(joined, folder: Path, data: Path) -> Path:
    """Make the same study in another folder, its recordings elsewhere."""
    folder.mkdir(exist_ok=True)
    data.mkdir(exist_ok=True)
    study = yaml.safe_load((joined.folder / "study.yaml").read_text())
    for name in "ab":
        shutil.copy(joined.folder / f"{name}.nwb", data)
        study["recordings"][name] = {"nwb": os.path.relpath(data / f"{name}.nwb", folder)}
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    return folder


TARGET = "results/small/binned/mouse.zarr.zip"


@pytest.mark.fault(
    "a figure cannot be drawn, in a whole run",
    "one raises",
    "the report has a placeholder with the reason, and all others; the status is 1 until it is drawn",
)
def test_a_figure_that_fails_is_said_at_the_end_of_every_run_until_it_is_drawn(
    joined, repository, tmp_path, monkeypatch
):
    folder = moved(joined, tmp_path / "copy")
    draw = nwbglm.figures.draw_session

    def broken(name, **stores):
        if name == "halves":
            raise ZeroDivisionError("a rate of 0")
        return draw(name, **stores)

    with monkeypatch.context() as patched:
        patched.setattr(nwbglm.figures, "draw_session", broken)
        for _ in range(2):
            status, printed = one_process.run(folder, repository / "Snakefile", "--forcerun", "draw_session")
            assert status == 1
            assert "figure mouse/halves.csv: ZeroDivisionError: a rate of 0" in printed
            page = (folder / "results/small/report/sessions/mouse.html").read_text()
            assert "This figure could not be drawn (ZeroDivisionError: a rate of 0)" in page
            assert "halves" not in {path.stem for path in folder.glob("results/small/figures/mouse/*.svg")}
    status, printed = one_process.run(folder, repository / "Snakefile")
    assert status == 0, printed[-3000:]
    assert contents(folder) == joined.good


@pytest.mark.fault(
    "recordings lie where nobody may write",
    "any file that is opened for writing there fails",
    "the run does not notice: nothing is written beside recordings",
)
def test_recordings_may_be_read_only(joined, repository, tmp_path, monkeypatch):
    folder = begun(joined, tmp_path / "run", data := tmp_path / "data")
    for path in (*data.iterdir(), data):
        path.chmod(0o555 if path.is_dir() else 0o444)
    with faulty(Disk(data, "open", 0, errno.EROFS, lasting=True), monkeypatch):
        status, printed = one_process.run(folder, repository / "Snakefile", "--", TARGET)
    data.chmod(0o755)
    assert status == 0, printed[-3000:]
    assert (folder / TARGET).read_bytes() == joined.good[TARGET]
    assert sorted(os.listdir(data)) == ["a.nwb", "b.nwb"]


@pytest.mark.fault(
    "recordings, results and the study are symbolic links", "all three", "the same bytes, where the links lead"
)
def test_everything_may_be_a_link(joined, repository, tmp_path):
    folder = begun(joined, tmp_path / "run", tmp_path / "data")
    (tmp_path / "disk").mkdir()
    (folder / "results").symlink_to(tmp_path / "disk")
    (tmp_path / "links").mkdir()
    for name in "ab":
        (tmp_path / "links" / f"{name}.nwb").symlink_to(tmp_path / "data" / f"{name}.nwb")
    text = (folder / "study.yaml").read_text().replace("../data/", "../links/")
    (tmp_path / "kept.yaml").write_text(text)
    (folder / "study.yaml").unlink()
    (folder / "study.yaml").symlink_to(tmp_path / "kept.yaml")
    status, printed = one_process.run(folder, repository / "Snakefile", "--", TARGET)
    assert status == 0, printed[-3000:]
    assert (tmp_path / "disk/small/binned/mouse.zarr.zip").read_bytes() == joined.good[TARGET]
    again, printed = one_process.run(folder, repository / "Snakefile", "--", TARGET)
    assert again == 0 and "Nothing to be done" in printed


@pytest.mark.fault("an umask that lets nobody else read", "077", "every file of the results has it")
def test_results_follow_the_umask(joined, repository, tmp_path):
    folder = begun(joined, tmp_path / "run", tmp_path / "data")
    before = os.umask(0o077)
    try:
        status, printed = one_process.run(folder, repository / "Snakefile", "--", TARGET)
    finally:
        os.umask(before)
    assert status == 0, printed[-3000:]
    made = [path for path in (folder / "results").rglob("*") if path.is_file()]
    assert made and {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o600}


@pytest.mark.fault(
    "results of another user, which may not be read or written",
    "a store and a folder without permission, opened by a process of another user (or of this one)",
    "the file is named, with what to do",
)
def test_files_of_another_user_are_named(tmp_path):
    path = tmp_path / "a.zarr.zip"
    store.write_excluded(path, "reason")
    path.chmod(0)
    if os.geteuid():
        with pytest.raises(StoreError, match="check its permissions"):
            store.read(path)
        return
    tmp_path.chmod(0o755)
    for parent in list(tmp_path.parents)[:-2]:
        parent.chmod(parent.stat().st_mode | 0o055)
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the copy has one thread, and computes nothing
        process = os.fork()
    if process == 0:
        try:
            os.setuid(65534)  # nobody
            try:
                store.read(path)
            except StoreError as error:
                os.write(writing, str(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(process, 0)
    said = os.read(reading, 10_000).decode()
    os.close(reading)
    assert str(path) in said and "Permission denied" in said and "check its permissions" in said


def study_of_cases(cases: Path, name: str, folder: Path, **changes: str) -> None:
    text = (cases / "studies" / name).read_text()
    for old, new in changes.values() if changes else ():
        text = text.replace(old, new)
    (folder / "study.yaml").write_text(text)


@pytest.mark.fault(
    "every recording of a study is refused",
    "a file of the NWB format 1, one without units, a column that is not there",
    "status 1, before any fit, with each reason; no report",
)
def test_a_study_whose_every_recording_is_refused_fails_with_its_reasons(repository, tmp_path):
    import h5py

    with h5py.File(tmp_path / "old.nwb", "w") as file:
        file["nwb_version"] = "NWB-1.0.6"
    (tmp_path / "text.nwb").write_text("no recording at all, but a file of some length\n" * 10)
    study = {
        "study": "all-refused",
        "recordings": {name: {"nwb": f"{name}.nwb"} for name in ("old", "text")},
        "epochs": {"use": {"intervals": [["0 s", "10 s"]]}},
        "bin": "10 ms",
        "models": {"constant": []},
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    jobs: list[one_process.Job] = []
    status, printed = one_process.run(tmp_path, repository / "Snakefile", jobs=jobs)
    assert status == 1
    said = printed + (tmp_path / "results/all-refused/logs/compare_models.log").read_text()
    assert "no session is left to analyse" in said
    assert "old: " in said and "convert it to NWB 2" in said and "text: " in said and "no HDF5 file" in said
    assert "ending.smk" not in printed, "the words at the end are said without an error of their own"
    assert not (tmp_path / "results/all-refused/report").exists()


@pytest.mark.data
def test_a_sole_session_that_is_left_out_fails_the_run(repository, shared_data, tmp_path):
    cases = shared_data.parent / "cases"
    study_of_cases(cases, "01-sole-session-left-out-exit0.yaml", tmp_path, a=("../shared/data", str(shared_data)))
    status, printed = one_process.run(tmp_path, repository / "Snakefile")
    assert status == 1
    said = printed + (tmp_path / "results/m-01-wrong-column/logs/compare_models.log").read_text()
    assert "no session is left to analyse" in said and "there is no column 2" in said


@pytest.mark.fault(
    "other hash seeds, other orders of jobs, one and two cores, one process and many",
    "the same study, run by Snakemake on two cores with PYTHONHASHSEED=7 and other jobs first",
    "the same bytes, but for logs and benchmarks",
)
def test_the_same_study_gives_the_same_bytes_however_it_is_run(joined, repository, tmp_path, compiled):
    for name in ("study.yaml", "a.nwb", "b.nwb"):
        shutil.copy(joined.folder / name, tmp_path)
    first = ["results/small/checks/full/mouse.0-of-1.zarr.zip", "results/small/features/heading/mouse.zarr.zip"]
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(repository / "Snakefile"), "--cores", "2"]
    command += ["--configfile", "study.yaml", "--prioritize", *first]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SNAKEMAKE")}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment | {"PYTHONHASHSEED": "7"}, capture_output=True, text=True, timeout=3600
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    made = contents(tmp_path)
    assert sorted(made) == sorted(joined.good)
    assert [name for name, content in made.items() if content != joined.good[name]] == []
    assert len(pd.read_parquet(tmp_path / "results/small/comparison/scores.parquet")) > 10


@pytest.mark.fault(
    "the project was cloned to a path with a space and letters that are not ASCII",
    "the workflow and its environment are reached by such a path, and run",
    "it runs, with the same bytes",
)
def test_a_clone_may_have_a_space_in_its_path(joined, repository, tmp_path):
    drive = tmp_path / "Mein Läufwerk (1)"
    drive.mkdir()
    (drive / "project").symlink_to(repository)
    (drive / "environment").symlink_to(sys.prefix)
    for name in ("study.yaml", "a.nwb", "b.nwb"):
        shutil.copy(joined.folder / name, drive)
    command = [str(drive / "environment" / "bin" / "python"), "-m", "snakemake", "--cores", "1"]
    command += ["--snakefile", str(drive / "project" / "Snakefile"), "--configfile", "study.yaml", "--", TARGET]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SNAKEMAKE")}
    done = subprocess.run(
        command,
        cwd=drive,
        env=environment | {"PYTHONPATH": str(drive / "project" / "src")},
        capture_output=True,
        text=True,
        timeout=3600,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    assert (drive / TARGET).read_bytes() == joined.good[TARGET]
