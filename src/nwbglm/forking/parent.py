"""The parent: ``python -m nwbglm.forking.parent FD``. It never starts a thread, so that its forks are sound.

It reads requests, a JSON line each, from a socket, and answers with lines: the child's process id, later how it ended.
"""

from __future__ import annotations

import ast
import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PREAMBLE = ("snakemake.iocontainers", "snakemake.logging", "snakemake.script")
"""What the head that Snakemake puts before a script imports."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)


def main(number: int) -> None:
    """Serve requests from a socket's file descriptor until its other end is closed."""
    connection = socket.socket(fileno=number)
    wake, waking = os.pipe()
    for end in (wake, waking):
        os.set_blocking(end, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C reaches the children, too, and ends them
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
    for name in PREAMBLE:
        importlib.import_module(name)
    running: dict[int, tuple[Any, int]] = {}
    unread = b""
    while True:
        readable = select.select([connection.fileno(), wake], [], [])[0]
        if wake in readable:
            with contextlib.suppress(BlockingIOError):
                os.read(wake, 4096)
            _report_ended(connection, running)
        if connection.fileno() not in readable:
            continue
        received = connection.recv(2**16)
        if not received:  # Snakemake has ended, or was killed: nothing may write where the next run writes
            for pid in running:
                os.kill(pid, signal.SIGTERM)
            return
        *lines, unread = (unread + received).split(b"\n")
        for request in map(json.loads, lines):
            if "go" in request:
                os.write(running[request["go"]][1], b"g")
                continue
            started = _start(request, [connection.fileno(), wake, waking])
            running[started[0]] = (request["id"], started[1])
            _send(connection, {"id": request["id"], "pid": started[0]})


def _start(request: dict[str, Any], ours: list[int]) -> tuple[int, int]:
    """Fork a child for a request; it waits for a byte. Return its process id and where to write the byte."""
    known = len(sys.modules)
    with contextlib.suppress(Exception):  # the script meets it again, and says so where its log hears it
        import_for(Path(request["script"]))
    if len(sys.modules) > known:
        gc.collect()
        gc.freeze()  # pages that no collection touches stay shared with the children
    waits, lets_go = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # JAX warns of any fork; here it has started nothing yet
        pid = os.fork()
    if pid:
        os.close(waits)
        return pid, lets_go
    signal.set_wakeup_fd(-1)
    for which in SIGNALS:
        signal.signal(which, signal.default_int_handler if which == signal.SIGINT else signal.SIG_DFL)
    for descriptor in [*ours, lets_go]:
        os.close(descriptor)
    os._exit(_run(request, waits))


def _run(request: dict[str, Any], waits: int) -> int:
    """Run a script in the child, as Python would as its main program; return the exit status."""
    status = 1
    try:
        if not os.read(waits, 1):
            return status
        os.close(waits)
        os.environ.update(request["environment"])
        sys.argv = [request["script"]]
        runpy.run_path(request["script"], run_name="__main__")
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    with contextlib.suppress(Exception):
        threading._shutdown()  # type: ignore[attr-defined]  # what an interpreter does before its exit functions
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    return status


def _report_ended(connection: socket.socket, running: dict[int, tuple[Any, int]]) -> None:
    """Tell of each child that has ended: its status, CPU seconds and peak memory, as the system counted them."""
    while running:
        pid, status, used = os.wait4(-1, os.WNOHANG)
        if not pid:
            return
        name, lets_go = running.pop(pid)
        os.close(lets_go)
        _send(
            connection,
            {
                "id": name,
                "status": os.waitstatus_to_exitcode(status),
                "cpu": used.ru_utime + used.ru_stime,
                "peak": used.ru_maxrss / 1024,
            },
        )


def _send(connection: socket.socket, answer: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the main loop will see that nobody listens
        connection.sendall(json.dumps(answer).encode() + b"\n")


def import_for(script: Path) -> None:
    """Import the modules that a script imports, wherever in it, but not what it names for type checkers only."""
    for name, attributes in named_imports(ast.parse(script.read_bytes()).body):
        module = importlib.import_module(name)
        for attribute in attributes:
            if not hasattr(module, attribute):  # `from nwbglm.engine import cache` names a module
                importlib.import_module(f"{name}.{attribute}")


def named_imports(statements: list[ast.stmt]) -> Iterator[tuple[str, list[str]]]:
    """List the modules that statements import, with the names taken from them."""
    for node in statements:
        if isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module, [alias.name for alias in node.names]
        elif isinstance(node, ast.With | ast.FunctionDef):
            yield from named_imports(node.body)


if __name__ == "__main__":
    main(int(sys.argv[1]))
