"""Summaries over units and sessions: medians, and intervals of a bootstrap over sessions."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .common import POOLED, ROUNDING, SCORES, headline


def summarise_models(scores: pd.DataFrame) -> pd.DataFrame:
    """Summarise units by model and kind: medians and quartiles, since one diverging unit would rule a mean.

    Returns
    -------
    DataFrame
        ``model, kind, units, ok, positive`` (units above 0 bits per spike) and, for each score, ``_median``,
        ``_q25``, ``_q75``; ``log_likelihood_per_row`` is the median of nats per row.
    """
    if scores.empty:
        return pd.DataFrame()
    rows = scores[(scores.fold == POOLED) | (scores.kind == "test")]
    rows = rows.assign(log_likelihood_per_row=rows.log_likelihood / rows.rows.where(rows.rows > 0))
    out = []
    for (model, kind), part in rows.groupby(["model", "kind"], sort=False):
        line = {
            "model": model,
            "kind": kind,
            "units": len(part),
            "ok": int((part.status == "ok").sum()),
            "positive": int((part.bits_per_spike > ROUNDING).sum()),
            "log_likelihood_per_row_median": part.log_likelihood_per_row.median(),
        }
        for name in SCORES:
            quartiles = part[name].quantile([0.5, 0.25, 0.75]).to_numpy()
            line |= dict(zip((f"{name}_median", f"{name}_q25", f"{name}_q75"), quartiles, strict=True))
        out.append(line)
    return pd.DataFrame(out)


def summarise_pairs(pairs: pd.DataFrame, seed: int = 0, draws: int = 2000) -> pd.DataFrame:
    """Summarise the paired differences of every two models over units, with a bootstrap over sessions.

    The interval resamples sessions with all their units, because units of one session share its state and noise; with
    one session there is none.
    """
    if pairs.empty:
        return pd.DataFrame()
    rows = headline(pairs)
    out = []
    for (model, other), part in rows.groupby(["model", "other"], sort=False):
        difference = part.bits_per_spike
        low, high = bootstrap_sessions(part, "bits_per_spike", seed, draws)
        out.append(
            {
                "model": model,
                "other": other,
                "adds": part.adds.iloc[0],
                "kind": part.kind.iloc[0],
                "units": len(part),
                "sessions": part.session.nunique(),
                "units_better": int((difference > ROUNDING).sum()),
                "bits_per_spike_median": difference.median(),
                "bits_per_spike_low": low,
                "bits_per_spike_high": high,
                "same_rows": bool(part.same_rows.all()),
            }
        )
    return pd.DataFrame(out)


def bootstrap_sessions(table: pd.DataFrame, column: str, seed: int, draws: int) -> tuple[float, float]:
    """Return the 95 % interval of the median of a column, resampling whole sessions; NaN with fewer than two."""
    known = table[table[column].notna()].sort_values(column, kind="stable")
    session, names = pd.factorize(known["session"])
    if len(names) < 2:
        return np.nan, np.nan
    random = np.random.default_rng(seed)
    picks = random.integers(len(names), size=(draws, len(names)))
    times = np.stack([(picks == k).sum(axis=1) for k in range(len(names))], axis=1)
    # how often each value is there in each draw, values ascending: the median is where half of them lie below
    below = np.cumsum(times[:, session], axis=1)
    total = below[:, -1:]
    values = known[column].to_numpy(float)
    lower, upper = (values[np.argmax(below > rank, axis=1)] for rank in ((total - 1) // 2, total // 2))
    low, high = np.quantile((lower + upper) / 2, [0.025, 0.975])
    return float(low), float(high)
