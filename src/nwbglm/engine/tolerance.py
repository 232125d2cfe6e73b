"""When a fit is done: how near to its least objective it must be, per row and in sum.

A gap of g nats in the sum over rows leaves coefficients within ``sqrt(2 g)`` standard errors of the optimum (half the
squared distance in the metric of the information matrix). A gap per row says that only together with the number of
rows: 1e-10 a row is 0.006 standard errors with 177 761 rows, the third or fourth digit of a coefficient.

Newton squares its error in each step, and follows its last one for nothing, since it is known before it is asked for:
its coefficients are nearer by far than the gap that is reported. Other methods gain a constant factor a step, and pay
for each digit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .data.problem import Problem
from .objective import Fits

__all__ = ["SUMMED", "Tolerance"]

SUMMED = 2e-6
"""Gap in the sum over training rows, nats: coefficients are within 0.002 standard errors of the optimum."""

FINEST = {"float64": 1e-17, "float32": np.inf}
"""Gap per row below which the sum is not asked for: there sums over rows in these numbers no longer tell."""


class Tolerance(NamedTuple):
    """The largest gaps of a fit that is done; both hold.

    Attributes
    ----------
    per_row
        Nats a row.
    summed
        Nats in the sum over the training rows. Passes in float32 cannot tell, and are not asked.
    """

    per_row: float
    summed: float = SUMMED

    def of(self, problem: Problem, fits: Fits) -> np.ndarray:
        """Return the gap per row that is asked of each fit, shape (n,)."""
        rows = np.maximum(problem.rows[fits.unit, fits.mask], 1)
        return np.minimum(self.per_row, np.maximum(self.summed / rows, FINEST[problem.dtype]))
