"""NWB files in the Zarr format, as hdmf-zarr writes it, through the same objects as HDF5 files.

hdmf-zarr is not needed to read them: links are listed in the attribute `_LINKS`, references are paths, with
`_REFERENCE` or `_DTYPE` saying that they are. Older files (Zarr version 2) are put into the same words by `zarr2`.
"""

from __future__ import annotations

import base64
import json
import math
import shutil
import tempfile
import warnings
from collections.abc import Hashable, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from nwbglm.content import endless
from nwbglm.errors import RecordingError
from nwbglm.recording import zarr2
from nwbglm.recording.nodes import Array, Attributes, Group, UnreadableError, outside
from nwbglm.recording.texts import as_text

METADATA = "zarr.json"
NAMES = (METADATA, zarr2.GROUP, zarr2.ARRAY)
"""Files that make a folder a group or an array."""
METADATA_FILES = (*NAMES, zarr2.ATTRIBUTES)

CODECS = {
    "bytes", "transpose", "sharding_indexed", "crc32c", "gzip", "zstd", "blosc", "vlen-utf8", "vlen-bytes",
    "zlib", "bz2", "lzma", "lz4", "shuffle", "delta", "fixedscaleoffset", "bitround", "quantize", "packbits", "astype",
    "crc32", "adler32", "fletcher32", "pcodec", "zfpy",
}  # fmt: skip
"""How values may be stored: numbers and texts, compressed; none that runs what it reads, as pickles do."""


def is_zarr(path: str | Path) -> bool:
    """Tell whether a path is a Zarr store (a folder with its metadata)."""
    place = Path(path)
    return place.is_dir() and any((place / name).is_file() for name in (METADATA, zarr2.GROUP))


def open_zarr(path: str | Path, where: str, external: bool = True) -> ZarrGroup:
    """Open the root group of a Zarr store."""
    return ZarrGroup(Path(path), "", where, external)


def _is_node(place: Path) -> bool:
    return any((place / name).is_file() for name in NAMES)


