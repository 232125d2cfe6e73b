"""Summaries over units and sessions: medians, and intervals over sessions by the method that their number carries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from nwbglm.inference.levels import estimate, sign_flip_p_value
from nwbglm.scores import SCORES

from .animals import levels_of
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


LEVELS = ("animal", "session")


def summarise_pairs(
    pairs: pd.DataFrame, seed: int = 0, draws: int = 2000, levels: Sequence[str] = LEVELS
) -> pd.DataFrame:
    """Summarise the paired differences of every two models over units, with an interval over animals or sessions.

    The estimate is the median over a session's units, averaged over an animal's sessions, and over animals; its
    interval is a t interval below ten top-level units and a hierarchical bootstrap from there on
    (`inference.levels`). One session has none: ``fold_low`` and ``fold_high`` are then the least and the largest of
    its folds' medians over units, a spread and no interval.

    Returns
    -------
    DataFrame
        ``model, other, adds, kind, score, units, animals, sessions, units_better, median, estimate, low, high, method,
        top, sign_flip_p, folds, fold_low, fold_high, same_rows``; `score` names the score that is summarised, `top`
        the level that the interval speaks of, and `sign_flip_p` is that of a mean of 0 when each of its members may
        change its sign.
    """
    if pairs.empty:
        return pd.DataFrame()
    out = []
    known = {key: part for key, part in pairs.groupby(["model", "other"], sort=False)}
    for (model, other), part in headline(pairs).groupby(["model", "other"], sort=False):
        score = primary(part).name
        difference = part[score]
        used = levels_of(part, levels)
        found = estimate(difference.to_numpy(float), [part[name].to_numpy() for name in used], draws=draws, seed=seed)
        alone = found.method == "none"
        out.append(
            {
                "model": model,
                "other": other,
                "adds": part.adds.iloc[0],
                "kind": part.kind.iloc[0],
                "score": score,
                "units": len(part),
                "animals": part.animal.nunique() if "animal" in part and part.animal.ne("").all() else 0,
                "sessions": part.session.nunique(),
                "units_better": int((difference > ROUNDING).sum()),
                "median": difference.median(),
                "estimate": found.value,
                "low": found.low,
                "high": found.high,
                "method": found.method,
                "top": used[0],
                "sign_flip_p": np.nan if alone else sign_flip_p_value(top_values(part, score, used), seed=seed),
                **_folds(known[model, other], score),
                "same_rows": bool(part.same_rows.all()),
            }
        )
    return pd.DataFrame(out)


def top_values(rows: pd.DataFrame, value: str, levels: Sequence[str]) -> np.ndarray:
    """Return one value a top-level unit: the median over a session's units, the mean over an animal's sessions."""
    sessions = rows[rows[value].notna()].groupby(list(levels), sort=False)[value].median()
    return (sessions.groupby(levels[0], sort=False).mean() if len(levels) > 1 else sessions).to_numpy(float)


def _folds(pairs: pd.DataFrame, score: str) -> dict[str, float]:
    """Return the number of folds, and the least and largest of their medians over units; of one session only."""
    folds = pairs[(pairs.kind == "held-out") & (pairs.fold != POOLED) & (pairs.rows > 0)]
    if folds.empty or folds.session.nunique() > 1:
        return {"folds": 0, "fold_low": np.nan, "fold_high": np.nan}
    medians = folds.groupby("fold", sort=False)[score].median()
    return {"folds": len(medians), "fold_low": float(medians.min()), "fold_high": float(medians.max())}
