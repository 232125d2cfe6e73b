"""The features of a model, some rows at a time: what does not fit in memory is read or made again for each pass.

Features of spikes are made again from the counts, at about the speed at which a store is decompressed and without its
traffic; those of signals alone, few columns that are dear to evaluate, are read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr

from nwbglm.features import remake
from nwbglm.lazy import HeldRows, LazyMatrix
from nwbglm.making import Maker
from nwbglm.study import Term

__all__ = ["FeatureRows", "RowsOfStore", "SomeRows", "last_held"]

SomeRows = Callable[[np.ndarray], np.ndarray]
"""From ascending positions along a store's time to its features there."""


class FeatureRows(LazyMatrix):
    """An array (rows, features), float32, made some rows at a time.

    Parameters
    ----------
    parts
        The terms: how many columns each has, and what makes or reads its rows.
    rows
        Positions along the stores' time.
    """

    def __init__(self, parts: Sequence[tuple[int, SomeRows]], rows: np.ndarray):
        self.parts, self.rows = tuple(parts), rows
        super().__init__((len(rows), sum(count for count, _ in parts)), np.float32, self._make)

    def _make(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        here = self.rows[rows]
        if len(self.parts) == 1:
            made = self.parts[0][1](here)
        else:
            made = np.empty((len(here), self.shape[1]), np.float32)
            at = 0
            for count, part in self.parts:
                made[:, at : at + count] = part(here)
                at += count
        return made if len(columns) == self.shape[1] else made[:, columns]


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
            held = HeldRows.by_bytes(self.variable, len(columns))
            return lambda rows: held.take(rows, columns)
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
