"""The lock that a killed run leaves; light, because the Snakefile asks at its beginning."""

from __future__ import annotations

from pathlib import Path


def lock_words(folder: Path, command: str) -> str:
    """Say what to do about the lock of an earlier run in a folder; '' where there is none."""
    if not any((folder / ".snakemake" / "locks").glob("*")):
        return ""
    return (
        "another run is at work in this folder, or one was killed here (kill -9, a power cut, a reboot) and has left "
        f"its lock. If no other run is alive: `{command} --unlock` (with the other options of the run), then the same "
        "command as before: it goes on where it was"
    )
