"""A recording: the units, series and interval tables of one NWB file, found by name or path and read on demand."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np

from nwbglm.epochs import Epochs
from nwbglm.errors import RecordingError
from nwbglm.recording.clocks import Clocks
from nwbglm.recording.files import Guard, Hdf5Group, check_nwb, open_hdf5
from nwbglm.recording.nodes import Group, OutsideError, external_links, outside, walk
from nwbglm.recording.remote import RangeFile, is_remote, resolve_dandi
from nwbglm.recording.series import Series, is_series
from nwbglm.recording.sweeps import Sweeps, find_sweeps
from nwbglm.recording.tables import Table, is_interval_table, is_table
from nwbglm.recording.texts import as_text
from nwbglm.recording.units import Units
from nwbglm.recording.zarr_files import is_zarr, open_zarr
from nwbglm.study.data import DataSettings

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Recording:
    """One NWB file, opened.

    Parameters
    ----------
    root
        The file's root group.
    session
        The session's name in the study.
    where
        How errors name the file.
    version
        NWB version.
    units_table
        Name or path of the table of units; None for the one that the file has.
    """

    root: Group
    session: str
    where: str
    version: str
    units_table: str | None = None

    def for_study(self, settings: DataSettings) -> Recording:
        """Give the recording as a study sees it: with the table of units that the study names."""
        return self if settings.units.table is None else replace(self, units_table=settings.units.table)

    def _root_text(self, path: str) -> str:
        array = self.root.array(path)
        return "" if array is None else as_text(array.read())

    @property
    def identifier(self) -> str:
        """The file's own identifier."""
        return self._root_text("identifier")

    @property
    def description(self) -> str:
        """The file's own words about the session."""
        return self._root_text("session_description")

    @property
    def start(self) -> str:
        """When the session began, as the file writes it."""
        return self._root_text("session_start_time")

    @property
    def subject(self) -> str:
        """The animal, as the file calls it."""
        return self._root_text("general/subject/subject_id")

    @property
    def notes(self) -> str:
        """The experimenters' notes."""
        return self._root_text("general/notes")

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """Every group of the file that may hold data."""
        return tuple(walk(self.root, lost=self.lost))

    @cached_property
    def lost(self) -> dict[str, Exception]:
        """What could not be opened, by path; known once `groups` is."""
        return {}

    @cached_property
    def series(self) -> dict[str, Series]:
        """Every time series, by path, readable or not."""
        return {group.path: Series(group, self.where) for group in self.groups if is_series(group)}

    @cached_property
    def all_tables(self) -> dict[str, Table]:
        """Every table, by path."""
        return {group.path: Table(group, self.root, self.where) for group in self.groups if is_table(group)}

    @cached_property
    def tables(self) -> dict[str, Table | Sweeps]:
        """Every table of intervals, by path; the sweeps too."""
        found: dict[str, Table | Sweeps] = {}
        for path, table in self.all_tables.items():
            with self._losing(path):
                if is_interval_table(table):
                    found[path] = table
        with self._losing("sweeps"):
            if self.sweeps is not None:
                found[self.sweeps.path] = self.sweeps
        return found

    @contextmanager
    def _losing(self, path: str) -> Iterator[None]:
        """Note what cannot be opened, so that it costs nothing but itself."""
        try:
            yield
        except OutsideError:
            raise
        except RecordingError as error:
            self.lost[path] = error

    @cached_property
    def sweeps(self) -> Sweeps | None:
        """The sweeps of intracellular recordings; None where there are none."""
        return find_sweeps(self.root, self.series, self.where)

    @cached_property
    def units(self) -> Units:
        """The units: the study's table, else that at the root, else the only one; empty where the file has none."""
        found = self.root.get("units")
        if self.units_table is not None:
            tables = {table.path: table for table in self.units_tables}
            return Units(self.find(self.units_table, tables, "table of units"))
        if isinstance(found, Group):
            return Units(Table(found, self.root, self.where))
        others = self.units_tables
        if len(others) > 1:
            raise RecordingError(
                f"there are {len(others)} tables of units, and none at the root of the file",
                where=f"{self.where}: {', '.join(table.path for table in others)}",
                mend=f"say which: `units: {{table: {others[0].path}}}`",
            )
        return Units(others[0] if others else None)

    @cached_property
    def units_tables(self) -> list[Table]:
        """Every table of units: by its type, or with spike times."""
        found = []
        for path, table in self.all_tables.items():
            with self._losing(path):
                if table.kind == "Units" or "spike_times" in table:
                    found.append(table)
        return found

    def find_series(self, name: str) -> Series:
        """Find a series by its name, its path, or the end of its path."""
        return self.find(name, self.series, "series")

    def find_table(self, name: str) -> Table | Sweeps:
        """Find a table of intervals by its name, its path, or the end of its path."""
        return self.find(name, self.tables, "interval table")

    def find(self, name: str, known: dict[str, T], what: str) -> T:
        """Find an object among known ones by its path, or the end of its path."""
        return _find(name, known, what, self.where)

    @cached_property
    def clocks(self) -> Clocks:
        """Which pass over the times things belong to."""
        return Clocks(self.series, self.where)

    def intervals(self, table: Table | Sweeps) -> tuple[Epochs, np.ndarray]:
        """Read a table's rows as epochs.

        Returns
        -------
        epochs
            One interval for each row that has finite times in order; their `row` is the table's row.
        bad
            The rows left out, because a time is NaN, the stop comes first, or the samples that it names cannot be.
        """
        start, stop = (self._times_of(table, name) for name in ("start_time", "stop_time"))
        good = np.isfinite(start) & np.isfinite(stop) & (stop >= start)
        rows = np.flatnonzero(good)
        named = table.ranges()
        ranges = None if named is None else [named[row] for row in rows]
        clock = self.clocks.of_rows(start[good], stop[good], ranges)
        found = Epochs.of(start[good], stop[good], rows, row_labels(table)[good], clock)
        # A row whose samples cannot be told keeps its clock, so that no other takes its spikes, and is left out.
        lost = np.array([named is not None and any(one.lost for one in named[row]) for row in rows], dtype=bool)
        return found.take(~lost), np.sort(np.concatenate([np.flatnonzero(~good), rows[lost]]))

    def _times_of(self, table: Table | Sweeps, name: str) -> np.ndarray:
        values = table.column(name)
        if isinstance(values, list) or values.dtype.kind not in "iufb" or values.ndim != 1:
            found = "lists" if isinstance(values, list) else f"shape {values.shape}, type {values.dtype}"
            raise RecordingError(
                f"column {name!r} does not hold one time a row ({found})",
                where=f"{self.where}: {table.path}",
                mend="NWB wants one number a row, in seconds: correct the file, or take another table",
            )
        return values.astype(np.float64)

    def train(self, unit: int, clock: int, spans: Epochs) -> np.ndarray:
        """Read one unit's spike times on one clock, s, sorted; NaN left out.

        Parameters
        ----------
        unit
            Row of the units table.
        clock
            The clock.
        spans
            The intervals of that clock that spikes are wanted for.
        """
        times = self.units.spike_times(unit)
        times = times[np.isfinite(times)]
        return self.clocks.train(f"units/{self.units.ids[unit]}", times, clock, spans)


