"""Nulls that move a term's feature rows against everything else, and the p values that come of them.

A term is tested by moving its *feature rows* in time: the response, the unit's own history, the coupling and the drift
stay together, so that only the tie between the term and the rest is cut. Moving the response instead would break a
model with own history by itself (size 0 and no power). Harris 2020 (arXiv 2012.06862) gives the linear shift and its
guarantee; a circular shift keeps all rows, and needs both series stationary with memories short beside the recording.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

FEW_STRETCHES = 20.0  # below: warn
TOO_FEW_STRETCHES = 6.0  # below: a shift null can hardly decide, however many draws


def draw_p_value(statistic: ArrayLike, draws: np.ndarray) -> np.ndarray:
    """Return ``(1 + #{draws >= statistic}) / (n + 1)`` for random draws of a null.

    Parameters
    ----------
    statistic : (...)
        The statistic of the data.
    draws : (n, ...)
        Those of the null; NaN marks a draw that did not end well, and is left out of the count.

    Returns
    -------
    np.ndarray
        (...), at least ``1 / (n + 1)``; NaN where the statistic is.
    """
    statistic, draws = np.asarray(statistic, float), np.asarray(draws, float)
    known = np.isfinite(draws)
    above = (known & (draws >= statistic)).sum(axis=0)
    return np.where(np.isfinite(statistic), (1.0 + above) / (1.0 + known.sum(axis=0)), np.nan)[()]


def correlation_time(series: np.ndarray, most: int | None = None) -> float:
    """Return the correlation time of a series, in rows: the sum of its autocorrelations over all lags.

    ``tau = 1 + 2 sum_{k >= 1} rho_k`` up to the first lag at which ``rho`` is not above 0 (the estimate is noise
    beyond; Geyer 1992): twice the time constant of an exponential. A series without variance has none (0).

    Parameters
    ----------
    series : (T,) or (T, p)
        Rows in order; of several columns, the longest time counts.
    most
        Largest lag, default a quarter of the rows.
    """
    series = np.asarray(series, float)
    if series.ndim == 1:
        series = series[:, None]
    rows = len(series)
    most = rows // 4 if most is None else most
    centred = series - series.mean(axis=0)
    size = 1 << int(2 * rows - 1).bit_length()
    power = np.abs(np.fft.rfft(centred, size, axis=0)) ** 2
    covariance = np.fft.irfft(power, size, axis=0)[: most + 1]
    times = [_initial_sum(column) for column in covariance.T]
    return float(max(times, default=0.0))


def _initial_sum(covariance: np.ndarray) -> float:
    if not covariance[0] > 0:
        return 0.0
    correlation = covariance / covariance[0]
    end = np.flatnonzero(correlation <= 0)
    return float(1.0 + 2.0 * correlation[1 : end[0] if len(end) else None].sum())


def independent_stretches(rows: int, memory: float) -> float:
    """Return how many stretches of a recording are about independent: ``rows / (2 tau)``.

    Parameters
    ----------
    rows
        Rows of the recording.
    memory
        Correlation time in rows: of the term, or the geometric mean of the term's and the residual's.
    """
    return rows / (2.0 * memory) if memory > 0 else float(rows)


def random_shifts(rows: int, draws: int, least: int, seed: int | list[int]) -> np.ndarray:
    """Return circular shifts, uniform between `least` and ``rows - least``.

    Parameters
    ----------
    rows
        Length of the circle.
    draws
        How many; distinct where there are as many distinct ones.
    least
        Least distance from the unshifted rows, to either side: the memory of the term or of the folds' gap.
    seed
        Of the generator, the same for all units and models of a session, so that they share their shifts.

    Returns
    -------
    np.ndarray
        (draws,) int.

    Raises
    ------
    ValueError
        If no shift is far enough.
    """
    least = max(int(least), 1)
    count = rows - 2 * least + 1
    if count < 1:
        raise ValueError(f"{rows} rows have no shift by at least {least}")
    random = np.random.default_rng(seed)
    return least + (random.permutation(count)[:draws] if count >= draws else random.integers(count, size=draws))


def linear_shifts(rows: int, count: int | None = None) -> np.ndarray:
    """Return shifts -N..N (N a quarter of the rows), or an evenly spaced odd number of them around 0.

    Parameters
    ----------
    rows
        Rows of the recording; the central half is scored at every shift.
    count
        How many shifts, 0 included; default all.
    """
    most = rows // 4
    if count is None or count >= 2 * most + 1:
        return np.arange(-most, most + 1)
    half = max(count // 2, 1)
    return (most // half) * np.arange(-half, half + 1)
