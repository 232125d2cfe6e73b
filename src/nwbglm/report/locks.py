"""Where a run cannot begin: the lock of a killed run, a path that Snakemake cannot call; light for the Snakefile."""

from __future__ import annotations

import re
from pathlib import Path

from nwbglm.errors import StudyError


def lock_words(folder: Path, command: str) -> str:
    """Say what to do about the lock of an earlier run in a folder; '' where there is none."""
    if not any((folder / ".snakemake" / "locks").glob("*")):
        return ""
    return (
        "another run is at work in this folder, or one was killed here (kill -9, a power cut, a reboot) and has left "
        f"its lock. If no other run is alive: `{command} --unlock` (with the other options of the run), then the same "
        "command as before: it goes on where it was"
    )


def refuse_place(executable: str) -> None:
    """Raise `StudyError` where the interpreter's path is one by which Snakemake cannot call jobs on other machines.

    It does not quote it. Jobs on this machine are no matter: `nwbglm.forking` runs their scripts.
    """
    if found := re.search(r"[\s'\"$`&;()<>|*?\\]", executable):
        raise StudyError(
            f"the path of the environment holds '{found[0]}', and Snakemake calls a cluster's jobs by it unquoted",
            where=executable,
            mend="clone the project to a path without such characters; recordings may lie anywhere",
        )
