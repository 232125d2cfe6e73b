"""What a session's page says of its recordings: findings, what is taken, what terms cost."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from .markup import number

NOTHING_LOST: dict[str, Any] = {"terms": (), "gap": {"rows": 0, "of": 0, "sentence": ""}}


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
    return pd.DataFrame([{shown: words(f.get(key, "")) for key, shown in columns.items()} for f in findings])


def taken_lines(audit: Mapping[str, Any]) -> list[str]:
    """Say in sentences what the study takes of a recording, and which units it leaves."""
    lines = []
    for purpose, epochs in audit.get("takes", {}).get("epochs", {}).items():
        named = [str(label) for label in epochs.get("labels") or () if str(label)]
        labels = f" ({', '.join(named)})" if named else ""
        count = f"{epochs['intervals']} interval{'s' * (epochs['intervals'] != 1)}"
        lines.append(f"Epochs '{purpose}': {count}, {number(epochs['seconds'])} s{labels}.")
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


def words(value: Any) -> str:
    """Return a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
