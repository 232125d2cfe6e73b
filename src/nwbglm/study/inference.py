"""The study's part about inference: tests of terms, intervals on filters, checks of fits."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from .base import Name, Part
from .nulls import Auto, Circular, Linear, Null
from .worth import Ceiling, Control, Selection, Worth


class TermTest(Part):
    """Does a term add anything to the rest of a model? Its feature rows are moved in time against everything else."""

    term: Name = Field(description="The term that is tested.")
    model: Name = Field(description="A model that has it; the model's other terms are the rest.")
    null: Null = Field(
        Null(auto=Auto()),
        description="By what the term is moved, such as `linear`, `trials`, {draws: FILE} or {jitter: 40 ms}.",
    )
    statistic: Literal["score", "gain", "held_out"] = Field(
        "score",
        description="score: Rao's, the gain of one step from the rest's fit, the term's penalty included; one fit "
        "serves all draws. gain: the model is fitted again with each draw. held_out: with each draw and fold, and "
        "scored where it was not fitted; less power, and several times the cost.",
    )
    draws: Annotated[int, Field(ge=19, le=100_000)] = Field(
        999,
        description="Draws of the null; `sessions` has as many as there are other sessions. The least p value is "
        "1 / (draws + 1).",
    )

    def resolved(self, drift: bool) -> Null:
        """Return the null, `auto` put in words: what it is depends on whether the rest has a term of time."""
        if self.null.kind != "auto":
            return self.null
        return Null(circular=Circular()) if drift else Null(linear=Linear())


class FalseDiscoveries(Part):
    """Which of many tests are called significant."""

    level: Annotated[float, Field(gt=0, lt=1)] = Field(0.05, description="Accepted share of false discoveries.")
    method: Literal["bh", "by"] = Field(
        "bh",
        description="bh: Benjamini & Hochberg 1995, for tests of positive dependence (units that share a covariate). "
        "by: Benjamini & Yekutieli 2001, for any dependence.",
    )


class Intervals(Part):
    """How sure is each filter? Right on average across the filters, under ridge, smoothness or no penalty."""

    models: tuple[Name, ...] = Field((), description="Models whose filters get intervals.")
    level: Annotated[float, Field(gt=0, lt=1)] = Field(0.95, description="Of both kinds of interval.")
    blocks: Annotated[int, Field(ge=2, le=10_000)] = Field(
        50,
        description="Stretches of rows, none across two epochs, whose scores are summed, since rows near in time are "
        "not independent; more where there are more epochs (trials). Each at least two windows long.",
    )
    method: Literal["block", "laplace", "none"] = Field(
        "block",
        description="block: from the scores of the blocks and the penalty (`H^-1 (S + n s P) H^-1`), Student's t. "
        "laplace: the curvature alone (`H^-1`), as if rows were independent. none: no intervals.",
    )


class Checks(Part):
    """Does a model fit: intervals between spikes, residuals, calibration and variability on held-out rows."""

    models: tuple[Name, ...] = Field((), description="Models whose held-out expectations are checked.")


class Inference(Part):
    """What is tested, and how sure it is. Nothing here changes a fit."""

    tests: dict[Name, TermTest] = Field({}, description="Tests of terms, by a name of your own.")
    fdr: FalseDiscoveries = Field(
        FalseDiscoveries(), description="Correction over the units of all sessions, for each test by itself."
    )
    intervals: Intervals = Field(Intervals(), description="Intervals on filters.")
    checks: Checks = Field(Checks(), description="Goodness of fit on held-out rows.")
    worth: Worth = Field(Worth(), description="What each term of a model is worth, beside the others.")
    ceiling: Ceiling = Field(Ceiling(), description="What any model could explain, where stimuli repeat.")
    controls: dict[Name, Control] = Field(
        {}, description="Fits to data without what is sought, or with fewer spikes, by a name of your own."
    )
    selection: Selection = Field(Selection(), description="Which model is the most frequent best one: a heuristic.")
    animals: dict[Name, str] = Field(
        {},
        description="The animal of each session (or recording), by a name of your own, where the file's `subject_id` "
        "is missing or wrong.",
    )
    levels: tuple[Literal["animal", "session"], ...] = Field(
        ("animal", "session"),
        description="Of intervals across sessions. [animal, session]: over animals where every session's is known and "
        "there are two or more, else over sessions. [session]: over sessions, as if each were of another animal.",
    )

    @field_validator("levels")
    @classmethod
    def _from_the_top(cls, levels: tuple[str, ...]) -> tuple[str, ...]:
        if levels not in (("animal", "session"), ("session",)):
            raise ValueError("write [animal, session] or [session]: levels stand from the top down")
        return levels

    @property
    def of_models(self) -> tuple[Checks | Worth | Ceiling, ...]:
        """The parts that have a job for each of their models."""
        return self.checks, self.worth, self.ceiling

    @property
    def interval_models(self) -> tuple[str, ...]:
        """The models whose filters get intervals."""
        return self.intervals.models if self.intervals.method != "none" else ()
