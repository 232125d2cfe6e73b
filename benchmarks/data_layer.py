"""The data layer beside pynapple and beside the floor: time and peak memory of reading and binning.

Each measurement is a process of its own (peak memory is the process's), and the three of a file run one after the
other, several times: on a shared machine only ratios within a run mean anything. CPU seconds are those of the work,
without imports. The floor reads the bytes that are used (spike times, and the signal's times and values) and does
nothing with them.

    python benchmarks/data_layer.py ../shared/data             the five recordings
    python benchmarks/data_layer.py --neuropixels              500 units, 2 h, 8 Hz, 1 ms bins (made first, 230 MB)
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

CASES = {
    "mouse28_head_direction": (0.01, "processing/behavior/CompassDirection/ry"),
    "noise_current_cell3": (0.001, "stimulus/presentation/stimulus"),
    "linear_track": (0.01, "processing/behavior/Position/position"),
    "human_mtl_sub-4_ses-4": (0.01, None),
    "a8604_minimal": (0.01, None),
}
TABLES = {"human_mtl_sub-4_ses-4": "recognition_table"}
PYNAPPLE_UNITS = 25


def floor(path: str, bin: float, signal: str | None, table: str) -> dict:
    """Read the bytes that binning uses."""
    import h5py

    began = time.process_time()
    with h5py.File(path) as file:
        spikes = file["units/spike_times"][:]
        if signal is not None:
            file[signal]["data"][:], file[signal]["timestamps"][:]
    return {"cpu": time.process_time() - began, "spikes": len(spikes)}


def ours(path: str, bin: float, signal: str | None, table: str) -> dict:
    """Bin every unit and the signal over a table's epochs, and write the store where it is large."""
    from nwbglm import store
    from nwbglm.binning import bin_recording
    from nwbglm.recording import open_recording
    from nwbglm.study import DataSettings

    circular = {"period": "2 pi"} if signal and signal.endswith("ry") else {}
    column = {"column": 0} if signal and signal.endswith("position") else {}
    how = {"resample": "mean" if bin < 0.01 else "interpolate"}
    signals = {} if signal is None else {"x": {"from": signal, **circular, **column, **how}}
    settings = DataSettings.model_validate(
        {"epochs": {"use": {"table": table}}, "bin": f"{bin * 1000:g} ms", "signals": signals}
    )
    began = time.process_time()
    with open_recording(path, session="s") as recording:
        data = bin_recording(recording, settings)
        binned = time.process_time() - began
        with tempfile.TemporaryDirectory() as folder:
            store.write(data, Path(folder) / "b.zarr.zip", "binned")
    return {"cpu": binned, "write": time.process_time() - began - binned, "bins": data.sizes["time"]}


def pynapple(path: str, bin: float, signal: str | None, table: str) -> dict:
    """Do the same with pynapple: a matrix of counts, and the signal averaged on the bins (it has no circular mean).

    Of a file with more than `PYNAPPLE_UNITS` units only as many are counted, and the time is scaled: the whole matrix
    of the Neuropixels case, 8 bytes a count, would take 29 GB.
    """
    warnings.simplefilter("ignore")
    import pynapple as nap

    small = nap.Ts(np.arange(10.0)).count(1.0, nap.IntervalSet(0, 9))  # compiles
    nap.Tsd(np.arange(10.0), np.arange(10.0)).bin_average(1.0)
    began = time.process_time()
    data = nap.load_file(path)
    units, epochs = data["units"], data[table if table in data.keys() else "epochs"]  # noqa: SIM118
    ids = list(units.keys())
    part = ids if len(ids) <= 100 else ids[:PYNAPPLE_UNITS]
    loaded = time.process_time() - began
    counts = units[part].count(bin, epochs)
    counted = (time.process_time() - began - loaded) * len(ids) / len(part)
    if signal is not None:
        values = data[signal.rpartition("/")[2]]
        (values if values.ndim == 1 else values[:, 0]).bin_average(bin, epochs)
    rest = time.process_time() - began - loaded - counted * len(part) / len(ids)
    return {"cpu": loaded + counted + rest, "bins": len(counts), "of": [len(part), len(ids)], "checked": len(small)}


