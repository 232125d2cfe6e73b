"""Open a recording's file, or say in one line why it is not one that we read.

The NWB layout is read directly from the container (HDF5 here, Zarr in `zarr_files`) and not through pynwb's object
tree: one object that pynwb cannot build (a column of another type than its schema, an extension that is not
installed) would otherwise cost the whole file, and every object is to be named by its path. What stands in a file is
judged by its form: a group with ``data`` and times is a time series, whatever extension its type comes from.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from io import IOBase
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from nwbglm.errors import RecordingError
from nwbglm.recording.nodes import Array, Attributes, Group, UnreadableError, outside
from nwbglm.recording.texts import as_text

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


FILTERS = {
    307: "BZip2", 32000: "LZF", 32001: "Blosc", 32004: "LZ4", 32008: "Bitshuffle", 32013: "ZFP", 32015: "Zstd",
    32017: "SZ", 32024: "SZ3", 32026: "Blosc2",
}  # fmt: skip
"""Compression filters that HDF5 does not bring along, by number; `hdf5plugin` does."""
HOPS = 32
"""Links that lead to links are followed this often."""


@dataclass(frozen=True)
class Guard:
    """What every object of a file is held against when it is opened.

    Parameters
    ----------
    where
        How errors name the file.
    external
        Whether parts of it may stand in other files.
    """

    where: str = ""
    external: bool = True
    _opening: set[Hashable] = field(default_factory=set, compare=False)

    def link(self, place: str, target: str) -> None:
        """Refuse a link into another file."""
        if not self.external:
            raise outside(place, f"is a link into another file ({target})", self.where)

    def dataset(self, dataset: h5py.Dataset, place: str, group: Hdf5Group) -> None:
        """Refuse a dataset whose values stand in another file: raw storage elsewhere, or put together from others.

        One that is put together from itself, in however many steps, is refused in any case: it has no end.
        """
        created = dataset.id.get_create_plist()
        if created.get_external_count() and not self.external:
            name = as_text(created.get_external(0)[0])
            raise outside(place, f"keeps its values in another file ({name})", self.where)
        if created.get_layout() == h5py.h5d.VIRTUAL:
            self._sources(dataset, place, group)

    def _sources(self, dataset: h5py.Dataset, place: str, group: Hdf5Group) -> None:
        info = h5py.h5o.get_info(dataset.id)
        identity = info.fileno, info.addr
        if identity in self._opening:
            mend = "the file is damaged, or made to do harm"
            raise RecordingError("it is put together from itself", where=f"{self.where}: {place}", mend=mend)
        self._opening.add(identity)
        try:
            for source in dataset.virtual_sources():
                if source.file_name == ".":
                    group.top.get(source.dset_name)  # which refuses a source that is a link out of the file
                elif not self.external:
                    raise outside(place, f"is put together from another file ({source.file_name})", self.where)
        finally:
            self._opening.discard(identity)


class Hdf5Array(Array):
    """A dataset of an HDF5 file."""

    def __init__(self, dataset: h5py.Dataset, path: str, guard: Guard):
        self._dataset, self.path, self._where = dataset, path, guard.where
        self.shape: tuple[int, ...] = (0,) if dataset.shape is None else dataset.shape

    @property
    def dtype(self) -> np.dtype:
        """Type of the values."""
        return self._dataset.dtype

    @property
    def stored(self) -> int:
        """Bytes that the file holds of the values."""
        created = self._dataset.id.get_create_plist()
        if created.get_layout() == h5py.h5d.VIRTUAL or created.get_external_count():
            return int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize
        return int(self._dataset.id.get_storage_size())

    @property
    def attrs(self) -> Attributes:
        """Attributes, as plain Python values; references as the path of what they name."""
        return _attributes(self._dataset, self._where, self.path)

    @property
    def is_text(self) -> bool:
        """Whether the values are text."""
        return h5py.check_string_dtype(self.dtype) is not None

    @property
    def is_reference(self) -> bool:
        """Whether the values name other objects of the file."""
        return h5py.check_ref_dtype(self.dtype) is not None

    def read(self, selection: Any = ()) -> np.ndarray:
        """Read what a numpy selection names; text as `str`, references as paths, compounds field by field."""
        if self._dataset.shape is None:
            return np.empty(0, dtype=object if self.is_text else np.float64)
        if self.hollow:
            raise RecordingError(
                f"it {self.hollow}", where=f"{self._where}: {self.path}", mend="the file is damaged, or made to do harm"
            )
        try:
            return self._read(selection)
        except OSError as error:
            raise self._unreadable(error) from error

    def _read(self, selection: Any) -> np.ndarray:
        values = self._dataset[selection]
        if self.is_text:
            return _texts(values)
        if self.is_reference:
            return _paths(self._dataset.file, values)
        if self.dtype.names:
            return self._read_compound(np.atleast_1d(values))
        return np.asarray(values)

    def _unreadable(self, error: OSError) -> RecordingError:
        where, created = f"{self._where}: {self.path}", self._dataset.id.get_create_plist()
        for number in (created.get_filter(place)[0] for place in range(created.get_nfilters())):
            if not h5py.h5z.filter_avail(number):
                name = FILTERS.get(number, "a filter")
                what = f"it is compressed with {name} (HDF5 filter {number}), which is not installed here"
                mend = "pip install hdf5plugin (it is used where it is there), or rewrite the file with gzip"
                return RecordingError(what, where=where, mend=mend)
        mend = "copy or download the file again; if that does not help, it was written damaged"
        return UnreadableError(f"its values cannot be read ({as_text(error)})", where=where, mend=mend)

    def _read_compound(self, values: np.ndarray) -> np.ndarray:
        fields = {}
        for name in self.dtype.names or ():
            column = values[name]
            if h5py.check_ref_dtype(self.dtype[name]) is not None:
                column = _paths(self._dataset.file, column)
            elif h5py.check_string_dtype(self.dtype[name]) is not None:
                column = _texts(column)
            fields[name] = column
        kinds = [(name, column.dtype, column.shape[values.ndim :]) for name, column in fields.items()]
        table = np.empty(values.shape, dtype=kinds)
        for name, column in fields.items():
            table[name] = column
        return table


class Hdf5Group(Group):
    """A group of an HDF5 file; whatever is opened is opened by its `get`, and held against the guard."""

    def __init__(self, group: h5py.Group, path: str = "", guard: Guard | None = None):
        self._group, self.path, self._guard = group, path, guard or Guard()

    @property
    def top(self) -> Hdf5Group:
        """The root of the file that the group stands in."""
        return Hdf5Group(self._group.file["/"], "", self._guard)

    @property
    def attrs(self) -> Attributes:
        """Attributes, as plain Python values; references as the path of what they name."""
        return _attributes(self._group, self._guard.where, self.path)

    @property
    def identity(self) -> Hashable:
        """What is the same for two paths that lead to one group."""
        info = h5py.h5o.get_info(self._group.id)
        return info.fileno, info.addr

    def names(self) -> list[str]:
        """Names of the members, in the file's order."""
        return list(self._group)

    def __contains__(self, name: str) -> bool:
        link = self._link(name)
        return link is not None and (isinstance(link, h5py.HardLink) or self.get(name) is not None)

    def _link(self, name: str) -> Any:
        return self._group.get(name, getlink=True)

    def get(self, path: str) -> Group | Array | None:
        """Open a member by its path relative to this group; None where there is none (or a link that leads nowhere)."""
        return self._open(str(path), 0)

    def _open(self, path: str, hops: int) -> Group | Array | None:
        found: Group | Array | None = self.top if path.startswith("/") else self
        for name in path.split("/"):
            if not isinstance(found, Hdf5Group):
                return None
            if name not in ("", "."):
                found = found._member(name, hops)
        return found

    def _member(self, name: str, hops: int) -> Group | Array | None:
        link, place = self._link(name), f"{self.path}/{name}".lstrip("/")
        if link is None or hops > HOPS:
            return None
        if isinstance(link, h5py.SoftLink):
            return self._open(link.path, hops + 1)
        if isinstance(link, h5py.ExternalLink):
            self._guard.link(place, f"{as_text(link.filename)}::{as_text(link.path)}")
        try:
            found = self._group[name]
        except (KeyError, OSError, RuntimeError) as error:
            if isinstance(link, h5py.ExternalLink):
                return None
            mend = "copy or download the file again; if that does not help, it was written damaged"
            where = f"{self._guard.where}: {place}"
            raise RecordingError(f"it cannot be opened ({as_text(error)})", where=where, mend=mend) from error
        if isinstance(found, h5py.Dataset):
            self._guard.dataset(found, place, self)
            return Hdf5Array(found, place, self._guard)
        return Hdf5Group(found, place, self._guard) if isinstance(found, h5py.Group) else None

    def links(self) -> Iterator[tuple[str, str]]:
        """Name each member that is a link, and where it leads (``file::path`` when outside this file)."""
        for name in self._group:
            link = self._link(name)
            if isinstance(link, h5py.ExternalLink):
                yield name, f"{as_text(link.filename)}::{as_text(link.path)}"
            elif isinstance(link, h5py.SoftLink):
                yield name, link.path


