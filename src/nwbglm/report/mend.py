"""The page of what is bad, and what to do: every weakness of the results, how far it reaches, and its mend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from nwbglm.comparison.checked import LEVEL, WHAT_TO_DO
from nwbglm.comparison.weighed import INFLATED
from nwbglm.inference.nulls import FEW_STRETCHES
from nwbglm.study import Study

from .markup import number

DRIFT = (
    "a term of time, in folds of short pieces: signals: {clock: {of: time}}; terms: {drift: {of: clock, basis: "
    "{cosine: {n: 16}}}}; fit: {folds: {blocks: 5, cut: rows, pieces: 40}}"
)
"""What takes a slow drift, as it is written in a study."""

TOLD = ("drift", "grows")
"""Keys of `WHAT_TO_DO` that the advice on drift tells already."""

NAMED = 12
"""Units that are named; of more, the first."""


class Bad(NamedTuple):
    """One weakness."""

    what: str
    where: str
    units: str
    mend: str


def mend_rows(study: Study, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """List what is bad about the results, with what to do; empty where nothing is, or nothing was looked at."""
    found = [
        *_drift(study, tables["checks"]),
        *_checks(tables["checks"]),
        *_intervals(tables["intervals"]),
        *_tests(study, tables["population"]),
        *_worth(tables["worth"]),
        *_ceiling(tables["ceiling"]),
        *_controls(tables["controls"]),
    ]
    names = {"what": "what is bad", "where": "where", "units": "units", "mend": "what to do"}
    return pd.DataFrame([one._asdict() for one in found], columns=list(names)).rename(columns=names)


def beyond_chance(hits: int, of: int) -> bool:
    """Whether more units fail a check at 5 % than a right model's would in 97.5 % of studies."""
    return of > 0 and hits > LEVEL * of + 1.96 * np.sqrt(LEVEL * (1 - LEVEL) * of)


def _drift(study: Study, checks: pd.DataFrame) -> Iterator[Bad]:
    """Recommend a term of time where what a model leaves over is correlated in time in more units than by chance."""
    for (session, model), part in checks.groupby(["session", "model"], sort=False) if len(checks) else ():
        known = part[part.interval_p.notna() | part.residual_p.notna()]
        hit = known[(known.interval_p < LEVEL) | (known.residual_p < LEVEL) | known.bad.str.contains("grows")]
        if not beyond_chance(len(hit), len(known)):
            continue
        timed = study.has_drift(study.models[model].terms)
        what = f"what '{model}' leaves over is correlated in time"
        what += ", beside its term of time" if timed else ": a drift or a state is missed, or a memory of the unit"
        mend = "more functions in the term of time, or a term of own spikes, or the state itself" if timed else DRIFT
        yield Bad(what, f"{session}", _named(hit, known), mend)


def _checks(checks: pd.DataFrame) -> Iterator[Bad]:
    """List, by model, what checks found in more units than by chance, the commonest first."""
    for (session, model), part in checks.groupby(["session", "model"], sort=False) if len(checks) else ():
        known = part[part.reason == ""]
        keys = [key for key in WHAT_TO_DO if key not in TOLD]
        of = {key: known[known.bad.str.split().map(lambda keys, key=key: key in keys)] for key in keys}
        for key, hit in sorted(of.items(), key=lambda one: -len(one[1])):
            if beyond_chance(len(hit), len(known)):
                what, _, mend = WHAT_TO_DO[key].partition(": ")
                yield Bad(f"'{model}': {what}", str(session), _named(hit, known), mend)
        for reason, hit in part[part.reason != ""].groupby("reason", sort=False):
            yield Bad(f"'{model}' was not checked: {reason}", str(session), _named(hit, part), "see how its fit ended")


