"""The answer first: a sentence for each pair of nested models, and what stands between it and belief."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from nwbglm.comparison import POOLED, ROUNDING, headline, primary
from nwbglm.scores import by_name
from nwbglm.study import Study

from .compared import interval_of
from .evidence import evidence
from .markup import number
from .sources import Sources


class Badge(NamedTuple):
    """Something to know before an answer is believed."""

    text: str
    place: str  # where it is shown
    bad: bool


def single_terms(study: Study, summary: pd.DataFrame) -> list[Any]:
    """Return the pairs of models that nest and differ by one term, those of the largest models first.

    Where there is none, those that nest and differ by more.
    """
    nested = [line for line in summary.itertuples() if line.adds] if len(summary) else []
    single = [line for line in nested if " + " not in line.adds] or nested
    return sorted(single, key=lambda line: (-len(study.models[line.other].terms), list(study.models).index(line.model)))


def sentences(study: Study, summary: pd.DataFrame, tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Say what each term adds to the rest, and what stands behind it: a sentence for every pair of `single_terms`."""
    return [f"{_sentence(study, line)}; {evidence(study, tables, line)}." for line in single_terms(study, summary)]


def _sentence(study: Study, line: Any) -> str:
    score = by_name(line.score)
    base = study.models[line.other].terms
    to = f"to '{line.other}'" if base else "to a constant rate" if study.response is None else "to a constant"
    held = {"held-out": "", "test": "", "in-sample": " in sample, which flatters it"}[line.kind]
    verb = "adds" if line.estimate > ROUNDING else "adds nothing" if abs(line.estimate) <= ROUNDING else "takes"
    amount = "" if verb == "adds nothing" else f" {number(abs(line.estimate), 2)} {score.label}"
    where = to if verb != "takes" else f"from '{line.other}'"
    units = f"better in {line.units_better} of {line.units} unit{'s' if line.units != 1 else ''}"
    return f"'{line.adds}' {verb}{amount} {where}{held}: {units}; {interval_of(line)}"


def badges(known: Sources) -> list[Badge]:
    """Return what to know before the answer is believed, each with the place that shows it."""
    study, tables = known.study, known.tables
    sessions, fits, scores = tables["sessions"], tables["fits"], tables["scores"]
    out = [
        f"{session}: {known.reason(session)}"
        for session in (*study.sessions, *(name for join in study.join for name in study.members(join)))
        if known.reason(session)
    ]
    total = len(study.sessions)
    missing = sum(bool(known.reason(session)) for session in study.sessions)
    found = [
        Badge(
            f"{missing} of {total} sessions left out" if out else f"all {total} session{'s' if total > 1 else ''} in",
            "#cohort",
            bool(out),
        )
    ]
    if len(fits):
        results, ok = int(fits.reported.sum()), int(fits[fits.status == "ok"].reported.sum())
        words = f"{results - ok} of {results} results from fits that are not ok" if ok < results else "all fits ok"
        found.append(Badge(words, "#fits", ok < results))
    if len(scores):
        below, edge = len(below_null(study, scores)), int(at_edge(scores).sum())
        if below:
            found.append(Badge(f"{below} result{'s' if below > 1 else ''} below the null", "#look", True))
        found.append(
            Badge(
                f"{edge} strength{'s' if edge > 1 else ''} at an edge" if edge else "no strength at an edge",
                "#strengths",
                bool(edge),
            )
        )
    warned = int((sessions.verdict == "warn").sum()) if "verdict" in sessions else 0
    words = f"{warned} audit{'s' if warned > 1 else ''} with warnings" if warned else "no warning of an audit"
    found.append(Badge(words, "#cohort", bool(warned)))
    return found


def at_edge(scores: pd.DataFrame) -> pd.Series:
    """Tell, of each final fit, whether its strength ended at an edge of its path."""
    final = scores[(scores.kind == "in-sample") & (scores.fold == POOLED)]
    return final.at_edge.astype(bool)


def below_null(study: Study, scores: pd.DataFrame) -> pd.DataFrame:
    """Return the results that predict worse than the constant they are set against, whatever their status."""
    rows = headline(scores)
    if not len(rows) or (rows.kind == "in-sample").all():
        return rows.iloc[:0]
    score = primary(rows)
    with_terms = rows.model.map({name: bool(model.terms) for name, model in study.models.items()})
    return rows[(rows[score.name] < -ROUNDING) & with_terms.fillna(True).astype(bool)]


def worst_folds(scores: pd.DataFrame, rows: pd.DataFrame) -> pd.Series:
    """Say, for each of these results, in which fold it did worst, and how."""
    score = primary(scores)
    folds = scores[(scores.kind == "held-out") & (scores.fold != POOLED)]
    keys = ["session", "unit", "model"]
    mine = folds.merge(rows[keys].drop_duplicates(), on=keys)
    mine = mine[mine[score.name].notna()]
    if not len(mine):
        return pd.Series("", index=rows.index)
    worst = mine.loc[mine.groupby(keys)[score.name].idxmin()].set_index(keys)
    said = worst.fold.astype(str) + ": " + worst[score.name].map(lambda value: number(value, 3))
    return pd.Series([said.get(key, "") for key in rows[keys].itertuples(index=False, name=None)], index=rows.index)


def glance(study: Study, tables: Mapping[str, pd.DataFrame]) -> list[tuple[str, str]]:
    """Return the numbers of what went in."""
    sessions = tables["sessions"]
    included = int(sessions[sessions.session.isin(study.sessions)].included.sum()) if len(sessions) else 0
    animals = tables["units"].animal.replace("", pd.NA).nunique() if "animal" in tables["units"] else 0
    out = [("sessions", f"{included} of {len(study.sessions)}"), ("units", str(len(tables["units"])))]
    if animals:
        out.insert(0, ("animals", str(animals)))
    if len(tables["scores"]):
        rows = headline(tables["scores"])
        what = {"test": "the test epochs", "held-out": "held-out folds", "in-sample": "the rows fitted (in sample)"}
        out.append(("scored on", what[rows.kind.iloc[0]]))
        if study.response is None:
            one = rows[rows.model == rows.model.iloc[0]]
            out.append(("spikes scored", f"{int(one.spikes.sum())}"))
        out.append(("bins scored", f"{int(rows.groupby('session').rows.max().sum())}"))
    return out
