"""The work of each rule's jobs, in numbers that its time and memory grow with.

All are products of sizes, in millions, so that a job's cost is a sum of them with coefficients that are fitted to what
jobs took (`nwbglm.planning.model`). What is not here is taken as constant for the rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nwbglm.figures.catalogue import figures_of, overall_figures_of
from nwbglm.study.cost import model_columns, term_columns

from .sizes import Size

if TYPE_CHECKING:
    from nwbglm.study import Study

MILLION = 1e6
OF_MODELS = (
    *("fit_model", "predict_rates", "infer_filters", "check_fit"),
    *("test_term", "weigh_terms", "measure_ceiling", "run_control"),
)
"""Rules that read a model's features."""
FLOAT = 4
"""Bytes of a feature's value."""


@dataclass(frozen=True)
class Job:
    """A job to come.

    Parameters
    ----------
    rule
        Its rule.
    session, subject
        Its session ('' where it is about all), and its term, model or test.
    block
        Which of the blocks of units, and of how many.
    """

    rule: str
    session: str = ""
    subject: str = ""
    block: str = ""


def jobs_of(study: Study) -> Iterator[Job]:
    """List every job of a study, as Snakemake plans them."""
    for name, recording in study.recordings.items():
        if recording.nwb.made:
            yield Job(f"{recording.nwb.made}_recording", name)
        yield Job("audit_recording", name)
        yield Job("bin_recording", name)
    for name in study.join:
        yield Job("join_recordings", name)
    blocks = [f"{block}-of-{study.unit_blocks}" for block in range(study.unit_blocks)]
    inference = study.inference
    for session in study.sessions:
        yield Job("tune_units", session)
        yield from (Job("build_features", session, term) for term in study.used_terms)
        yield Job("split_rows", session)
        for model in study.models:
            yield from (Job("fit_model", session, model, block) for block in blocks)
            yield Job("predict_rates", session, model)
        for rule, subjects in (
            ("test_term", inference.tests),
            ("infer_filters", inference.interval_models),
            ("check_fit", inference.checks.models),
            ("weigh_terms", inference.worth.models),
            ("measure_ceiling", inference.ceiling.models),
            ("run_control", inference.controls),
        ):
            yield from (Job(rule, session, subject, block) for subject in subjects for block in blocks)
        yield Job("draw_session", session)
    yield from (Job(rule) for rule in ("compare_models", "draw_comparison", "build_report"))


def work_of(study: Study, job: Job, size: Size) -> dict[str, float]:
    """Return the numbers that a job's cost grows with, by name; `size` is its session's (the mean of all, for all)."""
    rows, units = size.rows, size.units / _blocks(job)
    if job.rule in ("audit_recording", "simulate_recording", "download_recording"):
        return {"megabytes": size.megabytes, "spikes": size.spikes / MILLION}
    if job.rule in ("bin_recording", "join_recordings"):
        signals = len(study.signals) + 1
        return {"counts": rows * size.units / MILLION, "signals": rows * signals / MILLION, "megabytes": size.megabytes}
    if job.rule == "tune_units":
        return {"counts": rows * size.units * len(study.tuning) / MILLION, "megabytes": size.megabytes}
    if job.rule == "build_features":
        stored = term_columns(study.terms[job.subject], study.bin, size.units, stored=True)
        return {"features": rows * stored / MILLION}
    if job.rule == "split_rows":
        return {"features": rows * len(study.used_terms) / MILLION}
    if job.rule in OF_MODELS:
        return _work_of_model(study, job, rows, units, size.units)
    if job.rule == "draw_session":
        return {"figures": len(figures_of(study)), "counts": rows * size.units / MILLION}
    sessions = len(study.sessions)
    if job.rule == "compare_models":
        return {"scores": sessions * size.units * len(study.models) * (study.fit.folds.blocks + 2) / MILLION}
    if job.rule == "draw_comparison":
        return {
            "figures": len(overall_figures_of(study)),
            "scores": sessions * size.units * len(study.models) / MILLION,
        }
    return {"pages": sessions * len(figures_of(study)), "cards": sessions * size.units / 1000}


def _blocks(job: Job) -> int:
    return int(job.block.rpartition("-")[2]) if job.block else 1


def _work_of_model(study: Study, job: Job, rows: int, units: float, all_units: int) -> dict[str, float]:
    """Return the work of what reads a model's features: values read, and products with columns of coefficients."""
    inference, name = study.inference, job.subject
    if job.rule in ("test_term", "run_control"):
        name = (inference.tests if job.rule == "test_term" else inference.controls)[name].model
    model = study.models[name]
    settings = study.fit.of_model(study.model_settings(name) if model.terms else model)
    columns = model_columns(study, name, all_units)
    stored = sum(term_columns(study.terms[term], study.bin, all_units, stored=True) for term in model.terms)
    folds = study.fit.folds.blocks + ("test" in study.epochs) + 1 + 2 * model.halves
    fits = units * folds * len(settings.penalty.strengths)
    own = any(study.terms[term].own for term in model.terms)
    work = {
        "counts": rows * units / MILLION,
        "features": rows * stored / MILLION,
        "passes": rows * columns * fits / MILLION,
        "grams": rows * columns**2 * (units if own else 1) / MILLION,
    }
    if job.rule == "predict_rates":
        work = {
            "counts": rows * units / MILLION,
            "features": work["features"],
            "passes": rows * columns * units / MILLION,
        }
    if job.rule == "test_term":
        work["draws"] = rows * units * study.inference.tests[job.subject].draws / MILLION
    return work


def held_megabytes(study: Study, job: Job, size: Size) -> float:
    """Return how much of features a job holds at most, MB: what they take, or what `fit.memory` allows."""
    if job.rule == "build_features":
        taken = work_of(study, job, size)["features"] * FLOAT
        return min(taken, 512.0)
    if job.rule in ("fit_model", "infer_filters", "test_term", "weigh_terms", "run_control"):
        return min(2 * FLOAT * work_of(study, job, size)["features"], 1.1e-6 * study.fit.memory)
    if job.rule in ("predict_rates", "check_fit", "measure_ceiling", "draw_session"):
        return 128.0
    return 0.0
