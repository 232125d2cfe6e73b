"""The study's part about models and fits: terms together, penalties, folds.

A penalty is added here, as a class of its settings and words and its line in `Penalty`; and in `engine.penalties`, as
the class that computes it. A test holds the two equal.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)

from .base import Name, OneOf, Part
from .observations import OBSERVATION_MODELS
from .quantities import Duration, Size, parse_number

MOST_STRENGTHS = 1000
"""Of one path: a finer one tells no more."""
STRONGEST = 1e12
"""Far above what leaves every coefficient at 0."""


def parse_strengths(value: Any) -> Any:
    """Read one strength, a list, or ``{log: [first, last, count]}`` as a tuple."""
    if isinstance(value, dict):
        if "per" in value:
            raise ValueError(
                "a strength for each term is for ridge and smoothness: write a number, a list, or {log: ...}"
            )
        if set(value) != {"log"} or not isinstance(value["log"], (list, tuple)) or len(value["log"]) != 3:
            raise ValueError("write a number, a list, or {log: [first, last, count]}")
        first, last = (parse_number(end) for end in value["log"][:2])
        count = parse_number(value["log"][2])
        if first <= 0 or last <= 0:
            raise ValueError("log: first and last must be above 0")
        if not 2 <= count <= MOST_STRENGTHS or count != int(count):
            raise ValueError(f"log: the count must be a whole number from 2 to {MOST_STRENGTHS}")
        count = int(count)
        low, high = math.log10(first), math.log10(last)
        return tuple(float(f"{10 ** (low + (high - low) * i / (count - 1)):.12g}") for i in range(count))
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


_NUMBER = {"type": "number", "minimum": 0, "maximum": STRONGEST}
_LOG = {"log": {"type": "array", "minItems": 3, "maxItems": 3}}
_WAYS: list[dict[str, Any]] = [
    _NUMBER,
    {"type": "array", "items": _NUMBER, "minItems": 1},
    {"type": "object", "properties": _LOG, "required": ["log"]},
]
"""The ways to write strengths, for the schema."""

Strengths = Annotated[
    tuple[Annotated[float, Field(ge=0, le=STRONGEST)], ...],
    BeforeValidator(parse_strengths),
    Field(min_length=1, max_length=MOST_STRENGTHS),
    WithJsonSchema({"anyOf": _WAYS}),
]


class PerTerm(Part):
    """A strength for each term, chosen from the data."""

    per: Literal["term"] = Field(description="What has a strength of its own.")
    by: Literal["evidence", "search"] = Field(
        "evidence",
        description="evidence: each unit's strengths are those of the largest marginal likelihood (Laplace, restricted "
        "maximum likelihood) of the rows that it is trained on, each fold's of its own training rows; no held-out row "
        "is asked. search: random candidates, chosen by held-out likelihoods as a path is.",
    )
    candidates: Annotated[int, Field(ge=2, le=MOST_STRENGTHS)] = Field(
        40,
        description="by: search. How many are tried: overall strengths evenly spaced on a log axis, each with random "
        "shares of the terms; every fifth treats all terms alike.",
    )
    between: tuple[Annotated[float, Field(gt=0, le=STRONGEST)], Annotated[float, Field(gt=0, le=STRONGEST)]] = Field(
        (1e-6, 10.0), description="by: search. Least and largest overall strength."
    )

    @model_validator(mode="after")
    def _sensible(self) -> PerTerm:
        if self.between[0] >= self.between[1]:
            raise ValueError("between: write the least strength first, such as [1e-6, 10]")
        if self.by == "evidence" and self.changed & {"candidates", "between"}:
            raise ValueError("candidates and between go with by: search")
        return self

    @property
    def path(self) -> tuple[float, ...]:
        """Overall strengths, ascending; a single 1 for the evidence, where each unit and fold has its own."""
        if self.by == "evidence":
            return (1.0,)
        low, high = (math.log10(end) for end in self.between)
        last = self.candidates - 1
        return tuple(10 ** (low + (high - low) * i / last) for i in range(self.candidates))

    def describe(self) -> str:
        """Say it in words, for the methods text."""
        if self.by == "evidence":
            return (
                "a strength for each term by the evidence (Laplace, restricted maximum likelihood) of the training rows"
            )
        low, high = self.between
        return f"a strength for each term, of {self.candidates} random candidates from {low:g} to {high:g} overall"


def _path_or_terms(value: Any, read: Any) -> Any:
    """Read strengths of terms, or a path."""
    if isinstance(value, PerTerm) or not (isinstance(value, dict) and "per" in value):
        return value if isinstance(value, PerTerm) else read(value)
    try:
        return PerTerm.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(key) for key in first["loc"])
        known = ", ".join(PerTerm.model_fields)
        raise ValueError(f"{where}: {first['msg']} (a strength for each term has: {known})".lstrip(": ")) from None


PathOrTerms = Annotated[
    Strengths,
    WrapValidator(_path_or_terms),
    PlainSerializer(lambda value: value.dump() if isinstance(value, PerTerm) else list(value)),
    WithJsonSchema({"anyOf": [*_WAYS, PerTerm.model_json_schema()]}),
]


class NoPenalty(Part):
    """Maximum likelihood."""

    def describe(self) -> str:
        """Say it in words, for the methods text."""
        return "no penalty"


class Penalised(Part):
    """What every penalty has: a path of strengths, and what coefficients are measured in."""

    strength: Strengths = Field(description="One strength, a list, or {log: [first, last, count]}.")
    scale: Literal["sd", "raw"] = Field(
        "sd",
        description="Penalise coefficients per standard deviation of their feature, or as they are (as NeMoS does).",
    )

    words: ClassVar[str]

    def describe(self) -> str:
        """Say it in words, for the methods text."""
        if isinstance(self.strength, PerTerm):
            on = "per standard deviation of each feature" if self.scale == "sd" else "on the features' own scale"
            return f"{self.words}, {self.strength.describe()}, {on}"
        strengths = sorted(set(self.strength))
        many = f"{len(strengths)} strengths from {strengths[0]:g} to {strengths[-1]:g}"
        steps = [high / low for low, high in pairwise(strengths)] if strengths[0] > 0 else [0.0, 1.0]
        if len(strengths) > 2 and max(steps) > min(steps) * 1.001:  # not in equal ratios: each is named
            many = f"{len(strengths)} strengths ({', '.join(f'{strength:g}' for strength in strengths)})"
        of = many if len(strengths) > 1 else f"strength {strengths[0]:g}"
        on = "per standard deviation of each feature" if self.scale == "sd" else "on the features' own scale"
        return f"{self.words}, {of} {on}"


STRENGTHS_OF_TERMS = (
    "One strength, a list, {log: [first, last, count]}, or a strength for each term, chosen from the data: {per: term} "
    "by the evidence (each unit's largest marginal likelihood, of the training rows alone), {per: term, by: search, "
    "candidates: 40, between: [1e-6, 10]} by held-out likelihoods of random candidates."
)


class Relative(Penalised):
    """A penalty whose strength may differ between terms."""

    relative: dict[Name, Annotated[float, Field(ge=0, le=STRONGEST)]] = Field(
        {}, description="Strength for a term's coefficients as a multiple of `strength`. Default: 1 for each."
    )

    def describe(self) -> str:
        """Say it in words, for the methods text."""
        relative = ", ".join(f"{value:g} times that for '{term}'" for term, value in self.relative.items())
        return super().describe() + (f" ({relative})" if relative else "")


class Ridge(Relative):
    """Half the strength times the sum of squared coefficients; the intercept is free."""

    words = "ridge"

    strength: PathOrTerms = Field(description=STRENGTHS_OF_TERMS)


class Smoothness(Relative):
    """Half the strength times the sum of squared differences between a term's neighbouring coefficients.

    Neighbours are functions of one input that follow each other over lags or values (round the circle where the basis
    is cyclic). Terms whose functions have no order (identity, polynomials, categories, products) are left free.
    """

    words = "smoothness"

    strength: PathOrTerms = Field(description=STRENGTHS_OF_TERMS)

    order: Annotated[int, Field(ge=1, le=4)] = Field(2, description="1: differences; 2: second differences.")
    scale: Literal["sd", "raw"] = Field(
        "raw", description="Differences of coefficients as they are, or of those per standard deviation."
    )


class Lasso(Relative):
    """The strength times the sum of absolute coefficients: many become exactly 0."""

    words = "lasso"


class ElasticNet(Penalised):
    """The strength times a mixture of the sum of absolute and half the sum of squared coefficients."""

    words = "elastic net"

    ratio: Annotated[float, Field(ge=0, le=1)] = Field(0.5, description="Share of the absolute values; 1 is the lasso.")


class GroupLasso(Relative):
    """The strength times the norm of each group, weighted by the root of its size: whole groups become exactly 0."""

    words = "group lasso"

    groups: Literal["input", "term"] = Field(
        "input", description="One group for each input of a term (a sender, a signal), or for each whole term."
    )


class Penalty(OneOf):
    """What is added to the mean negative log-likelihood of a unit."""

    none: NoPenalty | None = None
    ridge: Ridge | None = None
    smoothness: Smoothness | None = None
    lasso: Lasso | None = None
    elastic_net: ElasticNet | None = None
    group_lasso: GroupLasso | None = None

    @property
    def strengths(self) -> tuple[float, ...]:
        """The path of strengths, ascending; a single 0 without a penalty."""
        if self.per_term:
            return self.per_term.path
        return tuple(sorted(set(getattr(self.settings, "strength", (0.0,)))))

    @property
    def per_term(self) -> PerTerm | None:
        """How strengths of terms are chosen, where each has its own."""
        strength = getattr(self.settings, "strength", None)
        return strength if isinstance(strength, PerTerm) else None


class Folds(Part):
    """How rows are held out: in contiguous pieces, with a gap so that no test row's history was trained on.

    Written as `none`, nothing is held out: fits and scores are in sample only, as in textbook analyses.
    """

    blocks: Annotated[int, Field(ge=0, le=1000)] = Field(
        5, description="Number of folds; 0: only the epochs `train` and `test`."
    )
    cut: Literal["rows", "within_epochs", "epochs", "sessions", "none"] = Field(
        "rows",
        description="rows: cut all kept rows into contiguous blocks. within_epochs: cut every epoch (trial, sweep) so, "
        "each fold testing a piece of each. epochs: hold out whole epochs. sessions: hold out one recording of a "
        "joined session after the other (`join`); there are as many folds as recordings. none: nothing is held out "
        "(`folds: none` says the same).",
    )
    pieces: Annotated[int, Field(ge=2, le=10_000)] | None = Field(
        None,
        description="With cut: rows. Cut into this many short pieces and deal them to the folds in turn, so that each "
        "fold tests all of the session: a term of slow drift cannot be scored otherwise. Default: as many as folds.",
    )
    deal: Literal["in_order", "interleaved", "random"] = Field(
        "in_order",
        description="With cut: epochs. Neighbours share a fold; or they go to the folds in turn; or at random, seeded.",
    )
    gap: Literal["auto"] | Duration = Field(
        "auto",
        description="Purged on both sides of a test block. auto: the longest history of any term, and one bin.",
    )

    @model_validator(mode="before")
    @classmethod
    def _bare_none(cls, value: Any) -> Any:
        if value == "none":
            return {"blocks": 0, "cut": "none"}
        return {"blocks": 0, **value} if isinstance(value, dict) and value.get("cut") == "none" else value

    @property
    def in_sample(self) -> bool:
        """Whether the study says that nothing is held out."""
        return self.cut == "none"

    @model_validator(mode="after")
    def _sensible(self) -> Folds:
        if self.in_sample and (self.blocks or self.gap != "auto"):
            raise ValueError("cut: none holds nothing out, so it has no blocks and no gap")
        if self.pieces is not None and (self.cut != "rows" or not self.blocks):
            raise ValueError("pieces: goes with cut: rows and 2 blocks or more")
        if self.pieces is not None and self.pieces < self.blocks:
            raise ValueError(f"pieces: {self.pieces} cannot be dealt to {self.blocks} folds; use a multiple of blocks")
        if self.blocks == 1:
            raise ValueError("blocks: one fold leaves nothing to train on; use 2 or more, or 0 for none")
        if self.cut == "sessions" and "blocks" in self.changed and self.blocks:
            raise ValueError("blocks: with cut: sessions there is one fold for each recording; leave it out")
        if self.deal != "in_order" and self.cut != "epochs":
            raise ValueError("deal: goes with cut: epochs")
        return self


if TYPE_CHECKING:
    Observations = str
else:
    Observations = Literal[tuple(OBSERVATION_MODELS)]
OBSERVATIONS = "Distribution of a response given its mean, and the link: " + "; ".join(
    f"{name}: {model.words}" for name, model in OBSERVATION_MODELS.items()
)


class Model(Part):
    """Terms that act together on each unit (their sum, through the link)."""

    terms: tuple[Name, ...] = Field((), description="Names of terms; none is the constant model.")
    penalty: Penalty | None = Field(None, description="Default: that of `fit`.")
    halves: bool = Field(False, description="Also fit each half of the fit epochs alone (descriptive, as in the seed).")
    rows: Literal["shared", "own"] | None = Field(None, description="Default: that of `fit`.")
    choose: Literal["best", "one_se"] | None = Field(None, description="Default: that of `fit`.")
    observations: Observations | None = Field(None, description="Default: that of `fit`.")

    @model_validator(mode="before")
    @classmethod
    def _plain_list(cls, value: Any) -> Any:
        return {"terms": value} if isinstance(value, (list, tuple)) else value


class Fit(Part):
    """How all models are fitted and scored."""

    observations: Observations = Field("poisson", description=f"{OBSERVATIONS}.")
    penalty: Penalty = Field(
        Penalty.model_validate({"ridge": {"strength": {"log": [1e-6, 1, 8]}}}),
        description="For models that name none.",
    )
    rows: Literal["shared", "own"] = Field(
        "shared",
        description="Fit and score all models on the rows that every one can use, or each on all it can use.",
    )
    folds: Folds = Field(Folds(), description="Cross-validation.")
    choose: Literal["best", "one_se"] = Field(
        "best",
        description="Strength of the highest held-out likelihood, or the largest within one standard error of it.",
    )
    nested: bool = Field(
        False,
        description="Choose the strength of a fold's score from fits that saw nothing of the fold: blocks - 1 times "
        "the work. Otherwise it is chosen by the scores of the other folds, whose fits were trained on it.",
    )
    tolerance: Annotated[float, Field(gt=0, le=1)] = Field(
        1e-10, description="Distance from the least objective (nats per row) at which a fit is done."
    )
    summed_tolerance: Annotated[float, Field(gt=0, le=1e6)] = Field(
        2e-6,
        description="The same in the sum over a fit's training rows (nats); both must hold. Coefficients are then "
        "within sqrt(2 x this) standard errors of the optimum, however rare spikes are; a hundred times nearer with "
        "27 features or fewer. With precision: float32 it is not asked for.",
    )
    precision: Literal["float64", "float32"] = Field(
        "float64",
        description="Arithmetic of the passes over the data; sums and certificates' algebra stay in float64. float32 "
        "halves the memory; log-likelihoods then err by less than 1e-6 nats a bin (3e-8 for 19 units and 152 "
        "features), and the fits end as close to the optimum (2e-11 there).",
    )
    memory: Size = Field(
        4 * 10**9,
        description="Features that need more are not kept in memory but made again for each pass over the data. It "
        "belongs to the study, not to the machine, because results may differ in their last digits.",
    )
    gpus: Annotated[int, Field(ge=0, le=64)] = Field(0, description="GPUs a fit asks for.")

    def of_model(self, model: Model) -> Fit:
        """Return these settings with what the model says differently; without terms there is nothing to penalise."""
        own = {name: getattr(model, name) for name in ("penalty", "rows", "choose", "observations")}
        if not model.terms:
            own["penalty"] = Penalty.model_validate("none")
        return self.model_copy(update={name: value for name, value in own.items() if value is not None})
