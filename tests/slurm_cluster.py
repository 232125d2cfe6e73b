"""A SLURM cluster on this machine for tests: whether there can be one, Snakemake on it, what it was asked for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import yaml

HOUR = 3600
"""Seconds after which a process must hang."""


def why_not() -> str:
    """Say why there can be no cluster here; '' where there can."""
    if os.getuid() != 0:
        return "bringing up SLURM needs root"
    if shutil.which("apt-get") is None:
        return "SLURM is installed from Debian's packages, and there is no apt-get"
    if shutil.which("squeue") is None:
        known = subprocess.run(["apt-cache", "show", "slurmctld"], capture_output=True, check=False).returncode == 0
        if not known and subprocess.run(["apt-get", "update", "-qq"], capture_output=True, check=False).returncode:
            return "Debian's packages cannot be reached"
        if subprocess.run(["apt-cache", "show", "slurmctld"], capture_output=True, check=False).returncode:
            return "Debian has no package slurmctld here"
    return ""


def installed(package: str) -> bool:
    asked = subprocess.run(["dpkg-query", "-W", "-f=${Status}", package], capture_output=True, text=True, check=False)
    return "ok installed" in asked.stdout


class Folder:
    """A working directory in which Snakemake is started."""

    def __init__(self, path: Path, snakefile: Path, repository: Path):
        self.path, self.snakefile, self.repository = path, snakefile, repository

    def profile(self, **changes) -> Path:
        """Write the repository's profile with the facts of this cluster, and with faster polling."""
        plain = yaml.safe_load((self.repository / "profiles" / "slurm" / "config.yaml").read_text(encoding="utf-8"))
        plain.pop("configfile")
        plain["default-resources"] |= {"slurm_account": "lab", "slurm_partition": "cpu"}
        plain |= {"slurm-packed-init-seconds-before-status-checks": 1, "max-status-checks-per-second": 2} | changes
        place = self.path / "profile"
        place.mkdir(exist_ok=True)
        (place / "config.yaml").write_text(yaml.safe_dump(plain), encoding="utf-8")
        return place

    def command(self, *arguments: str) -> list[str]:
        """Return Snakemake with this workflow."""
        return [sys.executable, "-m", "snakemake", "--snakefile", str(self.snakefile), *arguments]

    def start(self, *arguments: str, profile: Path | None) -> subprocess.Popen:
        """Start Snakemake."""
        command = self.command(*(["--workflow-profile", str(profile)] if profile else ["--cores", "2"]))
        return subprocess.Popen(
            [*command, *arguments],
            cwd=self.path,
            env={name: value for name, value in os.environ.items() if not name.startswith("SNAKEMAKE")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, profile: Path | None, status: int = 0) -> str:
        """Run Snakemake to its end; return what it said."""
        process = self.start(*arguments, profile=profile)
        said, _ = process.communicate(timeout=HOUR)
        assert process.returncode == status, said[-6000:]
        return said

    def nwbglm(self, *arguments: str) -> str:
        """Run our command here."""
        command = [sys.executable, "-c", "import sys; from nwbglm.cli import main; sys.exit(main())", *arguments]
        return subprocess.run(command, cwd=self.path, capture_output=True, text=True, check=True).stdout


def jobs(fields: str = "%A|%j|%T|%C|%m|%b|%l|%P") -> list[dict[str, str]]:
    """Return what SLURM knows of jobs, also of those that have ended."""
    asked = subprocess.run(["squeue", "--states=all", "-h", "-o", fields], capture_output=True, text=True, check=True)
    names = ("job", "name", "state", "cpus", "memory", "gpus", "time", "partition")
    return [dict(zip(names, line.split("|"), strict=True)) for line in asked.stdout.splitlines()]


def wait_for(condition, seconds: float = HOUR) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.2)
