"""The card of a unit: all that is known of it in one place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from nwbglm.comparison import POOLED, headline, primary
from nwbglm.comparison.checked import WHAT_TO_DO
from nwbglm.study import Study

from .compared import KINDS, rounded
from .markup import html_table, number
from .sparks import sparkline
from .text import visible

CARDED = ("units", "scores", "checks")
"""Tables that a card speaks of."""
ROOM = 1_600_000
"""Bytes that the cards of a session may take; where there are many units, their panels become fewer."""
FULL, SMALL = 4_500, 2_600
"""Bytes of a card with all its panels, and of one without its rates."""
STATUS_WORDS = {
    "ok": "the fit ended well",
    "no_spikes": "no spike in the training rows: nothing to learn from, the rate is 0",
    "separable": "the likelihood has no maximum (some direction grows for ever): coefficients mean nothing, rates do",
    "rank_deficient": "the rows do not determine all coefficients: the rates are right, the coefficients one choice",
    "not_converged": "stopped before the gap was met: do not trust it",
    "unresolved": "a feature hardly varies and was taken for a constant",
}
"""What a status says (`engine.status`)."""


def unit_cards(study: Study, tables: Mapping[str, pd.DataFrame], gathered: Mapping[str, Any]) -> list[Markup]:
    """Return a card for each unit of one session.

    Parameters
    ----------
    study
        The study.
    tables
        The comparison's, the session's rows of each.
    gathered
        What `report.gathered.gather` found; may be empty.
    """
    units = tables["units"]
    room = ROOM // max(1, len(units))
    places = {unit: place for place, unit in enumerate(gathered.get("unit", []))}
    rows = {name: dict(list(table.groupby("unit"))) if len(table) else {} for name, table in tables.items()}
    score = primary(headline(tables["scores"])) if len(tables["scores"]) else None
    cards = []
    for line in units.itertuples(index=False):
        unit = int(line.unit)
        mine = {name: groups.get(line.unit, tables[name].iloc[:0]) for name, groups in rows.items()}
        panels = list(_panels(study, gathered, places[unit], _shown(study, line), room)) if unit in places else []
        best = getattr(line, "best_model", None)
        said = f", best: {best}" if isinstance(best, str) else ""
        if score is not None and isinstance(best, str):
            said += f", {number(getattr(line, score.name), 3)} {score.label}"
        known = [(name, getattr(line, name)) for name in units if name.isidentifier() and name not in HIDDEN]
        facts = Markup("; ").join(
            Markup("{}: {}").format(visible(name.replace("_", " ")), visible(number(value, 3))) for name, value in known
        )
        cards.append(
            Markup(
                '<details class="card"><summary>unit {0}{1}</summary><div id="unit-{0}"><p class="quiet">{2}</p>{3}{4}'
                '<div class="sparks">{5}</div></div></details>'
            ).format(unit, visible(said), facts, _scores(mine["scores"], unit), _said(mine), Markup("").join(panels))
        )
    return cards


HIDDEN = {"session", "unit", "best_model", "notes", "bits_per_spike", "bits_per_bin"}
"""Columns of the units table that a card says elsewhere."""


def _shown(study: Study, line: Any) -> list[str]:
    """Return the models whose curves are drawn: the best one, and the one of most terms."""
    largest = max(study.models, key=lambda name: len(study.models[name].terms))
    best = getattr(line, "best_model", None)
    return list(dict.fromkeys([best, largest] if isinstance(best, str) else [largest]))


def _scores(scores: pd.DataFrame, unit: int) -> Markup:
    """Write a unit's scores: what each model earned on data that it never saw, and on its own."""
    if not len(scores):
        return Markup("")
    score = primary(scores)
    shown = scores[(scores.fold == POOLED) | (scores.kind == "test")]
    wide = shown.pivot(index="model", columns="kind", values=score.name)
    kinds = [kind for kind in KINDS if kind in wide]
    reported = headline(scores).set_index("model")
    lines = [
        {
            "model": model,
            **{f"{score.label}, {KINDS[kind]}": rounded(wide.loc[model, kind]) for kind in kinds},
            "strength": reported.strength.get(model),
            "seen": reported.observed_rate.get(model),
            "expected": reported.predicted_rate.get(model),
            "status": reported.status.get(model),
        }
        for model in dict.fromkeys(shown.model)
    ]
    return html_table(pd.DataFrame(lines), caption=f"Unit {unit}: scores")


def _said(mine: Mapping[str, pd.DataFrame]) -> Markup:
    """Say in words how a unit's fits ended, which score below their null, and what its checks found."""
    scores = mine["scores"]
    lines = []
    if len(scores):
        pooled = scores[(scores.fold == POOLED) | (scores.kind == "test")]
        for status, part in pooled[pooled.status != "ok"].groupby("status", sort=False):
            lines.append(f"{', '.join(dict.fromkeys(part.model))}: {STATUS_WORDS.get(str(status), status)}.")
    checks = mine.get("checks")
    for check in checks.itertuples() if checks is not None and len(checks) else ():
        words = [WHAT_TO_DO[key] for key in str(check.bad).split()] or ["nothing is bad about its fit"]
        lines.append(f"{check.model}, checked: {check.reason or '; '.join(words)}.")
    return Markup("").join(Markup("<p>{}</p>").format(visible(line)) for line in lines)


def _panels(study: Study, gathered: Mapping[str, Any], place: int, models: list[str], room: int) -> Iterator[Markup]:
    """Draw a unit's curves: rate over time, tunings, filters; fewer where there is little room."""
    if room < SMALL:
        return
    if room >= FULL and gathered.get("rate"):
        yield _panel(gathered["rate"], place, models)
    for curves in gathered.get("tuning", {}).values():
        yield _panel(curves, place, models)
    for term, curves in gathered.get("filters", {}).items():
        users = [model for model in models if model in curves["models"]] or list(curves["models"])[-1:]
        named = [(model, curves["models"][model][place]) for model in users[:1]]
        yield sparkline(named, f"{term} in {users[0]}: {curves['label']}", ends=curves["ends"])


def _panel(curves: Mapping[str, Any], place: int, models: list[str]) -> Markup:
    shown = [model for model in models if model in curves["models"]]
    lines = [("data", curves["data"][place]), *((model, curves["models"][model][place]) for model in shown)]
    words = ", ".join([f"{curves['label']} (data", *shown]) + ")"
    return sparkline(lines, words, ends=curves.get("ends", ()))
