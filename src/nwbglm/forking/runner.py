"""Snakemake's side: scripts are handed to the parent instead of to a Python of their own."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from concurrent.futures import Future
from typing import Any

THREADS = ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
"""What bounds the threads of numerical libraries: read when they are loaded, so a parent has one count of threads."""


class Parent:
    """A parent process, and the conversation with it; started with the first script that wants its count of threads."""

    def __init__(self, threads: int):
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "nwbglm.forking.parent", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=os.environ | dict.fromkeys(THREADS, str(threads)),
            )
        self._socket, self._lock, self._count = ours, threading.Lock(), 0
        self._waiting: dict[tuple[int, str], Future[dict[str, Any]]] = {}
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def start(self, script: str, environment: dict[str, str]) -> tuple[int, Future[dict[str, Any]]]:
        """Fork a child that holds still; return its process id, and what will be known when it has ended."""
        with self._lock:
            self._count += 1
            name = self._count
            started, ended = (self._waiting.setdefault((name, word), Future()) for word in ("pid", "status"))
            self._send({"id": name, "script": script, "environment": environment})
        return started.result()["pid"], ended

    def go(self, pid: int) -> None:
        """Let a child begin."""
        with self._lock:
            self._send({"go": pid})

    def _send(self, request: dict[str, Any]) -> None:
        self._socket.sendall(json.dumps(request).encode() + b"\n")

    def _listen(self) -> None:
        with contextlib.suppress(ConnectionResetError), self._socket.makefile("r", encoding="utf-8") as answers:
            for answer in map(json.loads, answers):
                word = "pid" if "pid" in answer else "status"
                self._waiting.pop((answer["id"], word)).set_result(answer)
        gone = RuntimeError("the process that runs the scripts has ended (out of memory?)")
        for future in self._waiting.values():
            future.set_exception(gone)

    def close(self) -> None:
        """End the parent, and wait until it has: what its children used is then known to the system."""
        with contextlib.suppress(OSError):  # it has ended by itself
            self._socket.shutdown(socket.SHUT_RDWR)
        self.process.wait()
        self._listener.join()
        self._socket.close()


_parents: dict[int, Parent] = {}
_starting = threading.Lock()


def parent_of(threads: int) -> Parent:
    """Return the living parent for a count of threads."""
    with _starting:
        known = _parents.get(threads)
        if known is None or known.process.poll() is not None:
            _parents[threads] = known = Parent(threads)
            atexit.register(known.close)
        return known


def run_script(script: str, *, threads: int, environment: dict[str, str], record: Any = None) -> None:
    """Run a script in a child, as `snakemake.shell` runs a command.

    Parameters
    ----------
    script
        Path of the script that Snakemake has written.
    threads
        The job's threads.
    environment
        Variables for this job alone.
    record
        Snakemake's `BenchmarkRecord`, or None. CPU time and the peak of memory are those that the system counted: its
        own samples miss jobs of less than half a second.

    Raises
    ------
    subprocess.CalledProcessError
        If it ended with another status than 0.
    """
    from snakemake.benchmark import benchmarked

    parent = parent_of(threads)
    pid, ended = parent.start(script, environment)
    with benchmarked(pid if record is not None else False, record):
        parent.go(pid)
        answer = ended.result()
    if record is not None:
        record.data_collected = True
        record.cpu_time, record.cpu_usage = answer["cpu"], 100 * answer["cpu"]
        record.max_rss = max(record.max_rss or 0, answer["peak"])
    if answer["status"]:
        raise subprocess.CalledProcessError(answer["status"], f"{sys.executable} {script}")


def install() -> None:
    """Let Snakemake run Python scripts in children of a parent, where they would run in Snakemake's own Python."""
    from snakemake.script import PythonScript

    if getattr(PythonScript.execute_script, "_forks", False):
        return
    as_ever = PythonScript.execute_script

    def execute_script(self: Any, fname: str, edit: bool = False) -> None:
        elsewhere = self.container_img is not None or self.conda_env is not None or self.env_modules is not None
        if elsewhere or edit or self.shadow_dir is not None:
            return as_ever(self, fname, edit=edit)
        temporary = self.resources.get("tmpdir")
        environment = {name: str(self.threads) for name in THREADS}
        if temporary:
            environment |= dict.fromkeys(("TMPDIR", "TMP", "TEMPDIR", "TEMP"), str(temporary))
        run_script(fname, threads=int(self.threads), environment=environment, record=self.bench_record)

    execute_script._forks = True  # type: ignore[attr-defined]
    PythonScript.execute_script = execute_script
