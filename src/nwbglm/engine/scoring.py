"""Log-likelihoods and deviances of fits and of constant rates, from sums of losses over rows.

Every likelihood is at its own nuisance parameter of largest likelihood on the rows that were *trained* on: the
dispersion of a negative binomial, the variance of a Gaussian, the shape of a Gamma. A null model has its own, so that
what a fit is worth does not depend on what else was fitted. A deviance compares means, and takes the null's at the
parameter of the fit that it is set against (McCullagh & Nelder 1989, 2.3).
"""

from __future__ import annotations

import numpy as np

from .data.problem import Problem
from .dispersion import LARGEST, SMALLEST, best_dispersion, first_dispersion
from .objective import Fits, Solution, penalty_values
from .observations import LEAST_SCALE

__all__ = [
    "at_bound",
    "best_flat_dispersion",
    "best_scale",
    "deviance",
    "fit_losses",
    "flat_losses",
    "log_likelihood",
    "train_losses",
]


def train_losses(problem: Problem, fits: Fits, solution: Solution) -> np.ndarray:
    """Return the summed loss of each fit's training rows (n,): its objective without the penalty."""
    where = fits.unit, fits.mask
    loss = problem.rows[where] * (solution.objective - penalty_values(problem, fits, solution.theta))
    return loss + (problem.log_exposure[where] if problem.observations.offset else 0.0)


def fit_losses(problem: Problem, unit, mask, alpha, theta: np.ndarray) -> np.ndarray:
    """Return summed losses of coefficients (n, P) on sets of rows (n,), in slots' worths; 0 without rows."""
    result = np.zeros(len(mask))
    order = np.lexsort((unit, mask))
    order = order[problem.rows[unit, mask][order] > 0]
    for start in range(0, len(order), problem.slots):
        some = order[start : start + problem.slots]
        where = unit[some], mask[some]
        (result[some],) = problem.sums(theta[some], *where, alpha[some], order=0)
        if problem.observations.linear:
            result[some] -= np.einsum("np,np->n", problem.moments[where], theta[some])
    return result


def flat_losses(problem: Problem, rate: np.ndarray, masks: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return summed losses under constant rates.

    Parameters
    ----------
    rate : (U, K)
        Mean response (at full exposure) that unit u is given in set k.
    masks : (K,) int
        The sets of rows.
    alpha : (U, K, S)
        Dispersions; S is 1 where they do not matter.

    Returns
    -------
    np.ndarray
        (U, K, S); infinite where a response was impossible.
    """
    observations = problem.observations
    rows, spikes, exposure = (getattr(problem, name)[:, masks, None] for name in ("rows", "spikes", "exposure"))
    if observations.flat_loss is not None:
        with np.errstate(divide="ignore"):
            return np.broadcast_to(observations.flat_loss(rate[:, :, None], rows, spikes, exposure), alpha.shape)
    inside = rate > observations.response.low  # a rate of 0 predicts 0, and nothing else
    units, splits, path = np.indices(alpha.shape).reshape(3, -1)
    wanted = np.flatnonzero((inside & (rows[..., 0] > 0))[units, splits])
    u, k, s = units[wanted], splits[wanted], path[wanted]
    theta = np.zeros((len(wanted), problem.width))
    theta[:, -1] = observations.link(rate[u, k])
    total = np.zeros(alpha.shape)
    total[u, k, s] = fit_losses(problem, u, masks[k], alpha[u, k, s], theta)
    return np.where(inside[:, :, None] | (spikes == 0), total, np.inf)


def best_flat_dispersion(problem: Problem, rate: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Return the negative binomial's dispersion of largest likelihood under constant rates (U, K); 1 without spikes."""
    unit, split = (array.ravel() for array in np.indices(rate.shape))
    wanted = np.flatnonzero((problem.spikes[:, masks] > 0).ravel() & (rate > 0).ravel())
    fits = Fits(unit[wanted], masks[split[wanted]], np.zeros(len(wanted)), np.ones(len(wanted)))
    theta = np.zeros((len(wanted), problem.width))
    theta[:, -1] = problem.observations.link(rate.ravel()[wanted])
    result = np.ones(rate.size)
    if len(wanted):
        fits = fits._replace(alpha=first_dispersion(problem, fits))
        result[wanted] = best_dispersion(problem, fits, theta)
    return result.reshape(rate.shape)


def best_scale(problem: Problem, unit, mask, loss: np.ndarray) -> np.ndarray:
    """Return the variance, or dispersion, of largest likelihood from summed losses; 1 without rows.

    `unit` and `mask` index the sums; `loss` has their broadcast shape (and may have further axes behind).
    """
    rows, saturated = (_spread(sums[unit, mask], loss) for sums in (problem.rows, problem.saturated))
    scale = problem.observations.scale
    assert scale is not None  # only such models are asked
    excess = np.divide(loss + saturated, rows, out=np.ones(loss.shape), where=rows > 0)
    return np.where(rows > 0, scale.best(excess), 1.0)


def log_likelihood(problem: Problem, unit, mask, loss: np.ndarray, nuisance: np.ndarray) -> np.ndarray:
    """Return summed log-likelihoods from summed losses, with every constant; 0 without rows.

    Parameters
    ----------
    unit, mask
        Index the problem's sums.
    loss
        Summed losses, of the index's shape and perhaps further axes behind.
    nuisance
        Dispersion, variance or 1 / shape, of the same shape; of no weight for other models.
    """
    if problem.observations.scale is not None:
        rows, saturated = (_spread(sums[unit, mask], loss) for sums in (problem.rows, problem.saturated))
        found = problem.observations.scale.log_likelihood(loss, rows, saturated, nuisance)
        return np.where(rows > 0, found, 0.0)
    return _part(problem, "constant", unit, mask, loss, nuisance) - loss


def deviance(problem: Problem, unit, mask, loss: np.ndarray, nuisance: np.ndarray) -> np.ndarray:
    """Return summed deviances from summed losses (see `log_likelihood`); 0 is a perfect prediction."""
    constant, saturated = (_part(problem, name, unit, mask, loss, nuisance) for name in ("constant", "saturated"))
    return problem.observations.deviance_factor * (saturated - constant + loss)


def at_bound(problem: Problem, nuisance: np.ndarray) -> np.ndarray:
    """Return where a nuisance parameter ended on a bound of its range."""
    if problem.observations.has_dispersion:
        return (nuisance <= SMALLEST * (1 + 1e-6)) | (nuisance >= LARGEST * (1 - 1e-6))
    if problem.observations.scale is not None:
        return nuisance <= LEAST_SCALE
    return np.zeros(np.shape(nuisance), bool)


def _part(problem: Problem, name: str, unit, mask, loss, alpha) -> np.ndarray:
    """Return the sum over rows of a part of the log-likelihood that does not depend on the coefficients."""
    if not problem.observations.has_dispersion:
        sums = problem.constant if name == "constant" else problem.saturated
        return _spread(sums[unit, mask], loss)
    assert problem.table is not None  # counts have one
    table = problem.table[unit, mask]
    table = table.reshape(table.shape[:-1] + (1,) * (loss.ndim - table.ndim + 1) + table.shape[-1:])
    values = getattr(problem.observations, name)(np.arange(table.shape[-1]), np.asarray(alpha)[..., None])
    return (table * values).sum(axis=-1)


def _spread(sums: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Return sums with axes added behind, to go with an array that has more of them."""
    return sums.reshape(sums.shape + (1,) * (np.ndim(like) - sums.ndim))
