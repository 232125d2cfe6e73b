"""The arithmetic of tuning curves: rates by value, and what is said of them (formulas in `nwbglm.tuning`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.ndimage import gaussian_filter
from scipy.special import gammaincinv, stdtrit

from nwbglm.errors import RecordingError

ROWS = 200_000
"""Bins of time handled at once."""


class Curve(NamedTuple):
    """A tuning curve of several units.

    `rate` (unit, value...) Hz, NaN where never visited; `count` (unit, value...); `occupancy` (value...) or (unit,
    value...) s.
    """

    rate: np.ndarray
    count: np.ndarray  # type: ignore[assignment]  # the field's word; nobody asks a tuple how often it holds a value
    occupancy: np.ndarray


def value_index(value: np.ndarray, edges: np.ndarray, period: float | None = None) -> np.ndarray:
    """Find the bin of each value; -1 for those outside and NaN.

    Parameters
    ----------
    value
        (n,)
    edges
        (bins + 1,) ascending.
    period
        Values are first wrapped to ``[edges[0], edges[0] + period)``.
    """
    value = np.asarray(value, dtype=np.float64)
    if period is not None:
        value = edges[0] + np.mod(value - edges[0], period)
    index = np.searchsorted(edges, value, side="right") - 1
    index = np.where(value == edges[-1], len(edges) - 2, index)
    inside = np.isfinite(value) & (index >= 0) & (index < len(edges) - 1)
    return np.where(inside, index, -1)


def tuning_curve(
    counts: np.ndarray | xr.DataArray,
    value: np.ndarray | Sequence[np.ndarray],
    edges: np.ndarray | Sequence[np.ndarray],
    exposure_seconds: ArrayLike,
    period: float | Sequence[float | None] | None = None,
) -> Curve:
    """Average counts by value.

    Parameters
    ----------
    counts
        (time, unit) spikes, or expected spikes of a model, in each bin of time.
    value
        (time,) the signal; or a pair of signals for a two-dimensional curve.
    edges
        (bins + 1,) edges of the values; or a pair.
    exposure_seconds
        Seconds that each bin of time is worth: one number, (time,), or (time, unit).
    period
        Period of a circular signal; or a pair, with None for one that is not.

    Returns
    -------
    Curve
    """
    several = isinstance(value, list | tuple)
    axes: tuple[Any, Any, Any] = (value, edges, period or (None, None)) if several else ([value], [edges], [period])
    shape = tuple(len(edge) - 1 for edge in axes[1])
    places = [value_index(*one) for one in zip(*axes, strict=True)]
    inside = np.logical_and.reduce([place >= 0 for place in places])
    flat = np.where(inside, np.ravel_multi_index([np.maximum(place, 0) for place in places], shape), -1)
    count, occupancy = _gather(counts, flat, np.asarray(exposure_seconds, dtype=np.float64), int(np.prod(shape)))
    count, occupancy = count.reshape(-1, *shape), occupancy.reshape(*occupancy.shape[:-1], *shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(occupancy > 0, count / occupancy, np.nan)
    return Curve(rate, count, occupancy)


def _gather(
    counts: np.ndarray | xr.DataArray, flat: np.ndarray, exposure: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Sum counts (unit, value) and seconds (value) or (unit, value) over the bins of time at each value."""
    total = np.zeros((size, counts.shape[1]))
    seconds = np.zeros((size, counts.shape[1]) if exposure.ndim == 2 else size)
    for start in range(0, len(flat), ROWS):
        rows = np.flatnonzero(flat[start : start + ROWS] >= 0)
        ones = np.ones(len(rows))
        where = sparse.csr_matrix((ones, (flat[start + rows], rows)), shape=(size, len(flat[start : start + ROWS])))
        total += where @ np.asarray(counts[start : start + ROWS], dtype=np.float64)
        worth = exposure[start : start + ROWS] if exposure.ndim else np.full(where.shape[1], exposure)
        seconds += where @ worth
    return total.T, seconds.T


def map_rate(curve: Curve, least: float, smooth: float, circular: Sequence[bool]) -> np.ndarray:
    """Return the rate of a map, smoothed, without the places that were hardly visited.

    Counts and time are smoothed each by itself and then divided (as place maps are): a place that was visited briefly
    weighs little, and the edge of what was visited stays where it is.

    Parameters
    ----------
    curve
        A curve of two values.
    least
        Time (s) at a place below which it is left out.
    smooth
        Standard deviation of the Gaussian in bins of value; 0: none.
    circular
        Whether each of the values is on a circle.

    Returns
    -------
    np.ndarray
        (unit, x, y), NaN where left out or never visited.
    """
    visited = (curve.occupancy > 0) & (curve.occupancy >= least)
    count, seconds = curve.count, curve.occupancy
    if smooth:
        modes = ["wrap" if one else "constant" for one in circular]

        def blurred(values: np.ndarray) -> np.ndarray:
            return gaussian_filter(values.astype(float), smooth, mode=modes, axes=(values.ndim - 2, values.ndim - 1))

        count, seconds = blurred(count), blurred(seconds)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(visited, count / seconds, np.nan)


