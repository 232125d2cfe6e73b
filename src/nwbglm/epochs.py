"""Intervals of time: select, intersect, union, difference, split, purge.

An interval is half open, ``[start, stop)``, in seconds. Rows may overlap and keep where they came from (`row`,
`label`): a trial table with overlapping trials loses nothing here. Two intervals meet only when they are on the same
*clock*: files whose sweeps all restart at 0 hold several passes over the same times, and `clock` says which pass an
interval belongs to.

Edges are compared after rounding to the nanosecond, so that 5565.1366 + 180 ends where 5745.1366 does.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

DECIMALS = 9
"""Times are compared as whole nanoseconds."""


def rounded(time: ArrayLike) -> np.ndarray:
    """Round times (s) to the nanosecond, so that equal decimals compare equal."""
    with np.errstate(over="ignore", invalid="ignore"):  # times that are none are told apart later
        return np.round(np.asarray(time, dtype=np.float64), DECIMALS)


class Span(NamedTuple):
    """One interval with its origin."""

    start: float
    stop: float
    row: int
    label: str
    clock: int


@dataclass(frozen=True, eq=False)
class Epochs:
    """Intervals of time with their origin.

    Parameters
    ----------
    start, stop
        (n,) s, half open, ``stop >= start``.
    row
        (n,) the row of the table each interval came from; -1 where there is none.
    label
        (n,) text.
    clock
        (n,) the pass over the recording's times that the interval belongs to; 0 in an ordinary file.
    """

    start: np.ndarray
    stop: np.ndarray
    row: np.ndarray
    label: np.ndarray
    clock: np.ndarray

    @classmethod
    def of(
        cls,
        start: ArrayLike,
        stop: ArrayLike,
        row: ArrayLike | None = None,
        label: ArrayLike | None = None,
        clock: ArrayLike | None = None,
    ) -> Epochs:
        """Make epochs from anything array-like.

        Raises
        ------
        ValueError
            If a start or stop is not finite, or an interval ends before it starts.
        """
        start, stop = (rounded(np.atleast_1d(edge)) for edge in (start, stop))
        if start.shape != stop.shape or start.ndim != 1:
            raise ValueError(f"starts {start.shape} and stops {stop.shape} must be two lists of equal length")
        bad = np.flatnonzero(~(np.isfinite(start) & np.isfinite(stop)) | (stop < start))
        if bad.size:
            first = bad[0]
            raise ValueError(f"interval {first} is not an interval: start {start[first]}, stop {stop[first]}")
        n = len(start)
        return cls(
            start,
            stop,
            np.full(n, -1) if row is None else np.asarray(row, dtype=np.int64),
            np.full(n, "", dtype=object) if label is None else np.asarray(label, dtype=object),
            np.zeros(n, dtype=np.int64) if clock is None else np.asarray(clock, dtype=np.int64),
        )

    def __len__(self) -> int:
        return len(self.start)

    def __iter__(self) -> Iterator[Span]:
        for values in zip(self.start, self.stop, self.row, self.label, self.clock, strict=True):
            start, stop, row, label, clock = values
            yield Span(float(start), float(stop), int(row), str(label), int(clock))

    @property
    def duration(self) -> np.ndarray:
        """Length of each interval, s."""
        return self.stop - self.start

    @property
    def total(self) -> float:
        """Time covered by at least one interval, s."""
        return float(union(self).duration.sum())

    def take(self, which: np.ndarray | list[int] | slice) -> Epochs:
        """Keep the rows that an index or a mask names, in that order."""
        return Epochs(*(getattr(self, name)[which] for name in ("start", "stop", "row", "label", "clock")))

    def sorted(self) -> Epochs:
        """Order by clock, then start, then stop."""
        return self.take(np.lexsort((self.stop, self.start, self.clock)))


def empty() -> Epochs:
    """Make epochs with no interval."""
    return Epochs.of(np.empty(0), np.empty(0))


def concatenate(parts: list[Epochs]) -> Epochs:
    """Put epochs one after the other, as they are."""
    if not parts:
        return empty()
    names = ("start", "stop", "row", "label", "clock")
    return Epochs(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def overlapping(epochs: Epochs) -> np.ndarray:
    """Tell for each interval (in `sorted` order) whether it starts before an earlier one on its clock has ended."""
    ordered = epochs.sorted()
    late = np.zeros(len(ordered), dtype=bool)
    for clock in np.unique(ordered.clock):
        here = np.flatnonzero(ordered.clock == clock)
        reach = np.maximum.accumulate(ordered.stop[here])
        late[here[1:]] = ordered.start[here[1:]] < reach[:-1]
    return late


def merge_overlaps(epochs: Epochs) -> Epochs:
    """Join intervals that share time, so that no moment is in two of them; touching intervals stay apart.

    A joined interval keeps the first row's number, and all labels joined by ``+``.
    """
    ordered = epochs.sorted()
    if not len(ordered):
        return ordered
    first = np.flatnonzero(~overlapping(ordered))
    group = np.cumsum(~overlapping(ordered)) - 1
    stop = np.maximum.reduceat(ordered.stop, first)
    label = ordered.label[first].copy()
    for extra in np.setdiff1d(np.arange(len(ordered)), first):
        known = label[group[extra]].split("+")
        if ordered.label[extra] not in known:
            label[group[extra]] = "+".join([*known, ordered.label[extra]])
    return replace(ordered.take(first), stop=stop, label=label)


def union(*parts: Epochs) -> Epochs:
    """Cover every moment that any part covers, in as few intervals as can be (touching ones are joined)."""
    ordered = concatenate(list(parts)).sorted()
    ordered = ordered.take(ordered.stop > ordered.start)
    if not len(ordered):
        return ordered
    begins = np.ones(len(ordered), dtype=bool)
    for clock in np.unique(ordered.clock):
        here = np.flatnonzero(ordered.clock == clock)
        reach = np.maximum.accumulate(ordered.stop[here])
        begins[here[1:]] = ordered.start[here[1:]] > reach[:-1]
    first = np.flatnonzero(begins)
    return replace(ordered.take(first), stop=np.maximum.reduceat(ordered.stop, first))


def intersect(epochs: Epochs, within: Epochs) -> Epochs:
    """Cut each interval to what lies in `within`, keeping its origin; rows that overlap stay apart."""
    frame = union(within)
    index, part = _meeting(epochs, frame)
    pieces = epochs.take(index)
    return replace(
        pieces,
        start=np.maximum(frame.start[part], pieces.start),
        stop=np.minimum(frame.stop[part], pieces.stop),
    )


def difference(epochs: Epochs, minus: Epochs) -> Epochs:
    """Cut out of each interval what `minus` covers, keeping its origin."""
    holes = union(minus)
    index, part = _meeting(epochs, holes)
    # What is left of an interval begins where it begins or a hole ends, and stops where a hole begins or it stops.
    everyone = np.arange(len(epochs))
    begin = np.concatenate([everyone, index])
    start = np.concatenate([epochs.start, holes.stop[part]])
    end = np.concatenate([index, everyone])
    stop = np.concatenate([holes.start[part], epochs.stop])
    first, last = np.lexsort((start, begin)), np.lexsort((stop, end))
    row, start, stop = begin[first], start[first], stop[last]
    kept = stop > start
    return replace(epochs.take(row[kept]), start=start[kept], stop=stop[kept])


def _meeting(epochs: Epochs, frame: Epochs) -> tuple[np.ndarray, np.ndarray]:
    """Pair each interval with those of `frame` (sorted, disjoint) that share time with it: two lists of indices."""
    low, high = np.zeros(len(epochs), np.int64), np.zeros(len(epochs), np.int64)
    for clock in np.unique(epochs.clock):
        mine, here = epochs.clock == clock, np.flatnonzero(frame.clock == clock)
        if len(here):
            # `union` orders by clock: the frame's intervals of one clock stand together.
            low[mine] = here[0] + np.searchsorted(frame.stop[here], epochs.start[mine], side="right")
            high[mine] = here[0] + np.searchsorted(frame.start[here], epochs.stop[mine], side="left")
    count = np.maximum(high - low, 0)
    index = np.repeat(np.arange(len(epochs)), count)
    part = np.arange(len(index)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(low, count)
    return index, part


def split(epochs: Epochs, parts: int) -> list[Epochs]:
    """Cut the covered time into `parts` stretches of equal total length, in order of time.

    The cuts fall on the running total over the intervals, so a stretch may hold pieces of several intervals.
    """
    if parts < 1:
        raise ValueError(f"cannot split into {parts} parts")
    cuts = np.linspace(0.0, float(epochs.duration.sum()), parts + 1)
    return [_stretch(epochs, low, high) for low, high in itertools.pairwise(cuts)]


def first(epochs: Epochs, duration: float) -> Epochs:
    """Keep the first `duration` seconds of the covered time."""
    return _stretch(epochs, 0.0, duration)


def last(epochs: Epochs, duration: float) -> Epochs:
    """Keep the last `duration` seconds of the covered time."""
    total = float(epochs.duration.sum())
    return _stretch(epochs, max(0.0, total - duration), total)


def _stretch(epochs: Epochs, low: float, high: float) -> Epochs:
    """Keep what lies between two running totals of covered time."""
    after = np.cumsum(epochs.duration)
    before = after - epochs.duration
    start = rounded(epochs.start + np.clip(low - before, 0.0, epochs.duration))
    stop = rounded(epochs.start + np.clip(high - before, 0.0, epochs.duration))
    kept = stop > start
    return replace(epochs.take(kept), start=start[kept], stop=stop[kept])


def purge(epochs: Epochs, near: Epochs, before: float, after: float) -> Epochs:
    """Drop what lies within `before` seconds ahead of an interval of `near`, or within `after` seconds behind it."""
    grown = replace(near, start=rounded(near.start - before), stop=rounded(near.stop + after))
    return difference(epochs, grown)


def contains(epochs: Epochs, time: ArrayLike, clock: ArrayLike = 0) -> np.ndarray:
    """Tell which times lie in an interval of their clock.

    Parameters
    ----------
    epochs
        The intervals.
    time
        (n,) s.
    clock
        (n,) or one number: the clock of each time.
    """
    return covers(epochs, time, time, clock, instants=True)


def covers(
    epochs: Epochs, start: ArrayLike, stop: ArrayLike, clock: ArrayLike = 0, *, instants: bool = False
) -> np.ndarray:
    """Tell which intervals ``[start, stop)`` lie whole in the epochs (touching epochs count as one).

    Edges are compared as nanoseconds. With `instants`, start and stop are the same moment, which must lie before the
    end.
    """
    start, stop = rounded(start), rounded(stop)
    clock = np.broadcast_to(clock, start.shape)
    frame = union(epochs)
    inside = np.zeros(start.shape, dtype=bool)
    for one in np.unique(frame.clock):
        here = frame.clock == one
        mine = clock == one
        index = np.searchsorted(frame.start[here], start[mine], side="right") - 1
        end = np.where(index >= 0, frame.stop[here][np.maximum(index, 0)], -np.inf)
        inside[mine] = stop[mine] < end if instants else stop[mine] <= end
    return inside
