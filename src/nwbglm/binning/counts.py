"""Spike counts of many units: in memory where they fit, made piece by piece where they do not.

A Neuropixels session at 1 ms bins is 500 units x 7 200 000 bins: 3.6 GB of counts, of which one in a hundred is not
zero. What is held is the bin number of every spike (4 bytes each); a stretch of the matrix is made when it is asked
for.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from xarray.backends.common import BackendArray
from xarray.core import indexing

from nwbglm.response import SPIKES

IN_MEMORY = 256 * 2**20
"""Matrices larger than this (bytes) are made piece by piece."""


class SparseCounts(BackendArray):
    """Counts (time, unit), made from the bin numbers of each unit's spikes.

    Parameters
    ----------
    bins
        For each unit, the bin of every spike, ascending.
    size
        Number of bins.
    dtype
        Of the counts.
    """

    def __init__(self, bins: list[np.ndarray], size: int, dtype: np.dtype):
        self.bins, self.shape, self.dtype = bins, (size, len(bins)), np.dtype(dtype)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> np.ndarray:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._read)

    def _read(self, key: tuple) -> np.ndarray:
        rows, units = key
        single = isinstance(rows, int | np.integer)
        span = range(self.shape[0])[rows] if not single else range(int(rows), int(rows) + 1)
        chosen = self.bins[units]
        alone = not isinstance(chosen, list)
        low, high = (min(span), max(span) + 1) if len(span) else (0, 0)
        table = self._block([chosen] if alone else chosen, low, high)[:: span.step]
        if single:
            table = table[0]
        return table[..., 0] if alone else table

    def _block(self, trains: list[np.ndarray], low: int, high: int) -> np.ndarray:
        """Count the spikes of bins ``low:high``, (bins, trains)."""
        block = np.zeros((high - low, len(trains)), dtype=self.dtype)
        cells = [np.empty(0, np.int64)]
        for column, bins in enumerate(trains):
            first, last = np.searchsorted(bins, [low, high])
            cells.append((bins[first:last].astype(np.int64) - low) * len(trains) + column)
        np.add.at(block.reshape(-1), np.concatenate(cells), self.dtype.type(1))
        return block


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
    dtype = count_type(bins)
    counts = SparseCounts(bins, size, dtype)
    large = size * len(bins) * dtype.itemsize > IN_MEMORY
    values = indexing.LazilyIndexedArray(counts) if large else counts._read((slice(None), slice(None)))
    return xr.Variable(("time", "unit"), values, SPIKES)
