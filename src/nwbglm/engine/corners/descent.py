"""The descent of many fits of one strength: models on working sets, steps, passes, certificates."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..data.problem import Problem
from ..objective import NOISE, Fits, Point, Solution, evaluate
from .reduced import minimise
from .screening import strong_threshold, subgradient_norm
from .working_set import WorkingSets

__all__ = ["Descent"]

OWN_HESSIAN_AFTER = (7, 14, 21, 30, 45, 70)
"""Steps after which fits that still move get a Hessian of their own."""

FAR_STEP = 1e-5
"""Gap above which a step goes so far that the Hessian is taken anew after it: the first one, or one that follows ..."""

LEFT_OVER = 0.1
"""... one that left more than this of the gap."""

FLOAT32_GAP = 1e-8
"""Gap below which passes in float32 give way to passes in float64."""

STEPS_IN_FLOAT32 = 25
"""Steps after which all passes are in float64, if the problem is."""

REDUCED_GAP = 0.3
"""Gap asked of the model, relative to the one wanted."""

NO_SLOPE = 1e-12
"""Gradient of free coefficients that is none."""

LEAST_CURVATURE = 1e-3
"""Curvature along a step, relative to the model's, below which the step teaches nothing."""

LARGEST_CHANGE = 5.0
"""Largest change of a standardised coefficient in a step, relative to 1 + the norm of the coefficients."""

MAX_SHORTER = 30

MAX_FAILURES = 3


