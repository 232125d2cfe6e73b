"""Tuning curves: the mean rate as a function of one or two signals, of data or of model rates.

``rate[u, v] = count[u, v] / occupancy[v]``, with the occupancy in seconds. Bins of value are half open, the last one
closed, as numpy's histogram has them. Bins of time without a valid value count nowhere, neither with their spikes nor
with their time.

Information is Skaggs' (1993), in bits a spike: ``sum_v p_v (r_v / r) log2(r_v / r)`` with ``p`` the share of the
occupancy and ``r = sum p_v r_v``. Confidence bands are Garwood's (1936) exact Poisson limits of the counts, over the
occupancy.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy import sparse
from scipy.stats import chi2

from nwbglm import epochs
from nwbglm.binning import find_signal, signal_samples
from nwbglm.epochs import Epochs
from nwbglm.errors import RecordingError, StudyError
from nwbglm.recording.choose import choose_epochs
from nwbglm.recording.model import Recording
from nwbglm.study.base import nearest
from nwbglm.study.data import DataSettings, Tuning

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
    low = np.where(count > 0, chi2.ppf(tail, 2 * np.maximum(count, 0.5)) / 2, 0.0)
    return low, chi2.ppf(1 - tail, 2 * (count + 1)) / 2


def value_edges(tuning: Tuning, value: np.ndarray, period: float | None) -> np.ndarray:
    """Return the edges of the values: the study's range, else the period, else the data's range."""
    if tuning.range is not None:
        low, high = tuning.range
    elif period is not None:
        low, high = 0.0, period
    else:
        low, high = float(np.nanmin(value)), float(np.nanmax(value))
        if low == high:
            low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, tuning.bins + 1)


def tune_units(binned: xr.Dataset, settings: DataSettings, recording: Recording | None = None) -> xr.Dataset:
    """Compute the study's tuning curves.

    Parameters
    ----------
    binned
        The session's binned dataset.
    settings
        The study's part about data.
    recording
        The opened file, for curves over a signal's native samples.

    Returns
    -------
    The ``tuning`` dataset: see docs/architecture.md.
    """
    parts = [_tune(name, tuning, binned, settings, recording) for name, tuning in settings.tuning.items()]
    merged = xr.merge([_unit_labels(binned), *parts], combine_attrs="drop")
    return merged.assign_attrs(session=binned.attrs.get("session", ""))


def _unit_labels(binned: xr.Dataset) -> xr.Dataset:
    return xr.Dataset(coords={name: array for name, array in binned.coords.items() if array.dims == ("unit",)})


def _tune(
    name: str, tuning: Tuning, binned: xr.Dataset, settings: DataSettings, recording: Recording | None
) -> xr.Dataset:
    if tuning.of not in settings.signals:
        mend = nearest(tuning.of, settings.signals)
        raise StudyError(f"there is no signal {tuning.of!r}", where=f"tuning.{name}.of", mend=mend)
    signal = binned[tuning.of]
    period = signal.attrs.get("period")
    if tuning.at == "samples":
        if recording is None:
            raise StudyError("native samples need the recording", where=f"tuning.{name}.at", mend="use `at: bins`")
        edges, curve = _on_samples(tuning, binned, settings, recording, period)
    else:
        value = signal.values
        edges = value_edges(tuning, _some(value, recording, tuning), period)
        curve = tuning_curve(binned["spike_count"], value, edges, _seconds(binned), period)
    return _label(name, tuning, curve, edges, signal.attrs, binned["unit"])


def _some(value: np.ndarray, recording: Recording | None, tuning: Tuning) -> np.ndarray:
    if not np.isfinite(value).any():
        where = recording.where if recording is not None else ""
        raise RecordingError(f"the signal {tuning.of!r} has no valid value in use", where=where, mend="see the audit")
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
    hertz = {"units": "Hz", "sampled_on": sampled, "signal": tuning.of}
    found = {
        f"rate_{name}": (("unit", value), curve.rate, hertz),
        f"low_{name}": (("unit", value), low, hertz | {"confidence": tuning.confidence}),
        f"high_{name}": (("unit", value), high, hertz | {"confidence": tuning.confidence}),
        f"count_{name}": (("unit", value), curve.count),
        f"occupancy_{name}": (each, curve.occupancy, {"units": "s"}),
        f"preferred_{name}": ("unit", _argmax(curve.rate, centres), kept),
        f"information_{name}": ("unit", skaggs_information(curve.rate, curve.occupancy), {"units": "bits/spike"}),
    }
    if "period" in kept:
        direction, length = mean_vector(curve.rate, centres, kept["period"])
        found |= {f"mean_direction_{name}": ("unit", direction, kept), f"vector_length_{name}": ("unit", length)}
    coordinates = {value: (value, centres, kept), f"edges_{name}": (f"edge_{name}", edges), "unit": unit}
    return xr.Dataset(found, coordinates)


def _argmax(rate: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return the value of the highest rate; NaN for a unit that is silent everywhere."""
    filled = np.where(np.isfinite(rate), rate, -1.0)
    return np.where(filled.max(axis=1) > 0, centres[filled.argmax(axis=1)], np.nan)


def _on_samples(
    tuning: Tuning, binned: xr.Dataset, settings: DataSettings, recording: Recording, period: float | None
) -> tuple[np.ndarray, Curve]:
    """Give each spike the closest sample of its epoch; each sample is worth one sampling interval."""
    use = epochs.merge_overlaps(choose_epochs(recording, settings, "use"))
    samples = [signal_samples(recording, settings.signals[tuning.of], tuning.of, span) for span in use]
    values = np.concatenate([value for _, value in samples])
    edges = value_edges(tuning, _some(values, recording, tuning), period)
    max_gap = find_signal(recording, settings.signals[tuning.of], tuning.of).max_gap
    steps = np.concatenate([np.diff(times) for times, _ in samples])
    interval = steps[(steps > 0) & (steps <= max_gap)].mean()
    visits = np.bincount(_inside(value_index(values, edges, period)), minlength=tuning.bins)
    count = np.stack(
        [_spikes_by_value(recording, row, use, samples, edges, period, max_gap) for row in _rows(recording, binned)]
    )
    occupancy = visits * interval
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(visits > 0, count / visits / interval, np.nan)
    return edges, Curve(rate, count, occupancy)


def _inside(index: np.ndarray) -> np.ndarray:
    return index[index >= 0]


def _rows(recording: Recording, binned: xr.Dataset) -> np.ndarray:
    order = {unit: row for row, unit in enumerate(recording.units.ids.tolist())}
    return np.array([order[unit] for unit in binned["unit"].values.tolist()])


def _spikes_by_value(
    recording: Recording, row: int, use: Epochs, samples: list, edges: np.ndarray, period: float | None, max_gap: float
) -> np.ndarray:
    count = np.zeros(len(edges) - 1)
    train = recording.units.spike_times(row)
    for span, (times, values) in zip(use, samples, strict=True):
        spikes = train[(train >= span.start) & (train < span.stop)]
        near = values[closest(times, spikes)] if len(times) else np.empty(0)
        near = near[np.abs(times[closest(times, spikes)] - spikes) <= max_gap] if len(times) else near
        count += np.bincount(_inside(value_index(near, edges, period)), minlength=len(count))
    return count


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
