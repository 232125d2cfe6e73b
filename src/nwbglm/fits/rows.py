"""The features of a model, some rows at a time: what does not fit in memory is read or made again for each pass.

Features of spikes are made again from the counts, at about the speed at which a store is decompressed and without its
traffic; those of signals alone, few columns that are dear to evaluate, are read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr

from nwbglm.features import remake
from nwbglm.making import Maker
from nwbglm.study import Term

__all__ = ["FeatureRows", "RowsOfStore", "SomeRows", "last_held"]

HELD_BYTES = 64 * 2**20
"""Rows of a store that are held, so that its chunks are not decompressed for every slice; one chunk at least."""

SomeRows = Callable[[np.ndarray], np.ndarray]
"""From ascending positions along a store's time to its features there."""


class FeatureRows:
    """An array (rows, features), float32, of which only slices of rows exist.

    Parameters
    ----------
    parts
        The terms: how many columns each has, and what makes or reads its rows.
    rows
        Positions along the stores' time.
    """

    def __init__(self, parts: Sequence[tuple[int, SomeRows]], rows: np.ndarray):
        self.parts, self.rows = tuple(parts), rows
        self.shape, self.dtype = (len(rows), sum(count for count, _ in parts)), np.dtype(np.float32)

    def __getitem__(self, rows: slice) -> np.ndarray:
        here = self.rows[rows]
        if len(self.parts) == 1:
            return self.parts[0][1](here)
        made = np.empty((len(here), self.shape[1]), np.float32)
        at = 0
        for count, part in self.parts:
            made[:, at : at + count] = part(here)
            at += count
        return made


class RowsOfStore:
    """The features of one store, some rows at a time.

    Parameters
    ----------
    store
        A ``features`` store.
    binned
        The ``binned`` store that it was made of.
    """

    def __init__(self, store: xr.Dataset, binned: xr.Dataset):
        self.variable = store["features"].variable
        self.row = store["row"].values
        self.maker: Maker | None = None
        if Term.model_validate_json(store.attrs["term"]).of_spikes:
            self.maker = remake(store, binned)

    def of(self, columns: np.ndarray) -> SomeRows:
        """Return what gives rows of some columns, ascending, every function of an input."""
        if self.maker is None:
            return _Held(self.variable, columns)
        maker, inputs = self.maker, np.unique(columns // self.maker.count).tolist()
        return lambda rows: maker.make(inputs, self.row[rows])


def last_held(part: SomeRows) -> SomeRows:
    """Return the same, its last answer held: one unit after the other asks for the same rows."""
    rows, made = np.zeros(0, int), np.zeros((0, 0), np.float32)

    def again(wanted: np.ndarray) -> np.ndarray:
        nonlocal rows, made
        if not np.array_equal(rows, wanted):
            rows, made = wanted, part(wanted)
        return made

    return again


class _Held:
    """Rows of a stored array, read in stretches of whole chunks of which the last is held."""

    def __init__(self, variable: xr.Variable, columns: np.ndarray):
        first, last = int(columns[0]), int(columns[-1])
        self.variable = variable[:, slice(first, last + 1) if last - first == len(columns) - 1 else columns]
        chunk = (variable.encoding.get("chunks") or (1,))[0]
        self.step = max(1, HELD_BYTES // (4 * len(columns) * chunk)) * chunk
        self.start, self.held = 0, np.zeros((0, len(columns)), np.float32)

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        made = np.empty((len(rows), self.held.shape[1]), np.float32)
        done = 0
        while done < len(rows):
            if not self.start <= rows[done] < self.start + len(self.held):
                self.start = int(rows[done]) // self.step * self.step
                self.held = self.variable[self.start : self.start + self.step].values
            stop = int(np.searchsorted(rows, self.start + len(self.held)))
            made[done:stop] = self.held[rows[done:stop] - self.start]
            done = stop
        return made