def skaggs_information(rate: np.ndarray, occupancy: np.ndarray) -> np.ndarray:
    """Return the information of each unit's curve, bits a spike; NaN for a unit without spikes.

    Parameters
    ----------
    rate
        (unit, value...) Hz.
    occupancy
        (value...) or (unit, value...) s.
    """
    rate = rate.reshape(len(rate), -1)
    seconds = np.broadcast_to(occupancy.reshape(-1, rate.shape[1]), rate.shape)
    share = seconds / seconds.sum(axis=1, keepdims=True)
    mean = np.nansum(share * rate, axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = rate / mean
        terms = share * relative * np.log2(relative)
    return np.where(mean[:, 0] > 0, np.nansum(np.where(rate > 0, terms, 0.0), axis=1), np.nan)


def mean_vector(rate: np.ndarray, centres: np.ndarray, period: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the direction (in [0, period)) and length (0 to 1) of each unit's mean vector, weighted by rate.

    Parameters
    ----------
    rate
        (unit, value) Hz; values never visited count nothing.
    centres
        (value,) centres of the bins.
    period
        Of the circular signal.
    """
    weight = np.where(np.isfinite(rate), rate, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        vector = weight @ np.exp(2j * np.pi * centres / period) / weight.sum(axis=1)
    direction = np.mod(np.angle(vector) * period / (2 * np.pi), period)
    return np.where(np.isfinite(vector), direction, np.nan), np.abs(vector)


def poisson_limits(count: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return Garwood's exact limits of a Poisson mean, given the count that was seen."""
    tail = (1 - level) / 2
    low = np.where(count > 0, gammaincinv(np.maximum(count, 0.5), tail), 0.0)
    return low, gammaincinv(count + 1, 1 - tail)


def value_edges(value: np.ndarray, bins: int, limits: tuple[float, float] | None, period: float | None) -> np.ndarray:
    """Return the edges of the values: the study's range, else the period, else the data's range."""
    if limits is not None:
        low, high = limits
    elif period is not None:
        low, high = 0.0, period
    else:
        low, high = float(np.nanmin(value)), float(np.nanmax(value))
        if low == high:
            low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, bins + 1)


def check_values(value: np.ndarray, name: str) -> np.ndarray:
    """Return values (n,), of which one at least must be known; `name` is the signal's."""
    if not np.isfinite(value).any():
        raise RecordingError(
            "the signal has no valid value in these epochs",
            where=f"signals.{name}",
            mend="see the audit's page: its samples may lie outside the epochs, or be slower than the bins",
        )
    return value


def preferred(rate: np.ndarray, centres: np.ndarray, *, counts: bool = True) -> np.ndarray:
    """Return the value of each unit's highest rate; NaN for a unit that is silent, or unknown, everywhere.

    Parameters
    ----------
    rate
        (unit, value) Hz, or the mean of a continuous response.
    centres
        (value,)
    counts
        Whether a rate of 0 everywhere is silence.
    """
    filled = np.where(np.isfinite(rate), rate, -np.inf)
    return np.where(filled.max(axis=1) > (0 if counts else -np.inf), centres[filled.argmax(axis=1)], np.nan)


def mean_limits(values: np.ndarray, place: np.ndarray, mean: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return limits of the mean of a continuous response at each value, by Student's t over visits.

    Parameters
    ----------
    values
        (time, unit) the response; NaN where unknown.
    place
        (time,) the bin of the value, -1 outside.
    mean
        (unit, value) its mean there.
    level
        Of confidence.

    Returns
    -------
    tuple
        Two arrays (unit, value); NaN where a value was visited less than twice.
    """
    size, spread = mean.shape[1], np.full(mean.shape, np.nan)
    for unit, series in enumerate(values.T):
        known = np.isfinite(series) & (place >= 0)
        at = place[known]
        rows = np.bincount(at, minlength=size)
        squares = np.bincount(at, (series[known] - mean[unit, at]) ** 2, size)
        stays = np.concatenate([[False], (place[1:] == place[:-1]) & known[:-1]])
        visits = np.bincount(place[known & ~stays], minlength=size)
        with np.errstate(divide="ignore", invalid="ignore"):
            deviation = np.sqrt(squares / rows)
            enough = visits > 1
            quantile = stdtrit(np.maximum(visits - 1, 1), 0.5 + level / 2)
            spread[unit, enough] = (quantile * deviation / np.sqrt(np.maximum(visits - 1, 1)))[enough]
    return mean - spread, mean + spread
