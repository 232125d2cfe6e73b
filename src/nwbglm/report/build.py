"""Build the report's pages from tables, audits and figures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any, NamedTuple

import pandas as pd
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from nwbglm.comparison import POOLED, ROUNDING, headline, primary, summarise_models, summarise_pairs, unpaired
from nwbglm.figures import FIGURES, OVERALL, figures_of, overall_figures_of, words_of
from nwbglm.figures.catalogue import FigureSpec
from nwbglm.figures.style import csv_text
from nwbglm.scores import PROBABILITY, SCORES, Score, by_name
from nwbglm.study import Study, read_study

from . import paths
from .inferred import checked_rows, checked_units, interval_rows
from .markup import html_table, inline_svg, number
from .methods import paragraphs


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
            tests=html_table(population_rows(self.study, self.tables["population"], self.tables["tests"])),
            tested_units=html_table(test_rows(self.tables["tests"])),
            intervals=html_table(interval_rows(self.tables["intervals"])),
            checks=html_table(checked_rows(self.tables["checks"])),
            checked_units=html_table(checked_units(self.tables["checks"])),
            apart=[reason for _, _, reason in unpaired(scores)],
            pairs=html_table(pair_rows(pairs, self.study.seed)),
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


# ------------------------------------------------------------------------------------------------ what tables show


def at_a_glance(study: Study, tables: Mapping[str, pd.DataFrame]) -> list[tuple[str, str]]:
    """Return the numbers that open the report: what went in, what won, how the fits ended."""
    scores, fits, sessions = tables["scores"], tables["fits"], tables["sessions"]
    included = int(sessions[sessions.session.isin(study.sessions)].included.sum()) if len(sessions) else 0
    out = [("sessions", f"{included} of {len(study.sessions)}"), ("units", str(len(tables["units"])))]
    if len(scores):
        score = primary(headline(scores))
        reported = summarise_models(headline(scores))
        reported = reported[reported[f"{score.name}_median"].notna()]
        if len(reported):
            best = reported.loc[reported[f"{score.name}_median"].idxmax()]
            out.append(("best median score", f"{best.model}: {number(best[f'{score.name}_median'])} {score.label}"))
        out.append(("fits that ended well", f"{int(fits[fits.status == 'ok'].fits.sum())} of {int(fits.fits.sum())}"))
    return out


NOTHING_LOST: dict[str, Any] = {"terms": (), "gap": {"rows": 0, "of": 0, "sentence": ""}}
KINDS = {"test": "test epochs", "held-out": "held out (folds)", "in-sample": "in-sample"}


def model_rows(study: Study, scores: pd.DataFrame) -> pd.DataFrame:
    """Return the comparison of models as it is shown: medians over units, with quartiles."""
    summary = summarise_models(scores)
    shown = [score for score in SCORES if score.summarised and len(summary) and _adds(score, summary)]
    rows = []
    for line in summary.itertuples() if len(summary) else ():
        rows.append(
            {
                "model": line.model,
                "terms": " + ".join(study.models[line.model].terms) or "(constant)",
                "scored": KINDS[line.kind],
                "units": line.units,
                "parameters": _parameters(line),
                **{score.label: _with_quartiles(line, score) for score in shown},
            }
        )
    order = {kind: i for i, kind in enumerate(KINDS.values())}
    table = pd.DataFrame(rows)
    return table.sort_values("scored", key=lambda column: column.map(order), kind="stable") if rows else table


def _adds(score: Score, summary: pd.DataFrame) -> bool:
    """Whether a score is known, and says more than bits per spike do."""
    known = summary[f"{score.name}_median"].notna()
    return bool(known.any()) and not (
        score.name == "bits_per_bin" and summary.bits_per_spike_median[known].notna().all()
    )


def _parameters(line: Any) -> str:
    """Write the median number of parameters, and how many of them a penalty left free."""
    if pd.isna(line.parameters_median):
        return ""
    effective = number(line.effective_parameters_median, 3)
    return f"{line.parameters_median:.0f} (effective {effective})"


def _with_quartiles(line: Any, score: Score) -> str:
    parts = (getattr(line, f"{score.name}_{part}") for part in ("median", "q25", "q75"))
    median, low, high = map(_rounded, parts)
    if pd.isna(median):
        return ""
    quartiles = f" ({number(low, score.digits)} to {number(high, score.digits)})" if line.units > 1 else ""
    return number(median, score.digits) + quartiles


def _rounded(value: float) -> float:
    return 0.0 if abs(value) < ROUNDING else value


INTERVALS = {"t": "t", "hierarchical": "bootstrap", "none": ""}


def pair_rows(pairs: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return the paired differences as they are shown."""
    summary = summarise_pairs(pairs, seed)
    rows = []
    for line in summary.itertuples() if len(summary) else ():
        score = by_name(line.score)
        interval = f"{number(line.low, 3)} to {number(line.high, 3)} ({INTERVALS[line.method]})"
        rows.append(
            {
                "model": line.model,
                "minus": line.other,
                "unique to the first": line.adds or "(not nested)",
                "units": line.units,
                "units better": line.units_better,
                f"difference ({score.label})": line.estimate,
                "sessions": line.sessions,
                "95 % over sessions": interval if pd.notna(line.low) else "(one session: no interval)",
                "same rows": "yes" if line.same_rows else "no",
            }
        )
    return pd.DataFrame(rows)


