"""The fits of one call as a list, and the way back from their solutions to arrays by unit, split and strength."""

from __future__ import annotations

import numpy as np

from .certify import find_rank_deficient, find_separable
from .columns import Columns, Solution
from .likelihood import constant_rate, log_likelihood, saturated, train_log_likelihood
from .problem import Problem
from .result import SplitFits
from .status import Status

__all__ = ["Batch"]


class Batch:
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
        train_score = train_log_likelihood(problem, columns, solution)
        test_score = log_likelihood(problem, columns, self.test_mask, solution.theta)
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
        problem, trains, tests = self.problem, self._trains, self._tests
        alpha = dispersion[:, :, -1]
        train_mean = _ratio(trains("spikes"), trains("exposure"))
        test_mean = _ratio(tests("spikes"), tests("exposure"))
        return {
            "null_rate": train_mean,
            "null_test_log_likelihood": constant_rate(problem, train_mean, self.test, alpha),
            "test_mean_log_likelihood": constant_rate(problem, test_mean, self.test, alpha),
            "null_train_log_likelihood": constant_rate(problem, train_mean, self.train, alpha),
            "saturated_train_log_likelihood": saturated(problem, self.train, alpha),
            "saturated_test_log_likelihood": saturated(problem, self.test, alpha),
            "train_rows": trains("rows").astype(np.int64),
            "test_rows": tests("rows").astype(np.int64),
            "train_spikes": trains("spikes"),
            "test_spikes": tests("spikes"),
        }


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)
