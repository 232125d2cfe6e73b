"""Small NWB files, and what no writer would have written of them: attributes, types, shapes, times, links and bytes."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import h5py
import numpy as np
from built_files import built, series
from hdmf.common import DynamicTableRegion
from pynwb.misc import AnnotationSeries, IntervalSeries
from pynwb.ophys import Fluorescence, ImageSegmentation, OpticalChannel

VALUES = [
    None, 0, -1, 2**40, 1e300, np.nan, np.inf, -np.inf, "", "text", b"caf\xe9\xff", np.bytes_(b"S"), [], [1.0],
    ["a", "b"], np.zeros((2, 2)), np.array(["x"], dtype="S3"), True, 1 + 2j, h5py.Empty("f8"),
    np.arange(5, dtype=np.uint8), np.nan * np.ones(3), [b"one"], np.array([b"caf\xe9"]), np.arange(7000.0), -1.5,
    np.uint64(2**64 - 1), 1e-300, "2.6.0\x00", "milliseconds", np.float16(1), [[1, 2], [3, 4]],
]  # fmt: skip
TYPES = [
    "i1",
    "u8",
    "f2",
    "f4",
    "f8",
    "S4",
    "V3",
    "c16",
    "bool",
    "vlen",
    "enum",
    "ref",
    "compound",
    "i8",
    "vlen numbers",
    "S0",
]


def whole(path: Path) -> Path:
    """Write a file with a bit of everything that is read."""
    rng = np.random.default_rng(0)

    def fill(file):
        file.add_epoch(0.0, 10.0, ["wake"])
        file.add_epoch(10.0, 20.0, ["wake", "late"])
        file.add_trial_column("press_time", "when")
        file.add_trial_column("side", "which")
        file.add_trial_column("licks", "when, each", index=True)
        for start, side in ((1.0, "left"), (6.0, "right"), (11.0, "left")):
            licks = [start + 2, start + 3][: int(start) % 3]
            file.add_trial(start_time=start, stop_time=start + 4, press_time=start + 1, side=side, licks=licks)
        file.add_invalid_time_interval(start_time=19.0, stop_time=20.0)
        trains = [np.sort(rng.uniform(0, 20, 50)) for _ in range(3)]
        device = file.create_device("probe")
        groups = [file.create_electrode_group(name, "a probe", "CA1", device) for name in ("probeA", "probeB")]
        for group in (groups[0], groups[0], groups[1]):
            file.add_electrode(group=group, location="CA1")
        file.add_unit_column("quality", "how good")
        for k, train in enumerate(trains):
            file.add_unit(
                spike_times=train, quality=["good", "mua", "good"][k], obs_intervals=[[0.0, 20.0]],
                electrodes=[k], electrode_group=groups[k % 2],
            )  # fmt: skip
        file.add_acquisition(series("x", rng.normal(size=200), rate=10.0, unit="m", conversion=2.0))
        file.add_acquisition(series("lfp", rng.normal(size=(100, 3)), timestamps=np.arange(100) * 0.2))
        marks = IntervalSeries("licks", data=[1, -1, 1, -1], timestamps=[1.0, 2.0, 5.0, 6.0])
        file.add_acquisition(marks)
        file.add_acquisition(AnnotationSeries("notes", data=["a", "b"], timestamps=[1.0, 3.0]))
        _rois(file, rng)

    return built(path, fill)


def _rois(file, rng: np.random.Generator) -> None:
    ophys = file.create_processing_module("ophys", "imaging")
    segmentation = ImageSegmentation()
    ophys.add(segmentation)
    optical = file.create_device("microscope")
    plane = file.create_imaging_plane(
        name="plane", optical_channel=OpticalChannel("green", "GFP", 510.0), description="cortex", device=optical,
        excitation_lambda=488.0, indicator="GCaMP", location="V1",
    )  # fmt: skip
    table = segmentation.create_plane_segmentation(name="cells", description="cells", imaging_plane=plane)
    table.add_column("is_cell", "by hand")
    for k in range(4):
        table.add_roi(pixel_mask=[(k, k, 1.0)], is_cell=int(k != 3))
    region = DynamicTableRegion(name="rois", data=[0, 1, 2, 3], description="all", table=table)
    fluorescence = Fluorescence()
    ophys.add(fluorescence)
    fluorescence.create_roi_response_series(
        name="roi", data=rng.normal(size=(200, 4)), rois=region, unit="a.u.", rate=10.0
    )


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
    if kind == "compound":
        made = file.create_dataset(
            name, shape=shape, dtype=[("idx_start", "i4"), ("count", "i4"), ("x", h5py.ref_dtype)]
        )
    elif kind == "vlen numbers":
        made = file.create_dataset(name, shape=shape, dtype=h5py.vlen_dtype("f8"))
    elif kind == "vlen":
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


def _timed(file: h5py.File, name: str, rng: np.random.Generator) -> str:
    """Write times again as some clock or writer would have: another unit, order, step, beginning or width."""
    places = [place for place in _datasets(file) if place.rpartition("/")[2] in TIMES]
    name = places[int(rng.integers(len(places)))]
    values = np.asarray(file[name][()], dtype=np.float64)
    ways = {
        "ms": values * 1e3, "us": values * 1e6, "minutes": values / 60, "samples": np.rint(values * 3e4),
        "back": values[::-1], "shuffled": rng.permutation(values), "same": np.full_like(values, 3.0),
        "float32 since 1970": (values + 1.7e9).astype("f4"), "since 1970": values + 1.7e9,
        "before": values - 1e3, "twice": np.resize(values[: max(1, len(values) // 2)], len(values)),
        "nan": np.where(rng.random(len(values)) < 0.3, np.nan, values), "float16": values.astype("f2"),
        "int": values.astype("i4"), "uint": np.abs(values).astype("u8"),
        "steps of nothing": np.cumsum(values * 0 + 1e-12),
    }  # fmt: skip
    way = list(ways)[int(rng.integers(len(ways)))]
    _again(file, name, ways[way])
    return f"{name} {way}"


def _turned(file: h5py.File, name: str, rng: np.random.Generator) -> str:
    """Exchange a dataset's axes, or give it one more."""
    values = np.asarray(file[name][()])
    _again(file, name, values.T if values.ndim > 1 and rng.random() < 0.7 else values[..., None])
    return str(file[name].shape)


