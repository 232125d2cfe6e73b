"""The response of a binned store: counts by default, and refused in words where it is none."""

import numpy as np
import pytest
from small_sessions import Stages, binned_session, head_direction_session

from nwbglm import response, store
from nwbglm.binning.join import join_recordings
from nwbglm.errors import ProblemError, RecordingError, StoreError


def test_counts_are_given_and_a_continuous_response_is_refused_in_words():
    session = binned_session(np.ones((10, 2)))
    assert response.of_counts(session)
    np.testing.assert_array_equal(response.counts(session, "a raster"), session["response"])
    session["response"].attrs = response.about("continuous", "dF/F", "")
    assert not response.of_counts(session)
    with pytest.raises(ProblemError, match=r"a raster needs counts of spikes.*continuous \(dF/F\)"):
        response.counts(session, "a raster")
    with pytest.raises(ValueError, match="count or continuous"):
        response.about("events", "dF/F", "")


def test_a_poisson_model_of_a_continuous_response_is_refused():
    session = head_direction_session(rows=400)
    session["response"].attrs = response.about("continuous", "dF/F", "")
    stages = Stages(session, ["drive"])
    with pytest.raises(ProblemError, match="poisson, needs counts of spikes"):
        stages.fit("drive")


def test_recordings_of_different_responses_are_not_joined():
    days = [head_direction_session(rows=200).assign_attrs(session=name) for name in ("a", "b")]
    days[1]["response"].attrs = response.about("continuous", "dF/F", "")
    with pytest.raises(RecordingError, match="response has kind 'count' in a and 'continuous' in b"):
        join_recordings(days, session="both")


def test_a_store_without_the_responses_kind_breaks_its_contract(tmp_path):
    session = binned_session(np.ones((10, 2)))
    del session["response"].attrs["kind"]
    with pytest.raises(StoreError, match="'response' lacks the attribute 'kind'"):
        store.write(session, tmp_path / "a.zarr.zip", "binned")
