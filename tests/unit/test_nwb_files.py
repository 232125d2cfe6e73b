"""The small files of the tests hold what their builders say."""

import numpy as np
import pytest
from nwb_files import current_clamp_file, head_direction_file, truncated_file
from pynwb import NWBHDF5IO


def test_small_head_direction_file(tmp_path):
    with NWBHDF5IO(head_direction_file(tmp_path / "a.nwb", silent=True), "r") as io:
        file = io.read()
        units = file.units.to_dataframe()
        assert list(units.location) == ["adn", "adn", "adn", "postsub", "adn"]
        assert list(units.index) == [1, 2, 3, 4, 5]
        start, stop = file.epochs.to_dataframe().iloc[1][["start_time", "stop_time"]]
        assert [list(tags) for tags in file.epochs.to_dataframe().tags] == [["sleep"], ["wake"]]
        heading = file.processing["behavior"]["CompassDirection"]["ry"]
        times = heading.starting_time + np.arange(heading.data.shape[0]) / heading.rate
        assert times[0] < start and times[-1] > stop
        direction = np.exp(1j * heading.data[:])
        for unit, spikes in enumerate(units.spike_times[:4]):
            awake = spikes[spikes > start]
            assert 0.5 < awake.size / (stop - start) < 20 and awake.max() < stop
            preferred = direction[np.searchsorted(times, awake) - 1].sum() * np.exp(-0.5j * np.pi * unit)
            assert np.abs(np.angle(preferred)) < 1.0
        assert units.spike_times[5].size == 0


def test_small_current_clamp_file(tmp_path):
    with NWBHDF5IO(current_clamp_file(tmp_path / "a.nwb"), "r") as io:
        file = io.read()
        epochs = file.epochs.to_dataframe()
        assert [tags[0] for tags in epochs.tags] == ["Noise 1"] * 3 + ["Ramp"]
        time, current = file.stimulus["stimulus"].timestamps[:], file.stimulus["stimulus"].data[:]
        spikes = file.units["spike_times"][0]
        assert 10 < spikes.size < 400
        at_spikes = current[np.searchsorted(time, spikes) - 30]
        assert at_spikes.mean() > current.mean() + 5e-12
        inside = [(spikes > row.start_time) & (spikes < row.stop_time) for row in epochs.itertuples()]
        assert np.any(inside, axis=0).all()


def test_truncated_file_cannot_be_opened(tmp_path):
    source = head_direction_file(tmp_path / "a.nwb", wake=10.0)
    with pytest.raises(OSError, match="truncated"):
        NWBHDF5IO(truncated_file(tmp_path / "b.nwb", source), "r")
