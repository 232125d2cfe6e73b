"""What a stored fit says of its rows: which they are, and the derivatives of each row's log-likelihood there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
import xarray as xr

from nwbglm.engine.observations import Observations
from nwbglm.fits.design import pick_terms
from nwbglm.fits.model import read_responses
from nwbglm.fits.splits import kept_rows, plan_splits
from nwbglm.study import Fit, Model


class Rows(NamedTuple):
    """The rows that the final fit was trained on, and what each unit did there."""

    responses: np.ndarray
    """(T, units)"""
    exposure: np.ndarray | None
    recording: np.ndarray
    """(T,) which recording of a joined session; all 0 else."""
    segment: np.ndarray
    """(T,) which epoch (or trial) each lies in."""

    def of_units(self, positions: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Return some units' responses and exposures (T, units), float64."""
        y = self.responses[:, positions].astype(float)
        return y, np.ones(y.shape) if self.exposure is None else self.exposure[:, positions].astype(float)

    def of_unit(self, position: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a unit's responses and exposure (T,), float64."""
        y = self.responses[:, position].astype(float)
        return y, np.ones(len(y)) if self.exposure is None else self.exposure[:, position].astype(float)


def final_rows(
    binned: xr.Dataset, folds: xr.Dataset, features: Sequence[xr.Dataset], model: Model, settings: Fit, units: list[int]
) -> tuple[Rows, np.ndarray]:
    """Return the rows of the final fit, and where they lie among the rows of the folds store (bool)."""
    stores = pick_terms(features, model.terms)
    kept, unit_kept = kept_rows(binned, folds, stores, settings.rows)
    splits = plan_splits(folds, kept, halves=False, nested=False)
    used = splits.train[splits.final]
    found = read_responses(binned, folds["row"].values, unit_kept, used, units or [0])
    segment = binned["segment"].values[folds["row"].values[used]]
    recording = np.zeros(int(used.sum()), int)
    if "recording_of_segment" in binned:
        names = binned["recording_of_segment"].values
        recording = np.unique(names, return_inverse=True)[1][segment]
    return Rows(found.counts, found.exposure, recording, segment), used


class FitOfUnit(NamedTuple):
    """One unit's fit."""

    coef: np.ndarray
    """(p,) of raw features."""
    intercept: float
    dispersion: float


class FitsOfUnits(NamedTuple):
    """The fits of several units that share their columns."""

    coef: np.ndarray
    """(units, p) of raw features."""
    intercept: np.ndarray
    """(units,)"""
    dispersion: np.ndarray
    """(units,)"""


def score(
    x: np.ndarray, y: np.ndarray, exposure: np.ndarray, at: FitOfUnit, observations: Observations
) -> tuple[np.ndarray, np.ndarray]:
    """Return the derivative of each row's log-likelihood by the linear predictor, and its expected curvature.

    Parameters
    ----------
    x : (T, p)
    y, exposure : (T,)
    at
        The fit, whose nuisance parameter is taken as known.
    observations
        Its observation model.

    Returns
    -------
    residual, weight : (T,)
        In nats; 0 where the unit was not observed, and everywhere for a unit without a fit.
    """
    each = FitsOfUnits(at.coef[None], np.array([at.intercept]), np.array([at.dispersion]))
    residual, weight = scores_of_units(x, y[:, None], exposure[:, None], each, observations)
    return residual[:, 0], weight[:, 0]


def scores_of_units(
    x: np.ndarray, y: np.ndarray, exposure: np.ndarray, at: FitsOfUnits, observations: Observations
) -> tuple[np.ndarray, np.ndarray]:
    """Return the same of units that share their columns, (T, units) each."""
    fitted = np.isfinite(at.intercept)
    eta = np.asarray(x, float) @ at.coef.T + np.where(fitted, at.intercept, 0.0)
    seen = (exposure > 0) & fitted
    y = np.where(seen, y, 1.0)  # a response that every model knows; its weight is 0
    with jax.enable_x64(True):
        slope = np.asarray(observations.slope(eta, y, exposure, at.dispersion), float)
        weight = np.asarray(observations.curvature(eta, y, exposure, at.dispersion), float)
    residual = y - slope if observations.linear else -slope
    unit = np.array([nats(observations, FitOfUnit(at.coef[0], 0.0, float(value))) for value in at.dispersion])
    return np.where(seen, unit * residual, 0.0), np.where(seen, unit * weight, 0.0)


def nats(observations: Observations, at: FitOfUnit) -> float:
    """Return what a unit of loss is in nats."""
    return 1.0 if observations.scale is None else float(observations.scale.nats(at.dispersion))
