"""Open a recording's file, or say in one line why it is not one that we read.

The NWB layout is read directly from the container (HDF5 here, Zarr in `zarr_files`) and not through pynwb's object
tree: one object that pynwb cannot build (a column of another type than its schema, an extension that is not
installed) would otherwise cost the whole file, and every object is to be named by its path. What stands in a file is
judged by its form: a group with ``data`` and times is a time series, whatever extension its type comes from.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import IOBase
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from nwbglm.errors import RecordingError
from nwbglm.recording.nodes import Array, Group

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


class Hdf5Array(Array):
    """A dataset of an HDF5 file."""

    def __init__(self, dataset: h5py.Dataset):
        self._dataset = dataset
        self.path = dataset.name.lstrip("/")
        self.shape: tuple[int, ...] = dataset.shape or ()

    @property
    def dtype(self) -> np.dtype:
        """Type of the values."""
        return self._dataset.dtype

    @property
    def attrs(self) -> dict:
        """Attributes, as plain Python values; references as the path of what they name."""
        return _attributes(self._dataset)

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
        if self.is_text:
            return np.asarray(self._dataset.asstr()[selection], dtype=object)
        values = self._dataset[selection]
        if self.is_reference:
            return _paths(self._dataset.file, values)
        if self.dtype.names:
            return self._read_compound(np.atleast_1d(values))
        return np.asarray(values)

    def _read_compound(self, values: np.ndarray) -> np.ndarray:
        fields = {}
        for name in self.dtype.names or ():
            column = values[name]
            if h5py.check_ref_dtype(self.dtype[name]) is not None:
                column = _paths(self._dataset.file, column)
            elif h5py.check_string_dtype(self.dtype[name]) is not None:
                column = np.array([_text(value) for value in column], dtype=object)
            fields[name] = column
        kinds = [(name, column.dtype) for name, column in fields.items()]
        table = np.empty(len(values), dtype=kinds)
        for name, column in fields.items():
            table[name] = column
        return table


class Hdf5Group(Group):
    """A group of an HDF5 file."""

    def __init__(self, group: h5py.Group):
        self._group = group
        self.path = group.name.strip("/")

    @property
    def attrs(self) -> dict:
        """Attributes, as plain Python values; references as the path of what they name."""
        return _attributes(self._group)

    def names(self) -> list[str]:
        """Names of the members, in the file's order."""
        return list(self._group)

    def __contains__(self, name: str) -> bool:
        return name in self._group

    def get(self, path: str) -> Group | Array | None:
        """Open a member by its path relative to this group; None where there is none (or a link that leads nowhere)."""
        found = self._group.get(path)
        if isinstance(found, h5py.Dataset):
            return Hdf5Array(found)
        return Hdf5Group(found) if isinstance(found, h5py.Group) else None

    def links(self) -> Iterator[tuple[str, str]]:
        """Name each member that is a link, and where it leads (``file::path`` when outside this file)."""
        for name in self._group:
            link = self._group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                yield name, f"{link.filename}::{link.path}"
            elif isinstance(link, h5py.SoftLink):
                yield name, link.path


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _paths(file: h5py.File, values: Any) -> np.ndarray:
    flat = np.atleast_1d(np.asarray(values, dtype=object))
    named = [file[reference].name.strip("/") if reference else "" for reference in flat.ravel()]
    return np.array(named, dtype=object).reshape(flat.shape)


def _attributes(node: h5py.HLObject) -> dict:
    plain = {}
    for name, value in node.attrs.items():
        if isinstance(value, h5py.Reference):
            plain[name] = node.file[value].name.strip("/") if value else ""
        elif isinstance(value, h5py.Empty):
            plain[name] = None
        elif isinstance(value, np.ndarray):
            plain[name] = [_text(item) if isinstance(item, bytes) else item for item in value.tolist()]
        else:
            plain[name] = (
                value.item() if isinstance(value, np.generic) else _text(value) if isinstance(value, bytes) else value
            )
    return plain


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
    version = root.attrs.get("nwb_version")
    if version is None and (old := root.array("nwb_version")) is not None:
        version = _text(old.read().ravel()[0] if old.shape else old.read()[()])
    if version is None:
        mend = "give a file in the NWB 2 format; `nwb_version` is missing from its root"
        raise RecordingError("the file opens, but it is not an NWB file", where=where, mend=mend)
    version = str(version).removeprefix("NWB-").lstrip("v")
    if not version.startswith("2"):
        mend = "convert it to NWB 2 first (neuroconv, or the converter of the data set's authors)"
        raise RecordingError(f"this file is NWB {version}, which is not NWB 2", where=where, mend=mend)
    return version
