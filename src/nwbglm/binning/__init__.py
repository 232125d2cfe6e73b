"""Recordings brought to one time axis: counts, exposure, signals and epochs on exact bins."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from nwbglm import epochs
from nwbglm.binning.counts import count_variable
from nwbglm.binning.exposure import blanked, exposure, observed_spikes
from nwbglm.binning.grid import Grid, count_in_bins
from nwbglm.binning.masks import masked
from nwbglm.binning.resampling import circular_mean, resample
from nwbglm.binning.responses import ResponseColumns, grid_of
from nwbglm.binning.signals import bin_signals
from nwbglm.binning.smoothing import smooth
from nwbglm.epochs import Epochs
from nwbglm.errors import RecordingError
from nwbglm.recording.choose import UnitColumns, choose_epochs, choose_units, purposes, with_margin
from nwbglm.recording.model import Recording
from nwbglm.response import CONTINUOUS, about
from nwbglm.study.data import RESERVED, DataSettings

__all__ = ["Grid", "bin_recording", "circular_mean", "count_in_bins", "purpose_masks", "resample", "smooth"]


def bin_recording(recording: Recording, settings: DataSettings) -> xr.Dataset:
    """Bring a recording to one time axis.

    Parameters
    ----------
    recording
        The opened file.
    settings
        The study's part about data.

    Returns
    -------
    The ``binned`` dataset: see docs/stores.md. Large count matrices are made as they are read.

    Raises
    ------
    RecordingError
        If the file does not hold what the study asks of it.
    """
    recording = recording.for_study(settings)
    use = epochs.merge_overlaps(choose_epochs(recording, settings, "use"))
    grid = grid_of(recording, settings, use)
    if not len(grid):
        raise RecordingError(
            f"no epoch in use is as long as a bin ({settings.bin} s)",
            where=recording.where,
            mend="check `epochs.use` and `bin`",
        )
    blank = blanked(recording, settings, with_margin(recording, settings, use))
    if settings.response is None:
        response, exposures, coordinates = _counts(recording, settings, grid, use, blank)
    else:
        response, exposures, coordinates = _continuous(recording, settings, grid, blank)
    dataset = xr.Dataset(
        {"response": response, "segment": ("time", grid.segment)},
        coords={"time": grid.centre, **coordinates, **_segment_coordinates(grid.segments)},
        attrs={"bin": settings.bin, "session": recording.session},
    )
    if exposures is not None:
        dataset = dataset.assign(exposure=(("time", "unit"), exposures))
    signals = bin_signals(recording, settings, grid)
    inside = purpose_masks(recording, settings, grid) & ~masked(settings, signals, len(grid))
    return dataset.assign(in_epoch=inside).assign(signals)


def _counts(
    recording: Recording, settings: DataSettings, grid: Grid, use: Epochs, blank: Epochs
) -> tuple[xr.Variable, np.ndarray | None, dict]:
    """Count the spikes of the chosen units: the response, its exposure, and what is known of the units."""
    columns = UnitColumns(recording, use, blank)
    units = choose_units(columns, settings)
    bins, exposures = _count_units(recording, settings, grid, blank, units)
    own = {"rate": columns.rate[units], "spikes": columns.spikes[units]}
    coordinates = _unit_coordinates(columns.ids[units], recording.units.metadata, own, units, settings)
    return count_variable(bins, len(grid)), exposures, coordinates


def _continuous(
    recording: Recording, settings: DataSettings, grid: Grid, blank: Epochs
) -> tuple[xr.Variable, np.ndarray | None, dict]:
    """Bring the chosen units of a continuous response to the bins: it, its exposure, what is known of the units."""
    columns = ResponseColumns(recording, settings, grid, blank)
    units = choose_units(columns, settings)
    values = columns.values[:, units]
    known = np.isfinite(values)
    own = {name: getattr(columns, name)[units] for name in ("mean", "sd", "valid")}
    coordinates = _unit_coordinates(columns.ids[units], columns.units.metadata, own, units, settings)
    facts = about(CONTINUOUS, columns.units.name, columns.units.units) | {"source": columns.units.path}
    response = xr.Variable(("time", "unit"), values, facts)
    return response, None if known.all() else known.astype(np.float32), coordinates


def _count_units(
    recording: Recording, settings: DataSettings, grid: Grid, blank: Epochs, units: np.ndarray
) -> tuple[list[np.ndarray], np.ndarray | None]:
    """Find the bin of every spike of each unit, and the exposure where it is not 1 throughout (float32)."""
    bins, fractions, shared = [], {}, {}
    for column, unit in enumerate(units):
        intervals = recording.units.observed(unit)
        # Units observed at the same times share one computation (and most files hold one such list for all).
        key = None if intervals is None else intervals.tobytes()
        if key not in shared:
            fraction = exposure(intervals, blank, grid, settings.min_exposure)
            shared[key] = fraction, bool((fraction == 1.0).all())
        fraction, whole = shared[key]
        if not whole:
            fractions[column] = fraction
        found = _spike_bins(recording, unit, intervals, blank, grid)
        bins.append(found if whole else found[fraction[found] > 0])
    if not fractions:
        return bins, None
    exposures = np.ones((len(grid), len(units)), dtype=np.float32)
    for column, fraction in fractions.items():
        exposures[:, column] = fraction
    return bins, exposures


def _spike_bins(recording: Recording, unit: int, intervals: np.ndarray | None, blank: Epochs, grid: Grid) -> np.ndarray:
    """Find the bins of one unit's spikes in observed time, ascending."""
    parts = []
    for clock in np.unique(grid.segments.clock):
        spans = grid.segments.take(grid.segments.clock == clock)
        times = recording.train(int(unit), int(clock), spans)
        times = observed_spikes(times, intervals, blank.take(blank.clock == clock))
        index = grid.index(times, int(clock))
        parts.append(index[index >= 0])
    return np.sort(np.concatenate(parts)).astype(np.int32 if len(grid) < 2**31 else np.int64)


def _unit_coordinates(
    ids: np.ndarray, columns: Mapping[str, np.ndarray], own: dict, units: np.ndarray, settings: DataSettings
) -> dict:
    metadata = {name: values[units] for name, values in columns.items()}
    # A column called like something of ours keeps its values under another name.
    taken = RESERVED | settings.signals.keys() | {"segment_label", "segment_start", "segment_stop"}
    renamed = {f"file_{name}" if name in taken else name: values for name, values in metadata.items()}
    coordinates = {name: ("unit", values) for name, values in {**renamed, **own}.items()}
    return {"unit": ids, **coordinates}


def _segment_coordinates(use: Epochs) -> dict:
    return {
        "segment_label": ("segments", use.label),
        "segment_start": ("segments", use.start),
        "segment_stop": ("segments", use.stop),
    }


def purpose_masks(recording: Recording, settings: DataSettings, grid: Grid) -> xr.DataArray:
    """Tell which bins lie whole in the epochs of each purpose, (purpose, time)."""
    names = purposes(settings)
    inside = [
        epochs.covers(choose_epochs(recording, settings, name), grid.left, grid.right, grid.clock) for name in names
    ]
    return xr.DataArray(np.stack(inside), dims=("purpose", "time"), coords={"purpose": names})
