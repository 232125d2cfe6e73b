"""Fit one model to a session: from stores of bins, folds and features to a store of fits.

Every unit, fold, strength and half is one batch of the engine where units share their columns; where a term gives each
unit columns of its own, units follow one another with equal shapes, so that nothing is compiled twice.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from nwbglm.crossval import HALVES, TEST
from nwbglm.errors import ProblemError
from nwbglm.study import Fit, Model
from nwbglm.study import Penalty as PenaltySettings

from .choice import choose_nested, choose_strength, choose_without_each_fold
from .design import Design, pick_terms
from .fit import SplitFits, Status, fit_splits
from .observations import BERNOULLI, POISSON, POISSON_SOFTPLUS, Observations
from .penalties import Penalty, scale_of_strengths

FINAL = "final"
OBSERVATIONS: dict[str, Observations] = {model.name: model for model in (POISSON, POISSON_SOFTPLUS, BERNOULLI)}


class Splits(NamedTuple):
    """What is fitted: cross-validation folds, the final fit, halves, and pairs of folds left out together."""

    train: np.ndarray
    """Shape (splits, rows)."""
    test: np.ndarray
    """Shape (splits, rows)."""
    folds: list[str]
    """Names of the cross-validation folds: the first splits, in order."""
    final: int
    """The split of the final fit; its test rows are those of the explicit test epochs."""
    halves: list[int]
    """The splits of the two halves, where they are fitted."""
    pairs: np.ndarray
    """Split that leaves out folds k and j and is scored on j, shape (folds, folds); -1 where there is none."""
    tested: bool
    """Whether there are explicit test epochs."""


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
    stores = pick_terms(features, model.terms)
    units = block_of_units(binned.sizes["unit"], block)
    kept, unit_kept = kept_rows(binned, folds, stores, settings.rows)
    splits = plan_splits(folds, kept, halves=model.halves, nested=settings.nested)
    used = splits.train.any(axis=0) | splits.test.any(axis=0)
    splits = splits._replace(train=splits.train[:, used], test=splits.test[:, used])
    design = Design(stores, used)
    counts, exposure = _responses(binned, folds["row"].values[used], unit_kept[used] if unit_kept is not None else None)
    _refuse_impossible(design, counts, splits, settings, where)
    fits = _fit_units(design, counts, exposure, splits, settings, binned["unit"].values, units or [0])
    dataset = _assemble(fits, splits, settings, design)
    dataset = _describe(dataset, binned, folds, design, model, settings, units or [0], splits)
    return dataset.assign_attrs(model=name, block=block).isel(unit=slice(0, len(units)))


# ---------------------------------------------------------------- rows and units


def block_of_units(count: int, block: str) -> list[int]:
    """Return the positions of a block's units: every n-th from b on, for ``b-of-n``."""
    number, _, of = block.partition("-of-")
    return list(range(int(number), count, int(of)))


