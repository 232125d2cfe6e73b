"""A killed run on a cluster: its jobs are found by their folder, its lock goes, a living run is left alone."""

import subprocess
import sys
import time

import pytest

from nwbglm import recovery
from nwbglm.errors import NwbGlmError


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """A stand-in for SLURM's commands; returns what sets its answer."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setattr(recovery, "PAUSE", 0.0)

    def answer(*answers, status=0):
        (tmp_path / "answers").write_text("".join(f"{line}\n" for line in answers))
        script = f"#!/bin/sh\nhead -1 {tmp_path}/answers | tr ';' '\\n'\nsed -i 1d {tmp_path}/answers\nexit {status}\n"
        for name, text in (("squeue", script), ("scancel", f"#!/bin/sh\necho $@ >> {tmp_path}/cancelled\n")):
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)

    return answer


@pytest.mark.parametrize("cancel", [False, True])
def test_jobs_of_the_folder_end_before_the_lock_goes(tmp_path, queue, cancel):
    work = tmp_path / "work"
    lock = work / ".snakemake" / "locks" / "0.output.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    queue(f"7|RUNNING|{work};8|RUNNING|/elsewhere", f"7|COMPLETING|{work}", "")
    said = []
    recovery.recover(work, cancel=cancel, say=said.append)
    assert "7 (RUNNING)" in said[0] and "8" not in said[0]
    assert not lock.exists()
    assert (tmp_path / "cancelled").exists() == cancel
    if cancel:
        assert (tmp_path / "cancelled").read_text() == "7\n"


def test_where_the_queue_cannot_be_asked_nothing_is_unlocked(tmp_path, queue):
    lock = tmp_path / ".snakemake" / "locks" / "0.output.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    queue("", status=1)
    with pytest.raises(NwbGlmError, match="cannot be asked"):
        recovery.recover(tmp_path, cancel=False)
    assert lock.exists()


def test_without_slurm_only_the_lock_is_there(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert recovery.jobs_of_folder(tmp_path) == {}


def test_a_living_run_is_not_recovered(tmp_path):
    program = tmp_path / "snakemake"
    program.write_text("import time\ntime.sleep(600)\n")
    with subprocess.Popen([sys.executable, str(program)], cwd=tmp_path) as run:
        try:
            while not recovery.running_here(tmp_path):
                time.sleep(0.01)
            with pytest.raises(NwbGlmError, match=f"a run is at work here \\(process {run.pid}\\)"):
                recovery.recover(tmp_path, cancel=True)
        finally:
            run.kill()