def population_rows(study: Study, population: pd.DataFrame, tests: pd.DataFrame) -> pd.DataFrame:
    """Return, for each test and session, how many units the term is significant in, and what chance would give."""
    rows = []
    for line in population.itertuples():
        test = study.inference.tests[line.test]
        mine = tests[(tests.test == line.test) & (tests.session == line.session)]
        chance = f"{number(line.null_median)} ({number(line.null_low)} to {number(line.null_high)})"
        rows.append(
            {
                "test": line.test,
                "term": test.term,
                "in": test.model,
                "session": line.session,
                "null": mine.null.iloc[0],
                "units": line.units,
                f"significant ({study.inference.fdr.method.upper()} {study.inference.fdr.level:g})": line.significant,
                "p ≤ 0.05 alone": line.alone,
                "of these by chance": chance if pd.notna(line.null_median) else "",
                "population p": number(line.p, 2),
                "held-out gain (median)": number(mine.held_out_gain.median(), 3),
                "independent stretches": number(line.stretches, 2),
                "to be said": _said_of(line, mine),
            }
        )
    return pd.DataFrame(rows)


def _said_of(line: Any, tests: pd.DataFrame) -> str:
    """Collect what stands between the tests of a session and a conclusion, each thing once with its number of units."""
    words = [part for warning in tests.warning for part in warning.split("; ") if part]
    said = [f"{word} ({words.count(word)} units)" for word in dict.fromkeys(words)]
    if line.least > 1:
        said.append(f"with so many draws the correction accepts {line.least} units together, or none")
    return "; ".join(said)


def test_rows(tests: pd.DataFrame) -> pd.DataFrame:
    """Return the tests of units as they are shown, smallest p first."""
    columns = {
        "test": "test", "session": "session", "unit": "unit", "term": "term", "p": "p", "p_bh": "p (BH)",
        "p_by": "p (BY)", "held_out_gain": "held-out gain", "statistic": "statistic",
        "null_median": "its null's median", "null_q95": "95 % of the null", "draws": "draws",
        "stretches": "independent stretches", "warning": "to be said",
    }  # fmt: skip
    return tests.sort_values(["test", "p"], kind="stable")[list(columns)].rename(columns=columns)


def fit_rows(fits: pd.DataFrame) -> pd.DataFrame:
    """Return, by model and status over sessions, the numbers of fits and their certificates."""
    if not len(fits):
        return fits
    grouped = fits.groupby(["model", "status"], sort=False)
    table = grouped.agg(
        fits=("fits", "sum"),
        reported=("reported", "sum"),
        gradient_norm=("gradient_norm", "max"),
        gap=("gap", "max"),
        iterations=("iterations_max", "max"),
    ).reset_index()
    return table.rename(
        columns={
            "reported": "of these, behind a result",
            "gradient_norm": "largest gradient norm",
            "gap": "largest gap",
            "iterations": "most iterations",
        }
    )


def trouble_rows(scores: pd.DataFrame) -> pd.DataFrame:
    """List units whose reported fit did not end well, and strengths and dispersions that ended on a bound."""
    if not len(scores):
        return scores
    rows = scores[(scores.fold == POOLED) | (scores.kind == "test")]
    score, counted = primary(rows), (rows.measure == PROBABILITY).any()
    rows = rows[(rows.status != "ok") | ((rows.at_edge | rows.at_bound) & (rows.kind == "in-sample"))]
    return pd.DataFrame(
        {
            "session": rows.session,
            "unit": rows.unit,
            "model": rows.model,
            "scored": rows.kind.map(KINDS),
            "status": rows.status,
            "strength at the path's edge": rows.at_edge.map({True: "yes", False: ""}),
            "dispersion on its bound": rows.at_bound.map({True: "yes", False: ""}),
            **({"spikes": rows.spikes} if counted else {}),
            score.label: rows[score.name],
        }
    )


