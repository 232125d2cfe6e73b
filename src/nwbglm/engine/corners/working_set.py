"""Working sets of a chunk of units, with the Hessians on them, for all training sets of a unit at once.

A Hessian is a sum over rows, so it is the sum of those of any division of the rows. Where the test rows of the splits
divide all rows, one pass over them, part by part, gives the Hessian of every training set at the same point.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import limits
from ..data.panels import StoredPanel
from ..data.problem import Problem, bucket
from ..objective import Fits
from .reduced import BlockNorms
from .screening import Blocks

__all__ = ["WorkingSets", "divide_rows"]

WIDTHS = (16, 32, 64, 96, 128, 160, 192, 256, 320, 384, 512, 640, 768, 1024, 1536, 2048, 4096, 8192, 16384)
"""Numbers of coefficients that are compiled for."""

MOST_PARTS = 32
"""More parts than this cost more than they tell."""

LIFT = 1e-10
"""Added to the diagonal of Hessians, relative to its mean."""


class WorkingSets:
    """The coefficients that each unit's fits move, and the curvature there.

    Parameters
    ----------
    problem, blocks
        What is fitted.
    units : (n,) int
        The units of this chunk.
    parts, shares
        Of `divide_rows`.
    """

    def __init__(self, problem: Problem, blocks: Blocks, units: np.ndarray, parts: np.ndarray, shares: np.ndarray):
        self.problem, self.blocks, self.units, self.parts, self.shares = problem, blocks, units, parts, shares
        self.ridge = problem.quadratic.diagonal()  # of an elastic net; differences have no corners
        self.inside = problem.usable[units] & (blocks.weight[blocks.of] == 0)
        self.members: list[np.ndarray] = [np.zeros(0, int)] * len(units)
        self.norms: list[BlockNorms] = [None] * len(units)  # type: ignore[list-item]
        self.grams: list[Any] = [None] * len(units)
        self.where: list[tuple[np.ndarray, float] | None] = [None] * len(units)
        self._arrange(np.arange(len(units)))

    @property
    def widest(self) -> int:
        """Size of the largest set, at least 1."""
        return max(1, *map(len, self.members))

    def rows_of(self, unit: np.ndarray) -> np.ndarray:
        """Return which unit of this chunk each is."""
        return np.searchsorted(self.units, unit)

    def add(self, rows: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """Take coefficients (n, P) into the sets of these units (n,); return the units whose set grew."""
        before = self.inside.sum(axis=1)
        np.logical_or.at(self.inside, rows, wanted & self.problem.usable[self.units[rows]])
        grown = np.flatnonzero(self.inside.sum(axis=1) > before)
        self._arrange(grown)
        return grown

    def _arrange(self, rows: np.ndarray) -> None:
        for row in rows:
            members = np.flatnonzero(self.inside[row])
            members = members[np.argsort(self.blocks.of[members], kind="stable")]
            blocks, first, of = np.unique(self.blocks.of[members], return_index=True, return_inverse=True)
            self.members[row], self.grams[row] = members, None
            self.norms[row] = BlockNorms(self.blocks.weight[blocks], of, np.append(first, len(members)))

    def take_hessians(self, rows: np.ndarray, theta: np.ndarray, alpha: np.ndarray) -> None:
        """Take the Hessians of these units afresh at coefficients (n, P)."""
        problem = self.problem.fast or self.problem
        some = [self.members[row] for row in rows]
        for row, gram, at, a in zip(
            rows,
            hessians_of_parts(problem, theta, self.units[rows], alpha, self.parts, some),
            theta,
            alpha,
            strict=True,
        ):
            self.grams[row], self.where[row] = gram, (at.copy(), a)

    def drop_hessians(self, rows: np.ndarray) -> None:
        """Have the Hessians of these units taken anew when they are next needed."""
        for row in rows:
            self.grams[row] = None

    def forget(self) -> None:
        """Drop all Hessians, and where they were taken."""
        self.grams, self.where = [None] * len(self.units), [None] * len(self.units)

    def last_points(self, rows: np.ndarray, theta: np.ndarray, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return where (and at which dispersion) these units' Hessians were last taken, or else these points."""
        known = [self.where[row] or other for row, *other in zip(rows, theta, alpha, strict=True)]
        return np.stack([at for at, _ in known]), np.array([a for _, a in known])

    def hessian(self, row: int, fits: Fits, c: int) -> np.ndarray:
        """Return the Hessian (k, k) of the smooth objective of a fit of this unit, from that of its parts."""
        total = np.tensordot(self.shares[fits.mask[c]], self.grams[row], axes=1)
        return self._finish(row, fits, c, total)

    def own_hessians(self, rows: np.ndarray, fits: Fits, theta: np.ndarray) -> list[np.ndarray]:
        """Return the Hessians (k, k) of fits at their own points, over their own rows."""
        problem = self.problem.fast or self.problem
        result = []
        for c, row in enumerate(rows):
            one = slice(c, c + 1)
            parts, some = fits.mask[one], [self.members[row]]
            (gram,) = hessians_of_parts(problem, theta[one], fits.unit[one], fits.alpha[one], parts, some)
            result.append(self._finish(row, fits, c, gram[0]))
        return result

    def _finish(self, row: int, fits: Fits, c: int, total: np.ndarray) -> np.ndarray:
        members = self.members[row]
        total = total / self.problem.rows[fits.unit[c], fits.mask[c]]
        diagonal = total.reshape(-1)[:: len(members) + 1]  # a view
        diagonal += fits.strength[c] * self.ridge[members]
        diagonal += LIFT * diagonal.mean()
        return total