def _numbered(file: h5py.File, name: str, rng: np.random.Generator) -> str:
    """Give ids or an index other numbers: repeated, negative, too large, running back, of another type."""
    places = [place for place in _datasets(file) if place.endswith(("/id", "_index", "/electrodes", "/rois"))]
    name = places[int(rng.integers(len(places)))]
    values = np.asarray(file[name][()]).astype(np.int64)
    ways = {
        "repeated": np.zeros_like(values), "negative": -values - 1, "large": (values + 2**63).astype("u8"),
        "back": values[::-1], "plus": values + 1, "float": values + 0.5, "times": values * 1000,
        "text": values.astype("S5"), "bool": values.astype(bool), "nan": np.full(len(values), np.nan),
        "small type": values.astype("i1"), "largest": np.full(len(values), 2**64 - 1, dtype="u8"),
    }  # fmt: skip
    way = list(ways)[int(rng.integers(len(ways)))]
    _again(file, name, ways[way])
    return f"{name} {way}"


def _fixed(file: h5py.File, name: str, rng: np.random.Generator) -> str:
    """Write every text attribute below a group as other writers do: of fixed length, or in a list of one."""
    form = [np.bytes_, lambda text: np.array([text.encode()]), lambda text: [text]][int(rng.integers(3))]

    def change(_, node):
        for key, value in list(node.attrs.items()):
            if isinstance(value, str) and value.isascii() and value:
                node.attrs[key] = form(value.encode()) if form is np.bytes_ else form(value)

    change("", file[name])
    if isinstance(file[name], h5py.Group):
        file[name].visititems(change)
    return "texts of another form"


def _swapped(file: h5py.File, name: str, rng: np.random.Generator) -> str:
    """Put another object in an object's place, whatever it is."""
    others = list(_datasets(file)) + [group for group in ("acquisition", "units", "intervals/trials") if group in file]
    other = others[int(rng.integers(len(others)))]
    file.copy(file[other], file, name="swapped")
    del file[name]
    file.move("swapped", name)
    return f"now {other}"


def _datasets(file: h5py.File) -> list[str]:
    found: list[str] = []
    file.visititems(lambda name, node: found.append(name) if isinstance(node, h5py.Dataset) and node.ndim else None)
    return [name for name in found if not name.startswith("specifications")]


def _again(file: h5py.File, name: str, values: np.ndarray) -> None:
    attributes = dict(file[name].attrs)
    del file[name]
    file.create_dataset(name, data=values).attrs.update(attributes)


TIMES = {"timestamps", "spike_times", "start_time", "stop_time", "press_time", "licks", "obs_intervals"}
CHANGES = (
    _attribute, _attribute, _remove, _values, _values, _typed, _shaped, _moved, _timed, _turned, _numbered, _fixed,
    _swapped,
)  # fmt: skip
