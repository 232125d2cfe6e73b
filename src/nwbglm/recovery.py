"""After a run was killed (kill -9, a reboot of the login node): its SLURM jobs, which go on, and its lock."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from nwbglm.errors import NwbGlmError

TRIES, PAUSE = 5, 2.0
"""How often the queue is asked before it counts as out of reach, and seconds between."""


def jobs_of_folder(folder: str | Path) -> dict[str, str]:
    """Return the user's SLURM jobs that work in a folder, with their states; empty where there is no SLURM.

    Jobs of a killed run carry a name with a random part, so that ``scancel --name`` cannot find them: the folder can.

    Raises
    ------
    NwbGlmError
        The queue cannot be asked.
    """
    if shutil.which("squeue") is None:
        return {}
    place = str(Path(folder).resolve())
    for left in reversed(range(TRIES)):
        asked = subprocess.run(
            ["squeue", "--me", "--noheader", "--array", "--format=%A|%T|%Z"],
            capture_output=True,
            text=True,
            check=False,
        )
        if asked.returncode == 0:
            rows = [line.split("|", 2) for line in asked.stdout.splitlines() if line.count("|") >= 2]
            return {job: state for job, state, where in rows if where == place}
        if left:
            time.sleep(PAUSE)
    raise NwbGlmError(
        f"the queue cannot be asked: {asked.stderr.strip()}",
        where="squeue",
        mend="try again when SLURM answers: jobs of the killed run may still write",
    )


def recover(folder: str | Path, *, cancel: bool, say: Callable[[str], None] = print) -> None:
    """Wait for the jobs that a killed run left in a folder, or cancel them, and take its lock away.

    Parameters
    ----------
    folder
        Where Snakemake was started.
    cancel
        End the jobs; otherwise they are waited for, and what they finish is not computed again.
    say
        Told what happens, a line at a time.

    Raises
    ------
    NwbGlmError
        A run is alive here, or the queue cannot be asked.
    """
    if alive := running_here(folder):
        raise NwbGlmError(
            f"a run is at work here (process {', '.join(map(str, alive))})",
            where=str(Path(folder).resolve()),
            mend="nothing is to be recovered; ctrl-C ends it and its jobs",
        )
    left = jobs_of_folder(folder)
    if left:
        say(f"{len(left)} jobs of the killed run: {' '.join(f'{job} ({state})' for job, state in left.items())}")
        if cancel:
            subprocess.run(["scancel", *left], check=False)
        say("cancelled; waiting until they have ended" if cancel else "waiting for them (--cancel ends them)")
    while left:
        time.sleep(PAUSE)
        left = jobs_of_folder(folder)
    locks = Path(folder) / ".snakemake" / "locks"
    for lock in sorted(locks.glob("*.lock")):
        lock.unlink(missing_ok=True)
    say("no job of it is left, and the lock is away: start the same command again, it goes on where it was")


def running_here(folder: str | Path) -> list[int]:
    """Return the processes on this machine that run Snakemake in a folder."""
    place, found = Path(folder).resolve(), []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            ours = any(word.endswith(b"snakemake") for word in words[:4]) and b"--mode" not in words  # no job's own
            if ours and (process / "cwd").resolve() == place:
                found.append(int(process.name))
        except OSError:  # it has ended, or is another user's
            continue
    return found
