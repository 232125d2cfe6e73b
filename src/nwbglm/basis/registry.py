"""Which class computes which basis of a study: every class of the modules named here that says its `family`."""

from __future__ import annotations

from typing import Any

from nwbglm.study.bases import Basis
from nwbglm.study.family import Family

from . import cosines, decays, harmonics, plain, splines
from .family import Computed

MODULES = (cosines, decays, harmonics, plain, splines)  # by name, so that digests of code see all that is in them
COMPUTED: dict[type[Family], type[Computed]] = {
    entry.family: entry
    for module in MODULES
    for entry in vars(module).values()
    if isinstance(entry, type) and issubclass(entry, Computed) and "family" in vars(entry)
}


def computed(basis: Basis) -> Any:
    """Return what computes a study's basis: an `OverLags`, an `OverValues`, or both."""
    return COMPUTED[type(basis.settings)](basis.settings)