def _metadata(place: Path, root: Path, where: str) -> dict[str, Any]:
    try:
        if not (place / METADATA).is_file():
            return zarr2.metadata(place, root)
        return json.loads((place / METADATA).read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        mend = "copy or download it again"
        raise RecordingError(
            f"its metadata cannot be read ({error})", where=f"{where}: {place.name}", mend=mend
        ) from error


def _attributes(attributes: dict[str, Any], where: str) -> Attributes:
    return Attributes(attributes, lambda name: _followed(attributes[name]), where)


def _followed(value: Any) -> Any:
    if isinstance(value, dict) and "_REFERENCE" in value:
        return _path(value["_REFERENCE"])
    return value


def _path(reference: Any) -> str:
    """Return the path that a reference names: a text in version 3, a dict with it in version 2."""
    return str(reference.get("path", "") if isinstance(reference, dict) else reference).strip("/")


class ZarrArray(Array):
    """An array of a Zarr store."""

    def __init__(self, place: Path, path: str, where: str, metadata: dict[str, Any], inside: Path | None = None):
        self._place, self.path, self._where, self._metadata, self._inside = place, path, where, metadata, inside
        self.shape: tuple[int, ...] = tuple(metadata["shape"])
        self._attributes = metadata.get("attributes", {})

    @cached_property
    def _array(self) -> zarr.Array:
        self._check(_codecs(self._metadata.get("codecs", [])), CODECS)
        return zarr.open_array(self._place, mode="r")

    def _check(self, codecs: Iterable[str], known: set[str]) -> None:
        """Refuse values that are stored by what runs what it reads, or that stand outside the store."""
        for name in codecs:
            if name.removeprefix("numcodecs.") not in known:
                mend = "rewrite it with hdmf-zarr, with its usual compressors"
                where = f"{self._where}: {self.path}"
                raise RecordingError(f"it is stored by the codec '{name}', which is not read", where=where, mend=mend)
        for file in self._place.rglob("*"):
            if endless(file):
                mend = "the store is damaged, or made to do harm"
                where = f"{self._where}: {self.path}"
                raise RecordingError(f"'{file.name}' is neither a file nor a folder", where=where, mend=mend)
            if self._inside and file.is_symlink() and not file.resolve().is_relative_to(self._inside):
                raise outside(self.path, f"keeps values outside this store ({file.name})", self._where)

    def _values(self, selection: Any) -> np.ndarray:
        kind = self._metadata["data_type"]
        if not isinstance(kind, dict) or kind.get("name") != "struct":
            return np.asarray(self._array[selection])
        try:
            return np.asarray(self._array[selection])
        except ValueError:
            # Compound values are called `struct` by zarr from 3.4 on and `structured` before, which warns of it.
            with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return np.asarray(zarr.open_array(self._renamed(Path(folder) / "copy"), mode="r")[selection])

    def _renamed(self, copy: Path) -> Path:
        """Copy an array of compound values (small ones: references) under the name that older versions of zarr know."""
        shutil.copytree(self._place, copy)
        fields = self._metadata["data_type"]["configuration"]["fields"]
        kind = {"fields": [[field["name"], field["data_type"]] for field in fields]}
        empty = base64.b64encode(bytes(sum(_size(field["data_type"]) for field in fields))).decode()
        renamed = {"data_type": {"name": "structured", "configuration": kind}, "fill_value": empty}
        (copy / METADATA).write_text(json.dumps(self._metadata | renamed), encoding="utf-8")
        return copy

    @property
    def attrs(self) -> Attributes:
        """Attributes, as plain Python values; references as the path of what they name."""
        return _attributes(self._attributes, f"{self._where}: {self.path}")

    @property
    def stored(self) -> int:
        """Bytes that the store holds of the values."""
        return sum(file.stat().st_size for file in self._place.rglob("*") if file.is_file())

    @property
    def dtype(self) -> np.dtype:
        """Type of the values."""
        kind = self._metadata["data_type"]
        if isinstance(kind, dict) and kind.get("name") == "struct":
            return np.dtype([(field["name"], object) for field in kind["configuration"]["fields"]])
        return np.dtype(object) if self.is_text or self.is_reference else self._array.dtype

    @property
    def is_text(self) -> bool:
        """Whether the values are text."""
        return self._metadata["data_type"] == "string" and not self.is_reference

    @property
    def is_reference(self) -> bool:
        """Whether the values name other objects of the file."""
        return self._attributes.get("_DTYPE") == "object_reference"

    def read(self, selection: Any = ()) -> np.ndarray:
        """Read what a numpy selection names; text as `str`, references as paths, compounds field by field."""
        if self.hollow:
            mend = "the file is damaged, or made to do harm"
            raise RecordingError(f"it {self.hollow}", where=f"{self._where}: {self.path}", mend=mend)
        try:
            values = self._values(selection)
        except zarr2.UnsafeError as error:
            mend = "the store was made to do harm; if you trust who wrote it, let them export it to HDF5"
            raise RecordingError(as_text(error), where=f"{self._where}: {self.path}", mend=mend) from error
        except (OSError, RuntimeError, ValueError) as error:
            mend = "copy or download the store again; if that does not help, it was written damaged"
            where = f"{self._where}: {self.path}"
            raise UnreadableError(f"its values cannot be read ({as_text(error)})", where=where, mend=mend) from error
        if self.is_reference:
            return np.array([_path(one) for one in values.ravel()], dtype=object).reshape(values.shape)
        if self.is_text:
            texts = [as_text(value) for value in np.ravel(values)]
            return np.array(texts, dtype=object).reshape(values.shape)
        return self._paths(values) if values.dtype.names else values

    def _paths(self, values: np.ndarray) -> np.ndarray:
        """Give the fields that are references as paths."""
        references = self._attributes.get("_REFERENCE_FIELDS", [])
        kinds = [(name, object if name in references else values.dtype[name]) for name in values.dtype.names or ()]
        table = np.empty(values.shape, dtype=kinds)
        for name, _ in kinds:
            column = values[name]
            table[name] = [_path(value) for value in column] if name in references else column
        return table


class Zarr2Array(ZarrArray):
    """An array of a Zarr store of version 2."""

    def __init__(self, place: Path, path: str, where: str, metadata: dict[str, Any], inside: Path | None = None):
        super().__init__(place, path, where, metadata, inside)
        self._own, self._kept = metadata["zarray"], self._attributes.pop("zarr_dtype", None)
        if self._kept == "scalar" and math.prod(self.shape) == 1:
            self.shape = ()

    @cached_property
    def _array(self) -> Any:
        """All values where they are objects (few, in what hdmf-zarr writes), else what reads them piece by piece."""
        self._check(zarr2.codecs(self._own), CODECS | (zarr2.OBJECTS if zarr2.is_object(self._own) else set()))
        if zarr2.is_object(self._own):
            return zarr2.objects(self._place, self._own)
        return zarr.open_array(self._place, mode="r", zarr_format=2)

    def _values(self, selection: Any) -> np.ndarray:
        if self.shape == () and self._own["shape"]:
            return np.asarray(np.asarray(self._array[...]).reshape(()))
        values = np.asarray(self._array[selection])
        return self._rows(values) if self._columns and values.dtype == object else values

    @cached_property
    def _columns(self) -> list[tuple[str, str]]:
        """Names and types of the fields of a table."""
        kept = self._kept if isinstance(self._kept, list) else []
        return [(str(one["name"]), str(one["dtype"])) for one in kept]

    def _rows(self, values: np.ndarray) -> np.ndarray:
        """Give a table whose rows are objects its fields."""
        kinds = [(name, object if kind in ("object", "str", "utf8", "ascii") else kind) for name, kind in self._columns]
        table = np.empty(values.shape, dtype=kinds)
        for place, (name, kind) in enumerate(self._columns):
            column = [row[place] for row in values.ravel()]
            told = [_path(one) for one in column] if kind == "object" else column
            table[name] = np.array(told, dtype=kinds[place][1]).reshape(values.shape)
        return table

    def _paths(self, values: np.ndarray) -> np.ndarray:
        return values

    def read(self, selection: Any = ()) -> np.ndarray:
        """Read what a numpy selection names; text as `str`, references as paths, compounds field by field."""
        values = super().read(selection)
        if values.dtype == object and not (self.is_text or self.is_reference):
            return np.array(values.tolist()).reshape(values.shape)  # numbers that were kept as objects
        return values

    @property
    def dtype(self) -> np.dtype:
        """Type of the values."""
        if self._columns and zarr2.is_object(self._own):
            return np.dtype([(name, object) for name, _ in self._columns])
        return np.dtype(object) if self.is_text or self.is_reference else zarr2.type_of(self._own)

    @property
    def is_text(self) -> bool:
        """Whether the values are text."""
        if self.is_reference or self._columns:
            return False
        if not zarr2.is_object(self._own):
            return zarr2.type_of(self._own).kind in "US"
        if self._kept in ("str", "utf8", "ascii", "text", "string"):
            return True
        return all(isinstance(value, str | bytes) for value in np.ravel(self._array))


def _codecs(listed: Any) -> Iterator[str]:
    """Name the codecs that an array's metadata lists, those inside of others, too."""
    for one in listed if isinstance(listed, list) else []:
        known = one if isinstance(one, dict) else {"name": one}
        yield str(known.get("name", ""))
        settings = known.get("configuration")
        for inner in ("codecs", "index_codecs"):
            yield from _codecs(settings.get(inner, [])) if isinstance(settings, dict) else ()


def _size(kind: str | dict[str, Any]) -> int:
    return np.dtype(kind).itemsize if isinstance(kind, str) else int(kind["configuration"]["length_bytes"])


class ZarrGroup(Group):
    """A group of a Zarr store."""

    def __init__(self, place: Path, path: str, where: str, external: bool = True):
        self._place, self.path, self._where, self._external = place, path, where, external

    @cached_property
    def _attributes(self) -> dict[str, Any]:
        return _metadata(self._place, self._top, self._where).get("attributes", {})

    @property
    def attrs(self) -> Attributes:
        """Attributes, as plain Python values; references as the path of what they name."""
        return _attributes(self._attributes, f"{self._where}: {self.path}")

    @property
    def identity(self) -> Hashable:
        """What is the same for two paths that lead to one group."""
        return self._place.resolve()

    @cached_property
    def _links(self) -> dict[str, dict[str, str]]:
        return {link["name"]: link for link in self._attributes.get("_LINKS", [])}

    def names(self) -> list[str]:
        """Names of the members, in order of name."""
        members = (place.name for place in self._place.iterdir() if _is_node(place))
        return sorted({*members, *self._links})

    def __contains__(self, name: str) -> bool:
        return name in self._links or _is_node(self._place / name)

    def get(self, path: str) -> Group | Array | None:
        """Open a member by its path relative to this group; None where there is none (or a link that leads nowhere)."""
        head, _, rest = str(path).strip("/").partition("/")
        if not head:
            return self
        if head in self._links:
            return self._follow(self._links[head], rest)
        place, here = self._place / head, f"{self.path}/{head}".lstrip("/")
        if not self._external and (head == ".." or not self._inside_store(place)):
            raise outside(here, "stands outside this store", self._where)
        if not _is_node(place):
            return None
        metadata = _metadata(place, self._top, self._where)
        if metadata["node_type"] == "array":
            inside = None if self._external else self._top.resolve()
            kind = Zarr2Array if "zarray" in metadata else ZarrArray
            return None if rest else kind(place, here, self._where, metadata, inside)
        return ZarrGroup(place, here, self._where, self._external).get(rest)

    def _inside_store(self, place: Path) -> bool:
        top = self._top.resolve()
        return all(one.resolve().is_relative_to(top) for one in (place, *(place / name for name in METADATA_FILES)))

    @property
    def _top(self) -> Path:
        depth = len([part for part in self.path.split("/") if part])
        return self._place.parents[depth - 1] if depth else self._place

    def _follow(self, link: dict[str, str], rest: str) -> Group | Array | None:
        root = self._top
        if link.get("source", ".") != ".":
            if not self._external:
                place = f"{self.path}/{link['name']}".lstrip("/")
                raise outside(place, f"is a link into another file ({link['source']})", self._where)
            root = (root / link["source"]).resolve()
        return ZarrGroup(root, "", self._where, self._external).get("/".join([link["path"].strip("/"), rest]))

    def links(self) -> Iterator[tuple[str, str]]:
        """Name each member that is a link, and where it leads (``file::path`` when outside this file)."""
        for name, link in self._links.items():
            inside = link.get("source", ".") == "."
            yield name, link["path"] if inside else f"{link['source']}::{link['path']}"
