"""Intervals on the filters of one model: from stores of bins, folds, features and fits to a store of bands.

A unit's coefficients have a covariance (see `sandwich`), made in one pass over the rows of its final fit, some rows at
a time; a filter ``K w`` of one input has ``K C K'``. Nothing is fitted again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from nwbglm.engine.data.panels import FeatureScale, scale_of_features
from nwbglm.engine.fit import Status
from nwbglm.engine.observations import MODELS, Observations
from nwbglm.engine.penalties import PENALTIES, Penalty
from nwbglm.filters import Layout, layout_of
from nwbglm.fits.design import Design, pick_terms
from nwbglm.fits.model import resolve_penalty
from nwbglm.fits.record import FINAL
from nwbglm.fits.splits import block_of_units
from nwbglm.fits.strengths import relative_strengths
from nwbglm.study import Fit, Model
from nwbglm.study.inference import Intervals

from .fitted import FitOfUnit, FitsOfUnits, Rows, final_rows, nats, scores_of_units
from .sandwich import Curvature, block_covariance, contiguous_blocks, filter_bands, laplace

log = logging.getLogger(__name__)

STEP = 16384
"""Rows that are worked on together."""

IN_CACHE = 512
"""Rows whose weighted features stay near the processor while they are multiplied."""

LEAST_WINDOWS = 2
"""Windows that a block of rows is long at least, lest its neighbours be as alike as rows are."""

BLOCKS_PER_FUNCTION = 5
"""Blocks, for each function of a filter, below which their scores say little of its covariance."""

BANDS = ("value", "low", "high", "low_all", "high_all")

IN_WORDS = {
    Status.no_spikes: "no spikes to fit",
    Status.separable: "separable: its likelihood has no maximum",
    Status.rank_deficient: "rank deficient: the rows do not determine its coefficients; functions of a value need "
    "`full_rank: true`, or a ridge",
    Status.not_converged: "not converged",
    Status.unresolved: "a feature cannot be told from a constant",
}


PLACES = ("term", "input", "axis", "at", "text", "axis_1", "at_1", "text_1")
"""What says of which filter a point is, and where on it."""


def infer_filters(
    binned: xr.Dataset,
    folds: xr.Dataset,
    features: Sequence[xr.Dataset],
    fits: xr.Dataset,
    *,
    intervals: Intervals,
    model: Model,
    fit: Fit,
    drift: bool,
    block: str = "0-of-1",
) -> xr.Dataset:
    """Compute intervals on the filters of a model, for one block of a session's units.

    Parameters
    ----------
    binned, folds, features, fits
        The session's stores; `features` of the model's terms, `fits` of the model for the same block.
    intervals
        The study's entry.
    model, fit
        The study's settings of the model.
    drift
        Whether the model has a term of time.
    block
        ``b-of-n``, as for `fit_model`.

    Returns
    -------
    xr.Dataset
        ``value, low, high`` (pointwise) and ``low_all, high_all`` (simultaneous over a filter) ``(unit, point)``, NaN
        where there is none; ``blocks (unit)``, and ``reason (unit)`` where a unit has none. A point has a ``term``, an
        ``input`` and one or two places on the axes of its filter.
    """
    settings = fit.of_model(model)
    units = block_of_units(binned.sizes["unit"], block)
    ids = binned["unit"].values[units]
    rows, positions = final_rows(binned, folds, features, model, settings, units)
    design = Design(pick_terms(features, model.terms), positions)
    layouts = {term: layout_of(fits, term) for term in model.terms}
    blocks = contiguous_blocks(rows.segment, intervals.blocks)
    bands = np.full((len(BANDS), len(ids), sum(map(_size, layouts.values()))), np.nan)
    used, reasons = np.zeros(len(ids), np.int32), [_refusal(fits, settings, k) for k in range(len(ids))]
    for position, found in _covariances(design, binned, fits, rows, blocks, settings, intervals, reasons):
        used[position] = found.blocks
        if found.covariance is None:
            reasons[position] = f"only {found.blocks} block of rows with the unit in it"
            continue
        coef = fits["coef"].values[position]
        parts = [_bands(layout, coef, found, intervals) for layout in layouts.values()]
        bands[:, position] = np.concatenate([bands[:, position, :0], *parts], axis=1)
    warnings = _warnings(blocks, layouts, design, float(binned.attrs["bin"]), drift, intervals.method)
    where = f"session {binned.attrs.get('session', '')}, model {fits.attrs['model']}"
    for warning in warnings:
        log.warning("%s: %s", where, warning)
    return xr.Dataset(
        {name: (("unit", "point"), values) for name, values in zip(BANDS, bands, strict=True)}
        | {"blocks": ("unit", used), "reason": ("unit", np.array(reasons, dtype=str))},
        coords={"unit": ids.astype(np.int64)} | _points(layouts),
        attrs={
            "model": str(fits.attrs["model"]), "method": intervals.method, "level": intervals.level,
            "drift": int(drift), "block": block, "session": str(binned.attrs.get("session", "")),
            "warnings": json.dumps(warnings),
        },
    )  # fmt: skip


def _refusal(fits: xr.Dataset, settings: Fit, position: int) -> str:
    """Return why a unit's fit has no intervals; '' where it may have them."""
    kind, mine = settings.penalty.kind, fits.isel(unit=position)
    chosen, strengths = int(mine["chosen"]), fits["strength"].values
    status = Status(int(mine["status"].sel(fit=FINAL).values[chosen]))
    if not PENALTIES[kind].is_smooth:
        return f"{kind.replace('_', ' ')}: its estimates are chosen by the data, and have no such interval"
    if status != Status.ok:
        return IN_WORDS[status]
    if kind != "none" and len(strengths) > 1 and chosen == len(strengths) - 1:
        return "its strength is the largest of the path: the penalty alone would make the interval"
    return ""


