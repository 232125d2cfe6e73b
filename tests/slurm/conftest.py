"""A SLURM cluster of its own on this machine, for the length of these tests: brought up, taken down, nothing left."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from slurm_cluster import Folder, installed, why_not

HERE = Path(__file__).resolve().parent
PACKAGES = ["munge", "slurmctld", "slurmd", "slurm-client"]
LAB = Path("/var/lib/nwbglm-slurm")


@pytest.fixture(scope="session")
def cluster():
    """A cluster of two nodes and one with GPUs; skipped, in words, where it cannot be."""
    if why := why_not():
        pytest.skip(why)
    there = [name for name in PACKAGES if installed(name)]
    environment = os.environ | {"LAB": str(LAB), "ACCT": "none", "CPU_NODES": "2", "GPU_NODES": "1", "CGROUP": "auto"}
    try:
        if why := _not_up(environment):
            pytest.skip(f"the cluster did not come up on this machine: {why}")
        yield environment
    finally:
        subprocess.run([HERE / "slurm-down", "--purge"], env=environment, check=False)
        if added := [name for name in PACKAGES if name not in there and installed(name)]:
            # SLURM's client without a controller costs every start of Snakemake 10 s
            command = ["apt-get", "purge", "-y", "-qq", "--auto-remove", *added]
            subprocess.run(
                command, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"}, capture_output=True, check=False
            )


def _not_up(environment: dict[str, str]) -> str:
    """Bring the cluster up and run a job on each kind of node; say what stood in the way, '' if nothing did."""
    for command in (
        [HERE / "slurm-up"],
        ["srun", "-p", "cpu", "--immediate=60", "true"],
        ["srun", "-p", "gpu", "--gpus=1", "--immediate=60", "true"],
    ):
        with tempfile.TemporaryFile("w+") as said:  # a pipe would stay open as long as the daemons live
            try:
                done = subprocess.run(command, env=environment, stdout=said, stderr=said, check=False, timeout=600)
            except subprocess.TimeoutExpired:
                return f"`{command[0]}` did not end in ten minutes"
            if done.returncode:
                said.seek(0)
                return f"`{command[0]}`: {said.read().strip()[-300:]}"
    return ""


@pytest.fixture
def faults(cluster, tmp_path, repository):
    """A folder with small jobs that have faults."""
    return Folder(tmp_path, HERE / "faults.smk", repository)
