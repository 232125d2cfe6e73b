"""Quasi-Newton directions (L-BFGS) on top of a metric, for many features."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..data.problem import Problem
from ..objective import Fits, Point
from .metric import Metrics

__all__ = ["Memory", "QuasiNewtonDirections"]


MEMORY = 8
"""Steps that are remembered."""


class Memory(NamedTuple):
    """Steps and changes of the gradient of n fits (n, memory, P), 1 / (step.change), and how many were seen."""

    steps: np.ndarray
    changes: np.ndarray
    weights: np.ndarray
    next: np.ndarray

    @classmethod
    def empty(cls, n: int, memory: int, width: int) -> Memory:
        """Return room for n fits."""
        shape = n, memory, width
        return cls(np.zeros(shape), np.zeros(shape), np.zeros(shape[:2]), np.zeros(n, int))

    def put(self, index, part: Memory) -> None:
        """Write other fits' into places of these."""
        for into, values in zip(self, part, strict=True):
            into[index] = values


class QuasiNewtonDirections:
    """L-BFGS in the coordinates of a metric: of the null model, or of each unit's own curvature.

    Parameters
    ----------
    problem
        What is fitted.
    metrics
        The metric of each unit and strength.
    memory
        Steps remembered.
    keep
        Number of fits whose memory is kept (in ``kept``) when they are done.
    inherited
        The memory of other fits, and for each of ours the one to start with (-1 for none).
    """

    needs_hessian = False
    exact = False

    def __init__(
        self,
        problem: Problem,
        metrics: Metrics,
        *,
        memory: int = MEMORY,
        keep: int = 0,
        inherited=None,
    ):
        self.metrics, self.usable = metrics, problem.usable
        self.free_intercept = problem.observations.intercept_in_closed_form
        self.memory = memory
        shape = (problem.slots, memory, problem.width)
        self.steps, self.changes = np.zeros(shape), np.zeros(shape)
        self.weights = np.zeros(shape[:2])
        self.next = np.zeros(problem.slots, int)

        self.kept = Memory.empty(keep, memory, problem.width)
        self.inherited = inherited

    def restart(self, slots: np.ndarray, fits: np.ndarray) -> None:
        """Forget the steps of these slots (a weight of zero makes a pair do nothing), or take over those inherited."""
        self.weights[slots] = 0.0
        self.steps[slots] = self.changes[slots] = 0.0
        self.next[slots] = 0
        if self.inherited is None:
            return
        memory, of_fit = self.inherited
        known = of_fit[fits] >= 0
        slots, of = slots[known], of_fit[fits[known]]
        self.steps[slots], self.changes[slots] = memory.steps[of], memory.changes[of]
        self.weights[slots], self.next[slots] = memory.weights[of], memory.next[of]

    def retire(self, slots: np.ndarray, fits: np.ndarray) -> None:
        """Keep what was learned in slots whose fit is done."""
        self.kept.steps[fits], self.kept.changes[fits] = self.steps[slots], self.changes[slots]
        self.kept.weights[fits], self.kept.next[fits] = self.weights[slots], self.next[slots]

    def learn(self, slots: np.ndarray, step: np.ndarray, change: np.ndarray) -> None:
        """Remember a step; one along which the gradient did not grow is of no use."""
        step = step.copy()
        if self.free_intercept:  # it is a function of the rest, not a coordinate
            step[:, -1] = 0.0
        product = np.einsum("np,np->n", step, change)
        size = np.einsum("np,np->n", step, step) * np.einsum("np,np->n", change, change)
        good = product > 1e-12 * np.sqrt(size)
        slots, at = slots[good], self.next[slots[good]] % self.memory
        self.steps[slots, at], self.changes[slots, at] = step[good], change[good]
        self.weights[slots, at] = 1.0 / product[good]
        self.next[slots] += 1

    def propose(self, slots: np.ndarray, fits: Fits, point: Point) -> np.ndarray:
        """Return directions by the two-loop recursion around the metric."""
        direction = point.gradient.copy()
        remembered = []
        for age in range(min(self.memory, int(self.next[slots].max(initial=0)))):
            at = (self.next[slots] - 1 - age) % self.memory
            step, change = self.steps[slots, at], self.changes[slots, at]
            weight = np.where(age < self.next[slots], self.weights[slots, at], 0.0)
            share = weight * np.einsum("np,np->n", step, direction)
            direction -= share[:, None] * change
            remembered.append((step, change, weight, share))
        direction = self.metrics.solve(fits, direction) * self.usable[fits.unit]
        for step, change, weight, share in reversed(remembered):
            back = weight * np.einsum("np,np->n", change, direction)
            direction += (share - back)[:, None] * step
        return -direction
