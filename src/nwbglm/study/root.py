"""The whole study: its parts together, what they say of one another, and what each rule depends on."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from nwbglm.content import endless
from nwbglm.errors import StudyError

from .base import Name, Part, mistakes_error, nearest, validate
from .cost import Limits, cost_of, too_much
from .data import DataSettings
from .fitting import Fit, Model
from .inference import Inference
from .loading import read_yaml
from .patterns import expand_patterns
from .quantities import AnyDuration, Duration, Seed, UnitId
from .references import reference_mistakes
from .responses import default_observations
from .terms import Term

FOLD_NAMES = ("test", "pooled")
"""What tables call folds that are no recording's."""


class Simulated(Part):
    """A recording made from known truth."""

    kind: Literal["head_direction", "injected_current", "trials"] = Field(description="Which generator.")
    seed: Seed = Field(description="Its seed.")


class Source(Part):
    """Where a recording comes from: a path (or a pattern for many), an address with its hash, or a simulation."""

    path: str | None = Field(
        None, description="A path, or a pattern such as `data/*.nwb`, which makes one session a file."
    )
    url: str | None = Field(
        None, description="An address (http, https, dandi://) to download from, once, or to stream."
    )
    stream: bool = Field(
        False,
        description="Read the parts that are used over the network, at each stage, instead of downloading the file. "
        "Its bytes are not hashed: the report names the address, the size and the server's tag.",
    )
    sha256: Annotated[str, Field(pattern="^[0-9a-fA-F]{64}$")] | None = Field(
        None, description="The file's hash; needed with url."
    )
    simulate: Simulated | None = Field(None, description="Make the recording, with known truth.")

    @model_validator(mode="before")
    @classmethod
    def _plain_path(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = {"url": value} if "://" in value else {"path": value}
        if isinstance(value, dict) and str(value.get("url")).startswith("dandi://"):
            value = {"stream": True, **value}
        return value

    @model_validator(mode="after")
    def _one_source(self) -> Source:
        if sum(source is not None for source in (self.path, self.url, self.simulate)) != 1:
            raise ValueError("name exactly one of: path, url (with sha256), simulate")
        if self.stream and (self.url is None or self.sha256 is not None):
            raise ValueError("stream goes with a url, and without sha256: a file that is not read whole has no hash")
        if self.url is not None and not self.stream and self.sha256 is None:
            raise ValueError("a url needs its sha256, so that everybody analyses the same bytes (or stream: true)")
        return self

    @property
    def made(self) -> str:
        """Which rule makes the file: `simulate`, `download`, or '' for a file that is there or that is streamed."""
        return "simulate" if self.simulate else "download" if self.url and not self.stream else ""

    @property
    def streamed(self) -> str:
        """The address of a file that is read over the network, or ''."""
        return (self.url or "") if self.stream else ""


class Recording(Part):
    """One entry of the recordings."""

    nwb: Source = Field(description="Where the NWB file is.")


class Join(Part):
    """Recordings of the same units on several occasions, which are fitted as one session."""

    sessions: tuple[Name, ...] = Field(min_length=2, description="Names of the recordings, in order.")
    match: str | None = Field(
        None,
        description="Column of the units table that names the same unit in every recording, such as `cluster_id`. "
        "Default: the NWB unit id. Units that are not in every recording are left out.",
    )

    @model_validator(mode="before")
    @classmethod
    def _plain_list(cls, value: Any) -> Any:
        return {"sessions": value} if isinstance(value, (list, tuple)) else value


class Smooth(Part):
    """The Gaussian that smooths counts and rates in figures."""

    std: Duration = Field(0.05, description="Its standard deviation.")
    size_factor: Annotated[int, Field(ge=1, le=1000)] = Field(20, description="Its full width in standard deviations.")


class Window(Part):
    """The stretch of time that figures show."""

    start: AnyDuration = Field(0.0, description="From the start of the fit epochs.")
    length: Duration = Field(20.0, description="How long.")


class Figures(Part):
    """What the figures show."""

    unit: UnitId | None = Field(
        None, description="NWB id of the example unit. Default: the first by preferred value, or the busiest."
    )
    window: Window = Field(Window(), description="The stretch of time that figures show.")
    smooth: Smooth = Field(Smooth(), description="Smoothing of counts and rates.")
    pdf: tuple[Annotated[float, Field(ge=40, le=400)], ...] = Field(
        (), description="Widths in mm at which every figure is written as PDF too, such as [85, 180]; fonts embedded."
    )
    movie: bool = Field(False, description="Write animated figures as GIF, too.")


class Study(DataSettings):
    """A study file."""

    study: Name = Field(description="The study's name; its results go to results/<study>.")
    description: str = Field("", description="What is asked, in a sentence or two; it opens the report.")
    seed: Seed = Field(0, description="All randomness derives from it.")
    recordings: dict[Name, Recording] = Field(min_length=1, description="The sessions, by name.")
    join: dict[Name, Join] = Field(
        {},
        description="Recordings of the same units that are fitted as one session, by a name of your own: a list of "
        "recordings, or `sessions` and `match`. They are not fitted alone then. Nothing convolves across them.",
    )
    bad_sessions: Literal["leave_out", "stop"] = Field(
        "leave_out", description="A session that fails its audit is left out and reported, or stops the run."
    )
    terms: dict[Name, Term] = Field({}, description="What may drive a unit, by a name of your own.")
    models: dict[Name, Model] = Field(min_length=1, description="Lists of terms, by a name of your own.")
    fit: Fit = Field(Fit(), description="How all models are fitted and scored.")
    inference: Inference = Field(Inference(), description="What is tested, and how sure it is.")
    unit_blocks: Annotated[int, Field(ge=1, le=10_000)] = Field(
        1, description="Split each session's units over this many jobs."
    )
    figures: Figures = Field(Figures(), description="What the figures show.")
    limits: Limits = Field(Limits(), description="What the study may cost; above it nothing starts.")

    @field_validator("recordings", mode="before")
    @classmethod
    def _expand_patterns(cls, value: Any) -> Any:
        return expand_patterns(value) if isinstance(value, dict) else value

    @model_validator(mode="before")
    @classmethod
    def _default_observations(cls, value: Any) -> Any:
        return default_observations(value) if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _sound_joins(self) -> Study:
        mistakes = join_mistakes(self)
        if mistakes:
            raise ValueError("\n".join(mistakes))
        return self

    @property
    def sessions(self) -> tuple[str, ...]:
        """The sessions that are fitted: recordings by themselves, and joined ones in the place of their first."""
        joined = {member: name for name, join in self.join.items() for member in join.sessions}
        return tuple(dict.fromkeys(joined.get(name, name) for name in self.recordings))

    def shown_dump(self) -> dict[str, Any]:
        """Return what figures depend on, as plain data: not where recordings lie, nor how jobs are run."""
        plain = self.dump()
        fit = {name: value for name, value in plain.get("fit", {}).items() if name != "gpus"}
        unseen = ("description", "unit_blocks", "bad_sessions", "audit", "fit")
        shown = {name: value for name, value in plain.items() if name not in unseen}
        return shown | {"fit": fit, "recordings": {name: {"nwb": "moved.nwb"} for name in self.recordings}}

    def shown_of(self, session: str, shown: dict[str, Any]) -> dict[str, Any]:
        """Return the part of `shown_dump` that one session's figures depend on: no other session's."""
        recordings = {name: shown["recordings"][name] for name in self.members(session)}
        join = {name: join for name, join in shown.get("join", {}).items() if name == session}
        return shown | {"recordings": recordings} | ({"join": join} if "join" in shown else {})

    def refuse_missing(self) -> None:
        """Raise `StudyError` that names each recording whose file is not there."""
        gone = {
            name: recording.nwb.path
            for name, recording in self.recordings.items()
            if recording.nwb.path and not Path(recording.nwb.path).exists()
        }
        missing = [f"recordings.{name}.nwb: there is no file '{path}'" for name, path in gone.items()]
        missing += [
            f"recordings.{name}.nwb: '{recording.nwb.path}' is neither a file nor a folder, and has no end"
            for name, recording in self.recordings.items()
            if recording.nwb.path and name not in gone and endless(recording.nwb.path)
        ]
        missing += [
            f"inference.tests.{test}.null.draws.of: there is no file '{path}'"
            for test in self.inference.tests
            for path in dict.fromkeys(self.draws_file(test, session) for session in self.sessions)
            if path and not Path(path).exists()
        ]
        if missing:
            raise StudyError(
                "; ".join(missing),
                where=f"the study '{self.study}'",
                mend=f"paths are seen from {Path.cwd()}: run there, or write where the files are",
            )

    def draws_file(self, test: str, session: str) -> str:
        """Return the file with (or the function for) the draws of a test's null in a session; '' where it has none."""
        null = self.inference.tests[test].null
        return null.settings.path(session) if null.kind == "draws" else ""

    def others(self, test: str, session: str) -> tuple[str, ...]:
        """Return the sessions that a session's null draws from."""
        wanted = self.inference.tests[test].null.kind == "sessions"
        return tuple(name for name in self.sessions if wanted and name != session)

    def members(self, session: str) -> tuple[str, ...]:
        """Return the recordings of a session."""
        return self.join[session].sessions if session in self.join else (session,)

    @property
    def data(self) -> DataSettings:
        """The part that the data stages depend on."""
        return DataSettings.model_construct(**{name: getattr(self, name) for name in DataSettings.model_fields})

    @property
    def used_terms(self) -> tuple[str, ...]:
        """The terms that some model uses, in the study's order."""
        return tuple(name for name in self.terms if any(name in model.terms for model in self.models.values()))

    def rest_has_drift(self, test: str) -> bool:
        """Whether the rest of a tested model has a term of time itself, which takes the response's slow drift."""
        tested = self.inference.tests[test]
        return self.has_drift(term for term in self.models[tested.model].terms if term != tested.term)

    def has_drift(self, terms: Iterable[str]) -> bool:
        """Whether some of these terms are of time itself."""
        return any(self.signals[name].of == "time" for term in terms for name in self.terms[term].signals)

    def parts_of(self, name: str) -> tuple[str, ...]:
        """Return the models that are another without one of its terms, or one of its terms alone, all else equal."""
        whole = self.model_settings(name)
        parts = [frozenset(whole.terms) - {term} for term in whole.terms] + [frozenset([term]) for term in whole.terms]
        alike = {"terms": (), "halves": False}
        return tuple(
            other
            for other in self.models
            if frozenset(self.models[other].terms) in parts
            and other != name
            and self.fit.of_model(whole).rows == "shared"
            and self.model_settings(other).model_copy(update=alike) == whole.model_copy(update=alike)
        )

    def model_settings(self, name: str) -> Model:
        """Return a model with `fit`'s penalty where it names none."""
        model = self.models[name]
        return model if model.penalty is not None else model.model_copy(update={"penalty": self.fit.penalty})


def join_mistakes(study: Study) -> list[str]:
    """List what is wrong with the joined sessions, with paths."""
    mistakes: list[str] = []
    home: dict[str, str] = {}
    for name, join in study.join.items():
        if name in study.recordings:
            mistakes.append(f"join.{name}: there is a recording of this name; choose another")
        for i, member in enumerate(join.sessions):
            if member not in study.recordings:
                mistakes.append(
                    f"join.{name}.sessions[{i}]: there is no recording '{member}'; {nearest(member, study.recordings)}"
                )
            elif member in home:
                mistakes.append(f"join.{name}.sessions[{i}]: '{member}' is already part of '{home[member]}'")
            home[member] = name
            if member in FOLD_NAMES:
                mistakes.append(f"join.{name}.sessions[{i}]: '{member}' means something else in tables; rename it")
    alone = [name for name in study.recordings if name not in home]
    if not mistakes and study.fit.folds.cut == "sessions" and study.fit.folds.blocks and alone:
        mistakes.append(
            f"fit.folds.cut: sessions holds out one recording of a joined session, and '{alone[0]}' is not in `join`"
        )
    return mistakes


def read_study(config: dict[str, Any], where: str = "study file") -> Study:
    """Validate a study that is already loaded (Snakemake's `config`).

    Raises
    ------
    StudyError
        With every mistake in it; or if it would cost more than its `limits`.
    """
    if not config:
        raise StudyError("the study is empty", where=where, mend="name a study file: --configfile config/<study>.yaml")
    study = validate(Study, config, where, also=reference_mistakes)
    if lines := too_much(cost_of(study), study.limits):
        raise mistakes_error(lines, where)
    return study


def load_study(path: str | os.PathLike[str]) -> Study:
    """Read and validate a study file."""
    return read_study(read_yaml(path), str(path))


def configured_study(config: dict[str, Any], files: Iterable[str | os.PathLike[str]]) -> Study:
    """Validate the study of a run, and the files that it was read from.

    Snakemake reads YAML by itself and takes the last of two equal names in silence: the files are read again here, only
    to refuse what `load_study` would. What counts is `config`, which ``--config`` may have changed.
    """
    files = list(files)
    for file in files:
        read_yaml(file)
    return read_study(config, ", ".join(map(str, files)) or "the configuration")
