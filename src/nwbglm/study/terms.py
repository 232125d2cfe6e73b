"""The study's part about terms: what may drive a unit, and through which basis."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from .base import OneOf, Part
from .quantities import Duration, Number

OWN_SPIKES, ALL_SPIKES, OTHER_SPIKES = "own spikes", "all spikes", "other spikes"
SPIKES = (OWN_SPIKES, ALL_SPIKES, OTHER_SPIKES)
MOST_FUNCTIONS = 1000
"""Of one basis."""
AtLeastTwo = Annotated[int, Field(ge=2, le=MOST_FUNCTIONS)]


class OverLags(Part):
    """A basis that weighs the bins of a window."""

    window: Duration = Field(description="How far the window reaches; a whole number of bins.")
    direction: Literal["causal", "anticausal", "acausal"] = Field(
        "causal", description="Bins strictly before now, strictly after, or centred on now (half the window each way)."
    )


class OverValues(Part):
    """A basis that is a function of a signal's value now."""

    bounds: tuple[Number, Number] | None = Field(
        None,
        description="Range of the value; outside it a row is not used. Default: the period, or the session's range.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> OverValues:
        if self.bounds is not None and not self.bounds[0] < self.bounds[1]:
            raise ValueError("bounds: the first must be below the second")
        return self


class Either(OverValues):
    """A basis over the lags of a window where `window` is given, and of the value now otherwise."""

    window: Duration | None = Field(None, description="Weigh the bins of this window, instead of the value now.")
    direction: Literal["causal", "anticausal", "acausal"] = Field(
        "causal", description="With a window: bins strictly before now, strictly after, or centred on now."
    )

    @model_validator(mode="after")
    def _one_axis(self) -> Either:
        if self.window is not None and self.bounds is not None:
            raise ValueError("give window (functions of the lag) or bounds (functions of the value), not both")
        if self.window is None and self.direction != "causal":
            raise ValueError("direction: goes with a window")
        return self


class Spline(Either):
    """Piecewise polynomials on uniform knots."""

    n: Annotated[int, Field(ge=1, le=MOST_FUNCTIONS)] = Field(description="Number of functions, at least the order.")
    order: Annotated[int, Field(ge=1, le=8)] = Field(4, description="Degree plus one (4: cubic).")

    @model_validator(mode="after")
    def _enough(self) -> Spline:
        if self.n < self.order:
            raise ValueError(f"n: {self.n} functions are too few for order {self.order}; use at least {self.order}")
        return self


class Partition(Spline):
    """Splines that sum to a constant over values, which is the intercept's already."""

    full_rank: bool = Field(
        False,
        description="Over values: use n - 1 combinations that leave out the constant. Otherwise coefficients are "
        "undetermined without a penalty (status rank_deficient), though rates are not.",
    )

    @model_validator(mode="after")
    def _over_values(self) -> Partition:
        if self.full_rank and self.window is not None:
            raise ValueError("full_rank: goes with functions of a value; over lags nothing sums to a constant")
        return self


class Lags(OverLags):
    """One function a lag: the raw history."""


class RaisedCosineLog(Either):
    """Raised cosines on a logarithmic axis (Pillow et al. 2005): fine near now, coarse further away."""

    n: AtLeastTwo = Field(description="Number of functions.")
    width: Annotated[float, Field(gt=1, le=100)] = Field(2.0, description="Half-width in spacings of the peaks.")
    time_scaling: Annotated[float, Field(gt=0, le=1e6)] = Field(50.0, description="How strongly the axis is stretched.")
    decay_to_zero: bool = Field(True, description="Whether the last function ends at zero.")


class RaisedCosineLinear(Either):
    """Raised cosines with evenly spaced peaks."""

    n: AtLeastTwo = Field(description="Number of functions.")
    width: Annotated[float, Field(gt=1, le=100)] = Field(2.0, description="Half-width in spacings of the peaks.")


class BSpline(Partition):
    """B-splines on clamped uniform knots."""


class CyclicBSpline(Partition):
    """Cyclic B-splines: over the period of a circular signal they close without a seam."""

    order: Annotated[int, Field(ge=2, le=8)] = Field(4, description="Degree plus one (4: cubic).")


class MSpline(Partition):
    """M-splines: B-splines that integrate to 1."""

    order: Annotated[int, Field(ge=1, le=8)] = Field(2, description="Degree plus one (2: linear).")


class Fourier(Either):
    """Cosines and sines of 1 to n cycles over the range: 2n functions."""

    n: Annotated[int, Field(ge=1, le=MOST_FUNCTIONS)] = Field(description="Number of harmonics.")


class OrthogonalExponentials(OverLags):
    """Exponential decays, made orthonormal in the order given."""

    decay_times: tuple[Duration, ...] = Field(min_length=1, description="Time constants, such as [5 ms, 50 ms].")


class Polynomial(OverValues):
    """Legendre polynomials up to a degree, over the range of the value."""

    degree: Annotated[int, Field(ge=1, le=20)] = Field(description="Highest degree.")


class Categorical(Part):
    """One column a level: the value is a label, not a size."""

    levels: tuple[Number, ...] | None = Field(None, description="The values to tell apart. Default: the session's.")
    full_rank: bool = Field(False, description="Leave out the first level: the others are differences from it.")


class Identity(Part):
    """The value itself."""


class Basis(OneOf):
    """How an input becomes features: one kind, with its settings."""

    lags: Lags | None = None
    raised_cosine_log: RaisedCosineLog | None = None
    raised_cosine_linear: RaisedCosineLinear | None = None
    bspline: BSpline | None = None
    cyclic_bspline: CyclicBSpline | None = None
    mspline: MSpline | None = None
    fourier: Fourier | None = None
    orthogonal_exponentials: OrthogonalExponentials | None = None
    polynomial: Polynomial | None = None
    categorical: Categorical | None = None
    identity: Identity | None = None

    @property
    def window(self) -> float:
        """Width of the window of lags, s; 0 for a function of the value now."""
        return getattr(self.settings, "window", None) or 0.0

    @property
    def direction(self) -> str:
        """Where the window lies: causal, anticausal or acausal."""
        return getattr(self.settings, "direction", "causal")


class Factor(Part):
    """An input and its basis."""

    of: str = Field(description=f"`{OWN_SPIKES}`, `{ALL_SPIKES}`, `{OTHER_SPIKES}`, or a signal's name.")
    basis: Basis = Field(description="How the input becomes features.")

    @property
    def of_spikes(self) -> bool:
        """Whether the input is spikes."""
        return self.of in SPIKES

    @model_validator(mode="after")
    def _spikes_are_not_predicted_from_now(self) -> Factor:
        if self.of_spikes and not self.basis.window:
            raise ValueError(
                f"basis.{self.basis.kind}: {self.of} need a basis over lags: give a window, such as window: 200 ms"
            )
        if self.of in (OWN_SPIKES, ALL_SPIKES) and self.basis.direction != "causal":
            raise ValueError(
                f"basis.{self.basis.kind}.direction: a unit's spikes may be explained by its own past only; "
                f"use causal, or '{OTHER_SPIKES}'"
            )
        return self


class Term(Part):
    """One possible drive of a unit: an input through a basis, or the product of several."""

    of: str | None = Field(None, description=f"`{OWN_SPIKES}`, `{ALL_SPIKES}`, `{OTHER_SPIKES}`, or a signal's name.")
    basis: Basis | None = Field(None, description="How the input becomes features.")
    product: tuple[Factor, ...] | None = Field(
        None,
        min_length=2,
        description="Instead of `of` and `basis`: inputs whose functions are multiplied, each with each.",
    )

    @model_validator(mode="before")
    @classmethod
    def _checked_as_a_factor(cls, value: Any) -> Any:
        if isinstance(value, dict) and "product" not in value:
            missing = [key for key in ("of", "basis") if key not in value]
            if missing:
                raise ValueError(f"{' and '.join(missing)}: needed, and not there (or give product)")
        return value

    @model_validator(mode="after")
    def _one_form(self) -> Term:
        if self.product is not None and (self.of is not None or self.basis is not None):
            raise ValueError("give of and basis, or product, not both")
        if self.product is None:
            Factor.model_validate({"of": self.of, "basis": self.basis})
        elif sum(factor.of_spikes for factor in self.product) > 1:
            raise ValueError("product: only one of the factors may be spikes")
        return self

    @property
    def factors(self) -> tuple[Factor, ...]:
        """The inputs with their bases: one, or those of the product."""
        return self.product or (Factor.model_construct(of=self.of, basis=self.basis),)

    @property
    def of_spikes(self) -> bool:
        """Whether spikes are among the inputs."""
        return any(factor.of_spikes for factor in self.factors)

    @property
    def inputs(self) -> str:
        """The inputs as a reader would name them."""
        return " x ".join(factor.of for factor in self.factors)

    @property
    def signals(self) -> tuple[str, ...]:
        """The signals among the inputs."""
        return tuple(factor.of for factor in self.factors if not factor.of_spikes)

    @property
    def own(self) -> bool:
        """Whether each unit has columns of its own."""
        return any(factor.of == OWN_SPIKES for factor in self.factors)

    @property
    def window(self) -> float:
        """Longest window of lags, s; 0 where all depends on now."""
        return max(factor.basis.window for factor in self.factors)
