"""Estimates across sessions and animals, each with the interval that its number of top-level units can carry.

With a spread of .04 between sessions and .05 between units, a percentile bootstrap over 2, 3, 5, 10, 20 sessions called
95 % covers .49, .75, .83, .90, .95; a t interval of the sessions' medians .95, .93, .94, .96, .95. So: t below
`FEW` top-level units, a hierarchical bootstrap (animals, within them sessions, within them units; Saravanan 2020) from
there on. One top-level unit has no interval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy import stats

FEW = 10
STEP = 7919  # a prime: apart from a draw's own index by more than any two places of a session


class Estimate(NamedTuple):
    """An effect over the top-level units (animals where they are known, else sessions)."""

    value: float
    low: float
    high: float
    method: str
    """``t``, ``hierarchical`` or ``none``."""
    top: int
    """Top-level units."""


def estimate(
    values: np.ndarray, levels: Sequence[np.ndarray], *, level: float = 0.95, draws: int = 2000, seed: int = 0
) -> Estimate:
    """Estimate an effect with its interval: the median over units of a session, the mean over sessions and animals.

    Parameters
    ----------
    values : (n,)
        One value a unit; NaN is left out.
    levels
        Labels of each value from the top down: ``[animal, session]`` or ``[session]``, each (n,).
    level
        Of the interval.
    draws, seed
        Of the bootstrap.
    """
    values = np.asarray(values, float)
    known = np.isfinite(values)
    values, levels = values[known], [np.asarray(labels)[known] for labels in levels]
    tree = _nest(values, levels)
    top = np.array([_centre(branch) for branch in tree])
    if len(top) == 0:
        return Estimate(np.nan, np.nan, np.nan, "none", 0)
    value = float(top.mean())
    if len(top) == 1:
        return Estimate(value, np.nan, np.nan, "none", 1)
    if len(top) < FEW:
        return Estimate(value, *t_interval(top, level), "t", len(top))
    return Estimate(value, *hierarchical_interval(tree, level, draws, seed), "hierarchical", len(top))


def t_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Return the t interval of the mean of a few values; NaN with fewer than two."""
    values = np.asarray(values, float)
    if len(values) < 2:
        return np.nan, np.nan
    half = stats.t.ppf((1 + level) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def hierarchical_interval(tree: list, level: float = 0.95, draws: int = 2000, seed: int = 0) -> tuple[float, float]:
    """Return the percentile interval of a bootstrap that resamples each level within what it drew of the one above.

    Parameters
    ----------
    tree
        Nested lists: top-level units, within them sessions (where there is a second level), arrays of units' values.
    level, draws, seed
        Of the interval and of the bootstrap.
    """
    means = _resampled(tree, draws, np.random.default_rng(seed))
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def hierarchical_outcomes(
    tree: Sequence[Sequence[float]], statistic: Callable[[np.ndarray], float] = np.mean
) -> np.ndarray:
    """List every equally likely outcome of a two-level bootstrap of a small tree: what the random one converges to.

    Parameters
    ----------
    tree
        Values by top-level unit.
    statistic
        Of all values of a draw.
    """
    per_unit = [list(product(values, repeat=len(values))) for values in tree]
    outcomes = []
    for picked in product(range(len(tree)), repeat=len(tree)):
        outcomes += [statistic(np.concatenate(draw)) for draw in product(*(per_unit[k] for k in picked))]
    return np.asarray(outcomes)


def sign_flip_p_value(values: np.ndarray, draws: int = 10_000, seed: int = 0) -> float:
    """Return the two-sided p value of a mean of 0 when each value may change its sign; its floor is ``2^(1-n)``.

    All sign patterns where they are at most `draws`, else random ones.
    """
    values = np.asarray(values, float)
    n = len(values)
    observed = abs(values.mean())
    if 2**n <= draws:
        signs = np.array(list(product([1.0, -1.0], repeat=n)))
        return float((np.abs(signs @ values) / n >= observed * (1 - 1e-12)).mean())
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(draws, n))
    return float((1 + (np.abs(signs @ values) / n >= observed * (1 - 1e-12)).sum()) / (draws + 1))


def nadeau_bengio(differences: np.ndarray, test_share: float | None = None) -> tuple[float, float]:
    """Return the corrected t of a model's gain over folds and its one-sided p value, for readers who expect it.

    ``t = mean / (sd sqrt(1/K + n_test / n_train))`` with K - 1 degrees (Nadeau & Bengio 2003): the folds share their
    training rows. With contiguous folds of a slow signal its power is 0 to .04: no stars on it.

    Parameters
    ----------
    differences : (K,)
        Gain in each fold.
    test_share
        ``n_test / n_train``; default ``1 / (K - 1)``.
    """
    d = np.asarray(differences, float)
    folds = len(d)
    if folds < 2 or not d.std(ddof=1) > 0:
        return np.nan, np.nan
    share = 1.0 / (folds - 1) if test_share is None else test_share
    t = d.mean() / (d.std(ddof=1) * np.sqrt(1.0 / folds + share))
    return float(t), float(stats.t.sf(t, folds - 1))


def _nest(values: np.ndarray, levels: Sequence[np.ndarray]) -> list:
    """Return values as nested lists by their labels, in the order of first appearance."""
    if not levels:
        return list(values)
    first, *rest = levels
    return [
        _nest(values[first == name], [labels[first == name] for labels in rest]) if rest else values[first == name]
        for name in dict.fromkeys(first.tolist())
    ]


def _centre(branch: list | np.ndarray) -> float:
    """Return the median of a session's units, or the mean of an animal's sessions."""
    if isinstance(branch, np.ndarray):
        return float(np.median(branch))
    return float(np.mean([_centre(part) for part in branch]))


def _resampled(branch: list | np.ndarray, draws: int, random: np.random.Generator) -> np.ndarray:
    """Return the centre of a branch in each of many draws (draws,), each level resampled within the one above."""
    if isinstance(branch, np.ndarray):
        picks = random.integers(len(branch), size=(draws, len(branch)))
        return np.median(branch[picks], axis=1)
    parts = np.stack([_resampled(part, draws, random) for part in branch])
    picks = random.integers(len(branch), size=(draws, len(branch)))
    # a part that is drawn twice is resampled twice: each place takes another of its draws
    place = (np.arange(draws)[:, None] + STEP * np.arange(len(branch))) % draws
    return parts[picks, place].mean(axis=1)
