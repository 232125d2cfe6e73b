"""Small NWB files, mutated: attributes, shapes, types, indices and bytes that no writer would have written.

The suite tries a few; a campaign goes on from any seed, and says what broke:

    python tests/fuzzed_files.py 5000        files
    python tests/fuzzed_files.py 5000 90000  from this seed on
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
from built_files import add_units, built, series
from pynwb.misc import AnnotationSeries, IntervalSeries

from nwbglm.audit import Audit, audit_recording
from nwbglm.binning import bin_recording
from nwbglm.recording import open_recording
from nwbglm.study import DataSettings

SETTINGS = {
    "epochs": {"use": {"table": "epochs"}},
    "bin": "50 ms",
    "units": {"where": "rate > 0"},
    "signals": {
        "x": {"from": "x", "resample": "interpolate"},
        "lick": {"from": "licks", "resample": "boxcar"},
        "press": {"from": "trials", "resample": "events", "time": "press_time"},
        "lfp": {"from": "lfp", "column": 1},
    },
}
VALUES = [
    None, 0, -1, 2**40, 1e300, np.nan, np.inf, -np.inf, "", "text", b"caf\xe9\xff", np.bytes_(b"S"), [], [1.0],
    ["a", "b"], np.zeros((2, 2)), np.array(["x"], dtype="S3"), True, 1 + 2j, h5py.Empty("f8"),
    np.arange(5, dtype=np.uint8),
]  # fmt: skip
TYPES = ["i1", "u8", "f2", "f4", "f8", "S4", "V3", "c16", "bool", "vlen", "enum", "ref"]


def whole(path: Path) -> Path:
    """Write a file with a bit of everything that is read."""
    rng = np.random.default_rng(0)

    def fill(file):
        file.add_epoch(0.0, 10.0, ["wake"])
        file.add_epoch(10.0, 20.0, ["wake", "late"])
        file.add_trial_column("press_time", "when")
        for start in (1.0, 6.0, 11.0):
            file.add_trial(start_time=start, stop_time=start + 4, press_time=start + 1)
        file.add_invalid_time_interval(start_time=19.0, stop_time=20.0)
        trains = [np.sort(rng.uniform(0, 20, 50)) for _ in range(3)]
        add_units(file, trains, quality=["good", "mua", "good"], obs_intervals=[[[0.0, 20.0]]] * 3)
        file.add_acquisition(series("x", rng.normal(size=200), rate=10.0, unit="m", conversion=2.0))
        file.add_acquisition(series("lfp", rng.normal(size=(100, 3)), timestamps=np.arange(100) * 0.2))
        marks = IntervalSeries("licks", data=[1, -1, 1, -1], timestamps=[1.0, 2.0, 5.0, 6.0])
        file.add_acquisition(marks)
        file.add_acquisition(AnnotationSeries("notes", data=["a", "b"], timestamps=[1.0, 3.0]))

    return built(path, fill)


def mutate(source: Path, path: Path, rng: np.random.Generator) -> list[str]:
    """Copy a file and change one to four things in it; return what was done."""
    shutil.copy(source, path)
    done = []
    if rng.random() < 0.15:
        return [_bytes(path, rng)]
    with h5py.File(path, "r+") as file:
        objects = ["/"]
        file.visit(lambda name: None if name.startswith("specifications") else objects.append(name))
        for _ in range(int(rng.integers(1, 5))):
            name = objects[int(rng.integers(len(objects)))]
            change = CHANGES[int(rng.integers(len(CHANGES)))]
            # HDF5 refuses some of what is tried here; such a change is none.
            with contextlib.suppress(Exception):
                done.append(f"{change.__name__} {name}: {change(file, name, rng)}")
    return done


def _bytes(path: Path, rng: np.random.Generator) -> str:
    content = bytearray(path.read_bytes())
    if rng.random() < 0.3:
        size = int(rng.integers(len(content)))
        path.write_bytes(content[:size])
        return f"cut to {size}"
    for place in rng.integers(len(content), size=int(rng.integers(1, 60))):
        content[int(place)] = int(rng.integers(256))
    path.write_bytes(content)
    return "bytes"


def _attribute(file: h5py.File, name: str, rng: np.random.Generator) -> str:
    node, known = file[name], list(file[name].attrs)
    chosen = known[int(rng.integers(len(known)))] if known else "neurodata_type"
    value = VALUES[int(rng.integers(len(VALUES)))]
    if chosen in node.attrs:
        del node.attrs[chosen]
    if value is not None:
        node.attrs[chosen] = value
    return f"{chosen} = {value!r}"


def _remove(file: h5py.File, name: str, rng: np.random.Generator) -> str:
    del file[name]
    return "gone"


def _values(file: h5py.File, name: str, rng: np.random.Generator) -> str:
    """Change some values of a dataset, or all of them."""
    data = file[name]
    value = [np.nan, np.inf, -np.inf, -5, 1e12, 2**31, 0, 3, 255][int(rng.integers(9))]
    if data.shape == ():
        data[()] = value
        return f"{value}"
    some = np.sort(rng.choice(data.shape[0], size=int(rng.integers(1, data.shape[0] + 1)), replace=False))
    data[some.tolist()] = value
    return f"{value} at {len(some)}"


def _typed(file: h5py.File, name: str, rng: np.random.Generator) -> str:
    """Write a dataset again, in another type, shape or layout."""
    data = file[name]
    values, attributes = np.asarray(data[()]), dict(data.attrs)
    kind, shape = TYPES[int(rng.integers(len(TYPES)))], values.shape
    del file[name]
    if kind == "vlen":
        made = file.create_dataset(
            name, data=np.array(["caf\u00e9"] * max(values.size, 1), dtype=object).reshape(shape)
        )
    elif kind == "ref":
        made = file.create_dataset(name, shape=shape, dtype=h5py.ref_dtype)
    elif kind == "enum":
        made = file.create_dataset(name, shape=shape, dtype=h5py.enum_dtype({"a": 0, "b": 1}))
    elif kind == "V3":
        made = file.create_dataset(name, shape=shape, dtype="V3")
    else:
        with np.errstate(all="ignore"):
            made = file.create_dataset(name, data=np.resize(values, shape).astype(kind))
    made.attrs.update(attributes)
    return kind


def _shaped(file: h5py.File, name: str, rng: np.random.Generator) -> str:
    data = file[name]
    values, attributes = np.asarray(data[()]), dict(data.attrs)
    size = values.size
    shapes = [(0,), (size, 1), (1, size), (2, size), (size + 3,), (max(size - 1, 0),), (), (10**11,), (size, 0)]
    shape = shapes[int(rng.integers(len(shapes)))]
    del file[name]
    if shape == (10**11,):
        made = file.create_dataset(name, shape=shape, dtype=values.dtype, chunks=(1024,))
    else:
        made = file.create_dataset(name, data=np.resize(values, shape), dtype=data.dtype)
    made.attrs.update(attributes)
    return str(shape)


def _moved(file: h5py.File, name: str, rng: np.random.Generator) -> str:
    """Put a link in an object's place: to nowhere, to itself, to its parent, to another object, out of the file."""
    parent = name.rpartition("/")[0] or "/"
    aims = [
        h5py.SoftLink("/nowhere"), h5py.SoftLink(f"/{name}"), h5py.SoftLink(parent),
        h5py.ExternalLink("other.h5", "/x"), h5py.SoftLink("/acquisition/x/data"), file[parent],
        file["units/spike_times"],
    ]  # fmt: skip
    aim = aims[int(rng.integers(len(aims)))]
    del file[name]
    file[name] = aim
    return repr(aim)


