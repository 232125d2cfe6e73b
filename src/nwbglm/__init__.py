"""Encoding models for NWB recordings, from raw files to a cross-validated comparison.

The public face is `nwbglm.api`; its functions are found here, and loaded when they are first asked for: the Snakefile
imports this package in every job. `__init__.pyi` tells them to type checkers.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"
__all__ = [
    "bin_recording",
    "compute_filters",
    "compute_intervals",
    "cross_validate",
    "fit",
    "inspect_recording",
    "make_features",
    "open",
    "predict_rates",
    "read_study",
    "simulate_recording",
    "simulate_spikes",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module("nwbglm.api"), name)
    raise AttributeError(f"module 'nwbglm' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
