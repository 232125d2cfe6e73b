"""The study's signals on the bins: samples, events and boxcars."""

from __future__ import annotations

import numpy as np
import xarray as xr

from nwbglm.binning.grid import Grid, coverage
from nwbglm.binning.resampling import resample
from nwbglm.binning.sources import find_source
from nwbglm.epochs import rounded
from nwbglm.recording.events import Rows, find_rows
from nwbglm.recording.model import Recording
from nwbglm.study.data import Signal


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
    (time,) float64, NaN where there is no valid value; attributes `role`, `units`, `source`, `resample`, and `period`
    when circular.
    """
    if signal.resample in ("events", "boxcar"):
        rows = find_rows(recording, signal.source, signal.where, f"signals.{name}")
        values = (bin_events if signal.resample == "events" else bin_boxcars)(rows, signal, grid, recording.where)
        about = {"units": signal.units or ("events" if signal.value is None else ""), "source": rows.path}
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
    return values, {"units": source.units, "source": source.path}


def bin_events(rows: Rows, signal: Signal, grid: Grid, where: str) -> np.ndarray:
    """Add up the events of each bin, 1 each or their value; rows without time or value count nowhere."""
    times = rounded(rows.numbers(signal.time or rows.time_column(where), where) + signal.shift)
    weights = np.ones(len(times)) if signal.value is None else rows.numbers(signal.value, where)
    total = np.zeros(len(grid))
    for clock in np.unique(grid.segments.clock):
        here = np.isfinite(times) & np.isfinite(weights) & (rows.clock == clock)
        index = grid.index(times[here], int(clock))
        total += np.bincount(index[index >= 0], weights[here][index >= 0], len(grid))
    return total


def bin_boxcars(rows: Rows, signal: Signal, grid: Grid, where: str) -> np.ndarray:
    """Average, over each bin, a signal that is 1 (or the row's value) during each row and 0 elsewhere.

    Rows that overlap add up.
    """
    starts, stops = (rows.numbers(column, where) + signal.shift for column in (signal.start, signal.stop))
    weights = np.ones(len(starts)) if signal.value is None else rows.numbers(signal.value, where)
    total = np.zeros(len(grid))
    for clock in np.unique(grid.segments.clock):
        here = (
            np.isfinite(starts) & np.isfinite(stops) & np.isfinite(weights) & (rows.clock == clock) & (stops > starts)
        )
        total += coverage(starts[here], stops[here], grid, int(clock), weights[here])
    # The bin's own share of time, so that a boxcar over a kept partial bin is its mean there, too.
    return np.round(total / grid.fraction, 9)
