"""Power of frequency bands as a response: each channel and band is a unit, with its electrode and its band."""

import numpy as np
import pytest
from built_files import built, settings
from pynwb.ecephys import ElectricalSeries
from pynwb.misc import DecompositionSeries

from nwbglm.binning import bin_recording
from nwbglm.recording import open_recording
from nwbglm.starter import start_study

BANDS = {"theta": (4.0, 8.0), "gamma": (30.0, 80.0)}


@pytest.fixture(scope="module")
def power():
    return np.random.default_rng(0).uniform(1, 2, size=(400, 3, 2))


@pytest.fixture(params=["source_timeseries", "source_channels"])
def path(tmp_path, request, power):
    """Three electrodes, two bands; the decomposition names its channels, or the series that it was made of."""

    def fill(file):
        file.add_epoch(0.0, 40.0, ["wake"])
        group = file.create_electrode_group("A", "a shank", "CA", file.create_device("probe"))
        for location in ("CA1", "CA3", "CA1"):
            file.add_electrode(group=group, location=location)
        if request.param == "source_timeseries":
            lfp = ElectricalSeries(
                "lfp", power[:, :, 0], file.create_electrode_table_region([0, 1, 2], "all"), rate=10.0
            )
            file.add_acquisition(lfp)
            source = {"source_timeseries": lfp}
        else:
            region = file.create_electrode_table_region([0, 1, 2], "all", name="source_channels")
            source = {"source_channels": region}
        made = DecompositionSeries(name="power", data=power, metric="power", rate=10.0, **source)
        for name, limits in BANDS.items():
            made.add_band(band_name=name, band_limits=limits, band_mean=np.mean(limits), band_stdev=1.0)
        file.create_processing_module("ecephys", "bands").add(made)

    return built(tmp_path / "a.nwb", fill)


@pytest.mark.parametrize(
    ("where", "columns"),
    [
        (None, range(6)),
        ("band == 'theta'", [0, 2, 4]),
        ("location == 'CA1'", [0, 1, 4, 5]),
        ("band == 'gamma' and location == 'CA3'", [3]),
    ],
)
def test_units_are_selected_by_electrode_and_band(path, power, where, columns):
    parts = {"bin": "100 ms", "response": {"from": "power"}, "units": {"where": where} if where else {}}
    with open_recording(path) as recording:
        binned = bin_recording(recording, settings(**parts)).load()
    np.testing.assert_allclose(binned.response.values, power.reshape(400, 6)[:, list(columns)], atol=1e-12)
    assert binned.band.values.tolist() == [list(BANDS)[column % 2] for column in columns]
    assert binned.location.values.tolist() == [["CA1", "CA3", "CA1"][column // 2] for column in columns]


def test_a_first_study_explains_the_bands_not_the_raw_trace(path):
    done = start_study(path)
    assert done.study.data.response.source == "power" and not done.failed
