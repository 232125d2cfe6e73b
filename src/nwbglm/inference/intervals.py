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
from nwbglm.study import Fit, Model
from nwbglm.study.inference import Intervals

from .fitted import FitOfUnit, Rows, final_rows, nats, score
from .sandwich import Curvature, block_covariance, block_scores, contiguous_blocks, curvature, filter_band, laplace

log = logging.getLogger(__name__)

STEP = 16384
"""Rows that are worked on together."""

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
        penalty = resolve_penalty(settings.penalty, scale.sd, design)
        each = []
        for k, position in enumerate(group):
            usable = scale.varies if mask is None else scale.varies & mask[:, k]
            each.append(_Sums(fits.isel(unit=position), *rows.of_unit(position), blocks, usable, settings))
        for start in range(0, len(blocks), STEP):
            here = slice(start, min(start + STEP, len(blocks)))
            part = np.asarray(x[here], float)
            standard = (part - scale.mean) / scale.sd
            for sums in each:
                sums.add(here, part, standard)
        for position, sums in zip(group, each, strict=True):
            yield position, sums.covariance(scale, penalty, intervals.method)


class _Sums:
    """A unit's sums over rows, of standardised features: the Gram matrix and the scores of blocks."""

    def __init__(
        self,
        fit: xr.Dataset,
        y: np.ndarray,
        exposure: np.ndarray,
        blocks: np.ndarray,
        usable: np.ndarray,
        settings: Fit,
    ):
        self.at = FitOfUnit(fit["coef"].values, float(fit["intercept"]), float(fit["dispersion"]))
        self.strength = float(fit["strength"].values[int(fit["chosen"])])
        self.observations: Observations = MODELS[settings.observations]
        self.y, self.exposure, self.usable = y, exposure, usable
        seen, self.block = exposure > 0, np.zeros(len(y), int)
        self.rows = int(seen.sum())
        self.block[seen] = np.unique(blocks[seen], return_inverse=True)[1]  # blocks without the unit do not count
        size = int(usable.sum()) + 1
        self.gram = np.zeros((size, size))
        self.scores = np.zeros((self.block.max(initial=-1) + 1 if self.rows else 0, size))

    def add(self, here: slice, x: np.ndarray, standard: np.ndarray) -> None:
        """Add some rows of the features, raw and standardised."""
        residual, weight = score(x, self.y[here], self.exposure[here], self.at, self.observations)
        z = standard if self.usable.all() else standard[:, self.usable]
        self.gram += curvature(z, weight).gram
        part = block_scores(z, residual, self.block[here])
        self.scores[: len(part)] += part

    def covariance(self, scale: FeatureScale, penalty: Penalty, method: str) -> _Found:
        """Return the covariance of the coefficients of raw features."""
        blocks, sd = len(self.scores), scale.sd[self.usable]
        if blocks < 2:
            return _Found(None, self.usable, blocks)
        both = np.ix_(self.usable, self.usable)
        held = self.rows * self.strength * nats(self.observations, self.at) * penalty.curvature(self.at.coef)[both]
        held = held / np.outer(sd, sd)
        hessian = self.gram.copy()
        hessian[:-1, :-1] += held
        at = Curvature(self.gram, hessian)
        inner = laplace(at) if method == "laplace" else block_covariance(at, self.scores, prior=held)
        covariance = np.zeros((len(self.usable), len(self.usable)))
        covariance[both] = inner[:-1, :-1] / np.outer(sd, sd)
        return _Found(covariance, self.usable, blocks)


def _bands(layout: Layout, coef: np.ndarray, found: _Found, intervals: Intervals) -> np.ndarray:
    """Return the bands of a term's filters (bands, points); NaN for an input that the unit does not have."""
    degrees = np.inf if intervals.method == "laplace" else found.blocks - 1
    functions, parts = layout.functions, []
    assert found.covariance is not None  # `infer_filters` passes over the others
    for columns in layout.columns_of_inputs:
        if found.usable[columns].any():
            covariance = found.covariance[np.ix_(columns, columns)]
            band = filter_band(functions, coef[columns], covariance, level=intervals.level, degrees=degrees)
            parts.append(np.array([getattr(band, name) for name in BANDS]))
        else:
            parts.append(np.full((len(BANDS), len(functions)), np.nan))
    return np.concatenate(parts, axis=1)


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
