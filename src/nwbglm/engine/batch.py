"""The fits of one call as a list, and the way back from their solutions to arrays by unit, split and strength."""

from __future__ import annotations

import numpy as np

from .certify import find_rank_deficient, find_separable
from .data.problem import Problem
from .evidence import Evidence
from .objective import Fits, Solution
from .result import SplitFits
from .scoring import (
    at_bound,
    best_flat_dispersion,
    best_scale,
    deviance,
    fit_losses,
    flat_losses,
    log_likelihood,
    train_losses,
)
from .status import Status

__all__ = ["Batch"]


class Batch:
    """The fits of one call in the order (unit, split, strength), and the way back from solutions to arrays."""

    def __init__(
        self,
        problem: Problem,
        train: np.ndarray,
        test: np.ndarray,
        strengths: np.ndarray,
        terms: np.ndarray | None = None,
        relative: np.ndarray | None = None,
    ):
        self.problem, self.train, self.test = problem, train, test
        units, splits, path = problem.rows.shape[0], len(train), len(strengths)
        self.shape = (units, splits, path)
        unit, split, strength = (array.ravel() for array in np.indices(self.shape))
        mask = train[split]
        fitted = (problem.spikes if problem.observations.counts else problem.rows) > 0
        self.always = np.zeros_like(fitted)
        if np.isfinite(problem.observations.ceiling):  # the mirror image of no spikes
            self.always = fitted & (problem.spikes == problem.rows * problem.observations.ceiling)
        self.alive = np.flatnonzero((fitted & ~self.always)[unit, mask])
        self.test_mask = test[split][self.alive]
        level = strength[self.alive]
        self.fits = Fits(unit[self.alive], mask[self.alive], strengths[level], np.ones(len(self.alive)))
        self.evidence = Evidence(*np.zeros((2, len(level), 0)))
        if terms is not None and relative is not None:
            weight = np.ones((len(strengths), problem.width))
            weight[:, : len(terms)] = np.sqrt(relative)[:, terms]
            self.fits = self.fits._replace(weight=weight[level])
            strengths = strengths[:, None] * relative
            self.evidence = Evidence(strengths[level], np.full((len(level), relative.shape[1]), np.nan))

    def collect(self, fits: Fits, solution: Solution) -> SplitFits:
        """Score, certify and arrange the solutions."""
        problem, fill = self.problem, self._fill
        p = problem.features
        coef = solution.theta[:, :p] / problem.sd
        intercept = solution.theta[:, -1] - coef @ problem.mean
        status = np.full(len(fits.unit), Status.ok, np.uint8)
        status[find_rank_deficient(problem, fits)] = Status.rank_deficient
        status[(problem.allowed & problem.unresolved).any(axis=1)[fits.unit]] = Status.unresolved
        status[~solution.converged] = Status.not_converged
        status[find_separable(problem, fits, solution.theta)] = Status.separable
        always = self.always[:, self.train]
        certain = np.where(always, np.inf, -np.inf if problem.observations.counts else np.nan)
        return SplitFits(
            coef=fill(coef, 0.0),
            intercept=fill(intercept, certain[:, :, None]),
            **self._scores(fits, solution),
            train_exposure=self._sums("exposure", self.train),
            test_exposure=self._sums("exposure", self.test),
            train_rows=self._sums("rows", self.train).astype(np.int64),
            test_rows=self._sums("rows", self.test).astype(np.int64),
            train_spikes=self._sums("spikes", self.train),
            test_spikes=self._sums("spikes", self.test),
            objective=fill(solution.objective, 0.0),
            gap=fill(solution.gap, 0.0),
            gradient_norm=fill(solution.gradient_norm, 0.0),
            iterations=fill(solution.iterations, 0),
            status=fill(status, np.where(always, Status.separable, Status.no_spikes)[:, :, None]),
            term_strength=fill(self.evidence.strengths, np.nan),
            term_parameters=fill(self.evidence.parameters, np.nan),
        )

    def _scores(self, fits: Fits, solution: Solution) -> dict[str, np.ndarray]:
        """Return log-likelihoods and deviances of the fits and of the null models that they are set against."""
        problem, fill = self.problem, self._fill
        units, everywhere = np.arange(self.shape[0])[:, None], (slice(None), slice(None), None)
        always = self.always[:, self.train]
        surprised = self._sums("spikes", self.test) > 0
        surprised = np.where(always, self._sums("spikes", self.test) < self._sums("rows", self.test), surprised)
        loss = train_losses(problem, fits, solution)
        train_loss = fill(loss, 0.0)
        elsewhere = np.flatnonzero(self.test_mask != fits.mask)  # the others are scored where they were trained
        loss[elsewhere] = fit_losses(
            problem, fits.unit[elsewhere], self.test_mask[elsewhere], fits.alpha[elsewhere], solution.theta[elsewhere]
        )
        test_loss = fill(loss, np.where(surprised, np.inf, 0.0)[everywhere])
        dispersion = fill(fits.alpha, 1.0)
        fitted = fill(np.ones(len(fits.unit), bool), False)
        if problem.observations.scale is not None:
            dispersion = np.where(fitted, best_scale(problem, units, self.train, train_loss), 1.0)
        nulls = {
            "null_train": (_ratio(*self._moments(self.train)), self.train, self.train),
            "null_test": (_ratio(*self._moments(self.train)), self.test, self.train),
            "test_mean": (_ratio(*self._moments(self.test)), self.test, self.test),
        }
        scores = {
            "null_rate": nulls["null_train"][0],
            "dispersion": dispersion,
            "dispersion_at_bound": fitted & at_bound(problem, dispersion),
        }
        for name, loss, masks in (("train", train_loss, self.train), ("test", test_loss, self.test)):
            scores[f"{name}_log_likelihood"] = log_likelihood(problem, units, masks, loss, dispersion)
            scores[f"{name}_deviance"] = deviance(problem, units, masks, loss, dispersion)
        for name, (rate, scored, learned) in nulls.items():
            own = self._null_dispersion(rate, learned)
            loss = flat_losses(problem, rate, scored, own)
            scores[f"{name}_log_likelihood"] = log_likelihood(problem, units, scored, loss, own)[..., 0]
            if problem.observations.has_dispersion:
                loss = flat_losses(problem, rate, scored, dispersion)
            loss = np.broadcast_to(loss, dispersion.shape)
            scores[f"{name}_deviance"] = deviance(problem, units, scored, loss, dispersion)
        return scores

    def _null_dispersion(self, rate: np.ndarray, learned: np.ndarray) -> np.ndarray:
        """Return a constant rate's own dispersion, or variance, on the rows that it was learned from (U, K, 1)."""
        if self.problem.observations.has_dispersion:
            return best_flat_dispersion(self.problem, rate, learned)[..., None]
        ones = np.ones((*rate.shape, 1))
        if self.problem.observations.scale is None:
            return ones
        units = np.arange(self.shape[0])[:, None]
        return best_scale(self.problem, units, learned, flat_losses(self.problem, rate, learned, ones))

    def _fill(self, values: np.ndarray, default) -> np.ndarray:
        full = np.empty(self.shape + values.shape[1:], values.dtype)
        full[...] = default
        full.reshape(int(np.prod(self.shape)), *values.shape[1:])[self.alive] = values
        return full

    def _sums(self, name: str, masks: np.ndarray) -> np.ndarray:
        return getattr(self.problem, name)[:, masks]

    def _moments(self, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self._sums("spikes", masks), self._sums("exposure", masks)


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)
