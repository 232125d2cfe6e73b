"""What the workflow would do, for several studies; no job runs."""

import json
import os
import re
import subprocess
import sys

import pytest
import yaml

from nwbglm.figures import figures_of
from nwbglm.study import load_study
from nwbglm.study.cost import cost_of

from .conftest import HOUR, STUDY, sources

STAGES = {"audit_recording": 1, "bin_recording": 1, "tune_units": 1, "split_rows": 1, "draw_session": 1}
ONCE = {"compare_models": 1, "draw_comparison": 1, "build_report": 1, "all": 1}


@pytest.fixture
def empty(workflow):
    """A workflow over empty files, which are enough for a plan."""
    for name in ("a", "b", "c"):
        (workflow.folder / f"{name}.nwb").touch()
    return workflow


@pytest.mark.parametrize("sessions", [1, 3])
@pytest.mark.parametrize("blocks", [1, 2])
def test_jobs_multiply_over_sessions_terms_models_and_blocks(empty, sessions, blocks):
    empty.write(recordings=sources(empty.folder, *"abc"[:sessions]), unit_blocks=blocks)
    expected = {name: count * sessions for name, count in STAGES.items()}
    expected |= {
        "test_term": sessions * blocks,
        "infer_filters": sessions * blocks,
        "check_fit": sessions * blocks,
        "weigh_terms": sessions * blocks,
        "run_control": sessions * blocks,
        "build_features": 3 * sessions,
        "fit_model": 3 * sessions * blocks,
        "predict_rates": 3 * sessions,
    }
    plan = empty.plan()
    assert plan == expected | ONCE
    assert cost_of(load_study(empty.folder / "study.yaml")).jobs == sum(plan.values())


def test_a_name_that_stands_twice_stops_snakemake_too(empty):
    empty.write(recordings=sources(empty.folder, "a"))
    with (empty.folder / "study.yaml").open("a") as file:
        file.write("bin: 20 ms\n")
    printed = empty.run("--dry-run", status=1)
    assert "bin: stands twice, in lines" in printed and "Traceback" not in printed


