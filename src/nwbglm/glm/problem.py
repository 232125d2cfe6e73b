"""A problem: data in blocks on the device, standardised features, and the sums that a fit needs only once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import jax
import numpy as np

from ..errors import ProblemError
from .data_pass import Panel, column_extremes, column_sums, dispersion_slopes, weighted_grams
from .observations import Observations
from .penalties import Penalty
from .tally import Tally

__all__ = ["Problem", "bucket", "build_problem", "padded_width"]

LEAVE_OUT = "leave such rows out of train and test"

PANEL_BLOCKS = 64
"""Blocks of the largest panel; longer data are several of them, all of one shape."""

PANEL_SIZES = (1, 2, 4, 8, 16, 24, 32, 48, PANEL_BLOCKS)


@dataclass(frozen=True, eq=False)
class Problem:
    """Everything that all columns share.

    Features are standardised (mean 0, standard deviation 1 over the rows that any split trains on) and padded with
    zeros; the last is 1, for the intercept. ``M`` sets of rows: training and test rows of each split, and all rows
    that any split trains on.

    Attributes
    ----------
    panels
        The data.
    features
        Number of features without padding and intercept.
    mean, sd : (p,)
        Of the raw features.
    usable : (U, P) bool
        Coefficients that move: features that the unit may use and that vary, and the intercept.
    allowed : (U, p) bool
        Features that each unit may use.
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
        How many columns are worked on at once.
    used : (rows,) int
        The caller's rows that the panels hold, in order.
    responses, shares : (T, U)
        The caller's responses and exposure.
    fast
        The same with its data in float32, for the way to the optimum, or None.
    """

    panels: tuple[Panel, ...]
    observations: Observations
    dtype: str
    features: int
    mean: np.ndarray
    sd: np.ndarray
    usable: np.ndarray
    allowed: np.ndarray
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
        """Number of coefficients of a column, with padding and the intercept."""
        return self.usable.shape[1]

    def absolute_sum(self, theta: np.ndarray) -> np.ndarray:
        """Return the weighted sum of the norms of groups of coefficients (n,)."""
        extended = np.pad(theta, ((0, 0), (0, 1)))
        return np.linalg.norm(extended[:, self.groups], axis=2) @ self.weights

    def sums(self, theta, unit, mask, alpha, *, order: int, stride: int = 1) -> list[np.ndarray]:
        """Sum loss, gradient and Hessian of columns over their rows (see `data_pass.column_sums`)."""
        return self._over_panels(
            column_sums, theta, unit, mask, alpha, stride, observations=self.observations, order=order
        )

    def grams(self, theta, unit, mask, alpha, *, stride: int = 1) -> np.ndarray:
        """Sum the Hessians of columns over their rows (every ``stride``-th block), scaled up to all of them."""
        (total,) = self._over_panels(weighted_grams, theta, unit, mask, alpha, stride, observations=self.observations)
        return total

    def extremes(self, theta, unit, mask) -> tuple[np.ndarray, np.ndarray]:
        """Return the least and largest linear predictor of each column over its rows."""
        parts = list(self._each_panel(column_extremes, theta, unit, mask, np.ones(len(theta)), 1))
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
            blocks, size, width = panel.x.shape
            rows = self.used[start : start + blocks * size]
            start += blocks * size if panel is not self.panels[-1] else len(rows)
            members = np.asarray(panel.masks)[:, mask].reshape(-1)[: len(rows)]
            if self.shares is not None:
                members = members & (self.shares[rows, unit] > 0)
            yield np.asarray(panel.x).reshape(-1, width)[: len(rows)][members], self.responses[rows[members], unit]

    def _over_panels(self, kernel, theta, unit, mask, alpha, stride, **options):
        total = None
        for part in self._each_panel(kernel, theta, unit, mask, alpha, stride, **options):
            total = part if total is None else tuple(a + b for a, b in zip(total, part, strict=True))
        return [np.asarray(array)[: len(theta)] for array in total]

    def _each_panel(self, kernel, theta, unit, mask, alpha, stride, **options):
        """Run a kernel on every panel with rows of the columns' sets; yield tuples of device arrays."""
        columns = len(theta)
        size = bucket(columns, COLUMN_BUCKETS)
        padded = np.zeros((size, self.width), self.dtype)
        padded[:columns] = theta
        labels = np.zeros((2, size), np.int32)
        labels[:, :columns] = unit, mask
        shape = np.ones(size, self.dtype)
        shape[:columns] = alpha
        wanted = np.unique(mask)
        for panel in self.panels:
            blocks = np.flatnonzero(panel.occupied[wanted].any(axis=0))[::stride]
            if not len(blocks) and panel is not self.panels[0]:
                continue  # the first is run all the same: sums over no row are zero
            listed = np.zeros(panel.x.shape[0], np.int32)
            listed[: len(blocks)] = blocks
            data = panel.x, panel.masks, panel.exposure, panel.y, listed, len(blocks)
            part = kernel(*data, padded, *labels, shape, **options)
            yield part if isinstance(part, tuple) else (part,)


COLUMN_BUCKETS = (1, 8, 24, 48, 104, 128, 256, 512, 1024, 2048, 4096, 8192)
"""Numbers of columns that are compiled for; others are filled up with zeros."""


def bucket(n: int, sizes) -> int:
    """Return the smallest of the sizes that is at least n."""
    return next(size for size in sizes if size >= n)


