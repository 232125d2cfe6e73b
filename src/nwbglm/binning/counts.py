"""Spike counts of many units: in memory where they fit, made piece by piece where they do not.

A Neuropixels session at 1 ms bins is 500 units x 7 200 000 bins: 3.6 GB of counts, of which one in a hundred is not
zero. What is held is the bin number of every spike (4 bytes each); a stretch of the matrix is made when it is asked
for.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

from nwbglm.lazy import LazyMatrix
from nwbglm.response import SPIKES


def sparse_counts(bins: list[np.ndarray], size: int, dtype: np.dtype) -> LazyMatrix:
    """Return counts (time, unit), made from the bin numbers of each unit's spikes.

    Parameters
    ----------
    bins
        For each unit, the bin of every spike, ascending.
    size
        Number of bins.
    dtype
        Of the counts.
    """

    def make(rows: np.ndarray, units: np.ndarray) -> np.ndarray:
        low, high = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 0)
        block = np.zeros((high - low, len(units)), dtype=dtype)
        cells = [np.empty(0, np.int64)]
        for column, unit in enumerate(units):
            first, last = np.searchsorted(bins[unit], [low, high])
            cells.append((bins[unit][first:last].astype(np.int64) - low) * len(units) + column)
        np.add.at(block.reshape(-1), np.concatenate(cells), dtype.type(1))
        return block if len(rows) == high - low else block[rows - low]

    return LazyMatrix((size, len(bins)), dtype, make)


def count_type(bins: list[np.ndarray]) -> np.dtype:
    """Choose the smallest unsigned integers that hold every count."""
    most = 0
    for train in bins:
        if len(train):
            ends = np.flatnonzero(np.concatenate([np.diff(train) > 0, [True]]))
            most = max(most, int(np.diff(np.concatenate([[-1], ends])).max()))
    return np.min_scalar_type(most)


def count_variable(bins: list[np.ndarray], size: int) -> xr.Variable:
    """Make the counts (time, unit) of units from the bins of their spikes (ascending)."""
    return sparse_counts(bins, size, count_type(bins)).variable(("time", "unit"), SPIKES)
