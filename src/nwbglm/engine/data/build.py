"""From features, responses and sets of rows to a problem: what is kept in memory, in which form, in what blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple, cast

import jax
import numpy as np

from ..observations import Observations
from ..penalties import Penalty
from .panels import PanelMaker, StoredPanel, in_float32, scale_of_features
from .passes import Panel
from .problem import Problem, bucket, padded_width
from .row_sums import RowSums, checked_responses

__all__ = ["build_problem"]

PANEL_BLOCKS = 64
"""Blocks of the largest panel; longer data are several of them, all of one shape."""

PANEL_SIZES = (1, 2, 4, 8, 16, 24, 32, 48, PANEL_BLOCKS)

SLOTS = {"cpu": 128, "gpu": 2048}
"""Fits worked on at once: enough to fill the device's matrix units."""

STORED_SLOTS = 512
"""The same, at least, where the features are made again for each pass: it costs as much as about 128 fits."""

STORED_SHARE = 16
"""Share of the memory that one panel takes of features that are made again."""

IN_FLIGHT = 3
"""Panels of such features that are there at once: one at work, one ready, one being made."""

DEVICE_ROWS = 8192
"""Rows of a block where each block costs a launch."""


def build_problem(
    X: np.ndarray,
    y: np.ndarray,
    masks: np.ndarray,
    fitted: np.ndarray,
    *,
    penalty: Penalty,
    observations: Observations,
    exposure: np.ndarray | None,
    allowed: np.ndarray | None,
    dtype: str,
    fits: int,
    mixed: bool,
    memory: float | None,
) -> Problem:
    """Standardise, cut into blocks, move to the device and take the sums.

    Parameters
    ----------
    X, y, exposure
        As in `fit_splits`.
    masks : (M, T) bool
        Sets of rows.
    fitted : (T,) bool
        Rows that any split trains on: they set mean and standard deviation.
    allowed : (p, U) bool or None
        Features of each unit.
    fits
        How many fits will be solved at once, at most.
    mixed
        Whether to keep a copy in float32, for the way to the optimum.
    memory
        Bytes that the features may take. Where they take more when standardised, in all precisions that are needed,
        they are kept as they are given; where even that is more, as many panels as have room are kept, and the others
        made again for each pass. None: no limit.
    """
    used = np.flatnonzero(masks.any(axis=0))
    largest = checked_responses(y, exposure, used, observations)
    mean, sd, varies, unresolved = scale_of_features(X, np.flatnonzero(fitted))
    to_standard = np.ones(padded_width(len(mean)))
    own = penalty.feature_scale(sd)
    to_standard[: len(mean)], sd = own / sd, own
    coefficients = _coefficients(sd, varies, allowed, penalty, y.shape[1])
    width = len(to_standard)
    rows = _block_rows(len(used), width, fits)
    form = _form(X, len(used), rows, width, np.dtype(dtype).itemsize + 4 * mixed, memory)
    maker = PanelMaker(X, y, exposure, masks, mean, sd, width, rows, dtype, form.standardised, not observations.linear)
    sums = RowSums(y, used, masks, width, observations, largest, has_exposure=exposure is not None)
    panels = tuple(_panels(maker, used, form, sums))
    slots = SLOTS.get(jax.default_backend(), SLOTS["gpu"])
    slots = min(max(fits, 1), max(slots, STORED_SLOTS) if np.isfinite(form.room) else slots)
    problem = Problem(
        panels=panels, observations=observations, dtype=dtype, features=len(mean), mean=mean, sd=sd,
        standard=None if form.standardised else _standard(mean, sd, width), **coefficients, to_standard=to_standard,
        slots=slots, fast=None, used=used, unresolved=unresolved, responses=y, shares=exposure, **sums.result(),
    )  # fmt: skip
    if not mixed:
        return problem
    fast = tuple(in_float32(cast(Panel, panel)) for panel in panels) if form.standardised else panels
    return replace(problem, fast=replace(problem, panels=fast, dtype="float32"))


def _coefficients(sd, varies, allowed, penalty: Penalty, units: int) -> dict[str, Any]:
    """Return which coefficients move, and the penalty on them."""
    features, width = len(sd), padded_width(len(sd))
    allowed = np.ones((units, features), bool) if allowed is None else np.asarray(allowed, bool).T
    usable = np.zeros((units, width), bool)
    usable[:, :features] = varies & allowed
    usable[:, -1] = True
    quadratic = np.zeros((width, width))
    quadratic[:features, :features] = penalty.quadratic(sd)
    absolute, groups, weights = penalty.norms(sd, width)
    return {
        "usable": usable, "allowed": allowed, "quadratic": quadratic, "absolute": absolute, "groups": groups,
        "weights": weights,
    }  # fmt: skip


class _Form(NamedTuple):
    """How features are kept: standardised or as given, in panels of how many blocks, of which ``room`` stay."""

    standardised: bool
    blocks: int
    room: float


def _form(X, used: int, rows: int, width: int, itemsize: int, memory: float | None) -> _Form:
    """Choose the form; ``itemsize`` are the bytes of a standardised value in all precisions that are needed."""
    given = np.dtype(X.dtype).itemsize
    if memory is None or used * width * itemsize <= memory:
        return _Form(True, PANEL_BLOCKS, np.inf)
    if used * width * given <= memory:
        return _Form(False, PANEL_BLOCKS, np.inf)
    block = rows * width * given
    blocks = max(size for size in PANEL_SIZES if size == 1 or size * block * STORED_SHARE <= memory)
    return _Form(False, blocks, memory // (blocks * block) - IN_FLIGHT)


def _panels(maker: PanelMaker, used: np.ndarray, form: _Form, sums: RowSums) -> Iterator[Panel | StoredPanel]:
    """Make all panels once, for the sake of the sums; yield them, or those that have no room as recipes."""
    step = form.blocks * maker.rows
    for number, start in enumerate(range(0, max(len(used), 1), step)):
        here = used[start : start + step]
        count = bucket(-(-len(here) // maker.rows) or 1, PANEL_SIZES)
        panel = maker.make(here, count, sums)
        yield panel if number < form.room else StoredPanel(maker, here, count, panel.members)


def _standard(mean: np.ndarray, sd: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what to subtract from the panels' features, padding and intercept included, and what to multiply by."""
    factor = np.pad(1 / sd, (0, width - len(sd)))
    factor[-1] = 1.0
    return np.pad(mean, (0, width - len(mean))), factor


def _block_rows(rows: int, width: int, fits: int) -> int:
    """Return the rows of a block: a power of two such that the block and its fits stay in cache."""
    best = 2 ** int(np.log2(2**18 / (width + min(fits, 128))))
    smallest = 2 ** int(np.ceil(np.log2(max(rows, 1))))
    if jax.default_backend() != "cpu":
        return min(DEVICE_ROWS, max(smallest, 256))
    return int(np.clip(best, 256, 1024).clip(max=max(smallest, 256)))
