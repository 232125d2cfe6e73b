"""The study's part about terms: what may drive a unit, and through which basis."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .base import OneOf, Part
from .quantities import Duration, Number

OWN_SPIKES, ALL_SPIKES = "own spikes", "all spikes"
Count = Annotated[int, Field(ge=1)]


class Lags(Part):
    """One function a lag: the raw history."""

    window: Duration = Field(description="How far back.")


class RaisedCosineLog(Part):
    """Raised cosines on a logarithmic axis of lags (Pillow et al. 2005)."""

    n: Annotated[int, Field(ge=2)] = Field(description="Number of functions.")
    window: Duration = Field(description="How far back.")
    width: Annotated[float, Field(gt=0)] = Field(2.0, description="Width in units of the spacing of the peaks.")
    time_scaling: Annotated[float, Field(gt=0)] = Field(50.0, description="How strongly the axis is stretched.")


class CyclicBSpline(Part):
    """Cyclic B-splines over the period of a circular signal."""

    n: Annotated[int, Field(ge=4)] = Field(description="Number of functions.")
    order: Annotated[int, Field(ge=2, le=6)] = Field(4, description="Order (4: cubic).")


class BSpline(Part):
    """B-splines on clamped uniform knots."""

    n: Annotated[int, Field(ge=4)] = Field(description="Number of functions.")
    order: Annotated[int, Field(ge=1, le=6)] = Field(4, description="Order (4: cubic).")
    bounds: tuple[Number, Number] | None = Field(None, description="Range of the value. Default: the session's.")


class Identity(Part):
    """The value itself."""


class Basis(OneOf):
    """How a term's input becomes features: one kind, with its settings."""

    lags: Lags | None = None
    raised_cosine_log: RaisedCosineLog | None = None
    cyclic_bspline: CyclicBSpline | None = None
    bspline: BSpline | None = None
    identity: Identity | None = None

    @property
    def window(self) -> float:
        """Longest causal lag, s; 0 for a function of the value now."""
        return getattr(self.settings, "window", 0.0)


class Term(Part):
    """One possible drive of a unit: an input and a basis."""

    of: str = Field(description=f"`{OWN_SPIKES}`, `{ALL_SPIKES}`, or a signal's name.")
    basis: Basis = Field(description="How the input becomes features.")

    @property
    def of_spikes(self) -> bool:
        """Whether the input is spikes."""
        return self.of in (OWN_SPIKES, ALL_SPIKES)
