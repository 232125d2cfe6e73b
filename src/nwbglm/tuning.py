"""Tuning curves: the mean rate as a function of one or two signals, of data or of model rates.

``rate[u, v] = count[u, v] / occupancy[v]``, with the occupancy in seconds. Bins of value are half open, the last one
closed, as numpy's histogram has them. Bins of time without a valid value count nowhere, neither with their spikes nor
with their time.

Information is Skaggs' (1993), in bits a spike: ``sum_v p_v (r_v / r) log2(r_v / r)`` with ``p`` the share of the
occupancy and ``r = sum p_v r_v``. Confidence bands are Garwood's (1936) exact Poisson limits of the counts, over the
occupancy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy import sparse
from scipy.special import gammaincinv

from nwbglm import epochs
from nwbglm.binning.exposure import blanked, observed_spikes
from nwbglm.binning.sources import Source, find_source, read_samples
from nwbglm.errors import RecordingError, StudyError
from nwbglm.recording.choose import choose_epochs
from nwbglm.recording.model import Recording
from nwbglm.study.base import nearest
from nwbglm.study.data import DataSettings, Tuning, TuningMap

ROWS = 200_000
"""Bins of time handled at once."""


class Curve(NamedTuple):
    """A tuning curve of several units.

    `rate` (unit, value...) Hz, NaN where never visited; `count` (unit, value...); `occupancy` (value...) or (unit,
    value...) s.
    """

    rate: np.ndarray
    count: np.ndarray
    occupancy: np.ndarray


def value_index(value: np.ndarray, edges: np.ndarray, period: float | None = None) -> np.ndarray:
    """Find the bin of each value; -1 for those outside and NaN.

    Parameters
    ----------
    value
        (n,)
    edges
        (bins + 1,) ascending.
    period
        Values are first wrapped to ``[edges[0], edges[0] + period)``.
    """
    value = np.asarray(value, dtype=np.float64)
    if period is not None:
        value = edges[0] + np.mod(value - edges[0], period)
    index = np.searchsorted(edges, value, side="right") - 1
    index = np.where(value == edges[-1], len(edges) - 2, index)
    inside = np.isfinite(value) & (index >= 0) & (index < len(edges) - 1)
    return np.where(inside, index, -1)


def tuning_curve(counts, value, edges, exposure_seconds, period=None) -> Curve:
    """Average counts by value.

    Parameters
    ----------
    counts
        (time, unit) spikes, or expected spikes of a model, in each bin of time.
    value
        (time,) the signal; or a pair of signals for a two-dimensional curve.
    edges
        (bins + 1,) edges of the values; or a pair.
    exposure_seconds
        Seconds that each bin of time is worth: one number, (time,), or (time, unit).
    period
        Period of a circular signal; or a pair, with None for one that is not.

    Returns
    -------
    Curve
    """
    several = isinstance(value, list | tuple)
    values, edges, periods = (value, edges, period or (None, None)) if several else ([value], [edges], [period])
    shape = tuple(len(edge) - 1 for edge in edges)
    places = [value_index(*one) for one in zip(values, edges, periods, strict=True)]
    inside = np.logical_and.reduce([place >= 0 for place in places])
    flat = np.where(inside, np.ravel_multi_index([np.maximum(place, 0) for place in places], shape), -1)
    count, occupancy = _gather(counts, flat, np.asarray(exposure_seconds, dtype=np.float64), int(np.prod(shape)))
    count, occupancy = count.reshape(-1, *shape), occupancy.reshape(*occupancy.shape[:-1], *shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(occupancy > 0, count / occupancy, np.nan)
    return Curve(rate, count, occupancy)


def _gather(counts, flat: np.ndarray, exposure: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Sum counts (unit, value) and seconds (value) or (unit, value) over the bins of time at each value."""
    total = np.zeros((size, counts.shape[1]))
    seconds = np.zeros((size, counts.shape[1]) if exposure.ndim == 2 else size)
    for start in range(0, len(flat), ROWS):
        rows = np.flatnonzero(flat[start : start + ROWS] >= 0)
        ones = np.ones(len(rows))
        where = sparse.csr_matrix((ones, (flat[start + rows], rows)), shape=(size, len(flat[start : start + ROWS])))
        total += where @ np.asarray(counts[start : start + ROWS], dtype=np.float64)
        worth = exposure[start : start + ROWS] if exposure.ndim else np.full(where.shape[1], exposure)
        seconds += where @ worth
    return total.T, seconds.T


