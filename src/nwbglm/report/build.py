"""Build the report's pages from tables, audits and figures."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from nwbglm.comparison import unpaired
from nwbglm.figures import FIGURES, OVERALL, figures_of, overall_figures_of, words_of
from nwbglm.figures.catalogue import FigureSpec
from nwbglm.figures.style import csv_text
from nwbglm.study import Study, read_study

from . import paths
from .compared import model_rows, pair_rows
from .inference import inferred
from .markup import html_table, inline_svg, number
from .methods import paragraphs
from .overview import at_a_glance, provenance_rows, recovery_rows, study_text
from .recordings import NOTHING_LOST, finding_rows, lost_lines, lost_table, taken_lines
from .trust import fit_rows, trouble_rows


class Drawn(NamedTuple):
    """A figure on a page."""

    name: str
    title: str
    caption: str
    svg: Markup
    table: str  # address of its table, relative to the page


def build_report(
    study: Study | Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    audits: Mapping[str, Mapping[str, Any]],
    figures: Mapping[str, Mapping[str, tuple[str, str]]],
    overall_figures: Mapping[str, tuple[str, str]],
    provenance: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    audit_pages: Mapping[str, str],
    lost: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, str]:
    """Build every file of the report.

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
    provenance
        By session: where its numbers come from (see `nwbglm.store.provenance`).

    Returns
    -------
    dict
        Text by path, for exactly the paths of `report_files(study)`.
    """
    study = study if isinstance(study, Study) else read_study(dict(study), "study")
    pages = _Pages(study, tables, audits, provenance or {}, lost or {})
    files = {"index.html": pages.index(overall_figures, recovery_rows(figures))}
    for session in study.sessions:
        drawn = figures.get(session, {})
        files[paths.session_page(session)] = pages.session(session, drawn)
        for name in figures_of(study):
            files[paths.session_table(session, name)] = drawn[name][1] if name in drawn else "message\nnot drawn\n"
    files |= {paths.audit_page(recording): audit_pages[recording] for recording in study.recordings}
    for name in overall_figures_of(study):
        files[paths.overall_table(name)] = overall_figures[name][1]
    for name in paths.COMPARISON_TABLES:
        files[paths.comparison_table(name)] = csv_text(tables[name])
    return files


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("nwbglm.report"),
        autoescape=select_autoescape(["html", "j2"], default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    return environment


class _Pages:
    """Renders pages; holds what they share."""

    def __init__(
        self,
        study: Study,
        tables: Mapping[str, pd.DataFrame],
        audits: Mapping[str, Mapping[str, Any]],
        provenance: Mapping[str, Mapping[str, Any]],
        lost: Mapping[str, Mapping[str, Any]],
    ):
        self.study, self.tables, self.audits = study, tables, audits
        self.provenance, self.lost = provenance, lost
        self.environment = _environment()

    def _render(self, template: str, **values: Any) -> str:
        loader = self.environment.loader
        assert loader is not None  # `_environment` gives one
        css, _, _ = loader.get_source(self.environment, "report.css")
        return self.environment.get_template(template).render(css=Markup(css), study=self.study, **values)

    def index(self, overall: Mapping[str, tuple[str, str]], recovered: pd.DataFrame) -> str:
        scores, pairs, fits = (self.tables[name] for name in ("scores", "pairs", "fits"))
        drawn = [
            _drawn(name, overall[name], OVERALL, paths.overall_table(name), continuous=self.continuous)
            for name in overall_figures_of(self.study)
        ]
        return self._render(
            "index.html.j2",
            glance=at_a_glance(self.study, self.tables),
            sessions=html_table(self._session_rows(), raw=("session",)),
            models=html_table(model_rows(self.study, scores)),
            inferred=inferred(self.study, self.tables),
            apart=[reason for _, _, reason in unpaired(scores)],
            pairs=html_table(pair_rows(self.study, pairs)),
            figures=drawn,
            recovered=html_table(recovered),
            fits=html_table(fit_rows(fits)),
            troubles=html_table(trouble_rows(scores)),
            units=html_table(self.tables["units"]),
            methods=paragraphs(self.study),
            provenance=provenance_rows(self.audits, self.provenance, self.tables["sessions"]),
            study_text=study_text(self.study),
            study_digest=hashlib.sha256(study_text(self.study).encode()).hexdigest(),
            comparison_tables=[(name, paths.comparison_table(name)) for name in paths.COMPARISON_TABLES],
        )

    def _session_rows(self) -> pd.DataFrame:
        """Return the cohort as it is shown: one row a session and recording of the study, out ones too."""
        known = self.tables["sessions"]
        known = known.set_index("session") if len(known) else known
        rows = []
        home = {member: name for name in self.study.join for member in self.study.members(name)}
        for session in [*self.study.join, *self.study.recordings]:
            line = known.loc[session] if session in known.index else pd.Series(dtype=object)
            findings = [finding for name in self.study.members(session) for finding in self._findings(name)]
            page = paths.session_page(home.get(session, session))
            part = {"part of": home.get(session, "")} if home else {}
            rows.append(
                {
                    "session": Markup('<a href="{0}">{1}</a>').format(page, session),
                    **part,
                    "in or out": "in" if line.get("included", False) else "out",
                    "why": line.get("reason", "") or ("" if line.get("included", False) else "no results"),
                    "units in the file": line.get("units_in_file"),
                    "units analysed": line.get("units"),
                    "duration (s)": line.get("duration"),
                    "bins fitted": line.get("rows_fitted"),
                    "audit findings": len(findings),
                }
            )
        return pd.DataFrame(rows)

    def _findings(self, recording: str) -> Sequence[Mapping[str, Any]]:
        return self.audits.get(recording, {}).get("findings", [])

    @property
    def continuous(self) -> bool:
        """Whether the study explains a continuous response."""
        return self.study.response is not None

    def session(self, session: str, drawn: Mapping[str, tuple[str, str]]) -> str:
        tables = self.tables
        reason = _reason(tables["sessions"], session)
        units = tables["units"]
        mine = {name: _of_session(tables[name], session) for name in ("scores", "fits", "units")}
        figures = [
            _drawn(name, drawn[name], FIGURES, f"../{paths.session_table(session, name)}", continuous=self.continuous)
            for name in figures_of(self.study)
            if name in drawn
        ]
        return self._render(
            "session.html.j2",
            session=session,
            reason=reason,
            recordings=[self._recording(name) for name in self.study.members(session)],
            lost=html_table(lost_table(self.lost.get(session, NOTHING_LOST))),
            lost_lines=lost_lines(self.lost.get(session, NOTHING_LOST)),
            models=html_table(model_rows(self.study, mine["scores"])),
            troubles=html_table(trouble_rows(mine["scores"])),
            fits=html_table(fit_rows(mine["fits"])),
            units=html_table(mine["units"].drop(columns="session") if len(units) else units),
            figures=figures if not reason else [],
        )

    def _recording(self, name: str) -> dict[str, Any]:
        """Return what a session's page says of one of its recordings."""
        audit = self.audits.get(name, {})
        return {
            "name": name,
            "source": self.study.recordings[name].nwb,
            "audit": audit,
            "findings": html_table(finding_rows(audit)),
            "taken": taken_lines(audit),
            "page": f"../{paths.audit_page(name)}",
            "reason": _reason(self.tables["sessions"], name),
        }


def _of_session(table: pd.DataFrame, session: str) -> pd.DataFrame:
    return table[table.session == session] if len(table) else table


def _reason(sessions: pd.DataFrame, session: str) -> str:
    """Return why a session was left out; '' where it was not."""
    mine = _of_session(sessions, session)
    if not len(mine):
        return "no results"
    return "" if bool(mine.included.iloc[0]) else str(mine.reason.iloc[0])


def _drawn(
    name: str, texts: tuple[str, str], registry: Mapping[str, FigureSpec], table: str, *, continuous: bool
) -> Drawn:
    title, caption = words_of(name, registry, continuous=continuous)
    svg = inline_svg(texts[0], prefix=name, label=title)
    return Drawn(name, title, caption, svg, table)
