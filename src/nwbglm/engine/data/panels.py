"""Panels: the data in blocks of rows, kept on the device or built again for each pass.

Features may be any array with a shape and slices: numpy, a memory map, a zarr array larger than memory. Where they fit
in memory twice they are standardised once; otherwise they are as they are given, half the size, and each block is
standardised when its turn comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np

from ...errors import ProblemError
from .. import limits
from .passes import Panel
from .row_sums import RowSums

__all__ = ["PanelMaker", "StoredPanel", "in_float32", "scale_of_features", "take_rows"]


def take_rows(X, rows: np.ndarray) -> np.ndarray:
    """Return ascending rows of an array that may not be numpy's; consecutive ones without a copy."""
    if not len(rows):
        return np.zeros((0, *X.shape[1:]))
    first, last = int(rows[0]), int(rows[-1])
    if last - first == len(rows) - 1:
        return np.asarray(X[first : last + 1])
    return X[rows] if isinstance(X, np.ndarray) else np.asarray(X[first : last + 1])[rows - first]


LEAST_VARIATION, ROUNDINGS = 1e-9, 4
"""Standard deviation, relative to the mean, from which a feature varies: coefficients in raw units need as many digits
of their intercept. And at least so many roundings of the numbers that features come in."""


class FeatureScale(NamedTuple):
    """How features vary over rows.

    Attributes
    ----------
    mean, sd : (p,)
        Mean, and standard deviation, 1 where a feature does not vary.
    varies : (p,) bool
        Whether a feature can be told from a constant.
    unresolved : (p,) bool
        Features that cannot, and are none: they differ between rows, by less than working precision resolves.
    """

    mean: np.ndarray
    sd: np.ndarray
    varies: np.ndarray
    unresolved: np.ndarray