def padded_width(features: int) -> int:
    """Return the padded number of coefficients, intercept included."""
    step = 4 if features < 32 else 8 if features < 256 else 32
    return -(-(features + 1) // step) * step


def _block_rows(rows: int, width: int, columns: int) -> int:
    """Return the rows of a block: a power of two such that the block and its columns stay in cache."""
    best = 2 ** int(np.log2(2**18 / (width + min(columns, 128))))
    smallest = 2 ** int(np.ceil(np.log2(max(rows, 1))))
    return int(np.clip(best, 256, 1024).clip(max=max(smallest, 256)))


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
    columns: int,
    mixed: bool,
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
    columns
        How many columns will be solved at once, at most.
    mixed
        Whether to keep a copy in float32, for the way to the optimum.
    """
    used = np.flatnonzero(masks.any(axis=0))
    units, features = y.shape[1], X.shape[1]
    width = padded_width(features)
    mean, sd, varies = _scale(X, np.flatnonzero(fitted))
    usable = np.zeros((units, width), bool)
    allowed = np.ones((units, features), bool) if allowed is None else np.asarray(allowed, bool).T
    usable[:, :features] = varies & allowed
    usable[:, -1] = True
    to_standard = np.ones(width)
    if penalty.kind == "group_lasso":
        own = penalty.group_scale(sd)
        to_standard[:features], sd = own / sd, own
    quadratic = np.zeros((width, width))
    quadratic[:features, :features] = penalty.quadratic(sd)
    absolute, groups, weights = penalty.norms(sd, width)
    tally = Tally(y, used, masks, width, observations, has_exposure=exposure is not None)
    rows = _block_rows(len(used), width, columns)
    panels, fast_panels = [], []
    blocks = max(-(-len(used) // rows), 1)
    for start in range(0, blocks, PANEL_BLOCKS):
        here = used[start * rows : (start + PANEL_BLOCKS) * rows]
        count = bucket(-(-len(here) // rows) or 1, PANEL_SIZES)
        panel = _panel(X, y, masks, exposure, here, (count, rows, width), mean, sd, dtype, tally)
        panels.append(panel)
        if mixed:
            fast_panels.append(_in_float32(panel))
    problem = Problem(
        panels=tuple(panels), observations=observations, dtype=dtype, features=features, mean=mean, sd=sd,
        usable=usable, allowed=allowed, quadratic=quadratic, absolute=absolute, groups=groups, weights=weights,
        to_standard=to_standard, slots=min(columns, 128), fast=None,
        used=used, responses=y, shares=exposure,
        **tally.result(),
    )  # fmt: skip
    if not mixed:
        return problem
    return replace(problem, fast=replace(problem, panels=tuple(fast_panels), dtype="float32"))


def _in_float32(panel: Panel) -> Panel:
    """Return the panel with its real numbers in float32."""
    x, _, exposure, y, _ = panel
    narrow = []
    for array in (x, exposure, y):
        copy = None if array is None else _zeros(array.shape, np.float32)
        if copy is not None:
            copy[...] = np.asarray(array)
        narrow.append(None if copy is None else jax.device_put(copy, may_alias=True))
    return panel._replace(x=narrow[0], exposure=narrow[1], y=narrow[2])


def _stretch(rows: np.ndarray) -> np.ndarray | slice:
    """Return consecutive rows as a slice, which costs no copy."""
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1:
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def _scale(X, rows, step=4096):
    """Return mean, standard deviation (1 where constant) and whether each feature varies, over the rows.

    Sums are taken around the mean of the first rows, so that large offsets cost no digits.
    """
    count = max(len(rows), 1)
    centre = X[_stretch(rows[:step])].mean(axis=0, dtype=np.float64) if len(rows) else np.zeros(X.shape[1])
    total, square = np.zeros((2, X.shape[1]))
    for i in range(0, len(rows), step):
        part = X[_stretch(rows[i : i + step])] - centre
        total += part.sum(axis=0)
        square += np.einsum("tp,tp->p", part, part)
    shift = total / count
    mean = centre + shift
    sd = np.sqrt(np.maximum(square / count - shift**2, 0.0))
    varies = sd > 1e-9 * np.abs(mean)
    return mean, np.where(varies, sd, 1.0), varies


def _zeros(shape: tuple[int, ...], dtype) -> np.ndarray:
    """Return zeros that begin where JAX wants them to, so that a processor takes them over without a copy."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(size + 64, np.uint8)
    offset = -raw.ctypes.data % 64
    return raw[offset : offset + size].view(dtype).reshape(shape)


def _panel(X, y, masks, exposure, rows, shape, mean, sd, dtype, tally):
    """Fill one panel."""
    count, size, width = shape
    features, units = len(mean), y.shape[1]
    x = _zeros(shape, dtype)
    sets = _zeros((count, len(masks), size), bool)
    shares = _zeros((count, units, size), dtype) if exposure is not None else None
    responses = None if tally.observations.linear else _zeros((count, units, size), dtype)
    scratch = np.zeros((size, width))
    for j in range(-(-len(rows) // size)):
        here = _stretch(rows[j * size : (j + 1) * size])
        part = X[here]
        n = len(part)
        block = x[j, :n] if dtype == "float64" else scratch[:n]
        np.subtract(part, mean, out=block[:, :features])
        block[:, :features] /= sd
        block[:, -1] = 1.0
        x[j, :n], sets[j, :, :n] = block, masks[:, here]
        response = y[here]
        share = None if exposure is None else np.asarray(exposure[here], float)
        if not np.isfinite(block.sum()):
            raise ProblemError("X is not finite on a row that a split uses", where="fit_splits", mend=LEAVE_OUT)
        if share is not None:
            shares[j, :, :n] = share.T
        if responses is not None:
            responses[j, :, :n] = (response if share is None else np.where(share > 0, response, 1.0)).T
        tally.add(block, response, rows[j * size : (j + 1) * size], share)
    on_device = [None if a is None else jax.device_put(a, may_alias=True) for a in (x, sets, shares, responses)]
    return Panel(*on_device, occupied=sets.any(axis=2).T)
