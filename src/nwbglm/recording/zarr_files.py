"""NWB files in the Zarr format (version 3, as hdmf-zarr writes it), through the same objects as HDF5 files.

hdmf-zarr is not needed to read them: links are listed in the attribute `_LINKS`, references are paths, with
`_REFERENCE` or `_DTYPE` saying that they are. Older files (Zarr version 2) keep their texts as Python pickles, which
run whatever they contain when they are read: these are refused.
"""

from __future__ import annotations

import base64
import json
import shutil
import tempfile
import warnings
from collections.abc import Hashable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from nwbglm.content import endless
from nwbglm.errors import RecordingError
from nwbglm.recording.nodes import Array, Attributes, Group, UnreadableError, outside
from nwbglm.recording.texts import as_text

METADATA = "zarr.json"


CODECS = {
    "bytes", "transpose", "sharding_indexed", "crc32c", "gzip", "zstd", "blosc", "vlen-utf8", "vlen-bytes",
    "zlib", "bz2", "lzma", "lz4", "shuffle", "delta", "fixedscaleoffset", "bitround", "quantize", "packbits", "astype",
    "crc32", "adler32", "fletcher32", "pcodec", "zfpy",
}  # fmt: skip
"""How values may be stored: numbers and texts, compressed; none that runs what it reads, as pickles do."""


def is_zarr(path: str | Path) -> bool:
    """Tell whether a path is a Zarr store (a folder with its metadata)."""
    place = Path(path)
    return place.is_dir() and any((place / name).is_file() for name in (METADATA, ".zgroup"))


def open_zarr(path: str | Path, where: str, external: bool = True) -> ZarrGroup:
    """Open the root group of a Zarr store.

    Raises
    ------
    RecordingError
        If the store has the old format.
    """
    if not (Path(path) / METADATA).is_file():
        raise RecordingError(
            "this Zarr file has version 2 of the format, whose texts are Python pickles: unsafe to read",
            where=where,
            mend="rewrite it with hdmf-zarr 0.14 or newer (NWBZarrIO.export), or export it to HDF5",
        )
    return ZarrGroup(Path(path), "", where, external)


def _metadata(place: Path, where: str) -> dict[str, Any]:
    try:
        return json.loads((place / METADATA).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        mend = "copy or download it again"
        raise RecordingError(
            f"its metadata cannot be read ({error})", where=f"{where}: {place.name}", mend=mend
        ) from error


def _attributes(attributes: dict[str, Any], where: str) -> Attributes:
    return Attributes(attributes, lambda name: _followed(attributes[name]), where)


def _followed(value: Any) -> Any:
    if isinstance(value, dict) and "_REFERENCE" in value:
        return str(value["_REFERENCE"].get("path", "")).strip("/")
    return value


class ZarrArray(Array):
    """An array of a Zarr store."""

    def __init__(self, place: Path, path: str, where: str, metadata: dict[str, Any], inside: Path | None = None):
        self._place, self.path, self._where, self._metadata, self._inside = place, path, where, metadata, inside
        self.shape: tuple[int, ...] = tuple(metadata["shape"])
        self._attributes = metadata.get("attributes", {})

    @cached_property
    def _array(self) -> zarr.Array:
        for name in _codecs(self._metadata.get("codecs", [])):
            if name.removeprefix("numcodecs.") not in CODECS:
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
        return zarr.open_array(self._place, mode="r")

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
        except (OSError, RuntimeError, ValueError) as error:
            mend = "copy or download the store again; if that does not help, it was written damaged"
            where = f"{self._where}: {self.path}"
            raise UnreadableError(f"its values cannot be read ({as_text(error)})", where=where, mend=mend) from error
        if self.is_reference:
            flat = [str(value).strip("/") for value in values.ravel()]
            return np.array(flat, dtype=object).reshape(values.shape)
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
            table[name] = [str(value).strip("/") for value in column] if name in references else column
        return table


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
        return _metadata(self._place, self._where).get("attributes", {})

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
        members = (place.name for place in self._place.iterdir() if (place / METADATA).is_file())
        return sorted({*members, *self._links})

    def __contains__(self, name: str) -> bool:
        return name in self._links or (self._place / name / METADATA).is_file()

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
        if not (place / METADATA).is_file():
            return None
        metadata = _metadata(place, self._where)
        if metadata["node_type"] == "array":
            inside = None if self._external else self._top.resolve()
            return None if rest else ZarrArray(place, here, self._where, metadata, inside)
        return ZarrGroup(place, here, self._where, self._external).get(rest)

    def _inside_store(self, place: Path) -> bool:
        top = self._top.resolve()
        return place.resolve().is_relative_to(top) and (place / METADATA).resolve().is_relative_to(top)

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
