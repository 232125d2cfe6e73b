"""Strengths of a quadratic penalty, one for each term of each fit, by the evidence of the rows that it is trained on.

With the penalty ``n/2 sum_g s_g w'Q_g w`` on n rows read as a Gaussian prior, the restricted marginal likelihood in
Laplace's approximation is largest where (MacKay 1992; Wood & Fasiolo 2017, "A generalized Fellner-Schall method")

    s_g = phi (rank Q_g - n s_g tr[(n H + n S)^-1 Q_g]) / (n w'Q_g w),

``n H`` the Hessian of the loss at the optimum w, ``n S`` that of the penalty, 1 / phi what a unit of loss is worth in
nats (1 for counts, half the precision of a Gaussian). What stands in brackets are the coefficients of the term that the
data chose. The fixed point is found on the quadratic model of the loss, which is made anew at its minimum until both
agree (Breslow & Clayton 1993): each turn is one Hessian and one step of Newton. Splits take their turns on their own
rows, from the coefficients of the fit on all rows (and, in the first turn, its Hessian without what the split leaves
out), but from the same first strengths as that: no held-out row has a part in the strengths that it is scored at but by
the last digits of a start.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotri

from . import limits
from .data.problem import Problem
from .objective import Fits, Point, Solution, evaluate, mean_response, null_point
from .scoring import best_scale, train_losses
from .smooth.newton import exact_hessians
from .smooth.solvers import polish
from .tolerance import Tolerance

__all__ = ["Evidence", "maximise_evidence"]

FIRST = 0.1
"""First strengths, relative to the curvature of the null model."""

WEAKEST, STRONGEST = 1e-10, 1e8
"""Bounds of the strengths, relative to the curvature of the null model: there a term is free, or gone."""

STEEPEST = 0.9
"""Largest ratio of following steps that is extrapolated."""

TURNS, SPLIT_TURNS, INNER = 15, 10, 12
"""Quadratic models of the loss on all rows, and on those of a split, at most; steps of the fixed point on each."""

ENOUGH = 0.02
"""Change of a term's effective parameters that ends the turns, each of which leaves a small part of the error."""

HALVINGS = 12
"""Of a step that does not lower the objective."""

SLACK = 1e-6
"""Rise of an objective, relative to 1 + its size, that may be rounding in float32."""

ROUNDING = 1e-12
"""Added to scaled Hessians: directions without data or penalty stay where they are."""


class Evidence(NamedTuple):
    """What the rows said.

    Attributes
    ----------
    strengths, parameters : (n, G)
        The strength of each fit's terms (NaN for a term that the penalty leaves free), and how many coefficients of
        each the data were free to choose.
    """

    strengths: np.ndarray
    parameters: np.ndarray

    def take(self, index: Any) -> Evidence:
        """Return some of the fits."""
        return Evidence(self.strengths[index], self.parameters[index])


