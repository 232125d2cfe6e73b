"""What a test of a term compares with: ways of moving its feature rows, and what each takes for granted."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field, model_validator

from .base import Name, OneOf, Part
from .quantities import Duration


class NullPart(Part):
    """One way of moving a term's rows against everything else."""

    moved: ClassVar[str]
    """What is done, for the methods text."""
    assumes: ClassVar[str]
    """What must hold for the p value to mean what it says."""


class Auto(NullPart):
    """circular where the rest has a drift term (`of: time`), else linear."""

    moved = assumes = ""


class Circular(NullPart):
    """All rows, moved round the circle of each recording; needs a drift term in the rest (`of: time`)."""

    moved = "circular shifts"
    assumes = "the term, and what the rest leaves over, are stationary with memories short beside the recording"

    least: Duration | None = Field(
        None, description="Shifts are at least this long. Default: the term's correlation time or the folds' gap."
    )


class Linear(NullPart):
    """The central half of the rows, the term slid over a quarter to each side; less power."""

    moved = "linear shifts over the central half of the rows"
    assumes = "the term or the response is stationary (Harris 2020)"


class Sessions(NullPart):
    """The term's signals in the other sessions of the study, cut to the common length; p is at least 1 / sessions."""

    moved = "the same term of the other sessions"
    assumes = "sessions are exchangeable: any of them could have had any of these signals"


class Trials(NullPart):
    """Whole trials' rows of the term are exchanged among the trials of a group."""

    moved = "permutations of whole trials"
    assumes = "trials are independent of one another, and those of a group could have come in any order"

    starts: Name | None = Field(
        None,
        description="A signal of events (`resample: events`) at which trials begin; each lasts until the next begins. "
        "Default: every epoch of `use` is a trial.",
    )
    within: tuple[Name, ...] = Field(
        (),
        description="Signals whose values at a trial's first bin say which trials may be exchanged with one another, "
        "such as the block of the task. Default: all with all.",
    )


class Draws(NullPart):
    """Other sequences that the experimenter's own generator made, or could have made (pseudosessions)."""

    moved = "draws of the experimenter's own generator"
    assumes = "the draws come from the generator that made the experiment's signals; nothing else"

    of: str = Field(
        min_length=4,
        description="A file `.npz` (`{session}` in its name is the session's), with an array (draws, bins) for each "
        "signal of the term; or (draws, samples) beside `time`, the samples' times in s. Or `FILE.py:FUNCTION`, called "
        "as `function(time, random, session)` with the bins' centres in s and a seeded numpy generator; it returns one "
        "draw (bins,), or a dict of them by signal.",
    )

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, value: Any) -> Any:
        return {"of": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _file_or_function(self) -> Draws:
        if not (self.of.endswith(".npz") or self.function):
            raise ValueError(f"'{self.of}' is neither a file `.npz` nor a function, such as draws.py:arousal")
        return self

    @property
    def function(self) -> str:
        """The name of the function, where draws are made by one; else ''."""
        name = self.of.rpartition(":")[2]
        return name if ".py:" in self.of and name.isidentifier() else ""

    def path(self, session: str) -> str:
        """Return the file that holds a session's draws, or the function."""
        return (self.of.rpartition(":")[0] if self.function else self.of).replace("{session}", session)


class Jitter(NullPart):
    """Spikes of the senders of a coupling term, moved within windows of this width."""

    moved = "spikes of the senders, moved within short windows"
    assumes = "inside a window, every place of a sender's spike was as likely as any other; slower ties are kept"

    width: Duration = Field(description="Width of the windows: twice the lags of interest.")

    @model_validator(mode="before")
    @classmethod
    def _bare_width(cls, value: Any) -> Any:
        return value if isinstance(value, dict) and "width" in value else {"width": value}


class Null(OneOf):
    """What a term's test compares with: the term's feature rows are moved, the response and the rest stay together."""

    auto: Auto | None = None
    circular: Circular | None = None
    linear: Linear | None = None
    sessions: Sessions | None = None
    trials: Trials | None = None
    draws: Draws | None = None
    jitter: Jitter | None = None
