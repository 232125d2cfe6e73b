"""Build the report's files from tables, audits and figures, one after the other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from nwbglm.comparison import POOLED
from nwbglm.figures import figures_of, overall_figures_of
from nwbglm.figures.style import csv_text
from nwbglm.study import Study, read_study

from . import paths
from .answer import single_terms
from .archive import TABLES_BYTES, pack
from .benchmarks_page import benchmarks_page
from .contributions import contribution_table
from .index_page import index_page, mend_page, sessions_page, units_page
from .overview import study_text
from .render import Renderer, attribute
from .session_page import session_page
from .sources import SAME_TABLE, Sources
from .text import visible

MOST_ROWS = 300_000
"""Rows of a packed table; a longer one comes without its folds, which stay in the folder of results."""


def build_report(
    study: Study | Mapping[str, Any], tables: Mapping[str, pd.DataFrame], *arguments: Any, **settings: Any
) -> dict[str, str | bytes]:
    """Build every file of the report; see `report_parts`.

    Returns
    -------
    dict
        Contents by path, for exactly the paths of `report_files(study)`.
    """
    return dict(report_parts(study, tables, *arguments, **settings))


def report_parts(
    study: Study | Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    audits: Mapping[str, Mapping[str, Any]],
    figures: Mapping[str, Mapping[str, tuple[str, str]]],
    overall_figures: Mapping[str, tuple[str, str]],
    provenance: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    audit_pages: Mapping[str, str],
    lost: Mapping[str, Mapping[str, Any]] | None = None,
    gathered: Mapping[str, str] | None = None,
    run: Mapping[str, Any] | None = None,
) -> Iterator[tuple[str, str | bytes]]:
    """Build the report's files, one by one, so that those of a large study need not be in memory together.

    Parameters
    ----------
    study
        The study, or its dump.
    tables
        What `nwbglm.comparison.compare_models` returns.
    audits
        By session: the audit of its recording.
    figures
        By session and figure: the SVG and the CSV.
    overall_figures
        By figure: the SVG and the CSV.
    audit_pages
        By recording: the page of its audit.
    lost
        By session: what its terms and the gap of its folds cost (a ``folds`` store's attribute `lost`).
    gathered
        By session: what `report.gathered.gather` found, as JSON.
    run
        How the run was made (see `report.run.run_facts`).
    provenance
        By session: where its numbers come from (see `nwbglm.store.provenance`).

    Yields
    ------
    path, content
        In the order in which they are to be written: the index last.
    """
    study = study if isinstance(study, Study) else read_study(dict(study), "study")
    known = Sources(study, tables, audits, overall_figures, provenance or {}, lost or {}, run or {})
    renderer = Renderer(study)
    for session in study.sessions:
        drawn = figures.get(session, {})
        archive, left = pack(_session_tables(study, drawn), TABLES_BYTES // len(study.sessions))
        yield paths.session_tables(session), archive
        found = json.loads((gathered or {}).get(session, "{}"))
        known.small[session] = {name: found[name] for name in ("folds", "paths", "calibration") if name in found}
        yield paths.session_page(session), session_page(renderer, known, session, drawn, left, found)
    for recording in study.recordings:
        yield paths.audit_page(recording), with_way_back(study, recording, audit_pages[recording])
    overall = _overall_tables(study, overall_figures)
    shown = single_terms(study, known.pair_summary)
    if shown:
        overall["contributions.csv"] = csv_text(contribution_table(tables["pairs"], tables["units"], shown))
    yield paths.FIGURE_TABLES, pack(overall, TABLES_BYTES)[0]
    yield paths.STUDY, study_text(study)
    yield paths.LOCK, (run or {}).get("lock") or "# not known\n"
    yield paths.BENCHMARKS, benchmarks_page(renderer, known)
    for name in paths.COMPARISON_TABLES:
        yield paths.comparison_table(name), csv_text(tables[name])
    for name in paths.PACKED_TABLES:
        yield paths.comparison_table(name), pack({f"{name}.csv": csv_text(_bounded(tables[name]))}, 2**40)[0]
    yield paths.UNITS, units_page(renderer, known)
    yield paths.MEND, mend_page(renderer, known)
    yield paths.SESSIONS, sessions_page(renderer, known)
    yield paths.INDEX, index_page(renderer, known, figures)


def with_way_back(study: Study, recording: str, page: str) -> str:
    """Return an audit's page, which also stands alone, with links to the report and to the session."""
    home = next((name for name in study.join if recording in study.members(name)), recording)
    way = Markup('<nav aria-label="The report"><a href="../index.html">{}</a> <a href="../{}">{}</a></nav>').format(
        visible(study.study), paths.session_page(attribute(home)), visible(home)
    )
    return page.replace("<body>", f"<body>\n{way}", 1)


def _session_tables(study: Study, drawn: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """Return the tables behind a session's figures; what a table of the comparison holds is not written again."""
    names = [name for name in figures_of(study) if name not in SAME_TABLE]
    return {f"{name}.csv": drawn[name][1] for name in names if name in drawn}


def _overall_tables(study: Study, drawn: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    return {f"{name}.csv": drawn[name][1] for name in overall_figures_of(study) if name not in SAME_TABLE}


def _bounded(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with its folds, where there is room for them."""
    if len(table) <= MOST_ROWS or "fold" not in table:
        return table
    return table[(table.fold == POOLED) | (table.kind == "test")]
