"""Which coefficients can matter: blocks of the penalty, the strong rule, and the conditions of optimality.

A *block* is a set of coefficients whose norm the penalty takes: one coefficient in a lasso, a group in a group lasso. A
coefficient that no norm holds (the intercept, a scale of 0) is a block by itself, of weight 0. With the gradient ``g``
of the smooth part, a block at zero is optimal where ``|g_b| <= strength weight_b``.

The sequential strong rule (Tibshirani et al. 2012, J R Stat Soc B 74:245) keeps, on the way from strength ``s`` to
``t``, the blocks with ``|g_b| >= (2 t - s) weight_b``. It may be wrong, so every solution is held against the condition
above over *all* blocks, and what violates it is taken in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..data.problem import Problem

__all__ = ["Blocks", "strong_threshold", "subgradient_norm"]

LEAST_THRESHOLD = 0.8
"""Least threshold of the strong rule, relative to the strength: where strengths lie far apart, it would keep all."""

SLACK = 1e-9
"""Excess of a gradient over the penalty's threshold, relative, that is no violation."""


@dataclass(frozen=True, eq=False)
class Blocks:
    """All blocks of a problem.

    Attributes
    ----------
    index : (G, k) int
        Coefficients of each block, padded with P.
    weight : (G,)
        Of each block's norm.
    of : (P,) int
        Block of each coefficient.
    """

    index: np.ndarray
    weight: np.ndarray
    of: np.ndarray

    @classmethod
    def of_problem(cls, problem: Problem) -> Blocks:
        """Return the penalty's groups, and each coefficient outside them alone."""
        width, groups = problem.width, problem.groups
        grouped = np.zeros(width + 1, bool)
        grouped[groups.ravel()] = True
        alone = np.flatnonzero(~grouped[:-1])
        index = np.full((len(groups) + len(alone), groups.shape[1]), width)
        index[: len(groups)] = groups
        index[len(groups) :, 0] = alone
        of = np.zeros(width + 1, int)
        of[index] = np.arange(len(index))[:, None]
        return cls(index, np.concatenate([problem.weights, np.zeros(len(alone))]), of[:-1])

    @property
    def single(self) -> bool:
        """Whether every block is one coefficient."""
        return self.index.shape[1] == 1

    def norms(self, values: np.ndarray) -> np.ndarray:
        """Return the norm of each block (n, G) of each row of coefficients (n, P)."""
        extended = np.pad(values, ((0, 0), (0, 1)))
        if self.single:
            return np.abs(extended[:, self.index[:, 0]])
        return np.linalg.norm(extended[:, self.index], axis=2)

    def above(self, gradient: np.ndarray, threshold: np.ndarray) -> np.ndarray:
        """Return (n, P) which coefficients are in blocks whose gradient exceeds threshold (n,) times weight."""
        kept = self.norms(gradient) > np.maximum(threshold, 0.0)[:, None] * self.weight * (1 + SLACK)
        return (kept | (self.weight == 0))[:, self.of]


def strong_threshold(strength: float, before: np.ndarray) -> np.ndarray:
    """Return what a gradient must exceed, times its block's weight, to be kept at a strength after the one before."""
    return np.maximum(2 * strength - before, LEAST_THRESHOLD * strength)


def subgradient_norm(problem: Problem, blocks: Blocks, strength, theta: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """Return the norm of the least subgradient of each fit (n,), for standardised features.

    Parameters
    ----------
    problem, blocks
        What was fitted.
    strength : (n,)
        Of each fit.
    theta, gradient : (n, P)
        Coefficients, and the gradient of the smooth part there.
    """
    size, steep = blocks.norms(theta)[:, blocks.of], blocks.norms(gradient)[:, blocks.of]
    threshold = strength[:, None] * blocks.weight[blocks.of]
    with np.errstate(invalid="ignore", divide="ignore"):
        on = gradient + threshold * theta / size
        off = gradient * np.maximum(0.0, 1.0 - threshold / steep)
    least = np.where((size > 0) | (threshold == 0), np.where(size > 0, on, gradient), np.where(steep > 0, off, 0.0))
    return np.linalg.norm(least * problem.to_standard, axis=1)
