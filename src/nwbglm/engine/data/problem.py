"""A problem: data in blocks on the device, standardised features, and the sums that a fit needs only once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np

from .. import limits
from ..observations import Observations
from .panels import StoredPanel
from .passes import (
    Panel,
    Unscaled,
    compact_grams,
    dispersion_slopes,
    loss_sums,
    predictor_extremes,
    weighted_grams,
)

__all__ = ["Problem", "bucket", "padded_width"]


@dataclass(frozen=True, eq=False)
class Problem:
    """Everything that all fits share.

    Features are standardised (mean 0, standard deviation 1 over the rows that any split trains on) and padded with
    zeros; the last is 1, for the intercept. They are so in the panels, or become so block by block in each pass.
    There are ``M`` sets of rows: training and test rows of each split, and all rows
    that any split trains on.

    Attributes
    ----------
    panels
        The data.
    features
        Number of features without padding and intercept.
    mean, sd : (p,)
        Of the raw features.
    standard : two (P,) arrays, or None
        What turns the panels' features into standardised ones, where they are not yet (see `passes.Unscaled`).
    usable : (U, P) bool
        Coefficients that move: features that the unit may use and that vary, and the intercept.
    allowed : (U, p) bool
        Features that each unit may use.
    unresolved : (p,) bool
        Features that cannot be told from constants, and are none.
    quadratic : (P, P)
        The quadratic part of the penalty.
    absolute : (P,) or None
        The factors of its absolute part.
    groups : (G, k)
        Coefficients whose norms the absolute part sums, padded with P.
    weights : (G,)
        The weights of these norms.
    to_standard : (P,)
        Turns gradients into those for features of standard deviation 1 (other than 1 only for groups, whose features
        are scaled as their penalty is).
    rows, spikes, exposure, log_exposure, constant, saturated : (U, M)
        Sums over each unit's existing rows in each set: 1, y, e, y log e, and the constant and saturated parts of the
        log-likelihood.
    moments : (U, M, P)
        Sums of y x (zeros unless the observation model is linear).
    table : (U, M, counts) or None
        How often each count occurs, where responses are small counts.
    slots
        How many fits are worked on at once.
    used : (rows,) int
        The caller's rows that the panels hold, in order.
    responses, shares : (T, U)
        The caller's responses and exposure.
    fast
        The same with its data in float32, for the way to the optimum, or None.
    """

    panels: tuple[Panel | StoredPanel, ...]
    observations: Observations
    dtype: str
    features: int
    mean: np.ndarray
    sd: np.ndarray
    standard: tuple[np.ndarray, np.ndarray] | None
    usable: np.ndarray
    allowed: np.ndarray
    unresolved: np.ndarray
    quadratic: np.ndarray
    absolute: np.ndarray | None
    groups: np.ndarray
    weights: np.ndarray
    to_standard: np.ndarray
    rows: np.ndarray
    spikes: np.ndarray
    exposure: np.ndarray
    log_exposure: np.ndarray
    constant: np.ndarray
    saturated: np.ndarray
    moments: np.ndarray
    table: np.ndarray | None
    slots: int
    fast: Problem | None
    used: np.ndarray
    responses: np.ndarray
    shares: np.ndarray | None

    @property
    def width(self) -> int:
        """Number of coefficients of a fit, with padding and the intercept."""
        return self.usable.shape[1]

    @property
    def stored(self) -> bool:
        """Whether features are made again for each pass."""
        return isinstance(self.panels[-1], StoredPanel)

    @property
    def holding(self) -> np.ndarray:
        """A matrix (P, P) whose null space are the coefficients that no penalty holds."""
        return self.quadratic if self.absolute is None else self.quadratic + np.diag(self.absolute)

    @cached_property
    def _sizes(self) -> tuple[int, ...]:
        """Numbers of fits that are compiled for: the usual ones, but for the next above all slots, which is theirs."""
        full = -(-self.slots // LANES) * LANES
        usual = bucket(self.slots, FIT_BUCKETS)
        return tuple(sorted({full if size == usual and full > LANES else size for size in FIT_BUCKETS}))

    @cached_property
    def holds_all(self) -> bool:
        """Whether the penalty holds every combination of coefficients."""
        inside = slice(0, self.features)
        penalty = self.holding[inside, inside]
        size = np.sqrt(np.diagonal(penalty))
        held = bool((size > 0).all())
        if held and np.count_nonzero(penalty - np.diag(size**2)):
            held = np.linalg.matrix_rank(penalty / np.outer(size, size), hermitian=True) == len(size)
        return held

    def hessians_at_once(self, otherwise: int) -> int:
        """Return how many Hessians to ask of one pass: many where it is dear."""
        return max(otherwise, limits.GRAM_BYTES // (8 * self.width**2)) if self.stored else otherwise

    def absolute_sum(self, theta: np.ndarray) -> np.ndarray:
        """Return the weighted sum of the norms of groups of coefficients (n,)."""
        extended = np.pad(theta, ((0, 0), (0, 1)))
        return np.linalg.norm(extended[:, self.groups], axis=2) @ self.weights

    def sums(self, theta, unit, mask, alpha, *, order: int, stride: int = 1) -> list[np.ndarray]:
        """Sum loss, gradient and Hessian of fits over their rows (see `passes.loss_sums`)."""
        return self._over_panels(
            loss_sums, theta, unit, mask, alpha, stride, observations=self.observations, order=order
        )

    def grams(self, theta, unit, mask, alpha, *, stride: int = 1, without: int = -1) -> np.ndarray:
        """Sum the Hessians of fits over their rows (every ``stride``-th block), without those of a subset of them."""
        (total,) = self._over_panels(
            weighted_grams, theta, unit, mask, alpha, stride, chunk=GRAM_FITS, without=np.int32(without),
            observations=self.observations,
        )  # fmt: skip
        return total

    def blocks_without(self, mask: int, without: int) -> list[np.ndarray]:
        """Return, for each panel, the blocks with rows of a set that are not in a subset of it (-1: the empty one)."""
        kept = [panel.members[without] if without >= 0 else 0 for panel in self.panels]
        return [np.flatnonzero(panel.members[mask] > part) for panel, part in zip(self.panels, kept, strict=True)]

    def compact_grams(self, theta, unit, mask, alpha, index) -> np.ndarray:
        """Sum the Hessians of fits on their own coefficients ``index`` (n, k) over their rows: (n, k, k)."""
        fits = len(index)
        more = bucket(fits, HESSIAN_FITS) - fits
        theta, unit, mask, alpha, index = (
            np.pad(array, [(0, more)] + [(0, 0)] * (array.ndim - 1), mode="edge")
            for array in (theta, unit, mask, alpha, index)
        )
        options = {"index": index.astype(np.int32), "used": fits, "observations": self.observations}
        (total,) = self._over_panels(compact_grams, theta, unit, mask, alpha, 1, **options)
        return total[:fits]

    def extremes(self, theta, unit, mask) -> tuple[np.ndarray, np.ndarray]:
        """Return the least and largest linear predictor of each fit over its rows."""
        parts = list(self._each_panel(predictor_extremes, theta, unit, mask, np.ones(len(theta)), 1))
        both = np.stack([np.asarray(part) for (part,) in parts])[:, : len(theta)]
        return both[..., 0].min(axis=0), both[..., 1].max(axis=0)

    def dispersion_slopes(self, theta, unit, mask, alpha) -> np.ndarray:
        """Sum the derivative of the negative binomial's loss in its dispersion."""
        (total,) = self._over_panels(dispersion_slopes, theta, unit, mask, alpha, 1)
        return total

    def host_rows(self, unit: int, mask: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield features (n, P) and responses (n,) of a unit's rows in a set, panel by panel."""
        start = 0
        for panel in self.panels:
            loaded = panel.load()
            x = np.asarray(loaded.x)
            blocks, size, width = x.shape
            rows = self.used[start : start + blocks * size]
            start += blocks * size if panel is not self.panels[-1] else len(rows)
            members = np.asarray(loaded.masks)[:, mask].reshape(-1)[: len(rows)]
            if self.shares is not None:
                members = members & (self.shares[rows, unit] > 0)
            chosen = x.reshape(-1, width)[: len(rows)][members]
            if self.standard is not None:
                mean, factor = self.standard
                chosen = (chosen - mean) * factor
            yield chosen, self.responses[rows[members], unit]

    def _over_panels(self, kernel, theta, unit, mask, alpha, stride, **options):
        total: Any = None
        for part in self._each_panel(kernel, theta, unit, mask, alpha, stride, **options):
            total = part if total is None else tuple(a + b for a, b in zip(total, part, strict=True))
        return [np.asarray(array)[: len(theta)] for array in total]

    def _each_panel(self, kernel, theta, unit, mask, alpha, stride, chunk=None, **options):
        """Run a kernel on every panel with rows of the fits' sets; yield tuples of device arrays.

        A panel is there for all fits, ``chunk`` of which are worked on at once; no more than are compiled for.
        """
        step = chunk or FIT_BUCKETS[-1]
        chunks = [slice(i, i + step) for i in range(0, max(len(theta), 1), step)]
        sizes = self._sizes
        padded = [_padded(theta[some], unit[some], mask[some], alpha[some], self.dtype, sizes) for some in chunks]
        wanted = np.unique(mask)
        before = None
        without = options.get("without", -1)
        chosen = self.blocks_without(int(wanted[0]), int(without)) if without >= 0 else None
        for number, panel in enumerate(self.panels):
            blocks = np.flatnonzero(panel.members[wanted].any(axis=0)) if chosen is None else chosen[number]
            blocks = blocks[::stride]
            if not len(blocks) and panel is not self.panels[0]:
                continue  # the first is run all the same: sums over no row are zero
            listed = np.zeros(panel.members.shape[1], np.int32)
            listed[: len(blocks)] = blocks
            loaded = panel.load()
            if isinstance(panel, StoredPanel):
                jax.block_until_ready(before)  # passes are queued: without this, all panels would be
            x = loaded.x if self.standard is None else Unscaled(loaded.x, *self.standard)
            data = x, loaded.masks, loaded.exposure, loaded.y, listed, len(blocks)
            parts = [kernel(*data, *fits, **options) for fits in padded]
            parts = [part if isinstance(part, tuple) else (part,) for part in parts]
            before = parts[0] if len(parts) == 1 else tuple(map(_joined, *parts))
            yield before


FIT_BUCKETS = (1, 8, 24, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
"""Numbers of fits that are compiled for; others are filled up with zeros."""


HESSIAN_FITS = tuple(size for size in FIT_BUCKETS if size == 24 or size > 64)
"""The same for Hessians on few coefficients, which come in many widths: others are not visited, and cost little."""

LANES = 8
"""Fits by which the number of all slots is rounded up: fewer leave registers empty."""

GRAM_FITS = 8
"""Fits whose Hessians are summed by one product."""


def _padded(theta, unit, mask, alpha, dtype: str, sizes: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    """Return fits as a kernel takes them, filled up to a number that is compiled for."""
    fits, width = theta.shape
    size = bucket(fits, sizes)
    padded = np.zeros((size, width), dtype)
    padded[:fits] = theta
    labels = np.zeros((2, size), np.int32)
    labels[:, :fits] = unit, mask
    shape = np.ones(size, dtype)
    shape[:fits] = alpha
    return padded, *labels, shape


def _joined(*parts: jax.Array) -> np.ndarray:
    return np.concatenate([np.asarray(part) for part in parts])


def bucket(n: int, sizes) -> int:
    """Return the smallest of the sizes that is at least n."""
    return next(size for size in sizes if size >= n)


def padded_width(features: int) -> int:
    """Return the padded number of coefficients, intercept included."""
    step = 4 if features < 32 else 8 if features < 256 else 32
    return -(-(features + 1) // step) * step
