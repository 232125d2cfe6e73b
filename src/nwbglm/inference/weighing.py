"""What each term of a model is worth on held-out rows: alone, uniquely and shared, in the large labs' definitions.

For a model F and each of its terms, the model without the term (R) and the term alone (S) are fitted to the rows of F,
or taken from the study where it has such a model. Nothing here changes a fit of the study.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import xarray as xr

from nwbglm.crossval import TEST
from nwbglm.engine.fit import Status
from nwbglm.engine.observations import MODELS, Observations
from nwbglm.fits.design import Design, pick_terms
from nwbglm.fits.model import fit_model
from nwbglm.fits.splits import block_of_units, kept_rows
from nwbglm.lazy import LazyMatrix
from nwbglm.study import Fit, Model

from .collinear import canonical_r2_of, condition_of, correlation_matrix, inflation
from .fitted import final_rows
from .held_out import UnitRows, held_out_rows, of_unit
from .worth import (
    allen_dropout,
    allen_dropout_unclipped,
    allen_pooled,
    allen_single,
    engelhard_share,
    r_squared,
    shared_worth,
    squared_correlation,
    variance_explained,
)

STEP = 16384
"""Rows that are worked on together."""

OF_TERM = (
    "unique", "alone", "unique_bits", "alone_bits", "ibl_delta", "allen_dropout", "allen_dropout_unclipped",
    "allen_single", "musall_delta", "musall_alone", "engelhard_share", "canonical_r2", "vif",
)  # fmt: skip
OF_MODEL = ("full", "shared", "full_bits", "ibl_full", "allen_full", "musall_full", "condition")

Variant = frozenset[str]
"""The terms of a model that is fitted beside the one that is weighed."""


def variants(terms: Sequence[str]) -> tuple[Variant, ...]:
    """Return the parts of a model that are fitted: without each term, and each term alone."""
    return tuple(dict.fromkeys([*(frozenset(terms) - {term} for term in terms), *(frozenset([t]) for t in terms)]))


def weigh_terms(
    binned: xr.Dataset,
    folds: xr.Dataset,
    features: Sequence[xr.Dataset],
    fits: xr.Dataset,
    *,
    model: Model,
    fit: Fit,
    others: Sequence[xr.Dataset] = (),
    block: str = "0-of-1",
) -> xr.Dataset:
    """Weigh every term of a model, for one block of a session's units.

    Parameters
    ----------
    binned, folds, features, fits
        The session's stores; `features` of the model's terms, `fits` of the model for the same block.
    model, fit
        The study's settings of the model.
    others
        Fits of the study's models that are parts of this one with the same settings, for the same block: taken as they
        are where they were scored on the same rows.
    block
        ``b-of-n``, as for `fit_model`.

    Returns
    -------
    xr.Dataset
        `OF_TERM` by ``(unit, term)`` and `OF_MODEL` by ``unit``, NaN where nothing was held out; ``reason (unit)``
        where a fit behind them did not end well.
    """
    settings = fit.of_model(model)
    observations = MODELS[settings.observations]
    units = block_of_units(binned.sizes["unit"], block)
    ids = binned["unit"].values[units]
    same = _same_rows(binned, folds, pick_terms(features, model.terms), settings.rows)
    settings, shared = (part.model_copy(update={"rows": "shared"}) for part in (settings, fit))
    parts = {frozenset(model.terms): fits}
    known = {frozenset(_terms(store)): store for store in others if _like(store, fits)}
    for variant in variants(model.terms):
        if variant and variant not in parts:
            terms = tuple(term for term in model.terms if term in variant)
            part = model.model_copy(update={"terms": terms, "halves": False, "rows": None})
            if variant in known:
                parts[variant] = known[variant]
            else:
                name = " + ".join(terms)
                parts[variant] = fit_model(binned, same, features, model=part, fit=shared, name=name, block=block)
    held = {
        variant: held_out_rows(binned, same, features, store, Model(terms=_terms(store)), settings, units)
        for variant, store in parts.items()
    }
    found: dict[str, np.ndarray] = {name: np.full((len(ids), len(model.terms)), np.nan) for name in OF_TERM}
    found |= {name: np.full(len(ids), np.nan) for name in OF_MODEL}
    for name, values in _collinearity(binned, same, features, model, settings, units).items():
        found[name][...] = values
    scores = {variant: held_out_sums(store, observations) for variant, store in parts.items()}
    for position in range(len(ids)):
        rows = {variant: _on_folds(of_unit(one, position, observations), fits) for variant, one in held.items()}
        explained = {variant: tuple(sums[position]) for variant, sums in scores.items()}
        for name, value in weigh_unit(rows, explained, tuple(model.terms)).items():
            found[name][position] = value
    return xr.Dataset(
        {name: (("unit", "term")[: values.ndim], values) for name, values in found.items()}
        | {"reason": ("unit", np.array(_reasons(parts, len(ids)), dtype=str))},
        coords={"unit": ids.astype(np.int64), "term": np.array(model.terms, dtype=str)},
        attrs={
            "model": str(fits.attrs["model"]), "block": block, "session": str(binned.attrs.get("session", "")),
            "counts": int(observations.counts),
        },
    )  # fmt: skip


def _terms(store: xr.Dataset) -> tuple[str, ...]:
    return tuple(json.loads(store.attrs["terms"]))


def _like(store: xr.Dataset, fits: xr.Dataset) -> bool:
    """Whether a part was scored on the rows of the whole."""
    return store["test_rows"].shape == fits["test_rows"].shape and bool(
        (store["test_rows"].values == fits["test_rows"].values).all() and np.array_equal(store["row"], fits["row"])
    )


def _same_rows(binned: xr.Dataset, folds: xr.Dataset, stores: tuple[xr.Dataset, ...], rows: str) -> xr.Dataset:
    """Return the folds with the rows that the whole model uses as those that all its parts share."""
    kept, unit_kept = kept_rows(binned, folds, stores, rows)
    same = folds.assign(shared=("time", kept))
    if unit_kept is None:
        return same.drop_vars("unit_shared", errors="ignore")
    return same.assign(unit_shared=(("time", "unit"), unit_kept))


def _on_folds(rows: UnitRows, fits: xr.Dataset) -> UnitRows:
    """Leave the rows that scores are reported of: test epochs where there are some, else the folds."""
    test = fits["fold_kind"].values.astype(str) == TEST
    chosen = np.isin(rows.fold, np.flatnonzero(test if test.any() else ~test))
    return UnitRows(*(values[chosen] for values in rows))


def held_out_sums(store: xr.Dataset, observations: Observations) -> np.ndarray:
    """Return deviance explained, and bits per spike (of a continuous response: per bin) above the null, (units, 2).

    Of sums over the test epochs where there are some, else over the folds, each at the strength chosen without it.
    """
    if not store.sizes["fold"]:
        return np.full((store.sizes["unit"], 2), np.nan)
    test = store["fold_kind"].values.astype(str) == TEST
    here = test if test.any() else ~test
    chosen = store["fold_chosen"].astype(int)
    likelihood = store["test_log_likelihood"].isel(strength=chosen).transpose("unit", "fold").values[:, here]
    gain = likelihood.sum(axis=1) - store["null_test_log_likelihood"].values[:, here].sum(axis=1)
    deviance, null = (store[name].values[:, here].sum(axis=1) for name in ("test_deviance", "null_test_deviance"))
    per = store["test_spikes" if observations.counts else "test_rows"].values[:, here].sum(axis=1).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.stack([1 - deviance / null, np.where(per > 0, gain / (per * np.log(2.0)), np.nan)], axis=1)


def weigh_unit(
    rows: Mapping[Variant, UnitRows], explained: Mapping[Variant, tuple[float, float]], terms: tuple[str, ...]
) -> dict[str, np.ndarray | float]:
    """Weigh the terms of one unit's model.

    Parameters
    ----------
    rows
        Responses and held-out expectations, of the model and of its parts, by their terms.
    explained
        Deviance explained and bits, of the same; of no terms they are 0.
    terms
        The model's terms, in its order.

    Returns
    -------
    dict
        Values by term, or one for the model, by name.
    """
    whole = frozenset(terms)
    explained = {frozenset(): (0.0, 0.0), **explained}
    found: dict[str, np.ndarray | float] = {}
    for place, (name, full) in enumerate((("", "full"), ("_bits", "full_bits"))):
        found[full] = explained[whole][place]
        found[f"unique{name}"] = np.array([explained[whole][place] - explained[whole - {t}][place] for t in terms])
        found[f"alone{name}"] = np.array([explained[frozenset([t])][place] for t in terms])
    unique = dict(zip(terms, np.asarray(found["unique"]).tolist(), strict=True))
    found["shared"] = shared_worth(explained[whole][0], 0.0, unique)
    share = engelhard_share(explained[whole][0], {t: explained[whole - {t}][0] for t in terms})
    found["engelhard_share"] = np.array([share[term] for term in terms])
    if not len(rows[whole].y):
        return found
    ibl, allen, musall = ({v: score(one) for v, one in rows.items()} for score in (_ibl, _allen, _musall))
    ibl[frozenset()], allen[frozenset()], musall[frozenset()] = _nothing(rows[whole])
    found |= {"ibl_full": ibl[whole], "allen_full": allen[whole], "musall_full": musall[whole]}
    found["ibl_delta"] = np.array([ibl[whole] - ibl[whole - {term}] for term in terms])
    found["allen_dropout"] = np.array([allen_dropout(allen[whole], allen[whole - {t}]) for t in terms])
    unclipped = {v: float(np.mean(_each_fold(one, variance_explained))) for v, one in rows.items()}
    unclipped[frozenset()] = 0.0
    found["allen_dropout_unclipped"] = np.array(
        [allen_dropout_unclipped(unclipped[whole], unclipped[whole - {t}]) for t in terms]
    )
    found["allen_single"] = np.array([allen_single(allen[whole], allen[frozenset([t])]) for t in terms])
    found["musall_delta"] = np.array([musall[whole] - musall[whole - {term}] for term in terms])
    found["musall_alone"] = np.array([musall[frozenset([term])] for term in terms])
    return found


def _each_fold(rows: UnitRows, score: Callable[[np.ndarray, np.ndarray], float]) -> np.ndarray:
    return np.array([score(rows.y[rows.fold == k], rows.mean[rows.fold == k]) for k in np.unique(rows.fold)])


def _ibl(rows: UnitRows) -> float:
    return float(np.mean(_each_fold(rows, r_squared)))


def _allen(rows: UnitRows) -> float:
    return allen_pooled(_each_fold(rows, variance_explained))


def _musall(rows: UnitRows) -> float:
    return squared_correlation(rows.y, rows.mean)


def _nothing(rows: UnitRows) -> tuple[float, float, float]:
    """Return IBL's, Allen's and Musall's scores of a model without terms: the mean of the other folds."""
    total, size = rows.y.sum(), len(rows.y)
    mean = np.zeros(size)
    for k in np.unique(rows.fold):
        here = rows.fold == k
        left = size - here.sum()
        mean[here] = (total - rows.y[here].sum()) / left if left else rows.y[here].mean()
    return float(np.mean(_each_fold(rows._replace(mean=mean), r_squared))), 0.0, 0.0


