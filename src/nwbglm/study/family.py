"""What every basis of a study says of itself, and where it lies: over the lags of a window or over values."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from .base import Part
from .quantities import AnyDuration, Duration, Number

Direction = Literal["causal", "anticausal", "acausal"]


class Family(Part):
    """A basis with its settings.

    Attributes
    ----------
    words
        What a methods text calls it; settings stand in braces.
    ordered
        Whether its functions follow each other along the lags or values, so that neighbouring coefficients may be held
        alike. No default: each family says it.
    plain
        Whether the input itself is what coefficients multiply, so that there are no functions worth a picture.
    labels
        Whether the value is a label, so that it has levels and no range.
    closes
        Whether over values its last function neighbours its first; the signal must then be circular.
    """

    words: ClassVar[str]
    ordered: ClassVar[bool]
    plain: ClassVar[bool] = False
    labels: ClassVar[bool] = False
    closes: ClassVar[bool] = False

    @property
    def over_lags(self) -> bool:
        """Whether it weighs the bins of a window; otherwise it is a function of the value now."""
        return False

    @property
    def neighbours(self) -> bool:
        """Whether these functions, as they are set, follow each other."""
        return self.ordered

    @property
    def cyclic(self) -> bool:
        """Whether the last of these functions, as they are set, neighbours the first."""
        return self.closes and not self.over_lags

    def functions(self, bin_width: float) -> int:
        """Return the number of functions with bins of `bin_width` s; 1 where levels are not given."""
        raise NotImplementedError

    def describe(self) -> str:
        """Say what it is, for a methods text."""
        return self.words.format(**self.model_dump())


BEGIN = (
    "Of a window that is not centred: the lag at which it begins, in whole bins. Default: one bin. `0 s` begins "
    "in the event's own bin; below 0 a causal window begins before the event (the `offset` of neuroGLM and of IBL's "
    "design matrices). Counted backwards in an anticausal window."
)


def _not_centred(settings: OverLags | Either) -> None:
    """Raise `ValueError` where a window that is centred is told where to begin."""
    if settings.begin is not None and settings.direction == "acausal":
        raise ValueError("begin: an acausal window is centred; for lags of your own: causal, with begin below 0 s")


class OverLags(Family):
    """A basis that weighs the bins of a window."""

    window: Duration = Field(description="How far the window reaches; a whole number of bins.")
    direction: Direction = Field(
        "causal",
        description="Bins before now, after now, or centred on now (half the window each way); now itself is only in "
        "the last, unless `begin` says so.",
    )
    begin: AnyDuration | None = Field(None, description=BEGIN)

    @model_validator(mode="after")
    def _begins_somewhere(self) -> OverLags:
        _not_centred(self)
        return self

    @property
    def over_lags(self) -> bool:
        """Always."""
        return True


class OverValues(Family):
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
    direction: Direction = Field(
        "causal",
        description="With a window: bins before now, after now, or centred on now; now itself is only in the last, "
        "unless `begin` says so.",
    )
    begin: AnyDuration | None = Field(None, description=BEGIN)

    @model_validator(mode="after")
    def _one_axis(self) -> Either:
        if self.window is not None and self.bounds is not None:
            raise ValueError("give window (functions of the lag) or bounds (functions of the value), not both")
        if self.window is None and self.direction != "causal":
            raise ValueError("direction: goes with a window")
        if self.window is None and self.begin is not None:
            raise ValueError("begin: goes with a window")
        _not_centred(self)
        return self

    @property
    def over_lags(self) -> bool:
        """Whether there is a window."""
        return self.window is not None
