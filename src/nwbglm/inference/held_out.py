"""What units did on held-out rows beside what the fits expect that never saw them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from nwbglm.engine.observations import BERNOULLI, Observations
from nwbglm.fits.design import pick_terms
from nwbglm.fits.model import read_responses
from nwbglm.fits.predict import expected_responses
from nwbglm.fits.splits import kept_rows
from nwbglm.study import Fit, Model


class HeldOut(NamedTuple):
    """The rows that some fold was scored on."""

    mean: np.ndarray
    """(T, units) expected at full exposure."""
    responses: np.ndarray
    """(T, units)"""
    exposure: np.ndarray | None
    stretch: np.ndarray
    """(T,) number of the segment and fold a row lies in, another behind every gap."""
    row: np.ndarray
    """(T,) bins."""
    fold: np.ndarray
    """(T,) which fold was scored on it."""


class UnitRows(NamedTuple):
    """What a unit did on its held-out rows, and what was expected."""

    y: np.ndarray
    mean: np.ndarray
    stretch: np.ndarray
    row: np.ndarray
    fold: np.ndarray


def held_out_rows(
    binned: xr.Dataset,
    folds: xr.Dataset,
    features: Sequence[xr.Dataset],
    fits: xr.Dataset,
    model: Model,
    settings: Fit,
    units: list[int],
) -> HeldOut:
    """Predict every row that a fold was scored on by the fit of that fold.

    Parameters
    ----------
    binned, folds, features, fits
        The session's stores; `features` of the model's terms, `fits` of the model for these units.
    model, settings
        The study's settings of the model.
    units
        Positions of the units.
    """
    stores, row = pick_terms(features, model.terms), folds["row"].values
    fold = np.full(len(row), -1)
    there = np.searchsorted(row, fits["row"].values)
    for k, scored in enumerate(fits["scored"].values):
        fold[there[scored]] = k
    used = fold >= 0
    mean = np.full((int(used.sum()), len(units)), np.nan)
    place = np.cumsum(used) - 1
    for position, time, _, heldout in expected_responses(fits, stores, folds, binned) if len(units) else ():
        mean[np.ix_(place[time[used[time]]], position)] = heldout[used[time]]
    found = read_responses(binned, row, kept_rows(binned, folds, stores, settings.rows)[1], used, units or [0])
    segment = binned["segment"].values[row[used]]
    breaks = (np.diff(fold[used]) != 0) | (np.diff(segment) != 0)
    stretch = np.r_[0, np.cumsum(breaks)][: len(mean)]
    return HeldOut(mean, found.counts, found.exposure, stretch, row[used], fold[used])


def of_unit(held: HeldOut, position: int, observations: Observations) -> UnitRows:
    """Return a unit's held-out rows: those where it was observed and its features are known."""
    mean = held.mean[:, position]
    exposure = np.ones(len(mean)) if held.exposure is None else held.exposure[:, position].astype(float)
    seen = (exposure > 0) & ~np.isnan(mean)
    if observations.counts and observations is not BERNOULLI:
        mean = mean * exposure
    apart = np.diff(held.row[seen]) != 1
    other = np.diff(held.stretch[seen]) != 0
    stretch = np.r_[0, np.cumsum(apart | other)][: int(seen.sum())]
    y = held.responses[seen, position].astype(float)
    return UnitRows(y, mean[seen], stretch, held.row[seen], held.fold[seen])
