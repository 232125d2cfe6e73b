"""Whole runs that are killed again and again, at any operation on the disk of any job and of Snakemake itself.

Each time the same command goes on (after `--unlock`, as the run says). In the end every file has the bytes of a run
that nobody disturbed, and nothing else is there. Snakemake and its jobs are one process here, so that a kill is a
power cut for both.

    python tests/killed_runs.py            one run, killed until it is done
    python tests/killed_runs.py 20 5       20 runs, from seed 5 on
"""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import one_process
import pytest
import yaml
from disk_faults import Disk, faulty
from one_process import contents
from workflow.conftest import STUDY

REPOSITORY = Path(__file__).resolve().parents[1]
FARTHEST = 250
"""Operations after which a process is killed, at most."""
LIGHT = ("nwbglm.audit", "nwbglm.fits.model", "nwbglm.inference.stage", "nwbglm.figures", "nwbglm.report.build")


class Anything(Disk):
    """A disk whose k-th operation of any kind kills."""

    def step(self, kind: str, path: object) -> None:
        """Count an operation of any kind."""
        self.kind = kind
        super().step(kind, path)


def prepared(folder: Path) -> Path:
    """Write a small study and its recordings."""
    from nwbglm.simulate import simulate_recording

    folder.mkdir(parents=True)
    for seed, name in enumerate("ab"):
        simulate_recording("head_direction", folder / f"{name}.nwb", seed=seed, wake=30.0, sleep=2.0, adn=2, postsub=1)
    study = STUDY | {"recordings": {name: {"nwb": f"{name}.nwb"} for name in "ab"}, "join": {"mouse": ["a", "b"]}}
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    return folder


def child(folder: Path, turn: int | None) -> int:
    """Run the workflow in a process of its own, which is killed at an operation; return how it ended."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nothing was computed here: there are no threads
        process = os.fork()
    if process == 0:
        status = 70
        try:
            disk = Anything(folder, "open", turn, 0)
            disk.act = lambda path: os.kill(os.getpid(), signal.SIGKILL)
            locks = folder / ".snakemake" / "locks"
            if locks.is_dir() and any(locks.iterdir()):
                one_process.run(folder, REPOSITORY / "Snakefile", "--unlock")
            with pytest.MonkeyPatch.context() as patched, faulty(disk, patched):
                status, printed = one_process.run(folder, REPOSITORY / "Snakefile")
            if status:
                print(printed[-3000:], file=sys.__stderr__, flush=True)
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def campaign(runs: int, first: int = 0) -> int:
    """Kill runs until each is done; print how often, and what differs. Returns the number of runs that went wrong."""
    for module in LIGHT:
        importlib.import_module(module)  # once, for all children
    wrong = kills = 0
    with tempfile.TemporaryDirectory() as place:
        source = prepared(Path(place) / "source")
        shutil.copytree(source, good := Path(place) / "good")
        assert child(good, None) == 0
        expected = contents(good)
        for seed in range(first, first + runs):
            rng = np.random.default_rng(seed)
            shutil.copytree(source, folder := Path(place) / f"run-{seed}")
            while (status := child(folder, int(rng.integers(FARTHEST)))) == -signal.SIGKILL:
                kills += 1
                whole = {name: content for name, content in contents(folder).items() if "/." not in name}
                if bad := [name for name, content in whole.items() if expected.get(name) != content]:
                    print(f"seed {seed}: after a kill these are neither absent nor whole: {bad}", flush=True)
                    wrong += 1
            found = contents(folder)
            if status or found != expected:
                differ = sorted(
                    name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)
                )
                print(f"seed {seed}: status {status}, these differ: {differ}", flush=True)
                wrong += 1
            shutil.rmtree(folder)
    print(f"{runs} runs were killed {kills} times; {wrong} went wrong")
    return wrong


if __name__ == "__main__":
    sys.exit(bool(campaign(*map(int, sys.argv[1:] or ["1"]))))
