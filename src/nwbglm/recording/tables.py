"""DynamicTables of the file: plain, ragged and reference columns, read one column at a time.

A ragged column stores all rows end to end, with `NAME_index` holding where each row ends (and `NAME_index_index`
above it where rows hold lists of lists). A reference column names rows of another table (DynamicTableRegion) or
objects of the file.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, TypeVar

import numpy as np

from nwbglm.errors import RecordingError
from nwbglm.recording.nodes import Array, Group, Named, as_list
from nwbglm.recording.texts import as_text
from nwbglm.study.base import nearest

Rows = TypeVar("Rows", bound="np.ndarray | list[np.ndarray]")


@dataclass(frozen=True)
class SampleRange:
    """Samples of a series that a table's row names."""

    first: int
    count: int
    series: str
    lost: bool = False


@dataclass(frozen=True, eq=False)
class Table(Named):
    """A table of the file.

    Parameters
    ----------
    group
        Its group.
    root
        The file, for references to other tables.
    where
        How errors name the file.
    """

    group: Group
    root: Group
    where: str

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Column names: those the table declares first, then any other array of its group that is no index."""
        declared = self.group.attrs.texts("colnames")
        present = [name for name in self.group.names() if name != "id" and not name.endswith("_index")]
        texts = [
            name for name in present if name.endswith("_elements") and self._levels(name.removesuffix("_elements"))
        ]
        present = [name for name in present if name not in texts]
        return tuple(dict.fromkeys([name for name in declared if name in self.group] + sorted(present)))

    @cached_property
    def ids(self) -> np.ndarray:
        """(rows,) identifiers of the rows; 0, 1, ... where the file gives none."""
        ids = as_list(self.group.array("id"))
        return np.arange(self._rows_of_first_column()) if ids is None else np.atleast_1d(ids.read())

    def _rows_of_first_column(self) -> int:
        for name in self.columns:
            if (array := self._row_array(name)) is not None and array.shape:
                return array.shape[0]
        return 0

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, column: str) -> bool:
        return column in self.columns

    def _row_array(self, name: str) -> Array | None:
        """Find the array whose first axis is the table's rows: the column itself or its outermost index."""
        index = name
        while f"{index}_index" in self.group:
            index += "_index"
        return self.group.array(index)

    def _levels(self, name: str) -> Array | None:
        """Open the texts that a column of codes (EnumData) stands for; None where it is no such column."""
        codes = self.group.array(name)
        if codes is None or codes.attrs.text("neurodata_type") != "EnumData":
            return None
        named = self.root.get(codes.attrs.text("elements")) if codes.attrs.text("elements") else None
        return named if isinstance(named, Array) else self.group.array(f"{name}_elements")

    def values(self, name: str) -> np.ndarray:
        """Read all values of a column, end to end; the texts of a column of codes."""
        values, levels = self.array(name).read(), self._levels(name)
        return values if levels is None else labels_of(values, levels.read())

    def array(self, name: str) -> Array:
        """Open a column's values as they are stored."""
        found = self._list(name)
        if found is None:
            raise RecordingError(
                f"there is no column {name!r}", where=f"{self.where}: {self.path}", mend=nearest(name, self.columns)
            )
        return found

    def _list(self, name: str) -> Array | None:
        """Open a column; one that was written with a second axis of one entry is the list that it is."""
        found = self.group.array(name)
        flat = as_list(found)
        if flat is None or flat is found:
            return found
        if name.endswith("_index"):
            return flat
        # One row may well hold several values: what counts is how many there are to be.
        index = as_list(self.group.array(f"{name}_index"))
        wanted = len(self) if index is None else _last(index.read())
        return flat if flat.shape == (wanted,) else found

    def is_ragged(self, name: str) -> bool:
        """Tell whether each row of a column holds a list."""
        return f"{name}_index" in self.group

    def ends(self, name: str) -> np.ndarray:
        """(rows + 1,) where each row of a ragged column begins and ends, beginning with 0."""
        values = self.array(name)
        return self._fitting(f"{name}_index", self.array(f"{name}_index"), values.shape[0] if values.shape else 0)

    def _fitting(self, name: str, index: Array, size: int) -> np.ndarray:
        """Read an index: it rises, and ends where what it points into ends."""
        read = index.read()
        numbers = read.dtype.kind in "iuf" and read.ndim == 1
        ends = np.concatenate([[0], read.astype(np.int64)]) if numbers else np.array([-1])
        if (np.diff(ends) < 0).any() or ends[-1] != size:
            what = (
                "is no list of numbers" if not numbers
                else f"ends at {ends[-1]} of {size} values" if ends[-1] != size
                else "runs back"
            )  # fmt: skip
            raise RecordingError(
                f"the index {name!r} {what}: which value belongs to which row cannot be told",
                where=f"{self.where}: {self.path}/{name}",
                mend="the file is damaged or was written wrongly: write it again from the source, or ask its authors",
            )
        return ends

    def column(self, name: str) -> np.ndarray | list[np.ndarray]:
        """Read a column: an array with one entry a row, or a list of arrays where it is ragged.

        ``region.column`` follows a reference column into the table that it names.
        """
        head, dot, tail = name.partition(".")
        if dot:
            return self._follow(head, tail)
        if not self.is_ragged(name):
            return self._checked(name, self.values(name))
        ends, values = self.ends(name), self.values(name)
        rows = [values[low:high] for low, high in itertools.pairwise(ends)]
        if f"{name}_index_index" in self.group:
            outer = self._fitting(f"{name}_index_index", self.array(f"{name}_index_index"), len(rows))
            rows = [
                np.concatenate(rows[low:high]) if high > low else values[:0] for low, high in itertools.pairwise(outer)
            ]
        return self._checked(name, rows)

    def _checked(self, name: str, values: Rows) -> Rows:
        if len(values) != len(self):
            raise RecordingError(
                f"column {name!r} has {len(values)} entries for {len(self)} rows",
                where=f"{self.where}: {self.path}",
                mend="do not select on this column; its rows cannot be told apart",
            )
        return values

    def target(self, name: str) -> Table | None:
        """Open the table that a region column names; None where the file does not say (plain integers)."""
        array = self.group.array(name)
        path = None if array is None else array.attrs.text("table")
        found = self.root.get(path) if path else None
        return Table(found, self.root, self.where) if isinstance(found, Group) else None

    def _follow(self, name: str, tail: str) -> np.ndarray | list[np.ndarray]:
        values = self.column(name)
        if isinstance(values, np.ndarray) and values.dtype == object:
            return np.array([self._member(path, tail) for path in values], dtype=object)
        target = self.target(name)
        if target is None:
            raise RecordingError(
                f"column {name!r} holds plain numbers and names no table, so {name}.{tail} cannot be read",
                where=f"{self.where}: {self.path}",
                mend=f"select on {name!r} itself",
            )
        looked_up = target.column(tail)
        if isinstance(values, list):
            return [_pick(looked_up, rows) for rows in values]
        return _pick(looked_up, values)

    def _member(self, path: str, tail: str) -> Any:
        group = self.root.get(path) if path else None
        if not isinstance(group, Group):
            return ""
        if tail == "name":
            return group.path.rpartition("/")[2]
        array = group.array(tail)
        return group.attrs.text(tail) if array is None else as_text(array.read()) if array.is_text else array.read()

    def ranges(self) -> list[list[SampleRange]] | None:
        """Give the samples of series that each row names; None where the table names none."""
        return sample_ranges(self, "timeseries") if "timeseries" in self else None

    def metadata(self) -> dict[str, np.ndarray]:
        """Read the columns with one plain number or text a row, by name; those that cannot be read are left out."""
        plain = {}
        for name in self.columns:
            with contextlib.suppress(RecordingError):
                values = self._plain(name)
                if values is not None:
                    plain[name] = values
        return plain

    def _plain(self, name: str) -> np.ndarray | None:
        array = self._list(name)
        if array is None or self.is_ragged(name) or array.shape != (len(self),):
            return None
        if array.is_reference:
            return np.array([str(path).rpartition("/")[2] for path in self.values(name)], dtype=object)
        return self.values(name) if array.is_text or array.dtype.kind in "iufb" else None


