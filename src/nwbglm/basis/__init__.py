"""Basis functions: what a coefficient multiplies, over the lags of a window or over the values of a signal.

A basis is one class here, which names as its `family` the class of its settings in `nwbglm.study.bases`; beside it
stands the function that evaluates it. Nothing is normalised unless its name says so, so that features and coefficients
equal those of NeMoS, which the tests run beside ours.
"""

from .cosines import raised_cosine_linear, raised_cosine_log
from .decays import orthogonal_exponentials
from .family import OverLags, OverValues, positions
from .harmonics import cosine, fourier, polynomial
from .plain import categorical
from .registry import COMPUTED, computed
from .splines import bspline, cyclic_bspline, mspline, without_constant
from .window import Kernel, kernel, window_bins

__all__ = [
    "COMPUTED",
    "Kernel",
    "OverLags",
    "OverValues",
    "bspline",
    "categorical",
    "computed",
    "cosine",
    "cyclic_bspline",
    "fourier",
    "kernel",
    "mspline",
    "orthogonal_exponentials",
    "polynomial",
    "positions",
    "raised_cosine_linear",
    "raised_cosine_log",
    "window_bins",
    "without_constant",
]
