"""Jobs that are killed at an operation on the disk, each in a copy of a process that has started no thread.

A copy of a process that computes (as those that run tests do) may wait for ever for a thread that it does not have.
So this is a program of its own, ``python killed_jobs.py FILE``: it imports what the job's script imports, and no more.
"""

from __future__ import annotations

import json
import marshal
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import one_process
import pytest
from disk_faults import CODES, KINDS, Disk, faulty

from nwbglm.forking.parent import import_for


def kill(job: one_process.Job, folder: Path, good: dict[str, bytes], *, most: int | None, tmp_path: Path) -> int:
    """Kill a job at operations of every kind, and run it to its end; return how often it was killed.

    Parameters
    ----------
    job
        A job of a run whose files are there.
    folder
        The run's folder.
    good
        Every file's bytes, as an undisturbed run leaves them: after each kill a file has them, or is absent.
    most
        At how many operations of a kind, spread over all; None: at each.
    tmp_path
        Where this function may write.
    """
    told = {"code": marshal.dumps(job.code), "snakemake": job.snakemake, "folder": folder, "good": good, "most": most}
    (tmp_path / "job").write_bytes(pickle.dumps(told))
    done = subprocess.run([sys.executable, __file__, tmp_path / "job"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return int(done.stdout.splitlines()[-1])


def _main(file: Path) -> int:
    told = pickle.loads(file.read_bytes())
    job, folder, good = one_process.Job(marshal.loads(told["code"]), told["snakemake"]), told["folder"], told["good"]
    os.chdir(folder)
    import_for(Path(job.code.co_filename))
    kills = 0
    counts = _count(job, folder)
    for kind in KINDS:
        turns = range(counts[kind])
        step = 1 if told["most"] is None else max(1, -(-len(turns) // told["most"]))
        for turn in turns[step // 2 :: step]:
            kills += 1
            ended = _copied(job, folder, Disk(folder, kind, turn, CODES[0]))
            assert ended == -signal.SIGKILL, (kind, turn, ended)
            for name, content in one_process.contents(folder).items():
                assert "/." in name or good[name] == content, (kind, turn, name)
    assert _copied(job, folder, None) == 0
    return kills


class Tally(Disk):
    """Counts every kind of operation, and lets all of them be."""

    def __init__(self, folder: Path):
        super().__init__(folder, "", None, CODES[0])
        self.counts = dict.fromkeys(KINDS, 0)

    def step(self, kind: str, path: object) -> None:
        """Count an operation."""
        self.counts[kind] += self.holds(path)


def _count(job: one_process.Job, folder: Path) -> dict[str, int]:
    out, into = os.pipe()
    assert _copied(job, folder, Tally(folder), into) == 0
    os.close(into)
    with open(out, encoding="utf-8") as told:
        return json.load(told)


def _copied(job: one_process.Job, folder: Path, disk: Disk | None, into: int | None = None) -> int:
    """Run the job in a copy of this process; return how that ended. It tells `into` how much it did to the disk."""
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    status = 1
    try:
        for path in job.outputs:
            path.unlink(missing_ok=True)  # as Snakemake does before a job
        if disk is None:
            job.run()
        else:
            disk.act = lambda path: os.kill(os.getpid(), signal.SIGKILL)
            with pytest.MonkeyPatch.context() as patch, faulty(disk, patch):
                job.run()
            if into is not None and isinstance(disk, Tally):
                os.write(into, json.dumps(disk.counts).encode())
        status = 0
    finally:
        os._exit(status)


if __name__ == "__main__":
    print(_main(Path(sys.argv[1])))
