# What jobs ask for: memory and time by the sizes that are known when they are submitted, and by what such work has taken
# (benchmarks/cost.py). Never by files that do not exist yet: a group is submitted before its members' inputs are there.

from functools import cache

from nwbglm.planning.model import asked_megabytes, asked_minutes
from nwbglm.planning.sizes import joined, size_of
from nwbglm.planning.work import Job


@cache
def size_now(session, audited):
    """What is known of a session; asked again once its audit has counted it."""
    return size_of(study, session, RESULTS)


def size_for(session):
    names = [session] if session else study.sessions
    audits = [
        (RESULTS / "audit" / f"{study.members(name)[-1]}.json").is_file()
        for name in names
    ]
    return joined(map(size_now, names, audits)) if session else largest(names, audits)


def largest(names, audits):
    return max(map(size_now, names, audits), key=lambda size: size.rows * size.units)


def planned(stage, wildcards):
    """A rule's job as the plan knows it."""
    names = dict(wildcards.items())
    subjects = [
        names[kind] for kind in ("term", "model", "test", "control") if kind in names
    ]
    return Job(
        stage, names.get("session", ""), "".join(subjects), names.get("block", "")
    )


def memory(stage):
    """Megabytes for a job of a rule; more at each attempt."""

    def megabytes(wildcards, attempt):
        job = planned(stage, wildcards)
        return attempt * asked_megabytes(study, job, size_for(job.session))

    return megabytes


def minutes(stage):
    """Minutes for a job of a rule; more at each attempt."""

    def asked(wildcards, attempt):
        job = planned(stage, wildcards)
        return attempt * asked_minutes(study, job, size_for(job.session))

    return asked