def _intervals(intervals: pd.DataFrame) -> Iterator[Bad]:
    units = intervals.drop_duplicates(["session", "model", "unit"]) if len(intervals) else intervals
    for (session, model), part in units.groupby(["session", "model"], sort=False) if len(units) else ():
        for reason, hit in part[part.reason != ""].groupby("reason", sort=False):
            longer = "a path of strengths that goes on beyond its largest"
            mend = (
                longer
                if "largest of the path" in reason
                else "a ridge that is not at its path's end, or fewer functions"
            )
            yield Bad(f"'{model}' has no intervals: {reason}", session, _named(hit, part), mend)
        for warning in dict.fromkeys(part.warning[part.warning != ""]):
            mend = DRIFT if "no term of time" in warning else "see docs/inference.md"
            yield Bad(f"intervals of '{model}': {warning}", session, f"{len(part)} of {len(part)}", mend)


def _tests(study: Study, population: pd.DataFrame) -> Iterator[Bad]:
    for line in population.itertuples():
        what = f"test '{line.test}'"
        if line.stretches < FEW_STRETCHES:
            said = f"{what}: {number(line.stretches, 2)} independent stretches of its term"
            mend = "a longer recording, more sessions, or the experimenter's own draws; more shifts add nothing"
            yield Bad(said, line.session, f"{line.units} of {line.units}", mend)
        if line.least > 1:
            said = f"{what}: so few draws that {line.least} units must be significant together"
            yield Bad(said, line.session, f"{line.units} of {line.units}", "inference.tests: more `draws`")
        test = study.inference.tests[line.test]
        if test.resolved(study.rest_has_drift(line.test)).kind == "circular" and not study.rest_has_drift(line.test):
            said = f"{what}: circular shifts without a term of time beside it take drift for an effect"
            yield Bad(said, line.session, f"{line.units} of {line.units}", DRIFT)


def _worth(worth: pd.DataFrame) -> Iterator[Bad]:
    for (session, model, term), part in worth.groupby(["session", "model", "term"], sort=False) if len(worth) else ():
        hit = part[part.vif > INFLATED]
        if len(hit) > len(part) / 2:
            said = (
                f"'{term}' in '{model}': the other terms can stand in for it (inflation {number(hit.vif.median(), 3)})"
            )
            mend = "read unique and alone together; an experiment that moves them apart"
            yield Bad(said, session, _named(hit, part), mend)


def _ceiling(ceiling: pd.DataFrame) -> Iterator[Bad]:
    for (session, model), part in ceiling.groupby(["session", "model"], sort=False) if len(ceiling) else ():
        for reason, hit in part[part.reason != ""].groupby("reason", sort=False):
            yield Bad(f"ceiling of '{model}': {reason}", session, _named(hit, part), "wider windows, or more repeats")


def _controls(controls: pd.DataFrame) -> Iterator[Bad]:
    """List controls under which most units lose next to nothing; rate matching asks another thing."""
    lost = controls[controls.control != "rate_matched"] if len(controls) else controls
    for (session, name), part in lost.groupby(["session", "name"], sort=False) if len(lost) else ():
        known = part[part.difference.notna() & (part.score > 0)]
        kind, term = part.control.iloc[0], part.term.iloc[0]
        if kind == "reversed_time" and term:
            kept = known[known.difference <= 0]
            said, mend = f"turning '{term}' round costs most units nothing", "the term is not needed, or tells nothing"
        else:
            kept = known[known.controlled > known.score / 2]
            said = "most units keep more than half of their score under it"
            mend = (
                "features that all units share explain any of them: only own history and couplings can be lost so"
                if kind == "cell_shuffle"
                else "the score is of slow signals of any course: a term of time, and a test of each term"
            )
        if len(kept) > len(known) / 2:
            yield Bad(f"control '{name}': {said}", session, _named(kept, known), mend)


def _named(hit: pd.DataFrame, of: pd.DataFrame) -> str:
    """Count units and name the first."""
    units = list(dict.fromkeys(hit.unit.tolist()))
    more = f", and {len(units) - NAMED} more" if len(units) > NAMED else ""
    return f"{len(units)} of {of.unit.nunique()}: {', '.join(map(str, units[:NAMED]))}{more}"