def row_labels(table: Table | Sweeps) -> np.ndarray:
    """Name each row: its tags, else its label or condition, else its number."""
    for name in ("tags", "label", "condition", "stimulus_name", "name"):
        if name in table:
            column = table.column(name)
            if isinstance(column, list):
                return np.array(["+".join(str(tag) for tag in row) for row in column], dtype=object)
            return np.array([str(value) for value in column], dtype=object)
    return np.array([str(row) for row in range(len(table))], dtype=object)


def _find(name: str, known: dict[str, T], what: str, where: str) -> T:
    wanted = name.strip("/")
    if wanted in known:
        return known[wanted]
    found = [path for path in known if path.endswith(f"/{wanted}")]
    if len(found) == 1:
        return known[found[0]]
    if found:
        mend = "give more of the path: " + ", ".join(found)
        raise RecordingError(f"there are {len(found)} objects called {name!r}", where=where, mend=mend)
    # The last part of a path is what people misspell.
    close = difflib.get_close_matches(wanted.rpartition("/")[2], [path.rpartition("/")[2] for path in known], n=1)
    meant = [path for path in known if close and path.rpartition("/")[2] == close[0]]
    mend = (f"did you mean {' or '.join(meant)}? " if meant else "") + f"known here: {', '.join(known) or 'none'}"
    raise RecordingError(f"there is no {what} called {name!r}", where=where, mend=mend)


@contextmanager
def open_recording(path: str | Path, *, session: str = "", external: str = "refuse") -> Iterator[Recording]:
    """Open a recording; nothing but its structure is read until asked for.

    Parameters
    ----------
    path
        The file, or an address: http(s) with byte ranges, or ``dandi://000056/path``.
    session
        Its name in the study.
    external
        What to do about links to other files: ``refuse`` or ``allow``.

    Raises
    ------
    RecordingError
        If the file is absent, empty, cut off, no HDF5, no NWB 2, or leads to other files; if an address cannot be read.
    """
    where = str(path)
    with open_root(path, where, external=external != "refuse") as root:
        version = check_nwb(root, where)
        leading = external_links(root) if external == "refuse" else []
        if leading:
            place, target = leading[0]
            raise outside(place, f"is a link into another file ({target}), one of {len(leading)}", where)
        yield Recording(root, session, where, version)


@contextmanager
def open_root(path: str | Path, where: str, *, external: bool = True) -> Iterator[Group]:
    """Open a file's root group, wherever and whatever it is; `external` says whether parts may stand elsewhere."""
    guard = Guard(where, external)
    if is_remote(path):
        url = resolve_dandi(where) if where.startswith("dandi:") else where
        with RangeFile(url) as remote:
            try:
                with open_hdf5(remote, where) as file:
                    yield Hdf5Group(file["/"], "", guard)
            except (OSError, RuntimeError, KeyError, RecordingError) as error:
                # HDF5 tells of a failed read in its own words; the transfer knows the reason.
                raise (remote.failure or error) from error
    elif is_zarr(path):
        yield open_zarr(path, where, external)
    else:
        with open_hdf5(path, where) as file:
            yield Hdf5Group(file["/"], "", guard)