@pytest.mark.parametrize("name", ["injected_current", "head_direction"])
def test_every_figure_of_a_tutorial_is_one_target(name, empty, repository):
    """`snakemake results/STUDY/figures/SESSION/NAME.svg` makes that figure, and neither tables nor the report."""
    study = yaml.safe_load((repository / "config" / f"{name}.yaml").read_text())
    study["recordings"] = sources(empty.folder, "a")
    (empty.folder / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    tutorials = (repository / "docs" / "tutorials.md").read_text()
    wanted = sorted(set(re.findall(r"`figures/SESSION/([\w-]+\.(?:svg|csv))`", tutorials)))
    made = figures_of(load_study(empty.folder / "study.yaml"))
    targets = [f"results/{study['study']}/figures/a/{file}" for file in wanted if file.rpartition(".")[0] in made]
    assert len(targets) > 15
    plan = empty.plan(*targets)
    assert plan["draw_session"] == 1 and not {"compare_models", "build_report", "all"} & set(plan)


def test_pages_for_print_are_planned_where_a_study_names_their_widths(empty):
    empty.write(recordings=sources(empty.folder, "a"), figures={"pdf": [85, 180], "movie": True})
    plan = empty.plan("results/small/figures/a/rates.85mm.pdf", "results/small/figures/scores.180mm.pdf")
    assert plan["draw_session"] == plan["draw_comparison"] == 1


def test_a_pattern_makes_a_session_a_file(empty):
    empty.write(recordings={"all": {"nwb": str(empty.folder / "*.nwb")}})
    assert empty.plan()["bin_recording"] == 3


def test_unused_terms_cost_nothing(empty):
    empty.write(recordings=sources(empty.folder, "a"), models={"constant": []}, inference={})
    assert "build_features" not in empty.plan()


@pytest.mark.parametrize(
    ("study", "expected"),
    [
        ("demo_head_direction", {"simulate_recording": 3, "fit_model": 18, "build_features": 12}),
        ("demo_injected_current", {"simulate_recording": 2, "fit_model": 8, "build_features": 6}),
        ("demo_trials", {"simulate_recording": 1, "fit_model": 4, "build_features": 6}),
        ("head_direction", {"download_recording": 1, "fit_model": 6, "build_features": 4}),
        ("injected_current", {"download_recording": 1, "fit_model": 4, "build_features": 3}),
    ],
)
def test_the_studies_in_config(workflow, repository, study, expected):
    plan = workflow.plan(study=str(repository / "config" / f"{study}.yaml"))
    assert {name: plan[name] for name in expected} == expected


def test_another_study_replaces_the_default_one(empty):
    empty.write(recordings=sources(empty.folder, "a"))
    printed = empty.run("--dry-run")
    assert "mouse-A" not in printed and "results/small/" in printed


def test_the_default_study_is_the_demonstration(repository):
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--dry-run", "--quiet", "host"]
    done = subprocess.run([*command, "--forceall"], capture_output=True, text=True, cwd=repository, timeout=HOUR)
    assert done.returncode == 0, done.stderr
    assert "results/demo-head-direction/report/index.html" in done.stdout + done.stderr


def test_config_on_the_command_line_replaces_a_source(workflow, repository):
    (workflow.folder / "mine.nwb").touch()
    study = str(repository / "config" / "head_direction.yaml")
    plan = workflow.plan("--config", "recordings={Mouse32-140822: {nwb: mine.nwb}}", study=study)
    assert "download_recording" not in plan and plan["fit_model"] == 6


def test_the_slurm_profile_plans_the_same_jobs(repository):
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--forceall", "--workflow-profile", "profiles/slurm"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=repository, timeout=HOUR)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "slurm_partition=cpu" in done.stdout + done.stderr
    assert "mem_mb=" in done.stdout + done.stderr


def test_jobs_ask_for_what_they_need_before_any_file_of_the_run_exists(empty):
    empty.write(recordings=sources(empty.folder, "a"), fit={"memory": "8 GB"})
    printed = empty.run("--dry-run", "--forceall")
    asked = {rule: _asked(printed, rule) for rule in ("audit_recording", "fit_model", "draw_session", "build_report")}
    assert "<TBD>" not in "".join(line for line in printed.splitlines() if "mem_mb=" in line)
    assert all(500 <= megabytes <= 16_000 and minutes >= 10 for megabytes, minutes in asked.values()), asked


def test_jobs_ask_by_what_the_audit_has_counted(empty):
    empty.write(recordings=sources(empty.folder, "a"))
    fits = []
    for rows in (10_000, 2_000_000, 200_000_000):
        audit = {"takes": {"bins": rows, "units": {"selected": 50}}, "contents": {"units": {"spikes": 10**6}}}
        (empty.results / "audit").mkdir(parents=True, exist_ok=True)
        (empty.results / "audit" / "a.json").write_text(json.dumps(audit))
        fits.append(_asked(empty.run("--dry-run", "--forceall"), "fit_model"))
    assert fits[1][0] > fits[0][0] and fits[2][1] > fits[0][1]
    assert fits[1][0] <= 16_000, "features are held up to fit.memory"


def _asked(printed, rule):
    """Memory and minutes that the last printed job of a rule asks for."""
    job = printed.split(f"rule {rule}:")[-1]
    return int(re.search(r"mem_mb=(\d+)", job)[1]), int(re.search(r"runtime=(\d+)", job)[1])


def test_mistakes_stop_before_any_job_without_a_traceback(empty):
    study = STUDY | {"models": {"full": ["couplng"]}, "recordings": sources(empty.folder, "a"), "bin": 10}
    (empty.folder / "study.yaml").write_text(yaml.safe_dump(study))
    printed = empty.run(status=1)
    assert "models.full[0]" in printed and "did you mean 'coupling'?" in printed
    assert "bin: 10 is not a duration" in printed
    assert "Traceback" not in printed
    assert not (empty.folder / "results").exists()


def test_rules_and_scripts_keep_their_size(repository):
    sizes = {path: len(path.read_text().splitlines()) for path in repository.glob("rules/*.smk")}
    assert max(sizes.values()) <= 120, sizes
    assert len((repository / "Snakefile").read_text().splitlines()) <= 60
    rules = {name for path in sizes for name in _rules(path)}
    assert rules == {path.stem for path in repository.glob("scripts/*.py")}


def _rules(path):
    return [line.split()[1].rstrip(":") for line in path.read_text().splitlines() if line.startswith("rule ")]


def test_no_rule_waits_or_repeats_on_its_own(repository):
    text = "".join(path.read_text() for path in [repository / "Snakefile", *repository.glob("rules/*.smk")])
    for word in ("checkpoint ", "\n    run:", "retries:", "message:", os.sep + "home"):
        assert word not in text
