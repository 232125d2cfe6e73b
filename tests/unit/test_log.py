"""The stage wrapper: logs, failures, and sessions that were left out."""

import os
from types import SimpleNamespace

import pytest

from nwbglm import log, store
from nwbglm.errors import ProblemError, RecordingError, StoreError, StudyError


@pytest.fixture
def rule(tmp_path):
    outputs = [str(tmp_path / name) for name in ("a.zarr.zip", "a.svg", "a.csv")]
    return SimpleNamespace(
        threads=2,
        log=[str(tmp_path / "log")],
        input=[],
        output=outputs,
        rule="bin_recording",
        wildcards={"session": "a"},
    )


def test_threads_are_set_before_numerical_libraries(rule, monkeypatch):
    for name in ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "")
    with log.stage(rule):
        assert os.environ["NPROC"] == os.environ["OMP_NUM_THREADS"] == "2"


def test_a_session_that_its_audit_refuses_is_left_out(rule, tmp_path):
    with log.stage(rule):
        raise store.Excluded("a.nwb: /units: no units")
    with pytest.raises(store.Excluded, match="no units"):
        store.read(tmp_path / "a.zarr.zip")
    assert "left out" in (tmp_path / "a.svg").read_text()
    assert "no units" in (tmp_path / "a.csv").read_text()
    assert "a.nwb: /units: no units" in (tmp_path / "log").read_text()


def test_an_excluded_input_passes_its_reason_on(rule, tmp_path):
    store.write_excluded(tmp_path / "input.zarr.zip", "the clock ran backwards")
    with log.stage(rule):
        store.read(tmp_path / "input.zarr.zip")
    with pytest.raises(store.Excluded, match="the clock ran backwards"):
        store.read(tmp_path / "a.zarr.zip")


@pytest.mark.parametrize("kind", [RecordingError, ProblemError, StoreError, StudyError])
def test_anything_else_that_is_wrong_fails_the_job_and_leaves_nobody_out(rule, tmp_path, capsys, kind):
    with pytest.raises(SystemExit), log.stage(rule):
        raise kind("no units", where="a.nwb: /units", mend="choose others")
    assert capsys.readouterr().err == "bin_recording: a.nwb: /units: no units\n  -> choose others\n"
    assert not (tmp_path / "a.zarr.zip").exists()


@pytest.mark.fault(
    "a stage meets a damaged store",
    "a stage that leaves bad sessions out reads one",
    "its job fails and names the store; the session is not left out",
)
def test_a_damaged_store_fails_the_job_whatever_the_stage_does_with_bad_data(rule, tmp_path, capsys):
    (tmp_path / "input.zarr.zip").write_bytes(b"PK")
    with pytest.raises(SystemExit), log.stage(rule):
        store.read(tmp_path / "input.zarr.zip")
    assert "input.zarr.zip: is damaged" in capsys.readouterr().err
    assert not (tmp_path / "a.zarr.zip").exists()


@pytest.mark.fault("a stage runs out of memory", "`MemoryError`", "the job says so, and what helps")
def test_a_stage_out_of_memory_says_so_and_what_helps(rule, capsys):
    with pytest.raises(SystemExit), log.stage(rule):
        raise MemoryError
    said = capsys.readouterr().err
    assert "bin_recording: out of memory" in said and "unit_blocks" in said


def test_an_unexpected_exception_fails_the_job(rule, tmp_path):
    with pytest.raises(ZeroDivisionError), log.stage(rule):
        print(1 / 0)
    assert not (tmp_path / "a.zarr.zip").exists()
    assert "ZeroDivisionError" in (tmp_path / "log").read_text()
