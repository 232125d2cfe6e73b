"""What a first study takes of a recording: decisions with their reasons, before any of it is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nwbglm.study.data import RESERVED

from .seen import as_name


@dataclass
class Entry:
    """One line of the study.

    Parameters
    ----------
    value
        Plain data.
    why
        What was seen, or what is to be decided.
    off
        Whether it is written as a comment: to be had by taking the sign away.
    """

    value: Any
    why: str = ""
    off: bool = False


@dataclass
class Draft:
    """A study in the making.

    Parameters
    ----------
    head
        Comments that open it.
    use
        The epochs in use.
    bin
        Width of a bin, s.
    response
        The continuous response; None for spikes.
    units
        The entry `units`.
    signals, tuning, maps, terms, models
        Entries by name.
    drives
        Names of the terms of stimuli and behaviour.
    history
        Name of the term of the units' own past; empty where there is none.
    drift
        Name of the drift term; empty where there is none.
    fit
        The entry `fit`.
    start, window
        Where what figures show begins, after the start of the epochs, and its length, s.
    """

    head: list[str] = field(default_factory=list)
    use: Entry = field(default_factory=lambda: Entry({}))
    bin: float = 0.01
    response: Entry | None = None
    units: Entry | None = None
    signals: dict[str, Entry] = field(default_factory=dict)
    tuning: dict[str, Entry] = field(default_factory=dict)
    maps: dict[str, Entry] = field(default_factory=dict)
    terms: dict[str, Entry] = field(default_factory=dict)
    models: dict[str, Entry] = field(default_factory=dict)
    drives: list[str] = field(default_factory=list)
    history: str = ""
    drift: str = ""
    fit: dict[str, Any] = field(default_factory=dict)
    start: float = 0.0
    window: float = 60.0

    def name(self, text: str, whose: str = "of") -> str:
        """Make a name for a signal out of any text; one that has a meaning already says whose it is."""
        return as_name(f"{whose}_{text}" if text in RESERVED else text, self.signals)

    def lags(self, seconds: float) -> str:
        """Write a window of about so many seconds that is a whole number of bins."""
        return duration(max(2, round(seconds / self.bin)) * self.bin)

    def signal(self, text: str, value: dict[str, Any], why: str = "") -> str:
        """Add a signal; return its name."""
        name = self.name(text, str(value.get("from", "of")).rpartition("/")[2])
        self.signals[name] = Entry(value, why)
        return name

    def term(self, name: str, value: dict[str, Any], why: str = "") -> None:
        """Add a term of a stimulus or behaviour."""
        self.terms[name] = Entry(value, why)
        self.drives.append(name)

    def drop(self, name: str, why: str) -> None:
        """Turn a signal or term off, with all that needs it."""
        if name in self.signals and not self.signals[name].off:
            self.signals[name].off, self.signals[name].why = True, why
            for entries in (self.tuning, self.maps):
                for one in list(entries):
                    if name in _named(entries[one].value["of"]):
                        del entries[one]
        for term, entry in self.terms.items():
            if not entry.off and (term == name or name in set(_inputs(entry.value))):
                entry.off, entry.why = True, why
        self.drives = [term for term in self.drives if not self.terms[term].off]
        self.history = self.history if self.history and not self.terms[self.history].off else ""
        self.drift = self.drift if self.drift and not self.terms[self.drift].off else ""

    def choose_models(self) -> None:
        """Make models of the terms that are left: each drive alone, all of them, and all with the units' past."""
        base = [self.drift] if self.drift else []
        self.models = {"drift" if base else "constant": Entry(base)}
        if self.history:
            self.models[self.history] = Entry([*base, self.history])
            if "coupling" in self.terms and not self.terms["coupling"].off:
                self.models["coupling"] = Entry([*base, self.history, "coupling"])
        for term in self.drives if 1 < len(self.drives) <= MOST_MODELS else ():
            self.models[term] = Entry([*base, term])
        if self.drives:
            self.models[self.drives[0] if len(self.drives) == 1 else "covariates"] = Entry([*base, *self.drives])
            if self.history:
                self.models["covariates+history"] = Entry([*base, *self.drives, self.history])


MOST_MODELS = 5
"""Drives that each get a model of their own."""


def _named(of: Any) -> list[str]:
    return [of] if isinstance(of, str) else list(of)


def _inputs(term: dict[str, Any]) -> Iterator[str]:
    for factor in term.get("product", [term]):
        yield factor["of"]


def duration(seconds: float) -> str:
    """Write seconds as people do."""
    if seconds < 1 - 1e-9:
        return f"{1000 * seconds:.10g} ms"
    return f"{seconds:.10g} s"


def counted(number: int, what: str) -> str:
    """Write how many there are."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def tidy(value: float, up: bool) -> float:
    """Round a bound outwards to two digits."""
    if not value or not np.isfinite(value):
        return 0.0
    step = 10.0 ** (np.floor(np.log10(abs(value))) - 1)
    return float(f"{(np.ceil if up else np.floor)(value / step) * step:.10g}")


def listed(counts: Iterable[tuple[str, int]]) -> str:
    """List values with how often each occurs."""
    return ", ".join(f"{text or '(empty)'} ({count})" for text, count in counts)
