"""Which files a report consists of, decided from the study alone."""

from __future__ import annotations

from nwbglm.figures.catalogue import figures_of, overall_figures_of
from nwbglm.study import Study

COMPARISON_TABLES = ("scores", "pairs", "units", "sessions", "fits", "tests", "population", "checks")
"""Those of the comparison's tables that the report holds; intervals on filters are with each session's figures."""


def session_page(session: str) -> str:
    """Return the path of a session's page inside the report."""
    return f"sessions/{session}.html"


def audit_page(recording: str) -> str:
    """Return the path of a recording's audit inside the report."""
    return f"audits/{recording}.html"


def session_table(session: str, figure: str) -> str:
    """Return the path of the table behind a session's figure."""
    return f"tables/{session}/{figure}.csv"


def overall_table(figure: str) -> str:
    """Return the path of the table behind a figure over all sessions."""
    return f"tables/figure-{figure}.csv"


def comparison_table(name: str) -> str:
    """Return the path of a table of the comparison."""
    return f"tables/{name}.csv"


def report_files(study: Study) -> list[str]:
    """List every file of a study's report, relative to its folder; ``index.html`` comes first."""
    return [
        "index.html",
        *(session_page(session) for session in study.sessions),
        *(audit_page(recording) for recording in study.recordings),
        *(session_table(session, figure) for session in study.sessions for figure in figures_of(study)),
        *(overall_table(figure) for figure in overall_figures_of(study)),
        *(comparison_table(name) for name in COMPARISON_TABLES),
    ]