def neuropixels(path: str, units: int = 500, length: float = 7200.0, rate: float = 8.0) -> dict:
    """Write Poisson units, into the arrays of a file with one (adding units one by one takes minutes)."""
    import h5py
    from pynwb import NWBHDF5IO, NWBFile

    file = NWBFile("a synthetic session", "neuropixels", datetime(2026, 1, 1, tzinfo=UTC))
    file.add_epoch(0.0, length, ["all"])
    file.add_unit(spike_times=[1.0])
    with NWBHDF5IO(path, "w") as io:
        io.write(file)
    rng = np.random.default_rng(0)
    counts = rng.poisson(rate * length, units)
    spikes = np.concatenate([np.sort(np.round(rng.uniform(0, length, count), 5)) for count in counts])
    with h5py.File(path, "r+") as content:
        table = content["units"]
        for name, values in [
            ("spike_times", spikes),
            ("spike_times_index", np.cumsum(counts)),
            ("id", np.arange(units)),
        ]:
            attributes = dict(table[name].attrs)
            del table[name]
            table[name] = values
            attributes |= {"target": table["spike_times"].ref} if "target" in attributes else {}
            table[name].attrs.update(attributes)
    return {"spikes": len(spikes)}


def measure(what: str, *arguments) -> dict:
    """Run one measurement in a process of its own."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--one", json.dumps([what, *arguments])]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{what} of {arguments[0]} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def compare(path: Path, bin: float, signal: str | None, table: str, rounds: int) -> str:
    """Measure the three in turn, some rounds, and return a row of the table: medians and ratios."""
    rows: dict[str, list[dict]] = {what: [] for what in ("floor", "ours", "pynapple")}
    for _ in range(rounds):
        for what, seen in rows.items():
            seen.append(measure(what, str(path), bin, signal, table))
    cpu = {what: float(np.median([one["cpu"] for one in seen])) for what, seen in rows.items()}
    peak = {what: float(np.median([one["peak"] for one in seen])) for what, seen in rows.items()}
    write = float(np.median([one["write"] for one in rows["ours"]]))
    first = rows["pynapple"][0]["of"]
    partial = "" if first[0] == first[1] else f" ({first[0]} of {first[1]} units, scaled)"
    cells = [path.stem, f"{rows['ours'][0]['bins']:,}", f"{cpu['floor']:.3f}", f"{cpu['ours']:.3f}", f"{write:.2f}"]
    cells += [
        f"{cpu['pynapple']:.2f}{partial}",
        f"{cpu['ours'] / cpu['floor']:.1f}",
        f"{cpu['pynapple'] / cpu['ours']:.1f}",
    ]
    return f"| {' | '.join([*cells, *(f'{peak[what]:.0f}' for what in rows)])} |"


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, help="folder with the five recordings")
    parser.add_argument("--neuropixels", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        what, *arguments = json.loads(given.one)
        found = {one.__name__: one for one in (floor, ours, pynapple, neuropixels)}[what](*arguments)
        print(json.dumps(found | {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
        return
    heads = ["file", "bins", "floor s", "ours s", "write s", "pynapple s", "ours/floor", "pynapple/ours"]
    heads += ["MB floor", "MB ours", "MB pynapple"]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for name, (bin, signal) in CASES.items() if given.folder else ():
        path = (given.folder / f"{name}.nwb").resolve()
        print(compare(path, bin, signal, TABLES.get(name, "epochs"), given.rounds), flush=True)
    if given.neuropixels:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "neuropixels.nwb"
            measure("neuropixels", str(path))  # a process that is forked from a large one counts as large
            print(compare(path, 0.001, None, "epochs", given.rounds), flush=True)


if __name__ == "__main__":
    main()
