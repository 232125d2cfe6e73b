"""Many tests at once: p values adjusted for the false discovery rate."""

from __future__ import annotations

import numpy as np


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Adjust p values so that those at or below q have a false discovery rate of at most q.

    ``p_(i) m / i`` with a running minimum from the largest, capped at 1 (Benjamini & Hochberg 1995). It holds for
    independent tests and those of positive dependence, such as units that share a covariate.

    Parameters
    ----------
    p : (m,)
        P values; NaN marks a test that was not done, and does not count.

    Returns
    -------
    np.ndarray
        (m,), NaN where `p` is.
    """
    return _step_up(p, 1.0)


def benjamini_yekutieli(p: np.ndarray) -> np.ndarray:
    """Adjust p values for the false discovery rate under any dependence (Benjamini & Yekutieli 2001).

    Those of Benjamini & Hochberg times ``1 + 1/2 + ... + 1/m``.

    Parameters
    ----------
    p : (m,)
        P values; NaN marks a test that was not done, and does not count.

    Returns
    -------
    np.ndarray
        (m,), NaN where `p` is.
    """
    tests = int(np.isfinite(np.asarray(p, float)).sum())
    return _step_up(p, float((1.0 / np.arange(1, tests + 1)).sum()))


def _step_up(p: np.ndarray, factor: float) -> np.ndarray:
    p = np.asarray(p, dtype=float)
    adjusted = np.full(p.shape, np.nan)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    raw = p[order] * factor * len(order) / np.arange(1, len(order) + 1)
    adjusted[order] = np.minimum(np.minimum.accumulate(raw[::-1])[::-1], 1.0)
    return adjusted


def least_draws(units: int, accepted: int, level: float) -> int:
    """Return the draws that a null needs before `accepted` of `units` tests can pass Benjamini & Hochberg at `level`.

    A p value is at least ``1 / (draws + 1)``, and `accepted` equal ones pass at ``level accepted / units``.
    """
    return int(np.ceil(units / (level * accepted))) - 1