class _Found(NamedTuple):
    """What a unit's rows say of its coefficients."""

    covariance: np.ndarray | None
    """(p, p) of raw features; None with fewer than two blocks."""
    usable: np.ndarray
    """(p,) features that the unit may use and that vary."""
    blocks: int


def _covariances(
    design: Design,
    binned: xr.Dataset,
    fits: xr.Dataset,
    rows: Rows,
    blocks: np.ndarray,
    settings: Fit,
    intervals: Intervals,
    reasons: Sequence[str],
) -> Iterator[tuple[int, _Found]]:
    """Yield the covariance of each unit that may have one: all units in a pass, or one after the other."""
    ids = fits["unit"].values
    told = [position for position, reason in enumerate(reasons) if not reason]
    for group in [[position] for position in told] if design.own else [told] if told else []:
        unit = ids[group[0]]
        lazy = 2 * design.nbytes > settings.memory
        x = design.by_rows(binned)(unit) if lazy else design.matrix(unit)
        scale = scale_of_features(x, np.arange(len(blocks)))
        mask = design.mask(ids[group])
        usable = np.repeat(scale.varies[None], len(group), axis=0)
        usable = usable if mask is None else usable & mask.T
        sums = _Sums(fits.isel(unit=group), *rows.of_units(group), blocks, settings)
        for start in range(0, len(blocks), STEP):
            here = slice(start, min(start + STEP, len(blocks)))
            part = np.asarray(x[here], float)
            standard = np.ones((len(part), part.shape[1] + 1))  # the last column is the intercept's
            np.subtract(part, scale.mean, out=standard[:, :-1])
            standard[:, :-1] /= scale.sd
            sums.add(here, part, standard)
        for k, position in enumerate(group):
            penalty = resolve_penalty(settings.penalty, scale.sd, design, relative_strengths(fits, position))
            yield position, sums.covariance(k, usable[k], scale, penalty, intervals.method)


class _Sums:
    """Sums over rows of standardised features, of units that share them: Gram matrices and the scores of blocks."""

    def __init__(self, fits: xr.Dataset, y: np.ndarray, exposure: np.ndarray, blocks: np.ndarray, settings: Fit):
        self.coef, self.intercept = fits["coef"].values, fits["intercept"].values
        self.dispersion = fits["dispersion"].values
        self.strength = fits["strength"].values[fits["chosen"].values.astype(int)]
        self.observations: Observations = MODELS[settings.observations]
        self.y, self.exposure, self.block = y, exposure, blocks
        self.rows = (exposure > 0).sum(axis=0)
        self.seen = np.zeros((int(blocks.max(initial=-1)) + 1, len(self.coef)), bool)
        np.logical_or.at(self.seen, blocks, exposure > 0)  # blocks without the unit do not count
        size = self.coef.shape[1] + 1
        self.gram = np.zeros((len(self.coef), size, size))
        self.scores = np.zeros((len(self.seen), size, len(self.coef)))

    def add(self, here: slice, x: np.ndarray, standard: np.ndarray) -> None:
        """Add some rows of the features, raw (rows, p) and standardised beside ones (rows, p + 1)."""
        at = FitsOfUnits(self.coef, self.intercept, self.dispersion)
        residual, weight = scores_of_units(x, self.y[here], self.exposure[here], at, self.observations)
        block = self.block[here]
        for number in np.unique(block):
            mine = slice(*np.searchsorted(block, [number, number + 1]))  # blocks are stretches of rows
            self.scores[number] += standard[mine].T @ residual[mine]
        root = np.sqrt(weight)
        for start in range(0, len(standard), IN_CACHE):
            few = slice(start, start + IN_CACHE)
            for k in range(len(self.gram)):
                half = standard[few] * root[few, k, None]
                self.gram[k] += half.T @ half  # one matrix with itself: half of the products

    def covariance(self, k: int, usable: np.ndarray, scale: FeatureScale, penalty: Penalty, method: str) -> _Found:
        """Return the covariance of the coefficients of raw features of a unit."""
        scores, sd = self.scores[self.seen[:, k], :, k], scale.sd[usable]
        blocks = len(scores)
        if blocks < 2:
            return _Found(None, usable, blocks)
        both, kept = np.ix_(usable, usable), np.r_[usable, True]
        at = FitOfUnit(self.coef[k], float(self.intercept[k]), float(self.dispersion[k]))
        held = self.rows[k] * self.strength[k] * nats(self.observations, at) * penalty.curvature(at.coef)[both]
        held = held / np.outer(sd, sd)
        gram = self.gram[k][np.ix_(kept, kept)]
        hessian = gram.copy()
        hessian[:-1, :-1] += held
        curved = Curvature(gram, hessian)
        inner = laplace(curved) if method == "laplace" else block_covariance(curved, scores[:, kept], prior=held)
        covariance = np.zeros((len(usable), len(usable)))
        covariance[both] = inner[:-1, :-1] / np.outer(sd, sd)
        return _Found(covariance, usable, blocks)


