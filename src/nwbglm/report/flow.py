"""From the recordings that a study names to the results: what is lost at every step, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from .answer import below_null
from .sources import Sources


class Step(NamedTuple):
    """What is left after a step, and what was lost in it."""

    what: str
    kept: int
    lost: int
    why: str


def flow_rows(known: Sources) -> pd.DataFrame:
    """Return the flow as a table."""
    steps = list(_steps(known))
    return pd.DataFrame(
        [{"what": step.what, "left": step.kept, "dropped": step.lost or "", "why": step.why} for step in steps]
    )


def _steps(known: Sources) -> Iterator[Step]:
    study, tables = known.study, known.tables
    yield Step("recordings that the study names", len(study.recordings), 0, "")
    if study.join:
        parts = sum(len(study.members(name)) for name in study.join)
        why = f"{parts} recordings are parts of sessions"
        yield Step("sessions, once recordings are joined", len(study.sessions), 0, why)
    reasons = Counter(reason for session in study.sessions if (reason := known.reason(session)))
    included = len(study.sessions) - sum(reasons.values())
    yield Step("sessions analysed", included, sum(reasons.values()), _counted(reasons))
    sessions = tables["sessions"]
    if not included or not len(sessions):
        return
    mine = sessions[sessions.included & sessions.session.isin(study.sessions)]
    units, stored = len(tables["units"]), mine.units_in_file
    if stored.notna().all() and len(stored):
        yield Step("units in their files", int(stored.sum()), 0, "")
        lost = int(stored.sum()) - units
        yield Step("units analysed", units, lost, "not selected by the study" if lost else "")
    else:
        yield Step("units analysed", units, 0, "")
    yield Step("bins in the epochs 'use' of these sessions", int(mine.bins.sum()), 0, "")
    taken = Counter[str]()
    for session in mine.session:
        for one in known.lost.get(session, {}).get("terms", ()):
            taken[f"'{one['term']}'"] += int(one["alone"])
    said = "; ".join(f"{count} by the term {term} alone" for term, count in taken.most_common() if count)
    bins, fitted = int(mine.bins.sum()), int(mine.rows_fitted.fillna(0).sum())
    why = "outside the epochs that are fitted, or a term is not known there" + (f": {said}" if said else "")
    yield Step("bins fitted", fitted, bins - fitted, why if bins > fitted else "")
    fits = tables["fits"]
    if len(fits):
        results = int(fits.reported.sum())
        bad = fits[fits.status != "ok"].groupby("status").reported.sum()
        counted = Counter({str(status): int(count) for status, count in bad.items() if count})
        yield Step("results (a unit, a model, all rows or a fold)", results, 0, "")
        yield Step(
            "of these, from fits that ended well",
            results - sum(counted.values()),
            sum(counted.values()),
            _counted(counted),
        )
    below = below_null(study, tables["scores"])
    if len(below):
        yield Step("results below their null, kept and listed", len(below), 0, "they predict worse than a constant")


def _counted(reasons: Counter[str], most: int = 6) -> str:
    parts = [f"{count}: {' '.join(reason.split())}" for reason, count in reasons.most_common(most)]
    rest = sum(reasons.values()) - sum(count for _, count in reasons.most_common(most))
    return "; ".join(parts + ([f"{rest} for other reasons"] if rest else []))
