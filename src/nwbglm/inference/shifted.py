"""A term's test by shifts of its rows: circular where the rest holds a drift term, linear where it does not.

Circular: all rows, moved round the circle of each recording by random shifts at least a memory away. Needs the term
and what the rest leaves over to be stationary: a drift term in the rest makes it so. Linear: the response and the rest
on the central half, the term's rows slid over -N..N; needs the term *or* the response stationary, and has less power.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .nulls import correlation_time, draw_p_value, independent_stretches, linear_shifts, random_shifts
from .score_test import prepare_rest, score_statistic, shifted_statistics


class TermTest(NamedTuple):
    """What a null says of a term for one unit."""

    statistic: float
    """The statistic on the data; Rao's is about twice the gain in nats."""
    draws: np.ndarray
    """(n,) the statistic of each draw of the null; NaN where it did not end well."""
    p: float
    p_conservative: float
    """Guaranteed where one series is stationary (linear); the same as `p` for other nulls."""
    floor: float
    """Least p value that so many draws can give."""
    stretches: float
    """About how many stretches of the rows are independent."""
    rank_changes: int
    """Draws in which another number of basis functions was visited than in the data."""


def circular_test(
    term: np.ndarray,
    rest: np.ndarray,
    residual: np.ndarray,
    weight: np.ndarray,
    *,
    penalty: np.ndarray | None = None,
    held: np.ndarray | None = None,
    shifts: np.ndarray,
    circle: np.ndarray | None = None,
    memory: float | None = None,
) -> TermTest:
    """Test a term against circular shifts of its rows.

    Parameters
    ----------
    term : (T, p)
        Feature rows of the term, on the rows that the model was fitted on.
    rest : (T, q)
        Features of the model without the term.
    residual, weight : (T,)
        Derivative of the log-likelihood by the linear predictor, and its expected curvature, at that model's fit.
    penalty : (q, q) or None
        Second derivative of the rest's summed penalty.
    held : (p, p) or None
        Second derivative of the term's summed penalty.
    shifts : (n,), or (n, recordings)
        Of `circular_shifts`: the same for all units of a session.
    circle : (T,) int or None
        The recording of each row, where several are joined: each is a circle of its own, with shifts of its own.
    memory
        Correlation time of the term in rows, where it is known already.
    """
    prepared = prepare_rest(rest, residual, weight, penalty)
    statistic, rank = score_statistic(term, prepared, held)
    circle = None if shifts.ndim == 1 else circle
    draws, ranks = shifted_statistics(term, prepared, shifts, circle=circle, penalty=held)
    return judged(statistic, draws, stretches(term, memory), int((ranks != rank).sum()))


def linear_test(
    term: np.ndarray,
    rest: np.ndarray,
    residual: np.ndarray,
    weight: np.ndarray,
    *,
    penalty: np.ndarray | None = None,
    held: np.ndarray | None = None,
    shifts: np.ndarray | None = None,
    memory: float | None = None,
) -> TermTest:
    """Test a term against linear shifts of its rows, on the central half of the rows.

    Parameters
    ----------
    term : (T, p)
    rest : (T, q)
    residual, weight : (T,)
        At the fit of the model without the term *to the central half* (rows outside are not used).
    penalty : (q, q) or None
        Second derivative of the rest's summed penalty there.
    held : (p, p) or None
        Second derivative of the term's summed penalty there.
    shifts : (2N + 1,)
        Of `nulls.linear_shifts`, evenly spaced; default all.
    memory
        Correlation time of the term in rows, where it is known already.
    """
    rows = len(term)
    shifts = linear_shifts(rows) if shifts is None else shifts
    centre = central_rows(rows)
    prepared = prepare_rest(rest, np.where(centre, residual, 0.0), np.where(centre, weight, 0.0), penalty)
    # inside the centre no shift reaches round the circle
    spaced = int(shifts[1] - shifts[0]) if len(shifts) > 1 else 0
    values, ranks = shifted_statistics(term, prepared, shifts, penalty=held, spaced=spaced)
    middle = len(shifts) // 2
    changed = int((ranks != ranks[middle]).sum())
    found = float(values[middle])
    return judged(found, np.delete(values, middle), stretches(term, memory) / 2, changed, linear=True)


def judged(
    statistic: float, draws: np.ndarray, stretches: float, rank_changes: int = 0, *, linear: bool = False
) -> TermTest:
    """Return a test with its p values: the rank of the data's statistic among the draws that ended well."""
    p = float(draw_p_value(statistic, draws))
    known = int(np.isfinite(draws).sum())
    as_large = p * (known + 1)
    conservative = min(1.0, as_large / (known / 2 + 1)) if linear else p
    return TermTest(statistic, draws, p, conservative, 1.0 / (known + 1), stretches, rank_changes)


def central_rows(rows: int) -> np.ndarray:
    """Return which rows lie at least a quarter of all rows from both ends (T,) bool."""
    quarter = rows // 4
    index = np.arange(rows)
    return (index >= quarter) & (index < rows - quarter)


def stretches(term: np.ndarray, memory: float | None = None) -> float:
    """Return about how many stretches of the rows are independent, from the memory of the term.

    That of the residual would count where it is the shorter one, but its estimate is mostly noise.
    """
    return independent_stretches(len(term), correlation_time(term) if memory is None else memory)


def circular_shifts(
    rows: int, draws: int, term: np.ndarray, gap: int, seed: int | list[int], memory: float | None = None
) -> np.ndarray:
    """Return random circular shifts at least the term's memory, or the folds' gap, away from the data.

    The least shift is kept below a quarter of the rows, so that a slow term still has shifts to draw from.
    """
    memory = correlation_time(term) if memory is None else memory
    least = min(max(int(np.ceil(memory)), gap, 1), max(rows // 4, 1))
    return random_shifts(rows, draws, least, seed)
