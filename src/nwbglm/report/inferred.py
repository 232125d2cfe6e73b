"""What the report shows of intervals on filters."""

from __future__ import annotations

import pandas as pd

METHODS = {"block": "sandwich of blocks", "laplace": "curvature alone"}


def interval_rows(intervals: pd.DataFrame) -> pd.DataFrame:
    """Return, for each model and session, how many units have intervals, and what is to be said of them."""
    units = intervals.drop_duplicates(["session", "model", "unit"])
    rows = []
    for (session, model), part in units.groupby(["session", "model"], sort=False):
        told = part[part.reason == ""]
        reasons = part.reason[part.reason != ""].value_counts(sort=False)
        said = [f"{count} without: {reason}" for reason, count in reasons.items()]
        said += [warning for warning in dict.fromkeys(part.warning) if warning]
        rows.append(
            {
                "model": model,
                "session": session,
                "units with intervals": f"{len(told)} of {len(part)}",
                "level": part.level.iloc[0],
                "method": METHODS[part.method.iloc[0]],
                "blocks (median)": told.blocks.median(),
                "to be said": "; ".join(said),
            }
        )
    return pd.DataFrame(rows)
