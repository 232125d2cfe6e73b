"""Which rows a model is fitted on and scored on: folds, the final fit, halves, pairs of folds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from nwbglm.crossval import TEST


class Splits(NamedTuple):
    """What is fitted: cross-validation folds, the final fit, halves, and pairs of folds left out together."""

    train: np.ndarray
    """Shape (splits, rows)."""
    test: np.ndarray
    """Shape (splits, rows)."""
    folds: list[str]
    """Names of the cross-validation folds: the first splits, in order."""
    final: int
    """The split of the final fit; its test rows are those of the explicit test epochs."""
    halves: list[int]
    """The splits of the two halves, where they are fitted."""
    pairs: np.ndarray
    """Split that leaves out folds k and j and is scored on j, shape (folds, folds); -1 where there is none."""
    tested: bool
    """Whether there are explicit test epochs."""


def block_of_units(count: int, block: str) -> list[int]:
    """Return the positions of a block's units: every n-th from b on, for ``b-of-n``."""
    number, _, of = block.partition("-of-")
    return list(range(int(number), count, int(of)))


def kept_rows(
    binned: xr.Dataset, folds: xr.Dataset, stores: Sequence[xr.Dataset], rows: str
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the rows that a model may use, and which of them each unit may use (None: all of them).

    Parameters
    ----------
    binned, folds
        The session's stores.
    stores
        The feature stores of the model's terms.
    rows
        ``shared``: what all compared models can use; ``own``: what this one can.

    Returns
    -------
    tuple
        Shapes (time,) and (time, unit).
    """
    if rows == "shared":
        narrowed = folds["unit_shared"].values if "unit_shared" in folds else None
        return folds["shared"].values, narrowed
    kept = np.ones(folds.sizes["time"], bool)
    for store in stores:
        kept &= store["valid"].values
    own = [store["input_valid"].values for store in stores if "input_valid" in store]
    return kept, np.logical_and.reduce(own) if own else None


def plan_splits(folds: xr.Dataset, kept: np.ndarray, *, halves: bool, nested: bool) -> Splits:
    """List the row sets that are fitted and scored.

    Parameters
    ----------
    folds
        The session's ``folds`` store.
    kept
        Rows that the model may use.
    halves
        Whether each half is fitted, too.
    nested
        Whether fits without each pair of folds are needed.

    Returns
    -------
    Splits
        Rows are those of the folds store.
    """
    kinds = folds["fold_kind"].values
    cv = [i for i, kind in enumerate(kinds) if kind != TEST]
    explicit = [i for i, kind in enumerate(kinds) if kind == TEST]
    train = list(folds["train"].values[cv] & kept)
    test = list(folds["test"].values[cv] & kept)
    names = [str(folds["fold"].values[i]) for i in cv]
    final = len(train)
    train.append(folds["final"].values & kept)
    test.append(folds["test"].values[explicit].any(axis=0) & kept)
    half_splits = []
    if halves:
        half_splits = [len(train), len(train) + 1]
        train += [(folds["half"].values == half) & kept for half in (0, 1)]
        test += [np.zeros_like(kept)] * 2
    pairs = np.full((len(cv), len(cv)), -1)
    if nested:
        for k, j in zip(*np.nonzero(~np.eye(len(cv), dtype=bool)), strict=True):
            pairs[k, j] = len(train)
            train.append(train[k] & train[j])
            # rows of fold j whose windows hold counts of fold k belong to its gap, and are no independent judge
            test.append(test[j] & train[k])
    return Splits(np.array(train), np.array(test), names, final, half_splits, pairs, bool(explicit))
