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
    if not np.isfinite(at.intercept):
        return np.zeros(len(y)), np.zeros(len(y))
    eta = np.asarray(x, float) @ at.coef + at.intercept
    seen = exposure > 0
    y = np.where(seen, y, 1.0)  # a response that every model knows; its weight is 0
    with jax.enable_x64(True):
        slope = np.asarray(observations.slope(eta, y, exposure, at.dispersion), float)
        weight = np.asarray(observations.curvature(eta, y, exposure, at.dispersion), float)
    residual = y - slope if observations.linear else -slope
    unit = nats(observations, at)
    return np.where(seen, unit * residual, 0.0), np.where(seen, unit * weight, 0.0)


def nats(observations: Observations, at: FitOfUnit) -> float:
    """Return what a unit of loss is in nats."""
    return 1.0 if observations.scale is None else float(observations.scale.nats(at.dispersion))
