"""Truth recovered, where numbers come from, and the study as a text."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO
from typing import Any

import pandas as pd
import yaml

from nwbglm.study import Study

from .recordings import words


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


def provenance_rows(
    audits: Mapping[str, Mapping[str, Any]], provenance: Mapping[str, Mapping[str, Any]], sessions: pd.DataFrame
) -> pd.DataFrame:
    """Return where the numbers come from, one row a session; the settings are in the study below it."""
    rows = []
    for session in sessions.session if len(sessions) else ():
        known, recording = provenance.get(session, {}), audits.get(session, {}).get("recording", {})
        versions = known.get("versions", {})
        rows.append(
            {
                "session": session,
                "file": words(recording.get("file", "")),
                "identifier": words(recording.get("identifier", "")),
                "NWB": words(recording.get("nwb_version", "")),
                "sha256": words(audits.get(session, {}).get("sha256", "")),
                "binned by code": words(known.get("code", "")),
                "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
            }
        )
    return pd.DataFrame(rows)


def study_text(study: Study) -> str:
    """Return the validated study, defaults included, as YAML."""
    return yaml.safe_dump(study.dump(), sort_keys=False, allow_unicode=True, width=100)
