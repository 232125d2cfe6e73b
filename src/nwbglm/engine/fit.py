"""Fit generalised linear models: every unit, split and strength in one call.

The public face of the engine, arrays in and arrays out. For each unit u, split k and strength s it minimises

    mean over training rows of loss(y, mu) + strength * penalty(w),    mu = exposure * link^-1(b + x.w),

with a free intercept b; for Poisson counts the loss is ``mu - y log mu``. ``mu`` is the expected count *per bin*.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np
from scipy.special import xlogy

from ..errors import ProblemError
from .build import build_problem
from .certify import find_rank_deficient, find_separable
from .columns import Columns, Solution, penalty_values
from .observations import POISSON, Observations
from .penalties import NO_PENALTY, Penalty
from .problem import Problem
from .solve import solve, works_mixed
from .status import Status

__all__ = ["SplitFits", "Status", "fit_splits", "predict"]


class SplitFits(NamedTuple):
    """Fits of U units on K splits at S strengths, as numpy arrays.

    Log-likelihoods are sums over rows in nats, constants such as ``-log y!`` included; 0 where there is no row.

    Attributes
    ----------
    coef : (U, K, S, p)
        In raw feature units; 0 where the unit may not use the feature, and for ``no_spikes``.
    intercept : (U, K, S)
        ``-inf`` for ``no_spikes``; ``inf`` for a Bernoulli unit with a response in every training row (``separable``
        at every strength, coefficients 0).
    train_log_likelihood, test_log_likelihood : (U, K, S)
        On the training and the test rows; a ``no_spikes`` fit predicts rate 0: its test value is -inf where there
        are spikes, as that of a unit that always responds is where a response is missing.
    null_rate : (U, K)
        Mean of the training rows (spikes over exposure); 0 without rows.
    null_test_log_likelihood, test_mean_log_likelihood : (U, K)
        Test rows under the training mean, and under their own mean.
    null_train_log_likelihood : (U, K)
        Training rows under their mean.
    saturated_train_log_likelihood, saturated_test_log_likelihood : (U, K)
        At ``mu = y``.
    train_rows, test_rows : (U, K) int
        Rows with exposure.
    train_spikes, test_spikes : (U, K)
        Sums of the response.
    dispersion : (U, K, S)
        Of the negative binomial; 1 otherwise.
    objective : (U, K, S)
        Mean loss plus penalty, without constants; for Poisson ``mean(mu - y log mu) + penalty``.
    gap : (U, K, S)
        Estimated distance of the objective from its minimum.
    gradient_norm : (U, K, S)
        Euclidean norm of the objective's gradient (least subgradient) for features standardised to mean 0 and standard
        deviation 1 over the rows that any split trains on, and the intercept.
    iterations : (U, K, S) int
        Steps taken.
    status : (U, K, S) uint8
        Of `Status`.
    """

    coef: np.ndarray
    intercept: np.ndarray
    train_log_likelihood: np.ndarray
    test_log_likelihood: np.ndarray
    null_rate: np.ndarray
    null_test_log_likelihood: np.ndarray
    test_mean_log_likelihood: np.ndarray
    null_train_log_likelihood: np.ndarray
    saturated_train_log_likelihood: np.ndarray
    saturated_test_log_likelihood: np.ndarray
    train_rows: np.ndarray
    test_rows: np.ndarray
    train_spikes: np.ndarray
    test_spikes: np.ndarray
    dispersion: np.ndarray
    objective: np.ndarray
    gap: np.ndarray
    gradient_norm: np.ndarray
    iterations: np.ndarray
    status: np.ndarray


def fit_splits(
    X: np.ndarray,
    y: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    *,
    strengths: tuple[float, ...] = (0.0,),
    penalty: Penalty = NO_PENALTY,
    observations: Observations = POISSON,
    exposure: np.ndarray | None = None,
    mask: np.ndarray | None = None,
    dtype: str = "float64",
    gap: float = 1e-10,
    max_iterations: int = 500,
    memory: float | None = None,
) -> SplitFits:
    """Fit every unit on every split at every strength.

    Parameters
    ----------
    X : (T, p)
        Features, shared by all units; finite on the rows that a split uses.
    y : (T, U)
        Responses (counts per bin).
    train, test : (K, T) bool
        Rows that each split is fitted on and scored on; ``test`` may be empty.
    strengths : (S,)
        Path of strengths; 0 is none.
    penalty
        What the strengths multiply.
    observations
        Observation model.
    exposure : (T, U) or None
        Share of the bin in which the unit was observed: rows with 0 do not exist for it.
    mask : (p, U) bool or None
        Features that each unit may use.
    dtype
        ``float64``, or ``float32`` for the passes over the data (sums stay in float64).
    gap
        Distance from the least objective that is good enough.
    max_iterations
        Steps after which a fit is given up.
    memory
        Bytes that the standardised features may take. Beyond, they are read again for each pass over the data, so
        that ``X`` may be an array on disk (a memory map, a zarr array) larger than memory.

    Returns
    -------
    SplitFits
        Numpy arrays; a fit that failed is a status, and changes no other.

    Raises
    ------
    ProblemError
        If the shapes do not agree, or values on rows in use are not finite.
    """
    X, y, train, test, strengths = _checked(X, y, train, test, strengths, exposure, mask)
    with jax.enable_x64(True):
        union = train.any(axis=0)
        masks, index = _distinct([*train, *test, union])
        splits = len(train)
        problem = build_problem(
            X, y, masks, union, penalty=penalty, observations=observations, exposure=exposure, allowed=mask,
            dtype=dtype, columns=y.shape[1] * max(splits, 1) * len(strengths), mixed=works_mixed(X.shape[1], dtype),
            memory=memory,
        )  # fmt: skip
        fits = _Fits(problem, index[:splits], index[splits : 2 * splits], strengths)
        solution, columns = solve(problem, fits.columns, int(index[-1]), gap=gap, max_iterations=max_iterations)
        return fits.collect(columns, solution)


def predict(
    X: np.ndarray,
    coef: np.ndarray,
    intercept: np.ndarray,
    exposure: np.ndarray | None = None,
    observations: Observations = POISSON,
) -> np.ndarray:
    """Return expected responses (counts per bin) (T, ...) for coefficients (..., p) and intercepts (...).

    Parameters
    ----------
    X : (T, p)
        Features.
    coef : (..., p)
        Coefficients in raw feature units, e.g. (U, p).
    intercept : (...)
        Intercepts.
    exposure : (T, ...) or None
        Multiplies the expected counts.
    observations
        The model that was fitted.
    """
    coef, intercept = np.asarray(coef), np.asarray(intercept)
    with np.errstate(over="ignore"):
        mu = observations.mean(np.tensordot(np.asarray(X, float), coef, axes=(1, -1)) + intercept)
    return mu if exposure is None else mu * exposure


class _Fits:
    """The columns of one call in the order (unit, split, strength), and the way back from solutions to arrays."""

    def __init__(self, problem: Problem, train: np.ndarray, test: np.ndarray, strengths: np.ndarray):
        self.problem, self.train, self.test = problem, train, test
        units, splits, path = problem.rows.shape[0], len(train), len(strengths)
        self.shape = (units, splits, path)
        unit, split, strength = (array.ravel() for array in np.indices(self.shape))
        mask = train[split]
        fit_to = problem.spikes if problem.observations.counts else problem.rows
        fitted = fit_to > 0
        self.always = np.zeros_like(fitted)
        if problem.observations.name == "bernoulli":  # the mirror image of no spikes
            self.always = fitted & (problem.spikes == problem.rows)
        self.alive = np.flatnonzero((fitted & ~self.always)[unit, mask])
        self.test_mask = test[split][self.alive]
        self.columns = Columns(
            unit[self.alive], mask[self.alive], strengths[strength[self.alive]], np.ones(len(self.alive))
        )

    def collect(self, columns: Columns, solution: Solution) -> SplitFits:
        """Score, certify and arrange the solutions."""
        problem = self.problem
        p = problem.features
        coef = solution.theta[:, :p] / problem.sd
        intercept = solution.theta[:, -1] - coef @ problem.mean
        status = np.full(len(columns.unit), Status.ok, np.uint8)
        status[find_rank_deficient(problem, columns)] = Status.rank_deficient
        status[~solution.converged] = Status.not_converged
        status[find_separable(problem, columns, solution.theta)] = Status.separable
        train_score = _train_log_likelihood(problem, columns, solution)
        test_score = _log_likelihood(problem, columns, self.test_mask, solution.theta)
        always = self.always[:, self.train]
        surprised = np.where(always, self._tests("spikes") < self._tests("rows"), self._tests("spikes") > 0)
        certain = np.where(surprised, -np.inf, self._tests("constant"))
        none = np.where(always, np.inf, -np.inf if problem.observations.counts else np.nan)
        fill = self._fill
        dispersion = fill(columns.alpha, 1.0)
        return SplitFits(
            coef=fill(coef, 0.0),
            intercept=fill(intercept, none[:, :, None]),
            train_log_likelihood=fill(train_score, 0.0),
            test_log_likelihood=fill(test_score, certain[:, :, None]),
            **self._summaries(dispersion),
            dispersion=dispersion,
            objective=fill(solution.objective, 0.0),
            gap=fill(solution.gap, 0.0),
            gradient_norm=fill(solution.gradient_norm, 0.0),
            iterations=fill(solution.iterations, 0),
            status=fill(status, np.where(always, Status.separable, Status.no_spikes)[:, :, None]),
        )

    def _fill(self, values: np.ndarray, default) -> np.ndarray:
        full = np.empty(self.shape + values.shape[1:], values.dtype)
        full[...] = default
        full.reshape(int(np.prod(self.shape)), *values.shape[1:])[self.alive] = values
        return full

    def _trains(self, name: str) -> np.ndarray:
        return getattr(self.problem, name)[:, self.train]

    def _tests(self, name: str) -> np.ndarray:
        return getattr(self.problem, name)[:, self.test]

    def _summaries(self, dispersion: np.ndarray) -> dict[str, np.ndarray]:
        """Return what depends on the data alone (U, K); nulls at the dispersion of the last strength."""
        trains, tests = self._trains, self._tests
        alpha = dispersion[:, :, -1]
        train_mean = _ratio(trains("spikes"), trains("exposure"))
        test_mean = _ratio(tests("spikes"), tests("exposure"))
        return {
            "null_rate": train_mean,
            "null_test_log_likelihood": self._constant_rate(train_mean, self.test, alpha),
            "test_mean_log_likelihood": self._constant_rate(test_mean, self.test, alpha),
            "null_train_log_likelihood": self._constant_rate(train_mean, self.train, alpha),
            "saturated_train_log_likelihood": self._saturated(self.train, alpha),
            "saturated_test_log_likelihood": self._saturated(self.test, alpha),
            "train_rows": trains("rows").astype(np.int64),
            "test_rows": tests("rows").astype(np.int64),
            "train_spikes": trains("spikes"),
            "test_spikes": tests("spikes"),
        }

    def _saturated(self, masks: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        if not self.problem.observations.has_dispersion:
            return self.problem.saturated[:, masks]
        table = self.problem.table[:, masks]
        return (table * self.problem.observations.saturated(np.arange(table.shape[-1]), alpha[..., None])).sum(axis=-1)

    def _constant_rate(self, rate: np.ndarray, masks: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        """Return the log-likelihood of sets of rows (K,) under constant rates (U, K)."""
        problem = self.problem
        rows, spikes, exposure = (getattr(problem, name)[:, masks] for name in ("rows", "spikes", "exposure"))
        constant = _constant(problem, *np.broadcast_arrays(np.arange(len(rate))[:, None], masks), alpha)
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


def _distinct(sets: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct sets of rows (M, T), and which of them each is."""
    seen: dict[bytes, int] = {}
    index = [seen.setdefault(np.packbits(members).tobytes(), len(seen)) for members in sets]
    return np.stack([sets[index.index(number)] for number in range(len(seen))]), np.asarray(index)


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)


