"""A recording on a server, read over the network by the workflow itself."""

import numpy as np
import pytest
from range_server import serving

from nwbglm import store

pytestmark = pytest.mark.slow


@pytest.fixture
def server(recordings):
    with serving((recordings / "good-1.nwb").read_bytes()) as running:
        yield running


def test_a_streamed_recording_gives_the_same_bins_as_its_copy_on_disk(workflow, recordings, server):
    workflow.write(
        recordings={
            "far": {"nwb": {"url": server.url, "stream": True}},
            "near": {"nwb": str(recordings / "good-1.nwb")},
            "gone": {"nwb": {"url": server.url + "x", "stream": True}},
        }
    )
    workflow.run("--until", "tune_units")
    far, near = (store.read(workflow.results / "binned" / f"{name}.zarr.zip", "binned") for name in ("far", "near"))
    for name in ("response", "heading", "segment"):
        np.testing.assert_array_equal(far[name], near[name])
    assert store.provenance(far)["recording"]["url"] == server.url
    assert store.provenance(far)["recording"]["bytes"] == len(server.content)
    assert not (workflow.results / "recordings").exists()
    with pytest.raises(store.Excluded, match="404"):
        store.read(workflow.results / "binned" / "gone.zarr.zip")
