"""Files with the traps that real recordings hold, and files that are none."""

from __future__ import annotations

import h5py
import numpy as np
from built_files import add_units, built, series
from pynwb.icephys import CurrentClampSeries, CurrentClampStimulusSeries, VoltageClampSeries, VoltageClampStimulusSeries


def small(file):
    file.add_epoch(0.0, 10.0, ["wake"])
    add_units(file, [[1.0, 2.0], [3.0]])


def nothing(path):
    return path


def empty(path):
    path.write_bytes(b"")
    return path


def text(path):
    path.write_text("this is no HDF5 file, but it is long enough to be one\n" * 100)
    return path


def plain_hdf5(path):
    with h5py.File(path, "w") as file:
        file["data"] = np.arange(10)
    return path


def cut_off(path):
    built(path, small)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def nwb_1(version):
    def write(path):
        with h5py.File(path, "w") as file:
            file["nwb_version"] = version
        return path

    return write


def linked(path):
    with h5py.File(path.with_name("other.h5"), "w") as file:
        file["raw"] = np.arange(10.0)
    built(path, lambda file: (small(file), file.add_acquisition(series("raw", np.arange(10.0), rate=1.0))))
    with h5py.File(path, "r+") as file:
        attributes = dict(file["acquisition/raw/data"].attrs)
        del file["acquisition/raw/data"]
        file["acquisition/raw/data"] = h5py.ExternalLink("other.h5", "raw")
        file["acquisition/raw/data"].attrs.update(attributes)
    return path


REFUSED = [
    (nothing, "no such file", "check the path"),
    (empty, "0 bytes", "download it again"),
    (text, "no HDF5 file: it starts with b'this is", "NWB 2 format"),
    (plain_hdf5, "not an NWB file", "nwb_version"),
    (cut_off, "cut off", "download it again"),
    (nwb_1("NWB-1.0.6"), "NWB 1.0.6, which is not NWB 2", "convert"),
    (nwb_1(b"1.0.9-beta"), "NWB 1.0.9-beta", "convert"),
    (linked, "link into another file", "external_links: allow"),
]


def broken_series(path):
    """An image series that is listed, and whose data are frames elsewhere."""
    built(path, lambda file: (small(file), file.add_stimulus(series("movie", np.zeros((2, 2, 2)), rate=1.0))))
    with h5py.File(path, "r+") as file:
        movie = file["stimulus/presentation/movie"]
        movie["external_file"] = np.array(["frame.png"] * 90, dtype=h5py.string_dtype())
    return path


def restarting(file, sweeps=3, references=False, own_series=False):
    """Sweeps of 2 s that all start at 0, 100 samples each; the k-th holds the value k."""
    values = np.repeat(np.arange(float(sweeps)), 100)
    times = np.tile(np.arange(100) * 0.02, sweeps)
    if own_series:
        parts = [series(f"s{k}", values[100 * k : 100 * (k + 1)], rate=50.0, starting_time=0.0) for k in range(sweeps)]
    else:
        parts = [series("current", values, timestamps=times)]
    for part in parts:
        file.add_stimulus(part)
    for k in range(sweeps):
        extra = {}
        if references:
            extra = {"timeseries": parts[k] if own_series else parts[0]}
        file.add_epoch(0.0, 2.0, [f"sweep {k}"], **extra)
    if references and not own_series:
        for k in range(sweeps):
            file.epochs["timeseries"].target.data[k] = (100 * k, 100, parts[0])
    return parts


def icephys(file, numbers, voltage=(), together=False):
    """Sweeps as series with sweep numbers, each at 0 s; the k-th stimulus is k picoamperes, the response k volts."""
    device = file.create_device("amplifier")
    electrode = file.create_icephys_electrode(name="e", description="patch", device=device)
    for k in numbers:
        kinds = (
            (VoltageClampStimulusSeries, VoltageClampSeries)
            if k in voltage
            else (CurrentClampStimulusSeries, CurrentClampSeries)
        )
        common = {"electrode": electrode, "gain": 1.0, "rate": 50.0, "sweep_number": np.uint32(k)}
        stimulus = kinds[0](f"stimulus__{k}", data=np.full(100, k, dtype=float), conversion=1e-12, **common)
        response = kinds[1](f"response__{k}", data=np.full(100, k, dtype=float), **common)
        if together:
            common.pop("sweep_number")
            file.add_intracellular_recording(electrode=electrode, stimulus=stimulus, response=response)
        else:
            file.add_stimulus(stimulus)
            file.add_acquisition(response)
    add_units(file, [[]])