def divide_rows(problem: Problem, union: int) -> tuple[np.ndarray, np.ndarray]:
    """Divide a set of rows into disjoint sets that are known already, if it can be done.

    Parameters
    ----------
    problem
        Holds the sets of rows.
    union
        The set to divide.

    Returns
    -------
    tuple
        The sets that make up the union (parts,), itself alone if no others do; and the share of each part's rows that
        each set holds (M, parts).
    """
    overlap = np.sum([_overlaps(panel) for panel in problem.panels], axis=0)
    size = overlap.diagonal()
    parts: list[int] = []
    for one in np.argsort(size, kind="stable"):
        inside = overlap[one, union] == size[one]
        if one != union and size[one] and inside and not overlap[one, parts].any():
            parts.append(int(one))
    if size[parts].sum() != size[union] or len(parts) > MOST_PARTS:
        parts = [union]
    return np.array(parts), overlap[:, parts] / np.maximum(size[parts], 1)


def _overlaps(panel) -> np.ndarray:
    """Return how many rows each two sets share in a panel (M, M)."""
    sets = panel.maker.masks[:, panel.rows][None] if isinstance(panel, StoredPanel) else np.asarray(panel.masks)
    return sum(np.rint(block.astype(np.float32) @ block.T.astype(np.float32)).astype(np.int64) for block in sets)


def hessians_of_parts(problem, theta, unit, alpha, parts, members: list[np.ndarray]) -> list[np.ndarray]:
    """Sum the Hessians of the loss, each fit's on its own coefficients, over each part of the rows.

    Parameters
    ----------
    problem
        Holds the data.
    theta : (n, P)
        Where.
    unit, alpha : (n,)
        Of the fits.
    parts : (parts,) int
        Sets of rows.
    members : list of (k,) int
        Coefficients of each fit.

    Returns
    -------
    list of (parts, k, k) arrays
        One a fit.
    """
    widths = np.array([bucket(len(some), WIDTHS) for some in members])
    result: list[np.ndarray] = [None] * len(members)  # type: ignore[list-item]
    for width in np.unique(widths):
        alike = np.flatnonzero(widths == width)
        chunk = max(1, limits.HESSIAN_BYTES // int(8 * width**2))
        for first in range(0, len(alike), chunk):
            some = alike[first : first + chunk]
            index = np.zeros((len(some), width), int)
            for row, fit in enumerate(some):
                index[row, : len(members[fit])] = members[fit]
            sums = [
                problem.compact_grams(theta[some], unit[some], np.full(len(some), part), alpha[some], index)
                for part in parts
            ]
            for row, fit in enumerate(some):
                few = len(members[fit])
                result[fit] = np.stack([total[row, :few, :few] for total in sums])
    return result
