"""What a rule needs around its science: a log file, threads set before JAX is imported, sessions left out."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
import platform
import sys
import time
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from nwbglm import store
from nwbglm.errors import NwbGlmError
from nwbglm.whole import write_text

logger = logging.getLogger("nwbglm")
MORE_MEMORY = (
    "give the job more memory (`mem_mb` of its rule in a profile), or let it take less: a lower `fit: {memory: ...}`, "
    "more `unit_blocks`, fewer jobs at once (`--cores`)"
)
FREE_SPACE = "make room on the disk (or move the folder and leave a link), then run the same command again"
NOT_YOURS = "see who owns it (ls -l), or run where you may write; then run the same command again"
DISK_MENDS = {
    errno.ENOSPC: FREE_SPACE,
    errno.EDQUOT: FREE_SPACE,
    errno.EFBIG: "a file may not be that large here: see `ulimit -f`, or take a file system without such a limit",
    errno.EIO: "the disk does not answer: look at the system's log, then run the same command again",
    errno.EACCES: NOT_YOURS,
    errno.EPERM: NOT_YOURS,
    errno.EROFS: NOT_YOURS,
}
"""What to do about what a disk answers."""
LEFT_OUT_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="480" height="40"><text x="8" y="24">left out</text></svg>\n'
)


@contextlib.contextmanager
def stage(snakemake: Any) -> Iterator[None]:
    """Run a rule's body: log what it says, and hand a session that was left out on as stores that say so.

    Only the verdict of an audit leaves a session out (`store.Excluded`). Whatever else is raised fails the job: a
    damaged store can be made again, and a problem that cannot be solved as stated is for the study to mend.

    Parameters
    ----------
    snakemake
        What Snakemake hands to a script.
    """
    set_threads(snakemake.threads)
    with _log_to(snakemake.log[0] if snakemake.log else None):
        began, cpu = time.perf_counter(), time.process_time()
        logger.info("%s", opening(snakemake))
        try:
            yield
        except store.Excluded as excluded:
            logger.info("the session was left out: %s", excluded)
            write_excluded(snakemake.output, str(excluded))
        except NwbGlmError as error:
            logger.error("%s", error)
            _stop(snakemake.rule, error)
        except MemoryError as error:
            logger.error("%s", traceback.format_exc())
            _stop(snakemake.rule, NwbGlmError(f"out of memory ({error})".replace(" ()", ""), mend=MORE_MEMORY))
        except OSError as error:
            logger.error("%s", traceback.format_exc())
            if error.errno not in DISK_MENDS:
                raise
            where = str(error.filename or "")
            _stop(snakemake.rule, NwbGlmError(str(error.strerror), where=where, mend=DISK_MENDS[error.errno]))
        except Exception:
            logger.error("%s", traceback.format_exc())
            raise
        logger.info("done in %.2f s, %.2f CPU s", time.perf_counter() - began, time.process_time() - cpu)


@contextlib.contextmanager
def phase(name: str) -> Iterator[None]:
    """Log how long a part of a job took, and its CPU seconds (all threads)."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    logger.info("%s: %.2f s, %.2f CPU s", name, time.perf_counter() - wall, time.process_time() - cpu)


def say(lines: Iterable[str]) -> None:
    """Log lines."""
    for line in lines:
        logger.info("%s", line)


def opening(snakemake: Any) -> str:
    """Return a job in words: its rule, its wildcards, its threads, what it reads."""
    named = " ".join(f"{name}={value}" for name, value in dict(snakemake.wildcards).items())
    paths = [Path(path) for path in snakemake.input]
    size = sum(path.stat().st_size for path in paths if path.is_file())
    read = f"{len(paths)} input{'s' if len(paths) != 1 else ''} of {size / 1e6:.1f} MB"
    threads = f"{snakemake.threads} thread{'s' if snakemake.threads > 1 else ''}"
    return f"{snakemake.rule} {named}".strip() + f": {threads}, {read}"


def set_threads(threads: int) -> None:
    """Bound every numerical library's threads: results differ in the last bits between thread counts."""
    for name in ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)


def compile_cache() -> Path:
    """Return the folder where compiled programs are kept between jobs.

    That of ``NWBGLM_CACHE``, or one of the user's cache for each kind of machine: programs that were compiled for one
    processor may end on another with an illegal instruction, and nodes of a cluster share a home.
    """
    if home := os.environ.get("NWBGLM_CACHE"):
        return Path(home) / "jax"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "nwbglm" / machine_kind() / "jax"


def machine_kind() -> str:
    """Name the kind of processor: equal names have equal instructions."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.is_file() else [platform.processor()]
    features = next((line for line in lines if line.startswith(("flags", "Features"))), "".join(lines[:1]))
    return f"{platform.machine()}-{hashlib.sha256(features.encode()).hexdigest()[:8]}"


def write_excluded(outputs: Any, reason: str) -> None:
    """Write each output of a stage as that of a session that was left out."""
    for output in outputs:
        path = Path(output)
        if path.name.endswith(store.SUFFIX):
            store.write_excluded(path, reason)
            continue
        if path.suffix == ".json":
            text = json.dumps({"left_out": reason}) + "\n"
        elif path.suffix == ".svg":
            text = LEFT_OUT_SVG
        elif path.suffix == ".csv":
            text = 'left_out\n"left out: ' + reason.replace('"', "'").replace("\r", " ").replace("\n", " ") + '"\n'
        else:
            raise RuntimeError(f"no way to say in '{path}' that the session was left out: {reason}")
        write_text(path, text)


def _stop(rule: str, error: NwbGlmError) -> None:
    print(f"{rule}: {error}", file=sys.stderr)
    raise SystemExit(1)


@contextlib.contextmanager
def _log_to(path: str | None) -> Iterator[None]:
    """Send the package's log, warnings included, to the rule's log file."""
    handler = logging.StreamHandler() if path is None else logging.FileHandler(path, mode="w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    targets = [logger, logging.getLogger("py.warnings")]
    logging.captureWarnings(True)
    logger.setLevel(logging.INFO)
    for target in targets:
        target.addHandler(handler)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        for target in targets:
            target.removeHandler(handler)
        handler.close()
