"""Programs that JAX compiled, kept between runs of the tests: most of the suite's time is the compiler's.

JAX writes an entry in place, so a process beside it could read half of one, and a killed one leaves it so. Each pytest
process therefore works in a folder of its own, into which whole entries are lent (hard links: nothing is copied) and
from which new ones are put back. JAX finds an entry by the program, the options and the versions, so a change of the
code needs no new folder; the folder's name has the versions and the machine, as homes are shared between machines.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

DAY = 24 * 3600.0


class Compiled:
    """The programs that are kept under a folder, and this process's own view of them.

    Attributes
    ----------
    own
        A home for the product's cache (``NWBGLM_CACHE``), of this process alone.
    """

    def __init__(self, home: Path):
        self._kept = home / key() / "kept"
        self._kept.mkdir(parents=True, exist_ok=True)
        forget(self._kept, 30 * DAY)
        forget(self._kept.parent, 2 * DAY)
        self.own = Path(tempfile.mkdtemp(prefix="run-", dir=self._kept.parent))
        self.lend(self.own)

    def environment(self) -> dict[str, str]:
        """Return the variables by which this process, and those that it starts, find the programs."""
        return {
            "NWBGLM_CACHE": str(self.own),
            "JAX_COMPILATION_CACHE_DIR": str(self.own / "jax"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
            "JAX_PERSISTENT_CACHE_ENABLE_XLA_CACHES": "",  # what GPUs keep names the folder, and so would the entries
        }

    def lend(self, home: Path) -> None:
        """Put the programs that are kept by now into a home."""
        put(self._kept, home / "jax")

    def take_back(self) -> None:
        """Keep the programs that this process compiled."""
        put(self.own / "jax", self._kept)

    def close(self) -> None:
        """Keep what is new, and remove this process's own home."""
        self.take_back()
        shutil.rmtree(self.own)


def key() -> str:
    """Name the versions and the machine that programs are compiled for."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.is_file() else [platform.processor()]
    features = next((line for line in lines if line.startswith(("flags", "Features"))), lines[0])
    machine = hashlib.sha256(features.encode()).hexdigest()[:8]
    return f"{sys.implementation.cache_tag}-jaxlib-{version('jaxlib')}-{platform.machine()}-{machine}"


def put(source: Path, target: Path) -> None:
    """Give a folder the entries of another that it lacks; each appears there whole."""
    target.mkdir(parents=True, exist_ok=True)
    for name in set(os.listdir(source)) - set(os.listdir(target)):
        try:
            os.link(source / name, target / name)
        except (FileExistsError, FileNotFoundError):
            pass  # another process put it there first, or forgot it
        except OSError:  # no hard links here
            copy = target.parent / f"{os.getpid()}.part"
            shutil.copyfile(source / name, copy)
            copy.replace(target / name)


def forget(folder: Path, seconds: float) -> None:
    """Remove entries that nobody used for so long, and homes that killed runs left."""
    for path in folder.iterdir():
        try:
            facts = path.stat()
            if time.time() - max(facts.st_mtime, facts.st_atime) < seconds:
                continue
            if path.is_file():
                path.unlink()
            elif path.name.startswith("run-"):
                shutil.rmtree(path)
        except FileNotFoundError:
            pass  # another process was faster
