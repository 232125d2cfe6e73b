"""What every test may use: the shared recordings, and small thread counts set before JAX is imported."""

import os
from pathlib import Path

import hypothesis
import pytest

for _name in ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

# The machine is shared and the gate must not depend on luck: no deadlines, the same examples each time.
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True)
hypothesis.settings.load_profile("repeatable")

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"


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