CHANGES = (_attribute, _attribute, _remove, _values, _values, _typed, _shaped, _moved)


def settings() -> DataSettings:
    """Make a study that takes a bit of everything."""
    return DataSettings.model_validate(SETTINGS)


def judge(path: Path, taken: DataSettings) -> Audit:
    """Audit a file; where it passes, bin it: what is usable is used, what is not is refused in words."""
    audit = audit_recording(path, taken, session="s")
    assert audit.verdict in ("pass", "warn", "fail")
    assert "</html>" in audit.html() and json.dumps(audit.to_dict(), default=str)
    assert audit.text()
    if audit.verdict != "fail":
        with open_recording(path, session="s", external="refuse") as recording:
            binned = bin_recording(recording, taken)
        assert np.isfinite(binned["time"].values).all() and binned.sizes["time"] > 0
    return audit


def campaign(files: int, first: int = 0) -> int:
    """Try many files; print what broke, and how long the slowest took. Returns the number that broke."""
    broken, verdicts, slowest = Counter(), Counter(), 0.0
    with tempfile.TemporaryDirectory() as folder:
        source = whole(Path(folder) / "whole.nwb")
        for seed in range(first, first + files):
            path = Path(folder) / "mutated.nwb"
            done = mutate(source, path, np.random.default_rng(seed))
            began = time.perf_counter()
            try:
                verdicts[judge(path, settings()).verdict] += 1
            except Exception as error:
                place = traceback.extract_tb(error.__traceback__)[-1]
                kind = f"{type(error).__name__} {Path(place.filename).name}:{place.lineno} {str(error)[:160]}"
                broken[kind] += 1
                if broken[kind] == 1:
                    print(f"seed {seed}: {done}\n    {kind}", flush=True)
            slowest = max(slowest, time.perf_counter() - began)
    print(f"{files} files: {dict(verdicts)}; {sum(broken.values())} broke; the slowest took {slowest:.2f} s")
    return sum(broken.values())


if __name__ == "__main__":
    sys.exit(bool(campaign(*map(int, sys.argv[1:] or ["5000"]))))
