"""Which files a report consists of, decided from the study alone."""

from __future__ import annotations

from nwbglm.study import Study

COMPARISON_TABLES = (
    "units",
    "sessions",
    "fits",
    "tests",
    "population",
    "checks",
    "ceiling",
    "controls",
    "preferences",
    "selection",
)
"""Those of the comparison's tables that stand in the report as they are; intervals are with each session's figures."""
PACKED_TABLES = ("scores", "pairs", "worth")
"""Those that are packed: they have a row for every unit and model, two models, or term."""
INDEX, UNITS, SESSIONS, MEND = "index.html", "units.html", "sessions.html", "mend.html"
STUDY, LOCK = "study.yaml", "environment.txt"
"""The validated study, and the packages that a run installs, by their hashes."""
BENCHMARKS = "benchmarks.html"
"""When and where the report was built, and what each stage cost: all that differs between two runs of a study."""
FIGURE_TABLES = "tables/figures.zip"
"""The tables behind the figures over all sessions."""


def session_page(session: str) -> str:
    """Return the path of a session's page inside the report."""
    return f"sessions/{session}.html"


def audit_page(recording: str) -> str:
    """Return the path of a recording's audit inside the report."""
    return f"audits/{recording}.html"


def session_tables(session: str) -> str:
    """Return the path of the archive of the tables behind a session's figures."""
    return f"tables/sessions/{session}.zip"


def comparison_table(name: str) -> str:
    """Return the path of a table of the comparison."""
    return f"tables/{name}.{'zip' if name in PACKED_TABLES else 'csv'}"


def report_files(study: Study) -> list[str]:
    """List every file of a study's report, relative to its folder; ``index.html`` comes first."""
    return [
        INDEX,
        UNITS,
        SESSIONS,
        MEND,
        STUDY,
        LOCK,
        BENCHMARKS,
        *(session_page(session) for session in study.sessions),
        *(audit_page(recording) for recording in study.recordings),
        *(session_tables(session) for session in study.sessions),
        FIGURE_TABLES,
        *(comparison_table(name) for name in (*COMPARISON_TABLES, *PACKED_TABLES)),
    ]
