"""What the report shows of intervals on filters, and of goodness of fit."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from nwbglm.comparison.checked import LEVEL, WHAT_TO_DO

from .markup import number

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


def checked_rows(checks: pd.DataFrame) -> pd.DataFrame:
    """Return, for each model and session, how many units fail which check, and what mends it, the commonest first."""
    rows = []
    for (session, model), part in checks.groupby(["session", "model"], sort=False):
        told = part[part.reason == ""]
        bad = [key for keys in told.bad for key in keys.split()]
        said = [key for key, _ in Counter(bad).most_common()]
        left = part.reason[part.reason != ""].value_counts(sort=False)
        rows.append(
            {
                "model": model,
                "session": session,
                "units checked": f"{len(told)} of {len(part)}",
                "intervals beyond the KS band": _share(told.ks > told.ks_band, told.ks),
                "KS distance": _median(told.ks),
                "intervals correlated": _share(told.interval_p < LEVEL, told.interval_p),
                "residuals correlated": _share(told.residual_p < LEVEL, told.residual_p),
                "slope": _median(told.slope),
                "offset": _median(told.offset),
                "dispersion": _median(told.dispersion),
                "Fano in 1, 10, 100 bins": ", ".join(_median(told[f"fano_{w}"]) for w in (1, 10, 100)),
                "what is bad, and what to do": " | ".join(
                    [
                        *(f"{bad.count(key)} of {len(told)} units: {WHAT_TO_DO[key]}" for key in said),
                        *(f"{count} not checked: {reason}" for reason, count in left.items()),
                    ]
                ),
            }
        )
    return pd.DataFrame(rows).dropna(axis="columns", how="all") if rows else pd.DataFrame()


def _share(hit: pd.Series, known: pd.Series) -> str | None:
    """Write how many of the units for which something is known are hit; None where it is known of none."""
    return f"{int(hit.sum())} of {known.notna().sum()}" if known.notna().any() else None


def _median(values: pd.Series) -> str:
    known = values.dropna()
    return number(known.median(), 3) if len(known) else "–"


def checked_units(checks: pd.DataFrame) -> pd.DataFrame:
    """Return the checks of units as they are shown, those with most that is bad first."""
    columns = {
        "model": "model", "session": "session", "unit": "unit", "rows": "rows", "spikes": "spikes", "ks": "KS",
        "ks_low": "least of 10 draws", "ks_high": "largest", "ks_band": "95 % band", "ks_p": "p (KS)",
        "interval_p": "p (intervals)", "residual_p": "p (residuals)", "slope": "slope", "offset": "offset",
        "dispersion": "dispersion", "fano_1": "Fano, 1 bin", "fano_10": "10 bins", "fano_100": "100 bins",
        "bad": "bad", "reason": "not checked",
    }  # fmt: skip
    order = checks.bad.str.split().str.len() if len(checks) else []
    worst = checks.assign(_order=order).sort_values(["model", "_order"], ascending=[True, False], kind="stable")
    return worst[list(columns)].rename(columns=columns).dropna(axis="columns", how="all")
