"""Summaries over units and sessions: medians, and intervals over sessions by the method that their number carries."""

from __future__ import annotations

import pandas as pd

from nwbglm.inference.levels import estimate
from nwbglm.scores import SCORES

from .common import POOLED, ROUNDING, headline, primary, quantiles


def summarise_models(scores: pd.DataFrame) -> pd.DataFrame:
    """Summarise units by model and kind: medians and quartiles, since one diverging unit would rule a mean.

    Returns
    -------
    DataFrame
        ``model, kind, units, ok, at_edge, at_bound, positive`` (units above 0 in the table's primary score) and, for
        each score, ``_median``, ``_q25``, ``_q75``; the same of the numbers of parameters and the strength.
    """
    if scores.empty:
        return pd.DataFrame()
    rows = scores[(scores.fold == POOLED) | (scores.kind == "test")]
    names = [*(score.name for score in SCORES), "parameters", "effective_parameters", "strength"]
    out = []
    for (model, kind), part in rows.groupby(["model", "kind"], sort=False):
        line = {
            "model": model,
            "kind": kind,
            "units": len(part),
            "ok": int((part.status == "ok").sum()),
            "at_edge": int(part.at_edge.sum()),
            "at_bound": int(part.at_bound.sum()),
            "positive": int((part[primary(part).name] > ROUNDING).sum()),
        }
        for name in names:
            quartiles = quantiles(part[name], [0.5, 0.25, 0.75])
            line |= dict(zip((f"{name}_median", f"{name}_q25", f"{name}_q75"), quartiles, strict=True))
        out.append(line)
    return pd.DataFrame(out)


def summarise_pairs(pairs: pd.DataFrame, seed: int = 0, draws: int = 2000) -> pd.DataFrame:
    """Summarise the paired differences of every two models over units, with an interval over sessions.

    The estimate is the median over a session's units, averaged over sessions; its interval is a t interval below ten
    sessions and a hierarchical bootstrap from there on (`inference.levels`). One session has none.

    Returns
    -------
    DataFrame
        ``model, other, adds, kind, score, units, sessions, units_better, median, estimate, low, high, method,
        same_rows``; `score` names the score that is summarised.
    """
    if pairs.empty:
        return pd.DataFrame()
    out = []
    for (model, other), part in headline(pairs).groupby(["model", "other"], sort=False):
        score = primary(part).name
        difference = part[score]
        found = estimate(difference.to_numpy(float), [part.session.to_numpy()], draws=draws, seed=seed)
        out.append(
            {
                "model": model,
                "other": other,
                "adds": part.adds.iloc[0],
                "kind": part.kind.iloc[0],
                "score": score,
                "units": len(part),
                "sessions": part.session.nunique(),
                "units_better": int((difference > ROUNDING).sum()),
                "median": difference.median(),
                "estimate": found.value,
                "low": found.low,
                "high": found.high,
                "method": found.method,
                "same_rows": bool(part.same_rows.all()),
            }
        )
    return pd.DataFrame(out)
