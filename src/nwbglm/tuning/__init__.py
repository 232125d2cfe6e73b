"""Tuning curves: the mean rate as a function of one or two signals, of data or of model rates.

``rate[u, v] = count[u, v] / occupancy[v]``, with the occupancy in seconds. Bins of value are half open, the last one
closed, as numpy's histogram has them. Bins of time without a valid value count nowhere, neither with their spikes nor
with their time.

Of a continuous response the curve is its mean at each value, in its own units. Its limits are Student's for a mean of
as many samples as there were visits of the value: the bins of one visit are no independent samples of a slow response.
Information is of spikes only.

Information is Skaggs' (1993), in bits a spike: ``sum_v p_v (r_v / r) log2(r_v / r)`` with ``p`` the share of the
occupancy and ``r = sum p_v r_v``. Confidence bands are Garwood's (1936) exact Poisson limits of the counts, over the
occupancy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from nwbglm import response
from nwbglm.errors import StudyError
from nwbglm.labels import LEVELS, levels_of
from nwbglm.recording.model import Recording
from nwbglm.study.base import nearest
from nwbglm.study.data import DataSettings, Tuning, TuningMap

from .curves import (
    Curve,
    check_values,
    map_rate,
    mean_limits,
    mean_vector,
    poisson_limits,
    preferred,
    skaggs_information,
    tuning_curve,
    value_edges,
    value_index,
)
from .samples import on_samples

__all__ = [
    "Curve",
    "mean_vector",
    "poisson_limits",
    "preferred",
    "purpose_rows",
    "skaggs_information",
    "tune_units",
    "tuning_curve",
    "value_edges",
    "value_index",
]


CARRIED = ("units", "period", LEVELS)
"""What is kept of a signal's attributes."""


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
    The ``tuning`` dataset: see docs/stores.md. Of every map NAME: `map_NAME`, `map_count_NAME (unit, x_NAME,
    y_NAME)`, `map_occupancy_NAME`, `map_information_NAME (unit)`.
    """
    labels = xr.Dataset(coords={name: array for name, array in binned.coords.items() if array.dims == ("unit",)})
    curves = [_tune(name, tuning, binned, settings, recordings) for name, tuning in settings.tuning.items()]
    maps = [_map(name, entry, binned) for name, entry in settings.maps.items()]
    merged = xr.merge([labels, *curves, *maps], combine_attrs="drop_conflicts", compat="override", join="exact")
    return merged.assign_attrs(session=binned.attrs.get("session", ""), **response.carried(binned))


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
        edges, curve = on_samples(tuning, binned, settings, recordings)
    else:
        rows = purpose_rows(binned, tuning.epochs)
        value = np.where(rows, signal.values, np.nan)
        edges = _edges(value, signal, tuning.bins, tuning.range)
        curve = tuning_curve(_summed(binned), value, edges, _seconds(binned), period)
    facts = response.of(binned)
    if facts.counts:
        low, high = poisson_limits(curve.count, tuning.confidence)
        with np.errstate(divide="ignore", invalid="ignore"):
            limits = [np.where(curve.occupancy > 0, limit / curve.occupancy, np.nan) for limit in (low, high)]
    else:
        place = value_index(value, edges, period)
        limits = list(mean_limits(binned["response"].values, place, curve.rate, tuning.confidence))
    return _label(name, tuning, curve, limits, edges, signal.attrs, binned["unit"], facts)


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


def _edges(value: np.ndarray, signal: xr.DataArray, bins: int, limits: tuple[float, float] | None) -> np.ndarray:
    """Return the edges of a signal's bins of value; around each code where its values are texts."""
    if levels := levels_of(signal.attrs):
        return np.arange(len(levels) + 1) - 0.5
    return value_edges(check_values(value, str(signal.name)), bins, limits, signal.attrs.get("period"))


def _seconds(binned: xr.Dataset) -> np.ndarray:
    exposure = binned["exposure"].values if "exposure" in binned else np.float64(1)
    return exposure * binned.attrs["bin"]


