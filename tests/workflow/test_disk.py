"""A disk that fails and jobs that are killed, at every operation of every stage: nothing half-written, nothing lost.

Stages are done by their own scripts, in this process, with what Snakemake handed to them. What they compute is
computed once and handed out again, so that each operation has its turn: the disk is what is tested.
"""

import contextlib
import importlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import killed_jobs
import one_process
import pytest
from disk_faults import CODES, KINDS, Disk, faulty
from one_process import contents

pytestmark = pytest.mark.slow

COMPUTED = {
    "fit_model": "nwbglm.fits.model.fit_model",
    "check_fit": "nwbglm.inference.goodness.check_fit",
    "infer_filters": "nwbglm.inference.intervals.infer_filters",
    "test_term": "nwbglm.inference.stage.test_term",
    "weigh_terms": "nwbglm.inference.weighing.weigh_terms",
    "run_control": "nwbglm.inference.controls.run_control",
    "predict_rates": "nwbglm.fits.predict.predict_rates",
    "compare_models": "nwbglm.comparison.compare_models",
    "split_rows": "nwbglm.crossval.split_rows",
}
"""What computes a stage's result, for stages whose result lies in memory; the others are computed each time."""
DRAWN = ("draw_session", "draw_comparison")
"""Stages that draw: a figure that is written a second time is not the same, so that all is drawn for each operation."""
STAGES = [
    "audit_recording", "bin_recording", "join_recordings", "build_features", "tune_units", "build_report",
    *DRAWN, *COMPUTED,
]  # fmt: skip


@contextlib.contextmanager
def computed_once(rule: str) -> Iterator[None]:
    """Compute what a stage computes the first time only."""
    known: list = []
    with pytest.MonkeyPatch.context() as patched:
        if rule in COMPUTED:
            module, _, name = COMPUTED[rule].rpartition(".")
            compute = getattr(importlib.import_module(module), name)

            def once(*arguments, **named):
                which = named.get("name") or arguments[0] if rule.startswith("draw") else ""
                if which not in dict(known):
                    known.append((which, compute(*arguments, **named)))
                return dict(known)[which]

            patched.setattr(f"{module}.{name}", once)
        yield


def attempt(job: one_process.Job) -> bool:
    """Run a job; return whether it ended well."""
    for path in job.outputs:
        path.unlink(missing_ok=True)  # as Snakemake does before a job
    try:
        job.run()
    except (OSError, SystemExit):
        return False
    return True


def counted(job: one_process.Job, folder: Path, kind: str, monkeypatch) -> int:
    with faulty(Disk(folder, kind, None, CODES[0]), monkeypatch) as disk:
        assert attempt(job)
    return disk.count


EVERY = bool(os.environ.get("TORTURE"))
"""Whether a job is killed at every operation (`make torture`), or at some."""


def test_every_stage_has_its_turn(joined):
    assert {job.rule for job in joined.jobs} == set(STAGES)


@pytest.mark.fault(
    "an open, write, fsync or move of a stage fails (full disk, broken disk)",
    "every single one, in each stage (of figures every twelfth; all: `make torture`)",
    "the job fails, or has ended well; each of its outputs is whole or absent, nothing else is left",
)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", STAGES)
def test_whichever_operation_of_a_stage_fails_its_outputs_are_whole_or_absent(inside, rule, kind, monkeypatch):
    job, folder, good = inside.job(rule), inside.folder, inside.good
    with computed_once(rule):
        outputs = {str(path) for path in job.outputs}
        failures = 0
        operations = counted(job, folder, kind, monkeypatch)
        for turn in range(0, operations, 12 if rule in DRAWN and not EVERY else 1):
            code = CODES[turn % 2]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)  # a file whose last write failed closes itself
                with faulty(Disk(folder, kind, turn, code, lasting=turn % 4 < 2), monkeypatch):
                    ended = attempt(job)
            left = contents(folder)
            assert set(good) - outputs <= set(left) <= set(good), (turn, sorted(set(left) ^ set(good)))
            assert all(good[name] == content for name, content in left.items()), turn
            assert not ended or left == good, turn
            failures += not ended
        assert failures or kind in ("fsync", "write"), "a fault of the disk fails the job"
        assert attempt(job) and contents(folder) == good


@pytest.mark.fault(
    "a job is killed (SIGKILL)",
    "at opens, writes, fsyncs and moves of each stage but those that draw (at each one: `make torture`)",
    "its outputs are whole or absent; the same job ends with the same bytes, and removes what was left",
)
@pytest.mark.parametrize("rule", [rule for rule in STAGES if rule not in DRAWN])
def test_whenever_a_job_is_killed_the_same_job_ends_as_if_nothing_had_been(inside, rule, tmp_path):
    most = None if EVERY else 1 if rule in COMPUTED or rule == "build_report" else 4
    assert killed_jobs.kill(inside.job(rule), inside.folder, inside.good, most=most, tmp_path=tmp_path) >= 3
    assert contents(inside.folder) == inside.good, "and what killed writers left is gone"


@pytest.mark.fault(
    "the disk fills up under every job once",
    "the first attempt of each job of a run fails, at an open, a write, an fsync or a move; the same command again",
    "every file of the run has the bytes of an undisturbed one",
)
def test_a_run_whose_every_job_fails_once_ends_as_if_nothing_had_been(joined, repository, tmp_path, monkeypatch):
    for name in ("study.yaml", "a.nwb", "b.nwb"):
        (tmp_path / name).write_bytes((joined.folder / name).read_bytes())
    failed: set[tuple[str, ...]] = set()
    true_run = one_process.Job.run

    def fail_once(job):
        key = tuple(map(str, job.outputs))
        if key in failed:
            return true_run(job)
        failed.add(key)
        # the log is opened first; of writes, one in the middle
        kind = ("open", "write", "fsync", "replace")[len(failed) % 4]
        turn = {"open": 1, "write": 2, "fsync": 0, "replace": 0}[kind]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            with faulty(Disk(tmp_path, kind, turn, CODES[0], lasting=True), monkeypatch):
                return true_run(job)

    monkeypatch.setattr(one_process.Job, "run", fail_once)
    runs = 0
    while True:
        runs += 1
        status, printed = one_process.run(tmp_path, repository / "Snakefile")
        if status == 0:
            break
        assert runs < 40, printed[-3000:]
    assert runs > 8, "a run for each stage of the chain"
    assert contents(tmp_path) == joined.good
