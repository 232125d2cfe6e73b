"""Quasi-Newton around a metric: the null model's curvature, or a unit's own where that pays.

A unit's own Hessian costs about half as many passes over the data as a fit has features. It is taken at once where many
fits share it, and otherwise on demand: when passes around the metric at hand have cost as much as a Hessian would, for
all fits that it helps together. What is spent is then never more than about twice the least, whether Hessians would
have helped or not (the argument of the rented skis: Karlin et al. 1988).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .. import limits
from ..certify import free_coefficients
from ..data.problem import Problem
from ..objective import Fits, Solution, mean_response, null_point, quadratic_of
from ..tolerance import Tolerance
from .lbfgs import MEMORY, Memory, QuasiNewtonDirections
from .metric import VANISHED, Metrics, factorise
from .newton import NewtonDirections
from .search import descend

__all__ = ["QuasiNewton"]

QUASI_NEWTON_GAP = 0.1
"""Gap asked of quasi-Newton, relative to the one wanted: its estimate can be several times too low."""

PILOT_GAP = 1e-5
"""Gap of the pilot fits, relative to the unit's rate, at which its own curvature is taken."""

PILOT_STEPS = 50
"""Steps of a pilot fit."""

CURVATURE_SHARE = 3.2
"""Passes that own curvature may cost, for each fit that it helps, without being asked for."""

HESSIAN_ROWS = 32
"""Rows for each coefficient that a Hessian on some blocks must have: with fewer it is too far from that on all."""

HESSIAN_PASSES = 0.5
"""Passes over the data that a Hessian shared by a unit's fits costs, for each coefficient."""

OWN_PASSES, FACTOR_PASSES, CALL_PASSES = 0.2, 0.01, 20
"""Passes, host included, that a fit's own Hessian and its factors cost a coefficient, and that both cost besides."""

FOLDS_NEED, OWN_NEED = 1.5, 8
"""Passes of a split's fit around a shared metric, relative to those of its reference; and around its own."""

OVERLAP = 1.25
"""Rows that splits leave out, relative to all, at which their sum stands for all: gaps are counted twice then."""

HESSIANS_OF_A_FIT = 3
"""Hessians of its own at which a fit is left to exact Newton."""

QUASI_NEWTON_STEPS = 150
"""Steps around one metric after which quasi-Newton gives a fit to exact Newton."""

THIN = 0.3
"""Share of all rows below which a split's curvature is not that of all rows."""

RESCUED = 16
"""Fits that exact Newton takes at once."""

FLOAT32_GAP, FLOAT32_NOISE = 1e-13, 1e-9
"""Smallest gap that is asked of passes in float32; and that below which their noise may be what keeps a fit going."""