def _summed(binned: xr.Dataset) -> xr.DataArray | np.ndarray:
    """Return what adds up to a curve: counts; or values times the bin, so that sums over seconds are means."""
    if response.of_counts(binned):
        return binned["response"]
    return np.nan_to_num(binned["response"].values) * float(binned.attrs["bin"])


def _label(
    name: str,
    tuning: Tuning,
    curve: Curve,
    limits: Sequence[np.ndarray],
    edges: np.ndarray,
    about: dict,
    unit: xr.DataArray,
    facts: response.Facts,
) -> xr.Dataset:
    value, centres = f"value_{name}", edges[:-1] + np.diff(edges) / 2
    kept = {key: about[key] for key in CARRIED if key in about}
    each = ("unit", value) if curve.occupancy.ndim == 2 else (value,)
    low, high = limits
    sampled = "bins" if tuning.at == "bins" else "native samples"
    hertz = {"units": facts.rate_units, "sampled_on": sampled, "signal": tuning.of, "epochs": tuning.epochs}
    found: dict[str, Any] = {
        f"rate_{name}": (("unit", value), curve.rate, hertz),
        f"low_{name}": (("unit", value), low, hertz | {"confidence": tuning.confidence}),
        f"high_{name}": (("unit", value), high, hertz | {"confidence": tuning.confidence}),
        f"occupancy_{name}": (each, curve.occupancy, {"units": "s"}),
        f"preferred_{name}": ("unit", preferred(curve.rate, centres, counts=facts.counts), kept),
    }
    if facts.counts:
        information = skaggs_information(curve.rate, curve.occupancy)
        found[f"count_{name}"] = (("unit", value), curve.count)
        found[f"information_{name}"] = ("unit", information, {"units": "bits/spike"})
    if "period" in kept and facts.counts:
        direction, length = mean_vector(curve.rate, centres, kept["period"])
        found |= {f"mean_direction_{name}": ("unit", direction, kept), f"vector_length_{name}": ("unit", length)}
    coordinates = {value: (value, centres, kept), f"edges_{name}": (f"edge_{name}", edges), "unit": unit}
    return xr.Dataset(found, coordinates)


def _map(name: str, entry: TuningMap, binned: xr.Dataset) -> xr.Dataset:
    rows = purpose_rows(binned, entry.epochs)
    values = [np.where(rows, binned[signal].values, np.nan) for signal in entry.of]
    about = [binned[signal].attrs for signal in entry.of]
    periods = [attributes.get("period") for attributes in about]
    ranges = entry.range or (None, None)
    edges = [
        _edges(value, binned[signal], bins, limits)
        for value, signal, bins, limits in zip(values, entry.of, entry.bins, ranges, strict=True)
    ]
    curve = tuning_curve(_summed(binned), values, edges, _seconds(binned), periods)
    facts = response.of(binned)
    dims = (f"x_{name}", f"y_{name}")
    each = ("unit", *dims) if curve.occupancy.ndim == 3 else dims
    rate = map_rate(curve, entry.least, entry.smooth, [period is not None for period in periods])
    found: dict[str, Any] = {
        f"map_{name}": (("unit", *dims), rate, {"units": facts.rate_units, "signals": list(entry.of)}),
        f"map_occupancy_{name}": (each, curve.occupancy, {"units": "s"}),
    }
    if facts.counts:
        information = skaggs_information(curve.rate, curve.occupancy)
        found[f"map_count_{name}"] = (("unit", *dims), curve.count)
        found[f"map_information_{name}"] = ("unit", information, {"units": "bits/spike"})
    axes = {
        dim: (dim, edge[:-1] + np.diff(edge) / 2, {key: one[key] for key in CARRIED if key in one})
        for dim, edge, one in zip(dims, edges, about, strict=True)
    }
    return xr.Dataset(found, {**axes, "unit": binned["unit"]})