def maximise_evidence(
    problem: Problem, fits: Fits, union: int, terms: np.ndarray, *, gap: Tolerance, max_iterations: int
) -> tuple[Solution, Evidence]:
    """Find strengths and optimum of every fit.

    Parameters
    ----------
    problem
        Its penalty is quadratic, and couples no two terms.
    fits
        One for each unit and split.
    union
        The set of all rows that any split trains on.
    terms : (p,) int
        The term of each feature, from 0.
    gap, max_iterations
        As in `fit_splits`.

    Returns
    -------
    tuple
        The solution, and the evidence.
    """
    model = _Terms(problem, terms)
    n = len(fits.unit)
    solution = Solution.empty(n, problem.width)
    evidence = Evidence(np.zeros((n, model.count)), np.zeros((n, model.count)))
    units = np.unique(fits.unit)
    most = max(1, limits.METRIC_BYTES // (8 * problem.width**2 * max(1, n // max(1, len(units)))))
    for first in range(0, len(units), most):
        mine = np.flatnonzero(np.isin(fits.unit, units[first : first + most]))
        found, told = _of_units(problem, fits.take(mine), union, model, gap, max_iterations)
        solution.put(mine, found)
        evidence.strengths[mine], evidence.parameters[mine] = told
    return solution, evidence


class _Terms:
    """The penalty of each term."""

    def __init__(self, problem: Problem, terms: np.ndarray) -> None:
        self.quadratic = problem.quadratic
        self.count = int(terms.max(initial=-1)) + 1
        self.member = np.zeros((problem.width, self.count))
        self.member[np.arange(len(terms)), terms] = 1.0

    def weight(self, strengths: np.ndarray) -> np.ndarray:
        """Return the factors of coefficients (n, P) that make a penalty of strength 1 that of the terms."""
        return np.sqrt(strengths) @ self.member.T

    def ranks(self, usable: np.ndarray) -> np.ndarray:
        """Return how many directions of each term's usable coefficients the penalty holds (n, G)."""
        kinds, of = np.unique(usable, axis=0, return_inverse=True)
        found = np.zeros((len(kinds), self.count))
        for i, inside in enumerate(kinds):
            for term in range(self.count):
                some = np.flatnonzero(inside & (self.member[:, term] > 0))
                found[i, term] = np.linalg.matrix_rank(self.quadratic[np.ix_(some, some)]) if len(some) else 0
        return found[of.ravel()]


class _Model(NamedTuple):
    """Quadratic models of the mean losses of n fits: Hessians (n, P, P), and ``z``: the gradient is ``H w - z``."""

    hessian: np.ndarray
    right: np.ndarray


def _of_units(
    problem: Problem, fits: Fits, union: int, model: _Terms, gap: Tolerance, max_iterations: int
) -> tuple[Solution, Evidence]:
    """Find strengths and optimum of some units' fits."""
    units, of_fit = np.unique(fits.unit, return_inverse=True)
    whole = Fits(units, np.full(len(units), union), np.ones(len(units)), np.ones(len(units)))
    at, first = null_point(problem, whole), _first(problem, whole, model)
    theta, told, hessian = _converged(problem, whole, at, first, model, TURNS)
    told, theta, hessian = told.take(of_fit), theta[of_fit], hessian[of_fit]
    apart = np.flatnonzero(fits.mask != union)
    if len(apart):
        some, at = fits.take(apart), theta[apart]
        near = _split_hessians(problem, some, union, hessian[apart], at)
        theta[apart], found, hessian[apart] = _converged(
            problem, some, at, _first(problem, some, model), model, SPLIT_TURNS, near
        )
        told.strengths[apart], told.parameters[apart] = found
    held = fits._replace(strength=np.ones(len(fits.unit)), weight=model.weight(told.strengths))
    strengths = np.where(model.ranks(problem.usable[fits.unit]) > 0, told.strengths, np.nan)
    solution = polish(problem, held, theta, hessian, gap=gap, max_iterations=max_iterations)
    return solution, told._replace(strengths=strengths)


def _first(problem: Problem, fits: Fits, model: _Terms) -> Evidence:
    """Return the strengths that fits start from."""
    flat = _flat(problem, fits, model)
    return Evidence(FIRST * flat, np.full_like(flat, np.inf))


def _flat(problem: Problem, fits: Fits, model: _Terms) -> np.ndarray:
    """Return the null model's curvature for each term of each fit (n, G)."""
    mean = mean_response(problem, fits.unit, fits.mask)
    return np.repeat(problem.observations.flat_curvature(mean, fits.alpha)[:, None], model.count, axis=1)


def _converged(
    problem: Problem,
    fits: Fits,
    theta: np.ndarray,
    told: Evidence,
    model: _Terms,
    turns: int,
    first: np.ndarray | None = None,
) -> tuple[np.ndarray, Evidence, np.ndarray]:
    """Take turns of Hessians and fixed points until terms' effective parameters stay, each fit on its own rows.

    ``first`` are Hessians for the first turn, which need not be exact. Returns the last ones, too.
    """
    theta, told = theta.copy(), Evidence(told.strengths.copy(), told.parameters.copy())
    last = np.zeros((*theta.shape, theta.shape[1]))
    flat = _flat(problem, fits, model)
    going = np.arange(len(theta))
    for turn in range(turns):
        some, before = fits.take(going), told.take(going)
        bounds = WEAKEST * flat[going], STRONGEST * flat[going]
        hessian = _hessians(problem, some, theta[going]) if turn or first is None else first
        last[going] = hessian
        theta[going], after = _turn(problem, some, theta[going], hessian, before, model, bounds)
        told.strengths[going], told.parameters[going] = after
        going = going[np.abs(after.parameters - before.parameters).max(axis=1, initial=0.0) >= ENOUGH]
        if not len(going):
            break
    return theta, told, last


def _hessians(problem: Problem, fits: Fits, theta: np.ndarray) -> np.ndarray:
    """Return the Hessians of the mean losses (n, P, P)."""
    fast = problem.fast
    if fast is None:
        return exact_hessians(problem, fits._replace(strength=np.zeros(len(theta)), weight=None), theta)
    ones = (fits.take(slice(i, i + 1)) for i in range(len(theta)))
    grams = [fast.grams(theta[[i]], one.unit, one.mask, one.alpha)[0] for i, one in enumerate(ones)]
    return np.stack(grams) / problem.rows[fits.unit, fits.mask][:, None, None]


def _split_hessians(problem: Problem, fits: Fits, union: int, whole: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Return Hessians of splits' mean losses at these points: those on all rows without what a split leaves out."""
    fast = problem.fast or problem
    result = whole * problem.rows[fits.unit, union][:, None, None]
    for i, mask in enumerate(fits.mask):
        one = fits.take(slice(i, i + 1))
        result[i] -= fast.grams(theta[[i]], one.unit, np.array([union]), one.alpha, without=int(mask))[0]
    return result / problem.rows[fits.unit, fits.mask][:, None, None]


def _turn(
    problem: Problem,
    fits: Fits,
    theta: np.ndarray,
    hessian: np.ndarray,
    told: Evidence,
    model: _Terms,
    bounds: tuple[np.ndarray, np.ndarray],
) -> tuple[np.ndarray, Evidence]:
    """Step to the fixed point of the quadratic model at these points, or as far as the objective falls."""
    fast = problem.fast or problem
    strengths = told.strengths
    free = fits._replace(strength=np.ones(len(theta)), weight=np.zeros_like(theta))
    point = evaluate(fast, free, theta)
    at = point.theta
    usable = problem.usable[fits.unit]
    quadratic = _Model(hessian, np.einsum("npq,nq->np", hessian, at) - point.gradient)
    rank = model.ranks(usable)
    rows = problem.rows[fits.unit, fits.mask][:, None]
    noise = _noise(problem, fits, point, told.parameters)
    steps: list[np.ndarray] = []
    before = np.full_like(strengths, np.inf)
    for _ in range(INNER):
        new, inverse = _minimum(problem, quadratic, model, strengths, usable)
        held = strengths * (_diagonal(inverse, problem.quadratic) @ model.member)
        free_of = np.clip(rank - held, 0.0, None)
        size = (new @ problem.quadratic * new) @ model.member
        with np.errstate(divide="ignore", invalid="ignore"):
            wanted = noise * free_of / (rows * size)
        wanted = np.where(rank > 0, np.nan_to_num(wanted, nan=np.inf, posinf=np.inf), strengths)
        wanted = np.clip(wanted, *bounds)
        steps = [*steps, np.log(wanted / strengths)]
        if len(steps) == 3:  # Aitken: the fixed point is reached geometrically
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = np.nan_to_num(steps[2] / steps[1], nan=0.0, posinf=0.0, neginf=0.0)
            ratio = np.clip(ratio, 0.0, STEEPEST)
            wanted = np.clip(wanted * np.exp(steps[2] * ratio / (1 - ratio)), *bounds)
            steps = []
        strengths = wanted
        if np.abs(free_of - before).max(initial=0.0) < 0.1 * ENOUGH:
            break
        before = free_of
    new, inverse = _minimum(problem, quadratic, model, strengths, usable)
    parameters = _diagonal(inverse, hessian) @ model.member
    penalised = fits._replace(strength=np.ones(len(theta)), weight=model.weight(strengths))
    return _safe_step(fast, penalised, at, new), Evidence(strengths, parameters)


def _safe_step(problem: Problem, fits: Fits, at: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return new points, or points on the way to them where the objective is not above that of the old."""
    old, result = evaluate(problem, fits, at).objective, at.copy()
    trying = np.arange(len(at))
    for share in 0.5 ** np.arange(HALVINGS):
        point = evaluate(problem, fits.take(trying), at[trying] + share * (new - at)[trying])
        fell = point.objective <= old[trying] + SLACK * (1 + np.abs(old[trying]))
        result[trying[fell]] = point.theta[fell]
        trying = trying[~fell]
        if not len(trying):
            break
    return result


def _noise(problem: Problem, fits: Fits, point: Point, parameters: np.ndarray) -> np.ndarray:
    """Return phi (n, 1), unbiased by the parameters that the fit took."""
    if problem.observations.scale is None:
        return np.ones((len(point.theta), 1))
    n = len(point.theta)
    nothing = np.zeros(n)
    at = Solution(point.theta, point.objective, nothing, nothing, nothing.astype(int), nothing > 0)
    loss = train_losses(problem, fits._replace(strength=nothing, weight=None), at)
    rows = problem.rows[fits.unit, fits.mask]
    taken = 1.0 + np.where(np.isfinite(parameters), parameters, 0.0).sum(axis=1)
    variance = best_scale(problem, fits.unit, fits.mask, loss) * rows / np.maximum(rows - taken, 1.0)
    return 1.0 / problem.observations.scale.nats(variance)[:, None]


def _minimum(
    problem: Problem, quadratic: _Model, model: _Terms, strengths: np.ndarray, usable: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the minimum of the quadratic model and penalty (n, P), and the inverse Hessian (n, P, P)."""
    weight = model.weight(strengths)
    both = usable[:, :, None] & usable[:, None, :]
    matrix = quadratic.hessian + problem.quadratic * weight[:, :, None] * weight[:, None, :]
    matrix = np.where(both, matrix, 0.0)
    size = np.sqrt(np.maximum(np.diagonal(matrix, axis1=1, axis2=2), np.finfo(float).tiny))
    size = np.where(usable, size, 1.0)
    matrix = matrix / (size[:, :, None] * size[:, None, :])
    eye = np.arange(matrix.shape[1])
    matrix[:, eye, eye] = 1.0 + ROUNDING
    inverse = _inverse(matrix) / (size[:, :, None] * size[:, None, :])
    inverse = np.where(both, inverse, 0.0)
    return np.einsum("npq,nq->np", inverse, quadratic.right * usable), inverse


def _inverse(matrix: np.ndarray) -> np.ndarray:
    """Return the inverses of symmetric matrices (n, P, P): by Cholesky, at half the cost, where they are definite."""
    result = np.empty_like(matrix)
    for into, one in zip(result, matrix, strict=True):
        factor, failed = dpotrf(one, lower=1)
        if failed:
            into[...] = np.linalg.inv(one)
            continue
        lower = np.tril(dpotri(factor, lower=1)[0])
        into[...] = lower + lower.T
        np.fill_diagonal(into, np.diagonal(lower))
    return result


def _diagonal(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the diagonals of products of symmetric matrices (n, P)."""
    return np.einsum("npq,...qp->np", first, second) if second.ndim == 2 else np.einsum("npq,npq->np", first, second)
