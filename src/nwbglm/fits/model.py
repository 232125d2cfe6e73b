"""Fit one model to a session: from stores of bins, folds and features to a store of fits.

Every unit, fold, strength and half is one batch of the engine where units share their columns; where a term gives each
unit columns of its own, units follow one another with equal shapes, so that nothing is compiled twice. Features that
would take more than the study's ``fit.memory`` are never in memory whole.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from nwbglm.engine.data.panels import scale_of_features
from nwbglm.engine.degrees import effective_parameters, predicted_sums
from nwbglm.engine.fit import SplitFits, fit_splits
from nwbglm.engine.observations import MODELS
from nwbglm.engine.penalties import PENALTIES, ColumnsOfX, Penalty
from nwbglm.response import counts as counts_of
from nwbglm.response import of_counts
from nwbglm.study import OBSERVATION_MODELS, Fit, Model
from nwbglm.study import Penalty as PenaltySettings

from .checks import refuse_impossible, report_constant_features, report_silent_units
from .design import Design, pick_terms
from .record import assemble, describe
from .splits import Splits, block_of_units, kept_rows, plan_splits
from .strengths import relative_strengths, strengths_of_terms

log = logging.getLogger(__name__)


def fit_model(
    binned: xr.Dataset,
    folds: xr.Dataset,
    features: Sequence[xr.Dataset],
    *,
    model: Model,
    fit: Fit,
    name: str,
    block: str = "0-of-1",
) -> xr.Dataset:
    """Fit one model to one block of a session's units.

    Parameters
    ----------
    binned
        A ``binned`` store.
    folds
        The session's ``folds`` store.
    features
        ``features`` stores of the model's terms (others are passed over).
    model
        The study's entry for this model.
    fit
        The study's ``fit``; what the model says differently is put in its place.
    name
        The model's name.
    block
        ``b-of-n``: the units b, b + n, b + 2n, ...

    Returns
    -------
    xr.Dataset
        A ``fits`` store.

    Raises
    ------
    ProblemError
        Where the study asks for something impossible: named with session, model and term, before anything is compiled.
    """
    settings = fit.of_model(model)
    where = f"session {binned.attrs.get('session', '')}, model {name}"
    if OBSERVATION_MODELS[settings.observations].counts:
        counts_of(binned, f"the model '{name}', {settings.observations.replace('_', ' ')},")
    stores = pick_terms(features, model.terms)
    units = block_of_units(binned.sizes["unit"], block)
    kept, unit_kept = kept_rows(binned, folds, stores, settings.rows)
    splits = plan_splits(folds, kept, halves=model.halves, nested=settings.nested)
    used = np.any(np.concatenate([splits.train, splits.test]), axis=0)
    splits = splits._replace(train=splits.train[:, used], test=splits.test[:, used])
    design = Design(stores, used)
    # a block without units is fitted as if it had the first one, which is then taken out: all shapes hold
    responses = read_responses(binned, folds["row"].values, unit_kept, used, units or [0])
    refuse_impossible(design, responses.counts, splits, settings, where, responses.ids)
    if of_counts(binned):
        report_silent_units(responses.counts[:, : len(units)], responses.ids[: len(units)], splits, where)
    groups = list(_groups(design, binned, responses, splits, settings, where))
    fits = fit_groups(
        groups, responses, splits, settings, strengths_of_terms(settings, design, int(folds.attrs["seed"]))
    )
    dataset = assemble(fits, splits, settings, design)
    dataset = dataset.assign(tell_fits(dataset, groups, responses, splits, settings))
    dataset = describe(dataset, binned, folds, design, model, settings, units or [0])
    dataset = dataset.assign_coords(row=("row", folds["row"].values[used].astype(np.int32)))
    return dataset.assign_attrs(model=name, block=block).isel(unit=slice(0, len(units)))


class Responses(NamedTuple):
    """What is explained."""

    counts: np.ndarray
    """Spikes per bin, or values of a continuous response; a stand-in where the unit was not observed, (rows, units)."""
    exposure: np.ndarray | None
    """Share of the bin in which the unit was observed and its features are known; None where all is 1."""
    ids: np.ndarray
    """NWB ids, shape (units,)."""

    def exposure_of(self, units: Sequence[int]) -> np.ndarray | None:
        """Return the exposure of some units, shape (rows, these)."""
        return None if self.exposure is None else self.exposure[:, list(units)]


def read_responses(
    binned: xr.Dataset, row: np.ndarray, unit_kept: np.ndarray | None, used: np.ndarray, units: Sequence[int]
) -> Responses:
    """Read counts and exposure of some units on the bins in use.

    Parameters
    ----------
    binned
        A ``binned`` store.
    row
        Index of each row of the folds store among its bins.
    unit_kept
        Rows that each unit may use, shape (rows, all units); None: all of them.
    used
        Which rows are in use.
    units
        Positions of the units.

    Returns
    -------
    Responses
        On the rows in use.
    """
    chosen = binned.isel(unit=list(units))
    # in the types of the store, a byte a count as a rule: a long session of many units has more than memory otherwise
    counts = chosen["response"].values[row[used]]
    exposure = chosen["exposure"].values[row[used]] if "exposure" in binned else None
    if unit_kept is not None:
        exposure = unit_kept[used][:, list(units)] * (np.float32(1.0) if exposure is None else exposure)
    if exposure is not None:
        counts[exposure == 0] = 0 if of_counts(binned) else 1  # which every model takes, and none looks at
        exposure = None if (exposure == 1.0).all() else exposure
    return Responses(counts, exposure, chosen["unit"].values)


class Group(NamedTuple):
    """Units that share their columns, and are fitted in one batch."""

    units: list[int]
    """Positions among the responses."""
    features: Callable[[], np.ndarray]
    """Makes the features (rows, features), in memory or by rows."""
    penalty_of: Callable[[Mapping[str, float]], Penalty]
    """Makes the penalty from relative strengths of terms; without any, that which is fitted."""
    usable: np.ndarray
    """Which features each unit may use and vary, shape (features, units)."""
    mask: np.ndarray | None
    """Which features each unit may use; None for all."""
    memory: float
    """Bytes that the engine may take for them."""


def _groups(
    design: Design, binned: xr.Dataset, responses: Responses, splits: Splits, settings: Fit, where: str
) -> Iterator[Group]:
    """List what is fitted together: all units, or one after the other where each has columns of its own."""
    units = range(len(responses.ids))
    final = np.flatnonzero(splits.train[splits.final])
    memory = settings.memory - design.nbytes
    if design.nbytes <= memory:  # there is room for them twice: as they are stored, and as the engine holds them
        features: Callable[..., Any] = design.matrix
    else:
        memory, features = settings.memory, design.by_rows(binned)
        log.info("%s: features of %.3g GB are made again for each pass over them", where, design.nbytes / 1e9)
    for group in [[unit] for unit in units] if design.own else [list(units)]:
        ids = responses.ids[group]
        make = partial(features, ids[0])
        scale = scale_of_features(make(), final)
        report_constant_features(scale, design, ids[0], where)
        mask = design.mask(ids)
        usable = np.repeat(scale.varies[:, None], len(ids), axis=1)
        penalty = partial(resolve_penalty, settings.penalty, scale.sd, design)
        yield Group(group, make, penalty, usable if mask is None else usable & mask, mask, memory)


def fit_groups(
    groups: Sequence[Group], responses: Responses, splits: Splits, settings: Fit, of_terms: Mapping[str, Any]
) -> SplitFits:
    """Fit every group; `of_terms` is what `strengths_of_terms` returns."""
    parts = [
        fit_splits(
            group.features(),
            responses.counts[:, group.units],
            splits.train,
            splits.test,
            strengths=settings.penalty.strengths,
            penalty=group.penalty_of({}),
            observations=MODELS[settings.observations],
            exposure=responses.exposure_of(group.units),
            mask=group.mask,
            dtype=settings.precision,
            gap=settings.tolerance,
            summed_gap=settings.summed_tolerance,
            memory=group.memory,
            **of_terms,
        )
        for group in groups
    ]
    return SplitFits(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def tell_fits(
    dataset: xr.Dataset, groups: Sequence[Group], responses: Responses, splits: Splits, settings: Fit
) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
    """Return what is told of the reported fits beside their scores: numbers of parameters, and sums they predict."""
    observations = MODELS[settings.observations]
    coef = np.concatenate([dataset["coef"].values[:, None], dataset["fold_coef"].values], axis=1)
    intercept = np.concatenate([dataset["intercept"].values[:, None], dataset["fold_intercept"].values], axis=1)
    scored = np.concatenate([splits.train[splits.final, None], dataset["scored"].values])
    strength = dataset["strength"].values[dataset["chosen"].values]
    nuisance = int(observations.has_dispersion or observations.scale is not None)
    parameters, effective = np.zeros((2, len(coef)))
    predicted = np.zeros(intercept.shape)
    for group in groups:
        mine, x, exposure = group.units, group.features(), responses.exposure_of(group.units)
        fitted = np.isfinite(intercept[mine, 0])
        parameters[mine] = np.where(fitted, group.usable.sum(axis=0) + 1 + nuisance, 0)
        predicted[mine] = predicted_sums(x, coef[mine], intercept[mine], scored, exposure, observations)
        for some in [[i] for i in range(len(mine))] if "term_strength" in dataset else [list(range(len(mine)))]:
            of = [mine[i] for i in some]
            effective[of] = nuisance + effective_parameters(
                x, responses.counts[:, of], np.flatnonzero(scored[0]), coef[of, 0], intercept[of, 0], strength[of],
                observations=observations, penalty=group.penalty_of(relative_strengths(dataset, of[0])),
                exposure=None if exposure is None else exposure[:, some],
                dispersion=dataset["dispersion"].values[of], usable=group.usable[:, some],
            )  # fmt: skip
    return {
        "parameters": (("unit",), parameters.astype(np.int32)),
        "effective_parameters": (("unit",), effective),
        "predicted": (("unit",), predicted[:, 0]),
        "test_predicted": (("unit", "fold"), predicted[:, 1:]),
    }


def resolve_penalty(
    settings: PenaltySettings, deviation: np.ndarray, columns: ColumnsOfX, relative: Mapping[str, float] | None = None
) -> Penalty:
    """Resolve scale, groups and relative strengths (those of the study, times ``relative``) into the engine's penalty.

    The scale is the features' standard deviation over the rows of the final fit, 1 where a feature does not vary: with
    0 the coefficient of a constant feature would be free, and undetermined.
    """
    chosen = settings.settings
    options = {name: getattr(chosen, name) for name in type(chosen).model_fields if name != "strength"}
    if relative:
        options["relative"] = {term: value * chosen.relative.get(term, 1.0) for term, value in relative.items()}
    return PENALTIES[settings.kind].of(columns, deviation, **options)
