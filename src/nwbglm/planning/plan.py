"""The plan of a study: jobs, queue waits, CPU and GPU hours, memory, disk, before anything runs; and what it took."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nwbglm.study import Study
from nwbglm.study.cost import term_columns

from .model import Cost, cost_of_job, model
from .sizes import Size, joined, size_of
from .work import FLOAT, Job, jobs_of

GROUPS: Mapping[str, tuple[str, ...]] = {
    "prepare": (
        "simulate_recording",
        "audit_recording",
        "bin_recording",
        "join_recordings",
        "tune_units",
        "build_features",
        "split_rows",
    ),
    "fits": ("fit_model", "test_term", "infer_filters", "check_fit", "run_control", "measure_ceiling"),
    "draw": ("weigh_terms", "predict_rates", "draw_session"),
    "report": ("compare_models", "draw_comparison", "build_report"),
}
"""Rules by the group of `profiles/slurm` that they are in; downloads run where Snakemake does."""
MINUTES = 40.0
"""How long a SLURM job of a group should take: long beside its start and its wait, short enough for gaps in a queue."""
CPUS = 2
"""CPUs of such a job."""
MOST_JOBS = 300
"""SLURM jobs that a study should not exceed."""
START = 4.0
"""CPU seconds that a SLURM job takes before its first member: Snakemake, and the imports that its members share."""
FILES = 4
"""Files a job leaves beside its outputs' own number: its output, log, benchmark, and Snakemake's record of it."""
PACKED = 0.5
"""Share of a feature store's values that is left on the disk (compressed)."""


@dataclass
class Part:
    """What the jobs of a rule, or of all rules, cost together."""

    jobs: int = 0
    seconds: float = 0.0
    megabytes: float = 0.0

    def add(self, cost: Cost) -> None:
        """Count a job."""
        self.jobs += 1
        self.seconds += cost.seconds
        self.megabytes = max(self.megabytes, cost.megabytes)


@dataclass
class Plan:
    """A study's plan.

    Parameters
    ----------
    study
        The study.
    rules
        What each rule's jobs cost.
    components
        By group: how many parts of the graph it has that hang together, hence SLURM jobs at most.
    disk
        Bytes of stores and figures.
    guessed
        Sessions whose size is not known.
    """

    study: Study
    rules: dict[str, Part] = field(default_factory=dict)
    components: dict[str, int] = field(default_factory=dict)
    disk: int = 0
    guessed: list[str] = field(default_factory=list)

    @property
    def total(self) -> Part:
        """All jobs together."""
        return Part(
            sum(part.jobs for part in self.rules.values()),
            sum(part.seconds for part in self.rules.values()),
            max((part.megabytes for part in self.rules.values()), default=0.0),
        )

    def seconds_of(self, group: str) -> float:
        """Return the CPU seconds of a group's jobs."""
        return sum(self.rules[rule].seconds for rule in GROUPS[group] if rule in self.rules)

    @property
    def packed(self) -> dict[str, int]:
        """Components of each group that make one SLURM job."""
        chosen = {}
        for group, count in self.components.items():
            each = max(self.seconds_of(group) / max(count, 1), 1e-3)
            chosen[group] = max(1, min(count, int(MINUTES * 60 * CPUS / each)))
        while sum(self.slurm_jobs(chosen).values()) > MOST_JOBS:
            widest = max(chosen, key=lambda group: math.ceil(self.components[group] / chosen[group]))
            chosen[widest] = math.ceil(1.2 * chosen[widest])
        return chosen

    def slurm_jobs(self, packed: Mapping[str, int]) -> dict[str, int]:
        """Return the number of SLURM jobs by group."""
        return {group: math.ceil(count / packed[group]) for group, count in self.components.items()}


def plan_of(study: Study, sizes: Mapping[str, Size]) -> Plan:
    """Plan a study whose recordings have these sizes (by name)."""
    plan = Plan(study)
    of_session = {name: joined(sizes[member] for member in study.members(name)) for name in study.sessions}
    count = len(of_session)
    mean = Size(*(round(sum(getattr(s, n) for s in of_session.values()) / count) for n in ("rows", "units", "spikes")))
    for job in jobs_of(study):
        size = of_session.get(job.session) or (sizes[job.session] if job.session else mean)
        plan.rules.setdefault(job.rule, Part()).add(cost_of_job(study, job, size))
    blocks = count * len(study.models) * study.unit_blocks
    plan.components = {"prepare": count, "fits": blocks, "draw": count, "report": 1}
    for size in of_session.values():
        stored = sum(term_columns(study.terms[term], study.bin, size.units, stored=True) for term in study.used_terms)
        plan.disk += int(PACKED * FLOAT * size.rows * stored + size.rows * size.units) + 2_000_000
    plan.guessed = [name for name, size in of_session.items() if not size.known]
    return plan


