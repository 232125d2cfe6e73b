"""Mutated files: every audit ends with a verdict and a page, whatever is in them (`tests/fuzzed_files.py` goes on)."""

import numpy as np
import pytest
from fuzzed_files import judge, studies
from mutations import mutate, whole

from nwbglm.errors import NwbGlmError

FILES = 60


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return whole(tmp_path_factory.mktemp("fuzz") / "whole.nwb")


def test_the_file_that_is_mutated_is_a_good_one(source):
    for study in studies():
        done = judge(source, study)
        assert done.verdict != "fail", done.text()


@pytest.mark.fault(
    "a recording that no writer would have written",
    "attributes, types, shapes, times, links and bytes mutated, under studies of spikes, trials and images",
    "a verdict and a page; what passes is binned, what does not is refused in words",
)
@pytest.mark.parametrize("seed", range(FILES))
def test_a_mutated_file_gets_a_verdict(source, tmp_path, seed):
    path = tmp_path / "mutated.nwb"
    done = mutate(source, path, np.random.default_rng(seed))
    try:
        judge(path, studies()[seed % 3])
    except NwbGlmError as error:
        pytest.fail(f"{done}: the audit passed it, and binning says {error}")
    except Exception as error:
        raise AssertionError(f"{done}: {type(error).__name__}: {error}") from error
