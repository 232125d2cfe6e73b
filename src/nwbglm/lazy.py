"""Matrices of which only what is asked for exists: made, or read, some rows and columns at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends.common import BackendArray
from xarray.core import indexing

from nwbglm import limits

__all__ = ["HeldRows", "LazyMatrix"]

Make = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From positions of rows and of columns (both ascending) to that part of a matrix."""


class LazyMatrix:
    """A matrix (rows, columns) that is sliced like numpy's, each part made when it is asked for.

    Parameters
    ----------
    shape, dtype
        Of the whole.
    make
        Makes a part.
    """

    def __init__(self, shape: tuple[int, int], dtype: np.dtype | type, make: Make):
        self.shape, self.dtype, self.make = shape, np.dtype(dtype), make

    @property
    def nbytes(self) -> int:
        """Bytes of the whole."""
        return self.shape[0] * self.shape[1] * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> np.ndarray:
        """Return a part: a number, slice or array for the rows, and for the columns (each by itself)."""
        keys = key if isinstance(key, tuple) else (key,)
        keys = (*keys, *[slice(None)] * (2 - len(keys)))
        wanted = [np.arange(size)[one] for size, one in zip(self.shape, keys, strict=True)]
        distinct, places = zip(*(np.unique(one, return_inverse=True) for one in wanted), strict=True)
        part = self.make(*distinct)
        for axis, (one, place) in enumerate(zip(wanted, places, strict=True)):
            if len(distinct[axis]) != one.size or (np.diff(place.ravel()) != 1).any():
                part = np.take(part, place.ravel(), axis=axis)
        return part.reshape(wanted[0].shape + wanted[1].shape)

    def variable(self, dims: tuple[str, str], attrs: dict[str, Any] | None = None) -> xr.Variable:
        """Return it as a variable: whole where it is small, made when it is asked for where it is large."""
        large = self.nbytes > limits.WHOLE_BYTES
        return xr.Variable(dims, indexing.LazilyIndexedArray(_Backend(self)) if large else self[:], attrs)


class _Backend(BackendArray):
    """A lazy matrix as xarray reads it."""

    def __init__(self, matrix: LazyMatrix):
        self.matrix, self.shape, self.dtype = matrix, matrix.shape, matrix.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> np.ndarray:
        read = self.matrix.__getitem__
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, read)


class HeldRows:
    """Rows of a stored matrix, read in whole pieces of which the last are held for what is asked next.

    Parameters
    ----------
    variable
        The matrix (rows, columns).
    piece
        Rows that are read at once.
    """

    def __init__(self, variable: xr.DataArray | xr.Variable, piece: int = limits.PIECE_ROWS):
        self.variable, self.piece = variable, piece
        self.columns, self.start, self.held = np.zeros(0, int), 0, np.zeros((0, 0), variable.dtype)

    @classmethod
    def by_bytes(cls, variable: xr.Variable, columns: int) -> HeldRows:
        """Return one that reads whole chunks of as many rows as `limits.HELD_BYTES` hold of some columns."""
        chunk = (variable.encoding.get("chunks") or (1,))[0]
        bytes_of_chunk = variable.dtype.itemsize * columns * chunk
        return cls(variable, max(1, limits.HELD_BYTES // bytes_of_chunk) * chunk)

    def stretch(self, rows: slice, columns: np.ndarray) -> np.ndarray:
        """Return some columns over a stretch of rows; a long one is read as it is, and not held."""
        if rows.stop - rows.start > 4 * self.piece:
            return self.variable[rows, _compact(columns)].values
        inside = self.start <= rows.start and rows.stop <= self.start + len(self.held)
        if not (inside and np.array_equal(columns, self.columns)):
            self.start, self.columns = rows.start // self.piece * self.piece, np.array(columns)
            read = slice(self.start, -(-rows.stop // self.piece) * self.piece)
            self.held = self.variable[read, _compact(self.columns)].values
        return self.held[rows.start - self.start : rows.stop - self.start]

    def take(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return some columns at ascending rows, piece by piece."""
        made = np.empty((len(rows), len(columns)), self.variable.dtype)
        done = 0
        while done < len(rows):
            first = int(rows[done])
            end = (first // self.piece + 1) * self.piece
            stop = int(np.searchsorted(rows, end))
            made[done:stop] = self.stretch(slice(first, int(rows[stop - 1]) + 1), columns)[rows[done:stop] - first]
            done = stop
        return made


def _compact(columns: np.ndarray) -> slice | np.ndarray:
    """Return consecutive columns as a slice, which is read without the others."""
    columns = np.asarray(columns)
    if len(columns) and columns[-1] - columns[0] == len(columns) - 1 and (np.diff(columns) == 1).all():
        return slice(int(columns[0]), int(columns[-1]) + 1)
    return columns