def _train_log_likelihood(problem: Problem, columns: Columns, solution: Solution) -> np.ndarray:
    """Return the summed log-likelihood of the training rows: what the objective is without its penalty."""
    where = columns.unit, columns.mask
    loss = problem.rows[where] * (solution.objective - penalty_values(problem, columns, solution.theta))
    constant = _constant(problem, *where, columns.alpha)
    return constant - loss - (problem.log_exposure[where] if problem.observations.offset else 0.0)


def _constant(problem: Problem, unit: np.ndarray, mask: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Return the sum over rows of what the loss leaves out of the log-likelihood."""
    if not problem.observations.has_dispersion:
        return problem.constant[unit, mask]
    table = problem.table[unit, mask]
    return (table * problem.observations.constant(np.arange(table.shape[-1]), alpha[..., None])).sum(axis=-1)


def _log_likelihood(problem: Problem, columns: Columns, mask: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Return summed log-likelihoods of columns on other rows than they were fitted on, in slots' worths."""
    result = np.zeros(len(mask))
    order = np.lexsort((columns.unit, mask))
    order = order[problem.rows[columns.unit, mask][order] > 0]
    for start in range(0, len(order), problem.slots):
        chosen = order[start : start + problem.slots]
        unit, rows = columns.unit[chosen], mask[chosen]
        (loss,) = problem.sums(theta[chosen], unit, rows, columns.alpha[chosen], order=0)
        result[chosen] = _constant(problem, unit, rows, columns.alpha[chosen]) - loss
        if problem.observations.linear:
            result[chosen] += np.einsum("np,np->n", problem.moments[unit, rows], theta[chosen])
    return result


def _checked(X, y, train, test, strengths, exposure, mask):
    """Return the arguments as arrays, or say what is wrong with them."""
    X = X if hasattr(X, "shape") else np.asarray(X)
    y = np.asarray(y)
    train, test = np.asarray(train, bool), np.asarray(test, bool)
    strengths = np.asarray(strengths, float).ravel()
    (rows, features), units = X.shape, y.shape[1]
    expected = {
        "y": (y.shape, (rows, units)),
        "train": (train.shape, (len(train), rows)),
        "test": (test.shape, (len(train), rows)),
        "exposure": (None if exposure is None else np.shape(exposure), (rows, units)),
        "mask": (None if mask is None else np.shape(mask), (features, units)),
    }
    for name, (shape, wanted) in expected.items():
        if shape is not None and shape != wanted:
            raise ProblemError(f"{name} has shape {shape} instead of {wanted}", where="fit_splits")
    if not (len(strengths) and np.isfinite(strengths).all() and (strengths >= 0).all()):
        raise ProblemError(f"strengths are {strengths}", where="fit_splits", mend="give finite numbers, 0 or more")
    return X, y, train, test, strengths
