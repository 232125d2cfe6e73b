"""A small report of two synthetic sessions and one that was left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pandas as pd
from synthetic_stores import head_direction_session, study_of

from nwbglm import comparison, figures, report, store
from nwbglm.figures.style import csv_text, svg_text
from nwbglm.report.gathered import as_text, gather
from nwbglm.study import Study

REASON = "no interval of 'epochs' fulfils tags == 'wake'"
AUDIT = {
    "session": "mouse-1",
    "verdict": "warn",
    "sha256": "ab" * 32,
    "recording": {"file": "mouse-1.nwb", "sha256": "ab" * 32},
    "contents": {"units": {"count": 7, "ids": [1, 2, 3, 7, 8, 11, 12]}},
    "takes": {
        "epochs": {"use": {"intervals": 1, "seconds": 40.0, "labels": ["wake"]}},
        "units": {"selected": 5, "of": 7, "ids": [3, 7, 8, 11, 12]},
    },
    "findings": [{"code": "x", "level": "warn", "path": "units", "seen": "3 <spikes> repeat", "mend": "dropped"}],
}


class SmallReport(NamedTuple):
    """A report and what it was built from."""

    study: Study
    tables: dict[str, pd.DataFrame]
    figures: dict[str, dict[str, tuple[str, str]]]
    overall: dict[str, tuple[str, str]]
    gathered: dict[str, str]
    files: dict[str, str | bytes]
    reason: str
    build: Callable[[], dict[str, str | bytes]]


def audit_pages(study: Study) -> dict[str, str]:
    """Return a page for the audit of each recording."""
    head = '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Audit</title></head>'
    return {name: f"{head}<body><main><h1>Audit of {name}</h1></main></body></html>" for name in study.recordings}


def small_report() -> SmallReport:
    """Draw and build everything of the small report."""
    sessions = [head_direction_session("mouse-1"), head_direction_session("mouse-2", seed=3, silent_unit=True)]
    names = ("mouse-1", "mouse-2", "mouse-3")
    study = study_of(sessions[0], recordings={name: {"nwb": f"{name}.nwb"} for name in names})
    tables = comparison.compare_models(
        [fit for session in sessions for fit in session.fits.values()],
        binned=[session.binned for session in sessions],
        audits=[AUDIT],
        excluded={"mouse-3": REASON},
    )
    drawn = {session.name: _draw_all(study, session) for session in sessions}
    overall = {}
    for name in figures.overall_figures_of(study):
        figure, table = figures.draw_overall(name, study=study, **tables)
        overall[name] = svg_text(figure), csv_text(table)
    gathered = {
        session.name: as_text(gather(study, **{k: v for k, v in session._asdict().items() if k != "name"}))
        for session in sessions
    }
    provenance: dict[str, Any] = {session.name: store.provenance(session.binned) for session in sessions}

    def build() -> dict[str, str | bytes]:
        return report.build_report(
            study,
            tables,
            {"mouse-1": AUDIT},
            drawn,
            overall,
            provenance,
            audit_pages=audit_pages(study),
            gathered=gathered,
        )

    return SmallReport(study, tables, drawn, overall, gathered, build(), REASON, build)


def _draw_all(study: Study, session) -> dict[str, tuple[str, str]]:
    stores = {key: value for key, value in session._asdict().items() if key != "name"}
    texts = {}
    for name in figures.figures_of(study):
        figure, table = figures.draw_session(name, study=study, **stores)
        texts[name] = svg_text(figure), csv_text(table)
    return texts
