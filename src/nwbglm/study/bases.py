"""The study's part about bases: how an input becomes features.

A basis is added here, as a class that knows all that a study, a report or a penalty must know of it, and its line in
`Basis`; and in `nwbglm.basis`, as the class that computes it. Nothing else names it.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from .base import OneOf, _options
from .family import Either, Family, OverLags, OverValues
from .quantities import Duration, Level

MOST_FUNCTIONS = 1000
"""Of one basis."""


class Spline(Either):
    """Piecewise polynomials on uniform knots."""

    ordered = True

    n: Annotated[int, Field(ge=1, le=MOST_FUNCTIONS)] = Field(description="Number of functions, at least the order.")
    order: Annotated[int, Field(ge=1, le=8)] = Field(4, description="Degree plus one (4: cubic).")

    @model_validator(mode="after")
    def _enough(self) -> Spline:
        if self.n < self.order:
            raise ValueError(f"n: {self.n} functions are too few for order {self.order}; use at least {self.order}")
        return self

    def functions(self, bin_width: float) -> int:
        """As many as asked for."""
        return self.n


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

    @property
    def neighbours(self) -> bool:
        """Combinations without the constant have no order."""
        return self.ordered and not self.full_rank

    def functions(self, bin_width: float) -> int:
        """As many as asked for, less the constant where it is left out."""
        return self.n - int(self.full_rank)


class Lags(OverLags):
    """One function a lag: the raw history."""

    words = "one coefficient a lag"
    ordered = True
    plain = True

    def functions(self, bin_width: float) -> int:
        """One a bin."""
        return max(1, round(self.window / bin_width))


class RaisedCosines(Either):
    """Bumps that overlap, each the period of a cosine."""

    ordered = True

    n: Annotated[int, Field(ge=2, le=MOST_FUNCTIONS)] = Field(description="Number of functions.")
    width: Annotated[float, Field(gt=1, le=100)] = Field(2.0, description="Half-width in spacings of the peaks.")

    def functions(self, bin_width: float) -> int:
        """As many as asked for."""
        return self.n


class RaisedCosineLog(RaisedCosines):
    """Raised cosines on a logarithmic axis (Pillow et al. 2005): fine near now, coarse further away."""

    words = "{n} raised cosines on a logarithmic axis (Pillow et al. 2005)"

    time_scaling: Annotated[float, Field(gt=0, le=1e6)] = Field(50.0, description="How strongly the axis is stretched.")
    decay_to_zero: bool = Field(True, description="Whether the last function ends at zero.")


class RaisedCosineLinear(RaisedCosines):
    """Raised cosines with evenly spaced peaks."""

    words = "{n} raised cosines with evenly spaced peaks"


class BSpline(Partition):
    """B-splines on clamped uniform knots."""

    words = "{n} B-splines of order {order}"


class CyclicBSpline(Partition):
    """Cyclic B-splines: over the period of a circular signal they close without a seam."""

    words = "{n} cyclic B-splines of order {order}"
    closes = True

    order: Annotated[int, Field(ge=2, le=8)] = Field(4, description="Degree plus one (4: cubic).")


class MSpline(Partition):
    """M-splines: B-splines that integrate to 1, in the signal's units; over lags, with the window as the unit."""

    words = "{n} M-splines of order {order}"


class Fourier(Either):
    """Cosines and sines of 1 to n cycles over the range: 2n functions."""

    words = "cosines and sines of 1 to {n} cycles"
    ordered = False

    n: Annotated[int, Field(ge=1, le=MOST_FUNCTIONS)] = Field(description="Number of harmonics.")

    def functions(self, bin_width: float) -> int:
        """Twice the number of harmonics."""
        return 2 * self.n


