"""The pages over all sessions: the index, all units, all sessions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import pandas as pd

from nwbglm.comparison import unpaired
from nwbglm.figures import OVERALL, overall_figures_of

from . import paths
from .answer import badges, glance, sentences, single_terms
from .cohort import session_rows
from .compared import model_rows, pair_rows
from .contributions import contributions
from .flow import flow_rows
from .inference import inferred
from .markup import html_table
from .mend import mend_rows
from .methods import paragraphs
from .overview import provenance_rows, recovery_rows, study_text
from .pictures import calibration, fold_map, strength_paths
from .render import Renderer
from .run import digest
from .sources import Sources, drawn, score_words
from .trust import WORST, fit_rows, trouble_rows
from .units import unit_rows, unit_table

MAPPED = 25
"""Sessions whose folds the index draws; each session's page has its own."""
FEW = 60
"""Sessions that the index lists; of more, it lists those that were left out, and leads to the page of all."""


def index_page(renderer: Renderer, known: Sources, figures: Mapping[str, Mapping[str, tuple[str, str]]]) -> str:
    """Write the page that opens the report."""
    study, tables = known.study, known.tables
    sessions = session_rows(known)
    text = study_text(study)
    label, rate = score_words(known)
    shown = single_terms(study, known.pair_summary)
    few = [(session, found.get("folds", ())) for session, found in known.small.items()][:MAPPED]
    troubles = trouble_rows(study, tables["scores"])
    return renderer.page(
        "index.html.j2",
        answers=sentences(study, known.pair_summary, tables),
        badges=badges(known),
        glance=glance(study, tables),
        main=contributions(tables["pairs"], tables["units"], shown),
        flow=html_table(flow_rows(known), caption="From recordings to results"),
        folds=fold_map(few),
        mapped=len(few) < len(known.small),
        paths=strength_paths(study.models, [found.get("paths", {}) for found in known.small.values()], label),
        calibration=calibration(study.models, [found.get("calibration", {}) for found in known.small.values()], rate),
        run=known.run,
        lock_digest=digest(known.run["lock"]) if known.run.get("lock") else "",
        sessions=_sessions(sessions),
        every=len(sessions) <= FEW,
        models=html_table(model_rows(study, tables["scores"]), caption="Models: medians over units"),
        inferred=inferred(study, tables),
        apart=[reason for _, _, reason in unpaired(tables["scores"])],
        pairs=html_table(pair_rows(study, tables["pairs"], known.pair_summary), caption="Paired differences of models"),
        figures=[
            drawn(
                name,
                known.overall_figures[name],
                OVERALL,
                archive=paths.FIGURE_TABLES,
                root="",
                continuous=known.continuous,
                left={},
                prefix=f"f{place}",
            )
            for place, name in enumerate(overall_figures_of(study))
        ],
        recovered=html_table(recovery_rows(figures), caption="Truth recovered, over the simulated sessions"),
        fits=html_table(fit_rows(tables["fits"]), caption="How the fits ended, by model"),
        troubles=html_table(
            troubles,
            caption="Results to look at, the worst first",
            most=WORST,
            whole=paths.comparison_table("scores"),
        ),
        methods=paragraphs(study),
        provenance=html_table(
            provenance_rows(known.audits, known.provenance, tables["sessions"]),
            caption="Where the numbers come from",
            whole=paths.comparison_table("sessions"),
        ),
        study_text=text,
        study_digest=hashlib.sha256(text.encode()).hexdigest(),
        comparison_tables=[
            (name, paths.comparison_table(name)) for name in (*paths.COMPARISON_TABLES, *paths.PACKED_TABLES)
        ],
    )


def _sessions(rows: pd.DataFrame) -> str:
    shown = rows if len(rows) <= FEW else rows[rows["in or out"] == "out"]
    return html_table(shown, raw=("session",), caption="Sessions, and the recordings that they join")


def units_page(renderer: Renderer, known: Sources) -> str:
    """Write the page of all units."""
    table, data = unit_table(unit_rows(known.study, known.tables))
    return renderer.page("units.html.j2", table=table, data=data, units=len(known.tables["units"]))


def sessions_page(renderer: Renderer, known: Sources) -> str:
    """Write the page of all sessions."""
    rows = session_rows(known)
    table = html_table(rows, raw=("session",), caption="Sessions, and the recordings that they join", most=len(rows))
    return renderer.page("sessions.html.j2", table=table)


def mend_page(renderer: Renderer, known: Sources) -> str:
    """Write the page of what is bad, and what to do."""
    rows = mend_rows(known.study, known.tables)
    looked = any(len(known.tables[name]) for name in ("checks", "intervals", "population", "worth", "controls"))
    table = html_table(rows, caption="What is bad, and what to do", most=len(rows))
    return renderer.page("mend.html.j2", rows=table, looked=looked)
