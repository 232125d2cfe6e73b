"""Fits of plain arrays: the same splits, choice of strengths and record as those of stores, without any store."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial

import numpy as np
import xarray as xr

from nwbglm.crossval import split_rows
from nwbglm.engine.data.panels import scale_of_features
from nwbglm.engine.fit import predict
from nwbglm.engine.observations import MODELS
from nwbglm.engine.penalties import second_difference
from nwbglm.errors import ProblemError
from nwbglm.response import CONTINUOUS, about
from nwbglm.study import OBSERVATION_MODELS, Fit, Model

from .checks import refuse_impossible
from .model import Group, Responses, fit_groups, resolve_penalty, tell_fits
from .predict import label_rates
from .record import assemble
from .splits import plan_splits
from .strengths import strengths_of_terms

WHERE = "arrays"


@dataclass(frozen=True, eq=False)
class Columns:
    """What the columns of a matrix are.

    Attributes
    ----------
    labels
        ``term``, ``input``, ``function`` of each; columns of one input that follow each other are neighbours.
    """

    labels: dict[str, np.ndarray]

    def differences(self, order: int) -> np.ndarray:
        """Return the differences between neighbouring columns, shape (differences, features)."""
        keys = np.char.add(np.char.add(self.labels["term"], " "), self.labels["input"])
        if len(set(keys)) == len(keys):
            raise ProblemError(
                "smoothness needs columns that are neighbours",
                where=WHERE,
                mend="give X as a DataArray with coordinates `term`, `input` and `function` along its columns",
            )
        return second_difference(keys, order=order, cyclic=False)


def fit_arrays(
    X: xr.DataArray,
    y: xr.DataArray,
    *,
    model: Model,
    fit: Fit,
    name: str,
    bin: float,
    history: float = 0.0,
    segment: np.ndarray | None = None,
    exposure: np.ndarray | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """Fit responses by the columns of a matrix.

    Parameters
    ----------
    X : (time, feature)
        Rows with a missing value are left out. Coordinates ``term``, ``input`` and ``function`` along `feature` say
        what the columns are.
    y : (time, unit)
        Responses.
    model, fit
        The study's settings; the model's terms are not asked for.
    name
        Of the model.
    bin
        Width of a row, s.
    history
        How far into the past a row's features reach, s: as much is left out between training and test rows.
    segment : (time,) int or None
        Stretches of time that the rows belong to; histories do not reach across. None: all one.
    exposure : (time, unit) or None
        Share of the bin in which the unit was observed.
    seed
        Of a random deal of folds.

    Returns
    -------
    xr.Dataset
        As a ``fits`` store, but for what describes terms.
    """
    settings = fit.of_model(model)
    rows = len(X)
    if len(y) != rows:
        raise ProblemError(f"{rows} rows of features and {len(y)} of responses", where=f"model {name}")
    binned = xr.Dataset(
        {
            "segment": ("time", np.zeros(rows, np.int32) if segment is None else np.asarray(segment, np.int32)),
            "in_epoch": (("purpose", "time"), np.ones((1, rows), bool)),
        },
        {"time": y["time"].values, "purpose": ["use"]},
        {"bin": bin, "session": ""},
    )
    known = np.isfinite(X.values).all(axis=1) & np.isfinite(y.values).all(axis=1)
    cut = settings.folds
    if cut.gap == "auto":
        cut = cut.model_copy(update={"gap": history + bin})
    folds = split_rows(binned, [], cut, seed=seed)
    splits = plan_splits(folds, known, halves=model.halves, nested=settings.nested)
    used = np.any(np.concatenate([splits.train, splits.test]), axis=0)
    splits = splits._replace(train=splits.train[:, used], test=splits.test[:, used])
    columns = Columns({key: X[key].values for key in ("term", "input", "function")})
    matrix = X.values[used]
    responses = Responses(y.values[used], None if exposure is None else exposure[used], y["unit"].values)
    refuse_impossible(columns, responses.counts, splits, settings, f"model {name}")
    scale = scale_of_features(matrix, np.flatnonzero(splits.train[splits.final]))
    units = list(range(len(responses.ids)))
    group = Group(
        units,
        lambda: matrix,
        partial(resolve_penalty, settings.penalty, scale.sd, columns),
        np.repeat(scale.varies[:, None], len(units), axis=1),
        None,
        settings.memory,
    )
    fits = fit_groups([group], responses, splits, settings, strengths_of_terms(settings, columns, seed))
    dataset = assemble(fits, splits, settings, columns)
    dataset = dataset.assign(tell_fits(dataset, [group], responses, splits, settings))
    counts = OBSERVATION_MODELS[settings.observations].counts
    known = {} if counts else {"response": json.dumps(about(CONTINUOUS, "response", ""))}
    return dataset.assign_coords(
        unit=y["unit"].values, row=("row", np.flatnonzero(used).astype(np.int32))
    ).assign_attrs(
        session="",
        model=name,
        terms=json.dumps([]),
        term_settings=json.dumps({}),
        settings=json.dumps(settings.dump()),
        bin=bin,
        **known,
        scheme=folds.attrs["scheme"],
        fold_gap=float(folds.attrs["gap"]),
        seed=seed,
    )


def predict_arrays(fits: xr.Dataset, X: xr.DataArray) -> xr.DataArray:
    """Predict rates (time, unit), or means of a continuous response, for rows (time, feature) of a matrix."""
    if X.sizes["feature"] != fits.sizes["feature"]:
        raise ProblemError(
            f"a matrix of {X.sizes['feature']} columns, and a fit of {fits.sizes['feature']}",
            where=f"model {fits.attrs['model']}",
            mend="give the columns that were fitted, in their order; for features of a recording, its binned store",
        )
    model = MODELS[json.loads(fits.attrs["settings"])["observations"]]
    expected = predict(X.values, fits["coef"].values, fits["intercept"].values, observations=model)
    return label_rates(expected, fits, X["time"].values)
