"""Convolve series with the kernels of a basis, in bounded memory, and say where the windows can be trusted."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr
from xarray.backends.common import BackendArray
from xarray.core import indexing

from nwbglm.basis import Kernel
from nwbglm.basis import kernel as lay_kernel
from nwbglm.study import Factor

BLOCK = 256  # rows a convolution makes at once
GATHERED_BYTES = 32 * 2**20


def convolve(values: np.ndarray, kernel: Kernel, rows: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Convolve series with a kernel, in blocks of rows so that memory stays bounded.

    A block of B rows is one product of a banded matrix (B, B + W - 1) with the stretch that its windows cover, for all
    inputs and many blocks at once: no lagged copy of the data is made, and counts of zero give features of exactly zero
    (a Fourier transform would not, and separable data are recognised by exact zeros).

    Parameters
    ----------
    values
        Shape (time, inputs), finite.
    kernel
        The weights, and where its lags begin.
    rows
        Which bins to make, ascending, shape (rows,).

    Yields
    ------
    tuple[slice, np.ndarray]
        Positions in `rows`, and features of shape (those rows, inputs, functions).
    """
    lags, count = kernel.weights.shape
    reach = BLOCK + lags - 1
    bands = _bands(kernel.weights) if not _is_identity(kernel.weights) else None
    padded = _pad(values, kernel)
    block_of_row = rows // BLOCK
    blocks = np.unique(block_of_row)
    at_once = max(1, GATHERED_BYTES // (8 * reach * values.shape[1] * (1 if bands is not None else count)))
    for first in range(0, len(blocks), at_once):
        chunk = blocks[first : first + at_once]
        start, stop = np.searchsorted(block_of_row, [chunk[0], chunk[-1] + 1])
        local = rows[start:stop] % BLOCK, np.searchsorted(chunk, block_of_row[start:stop])
        if bands is None:
            windows = np.lib.stride_tricks.sliding_window_view(padded, lags, axis=0)
            yield slice(start, stop), windows[rows[start:stop], :, ::-1]
            continue
        stretches = padded[chunk * BLOCK + np.arange(reach)[:, None]].reshape(reach, -1)  # (reach, blocks x inputs)
        made = np.empty((stop - start, values.shape[1], count))
        for function in range(count):
            made[:, :, function] = (bands[function] @ stretches).reshape(BLOCK, len(chunk), -1)[local]
        yield slice(start, stop), made


def window_validity(missing: np.ndarray, segment: np.ndarray, first: int, last: int) -> np.ndarray:
    """Mark the bins whose whole window lies in their own segment and holds no missing value.

    Parameters
    ----------
    missing
        Whether a value is missing, shape (time, inputs).
    segment
        Which interval a bin lies in, shape (time,); bins of one interval stand together.
    first, last
        The window's first and last lag in bins; positive lags are the past.

    Returns
    -------
    np.ndarray
        Shape (time, inputs).
    """
    time = np.arange(len(segment))
    begin, end = time - last, time - first
    inside = (begin >= 0) & (end < len(segment))
    begin, end = np.clip(begin, 0, len(segment) - 1), np.clip(end, 0, len(segment) - 1)
    inside &= (segment[begin] == segment) & (segment[end] == segment)
    total = np.zeros((len(segment) + 1, missing.shape[1]), dtype=np.int64)
    np.cumsum(missing, axis=0, out=total[1:])
    return inside[:, None] & (total[end + 1] == total[begin])


def _is_identity(weights: np.ndarray) -> bool:
    return weights.shape[0] == weights.shape[1] and np.array_equal(weights, np.eye(len(weights)))


def _bands(weights: np.ndarray) -> np.ndarray:
    """Return the banded matrices (functions, BLOCK, BLOCK + lags - 1) that convolve a stretch."""
    lags, count = weights.shape
    bands = np.zeros((count, BLOCK, BLOCK + lags - 1))
    for row in range(BLOCK):
        bands[:, row, row : row + lags] = weights[::-1].T
    return bands


def _pad(values: np.ndarray, kernel: Kernel) -> np.ndarray:
    """Shift and pad a series so that row t's window is entries t .. t + lags - 1, oldest first."""
    lags = len(kernel.weights)
    oldest = kernel.first + lags - 1
    before, skip = max(0, oldest), max(0, -oldest)
    after = max(0, BLOCK + lags - 1 - kernel.first)
    padded = np.concatenate([np.zeros((before, values.shape[1])), values, np.zeros((after + BLOCK, values.shape[1]))])
    return padded[skip:]


class Lagged(BackendArray):
    """Features over lags (rows, features), made one input at a time when they are asked for.

    An hour of 500 units in 10 ms bins has 4000 features of 360 000 rows: 6 GB, which nobody needs at once.

    Parameters
    ----------
    binned
        Where the inputs are.
    factor
        The input and its basis.
    rows
        Which bins are made.
    """

    def __init__(self, binned: xr.Dataset, factor: Factor, rows: np.ndarray):
        self.binned, self.factor, self.rows = binned, factor, rows
        self.kernel = lay_kernel(factor.basis, float(binned.attrs["bin"]))
        self.inputs = [str(unit) for unit in binned["unit"].values] if factor.of_spikes else [factor.of]
        self.count = self.kernel.weights.shape[1]
        self.shape, self.dtype = (len(rows), len(self.inputs) * self.count), np.dtype(np.float32)

    def series(self, column: int) -> np.ndarray:
        """Return one input over all bins (time, 1), NaN where it is unknown or its sender was not observed."""
        if not self.factor.of_spikes:
            return np.asarray(self.binned[self.factor.of].values, dtype=float)[:, None]
        counts = self.binned["spike_count"].isel(unit=[column]).values.astype(float)
        if "exposure" in self.binned:
            counts[self.binned["exposure"].isel(unit=[column]).values == 0] = np.nan
        return counts

    def valid(self) -> np.ndarray:
        """Return where the whole window is known, shape (rows, inputs)."""
        lags, segment = len(self.kernel.weights), self.binned["segment"].values
        window = self.kernel.first, self.kernel.first + lags - 1
        if self.factor.of_spikes and "exposure" not in self.binned:
            same = window_validity(np.zeros((len(segment), 1), bool), segment, *window)[self.rows]
            return np.broadcast_to(same, (len(self.rows), len(self.inputs)))
        columns = range(len(self.inputs))
        return np.concatenate(
            [window_validity(np.isnan(self.series(column)), segment, *window)[self.rows] for column in columns], axis=1
        )

    def make(self, column: int, rows: np.ndarray) -> np.ndarray:
        """Return one input's features on some bins, zero where its window is not known, shape (rows, functions)."""
        series = self.series(column)
        missing = np.isnan(series)
        made = np.empty((len(rows), self.count), dtype=np.float32)
        for where, part in convolve(np.where(missing, 0.0, series), self.kernel, rows):
            made[where] = part[:, 0]
        lags, segment = len(self.kernel.weights), self.binned["segment"].values
        known = window_validity(missing, segment, self.kernel.first, self.kernel.first + lags - 1)[rows, 0]
        made[~known] = 0.0
        return made

    def __getitem__(self, key: indexing.ExplicitIndexer) -> np.ndarray:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple) -> np.ndarray:
        rows, features = (np.arange(size)[part] for size, part in zip(self.shape, key, strict=True))
        wanted = np.atleast_1d(features)
        made = np.empty((np.size(rows), len(wanted)), dtype=np.float32)
        for column in np.unique(wanted // self.count):
            mine = wanted // self.count == column
            made[:, mine] = self.make(column, np.atleast_1d(self.rows[rows]))[:, wanted[mine] % self.count]
        return made.reshape(np.shape(rows) + np.shape(features))
