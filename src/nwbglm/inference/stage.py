"""Test a term for the units of a session: from stores of bins, folds, features and fits to a store of tests."""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr

from nwbglm.engine.data.panels import scale_of_features
from nwbglm.engine.fit import fit_splits
from nwbglm.engine.observations import MODELS, Observations
from nwbglm.engine.penalties import Penalty
from nwbglm.errors import ProblemError
from nwbglm.fits.design import Design, pick_terms
from nwbglm.fits.model import fit_model, resolve_penalty
from nwbglm.fits.splits import block_of_units
from nwbglm.study import Fit, Model
from nwbglm.study.inference import TermTest

from .fitted import FitOfUnit, Rows, final_rows, nats, score
from .nulls import linear_shifts
from .shifted import TermTest as Result
from .shifted import central_rows, circular_shifts, circular_test, linear_test

log = logging.getLogger(__name__)

LEAST_ROWS = 100
"""Rows below which no shift says anything."""


def test_term(
    binned: xr.Dataset,
    folds: xr.Dataset,
    features: Sequence[xr.Dataset],
    fits: xr.Dataset,
    *,
    test: TermTest,
    name: str,
    model: Model,
    fit: Fit,
    drift: bool,
    block: str = "0-of-1",
    seed: int = 0,
) -> xr.Dataset:
    """Test whether a term adds to the rest of a model, for one block of a session's units.

    Parameters
    ----------
    binned, folds, features, fits
        The session's stores; `features` of the model's terms, `fits` of the model for the same block.
    test
        The study's entry, and its `name`.
    model, fit
        The study's settings of the model that has the term.
    drift
        Whether the rest has a term of time.
    block
        ``b-of-n``, as for `fit_model`.
    seed
        The study's; the draws are those of study, test and session, the same for all blocks.

    Returns
    -------
    xr.Dataset
        ``statistic, p, p_conservative, stretches, rank_changes, held_out_gain (unit)``, ``null (unit, draw)``.

    Raises
    ------
    ProblemError
        If there are too few rows for any shift.
    """
    session = str(binned.attrs.get("session", ""))
    where = f"session {session}, test {name}"
    settings = fit.of_model(model)
    null = test.null if test.null != "auto" else "circular" if drift else "linear"
    rest_terms = tuple(term for term in model.terms if term != test.term)
    rest_model = model.model_copy(update={"terms": rest_terms, "halves": False})
    rest = fit_model(binned, folds, features, model=rest_model, fit=fit, name=f"{name}-rest", block=block)
    units = block_of_units(binned.sizes["unit"], block)
    rows, positions = final_rows(binned, folds, features, model, settings, units)
    if len(rows.responses) < LEAST_ROWS:
        raise ProblemError(
            f"{len(rows.responses)} rows are too few to shift a term against the rest",
            where=where,
            mend="fit longer epochs, or take the test out of `inference.tests`",
        )
    term_design = Design(pick_terms(features, [test.term]), positions)
    rest_design = Design(pick_terms(features, rest_terms), positions)
    random = [seed, zlib.crc32(f"{name}/{session}".encode())]
    results = list(_each_unit(term_design, rest_design, rest, rows, settings, units, binned, null, test, folds, random))
    dataset = _collected(results, [int(unit) for unit in binned["unit"].values[units]])
    dataset["held_out_gain"] = ("unit", _held_out_gain(fits, rest), {"units": "bits per spike"})
    if results and null == "circular" and not drift:
        log.warning("%s: the rest has no term of time, and a circular shift then calls drift an effect", where)
    return dataset.assign_attrs(
        test=name, term=test.term, model=str(fits.attrs["model"]), null=null, drift=int(drift), block=block,
        session=session,
    )  # fmt: skip