def scale_of_features(X, rows: np.ndarray) -> FeatureScale:
    """Return how each feature varies over the rows.

    Sums are taken around the mean of the first rows, so that large offsets cost no digits.
    """
    step = 4096 if isinstance(X, np.ndarray) else max(256, limits.SCANNED_BYTES // (8 * max(X.shape[1], 1)))
    count = max(len(rows), 1)
    first = take_rows(X, rows[:step])
    ones = np.ones(min(step, count))  # a product sums columns faster than a sum does
    centre = ones[: len(first)] @ first / len(first) if len(rows) else np.zeros(X.shape[1])
    total, square = np.zeros((2, X.shape[1]))
    room = np.empty((len(ones), X.shape[1]))
    for i in range(0, len(rows), step):
        raw = take_rows(X, rows[i : i + step]) if i else first
        part = np.subtract(raw, centre, out=room[: len(raw)])
        total += ones[: len(part)] @ part
        square += np.einsum("tp,tp->p", part, part)
    shift = total / count
    mean = centre + shift
    sd = np.sqrt(np.maximum(square / count - shift**2, 0.0))
    least = max(LEAST_VARIATION, ROUNDINGS * np.finfo(first.dtype).eps if first.dtype.kind == "f" else 0.0)
    varies = sd > least * np.abs(mean)
    unresolved = np.zeros(len(varies), bool)
    suspects = np.flatnonzero(~varies & (square > 0))
    for i in range(0, len(rows) if len(suspects) else 0, step):
        part = take_rows(X, rows[i : i + step])[:, suspects]
        unresolved[suspects] |= (part != first[:1, suspects]).any(axis=0)
    return FeatureScale(mean, np.where(varies, sd, 1.0), varies, unresolved)


@dataclass(frozen=True, eq=False)
class PanelMaker:
    """The recipe of a panel.

    Attributes
    ----------
    X, y, exposure, masks
        Of the caller: features (T, p), responses (T, U), exposure (T, U) or None, sets of rows (M, T).
    mean, sd : (p,)
        To standardise by.
    width, rows
        Padded number of coefficients, and rows of a block.
    dtype
        Of the standardised features.
    standardised
        Whether the features are standardised here, or block by block in each pass.
    with_responses
        Whether the observation model needs the responses row by row.
    """

    X: np.ndarray
    y: np.ndarray
    exposure: np.ndarray | None
    masks: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    width: int
    rows: int
    dtype: str
    standardised: bool
    with_responses: bool

    def make(self, rows: np.ndarray, count: int, sums: RowSums | None = None) -> Panel:
        """Return the panel of these rows in ``count`` blocks; add them to the sums."""
        whole = take_rows(self.X, rows)
        sets = _zeros((count, len(self.masks), self.rows), bool)
        given = {"exposure": self.exposure, "y": self.y if self.with_responses else None}
        by_row: dict[str, Any] = {
            name: None if array is None else _zeros((count, array.shape[1], self.rows), self._dtype_of(array))
            for name, array in given.items()
        }
        if self.standardised:
            x = _zeros((count, self.rows, self.width), self.dtype)
        else:
            x = _zeros((count, self.rows, self.width), self._dtype_of(whole))
            x.reshape(-1, self.width)[: len(rows), : whole.shape[1]] = whole
            x[..., -1] = 1.0
        flat = x.reshape(-1, self.width)
        in_place = self.standardised and self.dtype == "float64"
        chunk = self.rows * max(1, limits.PREPARED_NUMBERS // (self.rows * self.width))
        scratch = np.zeros((0 if in_place else min(chunk, len(rows)), self.width))
        for start in range(0, len(rows), chunk):
            here = rows[start : start + chunk]
            inside = slice(start, start + len(here))
            _in_blocks(sets, start, self.masks[:, here].T)
            if self.standardised or sums is not None:
                block = flat[inside] if in_place else scratch[: len(here)]
                self._standardise(whole[inside], block)
                if self.standardised and not in_place:
                    flat[inside] = block
            response = take_rows(self.y, here)
            share = None if self.exposure is None else np.asarray(take_rows(self.exposure, here), float)
            if share is not None:
                _in_blocks(by_row["exposure"], start, share)
            if self.with_responses:
                _in_blocks(by_row["y"], start, response if share is None else np.where(share > 0, response, 1.0))
            if sums is not None:
                sums.add(block, response, here, share)
        arrays = x, sets, by_row["exposure"], by_row["y"]
        on_device: Iterator[Any] = (None if a is None else jax.device_put(a, may_alias=True) for a in arrays)
        features, masks, exposure, responses = on_device
        return Panel(features, masks, exposure, responses, np.count_nonzero(sets, axis=2).T)

    def _standardise(self, raw: np.ndarray, into: np.ndarray) -> None:
        """Write features (n, p) standardised into (n, P), the intercept last; refuse what is not finite."""
        features = len(self.mean)
        np.subtract(raw, self.mean, out=into[:, :features])
        into[:, :features] /= self.sd
        into[:, -1] = 1.0
        if not np.isfinite(into.sum()):
            raise ProblemError(
                "X is not finite on a row that a split uses",
                where="fit_splits",
                mend="leave such rows out of train and test",
            )

    def _dtype_of(self, array: np.ndarray) -> np.dtype:
        """Return the smaller of single and the problem's precision that holds an array's values exactly."""
        if self.standardised:
            return np.dtype(self.dtype)
        return np.dtype(np.float32 if np.can_cast(array.dtype, np.float32) else np.float64)


@dataclass(frozen=True, eq=False)
class StoredPanel:
    """A panel that is built anew for each pass, where all of them do not fit in memory."""

    maker: PanelMaker
    rows: np.ndarray
    count: int
    members: np.ndarray

    def load(self) -> Panel:
        """Build it."""
        return self.maker.make(self.rows, self.count)


def _in_blocks(into: np.ndarray, start: int, values: np.ndarray) -> None:
    """Write rows (n, k) into blocks (blocks, k, rows), from the block on that begins with row ``start``."""
    rows, first, whole = into.shape[2], start // into.shape[2], len(values) // into.shape[2]
    full, rest = values[: whole * rows], values[whole * rows :]
    into[first : first + whole] = full.reshape(whole, rows, values.shape[1]).transpose(0, 2, 1)
    if len(rest):
        into[first + whole, :, : len(rest)] = rest.T


def in_float32(panel: Panel) -> Panel:
    """Return a panel with its real numbers in float32."""
    narrow = {}
    for name in ("x", "exposure", "y"):
        array = getattr(panel, name)
        if array is not None:
            copy = _zeros(array.shape, np.float32)
            copy[...] = np.asarray(array)
            narrow[name] = jax.device_put(copy, may_alias=True)
    return panel._replace(**narrow)


def _zeros(shape: tuple[int, ...], dtype) -> np.ndarray:
    """Return zeros that begin where JAX wants them to, so that a processor takes them over without a copy."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + 64, np.uint8)
    offset = -raw.ctypes.data % 64
    return raw[offset : offset + size].view(dtype).reshape(shape)
