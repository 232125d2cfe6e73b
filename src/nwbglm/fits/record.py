"""From the arrays of the engine to a store of fits: what is kept, at which strength, under which names."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import xarray as xr

from nwbglm.crossval import HALVES, TEST
from nwbglm.engine.fit import SplitFits, Status
from nwbglm.engine.penalties import ColumnsOfX
from nwbglm.filters import put_in_fits, tables_of_features
from nwbglm.response import carried
from nwbglm.study import Fit, Model

from .choice import choose_nested, choose_strength, choose_without_each_fold
from .design import Design, term_name
from .splits import Splits
from .strengths import what_terms_got

FINAL = "final"


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


def assemble(fits: SplitFits, splits: Splits, settings: Fit, design: ColumnsOfX) -> xr.Dataset:
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
        "test_deviance": (by_fold, fits.test_deviance[at_folds]),
        "null_test_deviance": (by_fold, fits.null_test_deviance[at_folds]),
        "test_mean_deviance": (by_fold, fits.test_mean_deviance[at_folds]),
        "test_exposure": (by_fold, fits.test_exposure[:, fold]),
        "test_spikes": (by_fold, fits.test_spikes[:, fold]),
        "test_rows": (by_fold, fits.test_rows[:, fold]),
        "train_rows": (by_fold, fits.train_rows[:, fold]),
        "log_likelihood": ("unit", fits.train_log_likelihood[at_final]),
        "null_log_likelihood": ("unit", fits.null_train_log_likelihood[:, splits.final]),
        "deviance": ("unit", fits.train_deviance[at_final]),
        "null_deviance": ("unit", fits.null_train_deviance[at_final]),
        "exposure": ("unit", fits.train_exposure[:, splits.final]),
        "dispersion": ("unit", fits.dispersion[at_final]),
        "dispersion_at_bound": ("unit", fits.dispersion_at_bound[at_final]),
        "spikes": ("unit", fits.train_spikes[:, splits.final]),
        "rows": ("unit", fits.train_rows[:, splits.final]),
        "chosen": ("unit", final_chosen),
        "fold_chosen": (by_fold, fold_chosen),
        "at_edge": ("unit", (len(strengths) > 1) & np.isin(final_chosen, (0, len(strengths) - 1))),
        "gap": (by_fit, fits.gap[:, each]),
        "gradient_norm": (by_fit, fits.gradient_norm[:, each]),
        "iterations": (by_fit, fits.iterations[:, each]),
        "status": (by_fit, fits.status[:, each], _flags()),
        "trained": (("fit", "row"), splits.train[each]),
        "scored": (("fold", "row"), splits.test[fold]),
    }
    data |= what_terms_got(fits, at_final, at_folds, design)
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


def describe(
    dataset: xr.Dataset,
    binned: xr.Dataset,
    folds: xr.Dataset,
    design: Design,
    model: Model,
    settings: Fit,
    units: Sequence[int],
) -> xr.Dataset:
    """Add what the fit needs to be drawn and to predict, opened alone."""
    # What is known of a unit (its `spikes` over all of `use`) must not replace what the fit says (over its own rows).
    of_unit = {
        f"unit_{name}" if name in dataset else name: ("unit", column.values[list(units)])
        for name, column in binned.coords.items()
        if column.dims == ("unit",)
    }
    dataset = dataset.assign_coords(of_unit)
    terms = {}
    for store in design.stores:
        name = term_name(store)
        terms[name] = {key: store.attrs[key] for key in ("term", "basis", "of", "own", "window", "bounds")}
        dataset = put_in_fits(dataset, name, tables_of_features(store))
    return dataset.assign_attrs(
        session=binned.attrs.get("session", ""),
        terms=json.dumps(list(model.terms)),
        term_settings=json.dumps(terms),
        settings=json.dumps(settings.dump()),
        bin=float(binned.attrs["bin"]),
        **carried(binned),
        scheme=folds.attrs["scheme"],
        fold_gap=float(folds.attrs["gap"]),
        seed=int(folds.attrs["seed"]),
    )
