"""Makers: the features of an input, or of a product of inputs, made on any rows and as often as they are needed.

An hour of 500 units in 10 ms bins has 4000 features of 360 000 rows: 6 GB, which nobody needs at once. What is made in
pieces, and made again, is the same to the last bit as what is made whole.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
import xarray as xr

from nwbglm import basis as bases
from nwbglm import limits
from nwbglm.convolution import add_events, block_rows, convolve, window_validity
from nwbglm.labels import as_level, codes_in, levels_of
from nwbglm.lazy import HeldRows, LazyMatrix
from nwbglm.response import of_counts
from nwbglm.study import Factor

RARE = 1 / 8  # share of bins with a spike below which adding kernels up is faster than products


class Maker(Protocol):
    """What makes features: of ``inputs``, ``count`` functions each; ``of_spikes`` where spikes are among the inputs."""

    inputs: list[str]
    count: int
    of_spikes: bool

    def make(self, columns: Sequence[int], rows: np.ndarray) -> np.ndarray:
        """Return features of some inputs on some bins, zero where invalid, shape (rows, inputs x functions), float32.

        `columns` are positions in ``inputs``, `rows` ascending indices of bins.
        """

    def valid(self, rows: np.ndarray) -> np.ndarray:
        """Return where the features of each input can be trusted, shape (rows, inputs)."""


class Lagged:
    """Features over lags.

    Parameters
    ----------
    binned
        Where the inputs are.
    factor
        The input and its basis.
    """

    def __init__(self, binned: xr.Dataset, factor: Factor):
        self.binned, self.factor = binned, factor
        self.kernel = bases.kernel(factor.basis, float(binned.attrs["bin"]))
        self.inputs = [str(unit) for unit in binned["unit"].values] if factor.of_spikes else [factor.of]
        self.count, self.of_spikes = self.kernel.weights.shape[1], factor.of_spikes

    def make(self, columns: Sequence[int], rows: np.ndarray) -> np.ndarray:
        """Return features on some bins, zero where the window is not known (see `Maker`)."""
        made = np.empty((len(rows), len(columns) * self.count), np.float32)
        if not len(rows):
            return made
        stretch = self._stretch(rows)
        here = rows - stretch.start
        values, missing = self._series(columns, stretch)
        outside = np.flatnonzero(~self.inside[rows])
        for i, column in enumerate(columns):
            into = made[:, i * self.count : (i + 1) * self.count]
            one = values[:, [i]].astype(float)
            gone = None if missing is None else missing[:, [i]]
            if gone is not None and gone.any():
                one[gone] = 0.0
                unknown = np.flatnonzero(~self._known(gone, stretch)[here])
            else:
                unknown = outside
            for where, part in self._convolve[column](one, self.kernel, here):
                into[where] = part[:, 0]
            into[unknown] = 0.0
        return made

    def valid(self, rows: np.ndarray) -> np.ndarray:
        """Return where the whole window is known (see `Maker`)."""
        shape = len(rows), len(self.inputs)
        if self.of_spikes and "exposure" not in self.binned:
            return np.broadcast_to(self.inside[rows, None], shape)
        valid = np.empty(shape, bool)
        everything = slice(0, self.binned.sizes["time"])
        for column in range(len(self.inputs)):
            missing = self._series([column], everything)[1]
            assert missing is not None  # signals, and spikes with exposure
            valid[:, column] = self._known(missing, everything)[rows]
        return valid

    @functools.cached_property
    def inside(self) -> np.ndarray:
        """Where the whole window lies in its segment, shape (time,)."""
        bins = self.binned.sizes["time"]
        return self._known(np.zeros((bins, 1), bool), slice(0, bins))

    @functools.cached_property
    def _convolve(self) -> list[Callable]:
        """How each input is convolved: by all of its bins, so that pieces are the same to the last bit as the whole."""
        bins = self.binned.sizes["time"]
        copies = self.kernel.weights.shape == (self.count, self.count)  # of the past
        if not self.of_spikes or copies or not of_counts(self.binned):
            return [convolve] * len(self.inputs)
        spikes = sum(
            np.count_nonzero(self.binned["response"][start : start + limits.PIECE_ROWS].values, axis=0)
            for start in range(0, bins, limits.PIECE_ROWS)
        )
        return [add_events if few else convolve for few in spikes < RARE * bins]

    @functools.cached_property
    def _read(self) -> dict[str, HeldRows]:
        return {name: HeldRows(self.binned[name]) for name in ("response", "exposure") if name in self.binned}

    @functools.cached_property
    def _segment(self) -> np.ndarray:
        return self.binned["segment"].values

    def _stretch(self, rows: np.ndarray) -> slice:
        """Return the bins that the rows' windows cover, from where a block of the convolution begins."""
        block = block_rows(len(self.kernel.weights))
        begin = max(0, int(rows[0]) - max(self.kernel.last, 0)) // block * block
        return slice(begin, min(self.binned.sizes["time"], int(rows[-1]) + 1 - min(self.kernel.first, 0)))

    def _series(self, columns: Sequence[int], stretch: slice) -> tuple[np.ndarray, np.ndarray | None]:
        """Return inputs over a stretch (bins, inputs), and where they are unknown or their sender was not observed."""
        if not self.of_spikes:
            signal = np.asarray(self.binned[self.factor.of][stretch].values, dtype=float)[:, None]
            return signal, np.isnan(signal)
        counts = self._read["response"].stretch(stretch, np.asarray(columns))
        if "exposure" not in self._read:
            return counts, None
        return counts, self._read["exposure"].stretch(stretch, np.asarray(columns)) == 0

    def _known(self, missing: np.ndarray, stretch: slice) -> np.ndarray:
        """Return where the whole window is known, for one input that is `missing` (bins, 1) somewhere: (bins,)."""
        return window_validity(missing, self._segment[stretch], self.kernel.first, self.kernel.last)[:, 0]


