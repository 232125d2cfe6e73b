"""A continuous response on the bins: series as units, what is missing of each, and the response's own samples as bins.

Where a unit has no value (no sample in the bin, a NaN, a gap, blanked time) its response is NaN and its exposure 0;
everywhere else the exposure is 1. The columns of a series are read together, once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nwbglm.binning.exposure import exposure
from nwbglm.binning.grid import Grid
from nwbglm.binning.resampling import Blocks, gatherer
from nwbglm.binning.sources import Source
from nwbglm.epochs import Epochs, rounded
from nwbglm.errors import RecordingError
from nwbglm.recording.choose import with_margin
from nwbglm.recording.model import Recording
from nwbglm.recording.responses import Responders, find_responders
from nwbglm.study.data import DataSettings, Signal

ONE_GAP = 1.5
"""Samples further apart than this many bins have a gap between them, where they are the bins."""
SAME_BIN = 0.02
"""Share by which the usual time between samples may differ from the study's bin."""


@dataclass(frozen=True, eq=False)
class SampleGrid(Grid):
    """Bins of which each holds one sample: the edges lie halfway between neighbours.

    Parameters
    ----------
    times
        The samples of each segment, s, ascending.
    """

    times: tuple[np.ndarray, ...] = ()

    @cached_property
    def sizes(self) -> np.ndarray:
        """(segments,) number of samples."""
        return np.array([len(times) for times in self.times], dtype=np.int64)

    @cached_property
    def left(self) -> np.ndarray:
        """(bins,) left edges, s."""
        return rounded(np.concatenate([edges[:-1] for edges in self._edges] or [np.empty(0)]))

    @cached_property
    def right(self) -> np.ndarray:
        """(bins,) right edges, s."""
        return rounded(np.concatenate([edges[1:] for edges in self._edges] or [np.empty(0)]))

    @property
    def centre(self) -> np.ndarray:
        """(bins,) the samples' times, s."""
        return np.concatenate([*self.times, np.empty(0)])

    @cached_property
    def _edges(self) -> list[np.ndarray]:
        ends = zip(self.segments.start, self.segments.stop, strict=True)
        return [
            np.concatenate([[start], (times[1:] + times[:-1]) / 2, [stop]])
            for times, (start, stop) in zip(self.times, ends, strict=True)
        ]

    def index(self, times: np.ndarray, clock: int = 0) -> np.ndarray:
        """Find the bin of each time (see `Grid.index`)."""
        here = np.flatnonzero(self.clock == clock)
        if not here.size:
            return np.full(len(times), -1)
        place = np.searchsorted(self.left[here], times, side="right") - 1
        bins = here[np.maximum(place, 0)]
        return np.where((place >= 0) & (times < self.right[bins]), bins, -1)


def grid_of(recording: Recording, settings: DataSettings, use: Epochs) -> Grid:
    """Lay the bins of a recording, over the epochs in use and their margin: of equal width, or one a sample.

    Raises
    ------
    RecordingError
        If samples are the bins, and the time between them is not the study's `bin`.
    """
    use = with_margin(recording, settings, use)
    if settings.response is None or settings.response.resample != "samples":
        return Grid(use, settings.bin, settings.partial_bins == "keep")
    responders = find_responders(recording, settings.response)
    source = _source(responders, 0)
    interval = source.interval
    if not abs(interval - settings.bin) <= SAME_BIN * settings.bin:
        raise RecordingError(
            f"the usual time between samples is {interval:.6g} s, and `bin` is {settings.bin:.6g} s",
            where=f"{recording.where}: {responders.path}",
            mend=f"with `response.resample: samples`, write `bin: {1000 * interval:.6g} ms`; or use mean",
        )
    stretches, rows = [], []
    for row, span in enumerate(use):
        for times in _stretches(source, span.clock, use.take([row]), settings.bin):
            stretches.append(times)
            rows.append(row)
    half = settings.bin / 2
    segments = Epochs.of(
        np.maximum([times[0] - half for times in stretches], use.start[rows]),
        np.minimum([times[-1] + half for times in stretches], use.stop[rows]),
        use.row[rows],
        use.label[rows],
        use.clock[rows],
    )
    return SampleGrid(segments, settings.bin, times=tuple(stretches))


def _stretches(source: Source, clock: int, span: Epochs, width: float) -> list[np.ndarray]:
    """Read the times of the samples in an interval, in stretches without a gap."""
    found = [times for times, _ in source.blocks(clock, span)]
    times = np.unique(np.concatenate([*found, np.empty(0)]))
    times = times[(times >= span.start[0]) & (times < span.stop[0])]
    if not len(times):
        return []
    return np.split(times, np.flatnonzero(np.diff(times) > ONE_GAP * width) + 1)