def _texts(values: Any) -> np.ndarray:
    found = np.asarray(values, dtype=object)
    texts = np.array([as_text(value) for value in found.ravel()], dtype=object)
    return texts.reshape(found.shape)


def _path(file: h5py.File, reference: Any) -> str:
    """Follow a reference; an empty text where it leads nowhere."""
    try:
        return (file[reference].name or "").strip("/") if reference else ""
    except (KeyError, ValueError, RuntimeError, OSError, TypeError):
        return ""


def _paths(file: h5py.File, values: Any) -> np.ndarray:
    flat = np.atleast_1d(np.asarray(values, dtype=object))
    return np.array([_path(file, reference) for reference in flat.ravel()], dtype=object).reshape(flat.shape)


def _attributes(node: h5py.HLObject, where: str, path: str) -> Attributes:
    def read(name: str) -> Any:
        return _plain(node.file, node.attrs[name])

    place = f"{where}: {path or '/'}"
    try:
        return Attributes(node.attrs, read, place)
    except (OSError, RuntimeError, KeyError) as error:
        raise RecordingError(f"its attributes cannot be listed ({as_text(error)})", where=place) from error


def _plain(file: h5py.File, value: Any) -> Any:
    if isinstance(value, h5py.Reference):
        return _path(file, value)
    if isinstance(value, h5py.Empty):
        return None
    if isinstance(value, np.ndarray):
        return [_plain(file, item) for item in value.tolist()]
    if isinstance(value, bytes | str):
        return as_text(value)
    return value.item() if isinstance(value, np.generic) else value