def files_of(plan: Plan) -> int:
    """Return how many files a run leaves."""
    from nwbglm.figures.catalogue import figures_of
    from nwbglm.report.paths import report_files

    figures = 2 * len(plan.study.sessions) * len(figures_of(plan.study))
    return FILES * plan.total.jobs + figures + len(report_files(plan.study))


def took(study: Study, results: str | Path) -> dict[str, Part]:
    """Return what the jobs of a run took, by rule, from Snakemake's benchmark files; empty where there are none."""
    found: dict[str, Part] = {}
    for job in jobs_of(study):
        path = benchmark_of(Path(results), job)
        if path.is_file():
            row = next(csv.DictReader(path.read_text(encoding="utf-8").splitlines(), delimiter="\t"), {})
            if row.get("cpu_time", "NA") != "NA":
                found.setdefault(job.rule, Part()).add(Cost(float(row["cpu_time"]), float(row["max_rss"])))
    return found


def benchmark_of(results: Path, job: Job) -> Path:
    """Return where Snakemake writes what a job took."""
    session = f"{job.session}.{job.block}" if job.block else job.session
    parts = [job.rule, *([job.subject] if job.subject else []), *([session] if session else [])]
    return results / "benchmarks" / ("/".join(parts) + ".tsv")


def text_of(plan: Plan, actual: Mapping[str, Part] | None = None) -> str:
    """Say a plan, beside what a run took where there was one."""
    actual = actual or {}
    lines = [f"{'':20} {'jobs':>7} {'CPU hours':>10} {'largest job':>12}" + (f" {'took':>16}" if actual else "")]
    for rule, part in [*plan.rules.items(), ("all", plan.total)]:
        line = f"{rule:20} {part.jobs:7} {part.seconds / 3600:10.3f} {part.megabytes / 1000:9.2f} GB"
        if actual:
            real = actual.get(rule) if rule != "all" else _sum(actual)
            line += f" {real.seconds / 3600:8.3f} h {real.megabytes / 1000:.2f} GB" if real else f" {'-':>8}"
        lines.append(line.rstrip())
    fits = plan.seconds_of("fits")
    packed = plan.packed
    jobs = plan.slurm_jobs(packed)
    overhead = START * sum(jobs.values())
    lines += [
        "",
        f"GPU hours     {fits / 3600 * bool(plan.study.fit.gpus):.3f}"
        + (" at most: what the fits take on one CPU" if plan.study.fit.gpus else ""),
        f"disk          {plan.disk / 1e9:.2f} GB in {files_of(plan)} files",
        f"measured on   {model()['machine']}; another processor may take half or twice as long",
        "",
        f"one machine   snakemake --cores 8: about {_shown(plan.total.seconds / 8)}, if its sessions are several",
        f"one node      profiles/slurm-node, 32 CPUs: one SLURM job, one wait, about {_shown(plan.total.seconds / 32)}",
        f"many nodes    profiles/slurm: {sum(jobs.values())} SLURM jobs, {len(jobs)} waits in the queue, "
        f"{overhead / 3600:.2f} CPU hours more,",
        f"              --group-components {' '.join(f'{group}={count}' for group, count in packed.items())}",
        f"advice        {advice_of(plan)}",
    ]
    if plan.guessed:
        lines.append(f"guessed       the sizes of {len(plan.guessed)} sessions: {', '.join(plan.guessed[:5])}")
    return "\n".join(lines)


def said_and_took(study: Study, results: str | Path) -> str:
    """Say in a line what a finished run was planned to cost, and what it took; '' where nothing was measured."""
    actual = took(study, results)
    if not actual:
        return ""
    alone = study.model_copy(update={"join": {}})
    plan = plan_of(study, {name: size_of(alone, name, results) for name in study.recordings})
    real, said = _sum(actual), _sum({rule: part for rule, part in plan.rules.items() if rule in actual})
    return (
        f"cost: {real.seconds / 3600:.3g} CPU hours in {real.jobs} jobs, the largest {real.megabytes / 1000:.2f} GB; "
        f"the plan said {said.seconds / 3600:.3g} and {said.megabytes / 1000:.2f} GB"
    )


def advice_of(plan: Plan) -> str:
    """Return which profile fits a study, and how many blocks its sessions' units should have."""
    hours = plan.total.seconds / 3600
    where = (
        "one machine is enough" if hours < 2 else "one node (profiles/slurm-node)" if hours < 200 else "profiles/slurm"
    )
    fit = plan.rules.get("fit_model", Part())
    blocks = math.ceil(fit.seconds / max(fit.jobs, 1) * plan.study.unit_blocks / (MINUTES * 60))
    return f"{where}; unit_blocks: {max(1, blocks)}"


def _sum(parts: Mapping[str, Part]) -> Part:
    return Part(
        sum(part.jobs for part in parts.values()),
        sum(part.seconds for part in parts.values()),
        max(part.megabytes for part in parts.values()),
    )


def _shown(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds > 5400 else f"{max(seconds / 60, 1):.0f} min"
