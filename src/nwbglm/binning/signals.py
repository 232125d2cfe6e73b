"""The study's signals on the bins: samples, events and boxcars."""

from __future__ import annotations

import numpy as np
import xarray as xr

from nwbglm import epochs
from nwbglm.binning.categories import bin_categories
from nwbglm.binning.grid import Grid, coverage
from nwbglm.binning.resampling import resample
from nwbglm.binning.sources import find_source
from nwbglm.epochs import rounded
from nwbglm.labels import put_levels
from nwbglm.recording.choose import choose_epochs, purposes
from nwbglm.recording.events import Rows, find_rows
from nwbglm.recording.model import Recording
from nwbglm.study.data import DataSettings, Signal


def bin_signals(recording: Recording, settings: DataSettings, grid: Grid) -> dict[str, xr.DataArray]:
    """Bring all of the study's signals to the bins (see `bin_named`)."""
    return {name: bin_named(recording, settings, grid, name) for name in settings.signals}


def bin_named(recording: Recording, settings: DataSettings, grid: Grid, name: str) -> xr.DataArray:
    """Bring one of the study's signals, by its name, to the bins.

    Parameters
    ----------
    recording
        The opened file.
    settings
        The study's part about data.
    grid
        The bins.
    name
        The signal's name in the study.

    Returns
    -------
    (time,) float64, as `bin_signal`.
    """
    signal = settings.signals[name]
    if signal.of is None:
        return bin_signal(recording, signal, grid, name)
    wanted = [purpose for purpose in purposes(settings) if purpose != "use"]
    inside = np.logical_or.reduce(
        [epochs.covers(choose_epochs(recording, settings, one), grid.left, grid.right, grid.clock) for one in wanted]
    )
    values, seconds = elapsed(grid, inside)
    about = {"units": "of the fitted time", "source": "time", "resample": "mean", "seconds": seconds}
    return xr.DataArray(values, dims="time", attrs={"role": "signal", **about})


def elapsed(grid: Grid, inside: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the time of each bin as a share of what is analysed, 0 to 1, and how long that is, s.

    On each clock (pass over the same times) it runs from the first to the last bin that is analysed, gaps included;
    the clocks follow one another.

    Parameters
    ----------
    grid
        The bins.
    inside
        (bins,) which bins are analysed.

    Returns
    -------
    tuple
        (bins,) float64, NaN before the first and after the last; and the length.
    """
    values, total = np.full(len(grid), np.nan), 0.0
    for clock in np.unique(grid.clock[inside]):
        mine = grid.clock == clock
        begin, end = grid.left[mine & inside].min(), grid.right[mine & inside].max()
        within = mine & (grid.left >= begin) & (grid.right <= end)
        values[within] = total + grid.centre[within] - begin
        total += end - begin
    return (values / total if total else values), float(total)


def bin_signal(recording: Recording, signal: Signal, grid: Grid, name: str) -> xr.DataArray:
    """Bring one of the study's signals to the bins.

    Parameters
    ----------
    recording
        The opened file.
    signal
        The study's entry.
    grid
        The bins.
    name
        The signal's name in the study, for errors.

    Returns
    -------
    (time,) float64, NaN where there is no valid value; attributes `role`, `units`, `source`, `resample`, `period` when
    circular, and `levels` where the values are codes of texts.
    """
    if signal.resample in ("events", "boxcar"):
        rows = find_rows(recording, signal.source, signal.where, f"signals.{name}")
        about = {"units": signal.units or ("events" if signal.value is None else ""), "source": rows.path}
        if signal.value is not None and rows.holds_texts(signal.value):
            values, levels = bin_categories(rows, signal, grid, recording.where)
            about |= put_levels(levels)
        else:
            values = (bin_events if signal.resample == "events" else bin_boxcars)(rows, signal, grid, recording.where)
    else:
        values, about = _bin_samples(recording, signal, grid, name)
    period = {} if signal.circular is None else {"period": signal.circular}
    return xr.DataArray(values, dims="time", attrs={"role": "signal", **about, "resample": signal.resample, **period})


def _bin_samples(recording: Recording, signal: Signal, grid: Grid, name: str) -> tuple[np.ndarray, dict]:
    source = find_source(recording, signal, name)
    values = np.full(len(grid), np.nan)
    for clock in np.unique(grid.segments.clock):
        spans = grid.segments.take(grid.segments.clock == clock)
        found = resample(
            source.blocks(int(clock), spans),
            grid,
            signal.resample,
            clock=int(clock),
            period=signal.circular,
            max_gap=source.max_gap,
        )
        values = np.where(grid.clock == clock, found, values)
    values[np.isinf(values)] = np.nan  # a sum of numbers that no float holds
    return values, {"units": source.units, "source": source.path}


def bin_events(rows: Rows, signal: Signal, grid: Grid, where: str) -> np.ndarray:
    """Add up the events of each bin, 1 each or their value; rows without time or value count nowhere."""
    found, row = rows.times(signal, where)
    times, clocks = rounded(found + signal.shift), rows.clock[row]
    weights = np.ones(len(times)) if signal.value is None else rows.numbers(signal.value, where)[row]
    total = np.zeros(len(grid))
    for clock in np.unique(grid.segments.clock):
        here = np.isfinite(times) & np.isfinite(weights) & (clocks == clock)
        index = grid.index(times[here], int(clock))
        total += np.bincount(index[index >= 0], weights[here][index >= 0], len(grid))
    return total


def bin_boxcars(rows: Rows, signal: Signal, grid: Grid, where: str) -> np.ndarray:
    """Average, over each bin, a signal that is 1 (or the row's value) during each row and 0 elsewhere.

    Rows that overlap add up.
    """
    starts, stops = rows.spans(signal, where)
    weights = np.ones(len(starts)) if signal.value is None else rows.numbers(signal.value, where)
    total = np.zeros(len(grid))
    for clock in np.unique(grid.segments.clock):
        here = (
            np.isfinite(starts) & np.isfinite(stops) & np.isfinite(weights) & (rows.clock == clock) & (stops > starts)
        )
        total += coverage(starts[here], stops[here], grid, int(clock), weights[here])
    # The bin's own share of time, so that a boxcar over a kept partial bin is its mean there, too.
    return np.round(total / grid.fraction, 9)
