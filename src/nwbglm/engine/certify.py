"""What gap and gradient cannot see: data that separate, and coefficients that the rows do not determine."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linprog

from .data.problem import Problem
from .objective import Fits, mean_response

__all__ = ["find_rank_deficient", "find_separable", "free_coefficients"]

RANK_TOLERANCE = 1e-10
"""Smallest eigenvalue of the correlations of features, relative to the largest, that counts as determined."""

SAMPLED = 8, 1e-6
"""One block in how many is looked at first, and the eigenvalue with which these alone determine all coefficients."""

FAR_FROM_MEAN = 8.0
"""How far (in log rate) from the mean a prediction lies before its row is suspected of separating."""


def free_coefficients(problem: Problem, strength: np.ndarray) -> np.ndarray:
    """Return (n,) whether some direction of the usable coefficients carries no penalty at each strength."""
    return (strength <= 0) | (not problem.holds_all)


def find_rank_deficient(problem: Problem, fits: Fits) -> np.ndarray:
    """Return (n,) whether the training rows of each fit leave coefficients (that no penalty holds) undetermined."""
    suspects = np.flatnonzero(free_coefficients(problem, fits.strength))
    for stride, tolerance in (SAMPLED, (1, RANK_TOLERANCE)):
        if len(suspects):
            suspects = suspects[_seem_deficient(problem, fits.take(suspects), stride, tolerance)]
    result = np.zeros(len(fits.unit), bool)
    result[suspects] = True
    return result


def _seem_deficient(problem: Problem, fits: Fits, stride: int, tolerance: float) -> np.ndarray:
    """Return (n,) what `find_rank_deficient` does, as seen in every ``stride``-th block of rows."""
    result = np.zeros(len(fits.unit), bool)
    by_unit = problem.shares is not None or not problem.observations.linear
    keys = np.stack([fits.mask, fits.unit if by_unit else np.zeros_like(fits.unit)])
    pairs, first, member = np.unique(keys, axis=1, return_index=True, return_inverse=True)
    for start in range(0, pairs.shape[1], 8):
        chosen = first[start : start + 8]
        zero = np.zeros((len(chosen), problem.width))
        where = fits.unit[chosen], fits.mask[chosen], fits.alpha[chosen]
        for offset, gram in enumerate(problem.grams(zero, *where, stride=stride)):
            members = np.flatnonzero(member.ravel() == start + offset)
            for unit in np.unique(fits.unit[members]):
                mine = members[fits.unit[members] == unit]
                result[mine] = _is_deficient(problem, gram, unit, fits.strength[mine], tolerance)
    return result


def _is_deficient(problem, gram, unit, strength, tolerance) -> np.ndarray:
    """Return for each strength whether Gram plus penalty is singular; a constant feature makes it so."""
    wanted = np.zeros(problem.width, bool)
    wanted[: problem.features] = problem.allowed[unit]
    wanted[-1] = True
    inside = np.ix_(wanted, wanted)
    gram, holding = gram[inside] / max(gram[-1, -1], 1e-300), problem.holding[inside]
    result = np.zeros(len(strength), bool)
    for i, value in enumerate(strength):
        matrix = gram + value * holding
        size = np.sqrt(np.diagonal(matrix))
        if (size <= 0).any():
            result[i] = True
            continue
        values = np.linalg.eigvalsh(matrix / np.outer(size, size))
        result[i] = values[0] < tolerance * values[-1]
    return result


def find_separable(problem: Problem, fits: Fits, theta: np.ndarray) -> np.ndarray:
    """Return (n,) whether the likelihood of each fit grows for ever along some direction.

    Such a direction ``v`` has ``x.v = 0`` on rows with a response and ``x.v <= 0`` (not all 0) on the others. At the
    gap that was asked for, those others have been driven far below the mean: so the directions that leave all other
    rows alone are found (a null space), and among them one that lowers the low rows (a linear programme).
    """
    result = np.zeros(len(fits.unit), bool)
    if not problem.observations.counts:
        return result
    suspects = np.flatnonzero(free_coefficients(problem, fits.strength))
    if not len(suspects):
        return result
    low, high = problem.extremes(theta[suspects], fits.unit[suspects], fits.mask[suspects])
    typical = _typical(problem, fits.take(suspects))
    deep = low < typical - FAR_FROM_MEAN
    if np.isfinite(problem.observations.ceiling):
        deep |= high > typical + FAR_FROM_MEAN
    for number in suspects[deep]:
        one = fits.take(slice(number, number + 1))
        result[number] = _separates(problem, one, theta[number], _typical(problem, one)[0])
    return result


def _typical(problem: Problem, fits: Fits) -> np.ndarray:
    """Return the linear predictor of each fit's mean."""
    return problem.observations.link(mean_response(problem, fits.unit, fits.mask))


def _separates(problem: Problem, fit: Fits, theta: np.ndarray, typical: float) -> bool:
    """Return whether a direction exists that leaves ordinary rows alone and lowers (raises) the extreme ones."""
    inside = np.flatnonzero(problem.usable[fit.unit[0]])
    ordinary = fit.strength[0] * problem.holding[np.ix_(inside, inside)]
    extreme = []
    for x, y in problem.host_rows(fit.unit[0], fit.mask[0]):
        eta = x @ theta
        low = (y == 0) & (eta < typical - FAR_FROM_MEAN)
        extreme.append(x[low][:, inside])
        other = ~low
        if np.isfinite(problem.observations.ceiling):
            high = (y == problem.observations.ceiling) & (eta > typical + FAR_FROM_MEAN)
            extreme.append(-x[high][:, inside])
            other &= ~high
        rest = x[other][:, inside].astype(float)
        ordinary = ordinary + rest.T @ rest
    rows = np.unique(np.concatenate(extreme).astype(float), axis=0)
    size = np.sqrt(np.diagonal(ordinary))
    size = np.where(size > 1e-7 * size.max(), size, 1.0)
    values, vectors = np.linalg.eigh(ordinary / np.outer(size, size))
    free = vectors[:, values <= RANK_TOLERANCE * values[-1]] / size[:, None]  # all, where no row is ordinary
    if not free.shape[1] or not len(rows):
        return False
    moves = rows @ free
    basis, weight, _ = np.linalg.svd(moves, full_matrices=False)
    moves = (basis * weight)[:, weight > 1e-6 * max(float(np.linalg.norm(rows)), 1e-300)]
    if not moves.shape[1]:
        return False
    found = linprog(
        moves.sum(axis=0), A_ub=np.concatenate([moves, -moves]), b_ub=np.r_[np.zeros(len(rows)), np.ones(len(rows))],
        bounds=(None, None), method="highs",
    )  # fmt: skip
    return bool(found.status == 0 and found.fun < -0.5)