def lost_table(lost: Mapping[str, Any]) -> pd.DataFrame:
    """Return what each term of a session costs, in rows."""
    return pd.DataFrame(
        [
            {
                "term": one["term"],
                "rows to be fitted": one["fitted"],
                "lost: window leaves the epochs": one["window"],
                "lost: outside bounds or levels": one["outside"],
                "lost: value missing": one["missing"],
                "lost by this term alone": one["alone"],
                "features that hardly vary": f"{one['constant'] + one['rare']} of {one['features']}"
                if one["features"]
                else "",
            }
            for one in lost["terms"]
        ]
    )


def lost_lines(lost: Mapping[str, Any]) -> list[str]:
    """Say what is much of what terms and the gap cost, with the mend."""
    lines = [
        f"{one['term']}: {seen}. To mend it: {mend}." for one in lost["terms"] for _, seen, mend in one["sentences"]
    ]
    gap = lost["gap"]
    if gap["sentence"]:
        lines.append(gap["sentence"])
    elif gap["rows"]:
        lines.append(
            f"The gap around the tested pieces takes {gap['rows']:.0f} of {gap['of']:.0f} training rows a fold."
        )
    return lines


def finding_rows(audit: Mapping[str, Any]) -> pd.DataFrame:
    """Return an audit's findings as they are shown, worst first."""
    columns = {"level": "level", "path": "where", "seen": "what was seen", "mend": "what to do"}
    findings: Sequence[Mapping[str, Any]] = audit.get("findings", [])
    return pd.DataFrame([{shown: _words(f.get(key, "")) for key, shown in columns.items()} for f in findings])


def recovery_rows(figures: Mapping[str, Mapping[str, tuple[str, str]]]) -> pd.DataFrame:
    """Summarise, over the simulated sessions, how well each model's estimates recover the truth."""
    tables = [pd.read_csv(StringIO(drawn["truth"][1])) for drawn in figures.values() if "truth" in drawn]
    known = [table.drop_duplicates(["quantity", "model"]) for table in tables if "quantity" in table]
    if not known:
        return pd.DataFrame()
    grouped = pd.concat(known).groupby(["quantity", "model"], sort=False)
    table = grouped.agg(
        sessions=("correlation", "size"),
        correlation=("correlation", "median"),
        lowest=("correlation", "min"),
        error=("relative_error", "median"),
        highest=("relative_error", "max"),
    ).reset_index()
    names = {"correlation": "correlation (median)", "error": "relative error (median)"}
    return table.rename(columns=names)


def taken_lines(audit: Mapping[str, Any]) -> list[str]:
    """Say in sentences what the study takes of a recording, and which units it leaves."""
    lines = []
    for purpose, epochs in audit.get("takes", {}).get("epochs", {}).items():
        labels = f" ({', '.join(map(str, epochs['labels']))})" if epochs.get("labels") else ""
        lines.append(f"Epochs '{purpose}': {epochs['intervals']} intervals, {number(epochs['seconds'])} s{labels}.")
    response = audit.get("takes", {}).get("response")
    if response:
        units = f" ({response['units']})" if response["units"] else ""
        lines.append(f"Response: {response['name']}{units} of {response['source']}.")
        lines.append(
            f"Units taken ({response['selected']} of {response['of']}): {', '.join(map(str, response['ids']))}."
        )
        return lines
    every = audit.get("contents", {}).get("units", {}).get("ids", [])
    chosen = audit.get("takes", {}).get("units", {}).get("ids", [])
    if chosen:
        lines.append(f"Units taken ({len(chosen)}): {', '.join(map(str, chosen))}.")
    left = [unit for unit in every if unit not in set(chosen)]
    if left and chosen:
        lines.append(f"Units left out by the study's selection ({len(left)}): {', '.join(map(str, left))}.")
    return lines


def _words(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def provenance_rows(
    audits: Mapping[str, Mapping[str, Any]], provenance: Mapping[str, Mapping[str, Any]], sessions: pd.DataFrame
) -> Markup:
    """Return where the numbers come from, one row a session; the settings are in the study below it."""
    rows = []
    for session in sessions.session if len(sessions) else ():
        known, recording = provenance.get(session, {}), audits.get(session, {}).get("recording", {})
        versions = known.get("versions", {})
        rows.append(
            {
                "session": session,
                "file": _words(recording.get("file", "")),
                "identifier": _words(recording.get("identifier", "")),
                "NWB": _words(recording.get("nwb_version", "")),
                "sha256": _words(audits.get(session, {}).get("sha256", "")),
                "binned by code": _words(known.get("code", "")),
                "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
            }
        )
    return html_table(pd.DataFrame(rows))


def study_text(study: Study) -> str:
    """Return the validated study, defaults included, as YAML."""
    return yaml.safe_dump(study.dump(), sort_keys=False, allow_unicode=True, width=100)
