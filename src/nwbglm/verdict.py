"""What an audit concluded, apart from how it was reached: later stages need no more of it.

A stage that reads an audit depends on this module alone, so that a new check re-runs audits and nothing behind them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nwbglm.errors import RecordingError

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
        The file: `file` (its name), `sha256`, `bytes`, `identifier`, `nwb_version`, `session_start`, `description`.
    findings
        Worst first.
    """

    session: str
    recording: dict[str, Any]
    findings: tuple[Finding, ...] = ()

    @property
    def verdict(self) -> Level:
        """The worst of the findings' levels."""
        levels = {finding.level for finding in self.findings}
        return next((level for level in ("fail", "warn") if level in levels), "pass")

    def raise_if_failed(self) -> None:
        """Raise `RecordingError` with the first failure, if there is one."""
        failed = [finding for finding in self.findings if finding.level == "fail"]
        if failed:
            first, others = failed[0], len(failed) - 1
            more = f" (and {others} more: see the session's audit)" if others else ""
            raise RecordingError(f"the audit failed: {first.seen}{more}", where=first.path, mend=first.mend)


def read_verdict(path: str | Path) -> Verdict:
    """Read the verdict of an audit that was written as JSON."""
    plain = json.loads(Path(path).read_text(encoding="utf-8"))
    findings = tuple(Finding(**finding) for finding in plain["findings"])
    return Verdict(session=plain["session"], recording=plain["recording"], findings=findings)
