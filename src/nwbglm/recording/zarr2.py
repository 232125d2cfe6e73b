"""Version 2 of the Zarr format, which hdmf-zarr wrote before 0.14: its metadata in the words of version 3, its texts.

Texts, references and tables of them are Python objects there, most often pickled. A pickle can run whatever it names
when it is read, so none is handed to Python's own reader as it is: `Plain` builds lists, texts and numbers, knows the
three names with which numpy wraps an array of them, by stand-ins of ours, and refuses every other name.

The layout is that of https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html and of hdmf-zarr's storage
specification (links in the attribute `zarr_link`, references as ``{"source": ..., "path": ...}``).
"""

from __future__ import annotations

import io
import itertools
import json
import math
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np

GROUP, ARRAY, ATTRIBUTES = ".zgroup", ".zarray", ".zattrs"
NUMPY = {"numpy", "numpy.core.multiarray", "numpy._core.multiarray"}
OBJECTS = {"pickle", "json2", "json", "vlen-utf8", "vlen-bytes", "msgpack2"}
"""Codecs that turn bytes into Python objects."""
DEPTH, FIELDS = 3, 256
"""A row of a table holds at most this many fields, a field of it a reference: plain values in so many steps."""
PLAIN = (str, bytes, bool, int, float, type(None))


class UnsafeError(ValueError, pickle.UnpicklingError):
    """A pickle that names what reading it would run."""


class Kind:
    """Stands for a numpy type in a pickle."""

    def __init__(self, code: Any, *_: Any):
        self.code = str(code)

    def __setstate__(self, state: Any) -> None:
        """Details of a type change nothing here."""


class Values:
    """Stands for a numpy array in a pickle: its shape, its order and its objects as a list."""

    def __init__(self, *_: Any):
        self.shape: tuple[int, ...] = ()
        self.order, self.objects = "C", [None]

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, fortran, objects = state
        if not isinstance(objects, list) or math.prod(shape) != len(objects):
            raise pickle.UnpicklingError(f"an array of {getattr(kind, 'code', kind)} among texts")
        self.shape, self.order, self.objects = tuple(map(int, shape)), "F" if fortran else "C", objects


def _scalar(kind: Kind, raw: bytes) -> Any:
    """Return a text that numpy keeps as a scalar of its own."""
    if kind.code.startswith("U"):
        return raw.decode("utf-32-le")
    if kind.code.startswith("S"):
        return raw
    raise pickle.UnpicklingError(f"a number of type {kind.code} among texts")


STAND_INS = {"_reconstruct": Values, "ndarray": Values, "dtype": Kind, "scalar": _scalar}


class Plain(pickle.Unpickler):
    """Reads pickles of plain values, and of numpy arrays of them, without running anything that they name."""

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in of a name, or refuse it."""
        if module in NUMPY and name in STAND_INS:
            return STAND_INS[name]
        raise UnsafeError(f"a piece of it is a pickle that names {module}.{name}, which reading would run")

    def persistent_load(self, pid: Any) -> Any:
        """Refuse what stands outside the pickle."""
        raise UnsafeError(f"a piece of it is a pickle that refers to {pid!r} outside")


def metadata(place: Path, root: Path) -> dict[str, Any]:
    """Return the metadata of a group or an array, as version 3 would say it.

    Parameters
    ----------
    place
        Its folder.
    root
        The store's folder: sources of links are relative to it, or to the folder that it stands in.

    Returns
    -------
    dict
        ``node_type``, ``attributes`` (links and references as hdmf-zarr writes them in version 3) and, of an array,
        ``shape`` and ``zarray``, its own metadata.

    Raises
    ------
    OSError, ValueError, KeyError, TypeError
        If they cannot be read, or are not what the format asks for.
    """
    kept = place / ATTRIBUTES
    attributes = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    plain = {name: _reference(value) for name, value in attributes.items() if name != "zarr_link"}
    if links := attributes.get("zarr_link"):
        plain["_LINKS"] = [link | {"source": _source(str(link.get("source", ".")), root)} for link in links]
    if not (place / ARRAY).is_file():
        return {"node_type": "group", "attributes": plain}
    own = json.loads((place / ARRAY).read_text(encoding="utf-8"))
    shape = tuple(int(size) for size in own["shape"])
    if attributes.get("zarr_dtype") == "object":
        plain["_DTYPE"] = "object_reference"
    return {"node_type": "array", "shape": shape, "attributes": plain, "zarray": own}


def _reference(value: Any) -> Any:
    if isinstance(value, dict) and value.get("zarr_dtype") == "object" and isinstance(value.get("value"), dict):
        return {"_REFERENCE": value["value"]}
    return value


def _source(source: str, root: Path) -> str:
    """Return where a link leads, relative to the store; `.` is the store itself."""
    for base in (root, root.parent):
        found = (base / source).resolve()
        if found == root.resolve():
            return "."
        if found.is_dir() and found != root.parent.resolve():
            return source if base == root else str(Path("..") / source)
    return source


def is_object(own: Mapping[str, Any]) -> bool:
    """Tell whether an array's values are Python objects (alone, or as a field of a table)."""
    kind = own.get("dtype")
    return kind == "|O" or (isinstance(kind, list) and any("O" in str(field[1]) for field in kind))