def _each_unit(
    term_design: Design,
    rest_design: Design,
    rest: xr.Dataset,
    rows: Rows,
    settings: Fit,
    units: list[int],
    binned: xr.Dataset,
    null: str,
    test: TermTest,
    folds: xr.Dataset,
    random: list[int],
) -> Iterator[Result]:
    """Test one unit after the other, with the same shifts."""
    observations = MODELS[settings.observations]
    shared_term = None if term_design.own else term_design.matrix().astype(float)
    shared_rest = None if rest_design.own else rest_design.matrix().astype(float)
    shifts = None
    for position, unit in enumerate(binned["unit"].values[units]):
        term = term_design.matrix(unit).astype(float) if shared_term is None else shared_term
        others = rest_design.matrix(unit).astype(float) if shared_rest is None else shared_rest
        mask = term_design.mask([unit])
        term = term if mask is None else term[:, mask[:, 0]]
        if shifts is None:
            gap = int(np.ceil(float(folds.attrs["gap"]) / float(binned.attrs["bin"])))
            shifts = _shifts(null, term, rows.recording, test.draws, gap, random)
        mine = rest.isel(unit=position)
        if not np.isfinite(float(mine["intercept"])):
            yield Result(np.nan, np.zeros(0), np.nan, np.nan, np.nan, np.nan, 0)
            continue
        y, exposure = rows.of_unit(position)
        deviation = scale_of_features(others, np.arange(len(others)))[1]
        penalty = resolve_penalty(settings.penalty, deviation, rest_design)
        at = FitOfUnit(mine["coef"].values, float(mine["intercept"]), float(mine["dispersion"]))
        strength = float(mine["strength"].values[int(mine["chosen"])])
        if null == "linear":
            at = _refit(others, y, exposure, central_rows(len(y)), strength, penalty, observations, settings)
        residual, weight = score(others, y, exposure, at, observations)
        free = penalty.free_to_move(at.coef)
        scored = (exposure > 0) & (central_rows(len(y)) if null == "linear" else True)
        held = scored.sum() * strength * nats(observations, at) * penalty.curvature(at.coef)[np.ix_(free, free)]
        if null == "linear":
            yield linear_test(term, others[:, free], residual, weight, penalty=held, shifts=shifts)
        else:
            yield circular_test(
                term, others[:, free], residual, weight, penalty=held, shifts=shifts, circle=rows.recording
            )


def _refit(
    x: np.ndarray,
    y: np.ndarray,
    exposure: np.ndarray,
    inside: np.ndarray,
    strength: float,
    penalty: Penalty,
    observations: Observations,
    settings: Fit,
) -> FitOfUnit:
    """Fit the rest to some rows, at the strength that all rows chose."""
    found = fit_splits(
        x, y[:, None], inside[None], np.zeros((1, len(y)), bool), strengths=(strength,), penalty=penalty,
        observations=observations, exposure=exposure[:, None], dtype=settings.precision, gap=settings.tolerance,
    )  # fmt: skip
    return FitOfUnit(found.coef[0, 0, 0], float(found.intercept[0, 0, 0]), float(found.dispersion[0, 0, 0]))


def _shifts(null: str, term: np.ndarray, recording: np.ndarray, draws: int, gap: int, random: list[int]) -> np.ndarray:
    """Return the shifts (n,) of a session, or (n, recordings) where each recording has a circle of its own."""
    rows = len(term)
    if null == "linear":
        return linear_shifts(rows, draws)
    lengths = np.bincount(recording)
    if len(lengths) == 1:
        return circular_shifts(rows, draws, term, gap, random)
    parts = [term[recording == k] for k in range(len(lengths))]
    each = [circular_shifts(len(part), draws, part, gap, [*random, k]) for k, part in enumerate(parts)]
    return np.stack(each, axis=1)


def _collected(results: Sequence[Result], ids: list[int]) -> xr.Dataset:
    """Arrange the units' results."""
    draws = max((len(result.draws) for result in results), default=0)
    null = np.full((len(results), draws), np.nan, np.float32)
    for k, result in enumerate(results):
        null[k, : len(result.draws)] = result.draws
    names = ("statistic", "p", "p_conservative", "floor", "stretches", "rank_changes")
    data = {name: ("unit", np.array([getattr(result, name) for result in results], float)) for name in names}
    return xr.Dataset(data | {"null": (("unit", "draw"), null)}, coords={"unit": np.array(ids, dtype=np.int64)})


def _held_out_gain(fits: xr.Dataset, rest: xr.Dataset) -> np.ndarray:
    """Return what the term adds on held-out rows, bits per spike (unit,); NaN where nothing was held out."""

    def held_out(store: xr.Dataset) -> np.ndarray:
        chosen = store["fold_chosen"].astype(int)
        scored = store["test_log_likelihood"].isel(strength=chosen).transpose("unit", "fold").values
        return scored[:, store["fold_kind"].values.astype(str) != "test"]

    cv = fits["fold_kind"].values.astype(str) != "test"
    same = (fits["test_rows"].values == rest["test_rows"].values).all() if cv.any() else False
    if not same:
        return np.full(fits.sizes["unit"], np.nan)
    gain = (held_out(fits) - held_out(rest)).sum(axis=1)
    spikes = fits["test_spikes"].values[:, cv].sum(axis=1)
    counts = MODELS[json.loads(fits.attrs["settings"])["observations"]].counts
    per = spikes if counts else fits["test_rows"].values[:, cv].sum(axis=1)
    return np.divide(gain, per * np.log(2.0), out=np.full(len(gain), np.nan), where=per > 0)
