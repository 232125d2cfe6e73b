"""Convolve series with the kernels of a basis, in bounded memory, and say where the windows can be trusted."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from nwbglm import limits
from nwbglm.basis import Kernel

EVENT_ROWS = 16384  # rows to which events are added at once, so that they stay in cache


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
    at_once = max(1, limits.GATHERED_BYTES // (8 * inputs * max(reach, block * count)))
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


def add_events(values: np.ndarray, kernel: Kernel, rows: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Convolve one series (time, 1) by adding the kernel at each event, newest first; yields as `convolve` does.

    Where the series is nearly everywhere 0 (spikes in bins of 1 ms) this is up to ten times faster.
    """
    lags = len(kernel.weights)
    values = values[:, 0]
    events = np.flatnonzero(values)
    start = 0
    while start < len(rows):
        where = slice(start, int(np.searchsorted(rows, rows[start] + EVENT_ROWS)))
        here, start = rows[where], where.stop
        # an event at s adds weights[l] to row s + first + l: the target begins one kernel's length before the rows
        begin = here[0] - lags + 1
        near = events[slice(*np.searchsorted(events, [begin - kernel.first, here[-1] + 1 - kernel.first]))]
        place = (near + kernel.first - begin).astype(np.int32) + np.arange(lags, dtype=np.int32)[:, None]
        size = np.broadcast_to(values[near].astype(float), place.shape)
        shape = int(here[-1]) + lags - int(begin), lags
        adding = sparse.csc_array((size.ravel(), place.ravel(), np.arange(lags + 1) * len(near)), shape=shape)
        whole = slice(lags - 1, lags - 1 + len(here)) if here[-1] - here[0] == len(here) - 1 else here - begin
        yield where, (adding @ kernel.weights)[whole][:, None]


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
