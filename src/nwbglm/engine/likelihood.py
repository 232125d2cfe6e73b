"""Log-likelihoods summed over rows: of fits, of constant rates, of the saturated model.

All are in nats, with the constants that a loss leaves out. A rate is an expected response at full exposure.
"""

from __future__ import annotations

import numpy as np
from scipy.special import xlogy

from .columns import Columns, Solution, penalty_values
from .problem import Problem

__all__ = ["constant_rate", "constant_sum", "log_likelihood", "saturated", "train_log_likelihood"]


def constant_sum(problem: Problem, unit: np.ndarray, mask: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return the sum over rows of what the loss leaves out of the log-likelihood (n,).

    Parameters
    ----------
    problem
        Holds the sums.
    unit, mask : (n,) int
        Units and sets of rows.
    alpha : (n,)
        Dispersions.
    """
    if not problem.observations.has_dispersion:
        return problem.constant[unit, mask]
    table = problem.table[unit, mask]
    return (table * problem.observations.constant(np.arange(table.shape[-1]), alpha[..., None])).sum(axis=-1)


def train_log_likelihood(problem: Problem, columns: Columns, solution: Solution) -> np.ndarray:
    """Return the log-likelihood of each fit on its training rows (n,): its objective without the penalty."""
    where = columns.unit, columns.mask
    loss = problem.rows[where] * (solution.objective - penalty_values(problem, columns, solution.theta))
    constant = constant_sum(problem, *where, columns.alpha)
    return constant - loss - (problem.log_exposure[where] if problem.observations.offset else 0.0)


def log_likelihood(problem: Problem, columns: Columns, mask: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Return the log-likelihood of fits on other rows than their own (n,).

    Parameters
    ----------
    problem, columns
        What was fitted.
    mask : (n,) int
        The set of rows that each is scored on.
    theta : (n, P)
        Coefficients.
    """
    result = np.zeros(len(mask))
    order = np.lexsort((columns.unit, mask))
    order = order[problem.rows[columns.unit, mask][order] > 0]
    for start in range(0, len(order), problem.slots):
        chosen = order[start : start + problem.slots]
        unit, rows = columns.unit[chosen], mask[chosen]
        (loss,) = problem.sums(theta[chosen], unit, rows, columns.alpha[chosen], order=0)
        result[chosen] = constant_sum(problem, unit, rows, columns.alpha[chosen]) - loss
        if problem.observations.linear:
            result[chosen] += np.einsum("np,np->n", problem.moments[unit, rows], theta[chosen])
    return result


def saturated(problem: Problem, masks: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return the log-likelihood at ``mu = y`` (U, K) on sets of rows (K,), at dispersions (U, K)."""
    if not problem.observations.has_dispersion:
        return problem.saturated[:, masks]
    table = problem.table[:, masks]
    return (table * problem.observations.saturated(np.arange(table.shape[-1]), alpha[..., None])).sum(axis=-1)


def constant_rate(problem: Problem, rate: np.ndarray, masks: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return the log-likelihood of sets of rows (K,) under constant rates (U, K), at dispersions (U, K)."""
    rows, spikes, exposure = (getattr(problem, name)[:, masks] for name in ("rows", "spikes", "exposure"))
    constant = constant_sum(problem, *np.broadcast_arrays(np.arange(len(rate))[:, None], masks), alpha)
    if problem.observations.offset:  # Poisson
        return constant + xlogy(spikes, rate) - rate * exposure
    if problem.observations.name == "bernoulli":
        return constant + xlogy(spikes, rate) + xlogy(rows - spikes, 1 - rate)
    theta = np.zeros((*rate.shape, problem.width))
    known = rate > 0 if problem.observations.name != "gaussian" else rows > 0
    theta[..., -1] = problem.observations.link(np.where(known, rate, 1.0))
    unit, split = (array.ravel() for array in np.indices(rate.shape))
    wanted = np.flatnonzero((rows > 0).ravel())
    total = np.zeros(rate.size)
    for start in range(0, len(wanted), problem.slots):
        part = wanted[start : start + problem.slots]
        of = unit[part], masks[split[part]]
        total[part] = problem.sums(theta.reshape(rate.size, -1)[part], *of, alpha.ravel()[part], order=0)[0]
    silent = np.where(spikes > 0, -np.inf, 0.0)
    return np.where(known | (rows == 0), constant - total.reshape(rate.shape), silent)