class Valued:
    """Features that are functions of a signal's value now.

    Parameters
    ----------
    binned
        Where the signal is.
    factor
        The signal and its basis.
    bounds
        Range, or levels (numbers or texts), of the functions; empty for the identity.
    """

    def __init__(self, binned: xr.Dataset, factor: Factor, bounds: Sequence[float | str]):
        self.signal, self.functions, self.bounds = binned[factor.of], bases.computed(factor.basis), list(bounds)
        self.levels = levels_of(self.signal.attrs)
        self.inputs, self.of_spikes = [factor.of], False
        self.count = self.evaluate(np.zeros(1)).shape[1]

    def evaluate(self, value: np.ndarray) -> np.ndarray:
        """Return the functions of values (n,), NaN outside the bounds, shape (n, functions).

        Of texts, values are places among the bounds.
        """
        return self.functions.evaluate(value, self.bounds, self.signal.attrs.get("period"))

    def make(self, columns: Sequence[int], rows: np.ndarray) -> np.ndarray:
        """Return features on some bins, zero outside the bounds (see `Maker`)."""
        made = np.empty((len(rows), self.count), np.float32)
        for where, part in self._pieces(rows):
            valid = np.isfinite(part).all(axis=1)
            made[where] = np.where(valid[:, None], part, 0.0)
        return made

    def valid(self, rows: np.ndarray) -> np.ndarray:
        """Return where the value is known and inside the bounds (see `Maker`)."""
        valid = np.empty((len(rows), 1), bool)
        for where, part in self._pieces(rows):
            valid[where, 0] = np.isfinite(part).all(axis=1)
        return valid

    def _pieces(self, rows: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        for start in range(0, len(rows), limits.PIECE_ROWS):
            here = rows[start : start + limits.PIECE_ROWS]
            series = np.asarray(self.signal[here[0] : here[-1] + 1].values, dtype=float)
            if self.levels:
                series = codes_in(series, self.levels, [as_level(bound) for bound in self.bounds])
            yield slice(start, start + len(here)), self.evaluate(series[here - here[0]])


class Product:
    """Every function of one maker times every one of another; at most one of them is of spikes."""

    def __init__(self, left: Maker, right: Maker):
        self.left, self.right = left, right
        # spikes name the columns, however many their senders are and on whichever side they stand
        self.inputs = right.inputs if right.of_spikes else left.inputs
        self.of_spikes = left.of_spikes or right.of_spikes
        self.count = left.count * right.count

    def make(self, columns: Sequence[int], rows: np.ndarray) -> np.ndarray:
        """Return the products (see `Maker`)."""
        a, b = (
            maker.make(columns if maker.of_spikes else [0], rows).reshape(len(rows), -1, maker.count)
            for maker in (self.left, self.right)
        )
        return (a[:, :, :, None] * b[:, :, None, :]).reshape(len(rows), -1)

    def valid(self, rows: np.ndarray) -> np.ndarray:
        """Return where both are valid (see `Maker`)."""
        return self.left.valid(rows) & self.right.valid(rows)


def lazy_features(maker: Maker, rows: np.ndarray) -> LazyMatrix:
    """Return the features of a maker (rows, features), input-major, made when they are asked for.

    Parameters
    ----------
    maker
        Makes them.
    rows
        Which bins are its rows.
    """

    def make(some: np.ndarray, features: np.ndarray) -> np.ndarray:
        made = np.empty((len(some), len(features)), np.float32)
        for column in np.unique(features // maker.count):
            mine = features // maker.count == column
            made[:, mine] = maker.make([column], rows[some])[:, features[mine] % maker.count]
        return made

    return LazyMatrix((len(rows), len(maker.inputs) * maker.count), np.float32, make)
