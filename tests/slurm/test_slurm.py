"""What happens on a real SLURM: what jobs ask for, faults, and the same bytes as on one machine."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
from pathlib import Path

import pytest
import yaml
from slurm_cluster import HOUR, Folder, jobs, wait_for

STUDY = {
    "study": "small",
    "recordings": {"cell": {"nwb": {"simulate": {"kind": "injected_current", "seed": 1}}}},
    "epochs": {"use": {"table": "epochs", "where": "tags == 'Noise 1' or tags == 'Noise 2'", "first": "20 s"}},
    "bin": "5 ms",
    "signals": {"current": {"from": "stimulus", "units": "pA", "resample": "mean"}},
    "tuning": {"current": {"of": "current", "bins": 15}},
    "terms": {"own": {"of": "own spikes", "basis": {"raised_cosine_log": {"n": 4, "window": "100 ms"}}}},
    "models": {"constant": [], "own": ["own"]},
    "fit": {"penalty": {"ridge": {"strength": [1e-4, 1e-2]}}, "folds": {"blocks": 3}},
    "figures": {"window": {"start": "0 s", "length": "5 s"}},
}


TIMED = {"report/methods.txt", "report/benchmarks.html"}
"""Pages that tell when and how a run was made."""


def bytes_of(results: Path) -> dict[str, str]:
    """Return the hash of every result; logs and benchmarks tell of time."""
    return {
        str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(results.rglob("*"))
        if path.is_file() and path.relative_to(results).parts[0] not in ("logs", "benchmarks")
    }


@pytest.fixture(scope="module")
def study(cluster, tmp_path_factory, repository):
    """A folder for a small study; returns what makes others like it."""

    def folder(name: str, **changes) -> Folder:
        path = tmp_path_factory.mktemp(name)
        (path / "study.yaml").write_text(yaml.safe_dump(STUDY | changes), encoding="utf-8")
        return Folder(path, repository / "Snakefile", repository)

    return folder


@pytest.fixture(scope="module")
def on_slurm(study):
    """The small study through `profiles/slurm`: its folder, and what SLURM was asked for."""
    before = {job["job"] for job in jobs()}
    folder = study("grouped")
    folder.run("--configfile", "study.yaml", profile=folder.profile())
    return folder.path / "results" / "small", [job for job in jobs() if job["job"] not in before]


def test_a_study_is_four_jobs_that_ask_for_what_they_need(on_slurm):
    _, asked = on_slurm
    assert [job["state"] for job in asked] == ["COMPLETED"] * 4
    assert {job["partition"] for job in asked} == {"cpu"}
    for job in asked:
        assert 300 <= int(job["memory"].removesuffix("M")) <= 8000, job
        assert job["cpus"] in ("1", "2")
        assert job["gpus"] == "N/A"
    hours = [sum(int(part) * 60**k for k, part in enumerate(reversed(job["time"].split(":")))) / 3600 for job in asked]
    assert max(hours) <= 4, "limits must let SLURM fill gaps in its queue"


def test_one_allocation_and_grouped_jobs_give_the_bytes_of_a_local_run(on_slurm, study, repository):
    results, _ = on_slurm
    local, node = study("local"), study("node")
    local.run("--configfile", "study.yaml", profile=None)
    profile = ["--workflow-profile", str(repository / "profiles" / "slurm-node"), "--cores", "2"]
    line = " ".join(node.command(*profile, "--configfile", "study.yaml"))
    subprocess.run(
        [*["sbatch", "--wait", "-c", "2", "--mem", "4G", "-A", "lab", "-p", "cpu", "-o", "job.log"], f"--wrap={line}"],
        cwd=node.path,
        check=True,
        capture_output=True,
    )
    expected = bytes_of(local.path / "results" / "small")
    assert len(expected) > 20
    for found in (bytes_of(results), bytes_of(node.path / "results" / "small")):
        assert {name for name in expected if found.get(name) != expected[name]} <= TIMED
        assert found.keys() == expected.keys()


def test_fits_that_are_to_use_a_gpu_do_not_fall_back_to_the_processor_in_silence(study):
    folder = study("gpu", fit=STUDY["fit"] | {"gpus": 1})
    profile = folder.profile(retries=0, **{"set-resources": {"fit_model": {"slurm_partition": "gpu"}}})
    folder.run("--configfile", "study.yaml", profile=profile, status=1)
    assert [job["state"] for job in jobs() if job["partition"] == "gpu"][-1:] == ["FAILED"]
    log = (folder.path / "results/small/logs/fit_model/own/cell.0-of-1.log").read_text()
    assert "1 GPU was asked for and JAX found none" in log
    assert "backend cpu" in log and "CUDA_VISIBLE_DEVICES='0'" in log, "SLURM gave one, and it is named"
    folder.run("--configfile", "study.yaml", "--set-resources", "fit_model:gpu=0", profile=None)  # an explicit choice


def test_a_failed_member_of_a_group_costs_its_neighbours_nothing(faults):
    profile = faults.profile(retries=0, groups=["first=g", "second=g"], **{"group-components": ["g=4"]})
    faults.run(profile=profile, status=1)
    done = {path.name for path in (faults.path / "out").iterdir()}
    assert done == {"a.txt", "c.txt", "d.txt"}
    runs = faults.path / "runs.txt"
    assert sorted(runs.read_text().split()[1::2]) == ["a", "b", "c", "d"]
    runs.unlink()
    (faults.path / "allowed").touch()
    faults.run(profile=profile)
    assert runs.read_text() == "run b\n", "only what failed runs again"


def test_a_job_that_is_killed_for_memory_is_given_more(faults):
    faults.run("big.txt", profile=faults.profile(retries=2))
    assert (faults.path / "big.txt").read_text() == "whole\n"


def test_a_cancelled_job_is_tried_again(faults):
    process = faults.start("long.txt", profile=faults.profile(retries=1))
    begun = faults.path / "begun.txt"
    wait_for(begun.exists)
    mine = [job["job"] for job in jobs() if job["state"] == "RUNNING"]
    subprocess.run(["scancel", *mine], check=True)
    said, _ = process.communicate(timeout=HOUR)
    assert process.returncode == 0, said[-3000:]
    assert begun.read_text() == "begun\n" * 2
    assert (faults.path / "long.txt").read_text() == "whole\n"


@pytest.mark.parametrize("cancel", [False, True])
def test_after_a_killed_controller_recover_and_the_same_command_go_on(faults, cancel):
    profile = faults.profile(retries=0)
    process = faults.start("long.txt", profile=profile)
    begun = faults.path / "begun.txt"
    wait_for(begun.exists)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    said = faults.nwbglm("recover", *(["--cancel"] if cancel else []))
    assert "1 jobs of the killed run" in said
    assert not [job for job in jobs() if job["state"] in ("RUNNING", "PENDING", "COMPLETING")]
    faults.run("long.txt", profile=profile)
    assert (faults.path / "long.txt").read_text() == "whole\n"
    assert begun.read_text() == "begun\n" * (2 if cancel else 1), "what an orphan finished is not done again"


@pytest.mark.parametrize(
    ("partition", "target", "said"),
    [("nowhere", "long.txt", "sinfo -o %P"), ("cpu", "gpu.txt", "name the GPU partition")],
)
def test_a_wrong_partition_is_said_with_its_mend(faults, partition, target, said):
    resources = {"slurm_account": "lab", "slurm_partition": partition}
    profile = faults.profile(retries=0, **{"default-resources": resources})
    assert said in faults.run(target, profile=profile, status=1)
