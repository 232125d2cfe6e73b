"""What is in a recording that a study could use: facts about its series and tables, from a sample of their values."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nwbglm.audit.plausible import counts_from_rows
from nwbglm.errors import NwbGlmError
from nwbglm.recording.model import Recording
from nwbglm.recording.series import Series
from nwbglm.recording.sweeps import Sweeps
from nwbglm.recording.tables import Table
from nwbglm.recording.texts import as_text

BLOCKS, BLOCK = 20, 5000
"""Values are looked at in so many stretches, each of so many samples."""
MOST_COLUMNS = 3
"""A series with more columns than this is no single signal."""
MOST_LEVELS = 12
"""A column or series with more values than this tells no kinds apart."""
STEADY = 0.25
"""Steps between samples that differ by no more than this share are alike."""
NEAR = 2.0
"""A time this near (s) to its own row still belongs to it."""


@dataclass(frozen=True)
class SeenSeries:
    """A series that can be read as numbers over time.

    Parameters
    ----------
    series
        The series.
    name
        The shortest name by which a study finds it.
    values
        (samples, columns) a sample of its values, in its unit, finite or NaN.
    changing
        Share of neighbouring samples that differ.
    """

    series: Series
    name: str
    values: np.ndarray
    changing: float

    @property
    def interval(self) -> float:
        """Usual time between samples, s."""
        return self.series.timing.interval

    @property
    def regular(self) -> bool:
        """Whether samples come again and again, and not when something happens."""
        if self.series.timestamps is None:
            return True
        steps = np.diff(self.series.times(0, BLOCKS * BLOCK))
        return float(np.mean(np.abs(steps - self.interval) <= STEADY * self.interval)) > 0.5

    @cached_property
    def levels(self) -> tuple[float, ...]:
        """The values, where these are few whole numbers that last."""
        found = np.unique(self.values[np.isfinite(self.values)])
        few = 2 <= len(found) <= MOST_LEVELS and bool((found == np.rint(found)).all())
        return tuple(found.tolist()) if few and self.changing < 0.3 else ()

    def quantile(self, share: float) -> float:
        """Give a quantile of all values."""
        return float(np.nanquantile(self.values, share))

    @property
    def constant(self) -> bool:
        """Whether the sample holds one value, or none."""
        known = self.values[np.isfinite(self.values)]
        return not len(known) or bool((known == known[0]).all())

    @property
    def turn(self) -> str:
        """The period, as a study writes it, where the values are angles within one turn; else empty."""
        if self.values.shape[1] > 1 or self.constant:
            return ""
        unit = self.series.unit.lower().rstrip("s")
        low, high = self.quantile(0.0), self.quantile(1.0)
        for names, turn, written in ((("radian", "rad"), 2 * np.pi, "2 pi"), (("degree", "deg", "°"), 360.0, "360")):
            if unit in names and 0.7 * turn < high - low <= 1.001 * turn:
                return written
        return ""


@dataclass(frozen=True)
class SeenColumn:
    """A column of a table of intervals, beside their starts and stops.

    Parameters
    ----------
    name
        Its name.
    kind
        ``event`` (times of the session), ``since`` (times since each row's start), ``events`` (lists of times),
        ``text`` or ``number``.
    count
        Rows that have a value.
    levels
        How often each value occurs, most often first, where there are few.
    first
        The first of its times of the session, s.
    """

    name: str
    kind: str
    count: int
    levels: tuple[tuple[str, int], ...] = ()
    first: float = np.nan


@dataclass(frozen=True)
class SeenTable:
    """A table of intervals.

    Parameters
    ----------
    path, name
        Where it stands, and the shortest name by which a study finds it.
    start, stop
        (rows,) of the rows that have times, s.
    clocks
        Passes over the times that its rows belong to.
    labels
        Tags or labels of its rows, with how often each occurs.
    columns
        Its other columns.
    """

    path: str
    name: str
    start: np.ndarray
    stop: np.ndarray
    clocks: int
    labels: tuple[tuple[str, int], ...]
    columns: tuple[SeenColumn, ...]

    @property
    def covered(self) -> float:
        """Share of the time from the first start to the last stop that lies in a row."""
        order = np.argsort(self.start, kind="stable")
        start, stop = self.start[order], np.maximum.accumulate(self.stop[order])
        before = np.concatenate([[-np.inf], stop[:-1]])
        whole = float(self.stop.max() - self.start.min())
        return float(np.maximum(stop - np.maximum(start, before), 0).sum()) / whole if whole > 0 else 0.0


def seen_series(recording: Recording) -> list[SeenSeries]:
    """Look at every series of numbers that can be read; marks and texts are `seen_marks`."""
    found = []
    for path, series in recording.series.items():
        with contextlib.suppress(NwbGlmError):
            if series.problem or series.kind == "IntervalSeries" or series.labels is not None or series.samples < 2:
                continue
            if not np.isfinite(series.timing.interval):
                continue
            values, changing = _sample(series)
            found.append(SeenSeries(series, short_name(path, _known(recording)), values, changing))
    return found


def seen_marks(recording: Recording) -> list[tuple[Series, str]]:
    """List the series of intervals, of texts and of labels, with their shortest names."""
    found = []
    for path, series in recording.series.items():
        with contextlib.suppress(NwbGlmError):
            texts = series.data is not None and series.data.is_text and series.timestamps is not None
            marks = series.kind == "IntervalSeries" or (series.labels is not None and series.columns == 1)
            if texts or (marks and not series.problem):
                found.append((series, short_name(path, _known(recording))))
    return found


def _sample(series: Series) -> tuple[np.ndarray, float]:
    """Read some values, (samples, columns), and the share of neighbours that differ."""
    if series.samples <= BLOCKS * BLOCK:
        starts = [0]
        size = series.samples
    else:
        starts, size = np.linspace(0, series.samples - BLOCK, BLOCKS).astype(int).tolist(), BLOCK
    columns = min(series.columns, MOST_COLUMNS)
    parts = [
        np.stack([series.values(start, start + size, column) for column in range(columns)], axis=1) for start in starts
    ]
    differ = np.concatenate([(np.diff(part, axis=0) != 0).any(axis=1) for part in parts])
    values = np.concatenate(parts)
    return np.where(np.isfinite(values), values, np.nan), float(differ.mean()) if len(differ) else 0.0


def seen_tables(recording: Recording) -> list[SeenTable]:
    """Look at every table of intervals but that of invalid times, those with most rows last."""
    found = []
    for path, table in recording.tables.items():
        if path.endswith("invalid_times"):
            continue
        with contextlib.suppress(NwbGlmError):
            rows, _ = recording.intervals(table)
            if len(rows):
                found.append(
                    SeenTable(
                        path,
                        short_name(path, _known(recording)),
                        rows.start,
                        rows.stop,
                        len(np.unique(rows.clock)),
                        _most(rows.label.tolist()) if _labelled(table) else (),
                        tuple(_columns(table, rows.row, rows.start, rows.stop)),
                    )
                )
    return found


def _labelled(table: Table | Sweeps) -> bool:
    return any(name in table for name in ("tags", "label", "condition", "stimulus_name", "name"))


def _columns(table: Table | Sweeps, rows: np.ndarray, start: np.ndarray, stop: np.ndarray) -> Iterable[SeenColumn]:
    for name in table.columns:
        if name in ("start_time", "stop_time", "tags", "timeseries"):
            continue
        with contextlib.suppress(NwbGlmError):
            column = table.column(name)
            one = _of_lists(name, [column[row] for row in rows]) if isinstance(column, list) else None
            if isinstance(column, np.ndarray) and column.ndim == 1:
                one = _of_values(name, column[rows], start, stop)
            if one is not None:
                yield one


def _of_lists(name: str, rows: list[np.ndarray]) -> SeenColumn | None:
    count = sum(len(row) for row in rows)
    numbers = count > 0 and all(np.asarray(row).dtype.kind in "iuf" for row in rows)
    return SeenColumn(name, "events", count) if numbers and "time" in name else None


def _of_values(name: str, values: np.ndarray, start: np.ndarray, stop: np.ndarray) -> SeenColumn | None:
    if values.dtype.kind in "OSUT":
        texts = [as_text(value) for value in values]
        return SeenColumn(name, "text", sum(bool(text) for text in texts), _most(texts))
    if values.dtype.kind not in "iufb":
        return None
    numbers = values.astype(np.float64)
    good = np.isfinite(numbers)
    if not good.any():
        return None
    if values.dtype.kind == "f":
        inside = (numbers >= start - NEAR) & (numbers <= stop + NEAR)
        if inside[good].mean() > 0.9 and len(np.unique(numbers[good])) > 0.5 * good.sum():
            return SeenColumn(name, "event", int(good.sum()), first=float(numbers[good].min()))
        if "time" in name.lower() and counts_from_rows(numbers, start, stop):
            return SeenColumn(name, "since", int(good.sum()))
    return SeenColumn(name, "number", int(good.sum()), _most([f"{number:g}" for number in numbers[good]]))


def _most(texts: list[str]) -> tuple[tuple[str, int], ...]:
    """Count values, most frequent first; nothing where there are many."""
    counts = Counter(map(str, texts))
    return tuple(counts.most_common()) if len(counts) <= MOST_LEVELS else ()


def _known(recording: Recording) -> list[str]:
    return [*dict.fromkeys([*recording.series, *recording.all_tables, *recording.tables])]


def short_name(path: str, known: Iterable[str]) -> str:
    """Shorten a path to the shortest end of it that names no other object."""
    parts = path.split("/")
    known = list(known)
    for first in range(len(parts) - 1, -1, -1):
        end = "/".join(parts[first:])
        if [one for one in known if one == end or one.endswith(f"/{end}")] == [path]:
            return end
    return path


def as_name(text: str, taken: Iterable[str]) -> str:
    """Make a name of a study out of any text, that none of those taken has."""
    name = re.sub(r"[^A-Za-z0-9_+-]+", "_", text).strip("_+-")[:60] or "signal"
    if not name[0].isalnum():
        name = f"s_{name}"
    taken, number, made = set(taken), 2, name
    while made in taken:
        made, number = f"{name}_{number}", number + 1
    return made