def skaggs_information(rate: np.ndarray, occupancy: np.ndarray) -> np.ndarray:
    """Return the information of each unit's curve, bits a spike; NaN for a unit without spikes.

    Parameters
    ----------
    rate
        (unit, value...) Hz.
    occupancy
        (value...) or (unit, value...) s.
    """
    rate = rate.reshape(len(rate), -1)
    seconds = np.broadcast_to(occupancy.reshape(-1, rate.shape[1]), rate.shape)
    share = seconds / seconds.sum(axis=1, keepdims=True)
    mean = np.nansum(share * rate, axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = rate / mean
        terms = share * relative * np.log2(relative)
    return np.where(mean[:, 0] > 0, np.nansum(np.where(rate > 0, terms, 0.0), axis=1), np.nan)


def mean_vector(rate: np.ndarray, centres: np.ndarray, period: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the direction (in [0, period)) and length (0 to 1) of each unit's mean vector, weighted by rate.

    Parameters
    ----------
    rate
        (unit, value) Hz; values never visited count nothing.
    centres
        (value,) centres of the bins.
    period
        Of the circular signal.
    """
    weight = np.where(np.isfinite(rate), rate, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        vector = weight @ np.exp(2j * np.pi * centres / period) / weight.sum(axis=1)
    direction = np.mod(np.angle(vector) * period / (2 * np.pi), period)
    return np.where(np.isfinite(vector), direction, np.nan), np.abs(vector)


def poisson_limits(count: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return Garwood's exact limits of a Poisson mean, given the count that was seen."""
    tail = (1 - level) / 2
    low = np.where(count > 0, gammaincinv(np.maximum(count, 0.5), tail), 0.0)
    return low, gammaincinv(count + 1, 1 - tail)


def value_edges(value: np.ndarray, bins: int, limits: tuple[float, float] | None, period: float | None) -> np.ndarray:
    """Return the edges of the values: the study's range, else the period, else the data's range."""
    if limits is not None:
        low, high = limits
    elif period is not None:
        low, high = 0.0, period
    else:
        low, high = float(np.nanmin(value)), float(np.nanmax(value))
        if low == high:
            low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, bins + 1)


def tune_units(binned: xr.Dataset, settings: DataSettings, recordings: Sequence[Recording] = ()) -> xr.Dataset:
    """Compute the study's tuning curves and maps.

    Parameters
    ----------
    binned
        The session's binned dataset.
    settings
        The study's part about data.
    recordings
        The opened file, or those of a joined session in its order, for curves over a signal's native samples.

    Returns
    -------
    The ``tuning`` dataset: see docs/architecture.md. Of every map NAME: `map_NAME`, `map_count_NAME (unit, x_NAME,
    y_NAME)`, `map_occupancy_NAME`, `map_information_NAME (unit)`.
    """
    labels = xr.Dataset(coords={name: array for name, array in binned.coords.items() if array.dims == ("unit",)})
    curves = [_tune(name, tuning, binned, settings, recordings) for name, tuning in settings.tuning.items()]
    maps = [_map(name, entry, binned) for name, entry in settings.maps.items()]
    merged = xr.merge([labels, *curves, *maps], combine_attrs="drop_conflicts", compat="override", join="exact")
    return merged.assign_attrs(session=binned.attrs.get("session", ""))


def _tune(
    name: str, tuning: Tuning, binned: xr.Dataset, settings: DataSettings, recordings: Sequence[Recording]
) -> xr.Dataset:
    if tuning.of not in settings.signals:
        mend = nearest(tuning.of, settings.signals)
        raise StudyError(f"there is no signal {tuning.of!r}", where=f"tuning.{name}.of", mend=mend)
    signal = binned[tuning.of]
    period = signal.attrs.get("period")
    if tuning.at == "samples":
        if not recordings:
            raise StudyError("native samples need the recording", where=f"tuning.{name}.at", mend="use `at: bins`")
        edges, curve = _on_samples(tuning, binned, settings, recordings)
    else:
        rows = purpose_rows(binned, tuning.epochs)
        value = np.where(rows, signal.values, np.nan)
        edges = value_edges(_checked(value, tuning.of), tuning.bins, tuning.range, period)
        curve = tuning_curve(binned["spike_count"], value, edges, _seconds(binned), period)
    return _label(name, tuning, curve, edges, signal.attrs, binned["unit"])


def purpose_rows(binned: xr.Dataset, purpose: str) -> np.ndarray:
    """Tell which bins lie in the epochs of a purpose.

    Raises
    ------
    StudyError
        If the study does not name these epochs.
    """
    known = binned["purpose"].values.tolist()
    if purpose not in known:
        mend = nearest(purpose, known)
        raise StudyError(f"the study names no {purpose!r} epochs", where=f"epochs.{purpose}", mend=mend)
    return binned["in_epoch"].values[known.index(purpose)]


def _checked(value: np.ndarray, name: str) -> np.ndarray:
    if not np.isfinite(value).any():
        raise RecordingError(
            "the signal has no valid value in these epochs",
            where=f"signals.{name}",
            mend="see the audit's page: its samples may lie outside the epochs, or be slower than the bins",
        )
    return value


def _seconds(binned: xr.Dataset) -> np.ndarray:
    exposure = binned["exposure"].values if "exposure" in binned else np.float64(1)
    return exposure * binned.attrs["bin"]


def _label(name: str, tuning: Tuning, curve: Curve, edges: np.ndarray, about: dict, unit: xr.DataArray) -> xr.Dataset:
    value, centres = f"value_{name}", edges[:-1] + np.diff(edges) / 2
    kept = {key: about[key] for key in ("units", "period") if key in about}
    each = ("unit", value) if curve.occupancy.ndim == 2 else (value,)
    low, high = poisson_limits(curve.count, tuning.confidence)
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = (np.where(curve.occupancy > 0, limit / curve.occupancy, np.nan) for limit in (low, high))
    sampled = "bins" if tuning.at == "bins" else "native samples"
    hertz = {"units": "Hz", "sampled_on": sampled, "signal": tuning.of, "epochs": tuning.epochs}
    found = {
        f"rate_{name}": (("unit", value), curve.rate, hertz),
        f"low_{name}": (("unit", value), low, hertz | {"confidence": tuning.confidence}),
        f"high_{name}": (("unit", value), high, hertz | {"confidence": tuning.confidence}),
        f"count_{name}": (("unit", value), curve.count),
        f"occupancy_{name}": (each, curve.occupancy, {"units": "s"}),
        f"preferred_{name}": ("unit", preferred(curve.rate, centres), kept),
        f"information_{name}": ("unit", skaggs_information(curve.rate, curve.occupancy), {"units": "bits/spike"}),
    }
    if "period" in kept:
        direction, length = mean_vector(curve.rate, centres, kept["period"])
        found |= {f"mean_direction_{name}": ("unit", direction, kept), f"vector_length_{name}": ("unit", length)}
    coordinates = {value: (value, centres, kept), f"edges_{name}": (f"edge_{name}", edges), "unit": unit}
    return xr.Dataset(found, coordinates)


def preferred(rate: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return the value of each unit's highest rate; NaN for a unit that is silent everywhere.

    Parameters
    ----------
    rate
        (unit, value) Hz.
    centres
        (value,)
    """
    filled = np.where(np.isfinite(rate), rate, -1.0)
    return np.where(filled.max(axis=1) > 0, centres[filled.argmax(axis=1)], np.nan)


def _map(name: str, entry: TuningMap, binned: xr.Dataset) -> xr.Dataset:
    rows = purpose_rows(binned, entry.epochs)
    values = [np.where(rows, binned[signal].values, np.nan) for signal in entry.of]
    about = [binned[signal].attrs for signal in entry.of]
    periods = [attributes.get("period") for attributes in about]
    ranges = entry.range or (None, None)
    edges = [
        value_edges(_checked(value, signal), bins, limits, period)
        for value, signal, bins, limits, period in zip(values, entry.of, entry.bins, ranges, periods, strict=True)
    ]
    curve = tuning_curve(binned["spike_count"], values, edges, _seconds(binned), periods)
    dims = (f"x_{name}", f"y_{name}")
    each = ("unit", *dims) if curve.occupancy.ndim == 3 else dims
    found = {
        f"map_{name}": (("unit", *dims), curve.rate, {"units": "Hz", "signals": list(entry.of)}),
        f"map_count_{name}": (("unit", *dims), curve.count),
        f"map_occupancy_{name}": (each, curve.occupancy, {"units": "s"}),
        f"map_information_{name}": ("unit", skaggs_information(curve.rate, curve.occupancy), {"units": "bits/spike"}),
    }
    axes = {
        dim: (dim, edge[:-1] + np.diff(edge) / 2, {key: one[key] for key in ("units", "period") if key in one})
        for dim, edge, one in zip(dims, edges, about, strict=True)
    }
    return xr.Dataset(found, {**axes, "unit": binned["unit"]})


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
    source = find_source(recording, settings.signals[tuning.of], tuning.of)
    use = epochs.merge_overlaps(choose_epochs(recording, settings, tuning.epochs))
    blank = blanked(recording, settings, use)
    return _Sampled(recording, _unit_rows(recording, ids), source, use, blank, read_samples(source, use))


def _on_samples(
    tuning: Tuning, binned: xr.Dataset, settings: DataSettings, recordings: Sequence[Recording]
) -> tuple[np.ndarray, Curve]:
    """Give each spike the closest sample of its epoch; each sample is worth one sampling interval."""
    ids = binned["unit_of_recording"].values if "unit_of_recording" in binned else binned["unit"].values[None]
    parts = [_sampled(tuning, settings, one, mine) for one, mine in zip(recordings, ids, strict=True)]
    period = parts[0].source.signal.circular
    values = _checked(np.concatenate([part.values for part in parts]), tuning.of)
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