class Cosine(OverValues):
    """Half waves of a cosine, 1 to n over the range: slow to fast, as a discrete cosine transform has them."""

    words = "cosines of 1 to {n} half waves"
    ordered = False

    n: Annotated[int, Field(ge=1, le=MOST_FUNCTIONS)] = Field(description="Number of functions.")

    def functions(self, bin_width: float) -> int:
        """As many as asked for."""
        return self.n


class OrthogonalExponentials(OverLags):
    """Exponential decays, made orthonormal in the order given."""

    words = "orthonormal exponential decays"
    ordered = False

    decay_times: tuple[Duration, ...] = Field(min_length=1, description="Time constants, such as [5 ms, 50 ms].")

    def functions(self, bin_width: float) -> int:
        """One a time constant."""
        return len(self.decay_times)


class Laguerre(OverLags):
    """Discrete Laguerre functions (Marmarelis 1993): orthonormal decays, each with one more wave."""

    words = "{n} discrete Laguerre functions with the pole {pole:g} (Marmarelis 1993)"
    ordered = False

    n: Annotated[int, Field(ge=1, le=50)] = Field(description="Number of functions.")
    pole: Annotated[float, Field(gt=0, lt=1)] = Field(
        description="What is left of a decay after one bin: exp(-bin / time constant), the root of Marmarelis' alpha."
    )

    def functions(self, bin_width: float) -> int:
        """As many as asked for."""
        return self.n


class Polynomial(OverValues):
    """Legendre polynomials up to a degree, over the range of the value."""

    words = "Legendre polynomials up to degree {degree}"
    ordered = False

    degree: Annotated[int, Field(ge=1, le=20)] = Field(description="Highest degree.")

    def functions(self, bin_width: float) -> int:
        """One a degree, without the constant."""
        return self.degree


class Categorical(Family):
    """One column a level: the value is a label, not a size."""

    words = "one indicator a level"
    ordered = False
    plain = True
    labels = True

    levels: tuple[Level, ...] | None = Field(
        None, description="The values (or texts) to tell apart. Default: the session's."
    )
    reference: Level | None = Field(
        None, description="Leave out this level: the others are differences from it. Such as a text, or `(none)`."
    )
    full_rank: bool = Field(False, description="Leave out the first level: the others are differences from it.")

    @model_validator(mode="after")
    def _a_known_reference(self) -> Categorical:
        if self.reference is not None and self.full_rank:
            raise ValueError("full_rank leaves out the first level, and reference the one it names: give one of them")
        if self.reference is not None and self.levels is not None and self.reference not in self.levels:
            raise ValueError(f"reference: {self.reference!r} is none of the levels")
        return self

    @property
    def leaves_one_out(self) -> bool:
        """Whether a level is left out, from which the others are differences."""
        return self.full_rank or self.reference is not None

    def functions(self, bin_width: float) -> int:
        """One a level, less the one that is left out."""
        return max(1, len(self.levels or ()) - int(self.leaves_one_out))


class Identity(Family):
    """The value itself."""

    words = "the value itself"
    ordered = False
    plain = True

    def functions(self, bin_width: float) -> int:
        """One."""
        return 1


class Basis(OneOf):
    """How an input becomes features: one kind, with its settings."""

    lags: Lags | None = None
    raised_cosine_log: RaisedCosineLog | None = None
    raised_cosine_linear: RaisedCosineLinear | None = None
    bspline: BSpline | None = None
    cyclic_bspline: CyclicBSpline | None = None
    mspline: MSpline | None = None
    fourier: Fourier | None = None
    cosine: Cosine | None = None
    orthogonal_exponentials: OrthogonalExponentials | None = None
    laguerre: Laguerre | None = None
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

    @property
    def begin(self) -> float | None:
        """Where the window begins, s; None where nothing is said: one bin from now."""
        return getattr(self.settings, "begin", None)

    @classmethod
    def families(cls) -> dict[str, type[Family]]:
        """Return the class of each basis by its name in the study."""
        return {
            name: next(option for option in _options(field.annotation) if option is not type(None))
            for name, field in cls.model_fields.items()
        }
