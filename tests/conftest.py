"""What every test may use: shared recordings, programs compiled by earlier runs, threads set before JAX is imported."""

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from compiled import Compiled

for _name in ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

# The machine is shared and the gate must not depend on luck: no deadlines, the same examples each time.
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True)
hypothesis.settings.load_profile("repeatable")

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"

COMPILED = pytest.StashKey[Compiled]()


def pytest_configure(config: pytest.Config) -> None:
    """Lend this process the programs that earlier runs compiled (the process that only hands out tests needs none)."""
    from nwbglm.log import compile_cache  # after the threads are set

    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        config.stash[COMPILED] = Compiled(compile_cache().parent / "tests")
        os.environ.update(config.stash[COMPILED].environment())


def pytest_unconfigure(config: pytest.Config) -> None:
    """Keep the programs that this run compiled for the next one."""
    if COMPILED in config.stash:
        config.stash[COMPILED].close()


@pytest.fixture(scope="session")
def compiled(pytestconfig) -> Compiled:
    """The programs that JAX compiled for tests."""
    return pytestconfig.stash[COMPILED]


@pytest.fixture(scope="module", autouse=True)
def _compiled_is_shared(compiled) -> Iterator[None]:
    """Share new programs with the other workers after each module."""
    compiled.lend(compiled.own)
    yield
    compiled.take_back()


@pytest.fixture(scope="session")
def repository() -> Path:
    """The checkout under test."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real recordings; tests that need one are skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no shared recordings beside the checkout ({SHARED_DATA.parent.name}/data)")
    return SHARED_DATA
