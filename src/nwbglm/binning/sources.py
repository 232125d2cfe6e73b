"""Where a signal's samples come from: a series, or that of every sweep; converted, derived, smoothed and shifted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nwbglm.binning.resampling import Blocks
from nwbglm.binning.smoothing import smooth
from nwbglm.epochs import Epochs
from nwbglm.errors import RecordingError
from nwbglm.recording.clocks import Piece
from nwbglm.recording.model import Recording
from nwbglm.recording.select import select
from nwbglm.recording.series import Series
from nwbglm.recording.si import factor
from nwbglm.recording.sweeps import SIDES
from nwbglm.study.data import Signal

USUAL_GAP = 3.0
"""Gaps longer than this many usual sampling intervals are gaps, where the study does not say."""


@dataclass(frozen=True)
class Source:
    """A signal's samples.

    Parameters
    ----------
    recording
        The file.
    signal
        The study's entry.
    name
        Its name in the study.
    parts
        The series that it is read from: one, or one a sweep.
    side
        ``stimulus`` or ``response`` where the series are the sweeps'.
    field
        Where the study names it, for messages; ``signals.NAME`` where empty.
    """

    recording: Recording
    signal: Signal
    name: str
    parts: tuple[Series, ...]
    side: str = ""
    field: str = ""

    @property
    def path(self) -> str:
        """Where it stands in the file."""
        return f"sweeps.{self.side}" if self.side else self.parts[0].path

    @property
    def interval(self) -> float:
        """Usual time between samples, s; 0 where there are fewer than two."""
        interval = self.parts[0].timing.interval
        return interval if np.isfinite(interval) else 0.0

    @property
    def max_gap(self) -> float:
        """Longest gap, s, that is no gap."""
        return USUAL_GAP * self.interval if self.signal.max_gap is None else self.signal.max_gap

    @property
    def found_units(self) -> str:
        """The unit of the samples before conversion; that of a speed is the position's, per second."""
        unit = self.parts[0].unit
        return f"{unit}/s" if self.signal.derive in ("speed", "derivative") else unit

    @property
    def units(self) -> str:
        """The unit of the samples, as the study has them."""
        return self.signal.units or self.found_units

    @property
    def scale(self) -> float:
        """Factor from the (first) series' unit into the study's."""
        return self._scale(self.parts[0])

    def _scale(self, series: Series) -> float:
        if self.signal.units is None:
            return 1.0
        unit = f"{series.unit}/s" if self.signal.derive in ("speed", "derivative") else series.unit
        scale = factor(unit, self.signal.units)
        if scale is None:
            raise RecordingError(
                f"its unit {unit!r} does not convert into {self.signal.units!r}",
                where=f"{self.recording.where}: {series.path}",
                mend=f"correct `{self.field or f'signals.{self.name}'}.units`"
                + (", or leave such sweeps out (`where: \"clamp == 'current'\"`)" if self.side else ""),
            )
        return scale

    def blocks(self, clock: int, spans: Epochs) -> Blocks:
        """Yield times (s) and values in the study's units, ascending, that touch the spans on a clock."""
        shift, margin = self.signal.shift, self.max_gap + 5 * (self.signal.smooth or 0.0)
        wanted = Epochs.of(spans.start - shift, spans.stop - shift, clock=spans.clock)
        plain = self._stretches(clock, wanted, margin)
        if self.signal.derive is None and self.signal.smooth is None:
            for times, values in plain:
                yield times + shift, values
        else:
            # Derivatives and smoothing need neighbours: the stretch is held whole.
            found = list(plain)
            if found:
                times, values = (np.concatenate(part) for part in zip(*found, strict=True))
                yield times + shift, derive(times, values, self)

    def _stretches(self, clock: int, spans: Epochs, margin: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        column = None if self.signal.derive == "speed" else self.signal.column
        begin, end = spans.start.min() - margin, spans.stop.max() + margin
        for series, piece in self._pieces(clock, spans):
            scale = self._scale(series)
            for times, values in series.blocks(column, (piece.low, piece.high), begin, end):
                if np.isfinite(piece.start):
                    meant = (times >= piece.start) & (times < piece.stop)
                    times, values = times[meant], values[meant]
                yield times, self._counting(times, values * scale)

    def _counting(self, times: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Leave out the samples that the study's `where` does not select: they are missing (NaN), in all columns."""
        if self.signal.where is None:
            return values
        counts = np.ones(len(times), dtype=bool)
        for column in values.reshape(len(times), -1).T:
            known = {"time": times, "value": column}
            field = f"{self.field or f'signals.{self.name}'}.where"
            counts &= select(self.signal.where, known.__getitem__, known, len(times), where=field)
        return np.where(counts if values.ndim == 1 else counts[:, None], values, np.nan)

    def _pieces(self, clock: int, spans: Epochs) -> Iterator[tuple[Series, Piece]]:
        if not self.side:
            for piece in self.recording.clocks.samples(self.parts[0], clock, spans):
                yield self.parts[0], piece
            return
        sweeps = self.recording.sweeps
        assert sweeps is not None  # the source is a side of theirs
        rows, _ = self.recording.intervals(sweeps)
        mine = rows.take(rows.clock == clock).sorted()
        for span in mine:
            touched = (spans.start < span.stop) & (spans.stop > span.start)
            found = sweeps.sweeps[span.row].ranges.get(self.side)
            if found is not None and touched.any():
                yield self.recording.series[found.series], Piece(found.first, found.first + found.count)


def find_source(recording: Recording, signal: Signal, name: str) -> Source:
    """Find a signal's samples.

    Raises
    ------
    RecordingError
        If there is no such series, it cannot be read, it has several columns and none is named, or its unit does not
        convert.
    """
    head, _, side = signal.source.partition(".")
    if head == "sweeps" and side in SIDES:
        if recording.sweeps is None:
            raise RecordingError("the file has no sweeps", where=recording.where, mend=f"correct `signals.{name}.from`")
        paths = [sweep.ranges[side].series for sweep in recording.sweeps.sweeps if side in sweep.ranges]
        if not paths:
            raise RecordingError(f"no sweep has a {side}", where=recording.where, mend=f"correct `signals.{name}.from`")
        parts = tuple(recording.series[path] for path in dict.fromkeys(paths))
        source = Source(recording, signal, name, parts, side)
    else:
        source = Source(recording, signal, name, (recording.find_series(signal.source),))
    _check(source)
    return source


def _check(source: Source) -> None:
    series = source.parts[0]
    if series.problem:
        series.values()
    if series.columns > 1 and source.signal.column is None and source.signal.derive != "speed":
        raise RecordingError(
            f"the series has {series.columns} columns",
            where=f"{source.recording.where}: {series.path}",
            mend=f"say which: `signals.{source.name}.column` (from 0)",
        )
    if not source.side:
        source._scale(series)


def derive(times: np.ndarray, values: np.ndarray, source: Source) -> np.ndarray:
    """Compute a derived signal from samples, within stretches without gaps.

    Parameters
    ----------
    times
        (n,) s, ascending.
    values
        (n,) or (n, columns).
    source
        What to derive, over what gaps, with what period.

    Returns
    -------
    (n,) float64; NaN where the samples around are missing.
    """
    signal, result = source.signal, np.full(len(times), np.nan)
    rows = np.isfinite(values) if values.ndim == 1 else np.isfinite(values).all(axis=1)
    # A repeated time has no derivative: the first sample of it counts.
    good = np.flatnonzero(rows & np.concatenate([[True], np.diff(times) > 0]))
    breaks = np.flatnonzero(np.diff(times[good]) > source.max_gap + 1e-9) + 1
    for part in np.split(good, breaks):
        if len(part):
            result[part] = _derive_stretch(times[part], values[part], signal)
            if signal.smooth is not None:
                result[part] = _smoothed(result[part], source)
    return result


def _derive_stretch(times: np.ndarray, values: np.ndarray, signal: Signal) -> np.ndarray:
    if signal.period is not None and signal.derive is not None:
        values = np.unwrap(values, period=signal.period, axis=0)
    if signal.derive in ("speed", "derivative"):
        if len(times) < 2:
            return np.full(len(times), np.nan)
        slope = np.gradient(values, times, axis=0)
        return (
            slope
            if signal.derive == "derivative"
            else np.sqrt((slope**2).sum(axis=-1))
            if slope.ndim > 1
            else np.abs(slope)
        )
    return values


def _smoothed(values: np.ndarray, source: Source) -> np.ndarray:
    signal = source.signal
    assert signal.smooth is not None  # the caller has asked
    if signal.circular is None:
        return smooth(values, source.interval, signal.smooth, 8)
    turn = 2 * np.pi / signal.circular
    parts = [smooth(wave(values * turn), source.interval, signal.smooth, 8) for wave in (np.cos, np.sin)]
    return np.mod(np.arctan2(parts[1], parts[0]) / turn, signal.circular)


def read_samples(source: Source, spans: Epochs) -> list[tuple[np.ndarray, np.ndarray]]:
    """Read a signal's own samples within each interval: times (s) and values in the study's units."""
    found = []
    for index, span in enumerate(spans):
        parts = [(np.empty(0), np.empty(0))]
        for times, values in source.blocks(span.clock, spans.take([index])):
            inside = (times >= span.start) & (times < span.stop)
            parts.append((times[inside], values[inside]))
        found.append((np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])))
    return found
