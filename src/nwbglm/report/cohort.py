"""What went in, and what was left out."""

from __future__ import annotations

import pandas as pd
from markupsafe import Markup

from . import paths
from .render import attribute
from .sources import Sources
from .text import visible


def session_rows(known: Sources) -> pd.DataFrame:
    """Return the cohort as it is shown: one row a session and recording of the study, out ones too."""
    study, sessions = known.study, known.tables["sessions"]
    by_name = sessions.set_index("session") if len(sessions) else sessions
    home = {member: name for name in study.join for member in study.members(name)}
    animals = bool("animal" in sessions and sessions.animal.ne("").any())
    rows = []
    for session in [*study.join, *study.recordings]:
        line = by_name.loc[session] if session in by_name.index else pd.Series(dtype=object)
        findings = [finding for name in study.members(session) for finding in known.findings(name)]
        page = attribute(home.get(session, session))
        rows.append(
            {
                "session": Markup('<a href="{}"><bdi>{}</bdi></a>').format(paths.session_page(page), visible(session)),
                **({"part of": home.get(session, "")} if home else {}),
                **({"animal": line.get("animal", "")} if animals else {}),
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