class Descent:
    """Fits of one strength on their way.

    Parameters
    ----------
    problem, fits
        What is fitted.
    point
        Where the fits are, with the smooth objective there.
    precise : (n,) bool
        Whether the point comes from the problem's own precision.
    sets
        The units' working sets; they grow here.
    following
        For the fits to all rows, one a unit, in the order of the units: the next strength, for which the working sets
        are made ready. None for splits, which share what those have left.
    """

    def __init__(self, problem: Problem, fits: Fits, point: Point, precise, sets: WorkingSets, following: float | None):
        self.problem, self.fits, self.sets, self.following = problem, fits, sets, following
        self.fast = problem.fast or problem
        self.row = sets.rows_of(fits.unit)
        n = len(fits.unit)
        self.theta, self.gradient = point.theta.copy(), point.gradient.copy()
        self.smooth = point.objective.copy()
        self.absolute = fits.strength * problem.absolute_sum(self.theta)
        self.precise = np.array(precise)
        self.gap, self.converged = np.full(n, np.inf), np.zeros(n, bool)
        self.iterations, self.failures = np.zeros(n, int), np.zeros(n, int)
        self.model: list[Any] = [None] * n

    @property
    def point(self) -> Point:
        """Where the fits are."""
        return Point(self.theta, self.smooth, self.gradient, None)

    def solution(self) -> Solution:
        """Return what was found."""
        norm = subgradient_norm(self.problem, self.sets.blocks, self.fits.strength, self.theta, self.gradient)
        return Solution(self.theta, self.smooth + self.absolute, self.gap, norm, self.iterations, self.converged)

    def run(self, *, gap: np.ndarray, max_iterations: int) -> None:
        """Descend until each fit is within its gap (n,) of the minimum."""
        gap = REDUCED_GAP * gap
        active = np.arange(len(self.theta))
        before = np.zeros(len(active))
        for turn in range(max_iterations + 1):
            still = self._prepare(active)
            if turn in OWN_HESSIAN_AFTER:
                self._take_own(active[~still])
            step, predicted = self._steps(active, still, gap[active])
            self.gap[active] = predicted
            done = (predicted <= gap[active]) & self.precise[active]
            self.converged[active] = done
            active, step, predicted = active[~done], step[~done], predicted[~done]
            if not len(active) or turn == max_iterations:
                break
            moved = self._search(active, step, (predicted <= FLOAT32_GAP) | (turn > STEPS_IN_FLOAT32))
            self.iterations[active[moved]] += 1
            if self.following is not None:
                self._look_ahead(active[moved & (predicted > np.maximum(FAR_STEP, LEFT_OVER * before[active]))])
            before[active] = predicted
            stuck = active[~moved]
            self.failures[stuck] += 1
            self._take_own(stuck)
            active = active[self.failures[active] < MAX_FAILURES]

    def _prepare(self, active: np.ndarray) -> np.ndarray:
        """Take into the working sets what violates optimality, and Hessians where sets have none.

        Returns which fits are at rest: nothing but free coefficients in them, without slope.
        """
        sets, blocks = self.sets, self.sets.blocks
        wanted = blocks.above(self.gradient[active], self.fits.strength[active])
        held = blocks.weight[blocks.of] > 0
        slopes = np.abs(self.gradient[active][:, ~held]).max(axis=1)
        still = ~(held & (wanted | (self.theta[active] != 0))).any(axis=1) & (slopes <= NO_SLOPE)
        moving = ~still
        self._forget(sets.add(self.row[active[moving]], (wanted | (self.theta[active] != 0))[moving]))
        rows, first = np.unique(self.row[active[moving]], return_index=True)
        bare = np.array([sets.grams[row] is None for row in rows], bool)
        if bare.any():
            chosen = active[moving][first[bare]]
            at, alpha = self.theta[chosen], self.fits.alpha[chosen]
            if self.following is None:
                at, alpha = sets.last_points(rows[bare], at, alpha)
            sets.take_hessians(rows[bare], at, alpha)
        return still

    def _forget(self, rows: np.ndarray) -> None:
        """Drop the models of these units' fits."""
        for c in np.flatnonzero(np.isin(self.row, rows)):
            self.model[c] = None

    def _look_ahead(self, moved: np.ndarray) -> None:
        """Have the Hessians taken anew where these fits are now, on sets made ready for the next strength."""
        strength = self.fits.strength[moved]
        assert self.following is not None  # the caller has asked
        threshold = strong_threshold(self.following, strength)
        self.sets.add(self.row[moved], self.sets.blocks.above(self.gradient[moved], threshold))
        self.sets.drop_hessians(self.row[moved])
        self._forget(self.row[moved])

    def _take_own(self, chosen: np.ndarray) -> None:
        """Give fits Hessians at their own points."""
        found = self.sets.own_hessians(self.row[chosen], self.fits.take(chosen), self.theta[chosen])
        for c, hessian in zip(chosen, found, strict=True):
            self.model[c] = hessian

    def _model(self, c: int) -> np.ndarray:
        """Return a fit's Hessian; that of its unit where it has none yet."""
        if self.model[c] is None:
            self.model[c] = self.sets.hessian(self.row[c], self.fits, c)
            if not np.isfinite(self.model[c]).all():  # the unit's fit to all rows went astray
                self._take_own(np.array([c]))
        return self.model[c]

    def _steps(self, active: np.ndarray, still: np.ndarray, tolerance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the steps (n, P) to the minima of the models, and how far these lie below (n,)."""
        step, predicted = np.zeros((len(active), self.problem.width)), np.zeros(len(active))
        for i in np.flatnonzero(~still):
            c, row = active[i], self.row[active[i]]
            if not np.isfinite(self.gradient[c]).all():
                predicted[i] = np.inf
                continue
            members, norms = self.sets.members[row], self.sets.norms[row]
            mine = norms._replace(weight=self.fits.strength[c] * norms.weight)
            at = self.theta[c, members]
            best, predicted[i] = minimise(self._model(c), self.gradient[c, members], at, mine, 0.01 * tolerance[i])
            step[i, members] = best - at
        return step, predicted

    def _search(self, active: np.ndarray, step: np.ndarray, exact: np.ndarray) -> np.ndarray:
        """Move along the steps as far as the objective falls as it should; return which fits moved.

        Where ``exact``, passes are in the problem's own precision.
        """
        problem, fits = self.problem, self.fits
        theta, strength = self.theta[active], fits.strength[active]
        length = np.abs(step).max(axis=1)  # its norm may overflow
        longest = LARGEST_CHANGE * (1 + np.linalg.norm(theta, axis=1))
        step = step * np.minimum(1.0, longest / np.maximum(length, 1e-300))[:, None]
        size = np.ones(len(active))
        slope = np.einsum("np,np->n", step, self.gradient[active])
        slope += strength * problem.absolute_sum(theta + step) - self.absolute[active]
        moved = np.zeros(len(active), bool)
        for _ in range(MAX_SHORTER):
            for precise in (False, True):
                left = np.flatnonzero(~moved & ((exact | (problem.fast is None)) == precise))
                if len(left):
                    trial = theta[left] + size[left, None] * step[left]
                    good = self._try(active[left], trial, size[left] * slope[left], precise)
                    moved[left[good]] = True
                    size[left[~good]] *= 0.4
            if moved.all():
                break
        return moved

    def _try(self, at: np.ndarray, trial: np.ndarray, expected: np.ndarray, precise: bool) -> np.ndarray:
        """Evaluate trial points, and move the fits whose objective fell enough; return which these are."""
        problem = self.problem if precise else self.fast
        here = self.fits.take(at)
        point = evaluate(problem, here, trial)
        absolute = here.strength * problem.absolute_sum(point.theta)
        before = self.smooth[at] + self.absolute[at]
        noise = np.where(self.precise[at], NOISE[problem.dtype], NOISE[self.fast.dtype])
        with np.errstate(invalid="ignore"):
            value = point.objective + absolute
            enough = before + 1e-4 * expected + noise * (1 + np.abs(value))
            good = np.isfinite(point.gradient).all(axis=1) & (value <= enough)
        at = at[good]
        self._learn(at, point.theta[good] - self.theta[at], point.gradient[good] - self.gradient[at])
        self.theta[at], self.gradient[at] = point.theta[good], point.gradient[good]
        self.smooth[at], self.absolute[at], self.precise[at] = point.objective[good], absolute[good], precise
        return good

    def _learn(self, fits: np.ndarray, steps: np.ndarray, changes: np.ndarray) -> None:
        """Correct the models so that they agree with how the gradients changed (BFGS)."""
        for c, s, y in zip(fits, steps, changes, strict=True):
            model = self.model[c]
            if model is None:
                continue
            members = self.sets.members[self.row[c]]
            s, y = s[members], y[members]
            forecast = model @ s
            seen, told = s @ y, s @ forecast
            if seen > LEAST_CURVATURE * told > 0:
                model += np.outer(y / seen, y) - np.outer(forecast / told, forecast)
