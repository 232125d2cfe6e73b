"""What work costs: coefficients fitted to measured jobs (`benchmarks/cost.py`), and what they say of a job."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .sizes import Size
from .work import Job, held_megabytes, work_of

if TYPE_CHECKING:
    from nwbglm.study import Study

PLACE = Path(__file__).with_name("model.json")
MARGIN = 1.3
"""A job asks for so many times the peak that is expected of it,"""
SPARE = 400
"""and for so many MB more: what the system and a first compilation take."""
LEAST_MINUTES, TIMES = 10, 6
"""A job asks for so many times the CPU minutes expected of it (slow nodes, slow disks), and at least for so many."""


class Cost(NamedTuple):
    """Of one job: CPU seconds, and its peak of memory, MB."""

    seconds: float
    megabytes: float


@cache
def model() -> dict[str, Any]:
    """Return the fitted coefficients."""
    return dict(json.loads(PLACE.read_text(encoding="utf-8")))


def cost_of_job(study: Study, job: Job, size: Size) -> Cost:
    """Return what a job is expected to cost, on the machine that the model was measured on."""
    rule = model()["rules"].get(job.rule) or model()["rules"]["other"]
    work = work_of(study, job, size) | {"held": held_megabytes(study, job, size)}
    seconds, megabytes = (
        part["base"] + sum(part["each"].get(name, 0.0) * value for name, value in work.items())
        for part in (rule["seconds"], rule["megabytes"])
    )
    return Cost(seconds, megabytes)


def asked_megabytes(study: Study, job: Job, size: Size) -> int:
    """Return the memory that a job asks for, MB, in steps of 100."""
    return 100 * math.ceil((MARGIN * cost_of_job(study, job, size).megabytes + SPARE) / 100)


def asked_minutes(study: Study, job: Job, size: Size) -> int:
    """Return the time that a job asks for, minutes."""
    return math.ceil(max(LEAST_MINUTES, TIMES * cost_of_job(study, job, size).seconds / 60))
