"""The study's part about what terms are worth, and which model units prefer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .base import Name, Part
from .quantities import Duration


class Worth(Part):
    """What each term of a model is worth on held-out rows: alone, uniquely, shared, in the large labs' definitions."""

    models: tuple[Name, ...] = Field(
        (),
        description="Models whose terms are weighed: each is fitted without each of its terms, and with each term "
        "alone, unless the study has such a model.",
    )


class Selection(Part):
    """Which of some models is the most frequent best one over units: a heuristic, since no evidences are known."""

    models: tuple[Name, ...] = Field(
        (),
        description="Two models or more among which units are taken to choose (random-effects model selection, "
        "Stephan 2009, Rigoux 2014; held-out log-likelihoods stand in for log evidences).",
    )


class Ceiling(Part):
    """What any model could explain, where the same stimulus was given more than once."""

    models: tuple[Name, ...] = Field((), description="Models that are held against the ceiling.")
    repeats: Literal["epochs", "labels"] = Field(
        "epochs",
        description="epochs: every fitted epoch holds the same stimulus from its beginning on, as sweeps of frozen "
        "noise do. labels: epochs of one label (tags, `label` or `condition` of the table) do.",
    )
    window: Duration = Field(
        0.02,
        description="Responses are summed over windows of this length; in short ones counts are mostly noise.",
    )


class Control(Part):
    """A model fitted again to data in which what it is meant to find is not there, or to fewer spikes."""

    model: Name = Field(description="The model.")
    kind: Literal["cell_shuffle", "rate_matched", "reversed_time"] = Field(
        description="cell_shuffle: each unit's features against the response of another unit on the same rows (seeded; "
        "no unit keeps its own). rate_matched: the spikes of busier units are thinned at random to `rate`, so that "
        "scores of units can be compared. reversed_time: feature rows run backwards against the response, within each "
        "recording.",
    )
    term: Name | None = Field(None, description="Of reversed_time: the term whose rows run backwards. Default: all.")
    rate: Annotated[float, Field(gt=0, le=1e5)] | None = Field(
        None, description="Of rate_matched: Hz to which units are thinned. Default: that of the least active unit."
    )

    @model_validator(mode="after")
    def _own_options(self) -> Control:
        for option, kind in (("term", "reversed_time"), ("rate", "rate_matched")):
            if getattr(self, option) is not None and self.kind != kind:
                raise ValueError(f"{option} belongs to kind: {kind}, not to {self.kind}; leave it out")
        return self
