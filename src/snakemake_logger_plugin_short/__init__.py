"""What a run says on the terminal: a line a job, with what is left; of a failure the line that matters.

Snakemake's own log file (`.snakemake/log/`) keeps everything. `logger: short` in a profile chooses it; a dry run, and
`--verbose`, look as they always do.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from snakemake_interface_logger_plugins.base import LogHandlerBase

DROPPED = re.compile(
    r"Select jobs to execute|Execute \d+ jobs|Building DAG of jobs|Finished job|Elapsed time|Assuming unrestricted"
    r"|RuleException|CalledProcessError|Using shell|Provided cores|Rules claiming more|Provided resources|host: "
)
"""Messages that say what a line of ours says, or nothing."""
MATTERS = re.compile(r"^(?:[\w.]*(?:Error|Exception|Excluded|Interrupt)\b|\S+ \S+ ERROR )")
"""How the line begins that says what went wrong, in a log of a job."""
STAMP = re.compile(r"^\S+ \S+ ERROR ")
TRACEBACK = "Traceback (most recent call last)"
LONGEST = 400  # characters of that line


def what_matters(log: str) -> str:
    """Return the line of a job's log that says what went wrong; '' where none does."""
    lines = [line.rstrip() for line in log.splitlines() if line.strip()]
    for line in reversed(lines):
        if MATTERS.match(line) and TRACEBACK not in line:
            return STAMP.sub("", line)[:LONGEST]
    return lines[-1][:LONGEST] if lines else ""


def described(rule: str, wildcards: Mapping[str, Any] | None) -> str:
    """Return a job in words: its rule and its wildcards."""
    return " ".join([rule, *(f"{name}={value}" for name, value in dict(wildcards or {}).items())])


class LogHandler(LogHandlerBase):
    """Writes what a run says."""

    stream: TextIO

    def __post_init__(self) -> None:
        """Choose the stream; a dry run is shown whole."""
        self.stream = sys.stdout if self.common_settings.stdout else sys.stderr
        self.short = not (self.common_settings.dryrun or self.common_settings.verbose)
        self.jobs: dict[Any, tuple[str, float]] = {}
        self.finished: list[str] = []
        self.failed = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or a line for what several records say."""
        text = self.in_short(record) if self.short else self.format(record)
        if text:
            print(text, file=self.stream, flush=True)

    def in_short(self, record: logging.LogRecord) -> str:
        """Return what is to be said of a record; '' for nothing."""
        event = str(getattr(record, "event", None) or "")
        known = record.__dict__
        if event == "job_info":
            self.jobs[known["jobid"]] = described(known["rule_name"], known.get("wildcards")), time.monotonic()
            return ""
        if event == "job_finished":
            name, began = self.jobs.pop(known.get("job_id", known.get("jobid")), ("", 0.0))
            if name:
                self.finished.append(f"{name} ({time.monotonic() - began:.1f} s)")
            return ""
        if event == "progress":
            return self._progress(int(known["done"]), int(known["total"]))
        if event == "job_error":
            return self._failure(known)
        if event in ("workflow_started", "shellcmd", "group_info", "resources_info", "rulegraph", "job_started"):
            return ""
        message = self.format(record)
        return "" if DROPPED.search(message) else message.strip("\n")

    def _progress(self, done: int, total: int) -> str:
        names, self.finished = self.finished, []
        left = f"{total - done} left"
        first = done - len(names)
        return "\n".join(
            f"[{first + place}/{total}] {name}" + (f", {left}" if place == len(names) else "")
            for place, name in enumerate(names, start=1)
        )

    def _failure(self, known: Mapping[str, Any]) -> str:
        self.failed += 1
        name = described(known["rule_name"], known.get("wildcards"))
        name = self.jobs.pop(known["jobid"], (name, 0.0))[0]
        logs = [str(path) for path in known.get("log") or ()]
        said = next((line for path in logs if (line := what_matters(_read(path)))), "it ended without a word")
        where = f"\n  log: {', '.join(logs)}" if logs else ""
        return f"failed: {name}\n  {said}{where}"

    @property
    def writes_to_stream(self) -> bool:
        """Yes: instead of Snakemake's own handler."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """No: Snakemake's log file is written as always."""
        return False

    @property
    def has_filter(self) -> bool:
        """No: what is quiet stays so."""
        return False

    @property
    def has_formatter(self) -> bool:
        """No: what is not said in short is said as always."""
        return False

    @property
    def needs_rulegraph(self) -> bool:
        """No."""
        return False


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:  # the job never began to write
        return ""
