"""Stores of version 2 of the Zarr format, as hdmf-zarr wrote them before 0.14, made from those of version 3."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numcodecs
import numpy as np

from nwbglm.recording.nodes import Group
from nwbglm.recording.zarr_files import ZarrArray, ZarrGroup


def as_zarr2(store: Path, out: Path, codec: str = "pickle") -> Path:
    """Write a store in version 2; texts by a codec, references and tables of them always as pickles."""
    _group(ZarrGroup(store, "", "store"), out, codec)
    return out


def _group(group: ZarrGroup, out: Path, codec: str) -> None:
    out.mkdir(parents=True)
    (out / ".zgroup").write_text(json.dumps({"zarr_format": 2}))
    linked = dict(group.links())
    attributes = _attributes(group)
    if linked:
        attributes["zarr_link"] = [{"name": name, "source": ".", "path": path} for name, path in linked.items()]
    (out / ".zattrs").write_text(json.dumps(attributes))
    for name in group.names():
        if name in linked:
            continue
        member = group.get(name)
        if isinstance(member, Group):
            _group(member, out / name, codec)
        else:
            _array(member, out / name, codec)


def _attributes(node: ZarrGroup | ZarrArray) -> dict:
    kept = {}
    for name, value in node._attributes.items():
        if isinstance(value, dict) and "_REFERENCE" in value:
            kept[name] = {"zarr_dtype": "object", "value": {"source": ".", "path": node.attrs[name]}}
        elif name not in ("_LINKS", "_DTYPE", "_REFERENCE_FIELDS"):
            kept[name] = value
    return kept


def _array(array: ZarrArray, out: Path, codec: str) -> None:
    values, attributes = array.read(), _attributes(array)
    filters = []
    if array.is_reference:
        values, attributes["zarr_dtype"] = _objects(values, lambda path: {"source": ".", "path": f"/{path}"}), "object"
        filters = [{"id": "pickle", "protocol": 5}]
    elif array.is_text:
        attributes["zarr_dtype"] = "str"
        filters = [numcodecs.get_codec({"id": codec}).get_config()]
    elif values.dtype.names:
        names = values.dtype.names
        references = array._attributes.get("_REFERENCE_FIELDS", [])
        attributes["zarr_dtype"] = [
            {"name": name, "dtype": "object" if name in references else "int32"} for name in names
        ]
        rows = np.empty(values.shape, dtype=object)
        for place, row in enumerate(values):
            rows[place] = tuple(
                {"source": ".", "path": f"/{value}"} if name in references else int(value)
                for name, value in zip(names, row.tolist(), strict=True)
            )
        values, filters = rows, [{"id": "pickle", "protocol": 5}]
    else:
        attributes["zarr_dtype"] = str(values.dtype)
    if values.shape == ():
        values, attributes["zarr_dtype"] = values.reshape(1), "scalar"
    out.mkdir(parents=True)
    chunks = tuple(max(1, (size + 1) // 2) for size in values.shape)  # more than one piece, the last one short
    compressor = numcodecs.Blosc()
    own = {
        "zarr_format": 2, "shape": values.shape, "chunks": chunks, "order": "C", "fill_value": None,
        "dtype": "|O" if values.dtype == object else values.dtype.str,
        "compressor": compressor.get_config(), "filters": filters or None,
    }  # fmt: skip
    (out / ".zarray").write_text(json.dumps(own))
    (out / ".zattrs").write_text(json.dumps(attributes))
    for index in itertools.product(*[range(-(-size // step)) for size, step in zip(values.shape, chunks, strict=True)]):
        region = tuple(slice(k * step, (k + 1) * step) for k, step in zip(index, chunks, strict=True))
        piece = np.full(chunks, "" if values.dtype == object else 0, dtype=values.dtype)
        taken = values[region]
        piece[tuple(slice(0, size) for size in taken.shape)] = taken
        coded = piece
        for one in filters:
            coded = numcodecs.get_codec(one).encode(coded)
        raw = coded if filters else np.ascontiguousarray(piece)
        (out / ".".join(map(str, index))).write_bytes(compressor.encode(raw))


def _objects(values: np.ndarray, make) -> np.ndarray:
    made = np.empty(values.shape, dtype=object)
    for place, value in np.ndenumerate(values):
        made[place] = make(value)
    return made
