"""Real snakemake runs on small recordings, in a folder of their own."""

from __future__ import annotations

import copy
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import one_process
import pytest
import yaml

STUDY: dict[str, Any] = {
    "study": "small",
    "epochs": {"use": {"table": "epochs", "where": "tags == 'wake'"}},
    "units": {"where": "location == 'adn' and rate > 0.5"},
    "bin": "10 ms",
    "signals": {"heading": {"from": "ry", "period": "2 pi", "resample": "interpolate", "max_gap": "100 ms"}},
    "tuning": {"heading": {"of": "heading", "bins": 12, "range": [0, "2 pi"]}},
    "terms": {
        "history": {"of": "own spikes", "basis": {"raised_cosine_log": {"n": 4, "window": "100 ms"}}},
        "coupling": {"of": "all spikes", "basis": {"raised_cosine_log": {"n": 3, "window": "100 ms"}}},
        "heading": {"of": "heading", "basis": {"cyclic_bspline": {"n": 5}}},
    },
    "models": {
        "constant": [],
        "history": {"terms": ["history"], "halves": True},
        "full": ["coupling", "heading"],
    },
    "inference": {
        "tests": {"heading": {"term": "heading", "model": "full", "draws": 39}},
        "intervals": {"models": ["full"], "blocks": 20},
        "checks": {"models": ["full"]},
        "worth": {"models": ["full"]},
        "controls": {"backwards": {"model": "full", "kind": "reversed_time", "term": "heading"}},
    },
    "fit": {"penalty": {"ridge": {"strength": [1e-4, 1e-2]}}, "folds": {"blocks": 3}},
    "figures": {"window": {"start": "1 s", "length": "5 s"}},
}

HOUR = 3600
"""Seconds after which a process must hang: a test never fails because the machine is busy."""


class Workflow:
    """A folder with a study, in which snakemake runs."""

    def __init__(self, folder: Path, repository: Path):
        self.folder, self.repository = folder, repository
        self.results = folder / "results" / "small"

    def write(self, **changes: Any) -> None:
        """Write the study, with top-level parts replaced."""
        study = copy.deepcopy(STUDY) | changes
        (self.folder / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))

    def command(self, *arguments: str, study: str = "study.yaml") -> list[str]:
        snakefile = str(self.repository / "Snakefile")
        return [
            *[
                sys.executable,
                "-m",
                "snakemake",
                "--snakefile",
                snakefile,
                "--directory",
                str(self.folder),
                "--cores",
                "2",
            ],
            *(["--configfile", str(self.folder / study)] if study else []),
            *arguments,
        ]

    def environment(self) -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if not name.startswith(("SNAKEMAKE", "JAX_"))}

    def run(self, *arguments: str, study: str = "study.yaml", status: int | None = 0) -> str:
        """Run snakemake; return what it printed, after checking its exit status."""
        done = subprocess.run(
            self.command(*arguments, study=study),
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self.environment(),
            timeout=HOUR,
        )
        printed = done.stdout + done.stderr
        assert status is None or done.returncode == status, printed[-6000:]
        return printed

    def plan(self, *arguments: str, study: str = "study.yaml") -> dict[str, int]:
        """Return how many jobs of each rule snakemake would run."""
        return jobs(self.run("--dry-run", *arguments, study=study))


def jobs(printed: str) -> dict[str, int]:
    """Read the table of job counts from snakemake's output."""
    table = re.search(r"Job stats:\njob +count\n-+ +-+\n((?:\w+ +\d+\n)+)", printed)
    if table is None:
        assert "Nothing to be done" in printed, printed[-3000:]
        return {}
    return {name: int(count) for name, count in (line.split() for line in table[1].splitlines()) if name != "total"}


@pytest.fixture
def workflow(tmp_path, repository) -> Workflow:
    return Workflow(tmp_path, repository)


@pytest.fixture(scope="session")
def recordings(tmp_path_factory) -> Path:
    """Two small sessions, and a third cut off in the middle."""
    from nwbglm.simulate import simulate_recording

    folder = tmp_path_factory.mktemp("recordings")
    for seed, name in enumerate(("good-1", "good-2")):
        simulate_recording("head_direction", folder / f"{name}.nwb", seed=seed, wake=60.0, sleep=5.0, adn=4, postsub=1)
    whole = (folder / "good-1.nwb").read_bytes()
    (folder / "broken.nwb").write_bytes(whole[: len(whole) // 2])
    return folder


def sources(folder: Path, *names: str) -> dict[str, Any]:
    return {name: {"nwb": str(folder / f"{name}.nwb")} for name in names}


@pytest.fixture(scope="session")
def finished(tmp_path_factory, repository, recordings) -> Workflow:
    """A run to the end on two good sessions and a broken one. Copy it before changing it."""
    workflow = Workflow(tmp_path_factory.mktemp("finished"), repository)
    workflow.write(recordings=sources(recordings, "good-1", "broken", "good-2"))
    workflow.printed = workflow.run()
    return workflow


@pytest.fixture
def copied(finished, tmp_path) -> Workflow:
    """A copy of the finished run, time stamps and Snakemake's records included."""
    folder = tmp_path / "copy"
    shutil.copytree(finished.folder, folder, copy_function=shutil.copy2)
    return Workflow(folder, finished.repository)


@dataclass(frozen=True)
class Joined:
    """A finished run on two joined recordings, in which every stage was done by the test's own process.

    Parameters
    ----------
    folder
        Where it ran.
    jobs
        The jobs that were run, in order.
    good
        What every file holds.
    """

    folder: Path
    jobs: list[one_process.Job]
    good: dict[str, bytes]

    def job(self, rule: str) -> one_process.Job:
        """Return the last job of a rule."""
        return [job for job in self.jobs if job.rule == rule][-1]

    def maker(self, file: str) -> one_process.Job:
        """Return the job that makes a file."""
        return next(job for job in self.jobs if file in map(str, job.outputs))


def joined_run(folder: Path, repository: Path) -> Joined:
    """Run all stages on two joined recordings."""
    from nwbglm.simulate import simulate_recording

    for seed, name in enumerate("ab"):
        simulate_recording("head_direction", folder / f"{name}.nwb", seed=seed, wake=30.0, sleep=2.0, adn=2, postsub=1)
    study = STUDY | {"recordings": {name: {"nwb": f"{name}.nwb"} for name in "ab"}, "join": {"mouse": ["a", "b"]}}
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    jobs: list[one_process.Job] = []
    status, printed = one_process.run(folder, repository / "Snakefile", jobs=jobs)
    assert status == 0, printed[-3000:]
    return Joined(folder, jobs, one_process.contents(folder))


@pytest.fixture(scope="session")
def joined(tmp_path_factory, repository) -> Joined:
    """A finished run in one process; what a test changes in it, it mends."""
    return joined_run(tmp_path_factory.mktemp("joined"), repository)


@pytest.fixture
def inside(joined, monkeypatch) -> Joined:
    """The same, as the current folder."""
    monkeypatch.chdir(joined.folder)
    return joined
