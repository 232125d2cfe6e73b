"""Fit generalised linear models: every unit, split and strength in one call.

The public face of the engine, arrays in and arrays out. For each unit u, split k and strength s it minimises

    mean over training rows of loss(y, mu) + strength * penalty(w),    mu = exposure * link^-1(b + x.w),

with a free intercept b; for Poisson counts the loss is ``mu - y log mu``. ``mu`` is the expected count *per bin*.
"""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from ..errors import ProblemError
from .batch import Batch
from .data.build import build_problem
from .evidence import maximise_evidence
from .observations import POISSON, Observations
from .penalties import NO_PENALTY, Penalty
from .result import SplitFits
from .smooth.solvers import works_mixed
from .solve import solve
from .status import Status
from .tolerance import SUMMED, Tolerance

__all__ = ["SplitFits", "Status", "fit_splits", "predict"]


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
    summed_gap: float = SUMMED,
    max_iterations: int = 500,
    memory: float | None = None,
    terms: np.ndarray | None = None,
    relative: np.ndarray | None = None,
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
        Distance from the least objective, per row, that is good enough.
    summed_gap
        The same in the sum over the training rows; both must hold (see `tolerance`). Passes in float32 cannot tell.
    max_iterations
        Steps after which a fit is given up.
    memory
        Bytes that the standardised features may take. Beyond, they are read again for each pass over the data, so
        that ``X`` may be an array on disk (a memory map, a zarr array) larger than memory.
    terms : (p,) int or None
        The term of each feature, numbered from 0: each has a strength of its own. The penalty is quadratic and couples
        no two terms.
    relative : (S, G) or None
        With ``terms``: what each strength is multiplied by in each term. None: each unit and split gets the strengths
        of the largest evidence of its training rows (see `evidence`), and ``strengths`` is one number that says
        nothing.

    Returns
    -------
    SplitFits
        Numpy arrays; a fit that failed is a status, and changes no other.

    Raises
    ------
    ProblemError
        If the shapes do not agree, or a response on a row in use is none that the observation model knows.
    """
    X, y, train, test, path = _checked(X, y, train, test, strengths, exposure, mask)
    if terms is not None:
        _check_terms(X, path, penalty, observations, np.asarray(terms), relative)
    with jax.enable_x64(True):
        union = np.any(train, axis=0)
        masks, index = _distinct([*train, *test, union])
        splits = len(train)
        problem = build_problem(
            X, y, masks, union, penalty=penalty, observations=observations, exposure=exposure, allowed=mask,
            dtype=dtype, fits=y.shape[1] * max(splits, 1) * len(path), mixed=works_mixed(X.shape[1], dtype),
            memory=memory,
        )  # fmt: skip
        batch = Batch(problem, index[:splits], index[splits : 2 * splits], path, terms, relative)
        union, tolerance = int(index[-1]), Tolerance(gap, summed_gap)
        if terms is not None and relative is None:
            solution, batch.evidence = maximise_evidence(
                problem, batch.fits, union, np.asarray(terms), gap=tolerance, max_iterations=max_iterations
            )
            return batch.collect(batch.fits, solution)
        solution, fits = solve(problem, batch.fits, union, gap=tolerance, max_iterations=max_iterations)
        return batch.collect(fits, solution)


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


def _distinct(sets: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct sets of rows (M, T), and which of them each is."""
    seen: dict[bytes, int] = {}
    index = [seen.setdefault(np.packbits(members).tobytes(), len(seen)) for members in sets]
    return np.stack([sets[index.index(number)] for number in range(len(seen))]), np.asarray(index)


def _check_terms(
    X: Any, path: np.ndarray, penalty: Penalty, observations: Observations, terms: np.ndarray, relative: Any
) -> None:
    """Say what is wrong with strengths of terms."""
    if terms.shape != (X.shape[1],) or not penalty.is_smooth:
        raise ProblemError("terms need one number a feature, and a quadratic penalty", where="fit_splits")
    if relative is None and (observations.has_dispersion or len(path) != 1):
        raise ProblemError(
            "the evidence takes one strength, and no dispersion that is found beside it",
            where="fit_splits",
            mend="give relative strengths, or another observation model",
        )
    wanted = len(path), int(terms.max(initial=-1)) + 1
    if relative is not None and (np.shape(relative) != wanted or len(np.unique(path)) != len(path)):
        raise ProblemError(
            f"relative has shape {np.shape(relative)} instead of {wanted}, or strengths repeat", where="fit_splits"
        )


def _checked(
    X: Any, y: Any, train: Any, test: Any, strengths: Any, exposure: Any, mask: Any
) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
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
