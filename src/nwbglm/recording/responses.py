"""The units of a continuous response: columns of a series, or of many, with what the file knows of each.

A column of a `RoiResponseSeries` is a region of interest, one of an `ElectricalSeries` an electrode: the rows of the
table that the series refers to describe them. A single series is one unit, and so is each of a pattern of them.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from nwbglm.errors import RecordingError
from nwbglm.recording.model import Recording
from nwbglm.recording.nodes import Group
from nwbglm.recording.series import Series
from nwbglm.recording.sweeps import SIDES
from nwbglm.recording.tables import Table
from nwbglm.recording.texts import as_text
from nwbglm.response import plain_unit
from nwbglm.study.responses import Response

LISTED = 12
"""Series that a message names."""


class Place(NamedTuple):
    """Where a unit is: a column of one of the series."""

    series: int
    column: int


@dataclass(frozen=True, eq=False)
class Responders:
    """The units of a continuous response.

    Parameters
    ----------
    recording
        The file.
    settings
        The study's entry.
    series
        The series that hold them; of sweeps, one after the other the same units.
    side
        ``stimulus`` or ``response`` where the series are the sweeps'.
    """

    recording: Recording
    settings: Response
    series: tuple[Series, ...]
    side: str = ""

    @property
    def path(self) -> str:
        """Where they stand, as the study writes it or as the file has it."""
        return self.series[0].path if len(self.series) == 1 else self.settings.source

    @property
    def name(self) -> str:
        """What the response is called."""
        if self.settings.name is not None:
            return self.settings.name
        if self.series[0].path.rpartition("/")[0].endswith("DfOverF"):
            return "dF/F"
        if len(self.series) == 1:
            return self.series[0].name
        return re.sub(r"[*?\[\]]", "", self.settings.source.rpartition("/")[2]).strip("_- .") or "response"

    @property
    def units(self) -> str:
        """Units of the values, empty where the file says that they have none."""
        return plain_unit(self.settings.units or self.series[0].unit)

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """Where each unit is."""
        if self.side:
            return tuple(Place(0, column) for column in range(self.series[0].columns))
        return tuple(Place(i, column) for i, one in enumerate(self.series) for column in range(one.columns))

    @cached_property
    def region(self) -> tuple[str, Table, np.ndarray] | None:
        """The column, table and rows that describe the columns of the only series; None where it names none."""
        return described_by(self.recording, self.series[0]) if len(self.series) == 1 else None

    @cached_property
    def ids(self) -> np.ndarray:
        """(units,) int64: ids of ROIs or electrodes, numbers that end the names of series, else 0, 1, ..."""
        found: Sequence[int] | np.ndarray = ()
        if self.region is not None:
            _, table, rows = self.region
            found = np.asarray(table.ids)[rows]
        elif len(self.series) == len(self.places) > 1:
            ends = [re.search(r"(\d{1,18})$", one.name) for one in self.series]
            found = [int(end[1]) for end in ends if end]
        alone = len(found) == len(self.places) and len(set(np.asarray(found).tolist())) == len(found)
        return np.asarray(found if alone else np.arange(len(self.places)), dtype=np.int64)

    @cached_property
    def metadata(self) -> dict[str, np.ndarray]:
        """(units,) columns with a plain value a unit: `series`, `column`, and those of the table of ROIs."""
        known = {
            "series": np.array([self.series[place.series].name for place in self.places], dtype=object),
            "column": np.array([place.column for place in self.places]),
        }
        if self.region is not None:
            _, table, rows = self.region
            known |= {name: values[rows] for name, values in table.metadata().items()}
        if len(self.series) == 1 and (bands := bands_of(self.series[0])) is not None:
            known["band"] = bands
        return known

    def __len__(self) -> int:
        return len(self.places)


def find_responders(recording: Recording, settings: Response) -> Responders:
    """Find the units of a continuous response.

    Raises
    ------
    RecordingError
        If there is no such series, one of them cannot be read, or its table does not describe its columns.
    """
    head, _, side = settings.source.partition(".")
    if head == "sweeps" and side in SIDES:
        found = Responders(recording, settings, _series_of_sweeps(recording, side), side)
    else:
        found = Responders(recording, settings, matching_series(recording, settings.source))
    for series in found.series:
        if series.problem:
            series.values()
    if found.side and len({series.columns for series in found.series}) > 1:
        raise RecordingError(
            "the sweeps' series have different numbers of columns",
            where=f"{recording.where}: {found.path}",
            mend="name one series: `response.from`",
        )
    return found


def _series_of_sweeps(recording: Recording, side: str) -> tuple[Series, ...]:
    if recording.sweeps is None:
        raise RecordingError("the file has no sweeps", where=recording.where, mend="correct `response.from`")
    paths = [sweep.ranges[side].series for sweep in recording.sweeps.sweeps if side in sweep.ranges]
    if not paths:
        raise RecordingError(f"no sweep has a {side}", where=recording.where, mend="correct `response.from`")
    return tuple(recording.series[path] for path in dict.fromkeys(paths))


def matching_series(recording: Recording, pattern: str) -> tuple[Series, ...]:
    """Find the series of a name or path, or all those of a pattern, in the order of the numbers in their names."""
    if not set("*?[") & set(pattern) or pattern.strip("/") in recording.series:
        return (recording.find_series(pattern),)
    wanted = pattern.strip("/")
    paths = [
        path
        for path in recording.series
        if fnmatch.fnmatchcase(path, wanted) or fnmatch.fnmatchcase(path, f"*/{wanted}")
    ]
    if not paths:
        known = list(recording.series)
        shown = ", ".join(known[:LISTED]) + (f", ... ({len(known)})" if len(known) > LISTED else "")
        raise RecordingError(
            f"no series matches {pattern!r}", where=f"{recording.where}: response.from", mend=f"known here: {shown}"
        )
    return tuple(recording.series[path] for path in sorted(paths, key=natural))


def natural(text: str) -> list[tuple[int, int, str]]:
    """Give a sorting key by which ``Step__2`` comes before ``Step__10``."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", text) if part]


