"""What every container of NWB data offers: groups and arrays by path, attributes, links."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np

UNWALKED = ("specifications", "general/devices", "general/subject", "scratch", ".specloc")
"""Groups without signals, tables or units: not visited."""


class Array(ABC):
    """A dataset of the file: known by its `path`, `shape` and `dtype`, read on demand."""

    path: str
    shape: tuple[int, ...]

    @property
    @abstractmethod
    def dtype(self) -> np.dtype:
        """Type of the values."""

    @property
    @abstractmethod
    def attrs(self) -> dict:
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


class Group(ABC):
    """A group of the file, known by its `path`."""

    path: str

    @property
    @abstractmethod
    def attrs(self) -> dict:
        """Attributes, as plain Python values; references as the path of what they name."""

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
        return str(self.attrs.get("neurodata_type", ""))

    def array(self, path: str) -> Array | None:
        """Open a member that must be an array; None where it is absent or a group."""
        found = self.get(path)
        return found if isinstance(found, Array) else None


def walk(root: Group) -> Iterator[Group]:
    """Visit every group once, in the file's order; links are not followed, so no object is met twice."""
    linked = {name for name, _ in root.links()}
    for name in root.names():
        child = None if name in linked else root.get(name)
        if isinstance(child, Group) and not child.path.startswith(UNWALKED):
            yield child
            yield from walk(child)


def external_links(root: Group) -> list[tuple[str, str]]:
    """List the links that leave the file: where they stand, and what they name."""
    found = []
    for group in (root, *walk(root)):
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
        return str(self.group.attrs.get("description", ""))
