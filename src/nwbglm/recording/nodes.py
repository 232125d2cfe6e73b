"""What every container of NWB data offers: groups and arrays by path, attributes, links."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from nwbglm.errors import RecordingError
from nwbglm.recording.texts import as_number, as_text, as_texts

UNWALKED = ("specifications", "general/devices", "general/subject", "scratch", ".specloc")
"""Groups without signals, tables or units: not visited."""


LARGE = 2**28
"""Arrays that declare more bytes than this must hold some of them."""
COMPRESSIBLE = 1100
"""Times that compression makes an array smaller at most (deflate: 1032)."""


class OutsideError(RecordingError):
    """Part of a recording stands in another file, and the study does not allow that."""


class UnreadableError(RecordingError):
    """Values that are declared cannot be read: a damaged piece of the file."""


def outside(place: str, what: str, where: str) -> OutsideError:
    """Say that something leaves the file."""
    mend = "copy the data into one file (nwb export), or set `audit: {external_links: allow}`"
    return OutsideError(f"{place} {what}", where=where, mend=mend)


class Attributes(Mapping[str, Any]):
    """What is written beside a group or array, each read when it is asked for.

    Parameters
    ----------
    names
        The attributes' names.
    read
        Gives the plain value of one; references as the path of what they name.
    where
        How errors name the object.
    """

    def __init__(self, names: Iterable[str], read: Callable[[str], Any], where: str):
        self._names, self._read, self._where = tuple(names), read, where

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        try:
            return self._read(name)
        except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
            raise RecordingError(f"its attribute {name!r} cannot be read ({error})", where=self._where) from error

    def text(self, name: str) -> str:
        """Read an attribute as text; empty where there is none."""
        return as_text(self.get(name))

    def texts(self, name: str) -> list[str]:
        """Read an attribute as a list of texts; empty where there is none."""
        return as_texts(self.get(name))

    def number(self, name: str) -> float | None:
        """Read an attribute as a number; None where there is none."""
        return as_number(self.get(name))


class Array(ABC):
    """A dataset of the file: known by its `path`, `shape` and `dtype`, read on demand."""

    path: str
    shape: tuple[int, ...]

    @property
    @abstractmethod
    def stored(self) -> int:
        """Bytes that the file holds of the values."""

    @property
    def hollow(self) -> str:
        """Say that the array declares far more values than the file holds, which nothing should read; else empty."""
        declared = int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize
        if declared <= LARGE or declared <= COMPRESSIBLE * self.stored:
            return ""
        return f"declares {declared / 1e9:.3g} GB, of which the file holds {self.stored:,} bytes"

    @property
    @abstractmethod
    def dtype(self) -> np.dtype:
        """Type of the values."""

    @property
    @abstractmethod
    def attrs(self) -> Attributes:
        """Attributes, as plain Python values; references as the path of what they name."""

    @property
    @abstractmethod
    def is_text(self) -> bool:
        """Whether the values are text."""

    @property
    @abstractmethod
    def is_reference(self) -> bool:
        """Whether the values name other objects of the file."""

    @abstractmethod
    def read(self, selection: Any = ()) -> np.ndarray:
        """Read what a numpy selection names; text as `str`, references as paths, compounds field by field."""


class Flat(Array):
    """A list that was written with a second axis of one entry, as MATLAB writes them: read as a list."""

    def __init__(self, inner: Array):
        self._inner, self.path = inner, inner.path
        self._row = inner.shape[0] == 1
        self.shape = (max(inner.shape),)

    @property
    def stored(self) -> int:
        """Bytes that the file holds of the values."""
        return self._inner.stored

    @property
    def dtype(self) -> np.dtype:
        """Type of the values."""
        return self._inner.dtype

    @property
    def attrs(self) -> Attributes:
        """Attributes, as plain Python values; references as the path of what they name."""
        return self._inner.attrs

    @property
    def is_text(self) -> bool:
        """Whether the values are text."""
        return self._inner.is_text

    @property
    def is_reference(self) -> bool:
        """Whether the values name other objects of the file."""
        return self._inner.is_reference

    def read(self, selection: Any = ()) -> np.ndarray:
        """Read what a selection of the list names."""
        which = selection if selection != () else slice(None)
        which = which[0] if isinstance(which, tuple) else which
        return self._inner.read((0, which) if self._row else (which, 0))


def as_list(array: Array | None) -> Array | None:
    """Take an array of one row or one column as the list that it is; others as they are."""
    flat = array is not None and len(array.shape) == 2 and 1 in array.shape and 0 not in array.shape
    return Flat(array) if array is not None and flat else array


class Group(ABC):
    """A group of the file, known by its `path`."""

    path: str

    @property
    @abstractmethod
    def attrs(self) -> Attributes:
        """Attributes, as plain Python values; references as the path of what they name."""

    @property
    @abstractmethod
    def identity(self) -> Hashable:
        """What is the same for two paths that lead to one group."""

    @abstractmethod
    def names(self) -> list[str]:
        """List the members' names."""

    @abstractmethod
    def __contains__(self, name: str) -> bool: ...

    @abstractmethod
    def get(self, path: str) -> Group | Array | None:
        """Open a member by its path relative to this group; None where there is none (or a link that leads nowhere)."""

    @abstractmethod
    def links(self) -> Iterator[tuple[str, str]]:
        """Name each member that is a link, and where it leads (``file::path`` when outside this file)."""

    @property
    def kind(self) -> str:
        """The neurodata type, or an empty text."""
        return self.attrs.text("neurodata_type")

    def array(self, path: str) -> Array | None:
        """Open a member that must be an array; None where it is absent or a group."""
        found = self.get(path)
        return found if isinstance(found, Array) else None


def walk(
    root: Group, unwalked: tuple[str, ...] = UNWALKED, lost: dict[str, Exception] | None = None
) -> Iterator[Group]:
    """Visit the groups, in the file's order; links are not followed, and what was met is not entered again.

    Parameters
    ----------
    root
        Where to begin.
    unwalked
        Beginnings of paths that are left out.
    lost
        Filled with the members that cannot be opened, by path; where None, the first of them raises.
    """
    met, waiting = {root.identity}, [_members(root, lost)]
    while waiting:
        child = next(waiting[-1], None)
        if child is None:
            waiting.pop()
        elif not unwalked or not child.path.startswith(unwalked):
            yield child
            if child.identity not in met:
                met.add(child.identity)
                waiting.append(_members(child, lost))


def _members(group: Group, lost: dict[str, Exception] | None) -> Iterator[Group]:
    linked = {name for name, _ in group.links()}
    for name in group.names():
        if name in linked:
            continue
        try:
            child = group.get(name)
        except (RecordingError, OSError, RuntimeError, KeyError, ValueError) as error:
            if lost is None or isinstance(error, OutsideError):
                raise
            lost[f"{group.path}/{name}".lstrip("/")] = error
            continue
        if isinstance(child, Group):
            yield child


def external_links(root: Group) -> list[tuple[str, str]]:
    """List the links that leave the file, wherever they stand: their place, and what they name."""
    found = []
    for group in (root, *walk(root, unwalked=(), lost={})):
        found += [(f"{group.path}/{name}".lstrip("/"), to) for name, to in group.links() if "::" in to]
    return found


class Named:
    """What an object of the file says of itself, wherever it stands."""

    group: Group

    @property
    def path(self) -> str:
        """Path in the file."""
        return self.group.path

    @property
    def name(self) -> str:
        """Last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def kind(self) -> str:
        """Neurodata type."""
        return self.group.kind

    @property
    def description(self) -> str:
        """The file's own words."""
        return self.group.attrs.text("description")
