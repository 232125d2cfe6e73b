"""Runs to the end: what comes out, what a second run does, and what a bad session or a killed job leaves."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
import zipfile

import numpy as np
import pandas as pd
import pytest
import yaml

import nwbglm
from nwbglm import store

from .conftest import HOUR, sources

pytestmark = pytest.mark.slow


def scores(workflow) -> pd.DataFrame:
    table = pd.read_parquet(workflow.results / "comparison" / "scores.parquet")
    return table[(table["kind"] == "held-out") & (table["fold"] == "pooled")]


def test_the_run_ends_in_a_report_and_a_comparison(finished):
    table = scores(finished)
    assert set(table["session"]) == {"good-1", "good-2"}
    assert set(table["model"]) == {"constant", "history", "full"}
    assert np.isfinite(table["log_likelihood"]).all()
    median = table.groupby("model")["bits_per_spike"].median()
    assert median["full"] > 0.1 > abs(median["constant"])
    assert (finished.results / "report" / "index.html").stat().st_size > 10_000


def test_snakemakes_own_report_shows_the_study(finished):
    """Index, figures over all sessions and those of each, with headings and captions."""
    finished.run("--report", "shown.zip")
    with zipfile.ZipFile(finished.folder / "shown.zip") as folder:
        page = next(folder.read(name).decode() for name in folder.namelist() if name.endswith("report.html"))
        names = {name.rpartition("/")[2] for name in folder.namelist()}
    assert {"index.html", "differences.svg", "rates.svg", "coupling-full.svg"} <= names
    for words in ("All sessions", "Sessions", "Rates of an example unit", "follows the black one", "good-2"):
        assert words in page


def test_what_tuning_says_of_a_unit_stands_in_the_table_of_units(finished):
    units = pd.read_parquet(finished.results / "comparison" / "units.parquet").set_index(["session", "unit"])
    for session in ("good-1", "good-2"):
        tuning = store.read(finished.results / "tuning" / f"{session}.zarr.zip")
        told = units.loc[session]["information_heading"].reindex(tuning.unit.values)
        np.testing.assert_array_equal(told, tuning.information_heading)


def test_filters_have_intervals_in_the_table_and_the_figures(finished):
    table = pd.read_parquet(finished.results / "comparison" / "intervals.parquet")
    assert set(table["term"]) == {"coupling", "heading"} and set(table["session"]) == {"good-1", "good-2"}
    told = table[table["reason"] == ""]
    assert len(told) and (told["low_all"] <= told["low"]).all() and (told["high"] >= told["value"]).all()
    drawn = pd.read_csv(finished.results / "figures" / "good-1" / "filters-heading.csv")
    assert np.isfinite(drawn["high_all"]).any()
    assert "How sure are the filters?" in (finished.results / "report" / "index.html").read_text()


def test_terms_are_weighed_and_turned_round(finished):
    """What a term is worth is what the tables of scores say, and what is left when its rows run backwards is less."""
    worth = pd.read_parquet(finished.results / "comparison" / "worth.parquet")
    scores = pd.read_parquet(finished.results / "comparison" / "scores.parquet")
    full = scores[(scores.model == "full") & (scores.kind == "held-out") & (scores.fold == "pooled")]
    merged = worth.merge(full, on=["session", "unit"], suffixes=("", "_score"))
    assert len(merged) == len(worth) == 2 * len(full)
    np.testing.assert_allclose(merged.full, merged.deviance_explained, rtol=1e-9)
    np.testing.assert_allclose(merged.full_bits, merged.bits_per_spike, rtol=1e-9)
    controls = pd.read_parquet(finished.results / "comparison" / "controls.parquet")
    assert set(controls.control) == {"reversed_time"} and len(controls) == len(full)
    assert np.isfinite(controls.difference).all() and (finished.results / "report" / "mend.html").exists()


def test_held_out_expectations_are_checked(finished):
    table = pd.read_parquet(finished.results / "comparison" / "checks.parquet")
    assert set(table["session"]) == {"good-1", "good-2"} and set(table["model"]) == {"full"}
    assert table["ks"].notna().all() and table["slope"].median() == pytest.approx(1, abs=0.3)
    assert "Do the models fit?" in (finished.results / "report" / "index.html").read_text()


def test_every_fit_is_certified(finished):
    for path in sorted(finished.results.glob("fits/*/good-*.zarr.zip")):
        fit = nwbglm.open(path)
        meanings = fit["status"].attrs["flag_meanings"]
        meanings = meanings.split() if isinstance(meanings, str) else list(meanings)
        ok = fit["status"].values == meanings.index("ok")
        assert ok.mean() > 0.9, path
        assert fit["gap"].values[ok].max() < 1e-8
        assert fit["gradient_norm"].values[ok].max() < 1e-3


def test_a_broken_session_is_named_and_takes_nobody_down(finished):
    with pytest.raises(store.Excluded):
        nwbglm.open(finished.results / "binned" / "broken.zarr.zip")
    sessions = pd.read_parquet(finished.results / "comparison" / "sessions.parquet").set_index("session")
    assert sorted(sessions.index) == ["broken", "good-1", "good-2"]
    assert "broken.nwb" in " ".join(map(str, sessions.loc["broken"]))
    report = (finished.results / "report" / "index.html").read_text()
    assert "broken" in report and "good-1" in report
    assert json.loads((finished.results / "audit" / "broken.json").read_text())["verdict"] == "fail"


def test_every_number_traces_back(finished, recordings):
    import hashlib

    digest = hashlib.sha256((recordings / "good-1.nwb").read_bytes()).hexdigest()
    for kind, path in {
        "binned": "binned/good-1.zarr.zip",
        "features": "features/coupling/good-1.zarr.zip",
        "folds": "folds/good-1.zarr.zip",
        "fits": "fits/full/good-1.0-of-1.zarr.zip",
    }.items():
        dataset = store.read(finished.results / path, kind)
        facts = store.provenance(dataset)
        assert facts["recording"]["sha256"] == digest, path
        assert facts["versions"]["nwbglm"] == nwbglm.__version__ and facts["code"]
        assert dataset.attrs["session"] == "good-1"


def test_figures_have_their_tables(finished):
    for figure in finished.results.glob("figures/good-1/*.svg"):
        table = pd.read_csv(figure.with_suffix(".csv"))
        assert len(table) > 0 and figure.stat().st_size > 1000, figure


def test_a_second_run_does_nothing(copied):
    assert copied.plan() == {}


@pytest.mark.fault(
    "the folder of recordings is moved or renamed",
    "moved after a run",
    "at most the report runs again, and later stages find the files",
)
def test_moved_recordings_are_the_same_recordings(copied, recordings, tmp_path):
    moved = tmp_path / "elsewhere" / "data"
    shutil.copytree(recordings, moved, copy_function=shutil.copy2)
    copied.write(recordings=sources(moved, "good-1", "broken", "good-2"))
    assert set(copied.plan()) <= {"build_report", "all"}  # what names the path
    target = "results/small/binned/good-1.zarr.zip"
    before = (copied.folder / target).read_bytes()
    copied.run("--forcerun", "bin_recording", "--", target)  # which finds the file where it is now
    assert (copied.folder / target).read_bytes() == before


@pytest.mark.fault(
    "a recording is replaced by an older one",
    "content changes, its time goes back",
    "audit, binning and all behind them run again",
)
def test_a_recording_that_was_replaced_by_an_older_one_is_analysed_again(copied, recordings, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(recordings, data, copy_function=shutil.copy2)
    (data / "good-1.nwb").write_bytes((recordings / "good-2.nwb").read_bytes())
    os.utime(data / "good-1.nwb", (1e9, 1e9))
    copied.write(recordings=sources(data, "good-1", "broken", "good-2"))
    plan = copied.plan()
    assert plan["audit_recording"] == plan["bin_recording"] == plan["split_rows"] == 1
    assert plan["fit_model"] == 3 and plan["build_report"] == 1


@pytest.mark.fault("a recording is not there", "its name in the study", "said before any job")
def test_a_recording_that_is_not_there_is_said_before_any_job(copied, recordings):
    copied.write(recordings=sources(recordings, "good-1", "gone"))
    printed = copied.run("--dry-run", status=1)
    assert "recordings.gone.nwb: there is no file" in printed and "Traceback" not in printed


def test_touching_one_model_refits_that_model_only(copied):
    study = yaml.safe_load((copied.folder / "study.yaml").read_text())
    study["models"]["history"]["penalty"] = {"ridge": {"strength": 0.5}}
    (copied.folder / "study.yaml").write_text(yaml.safe_dump(study))
    plan = copied.plan()
    assert (plan.pop("fit_model"), plan.pop("predict_rates"), plan.pop("draw_session")) == (3, 3, 3)
    assert set(plan) == {"compare_models", "draw_comparison", "build_report", "all"}
    assert "bin_recording" not in plan and "build_features" not in plan


def test_a_new_model_on_existing_terms_fits_that_model_only(copied):
    study = yaml.safe_load((copied.folder / "study.yaml").read_text())
    study["models"]["heading"] = ["heading"]
    (copied.folder / "study.yaml").write_text(yaml.safe_dump(study))
    plan = copied.plan()
    assert plan["fit_model"] == 3 and "build_features" not in plan and "split_rows" not in plan


def test_a_new_term_cuts_rows_and_folds_anew(copied):
    study = yaml.safe_load((copied.folder / "study.yaml").read_text())
    study["terms"]["long"] = {"of": "own spikes", "basis": {"raised_cosine_log": {"n": 4, "window": "200 ms"}}}
    study["models"]["long"] = ["long"]
    (copied.folder / "study.yaml").write_text(yaml.safe_dump(study))
    plan = copied.plan()
    assert plan["build_features"] == 3 and plan["split_rows"] == 3 and "bin_recording" not in plan


def test_a_bad_session_stops_the_run_where_the_study_says_so(workflow, recordings):
    workflow.write(recordings=sources(recordings, "broken", "good-1"), bad_sessions="stop")
    printed = workflow.run("--until", "bin_recording", status=1)
    assert "broken.nwb" in printed
    log = (workflow.results / "logs" / "audit_recording" / "broken.log").read_text()
    assert "broken.nwb" in log and "->" in log
    assert store.read(workflow.results / "binned" / "good-1.zarr.zip").sizes["unit"] == 4


def test_joined_recordings_are_fitted_as_one_session_that_leaves_each_out(workflow, recordings):
    workflow.write(
        recordings=sources(recordings, "good-1", "good-2", "broken"),
        join={"mouse": ["good-1", "good-2", "broken"]},
        tuning={"heading": {"of": "heading", "bins": 12, "range": [0, "2 pi"], "at": "samples"}},
        fit={"penalty": {"ridge": {"strength": [1e-4, 1e-2]}}, "folds": {"cut": "sessions"}},
    )
    workflow.run()
    tables = {
        name: pd.read_parquet(workflow.results / "comparison" / f"{name}.parquet") for name in ("scores", "sessions")
    }
    held_out = tables["scores"][tables["scores"]["kind"] == "held-out"]
    assert set(held_out["session"]) == {"mouse"} and set(held_out["fold"]) == {"good-1", "good-2", "pooled"}
    sessions = tables["sessions"].set_index("session")
    assert sessions["included"].to_dict() == {"good-1": True, "good-2": True, "broken": False, "mouse": True}
    assert sessions["part_of"].to_dict() == {"good-1": "mouse", "good-2": "mouse", "broken": "mouse", "mouse": ""}
    alone, joined = (nwbglm.open(workflow.results / "binned" / f"{name}.zarr.zip") for name in ("good-1", "mouse"))
    assert joined.sizes["time"] == 2 * alone.sizes["time"]
    assert len(store.provenance(joined)["recording"]) == 2
    tuning = nwbglm.open(workflow.results / "tuning" / "mouse.zarr.zip")
    np.testing.assert_allclose(tuning["occupancy_heading"].sum(), 120.0, rtol=0.02)
    page = (workflow.results / "report" / "sessions" / "mouse.html").read_text()
    assert "This recording was left out" in page and page.count("Findings of the audit (verdict") == 3
    assert not (workflow.results / "report" / "sessions" / "good-1.html").exists()


def test_a_killed_run_leaves_nothing_half_written_and_goes_on(workflow, recordings, compiled, monkeypatch):
    compiled.lend(workflow.folder / "cache")
    monkeypatch.setenv("NWBGLM_CACHE", str(workflow.folder / "cache"))  # nobody else reads what the kill cuts off
    workflow.write(recordings=sources(recordings, "good-1", "good-2"))
    process = subprocess.Popen(
        workflow.command(),
        cwd=workflow.folder,
        env=workflow.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    deadline = time.monotonic() + HOUR
    while (
        not any(workflow.results.glob("fits/*/*.zarr.zip")) and process.poll() is None and time.monotonic() < deadline
    ):
        time.sleep(0.05)
    assert process.poll() is None, "the run ended before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    for path in workflow.results.rglob("*.zarr.zip"):
        if not path.name.startswith("."):
            store.read(path).load()
    workflow.run("--unlock")
    done = [path for path in workflow.results.glob("fits/*/*.zarr.zip")]
    printed = workflow.run()
    assert not re.search(r"rule bin_recording", printed), "what was finished is kept"
    assert len(scores(workflow)) == 2 * 4 * 3 and done
