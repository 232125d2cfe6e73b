"""One p value over sessions that exchange a term's signals: a permutation of sessions, jointly for all their units."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import numpy as np

ALL = 7
"""Sessions up to which every permutation is looked at."""


def exchanged_sessions(ranks: Mapping[str, Mapping[str, float]], *, draws: int = 9999, seed: int = 0) -> float:
    """Return the p value of every session with its own signals, among permutations of the signals over sessions.

    The statistic is the mean over sessions of how high the units rank a session's signals. With few sessions no unit
    can be decided by itself (p is at least 1 / sessions); all of them together can.

    Parameters
    ----------
    ranks
        Of each session: how high its units rank the signals of each session (its own among them), their mean rank.
    draws
        Random permutations, beyond `ALL` sessions.
    seed
        Of these.

    Returns
    -------
    float
        NaN with fewer than two sessions, or where they do not all have one another's signals.
    """
    names = list(ranks)
    if len(names) < 2 or any(set(mine) != set(names) for mine in ranks.values()):
        return float("nan")
    table = np.array([[ranks[session][other] for other in names] for session in names])
    size, rows = len(names), np.arange(len(names))
    real = table[rows, rows].mean()
    if size <= ALL:
        orders = np.array(list(itertools.permutations(range(size))))
    else:
        random = np.random.default_rng(seed)
        orders = np.array([random.permutation(size) for _ in range(draws)])
    as_large = int((table[rows, orders].mean(axis=1) >= real - 1e-12).sum())
    if size <= ALL:
        return as_large / math.factorial(size)
    return (1 + as_large) / (1 + draws)


def mean_ranks(statistics: np.ndarray) -> np.ndarray:
    """Return the mean over units of the rank of each column within a unit's row, from 0 to 1 (columns,).

    Parameters
    ----------
    statistics : (units, columns)
    """
    below = (statistics[:, :, None] > statistics[:, None, :]).sum(axis=2)
    same = (statistics[:, :, None] == statistics[:, None, :]).sum(axis=2) - 1
    return ((below + 0.5 * same) / max(statistics.shape[1] - 1, 1)).mean(axis=0)
