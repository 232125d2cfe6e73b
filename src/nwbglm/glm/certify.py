"""What gap and gradient cannot see: data that separate, and coefficients that the rows do not determine."""

from __future__ import annotations

import numpy as np

from .columns import Columns, evaluate
from .newton import newton_step
from .problem import Problem

__all__ = ["find_rank_deficient", "find_separable", "free_coefficients"]

RANK_TOLERANCE = 1e-10
"""Smallest eigenvalue of the correlations of features, relative to the largest, that counts as determined."""

DEEP = 10.0
"""How far (in log rate) below the mean the lowest prediction lies before a fit is suspected of separating."""

PERSISTENT = 0.3
"""Change of the log rate that a further Newton step still brings in a separable fit (in theory 1, for ever)."""


def free_coefficients(problem: Problem, strength: np.ndarray) -> np.ndarray:
    """Return (n,) whether some direction of the usable coefficients carries no penalty at each strength."""
    absolute = problem.absolute
    penalised = np.diagonal(problem.quadratic)[: problem.features] > 0
    if absolute is not None:
        penalised = penalised | (absolute[: problem.features] > 0)
    inside = np.flatnonzero(penalised)
    full = penalised.all() and (
        absolute is not None or np.linalg.matrix_rank(problem.quadratic[np.ix_(inside, inside)]) == len(inside)
    )
    return (strength <= 0) | (not full)


def find_rank_deficient(problem: Problem, columns: Columns) -> np.ndarray:
    """Return (n,) whether the training rows of each column leave coefficients (that no penalty holds) undetermined."""
    result = np.zeros(len(columns.unit), bool)
    free = free_coefficients(problem, columns.strength)
    by_unit = problem.panels[0].exposure is not None or not problem.observations.linear
    keys = np.stack([columns.mask, columns.unit if by_unit else np.zeros_like(columns.unit)])[:, free]
    candidates = np.flatnonzero(free)
    pairs, first, member = np.unique(keys, axis=1, return_index=True, return_inverse=True)
    for start in range(0, pairs.shape[1], 8):
        chosen = candidates[first[start : start + 8]]
        zero = np.zeros((len(chosen), problem.width))
        grams = problem.grams(zero, columns.unit[chosen], columns.mask[chosen], columns.alpha[chosen])
        for offset, gram in enumerate(grams):
            members = candidates[member.ravel() == start + offset]
            for unit in np.unique(columns.unit[members]):
                mine = members[columns.unit[members] == unit]
                result[mine] = _is_deficient(problem, gram, columns.unit[mine[0]], columns.strength[mine])
    return result


def _is_deficient(problem, gram, unit, strength) -> np.ndarray:
    """Return for each strength whether Gram plus penalty is singular; a constant feature makes it so."""
    wanted = np.zeros(problem.width, bool)
    wanted[: problem.features] = problem.allowed[unit]
    wanted[-1] = True
    inside = np.ix_(wanted, wanted)
    result = np.zeros(len(strength), bool)
    for i, value in enumerate(strength):
        matrix = gram[inside] / max(gram[-1, -1], 1e-300) + value * problem.quadratic[inside]
        size = np.sqrt(np.diagonal(matrix))
        if (size <= 0).any():
            result[i] = True
            continue
        values = np.linalg.eigvalsh(matrix / np.outer(size, size))
        result[i] = values[0] < RANK_TOLERANCE * values[-1]
    return result


def find_separable(problem: Problem, columns: Columns, theta: np.ndarray, max_steps: int = 3) -> np.ndarray:
    """Return (n,) whether the likelihood of each column grows for ever along some direction.

    In such a direction the loss falls like exp(-t), so that each Newton step moves the predictor of the rows
    concerned by about 1, however small gap and gradient have become; near a true minimum Newton steps vanish
    quadratically. Only fits that predict extremely low rates somewhere, and that are free to, are tried.
    """
    result = np.zeros(len(columns.unit), bool)
    if problem.observations.name == "gaussian":
        return result
    suspects = np.flatnonzero(free_coefficients(problem, columns.strength))
    if len(suspects):
        suspects = suspects[_reaches_deep(problem, columns.take(suspects), theta[suspects])]
    for start in range(0, len(suspects), 8):
        chosen = suspects[start : start + 8]
        result[chosen] = _steps_persist(problem, columns.take(chosen), theta[chosen], max_steps)
    return result


def _reaches_deep(problem: Problem, columns: Columns, theta: np.ndarray) -> np.ndarray:
    low, high = problem.extremes(theta, columns.unit, columns.mask)
    rate = problem.spikes[columns.unit, columns.mask] / problem.rows[columns.unit, columns.mask]
    with np.errstate(divide="ignore", invalid="ignore"):
        typical = problem.observations.link(rate)
    deep = low < typical - DEEP
    if problem.observations.name == "bernoulli":
        deep |= high > typical + DEEP
    return deep | ~np.isfinite(typical)


def _steps_persist(problem: Problem, columns: Columns, theta: np.ndarray, max_steps: int) -> np.ndarray:
    """Return whether every one of several further Newton steps moves some row's predictor by much."""
    persists = np.ones(len(theta), bool)
    for _ in range(max_steps):
        point = evaluate(problem, columns, theta)
        rows = problem.rows[columns.unit, columns.mask]
        hessian = problem.grams(point.theta, *columns[:2], columns.alpha) / rows[:, None, None]
        hessian += columns.strength[:, None, None] * problem.quadratic
        step = newton_step(hessian, point.gradient, problem.usable[columns.unit])
        low, high = problem.extremes(step, columns.unit, columns.mask)
        persists &= np.maximum(-low, high) > PERSISTENT
        if not persists.any():
            break
        theta = point.theta + step
    return persists