def open_hdf5(source: str | Path | IOBase, where: str) -> h5py.File:
    """Open an HDF5 file for reading.

    Parameters
    ----------
    source
        A path, or an open binary file (a remote one).
    where
        How errors name the file.
    """
    if isinstance(source, str | Path):
        _check_bytes(Path(source), where)
    with contextlib.suppress(ImportError):
        importlib.import_module("hdf5plugin")  # where it is installed, its filters are there from now on
    try:
        return h5py.File(source, "r")
    except OSError as error:
        cut = "truncated" in str(error) or "eof" in str(error).lower()
        what = (
            "the file is cut off: it is shorter than its own header says" if cut else f"HDF5 cannot open it ({error})"
        )
        raise RecordingError(
            what, where=where, mend="copy or download it again, and compare its size and sha256"
        ) from error


def _check_bytes(path: Path, where: str) -> None:
    if not path.exists():
        raise RecordingError("there is no such file", where=where, mend="check the path in the study's `recordings`")
    if path.is_dir():
        mend = "name the file in it, or a folder in the Zarr format (.nwb.zarr)"
        raise RecordingError("this is a folder, and no Zarr store", where=where, mend=mend)
    size = path.stat().st_size
    if size == 0:
        raise RecordingError("the file is empty (0 bytes)", where=where, mend="copy or download it again")
    with path.open("rb") as stream:
        head = stream.read(len(HDF5_SIGNATURE))
    if head != HDF5_SIGNATURE and not h5py.is_hdf5(path):
        mend = "give a file in the NWB 2 format (HDF5 or Zarr)"
        raise RecordingError(f"this is no HDF5 file: it starts with {head!r}", where=where, mend=mend)


def check_nwb(root: Group, where: str) -> str:
    """Return the NWB version of an opened file; raise if it is not NWB 2."""
    version = root.attrs.text("nwb_version")
    if not version and (old := root.array("nwb_version")) is not None:
        version = as_text(old.read())
    if not version:
        mend = "give a file in the NWB 2 format; `nwb_version` is missing from its root"
        raise RecordingError("the file opens, but it is not an NWB file", where=where, mend=mend)
    version = version.removeprefix("NWB-").lstrip("v")
    if not version.startswith("2"):
        mend = "convert it to NWB 2 first (neuroconv, or the converter of the data set's authors)"
        raise RecordingError(f"this file is NWB {version}, which is not NWB 2", where=where, mend=mend)
    return version
