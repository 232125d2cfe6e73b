"""Tuning curves at a signal's own samples: each spike takes the value of the closest one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from nwbglm import epochs
from nwbglm.binning.exposure import blanked, observed_spikes
from nwbglm.binning.sources import Source, find_source, read_samples
from nwbglm.recording.choose import choose_epochs
from nwbglm.recording.model import Recording
from nwbglm.study.data import DataSettings, Tuning

from .curves import Curve, check_values, value_edges, value_index


class _Sampled(NamedTuple):
    """One recording's signal at its own samples: `samples` (times, values) of each of the epochs `use`."""

    recording: Recording
    units: np.ndarray
    source: Source
    use: epochs.Epochs
    blank: epochs.Epochs
    samples: list[tuple[np.ndarray, np.ndarray]]

    @property
    def values(self) -> np.ndarray:
        """All values, (samples,)."""
        return np.concatenate([value for _, value in self.samples])

    @property
    def interval(self) -> float:
        """The usual time between two samples, s."""
        steps = np.concatenate([np.diff(times) for times, _ in self.samples])
        return float(steps[(steps > 0) & (steps <= self.source.max_gap)].mean())


def _sampled(tuning: Tuning, settings: DataSettings, recording: Recording, ids: np.ndarray) -> _Sampled:
    recording = recording.for_study(settings)
    source = find_source(recording, settings.signals[tuning.of], tuning.of)
    use = epochs.merge_overlaps(choose_epochs(recording, settings, tuning.epochs))
    blank = blanked(recording, settings, use)
    return _Sampled(recording, _unit_rows(recording, ids), source, use, blank, read_samples(source, use))


def on_samples(
    tuning: Tuning, binned: xr.Dataset, settings: DataSettings, recordings: Sequence[Recording]
) -> tuple[np.ndarray, Curve]:
    """Give each spike the closest sample of its epoch; each sample is worth one sampling interval."""
    ids = binned["unit_of_recording"].values if "unit_of_recording" in binned else binned["unit"].values[None]
    parts = [_sampled(tuning, settings, one, mine) for one, mine in zip(recordings, ids, strict=True)]
    period = parts[0].source.signal.circular
    values = check_values(np.concatenate([part.values for part in parts]), tuning.of)
    edges = value_edges(values, tuning.bins, tuning.range, period)
    count, occupancy = np.zeros((2, binned.sizes["unit"], tuning.bins))
    for part in parts:
        visits = np.zeros_like(count)
        for place, unit in enumerate(part.units):
            for span, (times, value) in zip(part.use, part.samples, strict=True):
                seen = _observed_samples(part.recording, unit, span, times, part.blank)
                visits[place] += _by_value(value[seen], edges, period)
                near = _spike_values(part.recording, unit, span, times, value, part.blank, part.source)
                count[place] += _by_value(near, edges, period)
        occupancy += visits * part.interval if visits.any() else 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(occupancy > 0, count / occupancy, np.nan)
    return edges, Curve(rate, count, occupancy[0] if (occupancy == occupancy[0]).all() else occupancy)


def _by_value(values: np.ndarray, edges: np.ndarray, period: float | None) -> np.ndarray:
    index = value_index(values, edges, period)
    return np.bincount(index[index >= 0], minlength=len(edges) - 1)


def _unit_rows(recording: Recording, ids: np.ndarray) -> np.ndarray:
    order = {unit: row for row, unit in enumerate(recording.units.ids.tolist())}
    return np.array([order[unit] for unit in ids.tolist()])


def _observed_samples(
    recording: Recording, unit: int, span: epochs.Span, times: np.ndarray, blank: epochs.Epochs
) -> np.ndarray:
    index = np.arange(len(times))
    kept = observed_spikes(times, recording.units.observed(unit), blank.take(blank.clock == span.clock))
    return index if len(kept) == len(times) else np.flatnonzero(np.isin(times, kept))


def _spike_values(
    recording: Recording,
    unit: int,
    span: epochs.Span,
    times: np.ndarray,
    values: np.ndarray,
    blank: epochs.Epochs,
    source: Source,
) -> np.ndarray:
    """Give each spike of an epoch the value of its closest sample, if one lies within the longest gap."""
    spans = epochs.Epochs.of([span.start], [span.stop], clock=[span.clock])
    train = recording.train(unit, span.clock, spans)
    train = train[(train >= span.start) & (train < span.stop)]
    train = observed_spikes(train, recording.units.observed(unit), blank.take(blank.clock == span.clock))
    if not len(times):
        return np.empty(0)
    near = closest(times, train)
    return values[near[np.abs(times[near] - train) <= source.max_gap]]


def closest(times: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the index of the time closest to each wanted one; the later of two equally close.

    Parameters
    ----------
    times
        (n,) ascending, n > 0.
    wanted
        (m,)
    """
    later = np.clip(np.searchsorted(times, wanted, side="left"), 0, len(times) - 1)
    earlier = np.maximum(later - 1, 0)
    return np.where(np.abs(times[later] - wanted) <= np.abs(times[earlier] - wanted), later, earlier)