def _collinearity(
    binned: xr.Dataset, folds: xr.Dataset, features: Sequence[xr.Dataset], model: Model, settings: Fit, units: list[int]
) -> dict[str, np.ndarray]:
    """Return canonical R2 and inflation of each term, and the condition number, of each unit's features."""
    _, positions = final_rows(binned, folds, features, model, settings, units)
    design = Design(pick_terms(features, model.terms), positions)
    labels, ids = design.labels["term"], binned["unit"].values[units]
    shape = len(ids), len(model.terms)
    found: dict[str, np.ndarray] = {"canonical_r2": np.full(shape, np.nan), "vif": np.full(shape, np.nan)}
    found["condition"] = np.full(len(ids), np.nan)
    make = design.by_rows(binned, hold=True)
    shared = None
    for position, unit in enumerate(ids):
        if shared is None or design.own:
            shared = correlation_matrix(_pieces(make(unit)))
        mask = design.mask([unit])
        used = np.ones(len(labels), bool) if mask is None else mask[:, 0]
        correlation = shared[np.ix_(used, used)]
        found["condition"][position] = condition_of(correlation)
        for k, term in enumerate(model.terms):
            canonical = canonical_r2_of(correlation, labels[used] == term)
            found["canonical_r2"][position, k] = canonical[0] if len(canonical) else 0.0
            found["vif"][position, k] = inflation(canonical)
    return found


def _pieces(matrix: LazyMatrix) -> Iterator[np.ndarray]:
    for start in range(0, matrix.shape[0], STEP):
        yield np.asarray(matrix[start : start + STEP])


def _reasons(parts: Mapping[Variant, xr.Dataset], units: int) -> list[str]:
    """Name, for each unit, the reported fits that did not end well."""
    said: list[list[str]] = [[] for _ in range(units)]
    for variant, store in parts.items():
        status = store["status"].transpose("unit", "fit", "strength").values.astype(int)
        names = list(store["fit"].values.astype(str))
        chosen = [("final", store["chosen"].values.astype(int))]
        chosen += [(str(n), store["fold_chosen"].values[:, k].astype(int)) for k, n in enumerate(store["fold"].values)]
        for name, strength in chosen:
            if name not in names:
                continue
            ended = status[np.arange(units), names.index(name), strength]
            for unit in np.flatnonzero(ended != Status.ok):
                word = f"{' + '.join(sorted(variant))}: {Status(ended[unit]).name}"
                if word not in said[unit]:
                    said[unit].append(word)
    return ["; ".join(words) for words in said]