def _last(index: np.ndarray) -> int:
    """Give where an index ends; -1 where it is none."""
    numbers = index.dtype.kind in "iu" and index.ndim == 1 and index.size
    return int(index[-1]) if numbers else -1


def _pick(values: np.ndarray | list[np.ndarray], rows: np.ndarray) -> np.ndarray:
    rows = np.asarray(rows, dtype=np.int64)
    if isinstance(values, list):
        return np.concatenate([values[row] for row in rows]) if len(rows) else np.empty(0, dtype=object)
    return values[rows]


def sample_ranges(table: Table, name: str) -> list[list[SampleRange]]:
    """Read a column of references into time series: for each row, the samples that it names."""
    rows = table.column(name)
    if not isinstance(rows, list):
        rows = [rows[index : index + 1] for index in range(len(rows))]
    return [list(_ranges(row, index)) for index, row in enumerate(rows)]


def _ranges(row: np.ndarray, index: int) -> Iterator[SampleRange]:
    if not row.dtype.names:
        return
    series = "timeseries" if "timeseries" in row.dtype.names else row.dtype.names[-1]
    for item in row:
        first, count = int(item["idx_start"]), int(item["count"])
        if first >= 0 and count > 0:
            yield SampleRange(first, count, str(item[series]))
        elif count > 0:  # (-1, -1) says that there are none; a start before the first sample says nothing
            yield SampleRange(index, 1, "samples that cannot be", lost=True)


class Columned(Protocol):
    """What has columns by name."""

    def __contains__(self, column: str) -> bool: ...


def labels_of(codes: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Name each code (0, 1, ...) by its text; a number without one is called `unknown (7)`."""
    texts = np.array([as_text(level) for level in np.ravel(levels)], dtype=object)
    with np.errstate(invalid="ignore"):
        known = np.isfinite(codes) & (codes >= 0) & (codes < len(texts)) & (codes == np.floor(codes))
    named = np.array([f"unknown ({code:g})" for code in np.ravel(codes)], dtype=object).reshape(np.shape(codes))
    named[known] = texts[np.asarray(codes)[known].astype(np.int64)]
    return named


def is_table(group: Group) -> bool:
    """Tell whether a group is a table: it declares its columns."""
    return "colnames" in group.attrs


def is_interval_table(table: Columned) -> bool:
    """Tell whether each row of a table is a stretch of time."""
    return "start_time" in table and "stop_time" in table
