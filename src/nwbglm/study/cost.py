"""What a study would cost, before anything is computed: jobs, fits, features, memory, disk; and what is too much."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from .base import Part
from .quantities import Size, write_size
from .terms import Factor, Term

if TYPE_CHECKING:
    from .root import Study

FEATURE_BYTES = 4
"""A feature's value on disk, before compression (float32)."""
JOB_BASE = 2_500_000_000
"""Bytes that a fit asks for beside its features."""

PLANNED_IN = 0.0025
"""CPU seconds that planning takes a job (benchmarks/planning.py)."""


class Limits(Part):
    """What a study may cost. Above a limit nothing starts, until it is raised here."""

    jobs: Annotated[int, Field(ge=1, le=10**7)] = Field(10_000, description="Jobs of the whole study.")
    columns: Annotated[int, Field(ge=1, le=10**6)] = Field(
        10_000, description="Features that one unit's model may have."
    )
    memory: Size = Field(64 * 10**9, description="What the largest job may ask for.")
    disk: Size = Field(500 * 10**9, description="What all stores of features may take, before compression.")


@dataclass(frozen=True)
class Taken:
    """What a study takes of one session, as far as it is known."""

    rows: int
    units: int


@dataclass(frozen=True)
class Cost:
    """What a study would cost.

    Parameters
    ----------
    jobs
        Number of jobs.
    fits
        Of one unit: models x sets of rows x strengths.
    columns
        The most features that a unit's model has.
    memory, disk
        Bytes; 0 where no recording was looked at.
    """

    jobs: int
    fits: int
    columns: int
    memory: int = 0
    disk: int = 0

    def text(self) -> str:
        """Say it in one line."""
        parts = [f"{self.jobs} jobs", f"{self.fits} fits a unit", f"up to {self.columns} features a model"]
        if self.disk:
            parts += [f"up to {_shown(self.memory)} of memory a job", f"up to {_shown(self.disk)} of features on disk"]
        return ", ".join(parts)


def sessions_of(study: Study, most: int = 6) -> str:
    """Say how many sessions a study has, and the names of the first."""
    names = list(study.sessions)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{len(names)} session{'s' if len(names) != 1 else ''}: {', '.join(names[:most])}{more}"


def planning_words(study: Study) -> str:
    """Say how long Snakemake will plan a large study before its first job; '' where it is quick."""
    jobs = cost_of(study).jobs
    seconds = PLANNED_IN * jobs
    return f"planning {jobs} jobs, about {seconds:.0f} s of CPU before the first starts" if seconds > 5 else ""


def cost_of(study: Study, taken: Iterable[Taken] = ()) -> Cost:
    """Compute what a study would cost.

    Parameters
    ----------
    study
        The study.
    taken
        What it takes of each session that was looked at; memory and disk are scaled to all sessions.
    """
    taken = list(taken)
    recordings, sessions = len(study.recordings), len(study.sessions)
    made = sum(recording.nwb.made != "" for recording in study.recordings.values())
    each = 3 + len(study.used_terms) + len(study.models) * (study.unit_blocks + 1)  # tune, split, draw; terms; fits
    inference = study.inference
    of_models = (inference.interval_models, *(part.models for part in inference.of_models))
    each += (len(inference.tests) + len(inference.controls) + sum(map(len, of_models))) * study.unit_blocks
    jobs = made + 2 * recordings + len(study.join) + sessions * each + 4
    folds = study.fit.folds.blocks + ("test" in study.epochs)
    fits = 0
    for name, model in study.models.items():
        settings = study.fit.of_model(study.model_settings(name) if model.terms else model)
        fits += (folds + 1 + 2 * model.halves) * len(settings.penalty.strengths)
    units = max((one.units for one in taken), default=1)
    columns = max(model_columns(study, name, units) for name in study.models)
    memory = disk = 0
    if taken:
        stored = [
            sum(term_columns(study.terms[n], study.bin, one.units, stored=True) for n in study.used_terms)
            for one in taken
        ]
        sizes = [FEATURE_BYTES * one.rows * columns_ for one, columns_ in zip(taken, stored, strict=True)]
        disk = int(sum(sizes) * sessions / len(taken))
        counts = max(4 * one.rows * one.units for one in taken)
        memory = JOB_BASE + counts + min(2 * max(sizes), round(1.1 * study.fit.memory))
    return Cost(jobs, fits, columns, memory, disk)


def too_much(cost: Cost, limits: Limits) -> list[str]:
    """List the limits that a cost exceeds, each with the key that raises it."""
    found = []
    for name, value, limit, what in (
        ("jobs", cost.jobs, limits.jobs, "jobs"),
        ("columns", cost.columns, limits.columns, "features in one model"),
        ("memory", cost.memory, limits.memory, "of memory for one job"),
        ("disk", cost.disk, limits.disk, "of features on disk"),
    ):
        if value > limit:
            shown = [_shown(one) if name in ("memory", "disk") else str(one) for one in (value, limit)]
            enough = f"{math.ceil(value / 10**9)} GB" if name in ("memory", "disk") else value
            found.append(
                f"limits.{name}: the study asks for {shown[0]} {what}, and {shown[1]} is the limit; ask for less, or "
                f"raise it (limits: {{{name}: {enough}}})"
            )
    return found


def model_columns(study: Study, name: str, units: int) -> int:
    """Return the number of features that one unit's model has."""
    return sum(term_columns(study.terms[term], study.bin, units) for term in study.models[name].terms)


def term_columns(term: Term, bin_width: float, units: int, *, stored: bool = False) -> int:
    """Return a term's number of features: what one unit sees, or what its store holds of all units."""
    count = math.prod(factor.basis.settings.functions(bin_width) for factor in term.factors)
    return count * math.prod(_inputs(factor, units, stored) for factor in term.factors)


def _inputs(factor: Factor, units: int, stored: bool) -> int:
    if not factor.of_spikes or (factor.senders == "own" and not stored):
        return 1
    return max(units - 1, 1) if factor.senders == "other" and not stored else units


def _shown(size: int) -> str:
    for unit, bytes_ in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6)):
        if size >= bytes_:
            return f"{size / bytes_:.3g} {unit}"
    return write_size(size)