class QuasiNewton:
    """L-BFGS around the null model's curvature, or around each unit's own.

    Where the problem has a copy in float32, that is what is descended on, at half the cost: its optimum is within
    about 1e-14 of the true one, and a start at which the true problem's certificate needs one pass or two.

    Parameters
    ----------
    problem
        What to fit.
    reference
        Each unit and strength on all rows.
    n
        How many fits there are in all.
    """

    def __init__(self, problem: Problem, reference: Fits, n: int):
        self.problem, self.fast = problem, problem.fast or problem
        self.floor = float(reference.strength.min())
        self.units = np.unique(reference.unit)
        alpha = np.ones(len(problem.rows))
        alpha[reference.unit] = reference.alpha
        mean = mean_response(problem, np.arange(len(alpha)), reference.mask[0])
        self.scale = problem.observations.flat_curvature(mean, alpha)
        (gram,) = self._grams(np.zeros((1, problem.width)), reference.take(slice(1)))
        usable = problem.usable[self.units].any(axis=0)
        sets = problem.rows.shape[1]
        self.metrics = Metrics(factorise(gram, problem.quadratic, 0.0, usable), self.scale, reference.strength, sets)
        self.fits_of_unit = n / len(self.units)
        self.most = max(1, limits.METRIC_BYTES // (8 * problem.width**2))
        self.memory: Memory | None = None
        self.known: np.ndarray | None = None
        self.pilot_steps: np.ndarray | int = 0
        self.steps = np.zeros(self.metrics.of.shape[:2])
        self.reference: dict[tuple[int, int], np.ndarray] = {}
        self.union = 0

    def start(self, fits: Fits) -> np.ndarray:
        """Return first points; where units have several fits, those of pilot fits at the middle strength.

        Units whose pilots took as long as a Hessian would have, shared by all fits of the unit, get one there.
        """
        if self.fits_of_unit <= 1:
            return null_point(self.problem, fits)
        union = np.full(len(self.units), fits.mask[0])
        middle = np.full(len(self.units), np.sort(fits.strength)[len(fits.strength) // 2])
        first = np.searchsorted(fits.unit, self.units)
        pilots = Fits(self.units, union, middle, fits.alpha[first])
        gap = PILOT_GAP * self.scale[self.units]
        found, self.memory = self._descend(self.fast, pilots, null_point(self.problem, pilots), gap, PILOT_STEPS)
        cost = HESSIAN_PASSES * self.problem.width
        rows = self.problem.rows[self.units[0], fits.mask[0]]
        stride = int(np.ceil(cost / (CURVATURE_SHARE * self.fits_of_unit)))
        stride = int(np.clip(stride, 1, max(1, rows // (HESSIAN_ROWS * self.problem.width))))
        patience = cost / stride / self.fits_of_unit
        needed = ~found.converged | (found.iterations > patience) | (patience <= CURVATURE_SHARE)
        slow = np.flatnonzero(needed | (fits.weight is not None))
        self._take_own(found.theta[slow], pilots.take(slow), fits, stride=stride)
        place = np.zeros(len(self.scale), int)
        place[self.units] = np.arange(len(self.units))
        same = (fits.strength == middle[0]) & ~np.isin(fits.unit, self.units[slow]) & (fits.weight is None)
        self.known = np.where(same, place[fits.unit], -1)
        self.pilot_steps = np.where(same, found.iterations[place[fits.unit]], 0)
        return found.theta[place[fits.unit]]

    def _take_own(self, theta: np.ndarray, pilots: Fits, fits: Fits, *, stride: int) -> None:
        """Give units their own Hessians at these points, for all strengths of their ``fits``."""
        chunk = self.problem.hessians_at_once(1)
        alone = len(self.metrics.levels) == 1
        for begin in range(0, len(theta), chunk):
            some = pilots.take(slice(begin, begin + chunk))
            grams = self._grams(theta[begin : begin + chunk], some, stride)
            for unit, gram in zip(some.unit, grams, strict=True):
                gram, usable = gram * self.scale[unit], self.problem.usable[unit]
                if fits.weight is None:
                    self.metrics.put(factorise(gram, self.problem.quadratic, self.floor, usable, alone=alone), unit)
                    continue
                mine = fits.take(np.flatnonzero(fits.unit == unit))
                each = zip(self.metrics.key(mine)[1], quadratic_of(self.problem, mine), mine.strength, strict=True)
                for level, quadratic, strength in each:
                    self.metrics.put(factorise(gram, quadratic, strength, usable, alone=True), unit, level)

    def solve_alone(
        self, fits: Fits, start: np.ndarray, hessian: np.ndarray, *, gap: Tolerance, max_iterations: int
    ) -> Solution:
        """Fit fits from points that are near their optima, each around its own Hessian (of the mean loss) there."""
        result = Solution.empty(*start.shape)
        for some in self._portions(fits, np.ones(len(start), bool)):
            part = fits.take(some)
            for i, level in enumerate(self.metrics.key(part)[1]):
                self._put(hessian[some[i]], part.take(slice(i, i + 1)), int(level), summed=False)
            result.put(some, self._solve(part, start[some], None, gap, max_iterations))
            self.metrics.drop(part)
        return result

    def _take_parts(self, fits: Fits) -> None:
        """Give each split of these its own Hessian, at its reference's optimum: the sum of what others leave out."""
        for unit, level in np.unique(np.stack(self.metrics.key(fits)[:2]), axis=1).T:
            mine = fits.take(np.flatnonzero((fits.unit == unit) & (fits.strength == self.metrics.levels[level])))
            at, where = self.reference[unit, level][None], (np.array([unit]), np.array([self.union]), mine.alpha[:1])
            parts = np.stack([self.fast.grams(at, *where, without=int(k))[0] for k in mine.mask])
            size = self.problem.rows[unit]
            left = (size[self.union] - size[mine.mask]).sum()
            total = parts.sum(axis=0)
            if not size[self.union] <= left <= OVERLAP * size[self.union]:
                total = self.fast.grams(at, *where)[0]
            for i, part in enumerate(parts):
                self._put(total - part, mine.take(slice(i, i + 1)), int(level))

    def _put(self, gram: np.ndarray, fit: Fits, level: int, *, summed: bool = True) -> None:
        """Factorise the Hessian of a fit, summed over its rows or their mean, for this fit alone."""
        (unit,), (mask,) = fit.unit, fit.mask
        rows = self.problem.rows[unit, mask]
        size = rows if summed else 1.0
        if self.problem.observations.intercept_in_closed_form:  # at the optimum, the responses' mean is met
            size = gram[-1, -1] / (self.problem.spikes[unit, mask] / rows)
        quadratic = quadratic_of(self.problem, fit).reshape(gram.shape)
        own = gram / size, quadratic, float(fit.strength[0]), self.problem.usable[unit]
        metric = factorise(*own, alone=True)
        if np.abs(metric.vectors).max() < VANISHED:  # separable data: whatever it had before serves it better
            self.metrics.put(metric, int(unit), level, int(mask))

    def _grams(self, theta: np.ndarray, fits: Fits, stride: int = 1) -> np.ndarray:
        """Return fits' Hessians without their penalty, scaled to 1 in the intercept."""
        grams = self.fast.grams(theta, fits.unit, fits.mask, fits.alpha, stride=stride)
        return grams / grams[:, -1:, -1:]

    def solve(self, fits, start, *, gap: Tolerance, max_iterations: int, inherit=None) -> Solution:
        """Fit fits from these points; ``inherit`` names, for each, a fit of the last call to learn from."""
        result, known = Solution.empty(*start.shape), self.memory
        slow = np.zeros(len(start), bool)
        if inherit is None:
            inherit = self.known
        else:
            slow = self._need_own(fits)
        inherit = np.full(len(start), -1) if inherit is None or known is None else inherit
        # where the likelihood may be flat, an old curvature leads far astray
        inherit = np.where(slow | free_coefficients(self.problem, fits.strength), -1, inherit)
        for some in self._portions(fits, slow):
            part, memory = fits.take(some), None if known is None else (known, inherit[some])
            if slow[some].any():
                self._take_parts(part)
            result.put(some, self._solve(part, start[some], memory, gap, max_iterations))
            self.metrics.drop(part)
        if self.reference:
            return result
        unit, level, mask = self.metrics.key(fits)
        self.steps[unit, level] = result.iterations + self.pilot_steps
        self.reference, self.union = dict(zip(zip(unit, level, strict=True), result.theta, strict=True)), mask[0]
        return result

    def _need_own(self, fits: Fits) -> np.ndarray:
        """Return which splits' fits will need more passes than their own Hessians, taken by parts, cost."""
        result = np.zeros(len(fits.unit), bool)
        unit, level, _ = self.metrics.key(fits)
        expected = FOLDS_NEED * self.steps[unit, level]
        if not (expected > OWN_NEED + CALL_PASSES).any():
            return result
        blocks = [sum(map(len, self.problem.blocks_without(self.union, int(k)))) for k in np.unique(fits.mask)]
        every = sum(map(len, self.problem.blocks_without(self.union, -1)))
        cost = OWN_NEED + CALL_PASSES + (OWN_PASSES * np.mean(blocks) / every + FACTOR_PASSES) * self.problem.width
        return (expected > cost) & ~free_coefficients(self.problem, fits.strength) & ~self._thin(fits)

    def _portions(self, fits: Fits, slow: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the fits that share metrics, then the others in as many as may have theirs at once."""
        if not slow.all():
            yield np.flatnonzero(~slow)
        rest = np.flatnonzero(slow)
        rest = rest[np.lexsort((fits.mask[rest], fits.strength[rest], fits.unit[rest]))]
        for first in range(0, len(rest), self.most):
            yield rest[first : first + self.most]

    def _solve(self, fits, start, known, gap: Tolerance, max_iterations) -> Solution:
        """Descend in float32 first, where there is a copy, then in full; leave what is lost to exact Newton."""
        target = QUASI_NEWTON_GAP * gap.of(self.problem, fits)
        spent = np.zeros(len(start), int)
        if self.problem.fast is not None:
            near = self._on_demand(self.fast, fits, start, np.maximum(target, FLOAT32_GAP), max_iterations, known)
            start, spent = near.theta, near.iterations
            flat = free_coefficients(self.problem, fits.strength)
            known = self.memory, np.where(flat, -1, np.arange(len(start)))
        left = np.maximum(max_iterations - spent, 1)
        found = self._on_demand(self.problem, fits, start, target, left, known)
        found = found._replace(iterations=found.iterations + spent)
        return self._rescue(fits, found, target, max_iterations)

    def _on_demand(self, problem, fits, start, gap, max_iterations, known) -> Solution:
        """Descend; a fit whose passes have cost as much as a Hessian gets its own, and goes on."""
        max_iterations = np.broadcast_to(max_iterations, len(start))
        result, memory = Solution.empty(*start.shape), Memory.empty(len(start), MEMORY, problem.width)
        patience = CALL_PASSES + int((OWN_PASSES + FACTOR_PASSES) * problem.width)
        going, thin = np.arange(len(start)), self._thin(fits)
        around, spent, taken = np.zeros((3, len(start)), int)  # steps around the present metric, and in all; Hessians
        while True:
            left = np.minimum(QUASI_NEWTON_STEPS - around, max_iterations - spent)[going]
            steps = np.minimum(patience, left)
            found, kept = self._descend(problem, fits.take(going), start, gap[going], steps, known)
            spent[going] += found.iterations
            around[going] += found.iterations
            result.put(going, found._replace(iterations=spent[going]))
            memory.put(going, kept)
            lost = ~found.converged & (spent[going] < max_iterations[going])
            if problem is not self.problem:
                lost &= (found.gap > FLOAT32_NOISE) | thin[going]
            room = max(0, self.most - self.metrics.single)
            due = np.flatnonzero(lost & (taken[going] < HESSIANS_OF_A_FIT) & ~thin[going])[:room]
            self._refresh(found.theta[due], fits.take(going[due]))
            renewed = np.isin(np.arange(len(going)), due)
            # a fit that stops before its time can go no further around this metric
            again = renewed | (lost & (found.iterations == steps) & (around[going] < QUASI_NEWTON_STEPS))
            if not again.any():
                self.memory = memory
                return result
            start, renewed, going = found.theta[again], renewed[again], going[again]
            around[going[renewed]] = 0
            taken[going[renewed]] += 1
            known = memory, np.where(renewed, -1, going)

    def _refresh(self, theta: np.ndarray, fits: Fits) -> None:
        """Take these fits' own Hessians at these points."""
        chunk = self.problem.hessians_at_once(1)
        _, level, _ = self.metrics.key(fits)
        for begin in range(0, len(theta), chunk):
            some = fits.take(slice(begin, begin + chunk))
            grams = self.fast.grams(theta[begin : begin + chunk], some.unit, some.mask, some.alpha)
            for i, gram in enumerate(grams):
                self._put(gram, some.take(slice(i, i + 1)), int(level[begin + i]))

    def _thin(self, fits: Fits) -> np.ndarray:
        """Return which fits have so few rows that no quadratic model of theirs can be trusted far (n,)."""
        rows = self.problem.rows
        return rows[fits.unit, fits.mask] < THIN * rows[fits.unit].max(axis=1)

    def _rescue(self, fits: Fits, found: Solution, target: np.ndarray, max_iterations: int) -> Solution:
        """Finish by exact Newton, dear but sure, what the metric cannot, or whose gap it cannot tell."""
        lost = np.flatnonzero((~found.converged | self._thin(fits)) & (found.iterations < max_iterations))
        for first in range(0, len(lost), RESCUED):
            some = lost[first : first + RESCUED]
            directions = NewtonDirections(self.problem, with_gradient=False)
            spent = found.iterations[some]
            part = descend(
                self.problem, fits.take(some), found.theta[some], directions,
                gap=target[some], max_iterations=max_iterations - spent,
            )  # fmt: skip
            found.put(some, part._replace(iterations=part.iterations + spent))
        return found

    def _descend(self, problem, fits, start, gap, max_iterations, inherited=None) -> tuple[Solution, Memory]:
        directions = QuasiNewtonDirections(problem, self.metrics, keep=len(start), inherited=inherited)
        found = descend(problem, fits, start, directions, gap=gap, max_iterations=max_iterations)
        return found, directions.kept
