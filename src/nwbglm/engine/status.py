"""What became of each fit."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["Status"]


class Status(IntEnum):
    """Outcome of one fit; stored as uint8.

    ``ok``: converged to the gap asked for. ``no_spikes``: no response to learn from in the training rows
    (coefficients 0, intercept -inf, so that the predicted rate is 0). ``separable``: the likelihood has no maximum,
    as some direction of the coefficients makes it grow for ever (or, where a Bernoulli unit responds in every row, of
    the intercept); the values are where the gap was met, and their size means nothing. The objective is near its
    infimum, which nothing attains: within a few gaps by Newton, but only within about 1e-7 by quasi-Newton, whose
    estimate of the gap cannot tell how far a flat direction still falls.
    ``rank_deficient``: the training rows do not determine all coefficients and no penalty does; the rates are
    right, the coefficients one choice among many. ``not_converged``: stopped before the gap was met. ``unresolved``: a
    feature varies by less than 1e-9 of its mean (or a few roundings, where features are in single precision), so that
    it cannot be told from a constant; its coefficient is 0, as if it were one.
    """

    ok = 0
    no_spikes = 1
    separable = 2
    rank_deficient = 3
    not_converged = 4
    unresolved = 5
