"""The card of a unit: all that is known of it in one place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from nwbglm.comparison import POOLED, headline, primary
from nwbglm.comparison.checked import WHAT_TO_DO
from nwbglm.scores import Score
from nwbglm.study import Study

from .compared import KINDS, rounded
from .markup import number
from .sparks import sparkline
from .text import visible

CARDED = ("units", "scores", "checks")
"""Tables that a card speaks of."""
ROOM, ALL_ROOM = 1_600_000, 56_000_000
"""Bytes that the cards of a session, and of all, may take; where there are many, their panels become fewer."""
FULL, SMALL = 4_000, 2_500
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


def unit_cards(study: Study, tables: Mapping[str, pd.DataFrame], gathered: Mapping[str, Any]) -> Iterator[Markup]:
    """Yield a card for each unit of one session.

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
    room = min(ROOM, ALL_ROOM // len(study.sessions)) // max(1, len(units))
    places = {unit: place for place, unit in enumerate(gathered.get("unit", []))}
    scores, checks = _score_lines(tables["scores"]), _by_unit(tables["checks"])
    score = primary(headline(tables["scores"])) if len(tables["scores"]) else None
    told = [str(name) for name in units if name not in HIDDEN]
    for line in units.to_dict("records"):
        unit, best = int(line["unit"]), line.get("best_model")
        panels = list(_panels(study, gathered, places[unit], _shown(study, best), room)) if unit in places else []
        said = f", best: {best}" if isinstance(best, str) else ""
        if score is not None and isinstance(best, str):
            said += f", {number(line[score.name], 3)} {score.label}"
        facts = "; ".join(f"{name.replace('_', ' ')}: {number(line[name], 3)}" for name in told)
        mine = scores.get(unit, [])
        yield Markup(
            '<details class="card"><summary>unit {0}{1}</summary><div id="unit-{0}"><p class="quiet">{2}</p>{3}{4}'
            '<div class="sparks">{5}</div></div></details>'
        ).format(
            unit,
            visible(said),
            visible(facts),
            _scores(mine, score, unit),
            _said(mine, checks.get(unit, [])),
            Markup("").join(panels),
        )


def _by_unit(table: pd.DataFrame) -> dict[int, list[dict[str, Any]]]:
    """Return the rows of a table by unit, as plain values."""
    rows: dict[int, list[dict[str, Any]]] = {}
    for row in table.to_dict("records") if len(table) else ():
        rows.setdefault(int(row["unit"]), []).append(row)
    return rows


def _score_lines(scores: pd.DataFrame) -> dict[int, list[dict[str, Any]]]:
    """Return the pooled scores by unit."""
    if not len(scores):
        return {}
    score = primary(scores).name
    shown = scores[(scores.fold == POOLED) | (scores.kind == "test")]
    columns = ["unit", "model", "kind", score, "strength", "observed_rate", "predicted_rate", "status"]
    return _by_unit(shown[columns])


HIDDEN = {"session", "unit", "best_model", "notes", "bits_per_spike", "bits_per_bin"}
"""Columns of the units table that a card says elsewhere."""


def _shown(study: Study, best: Any) -> list[str]:
    """Return the models whose curves are drawn: the best one, and the one of most terms."""
    largest = max(study.models, key=lambda name: len(study.models[name].terms))
    return list(dict.fromkeys([best, largest] if isinstance(best, str) else [largest]))


def _scores(rows: Sequence[Mapping[str, Any]], score: Score | None, unit: int) -> Markup:
    """Write a unit's scores: what each model earned on data that it never saw, and on its own."""
    if not rows or score is None:
        return Markup("")
    kinds = [kind for kind in KINDS if any(row["kind"] == kind for row in rows)]
    head = ["model", *(f"{score.label}, {KINDS[kind]}" for kind in kinds), "strength", "seen", "expected", "status"]
    lines = []
    for model in dict.fromkeys(row["model"] for row in rows):
        mine = {row["kind"]: row for row in rows if row["model"] == model}
        reported = mine[next(kind for kind in KINDS if kind in mine)]
        numbers = [
            *(rounded(mine[kind][score.name]) if kind in mine else None for kind in kinds),
            *(reported[name] for name in ("strength", "observed_rate", "predicted_rate")),
        ]
        cells = "".join(f"<td>{number(value, 3)}</td>" for value in numbers)
        lines.append(f"<tr><td>{visible(model)}</td>{cells}<td>{visible(reported['status'])}</td></tr>")
    named = "".join(f'<th scope="col">{visible(text)}</th>' for text in head)
    label = f"Unit {unit}: scores"
    return Markup(
        f'<div class="table" tabindex="0" role="region" aria-label="{label}"><table><caption>{label}</caption>'
        f"<thead><tr>{named}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _said(scores: Sequence[Mapping[str, Any]], checks: Sequence[Mapping[str, Any]]) -> Markup:
    """Say in words how a unit's fits ended, and what its checks found."""
    bad: dict[str, list[str]] = {}
    for row in scores:
        if row["status"] != "ok":
            bad.setdefault(str(row["status"]), []).append(str(row["model"]))
    lines = [
        f"{', '.join(dict.fromkeys(models))}: {STATUS_WORDS.get(status, status)}." for status, models in bad.items()
    ]
    for check in checks:
        words = [WHAT_TO_DO[key] for key in str(check["bad"]).split()] or ["nothing is bad about its fit"]
        lines.append(f"{check['model']}, checked: {check['reason'] or '; '.join(words)}.")
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
