"""What jobs cost, for the plan: measured on studies of several sizes, and the model that is fitted to it.

    python benchmarks/cost.py measure              run small studies of several sizes, and keep what their jobs took
    python benchmarks/cost.py add STUDY [RESULTS]  keep what the jobs of a finished run of your own took
    python benchmarks/cost.py fit                  fit the model that `nwbglm plan` and the rules use; say how well

Kept in benchmarks/cost.csv: a row is a job, with its rule, its work (`nwbglm.planning.work`), CPU seconds and peak of
memory as the system counted them (Snakemake's benchmark files). Seconds are those of the machine that ran it.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import yaml
from scipy.optimize import nnls

from nwbglm.planning import model
from nwbglm.planning.plan import benchmark_of
from nwbglm.planning.sizes import Size, size_of
from nwbglm.planning.work import held_megabytes, jobs_of, work_of
from nwbglm.study import Study, load_study

REPOSITORY = Path(__file__).resolve().parent.parent
KEPT = REPOSITORY / "benchmarks" / "cost.csv"

COUNTS = 12.0
"""Bytes that a job has for each count, at least."""
HELD = 0.5
"""Share of the features it may hold that a job does hold, at least."""


def mean_size(study: Study, results: Path) -> Size:
    """Return the mean size of a study's sessions."""
    sizes = [size_of(study, session, results) for session in study.sessions]
    count = len(sizes)
    return Size(
        sum(size.rows for size in sizes) // count,
        sum(size.units for size in sizes) // count,
        sum(size.spikes for size in sizes) // count,
        sum(size.megabytes for size in sizes) / count,
        all(size.known for size in sizes),
    )


def measured(study: Study, results: Path) -> list[dict]:
    """Return a row for each job of a finished run."""
    rows = []
    for job in jobs_of(study):
        path = benchmark_of(results, job)
        if not path.exists():
            continue
        size = size_of(study, job.session, results) if job.session else mean_size(study, results)
        took = next(csv.DictReader(path.read_text(encoding="utf-8").splitlines(), delimiter="\t"))
        if took["cpu_time"] == "NA":
            continue
        work = work_of(study, job, size) | {"held": held_megabytes(study, job, size)}
        rows.append(
            {
                "study": study.study,
                "rule": job.rule,
                "seconds": took["cpu_time"],
                "megabytes": took["max_rss"],
                "work": json.dumps({name: float(f"{value:.6g}") for name, value in work.items()}),
            }
        )
    return rows


def keep(rows: list[dict]) -> None:
    """Add rows to the kept ones; those of the same study are replaced."""
    old = list(csv.DictReader(KEPT.open(encoding="utf-8"))) if KEPT.exists() else []
    new = {row["study"] for row in rows}
    with KEPT.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows([row for row in old if row["study"] not in new] + rows)


def run(study: Path, folder: Path) -> Path:
    """Run a study in a folder; return its results."""
    subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile")),
            *("--directory", str(folder), "--cores", "1", "--configfile", str(study), "--quiet"),
        ],
        check=True,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY / "src")},
    )
    return folder / "results" / load_study(study).study


def studies() -> dict[str, dict]:
    """Return small studies of several sizes: rows, units, columns and strengths vary on their own."""
    base = yaml.safe_load((REPOSITORY / "config" / "demo_head_direction.yaml").read_text(encoding="utf-8"))
    base["recordings"] = {"a": {"nwb": {"simulate": {"kind": "head_direction", "seed": 1}}}}
    made = {}
    for name, first, fit in (
        ("cost-short", "60 s", {}),
        ("cost-long", "240 s", {}),
        ("cost-few", "240 s", {"penalty": {"ridge": {"strength": 1e-3}}, "folds": {"blocks": 2}}),
    ):
        study = json.loads(json.dumps(base)) | {"study": name}
        study["epochs"]["use"]["first"] = first
        study["fit"] |= fit
        study["figures"]["window"]["start"] = "0 s"
        made[name] = study
    return made


def fit() -> None:
    """Fit the model: sums with coefficients of at least 0, wrong by a small factor rather than by few seconds."""
    rows = list(csv.DictReader(KEPT.open(encoding="utf-8")))
    rules = {}
    for rule in dict.fromkeys(row["rule"] for row in rows):
        mine = [row for row in rows if row["rule"] == rule]
        works = [json.loads(row["work"]) for row in mine]
        names = sorted({name for work in works for name in work})
        rules[rule] = {}
        for what in ("seconds", "megabytes"):
            took = np.array([float(row[what]) for row in mine])
            used = ["megabytes", "held"] if what == "megabytes" else [name for name in names if name != "held"]
            used = [name for name in used if name in names]
            matrix = np.array([[1.0] + [work.get(name, 0.0) for name in used] for work in works])
            known = np.zeros(len(mine))
            if what == "megabytes":  # half of what is held of features, and copies of counts, small as they are here
                known = np.array([HELD * work["held"] + COUNTS * work.get("counts", 0.0) for work in works])
                known = np.minimum(known, took / 2)
            weights, _ = nnls(matrix / took[:, None], (took - known) / took)
            each = {name: float(f"{w:.4g}") for name, w in zip(used, weights[1:], strict=True) if w > 0}
            if what == "megabytes":
                each |= {"held": each.get("held", 0.0) + HELD, "counts": COUNTS}
            rules[rule][what] = {"base": float(f"{weights[0]:.4g}"), "each": each}
            said = known + matrix @ weights
            print(
                f"{rule:20} {what:10} {len(mine):4} jobs, sum said / took {said.sum() / took.sum():5.2f}, "
                f"largest factor {np.exp(np.abs(np.log(said / took)).max()):5.2f}"
            )
    rules["other"] = rules["build_features"]
    for lacking, like in {
        "weigh_terms": "infer_filters",
        "join_recordings": "bin_recording",
        "download_recording": "audit_recording",
    }.items():
        rules.setdefault(lacking, rules.get(like, rules["other"]))
    text = json.dumps({"machine": machine(), "jobs": len(rows), "rules": rules}, indent=1, sort_keys=True)
    model.PLACE.write_text(text + "\n", encoding="utf-8")


def machine() -> str:
    """Name the processor."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["measure", "add", "fit"])
    parser.add_argument("study", nargs="?")
    parser.add_argument("results", nargs="?")
    parsed = parser.parse_args()
    if parsed.what == "add":
        study = load_study(parsed.study)
        keep(measured(study, Path(parsed.results or f"results/{study.study}")))
    elif parsed.what == "measure":
        for name, plain in studies().items():
            with tempfile.TemporaryDirectory() as folder:
                place = Path(folder) / f"{name}.yaml"
                place.write_text(yaml.safe_dump(plain, sort_keys=False), encoding="utf-8")
                keep(measured(load_study(place), run(place, Path(folder))))
    fit()


if __name__ == "__main__":
    main()
