"""Errors that a user reads: what is wrong, where, and what to do about it."""

from __future__ import annotations


class NwbGlmError(Exception):
    """Anything wrong with what the user gave us, said in the user's terms.

    Parameters
    ----------
    what
        One sentence: what is wrong, with the value that was seen.
    where
        The file, and inside it the object's path or the field (``study.yaml: terms.coupling.basis``).
    mend
        One sentence: what to do, listing the options where there are a few.
    """

    def __init__(self, what: str, *, where: str = "", mend: str = ""):
        self.what, self.where, self.mend = what, where, mend
        super().__init__(what, where, mend)

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}\n  -> {self.mend}" if self.mend else head


class StudyError(NwbGlmError):
    """The study file is wrong."""


class RecordingError(NwbGlmError):
    """A recording cannot be read, or does not hold what the study asks of it."""


class StoreError(NwbGlmError):
    """A store is damaged, of another kind, or breaks its contract."""


class ProblemError(NwbGlmError):
    """A fit that the study asks for is impossible, as stated."""
