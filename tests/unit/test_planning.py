"""What a study will cost, and what its jobs ask for."""

import csv
import json

import pytest

from nwbglm.planning.model import asked_megabytes, asked_minutes, cost_of_job, model
from nwbglm.planning.plan import GROUPS, MOST_JOBS, benchmark_of, plan_of, said_and_took, text_of, took
from nwbglm.planning.sizes import Size, size_of
from nwbglm.planning.work import Job, jobs_of, work_of
from nwbglm.study import load_study, read_study
from nwbglm.study.cost import cost_of

MIDDLE = Size(60_000, 12, 74_000, 1.3, known=True)


@pytest.fixture(params=["demo_head_direction", "demo_injected_current", "trials"])
def study(request, repository):
    return load_study(repository / "config" / f"{request.param}.yaml")


def large(sessions, models):
    """A study of many sessions and models."""
    bases = [{"raised_cosine_log": {"n": i + 3, "window": "100 ms"}} for i in range(models)]
    terms = {f"t{i}": {"of": "own spikes", "basis": basis} for i, basis in enumerate(bases)}
    sources = [{"simulate": {"kind": "head_direction", "seed": i}} for i in range(sessions)]
    return read_study(
        {
            "study": "large",
            "recordings": {f"s{i}": {"nwb": source} for i, source in enumerate(sources)},
            "epochs": {"use": {"table": "epochs"}},
            "bin": "10 ms",
            "terms": terms,
            "models": {f"m{i}": [f"t{i}"] for i in range(models)},
            "limits": {"jobs": 100_000},
        }
    )


def test_every_job_is_planned_once(study):
    jobs = list(jobs_of(study))
    assert len(set(jobs)) == len(jobs) == cost_of(study).jobs - 1  # but for `all`


def test_every_rule_has_a_group_in_the_profile_and_in_the_plan(repository):
    text = (repository / "profiles" / "slurm" / "config.yaml").read_text()
    grouped = {rule: group for group, rules in GROUPS.items() for rule in rules}
    assert {line.strip(" -") for line in text.splitlines() if line.strip().startswith("- ")} == {
        f"{rule}={group}" for rule, group in grouped.items()
    }
    rules = {
        line.split()[1].rstrip(":")
        for path in (repository / "rules").glob("*.smk")
        for line in path.read_text().splitlines()
        if line.startswith("rule ")
    }
    assert rules - set(grouped) == {"download_recording"}, "downloads run where Snakemake does"


def test_700_sessions_of_10_models_are_few_slurm_jobs_and_four_waits():
    study = large(700, 10)
    plan = plan_of(study, dict.fromkeys(study.recordings, MIDDLE))
    jobs = plan.slurm_jobs(plan.packed)
    assert sum(jobs.values()) <= MOST_JOBS == 300
    assert list(jobs) == ["prepare", "fits", "draw", "report"]
    assert plan.total.jobs == len(list(jobs_of(study))) > 20_000


@pytest.mark.parametrize("change", [{"rows": 4 * 60_000}, {"units": 48}])
def test_larger_sessions_cost_more_and_ask_for_more(study, change):
    bigger = Size(**({"rows": 60_000, "units": 12, "spikes": 74_000, "megabytes": 1.3, "known": True} | change))
    for job in jobs_of(study):
        small, big = cost_of_job(study, job, MIDDLE), cost_of_job(study, job, bigger)
        assert big.seconds >= small.seconds > 0 and big.megabytes >= small.megabytes > 100, job
    fit = next(job for job in jobs_of(study) if job.rule == "fit_model" and study.models[job.subject].terms)
    assert cost_of_job(study, fit, bigger).seconds > cost_of_job(study, fit, MIDDLE).seconds


def test_a_job_asks_for_more_than_its_peak_and_for_no_more_than_the_study_lets_it_hold(repository):
    study = load_study(repository / "config" / "demo_head_direction.yaml")
    job, huge = Job("fit_model", "mouse-A", "full", "0-of-1"), Size(2_000_000, 200, 10**8, 10_000.0, known=True)
    assert asked_megabytes(study, job, MIDDLE) > cost_of_job(study, job, MIDDLE).megabytes
    held = 1.1e-6 * study.fit.memory
    assert held < asked_megabytes(study, job, huge) < 2 * held + 0.02 * huge.rows * huge.units * 1e-6 * 1000 + 2000
    assert asked_minutes(study, job, MIDDLE) == 10


def test_blocks_share_a_fits_work(repository):
    study = load_study(repository / "config" / "demo_head_direction.yaml")
    whole, part = (work_of(study, Job("fit_model", "mouse-A", "full", block), MIDDLE) for block in ("0-of-1", "1-of-4"))
    assert part["passes"] == pytest.approx(whole["passes"] / 4)
    assert part["features"] == whole["features"], "every block reads the features"


def test_sizes_are_what_the_audit_counted(tmp_path, repository):
    study = load_study(repository / "config" / "demo_head_direction.yaml")
    assert not size_of(study, "mouse-A", tmp_path).known
    audit = {"takes": {"bins": 123, "units": {"selected": 4}}, "contents": {"units": {"spikes": 56}}}
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "mouse-A.json").write_text(json.dumps(audit))
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings" / "mouse-A.nwb").write_bytes(b"0" * 2**20)
    assert size_of(study, "mouse-A", tmp_path) == Size(123, 4, 56, 1.0, known=True)


def test_what_a_run_took_stands_beside_its_plan(tmp_path, study):
    fit = next(job for job in jobs_of(study) if job.rule == "fit_model")
    path = benchmark_of(tmp_path, fit)
    path.parent.mkdir(parents=True)
    path.write_text("s\tmax_rss\tcpu_time\n1.0\t321.5\t7200\n")
    actual = took(study, tmp_path)
    assert (actual["fit_model"].jobs, actual["fit_model"].seconds, actual["fit_model"].megabytes) == (1, 7200, 321.5)
    text = text_of(plan_of(study, dict.fromkeys(study.recordings, MIDDLE)), actual)
    assert "2.000 h 0.32 GB" in text
    assert "--group-components prepare=" in text


def test_at_its_end_a_run_says_plan_and_cost_in_a_line(tmp_path, study):
    assert said_and_took(study, tmp_path) == ""
    path = benchmark_of(tmp_path, Job("compare_models"))
    path.parent.mkdir(parents=True)
    path.write_text("s\tmax_rss\tcpu_time\n1.0\t321.5\t7200\n")
    assert said_and_took(study, tmp_path).startswith(
        "cost: 2 CPU hours in 1 jobs, the largest 0.32 GB; the plan said 0.00"
    )


def test_the_model_is_fitted_to_the_kept_measurements(repository):
    rows = list(csv.DictReader((repository / "benchmarks" / "cost.csv").read_text(encoding="utf-8").splitlines()))
    assert model()["jobs"] == len(rows)
    planned = dict.fromkeys(sorted({row["rule"] for row in rows}), 0.0)
    taken = dict(planned)
    for row in rows:
        part = model()["rules"][row["rule"]]["seconds"]
        work = json.loads(row["work"])
        planned[row["rule"]] += part["base"] + sum(part["each"].get(name, 0) * value for name, value in work.items())
        taken[row["rule"]] += float(row["seconds"])
    assert sum(planned.values()) == pytest.approx(sum(taken.values()), rel=0.25)
