"""Names that the comparison's tables share."""

from __future__ import annotations

import pandas as pd

SUMS = [
    "rows",
    "spikes",
    "log_likelihood",
    "null_log_likelihood",
    "own_mean_log_likelihood",
    "saturated_log_likelihood",
]
SCORES = ["bits_per_spike", "deviance_explained", "pseudo_r2_mcfadden", "pseudo_r2_cohen"]
POOLED = "pooled"
ROUNDING = 1e-9  # bits per spike; what is smaller is no difference


def concat(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Stack tables; an empty one where there are none."""
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def headline(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that a comparison rests on: the explicit test where there is one, else the pooled held-out."""
    if scores.empty:
        return scores
    test = scores[scores.kind == "test"]
    return test if len(test) else scores[(scores.kind == "held-out") & (scores.fold == POOLED)]