def kept_rows(
    binned: xr.Dataset, folds: xr.Dataset, stores: Sequence[xr.Dataset], rows: str
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the rows that a model may use, and which of them each unit may use (None: all of them).

    Parameters
    ----------
    binned, folds
        The session's stores.
    stores
        The feature stores of the model's terms.
    rows
        ``shared``: what all compared models can use; ``own``: what this one can.

    Returns
    -------
    tuple
        Shapes (time,) and (time, unit).
    """
    if rows == "shared":
        narrowed = folds["unit_shared"].values if "unit_shared" in folds else None
        return folds["shared"].values, narrowed
    kept = np.ones(folds.sizes["time"], bool)
    for store in stores:
        kept &= store["valid"].values
    own = [store["input_valid"].values for store in stores if "input_valid" in store]
    return kept, np.logical_and.reduce(own) if own else None


def _responses(
    binned: xr.Dataset, row: np.ndarray, unit_kept: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return counts and exposure (None where all is 1) on the bins `row`, shape (rows, units)."""
    counts = binned["spike_count"].values[row].astype(float)
    exposure = binned["exposure"].values[row].astype(float) if "exposure" in binned else None
    if unit_kept is not None:
        exposure = unit_kept * (1.0 if exposure is None else exposure)
    return counts, None if exposure is None or (exposure == 1.0).all() else exposure


def plan_splits(folds: xr.Dataset, kept: np.ndarray, *, halves: bool, nested: bool) -> Splits:
    """List the row sets that are fitted and scored.

    Parameters
    ----------
    folds
        The session's ``folds`` store.
    kept
        Rows that the model may use.
    halves
        Whether each half is fitted, too.
    nested
        Whether fits without each pair of folds are needed.

    Returns
    -------
    Splits
        Rows are those of the folds store.
    """
    kinds = folds["fold_kind"].values
    cv = [i for i, kind in enumerate(kinds) if kind != TEST]
    explicit = [i for i, kind in enumerate(kinds) if kind == TEST]
    train = list(folds["train"].values[cv] & kept)
    test = list(folds["test"].values[cv] & kept)
    names = [str(folds["fold"].values[i]) for i in cv]
    final = len(train)
    train.append(folds["final"].values & kept)
    test.append(folds["test"].values[explicit].any(axis=0) & kept)
    half_splits = []
    if halves:
        half_splits = [len(train), len(train) + 1]
        train += [(folds["half"].values == half) & kept for half in (0, 1)]
        test += [np.zeros_like(kept)] * 2
    pairs = np.full((len(cv), len(cv)), -1)
    if nested:
        for k, j in zip(*np.nonzero(~np.eye(len(cv), dtype=bool)), strict=True):
            pairs[k, j] = len(train)
            train.append(train[k] & train[j])
            # rows of fold j whose windows hold counts of fold k belong to its gap, and are no independent judge
            test.append(test[j] & train[k])
    return Splits(np.array(train), np.array(test), names, final, half_splits, pairs, bool(explicit))


# ---------------------------------------------------------------- the fits


def _refuse_impossible(design: Design, counts: np.ndarray, splits: Splits, settings: Fit, where: str) -> None:
    """Raise `ProblemError` for what no solver can mend, before anything is compiled."""
    rows = splits.train[: splits.final + 1].sum(axis=1)
    if not rows.min(initial=1):
        raise ProblemError(
            "some fold has no row to train on that the model can use",
            where=where,
            mend="use fewer folds, a shorter window, or longer epochs",
        )
    strengths, features = settings.penalty.strengths, len(design.labels["term"])
    if len(strengths) > 1 and not splits.folds:
        raise ProblemError(
            f"a path of {len(strengths)} strengths cannot be chosen from without folds",
            where=where,
            mend="give one strength, or fit.folds.blocks of 2 or more",
        )
    if features >= rows.min(initial=np.iinfo(int).max) and min(strengths) == 0:
        raise ProblemError(
            f"{features} features cannot be fitted to {rows.min()} rows without a penalty",
            where=where,
            mend="use a ridge penalty, fewer functions, or longer epochs",
        )
    if settings.observations == "bernoulli" and counts.max(initial=0) > 1:
        raise ProblemError(
            f"Bernoulli observations are 0 or 1, and a bin holds {int(counts.max())} spikes",
            where=where,
            mend="use smaller bins, or observations: poisson",
        )
    if settings.nested and len(splits.folds) < 3 and len(strengths) > 1:
        raise ProblemError(
            f"a nested choice of strength needs 3 folds or more, not {len(splits.folds)}",
            where=where,
            mend="use fit.folds.blocks: 3",
        )


def _fit_units(
    design: Design,
    counts: np.ndarray,
    exposure: np.ndarray | None,
    splits: Splits,
    settings: Fit,
    ids: np.ndarray,
    units: Sequence[int],
) -> SplitFits:
    """Fit all units in one batch, or one after the other where each has columns of its own."""
    groups = [[unit] for unit in units] if design.own else [list(units)]
    parts = []
    for group in groups:
        x = design.matrix(ids[group[0]])
        parts.append(
            fit_splits(
                x,
                counts[:, group],
                splits.train,
                splits.test,
                strengths=settings.penalty.strengths,
                penalty=_penalty(settings.penalty, x, splits.train[splits.final], design),
                observations=OBSERVATIONS[settings.observations],
                exposure=None if exposure is None else exposure[:, group],
                mask=design.mask(ids[group]),
                dtype=settings.precision,
                gap=settings.tolerance,
            )
        )
    return SplitFits(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def _penalty(settings: PenaltySettings, x: np.ndarray, rows: np.ndarray, design: Design) -> Penalty:
    """Resolve scale and relative strengths into the engine's penalty; `rows` give the scale."""
    if settings.kind == "none":
        return Penalty("none")
    chosen, terms = settings.settings, design.labels["term"]
    scale = np.ones(x.shape[1])
    if chosen.scale == "sd" and x.shape[1]:
        scale = _standard_deviations(x, rows)
    relative = np.array([chosen.relative.get(str(term), 1.0) for term in terms])
    scale = scale_of_strengths(settings.kind, relative, scale)
    if settings.kind == "smoothness":
        return Penalty("smoothness", differences=design.differences(chosen.order) * scale)
    return Penalty(settings.kind, scale=scale)


def _standard_deviations(x: np.ndarray, rows: np.ndarray, step: int = 16384) -> np.ndarray:
    """Return the features' standard deviations over rows in float64, without a copy of them all."""
    used = np.flatnonzero(rows)
    pieces = [used[i : i + step] for i in range(0, len(used), step)]
    mean = sum(x[piece].sum(axis=0, dtype=float) for piece in pieces) / len(used)
    return np.sqrt(sum(((x[piece] - mean) ** 2).sum(axis=0) for piece in pieces) / len(used))


# ---------------------------------------------------------------- the store


def _choose(fits: SplitFits, splits: Splits, settings: Fit) -> tuple[np.ndarray, np.ndarray]:
    """Choose strengths: of the final fit (unit,), and of each fold without that fold (unit, folds)."""
    folds = len(splits.folds)
    scores, rows = fits.test_log_likelihood[:, :folds], fits.test_rows[:, :folds]
    final = np.array([choose_strength(s, r, settings.choose) for s, r in zip(scores, rows, strict=True)])
    if settings.nested and scores.shape[2] > 1:
        inner, inner_rows = fits.test_log_likelihood[:, splits.pairs], fits.test_rows[:, splits.pairs]
        each = [choose_nested(s, r, settings.choose) for s, r in zip(inner, inner_rows, strict=True)]
    else:
        each = [choose_without_each_fold(s, r, settings.choose) for s, r in zip(scores, rows, strict=True)]
    return final, np.array(each, dtype=int).reshape(len(scores), folds)


def _assemble(fits: SplitFits, splits: Splits, settings: Fit, design: Design) -> xr.Dataset:
    """Pick what is stored of all fits, with names for the axes."""
    strengths = settings.penalty.strengths
    final_chosen, fold_chosen = _choose(fits, splits, settings)
    units, folds = len(final_chosen), [*range(len(splits.folds))]
    names = list(splits.folds)
    if splits.tested:
        folds, names = [*folds, splits.final], [*names, TEST]
        fold_chosen = np.column_stack([fold_chosen, final_chosen])
    unit, fold = np.arange(units), np.array(folds, dtype=int)
    at_final = (unit, splits.final, final_chosen)
    at_folds = (unit[:, None], fold[None], fold_chosen)
    each = [*folds, splits.final, *splits.halves]
    by_fold, by_fit = ("unit", "fold"), ("unit", "fit", "strength")
    data = {
        "coef": (("unit", "feature"), fits.coef[at_final]),
        "intercept": ("unit", fits.intercept[at_final]),
        "fold_coef": (("unit", "fold", "feature"), fits.coef[at_folds]),
        "fold_intercept": (by_fold, fits.intercept[at_folds]),
        "train_log_likelihood": (("unit", "fold", "strength"), fits.train_log_likelihood[:, fold]),
        "test_log_likelihood": (("unit", "fold", "strength"), fits.test_log_likelihood[:, fold]),
        "null_test_log_likelihood": (by_fold, fits.null_test_log_likelihood[:, fold]),
        "test_mean_log_likelihood": (by_fold, fits.test_mean_log_likelihood[:, fold]),
        "saturated_test_log_likelihood": (by_fold, fits.saturated_test_log_likelihood[:, fold]),
        "test_spikes": (by_fold, fits.test_spikes[:, fold]),
        "test_rows": (by_fold, fits.test_rows[:, fold]),
        "train_rows": (by_fold, fits.train_rows[:, fold]),
        "log_likelihood": ("unit", fits.train_log_likelihood[at_final]),
        "null_log_likelihood": ("unit", fits.null_train_log_likelihood[:, splits.final]),
        "saturated_log_likelihood": ("unit", fits.saturated_train_log_likelihood[:, splits.final]),
        "dispersion": ("unit", fits.dispersion[at_final]),
        "spikes": ("unit", fits.train_spikes[:, splits.final]),
        "rows": ("unit", fits.train_rows[:, splits.final]),
        "chosen": ("unit", final_chosen),
        "fold_chosen": (by_fold, fold_chosen),
        "at_edge": ("unit", (len(strengths) > 1) & np.isin(final_chosen, (0, len(strengths) - 1))),
        "gap": (by_fit, fits.gap[:, each]),
        "gradient_norm": (by_fit, fits.gradient_norm[:, each]),
        "iterations": (by_fit, fits.iterations[:, each]),
        "status": (by_fit, fits.status[:, each], _flags()),
    }
    coordinates = {
        "strength": np.array(strengths),
        "fold": np.array(names, dtype=str),
        "fold_kind": ("fold", np.array(["test" if name == TEST else "cv" for name in names], dtype=str)),
        "fit": np.array([*names, FINAL, *HALVES[: len(splits.halves)]], dtype=str),
        **{name: ("feature", values) for name, values in design.labels.items()},
    }
    if splits.halves:
        half = np.array(splits.halves)
        data["half_coef"] = (("unit", "half", "feature"), fits.coef[unit[:, None], half, final_chosen[:, None]])
        data["half_intercept"] = (("unit", "half"), fits.intercept[unit[:, None], half, final_chosen[:, None]])
        data["half_rows"] = (("unit", "half"), fits.train_rows[:, half])
    return xr.Dataset(data, coords=coordinates)


def _flags() -> dict[str, object]:
    return {
        "flag_values": [int(status) for status in Status],
        "flag_meanings": " ".join(status.name for status in Status),
    }


def _describe(
    dataset: xr.Dataset,
    binned: xr.Dataset,
    folds: xr.Dataset,
    design: Design,
    model: Model,
    settings: Fit,
    units: Sequence[int],
    splits: Splits,
) -> xr.Dataset:
    """Add what the fit needs to be drawn and to predict, opened alone."""
    of_unit = {name: ("unit", c.values[list(units)]) for name, c in binned.coords.items() if c.dims == ("unit",)}
    dataset = dataset.assign_coords(of_unit)
    terms = {}
    for store in design.stores:
        name = str(store["term"].values[0])
        terms[name] = {key: store.attrs[key] for key in ("term", "basis", "of", "own", "window", "bounds")}
        dataset = _carry_functions(dataset, store, name)
    return dataset.assign_attrs(
        session=binned.attrs.get("session", ""),
        terms=json.dumps(list(model.terms)),
        term_settings=json.dumps(terms),
        settings=json.dumps(settings.dump()),
        bin=float(binned.attrs["bin"]),
        scheme=folds.attrs["scheme"],
        fold_gap=float(folds.attrs["gap"]),
        seed=int(folds.attrs["seed"]),
    )


def _carry_functions(dataset: xr.Dataset, store: xr.Dataset, term: str) -> xr.Dataset:
    """Copy a term's functions over lags or values, its name added to theirs and to their axes."""
    for table, short in (("kernel", "kernel"), ("values_of_function", "values")):
        for name in [str(name) for name in store.data_vars if str(name).startswith(table)]:
            suffix = name.removeprefix(table)
            grid = store[name].dims[0]
            axis, function = f"{str(grid).removesuffix(suffix)}_{term}{suffix}", f"function_{term}{suffix}"
            dataset[f"{short}_{term}{suffix}"] = ((axis, function), store[name].values)
            dataset = dataset.assign_coords({axis: (axis, store[grid].values, store[grid].attrs)})
    return dataset
