"""Names that the comparison's tables share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from nwbglm.scores import Score, by_name

SUMS = [
    "rows",
    "spikes",
    "exposure",
    "predicted",
    "log_likelihood",
    "null_log_likelihood",
    "own_mean_log_likelihood",
    "deviance",
    "null_deviance",
    "own_mean_deviance",
]
POOLED = "pooled"
ROUNDING = 1e-9  # bits per spike; what is smaller is no difference


def primary(table: pd.DataFrame) -> Score:
    """Return the score that a table's units are ranked by: bits per spike where there are spikes, else bits per bin."""
    spikes, bins = by_name("bits_per_spike"), by_name("bits_per_bin")
    has_spikes = spikes.name in table and table[spikes.name].notna().any()
    return spikes if has_spikes or bins.name not in table else bins


def nulls_of(score: Score) -> dict[str, str]:
    """Return the columns of a score: what the sums of its null begin with, by column."""
    return {score.name: "null", **({f"{score.name}_own_mean": "own_mean"} if score.against_null else {})}


def concat(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Stack tables; an empty one where there are none."""
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def headline(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that a comparison rests on: the explicit test, else the pooled held-out, else in sample.

    In-sample rows are returned only where the study holds nothing out (``folds: none``).
    """
    if scores.empty:
        return scores
    test = scores[scores.kind == "test"]
    if len(test):
        return test
    held_out = scores[(scores.kind == "held-out") & (scores.fold == POOLED)]
    return held_out if len(held_out) else scores[(scores.kind == "in-sample") & (scores.fold == POOLED)]


def quantiles(values: pd.Series, at: Sequence[float]) -> list[float]:
    """Return quantiles of what is known, between neighbours in proportion; infinite where one of them is.

    A unit that spikes only where it was not trained has a held-out score of minus infinity, which is a score.
    """
    known = np.sort(values.dropna().to_numpy(float))
    if not len(known):
        return [np.nan] * len(at)
    place = np.asarray(at) * (len(known) - 1)
    low, share = np.floor(place).astype(int), place - np.floor(place)
    below, above = known[low], known[np.minimum(low + 1, len(known) - 1)]
    found = np.where(np.isneginf(below) | (share == 0), below, above)
    finite = np.isfinite(below) & np.isfinite(above)
    found[finite] = below[finite] + share[finite] * (above[finite] - below[finite])
    return found.tolist()
