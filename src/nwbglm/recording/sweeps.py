"""Sweeps of intracellular recordings as a table: the stretch of time and the samples of each stimulus and response.

Files name their sweeps in one of two ways: an `intracellular_recordings` table whose rows refer to samples of series,
or (older ones) a `sweep_number` on every series. Both become the table ``sweeps`` here, with the columns
`start_time`, `stop_time`, `sweep_number`, `clamp` (``current``, ``voltage`` or ``zero``), `stimulus` and `response`
(paths), `electrode`, and the stimulus' own description.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nwbglm.errors import RecordingError
from nwbglm.recording.nodes import Group
from nwbglm.recording.series import Series
from nwbglm.recording.tables import SampleRange, Table, sample_ranges
from nwbglm.recording.texts import as_number
from nwbglm.study.base import nearest

RECORDINGS = "general/intracellular_ephys/intracellular_recordings"
SIDES = ("stimulus", "response")


@dataclass(frozen=True)
class Sweep:
    """One sweep: the samples of its sides, by side."""

    number: int
    ranges: dict[str, SampleRange]


@dataclass(frozen=True, eq=False)
class Sweeps:
    """The sweeps of a recording, as a table.

    Parameters
    ----------
    sweeps
        In the file's order.
    series
        The file's series, by path.
    where
        How errors name the file.
    """

    sweeps: tuple[Sweep, ...]
    series: dict[str, Series]
    where: str
    path: str = "sweeps"
    name: str = "sweeps"
    kind: str = "sweeps"
    description: str = "sweeps of the intracellular recordings"

    def __len__(self) -> int:
        return len(self.sweeps)

    @property
    def ids(self) -> np.ndarray:
        """(rows,) numbers of the sweeps."""
        return np.array([sweep.number for sweep in self.sweeps], dtype=np.int64)

    @cached_property
    def _columns(self) -> dict[str, np.ndarray]:
        spans = np.array([self._span(sweep) for sweep in self.sweeps]).reshape(-1, 2)
        main = [self._main(sweep) for sweep in self.sweeps]
        texts = {
            "clamp": [_clamp(series) for series in main],
            "description": [series.group.attrs.text("stimulus_description") or series.description for series in main],
            "electrode": [_electrode(series) for series in main],
        }
        for side in SIDES:
            texts[side] = [sweep.ranges[side].series if side in sweep.ranges else "" for sweep in self.sweeps]
        return {"start_time": spans[:, 0], "stop_time": spans[:, 1], "sweep_number": self.ids} | {
            name: np.array(values, dtype=object) for name, values in texts.items()
        }

    def _main(self, sweep: Sweep) -> Series:
        return self.series[next(sweep.ranges[side].series for side in reversed(SIDES) if side in sweep.ranges)]

    def _span(self, sweep: Sweep) -> tuple[float, float]:
        spans = [self._stretch(found) for found in sweep.ranges.values()]
        return max(start for start, _ in spans), min(stop for _, stop in spans)

    def _stretch(self, found: SampleRange) -> tuple[float, float]:
        series = self.series[found.series]
        ends = series.times(found.first, found.first + 1)[0], series.times(*_last(found))[0]
        interval = (ends[1] - ends[0]) / (found.count - 1) if found.count > 1 else 0.0
        return float(ends[0]), float(ends[1] + interval)

    @property
    def columns(self) -> tuple[str, ...]:
        """Column names."""
        return tuple(self._columns)

    def __contains__(self, column: str) -> bool:
        return column in self._columns

    def column(self, name: str) -> np.ndarray:
        """Read a column."""
        if name not in self._columns:
            mend = nearest(name, self._columns)
            raise RecordingError(f"there is no column {name!r}", where=f"{self.where}: {self.path}", mend=mend)
        return self._columns[name]

    def metadata(self) -> dict[str, np.ndarray]:
        """Give every column, by name."""
        return dict(self._columns)

    def ranges(self) -> list[list[SampleRange]]:
        """Give the samples that each sweep names."""
        return [list(sweep.ranges.values()) for sweep in self.sweeps]


def _last(found: SampleRange) -> tuple[int, int]:
    return found.first + found.count - 1, found.first + found.count


def _clamp(series: Series) -> str:
    if "VoltageClamp" in series.kind:
        return "voltage"
    return "zero" if "IZero" in series.kind else "current" if "CurrentClamp" in series.kind else ""


def _electrode(series: Series) -> str:
    electrode = series.group.get("electrode")
    return electrode.path.rpartition("/")[2] if isinstance(electrode, Group) else ""


def find_sweeps(root: Group, series: dict[str, Series], where: str) -> Sweeps | None:
    """Find the sweeps of a file; None where it has none."""
    table = root.get(RECORDINGS)
    found = _recorded(Table(table, root, where), series) if isinstance(table, Group) else _numbered(series)
    return Sweeps(tuple(found), series, where) if found else None


def _recorded(table: Table, series: dict[str, Series]) -> list[Sweep]:
    """Read the intracellular recordings: each row names samples of a stimulus and a response."""
    sides: dict[str, list[list[SampleRange]]] = {}
    for side, name in (("stimulus", "stimuli"), ("response", "responses")):
        group = table.group.get(name)
        if isinstance(group, Group) and side in group:
            sides[side] = sample_ranges(Table(group, table.root, table.where), side)
    sweeps = []
    for row, number in enumerate(table.ids.tolist()):
        ranges = {side: rows[row][0] for side, rows in sides.items() if row < len(rows) and rows[row]}
        ranges = {
            side: found for side, found in ranges.items() if found.series in series and not series[found.series].problem
        }
        if ranges:
            sweeps.append(Sweep(int(number), ranges))
    return sweeps


def _numbered(series: dict[str, Series]) -> list[Sweep]:
    """Gather the series by the sweep number that each carries, in order of number (not of name)."""
    sweeps: dict[int, dict[str, SampleRange]] = {}
    for path, one in series.items():
        number = _sweep_number(one)
        if number is not None and not one.problem:
            side = "stimulus" if path.startswith("stimulus") else "response"
            sweeps.setdefault(number, {}).setdefault(side, SampleRange(0, one.samples, path))
    return [Sweep(number, sweeps[number]) for number in sorted(sweeps)]


def _sweep_number(series: Series) -> int | None:
    number = series.group.attrs.number("sweep_number")
    array = series.group.array("sweep_number")
    if number is None and array is not None:
        number = as_number(array.read())
    return None if number is None or not np.isfinite(number) or number < 0 else int(number)
