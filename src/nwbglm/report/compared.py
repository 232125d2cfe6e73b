"""What the report shows of models: their scores, and their paired differences."""

from __future__ import annotations

from typing import Any

import pandas as pd

from nwbglm.comparison import ROUNDING, summarise_models, summarise_pairs
from nwbglm.scores import SCORES, Score, by_name
from nwbglm.study import Study

from .markup import number

KINDS = {"test": "test epochs", "held-out": "held out (folds)", "in-sample": "in-sample"}


def model_rows(study: Study, scores: pd.DataFrame) -> pd.DataFrame:
    """Return the comparison of models as it is shown: medians over units, with quartiles."""
    summary = summarise_models(scores)
    shown = [score for score in SCORES if score.summarised and len(summary) and _adds(score, summary)]
    rows = []
    final = {line.model: line for line in summary.itertuples() if line.kind == "in-sample"} if len(summary) else {}
    for line in summary.itertuples() if len(summary) else ():
        whole = final.get(line.model, line)
        rows.append(
            {
                "model": line.model,
                "terms": " + ".join(study.models[line.model].terms) or "(constant)",
                "scored": KINDS[line.kind],
                "units": line.units,
                "parameters": _parameters(whole),
                "strength": _strength(line, scores),
                "at an edge": f"{whole.at_edge} of {whole.units}",
                **{score.label: _with_quartiles(line, score) for score in shown},
                "mean, observed": number(line.observed_rate_median, 3),
                "mean, predicted": number(line.predicted_rate_median, 3),
            }
        )
    order = {kind: i for i, kind in enumerate(KINDS.values())}
    table = pd.DataFrame(rows)
    return table.sort_values("scored", key=lambda column: column.map(order), kind="stable") if rows else table


def _adds(score: Score, summary: pd.DataFrame) -> bool:
    """Whether a score is known, and says more than bits per spike do."""
    known = summary[f"{score.name}_median"].notna()
    return bool(known.any()) and not (
        score.name == "bits_per_bin" and summary.bits_per_spike_median[known].notna().all()
    )


def _parameters(line: Any) -> str:
    """Write the median number of parameters, and how many of them a penalty left free."""
    if pd.isna(line.parameters_median):
        return ""
    effective = number(line.effective_parameters_median, 3)
    return f"{line.parameters_median:.0f} (effective {effective})"


def _strength(line: Any, scores: pd.DataFrame) -> str:
    """Write the median strength of a model's fits, and their range."""
    mine = scores[(scores.model == line.model) & (scores.kind == line.kind)].strength.dropna()
    if not len(mine) or not mine.max() > 0:
        return "none"
    low, high = mine.min(), mine.max()
    return number(line.strength_median, 2) + (f" ({number(low, 2)} to {number(high, 2)})" if high > low else "")


def _with_quartiles(line: Any, score: Score) -> str:
    parts = (getattr(line, f"{score.name}_{part}") for part in ("median", "q25", "q75"))
    median, low, high = map(rounded, parts)
    if pd.isna(median):
        return ""
    quartiles = f" ({number(low, score.digits)} to {number(high, score.digits)})" if line.units > 1 else ""
    return number(median, score.digits) + quartiles


def rounded(value: float) -> float:
    """Return 0 for what is no more than rounding."""
    return 0.0 if abs(value) < ROUNDING else value


METHODS = {"t": "t", "hierarchical": "bootstrap"}


def pair_rows(study: Study, pairs: pd.DataFrame, summary: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return the paired differences as they are shown, with what their interval speaks of."""
    if summary is None:
        summary = summarise_pairs(pairs, study.seed, levels=study.inference.levels)
    rows = []
    for line in summary.itertuples() if len(summary) else ():
        score = by_name(line.score)
        animals = {"animals": line.animals} if summary.animals.any() else {}
        rows.append(
            {
                "model": line.model,
                "minus": line.other,
                "unique to the first": line.adds or "(not nested)",
                "units": line.units,
                "units better": line.units_better,
                f"difference ({score.label})": line.estimate,
                **animals,
                "sessions": line.sessions,
                "95 % interval": interval_words(line),
                "p (signs flipped)": number(line.sign_flip_p, 2),
                "same rows": "yes" if line.same_rows else "no",
            }
        )
    return pd.DataFrame(rows)


def interval_of(line: Any) -> str:
    """Write what a sentence says of an interval, or of its absence."""
    words = interval_words(line)
    return words.strip("()") if line.method == "none" else f"95 % interval {words}"


def interval_words(line: Any) -> str:
    """Write an interval with its method and what it speaks of, or the spread of the folds of a single session."""
    if line.method == "none":
        if not line.folds:
            return "(one session: no interval)"
        return (
            f"(one session: no interval; its {line.folds} folds spread from {number(line.fold_low, 3)} to "
            f"{number(line.fold_high, 3)})"
        )
    count = line.animals if line.top == "animal" else line.sessions
    over = f"{METHODS[line.method]} over {count} {line.top}s"
    if line.top == "session" and line.animals == 1:
        over += " of one animal"
    if count == 2:
        over += ": two say next to nothing"
    return f"{number(line.low, 3)} to {number(line.high, 3)} ({over})"
