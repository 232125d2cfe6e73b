"""The study's part about what terms are worth, and which model units prefer."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

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