class ResponseColumns:
    """Columns that the units of a continuous response are selected by, and their values on the bins.

    `unit` (the id), the columns of the file, and over `use` `mean`, `sd` and `valid`, the share of bins with a value.
    """

    computed = ("unit", "mean", "sd", "valid")

    def __init__(self, recording: Recording, settings: DataSettings, grid: Grid, blank: Epochs):
        if settings.response is None:
            raise ValueError("the study names no continuous response")
        self.recording, self.settings, self.grid, self.blank = recording, settings, grid, blank
        self.units = find_responders(recording, settings.response)

    @property
    def ids(self) -> np.ndarray:
        """(units,) their numbers."""
        return self.units.ids

    @property
    def names(self) -> list[str]:
        """Every column that an expression may use."""
        return [*dict.fromkeys([*self.computed, "id", *self.units.metadata])]

    def __call__(self, name: str) -> np.ndarray:
        """Give a column by its name."""
        if name in ("unit", "id"):
            return self.ids
        return getattr(self, name) if name in self.computed else self.units.metadata[name]

    @cached_property
    def values(self) -> np.ndarray:
        """(bins, units) the response; NaN where there is none."""
        values = bin_response(self.units, self.grid)
        observed = exposure(None, self.blank, self.grid, self.settings.min_exposure) > 0
        values[~observed] = np.nan
        return values

    @cached_property
    def valid(self) -> np.ndarray:
        """(units,) share of the bins that have a value."""
        return np.isfinite(self.values).mean(axis=0)

    @cached_property
    def mean(self) -> np.ndarray:
        """(units,) mean over the bins; NaN where there is no value."""
        return _over_bins(np.nanmean, self.values)

    @cached_property
    def sd(self) -> np.ndarray:
        """(units,) standard deviation over the bins; NaN where there is no value."""
        return _over_bins(np.nanstd, self.values)


def _over_bins(average: Callable[..., np.ndarray], values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values).any(axis=0)
    result = np.full(values.shape[1], np.nan)
    result[known] = average(values[:, known], axis=0)
    return result


def bin_response(units: Responders, grid: Grid) -> np.ndarray:
    """Bring a continuous response to the bins.

    Parameters
    ----------
    units
        The columns of series.
    grid
        The bins.

    Returns
    -------
    (bins, units) float64, NaN where there is no value.
    """
    how = "mean" if units.settings.resample == "samples" else units.settings.resample
    values = np.full((len(grid), len(units)), np.nan)
    at = 0
    for position in range(1 if units.side else len(units.series)):
        source = _source(units, position)
        columns = units.series[position].columns
        if isinstance(grid, SampleGrid) and position:
            _same_samples(source, grid)
        for clock in np.unique(grid.segments.clock):
            gather = [gatherer(grid, how, clock=int(clock), max_gap=source.max_gap) for _ in range(columns)]
            for times, block in _blocks(source, int(clock), grid, columns):
                for one, column in zip(gather, block.T, strict=True):
                    one.add(times, column)
            here = grid.clock == clock
            for column, one in enumerate(gather):
                values[here, at + column] = one.result()[here]
        at += columns
    values[~np.isfinite(values)] = np.nan
    return values


def _blocks(source: Source, clock: int, grid: Grid, columns: int) -> Blocks:
    spans = grid.segments.take(grid.segments.clock == clock)
    for times, values in source.blocks(clock, spans):
        yield times, values.reshape(len(times), columns)


def _source(units: Responders, position: int) -> Source:
    """Read one of the series as a signal of the study is read: converted, shifted, by sweeps, gaps known."""
    settings = units.settings
    plain = Signal.model_validate({"from": settings.source, "units": settings.units})
    signal = plain.model_copy(update={"max_gap": settings.max_gap, "shift": settings.shift})
    series = units.series if units.side else (units.series[position],)
    return Source(units.recording, signal, "response", series, units.side, field="response")


def _same_samples(source: Source, grid: SampleGrid) -> None:
    """Raise `RecordingError` where a series of a pattern has samples of its own."""
    for clock in np.unique(grid.segments.clock):
        spans = grid.segments.take(grid.segments.clock == clock)
        for times in _times(source, int(clock), spans):
            inside = grid.index(times, int(clock))
            lost = times[inside < 0]
            lost = lost[np.any([(lost >= s.start) & (lost < s.stop) for s in spans], axis=0)] if len(lost) else lost
            off = times[inside >= 0] - grid.centre[inside[inside >= 0]]
            if len(lost) or (len(off) and np.abs(off).max() > 1e-3 * grid.bin):
                raise RecordingError(
                    "its samples lie at other times than those of the first series",
                    where=f"{source.recording.where}: {source.path}",
                    mend="use `response.resample: mean` or `interpolate`",
                )


def _times(source: Source, clock: int, spans: Epochs) -> Iterator[np.ndarray]:
    for times, _ in source.blocks(clock, spans):
        yield times
