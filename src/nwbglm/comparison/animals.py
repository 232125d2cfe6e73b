"""Which animal a session is of: sessions of one animal are no independent witnesses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd


def animals_of(
    audits: Iterable[Mapping[str, Any]], home: Mapping[str, str] | None = None, named: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the animal of each recording and joined session; '' where nobody says which.

    Parameters
    ----------
    audits
        Audits of the recordings, which hold the file's own `subject_id`.
    home
        The joined session of a recording.
    named
        The study's table (`inference.animals`), which goes before the files.
    """
    named, home = named or {}, home or {}
    found = {}
    for audit in audits:
        recording = str(audit["session"])
        found[recording] = named.get(recording, str(audit.get("recording", {}).get("subject", "")).strip())
    for session in dict.fromkeys(home.values()):
        members = {found.get(recording, "") for recording, of in home.items() if of == session}
        found[session] = named.get(session, members.pop() if len(members) == 1 else "")
    return found | dict(named)


def with_animals(table: pd.DataFrame, animals: Mapping[str, str]) -> pd.DataFrame:
    """Put each row's animal beside its session."""
    if "session" not in table:
        return table
    table = table.copy()
    table.insert(list(table).index("session") + 1, "animal", [animals.get(session, "") for session in table["session"]])
    return table


def levels_of(table: pd.DataFrame, levels: Iterable[str] = ("animal", "session")) -> tuple[str, ...]:
    """Return the levels that a table's rows can be arranged by, from the top down.

    Animals count where every session's is known and there are two or more: sessions of one animal speak of it alone,
    and where one animal is unknown it may be any of the others.
    """
    if "animal" in levels and "animal" in table and table["animal"].ne("").all() and table["animal"].nunique() > 1:
        return ("animal", "session")
    return ("session",)