def _bands(layout: Layout, coef: np.ndarray, found: _Found, intervals: Intervals) -> np.ndarray:
    """Return the bands of a term's filters (bands, points); NaN for an input that the unit does not have."""
    degrees = np.inf if intervals.method == "laplace" else found.blocks - 1
    functions = layout.functions
    columns = layout.columns_of_inputs
    assert found.covariance is not None  # `infer_filters` passes over the others
    bands = np.full((len(BANDS), len(columns), len(functions)), np.nan)
    there = found.usable[columns].any(axis=1)
    if there.any():
        used = columns[there]
        covariance = found.covariance[used[:, :, None], used[:, None, :]]
        band = filter_bands(functions, coef[used], covariance, level=intervals.level, degrees=degrees)
        bands[:, there] = np.array([getattr(band, name) for name in BANDS])
    return bands.reshape(len(BANDS), -1)


def _size(layout: Layout) -> int:
    return len(layout.inputs) * len(layout.functions)


def _points(layouts: dict[str, Layout]) -> dict[str, tuple[str, np.ndarray]]:
    """Return what each point of the bands is: its term and input, and its places on one or two axes.

    The place of a level that is a text is its number among the term's levels, with the text beside it: numbers and
    texts share no array.
    """
    parts: dict[str, list] = {name: [] for name in PLACES}
    for term, layout in layouts.items():
        size = _size(layout)
        grids = [np.arange(len(t.grid), dtype=float) if t.grid.dtype.kind == "U" else t.grid for t in layout.tables]
        places = np.meshgrid(*grids, indexing="ij")
        parts["term"].append(np.full(size, term))
        parts["input"].append(np.repeat(layout.inputs, len(layout.functions)))
        for number, end in enumerate(("", "_1")):
            there = number < len(places)
            parts[f"axis{end}"].append(np.full(size, layout.tables[number].axis if there else ""))
            at = np.tile(places[number].ravel(), len(layout.inputs)) if there else np.full(size, np.nan)
            parts[f"at{end}"].append(at)
            named = there and layout.tables[number].grid.dtype.kind == "U"
            parts[f"text{end}"].append(layout.tables[number].grid[at.astype(int)] if named else np.full(size, ""))
    return {name: ("point", np.concatenate(values) if values else np.zeros(0)) for name, values in parts.items()}


def _warnings(
    blocks: np.ndarray, layouts: dict[str, Layout], design: Design, bin_width: float, drift: bool, method: str
) -> list[str]:
    """Say what makes the intervals of a session less than they seem."""
    said = []
    if not drift:
        said.append("the model has no term of time: where rates drift, the intervals are too narrow")
    if method != "block":
        return said
    length = float(np.median(np.bincount(blocks))) * bin_width if len(blocks) else 0.0
    window = max((float(store.attrs["window"]) for store in design.stores), default=0.0)
    if length < LEAST_WINDOWS * window:
        said.append(
            f"blocks of {length:.3g} s are shorter than two windows of {window:.3g} s, and not independent: take fewer "
            "`blocks`"
        )
    count = int(blocks.max(initial=-1)) + 1
    for term, layout in layouts.items():
        functions = layout.functions.shape[1]
        if count < BLOCKS_PER_FUNCTION * functions:
            said.append(f"{count} blocks are few for the {functions} functions of '{term}'")
    return said
