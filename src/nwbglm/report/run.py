"""How a run was made: the facts that a third party needs to repeat it, read where it ran."""

from __future__ import annotations

import csv
import datetime
import hashlib
import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def run_facts(results: Path, project: Path) -> dict[str, Any]:
    """Return date, machine, commit, lock and the cost of each stage.

    Parameters
    ----------
    results
        The study's folder of results, for its `benchmarks`.
    project
        The folder of the project, for its commit and its lock.
    """
    lock = project / "locks" / "run.txt"
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{platform.system()} {platform.release()}, {platform.machine()}, {os.cpu_count()} cores",
        "commit": _commit(project),
        "lock": lock.read_text(encoding="utf-8") if lock.is_file() else "",
        "costs": stage_costs(results / "benchmarks"),
    }


def _commit(project: Path) -> str:
    """Return the commit of the code, and whether it was changed since; '' where that is not known."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(project), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        commit = git("rev-parse", "HEAD")
        changed = git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.TimeoutExpired):  # no git here
        return ""
    return f"{commit}, changed since" if commit and changed else commit


def stage_costs(benchmarks: Path) -> list[dict[str, Any]]:
    """Return, for each stage, its jobs, their seconds and CPU seconds together, and the largest memory of one (MB)."""
    costs = []
    for stage in sorted(benchmarks.iterdir()) if benchmarks.is_dir() else ():
        files = sorted(stage.rglob("*.tsv")) if stage.is_dir() else [stage]
        rows = [row for path in files for row in _rows(path)]
        if rows:
            costs.append(
                {
                    "stage": stage.stem,
                    "jobs": len(rows),
                    "seconds": round(sum(_value(row, "s") for row in rows), 1),
                    "CPU seconds": round(sum(_value(row, "cpu_time") for row in rows), 1),
                    "largest memory (MB)": round(max(_value(row, "max_rss") for row in rows)),
                }
            )
    return costs


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def _value(row: Mapping[str, str], name: str) -> float:
    """Return a number of a benchmark; 0 where it was not measured (short jobs have '-' or 'NA')."""
    try:
        return float(row.get(name, "0"))
    except ValueError:
        return 0.0


def digest(text: str) -> str:
    """Return the sha256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()
