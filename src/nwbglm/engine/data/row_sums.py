"""Sums over rows for each unit and set of rows: all that a fit needs of the data beside the hot loop."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from ...errors import ProblemError
from ..observations import Observations

__all__ = ["LARGEST_TABLE", "RowSums", "checked_responses"]

CHECKED_ROWS = 16384
"""Rows whose responses are looked at together."""

LARGEST_TABLE = 1024
"""Counts below are tallied as a histogram; functions of the count are then taken once for each value."""

RUNS = 16
"""Runs of rows of one cell in a block that are summed without copying; more are gathered cell by cell."""


class RowSums:
    """Sums over rows, taken block by block.

    Rows with the same pattern of sets form a cell and are summed once, however many sets they belong to.

    Parameters
    ----------
    y : (T, U)
        Responses.
    used : (rows,) int
        Rows that will be added.
    masks : (M, T) bool
        Sets of rows.
    width
        Coefficients of a fit.
    observations
        Observation model.
    largest
        Of `checked_responses`: counts up to it are tallied as a histogram.
    has_exposure
        Whether exposures will be given.
    """

    def __init__(self, y, used, masks, width, observations: Observations, largest: int | None, *, has_exposure: bool):
        self.observations, self.masks, self.has_exposure = observations, masks, has_exposure
        self.cells = _cells(masks)
        units = y.shape[1]
        shape = units, len(masks)
        self.table = None if largest is None else np.zeros((*shape, largest + 1))
        self.values = {name: np.zeros(shape) for name in ("rows", "spikes", "constant", "saturated")}
        self.exposed = {name: np.zeros(shape) for name in ("exposure", "log_exposure")}
        self.moments = np.zeros((*shape, width))

    def add(self, x, y, rows, exposure) -> None:
        """Add a block: features (n, P), responses (n, U), which rows these are, exposure (n, U) or None."""
        cells = self.cells[rows]
        edges = np.flatnonzero(cells[1:] != cells[:-1]) + 1
        if len(edges) <= RUNS:
            parts: list[Any] = [slice(first, last) for first, last in pairwise([0, *edges, len(rows)])]
        else:
            _, of_row = np.unique(cells, return_inverse=True)
            parts = [np.flatnonzero(of_row == number) for number in range(of_row.max() + 1)]
        for here in parts:
            share = None if exposure is None else exposure[here]
            self._add_cell(x[here], y[here], share, self.masks[:, rows[here][0]])

    def _add_cell(self, x, y, exposure, sets) -> None:
        exists: Any = None if exposure is None else exposure > 0
        if self.observations.linear:
            response = y.astype(float) if exists is None else np.where(exists, y, 0.0)
            self.moments[:, sets] += (response.T @ x)[:, None]
        if exposure is not None:
            log = np.log(np.where(exists, exposure, 1.0))
            self.exposed["exposure"][:, sets] += exposure.sum(axis=0)[:, None]
            self.exposed["log_exposure"][:, sets] += (np.where(exists, y, 0.0) * log).sum(axis=0)[:, None]
        if self.table is not None:
            self.table[:, sets] += _histogram(y, exists, self.table.shape[2])[:, None]
            return
        exists = np.ones(y.shape) if exists is None else exists
        y = np.where(exists, y, 1.0)
        for name, values in (
            ("rows", exists),
            ("spikes", y),
            ("constant", self.observations.constant(y, 1.0)),
            ("saturated", self.observations.saturated(y, 1.0)),
        ):
            self.values[name][:, sets] += np.where(exists, values, 0.0).sum(axis=0)[:, None]

    def result(self) -> dict[str, Any]:
        """Return the sums (U, M), moments (U, M, P), and histograms (U, M, counts) or None."""
        sums = dict(self.values)
        if self.table is not None:
            count = np.arange(self.table.shape[2])
            sums["rows"], sums["spikes"] = self.table.sum(axis=2), self.table @ count
            sums["constant"] = self.table @ self.observations.constant(count, 1.0)
            sums["saturated"] = self.table @ self.observations.saturated(count, 1.0)
        if not self.has_exposure:
            self.exposed["exposure"] = sums["rows"]
        if self.observations.offset:
            sums["constant"] = sums["constant"] + self.exposed["log_exposure"]
        return {**sums, **self.exposed, "moments": self.moments, "table": self.table}


def _cells(masks: np.ndarray) -> np.ndarray:
    """Return (T,) a number for the pattern of sets of each row: exact up to 62 sets, a 64-bit hash beyond."""
    if len(masks) <= 62:
        factors = 1 << np.arange(len(masks), dtype=np.int64)
    else:
        factors = np.random.default_rng(0).integers(-(2**62), 2**62, len(masks))
    cells = np.zeros(masks.shape[1], np.int64)
    for factor, members in zip(factors, masks, strict=True):
        cells[members] += factor
    return cells


def checked_responses(y: np.ndarray, exposure: np.ndarray | None, used: np.ndarray, model: Observations) -> int | None:
    """Return the largest response where all are whole numbers below `LARGEST_TABLE`, or None.

    Raises
    ------
    ProblemError
        Where a response on a row in use is none that the observation model knows.
    """
    largest, tabled = 0, model.counts
    for i in range(0, len(used), CHECKED_ROWS):
        here = used[i : i + CHECKED_ROWS]
        part = y[here] if exposure is None else y[here][exposure[here] > 0]
        if not part.size:
            continue
        low, high = part.min(), part.max()
        whole = part.dtype.kind in "ui" or ((tabled or model.response.whole) and bool((part == np.floor(part)).all()))
        if not model.response.holds(low, high) or (model.response.whole and not whole):
            raise ProblemError(
                f"{model.name} responses are {model.response.words}, and a row that a split uses holds "
                f"{model.response.first_refused(part):g}",
                where="fit_splits",
                mend="use another observation model, or give such rows no exposure",
            )
        largest, tabled = max(largest, high), tabled and whole
    return int(largest) if tabled and largest < LARGEST_TABLE else None


def _histogram(y: np.ndarray, exists: np.ndarray | None, values: int) -> np.ndarray:
    """Return how often each unit has each count (U, values)."""
    units = y.shape[1]
    y = y if exists is None else np.where(exists, y, 0)
    code = y.astype(np.intp) + values * np.arange(units)
    code = code.ravel() if exists is None else code[exists]
    return np.bincount(code, minlength=units * values).reshape(units, values)
