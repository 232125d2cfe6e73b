"""What an audit concluded, apart from how it was reached: later stages need no more of it.

A stage that reads an audit depends on this module alone, so that a new check re-runs audits and nothing behind them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from nwbglm.content import sha256_of
from nwbglm.errors import NwbGlmError, RecordingError
from nwbglm.store.archive import damaged, unreadable

Level = Literal["pass", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """One thing that an audit found.

    Parameters
    ----------
    code
        Its kind, by which a study accepts it (`audit.ignore`) or not (`audit.fail`).
    level
        ``pass`` (worth knowing), ``warn`` (look at it), ``fail`` (the session cannot be used like this).
    path
        The object in the file, or the field of the study.
    seen
        What was seen.
    mend
        What to do.
    """

    code: str
    level: Level
    path: str
    seen: str
    mend: str = ""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The conclusion of an audit.

    Parameters
    ----------
    session
        The session's name in the study.
    recording
        The file: `file` (its name), `sha256`, `bytes`, `identifier`, `nwb_version`, `session_start`, `description`,
        `subject` (the animal, as the file calls it).
    source
        Where the file was: its path, or its address.
    findings
        Worst first.
    """

    session: str
    recording: dict[str, Any]
    source: str = ""
    findings: tuple[Finding, ...] = ()

    @property
    def verdict(self) -> Level:
        """The worst of the findings' levels."""
        levels = {finding.level for finding in self.findings}
        return next((level for level in ("fail", "warn") if level in levels), "pass")

    def at(self, place: str) -> Verdict:
        """Return the same of a recording that may have been moved since; only its content counts."""
        return replace(self, source=place)

    @property
    def failure(self) -> RecordingError | None:
        """Why the session cannot be used: the first finding that says so; None where it can."""
        failed = [finding for finding in self.findings if finding.level == "fail"]
        if not failed:
            return None
        first, others = failed[0], len(failed) - 1
        more = f" (and {others} more: see the session's audit)" if others else ""
        return RecordingError(f"the audit failed: {first.seen}{more}", where=first.path, mend=first.mend)

    def raise_if_failed(self) -> None:
        """Raise `failure`, if there is one."""
        if self.failure is not None:
            raise self.failure

    def raise_if_changed(self) -> None:
        """Raise `NwbGlmError` where the file is no longer the one that was audited (unless it is streamed)."""
        known = self.recording.get("sha256")
        if known and not Path(self.source).exists():
            raise NwbGlmError(
                "the recording is not where it was audited",
                where=self.source,
                mend="put it back, or name the study that says where it is: `nwbglm verify RESULTS --study STUDY.yaml`",
            )
        if known and sha256_of(self.source)[0] != known:
            raise NwbGlmError(
                "the recording is not the one that was audited: it was changed or replaced since",
                where=self.source,
                mend="let it be as it should, and run the same command again: it is audited anew",
            )


def read_verdict(path: str | Path) -> Verdict:
    """Read the verdict of an audit that was written as JSON."""
    plain = read_plain(path)
    findings = tuple(Finding(**finding) for finding in plain["findings"])
    known = {name: plain[name] for name in ("session", "recording", "source")}
    return Verdict(**known, findings=findings)


def plain_text(plain: dict[str, Any]) -> str:
    """Return plain data as JSON, with a seal by which `read_plain` knows that it is as it was written."""
    return json.dumps(plain | {"seal": _seal(plain)}, indent=1) + "\n"


def read_plain(path: str | Path) -> dict[str, Any]:
    """Read plain data that `plain_text` made.

    Raises
    ------
    StoreError
        The file cannot be read, or is not as it was written.
    """
    path = Path(path)
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        seal = plain.pop("seal", None)
    except (ValueError, AttributeError, TypeError) as error:
        raise damaged(path, str(error)) from error
    except OSError as error:
        raise unreadable(path, error) from error
    if seal != _seal(plain):
        raise damaged(path, "its content is not what was written")
    return plain


def _seal(plain: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
