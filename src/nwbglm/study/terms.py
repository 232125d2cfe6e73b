"""The study's part about terms: what may drive a unit, and through which basis."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from .base import Part
from .bases import Basis

OWN_SPIKES, ALL_SPIKES, OTHER_SPIKES = "own spikes", "all spikes", "other spikes"
SENDERS = {
    OWN_SPIKES: "own",
    ALL_SPIKES: "all",
    OTHER_SPIKES: "other",
    "own response": "own",
    "all responses": "all",
    "other responses": "other",
}
"""Which units an input is the activity of. The words of a response hold for spikes, too."""
OF = f"`{OWN_SPIKES}`, `{ALL_SPIKES}`, `{OTHER_SPIKES}` (`own response`, `all responses`, `other responses`), or a "


class Factor(Part):
    """An input and its basis."""

    of: str = Field(description=f"{OF}signal's name.")
    basis: Basis = Field(description="How the input becomes features.")

    @property
    def of_spikes(self) -> bool:
        """Whether the input is the activity of units: their spikes, or their continuous response."""
        return self.of in SENDERS

    @property
    def senders(self) -> str:
        """Whose activity the input is: ``own``, ``all``, ``other``, or nothing for a signal."""
        return SENDERS.get(self.of, "")

    @model_validator(mode="after")
    def _spikes_are_not_predicted_from_now(self) -> Factor:
        if self.of_spikes and not self.basis.window:
            raise ValueError(
                f"basis.{self.basis.kind}: `{self.of}` needs a basis over lags: give a window, such as window: 200 ms"
            )
        if self.senders in ("own", "all") and self.basis.direction != "causal":
            others = next(
                word
                for word, whose in SENDERS.items()
                if whose == "other" and word.endswith("spikes") == self.of.endswith("spikes")
            )
            raise ValueError(
                f"basis.{self.basis.kind}.direction: a unit's {self.of.split()[1]} may be explained by its own past "
                f"only; use causal, or '{others}'"
            )
        if self.senders in ("own", "all") and self.basis.begin is not None and self.basis.begin <= 0:
            raise ValueError(
                f"basis.{self.basis.kind}.begin: a unit's {self.of.split()[1]} cannot be explained by what is in the "
                "same bin; leave begin out, or begin one bin or more before"
            )
        return self


class Term(Part):
    """One possible drive of a unit: an input through a basis, or the product of several."""

    of: str | None = Field(None, description=f"{OF}signal's name.")
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
            raise ValueError("product: only one of the factors may be the units' own activity (spikes, responses)")
        return self

    @property
    def factors(self) -> tuple[Factor, ...]:
        """The inputs with their bases: one, or those of the product."""
        if self.product:
            return self.product
        assert self.of is not None and self.basis is not None  # `_one_form` has asked
        return (Factor.model_construct(of=self.of, basis=self.basis),)

    @property
    def of_spikes(self) -> bool:
        """Whether the activity of units (spikes, or their response) is among the inputs."""
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
        return any(factor.senders == "own" for factor in self.factors)

    @property
    def senders(self) -> str:
        """Whose activity is among the inputs: ``own``, ``all``, ``other``, or nothing."""
        return next((factor.senders for factor in self.factors if factor.senders), "")

    @property
    def window(self) -> float:
        """Longest window of lags, s; 0 where all depends on now."""
        return max(factor.basis.window for factor in self.factors)
