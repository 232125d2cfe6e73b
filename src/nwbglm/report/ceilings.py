"""What the report shows of the ceilings of repeated stimuli."""

from __future__ import annotations

import pandas as pd

from .markup import number

SEEN = 0.5
"""Share of windows whose stimulus was trained on, above which it is said."""


def ceiling_rows(ceiling: pd.DataFrame) -> pd.DataFrame:
    """Return, for each model and session, what could be explained and what is: medians over units."""
    rows = []
    for (session, model), part in ceiling.groupby(["session", "model"], sort=False) if len(ceiling) else ():
        told = part[part.share.notna()]
        reasons = part.reason[part.reason != ""].value_counts(sort=False)
        said = [f"{count} units: {reason}" for reason, count in reasons.items()]
        if (told.seen > SEEN).any():
            said.append(
                "held-out rows show the model stimuli that it was trained on in other repeats; "
                "`folds: {cut: within_epochs}` holds out stimuli"
            )
        rows.append(
            {
                "model": model,
                "session": session,
                "units": f"{len(told)} of {len(part)}",
                "repeats": number(told.repeats.median()),
                "windows": number(told.windows.median()),
                "of (s)": part.width.iloc[0],
                "signal to noise": number(told.snr.median(), 3),
                "explainable share": _range(told, "share", "share_low", "share_high"),
                "correlation": number(told.correlation.median(), 3),
                "CCnorm": _range(told, "cc_norm", "cc_low", "cc_high"),
                "to be said": "; ".join(said),
            }
        )
    return pd.DataFrame(rows)


def _range(units: pd.DataFrame, value: str, low: str, high: str) -> str:
    """Write the median over units, and for a single unit its interval."""
    text = number(units[value].median(), 3)
    known = units[units[value].notna()]
    if len(known) == 1:
        text += f" ({number(known[low].iloc[0], 3)} to {number(known[high].iloc[0], 3)})"
    return text
