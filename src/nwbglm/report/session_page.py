"""The page of one session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nwbglm.figures import FIGURES, figures_of

from . import paths
from .cards import CARDED, unit_cards
from .compared import model_rows
from .markup import html_table
from .pictures import calibration, fold_map, strength_paths
from .recordings import NOTHING_LOST, finding_rows, lost_lines, lost_table, taken_lines
from .render import Renderer
from .sources import Sources, drawn, score_words
from .svg import model_class
from .trust import fit_rows, trouble_rows

ROOT = "../"


def session_page(
    renderer: Renderer,
    known: Sources,
    session: str,
    figures: Mapping[str, tuple[str, str]],
    left: Mapping[str, int],
    gathered: Mapping[str, Any],
) -> str:
    """Write a session's page.

    Parameters
    ----------
    renderer, known
        What all pages share.
    session
        Its name.
    figures
        The SVG and the CSV by figure.
    left
        Tables that found no room in the session's archive, with their sizes.
    gathered
        What `report.gathered.gather` found; may be empty.
    """
    study, reason = known.study, known.reason(session)
    shown = [
        drawn(
            name,
            figures[name],
            FIGURES,
            archive=paths.session_tables(session),
            root=ROOT,
            continuous=known.continuous,
            left=left,
            prefix=f"f{place}",
        )
        for place, name in enumerate(figures_of(study))
        if name in figures and not reason
    ]
    scores = known.of_session("scores", session)
    lost = known.lost.get(session, NOTHING_LOST)
    label, rate = score_words(known)
    before, after = _neighbours(list(study.sessions), session)
    return renderer.page(
        "session.html.j2",
        root=ROOT,
        session=session,
        before=before,
        after=after,
        reason=reason,
        recordings=[_recording(known, name) for name in study.members(session)],
        lost=html_table(lost_table(lost), caption="What each term costs, in rows"),
        lost_lines=lost_lines(lost),
        models=html_table(
            model_rows(study, scores), caption="Scores: medians over this session's units (quartiles in brackets)"
        ),
        troubles=html_table(
            trouble_rows(study, scores),
            caption="Results to look at, the worst first",
            whole=ROOT + paths.comparison_table("scores"),
        ),
        folds=fold_map([(session, gathered.get("folds", ()))]),
        paths=strength_paths(study.models, [gathered.get("paths", {})], label),
        calibration=calibration(study.models, [gathered.get("calibration", {})], rate),
        fits=html_table(fit_rows(known.of_session("fits", session)), caption="How the fits ended, by model"),
        cards=list(unit_cards(study, {name: known.of_session(name, session) for name in CARDED}, gathered)),
        figures=shown,
        toggles=[
            (model, model_class(model)) for model in study.models if any(_marked(one.svg, model) for one in shown)
        ],
    )


def _marked(svg: str, model: str) -> bool:
    return f'class="{model_class(model)}"' in svg


def _neighbours(sessions: list[str], session: str) -> tuple[str, str]:
    """Return the sessions before and after one in the study; '' at the ends."""
    place = sessions.index(session)
    return (sessions[place - 1] if place else "", sessions[place + 1] if place + 1 < len(sessions) else "")


def _recording(known: Sources, name: str) -> dict[str, Any]:
    """Return what a session's page says of one of its recordings."""
    audit = known.audits.get(name, {})
    return {
        "name": name,
        "source": known.study.recordings[name].nwb,
        "audit": audit,
        "findings": html_table(finding_rows(audit), caption="Findings of the audit"),
        "taken": taken_lines(audit),
        "page": ROOT + paths.audit_page(name),
        "reason": known.reason(name),
    }