def type_of(own: Mapping[str, Any]) -> np.dtype:
    """Return the numpy type of an array's values."""
    kind = own["dtype"]
    return np.dtype([tuple(field) for field in kind] if isinstance(kind, list) else kind)


def codecs(own: Mapping[str, Any]) -> list[str]:
    """Name what an array's values are stored by."""
    listed = [own.get("compressor"), *(own.get("filters") or [])]
    return [str(one.get("id", "")) for one in listed if isinstance(one, dict)]


def objects(place: Path, own: Mapping[str, Any]) -> np.ndarray:
    """Read all values of an array of Python objects.

    Returns
    -------
    numpy.ndarray
        Of the array's shape; entries are texts, numbers, dicts (references) or tuples (rows of a table).

    Raises
    ------
    UnsafeError
        If a piece is a pickle that would run something.
    OSError, ValueError
        If a piece is damaged, or holds what is not plain.
    """
    shape, chunks = tuple(map(int, own["shape"])), tuple(map(int, own["chunks"]))
    out = np.empty(shape, dtype=object)
    out.fill("" if own.get("fill_value") in (None, 0, "0") else own["fill_value"])
    separator = own.get("dimension_separator", ".")
    pieces = [range(math.ceil(size / step)) for size, step in zip(shape, chunks, strict=True)]
    for index in itertools.product(*pieces):
        file = place / (separator.join(map(str, index)) or "0")
        if not file.is_file():
            continue
        piece = _decoded(file.read_bytes(), own, chunks)
        region = tuple(slice(k * c, min((k + 1) * c, size)) for k, c, size in zip(index, chunks, shape, strict=True))
        out[region] = piece[tuple(slice(0, one.stop - one.start) for one in region)]
    return out


def _decoded(raw: bytes, own: Mapping[str, Any], chunks: tuple[int, ...]) -> np.ndarray:
    """Undo compression and the coding of objects of one piece."""
    steps = [*(own.get("filters") or []), *([own["compressor"]] if own.get("compressor") else [])]
    found: Any = raw
    try:
        for step in reversed(steps):
            found = _unpickled(found) if step["id"] == "pickle" else numcodecs.get_codec(dict(step)).decode(found)
    except UnsafeError:
        raise
    except (pickle.UnpicklingError, EOFError, AttributeError, IndexError, KeyError, TypeError, RuntimeError) as error:
        raise ValueError(f"a piece of it holds {error}") from error
    flat = np.empty(math.prod(chunks), dtype=object)
    listed, order = (found.objects, found.order) if isinstance(found, Values) else (_flat(found, chunks), own["order"])
    if len(listed) != flat.size:
        raise ValueError(f"a piece of it holds {len(listed)} values, not {flat.size}")
    for k, value in enumerate(listed):
        flat[k] = _plain(value)
    return flat.reshape(chunks, order="F" if order == "F" else "C")


def _unpickled(raw: Any) -> Any:
    return Plain(io.BytesIO(bytes(raw))).load()


def _flat(found: Any, chunks: Sequence[int]) -> list[Any]:
    """Return the entries of what a codec gave: an array, or lists in lists."""
    if isinstance(found, np.ndarray):
        return [found.item()] if found.ndim == 0 else list(found.ravel())
    listed = list(found) if isinstance(found, list | tuple) else [found]
    for _ in chunks[1:]:
        if all(isinstance(one, list) for one in listed):
            listed = [value for one in listed for value in one]
    return listed


def _plain(value: Any, depth: int = 0) -> Any:
    """Return an entry if it is made of plain values: one, or a few of them as a reference or a row of a table.

    Lists may hold themselves, or one list a thousand times: what is deep or long is refused before it is followed.
    """
    if isinstance(value, Values) and len(value.objects) == 1 and depth < DEPTH:  # a text in an array of its own
        return _plain(value.objects[0], depth + 1)
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict | list | tuple) and depth < DEPTH and len(value) <= FIELDS:
        if isinstance(value, dict):
            return {str(name): _plain(one, depth + 1) for name, one in value.items()}
        return tuple(_plain(one, depth + 1) for one in value)
    raise ValueError(f"a piece of it holds a {type(value).__name__}, neither a text, a number nor a row of them")