def described_by(recording: Recording, series: Series) -> tuple[str, Table, np.ndarray] | None:
    """Find the table that describes a series' columns: its reference column, the table, the row of each column.

    Raises
    ------
    RecordingError
        If the reference does not fit the columns: the data may be transposed.
    """
    return _by_own_region(recording, series) or _by_source(recording, series)


def _by_own_region(recording: Recording, series: Series) -> tuple[str, Table, np.ndarray] | None:
    for name in series.group.names():
        array = series.group.array(name)
        if array is None or array.attrs.text("neurodata_type") != "DynamicTableRegion":
            continue
        path = array.attrs.text("table")
        table = recording.all_tables.get(str(path).strip("/")) if path else None
        rows = np.ravel(array.read()).astype(np.int64)
        shape = () if series.data is None else series.data.shape
        if len(shape) == 3 and len(rows) == shape[1]:  # channels x bands, the bands running fastest
            rows = np.repeat(rows, shape[2])
        if len(rows) != series.columns:
            turned = len(shape) == 2 and shape[0] == len(rows)
            raise RecordingError(
                f"`{name}` describes {len(rows)} columns, and the data have the shape {shape}"
                + (": they are transposed, time runs along the second axis" if turned else ""),
                where=f"{recording.where}: {series.path}",
                mend="correct the file: NWB wants time first" if turned else "correct the file, or take another series",
            )
        if table is None:
            return None
        if len(rows) and not (rows.min() >= 0 and rows.max() < len(table)):
            raise RecordingError(
                f"`{name}` names row {rows.max() if rows.max() >= len(table) else rows.min()} of {len(table)} rows of "
                f"{table.path}",
                where=f"{recording.where}: {series.path}",
                mend="correct the file, or take another series",
            )
        return name, table, rows
    return None


def _by_source(recording: Recording, series: Series) -> tuple[str, Table, np.ndarray] | None:
    """Find the table of the channels of the series that bands were made of."""
    source, shape = series.group.get("source_timeseries"), () if series.data is None else series.data.shape
    if not isinstance(source, Group) or len(shape) != 3:
        return None
    found = _by_own_region(recording, Series(source, series.where))
    if found is None or len(found[2]) != shape[1]:
        return None
    name, table, rows = found
    return name, table, np.repeat(rows, shape[2])


def bands_of(series: Series) -> np.ndarray | None:
    """Name the band of each column of a decomposition, (columns,) texts; None where it is none."""
    group, shape = series.group.get("bands"), () if series.data is None else series.data.shape
    if not isinstance(group, Group) or len(shape) != 3:
        return None
    names = group.array("band_name")
    if names is None or names.shape != shape[2:]:
        return None
    return np.array([as_text(name) for name in np.tile(names.read(), shape[1])], dtype=object)
