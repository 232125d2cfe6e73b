"""What is said at the end of a run: what was left out, lost, or did not end well, so that nobody has to look for it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from nwbglm import store
from nwbglm.figures.failed import reason_of
from nwbglm.study import Study

GO_ON = "what was finished is kept: mend what failed, and the same command goes on where it was"
MOST = 0.5
"""A term that takes away more than this share of the rows is named."""
KILLED = re.compile(r"SIGKILL|exit(?: status| code)? 137|out.of.memory|oom.kill", re.IGNORECASE)


def last_words(study: Study, results: Path) -> list[str]:
    """Say, a line each, which sessions were left out, which terms lost most rows, which fits did not end well.

    Parameters
    ----------
    study
        The study that was run.
    results
        Its folder of results, complete.
    """
    if not (results / "comparison" / "fits.parquet").exists():  # a run up to some stage
        return []
    tables = store.read_tables(results / "comparison" / f"{name}.parquet" for name in ("sessions", "fits"))
    sessions, fits = tables["sessions"], tables["fits"]
    lines = [
        f"left out: {line.session}: {' '.join(str(line.reason).split())}"
        for line in sessions[~sessions.included].itertuples()
    ]
    included = set(sessions[sessions.included].session)
    for session in study.sessions:
        if session in included:
            lines += _lost_rows(session, results / "folds" / f"{session}{store.SUFFIX}")
    bad = fits[(fits.status != "ok") & (fits.reported > 0)]
    for (model, status), mine in bad.groupby(["model", "status"], sort=False):
        total = int(fits[fits.model == model].reported.sum())
        lines.append(f"fits: {int(mine.reported.sum())} of {total} results of model '{model}' ended as {status}")
    return lines


def _lost_rows(session: str, path: Path) -> Iterator[str]:
    folds = store.read(path, "folds")
    reason = folds["reason"]
    meanings = [str(meaning) for meaning in np.atleast_1d(reason.attrs["flag_meanings"])]
    counts = np.bincount(reason.values, minlength=len(meanings))
    lost: dict[str, int] = {}
    for meaning, count in zip(meanings, counts, strict=True):
        if ":" in meaning:
            term = meaning.split(":")[0]
            lost[term] = lost.get(term, 0) + int(count)
    for term, count in lost.items():
        if count > MOST * max(1, reason.size):
            yield f"rows: {session}: {count} of {reason.size} are lost to the term '{term}' (window, missing values)"


def failed_figures(study: Study, results: Path) -> list[str]:
    """Say, a line each, which figures could not be drawn, and why.

    The report shows why, too. The files themselves go: the same command draws them again, and fails while they do.
    """
    folder = results / "figures"
    found = sorted(
        [*folder.glob("*.csv"), *(path for name in study.sessions for path in (folder / name).glob("*.csv"))]
    )
    failed = {path: reason for path in found if (reason := reason_of(path))}
    for path in failed:
        path.unlink()
        path.with_suffix(".svg").unlink(missing_ok=True)
    return [f"figure {path.relative_to(folder)}: {reason}" for path, reason in failed.items()]


def why_it_ended(logs: str | Iterable[str]) -> str:
    """Say what can be known from Snakemake's log (a path, or several) of why jobs were killed; '' where nothing is."""
    paths = [Path(path) for path in ([logs] if isinstance(logs, str) else logs)]
    if not any(KILLED.search(path.read_text(errors="replace")) for path in paths if path.exists()):
        return ""
    return (
        "a job was killed from outside (SIGKILL): mostly because the machine ran out of memory. Run fewer jobs at once "
        "(--cores), give a lower `fit: {memory: ...}` or more `unit_blocks`; the same command goes on where it was"
    )
