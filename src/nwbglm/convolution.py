"""Convolve series with the kernels of a basis, in bounded memory, and say where the windows can be trusted."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
import xarray as xr
from xarray.backends.common import BackendArray
from xarray.core import indexing

from nwbglm.basis import Kernel
from nwbglm.basis import kernel as lay_kernel
from nwbglm.study import Factor

GATHERED_BYTES = 32 * 2**20


def convolve(values: np.ndarray, kernel: Kernel, rows: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Convolve series with a kernel, in blocks of rows so that memory stays bounded.

    A block of B rows is one product of the stretch that its windows cover with a banded matrix (B + W - 1, B), for all
    inputs, functions and many blocks at once: no lagged copy of the data is made, and counts of zero give features of
    exactly zero (a Fourier transform would not, and separable data are recognised by exact zeros).

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
    (lags, count), inputs = kernel.weights.shape, values.shape[1]
    block = block_rows(lags)
    reach = block + lags - 1
    bands = _bands(kernel.weights, block) if not _is_identity(kernel.weights) else None
    padded = _pad(values, kernel, block)
    block_of_row = rows // block
    blocks = block_of_row[np.flatnonzero(np.diff(block_of_row, prepend=-1))]
    at_once = max(1, GATHERED_BYTES // (8 * inputs * max(reach, block * count)))
    for first in range(0, len(blocks), at_once):
        chunk = blocks[first : first + at_once]
        start, stop = np.searchsorted(block_of_row, [chunk[0], chunk[-1] + 1])
        here = rows[start:stop]
        if bands is None:
            windows = np.lib.stride_tricks.sliding_window_view(padded, lags, axis=0)
            yield slice(start, stop), windows[here, :, ::-1]
            continue
        stretches = padded[chunk[:, None] * block + np.arange(reach)].swapaxes(1, 2).reshape(-1, reach)
        # (blocks x inputs, block rows x functions): with one input this is the answer's own order
        made = (stretches @ bands).reshape(len(chunk), inputs, block, count).swapaxes(1, 2)
        place = np.searchsorted(chunk, here // block) * block + here % block
        yield slice(start, stop), made.reshape(-1, inputs, count)[place]


def block_rows(lags: int) -> int:
    """Return how many rows one product makes: about as many as lags, so that half of the banded matrix is not zero."""
    return int(2 ** np.clip(np.round(np.log2(lags)), 5, 8))


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


def _bands(weights: np.ndarray, block: int) -> np.ndarray:
    """Return the banded matrix (block + lags - 1, block x functions) that convolves a stretch."""
    lags, count = weights.shape
    bands = np.zeros((block + lags - 1, block, count))
    for row in range(block):
        bands[row : row + lags, row] = weights[::-1]
    return bands.reshape(block + lags - 1, -1)


def _pad(values: np.ndarray, kernel: Kernel, block: int) -> np.ndarray:
    """Shift and pad a series so that row t's window is entries t .. t + lags - 1, oldest first."""
    lags = len(kernel.weights)
    oldest = kernel.first + lags - 1
    before, skip = max(0, oldest), max(0, -oldest)
    after = max(0, block + lags - 1 - kernel.first)
    padded = np.concatenate([np.zeros((before, values.shape[1])), values, np.zeros((after + block, values.shape[1]))])
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

    def known(self, missing: np.ndarray) -> np.ndarray:
        """Return where the whole window is known, for one input that is `missing` (time, 1) somewhere: (time,)."""
        last = self.kernel.first + len(self.kernel.weights) - 1
        return window_validity(missing, self.binned["segment"].values, self.kernel.first, last)[:, 0]

    @functools.cached_property
    def inside(self) -> np.ndarray:
        """Where the whole window lies in its segment, shape (time,)."""
        return self.known(np.zeros((self.binned.sizes["time"], 1), bool))

    def valid(self) -> np.ndarray:
        """Return where the whole window is known, shape (rows, inputs)."""
        shape = len(self.rows), len(self.inputs)
        if self.factor.of_spikes and "exposure" not in self.binned:
            return np.broadcast_to(self.inside[self.rows, None], shape)
        valid = np.empty(shape, bool)
        for column in range(len(self.inputs)):
            valid[:, column] = self.known(np.isnan(self.series(column)))[self.rows]
        return valid

    def make(self, column: int, rows: np.ndarray) -> np.ndarray:
        """Return one input's features on some bins, zero where its window is not known, shape (rows, functions)."""
        series = self.series(column)
        missing = np.isnan(series)
        made = np.empty((len(rows), self.count), dtype=np.float32)
        for where, part in convolve(np.where(missing, 0.0, series), self.kernel, rows):
            made[where] = part[:, 0]
        known = self.known(missing) if missing.any() else self.inside
        made[~known[rows]] = 0.0
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
