"""Tuning and predicted rates of synthetic sessions."""

from __future__ import annotations

import numpy as np
import xarray as xr
from synthetic_data import FOLDS
from synthetic_fits import design_of


def _mean_by_value(values, signal, edges):
    which = np.digitize(signal, edges) - 1
    sums = np.stack([np.nansum(values[which == k], axis=0) for k in range(len(edges) - 1)], axis=1)
    rows = np.array([(which == k).sum() for k in range(len(edges) - 1)])
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums / rows, sums, rows


def tuning_of(name, binned, signal, bins) -> xr.Dataset:
    values, bin_ = binned[signal].values, binned.attrs["bin"]
    period = binned[signal].attrs.get("period")
    edges = np.linspace(0, period, bins + 1) if period else np.linspace(values.min(), values.max() + 1e-9, bins + 1)
    mean, count, rows = _mean_by_value(binned.response.values.astype(float), values, edges)
    centres = (edges[1:] + edges[:-1]) / 2
    attrs = {"units": binned[signal].attrs["units"]} | ({"period": period} if period else {})
    dataset = xr.Dataset(
        {
            f"rate_{signal}": (("unit", f"value_{signal}"), mean / bin_),
            f"low_{signal}": (("unit", f"value_{signal}"), 0.8 * mean / bin_, {"confidence": 0.95}),
            f"high_{signal}": (("unit", f"value_{signal}"), 1.2 * mean / bin_, {"confidence": 0.95}),
            f"count_{signal}": (("unit", f"value_{signal}"), count),
            f"occupancy_{signal}": (f"value_{signal}", rows * bin_),
            f"preferred_{signal}": ("unit", centres[np.nan_to_num(mean, nan=-1).argmax(axis=1)]),
            f"information_{signal}": ("unit", np.full(binned.sizes["unit"], 0.5)),
        },
        coords={
            "unit": binned.unit.values,
            f"value_{signal}": (f"value_{signal}", centres, attrs),
            f"edges_{signal}": (f"edge_{signal}", edges),
        },
        attrs={"kind": "tuning", "session": name},
    )
    if period:
        dataset[f"vector_length_{signal}"] = ("unit", np.full(binned.sizes["unit"], 0.6))
        dataset[f"mean_direction_{signal}"] = dataset[f"preferred_{signal}"]
    return dataset


def predictions_of(name, model, fit, term_names, features, folds, binned, tuning, signal) -> xr.Dataset:
    bin_, row = binned.attrs["bin"], folds.row.values
    rate = np.stack(
        [
            np.exp(fit.intercept.values[i] + design_of(features, term_names, u) @ fit.coef.values[i])
            for i, u in enumerate(binned.unit.values)
        ],
        axis=1,
    )
    held_out = np.full_like(rate, np.nan)
    for i, u in enumerate(binned.unit.values):
        design = design_of(features, term_names, u)
        for k in range(FOLDS):
            rows = folds.test.values[k]
            held_out[rows, i] = np.exp(fit.fold_intercept.values[i, k] + design[rows] @ fit.fold_coef.values[i, k])
    invalid = ~folds.shared.values
    rate[invalid] = held_out[invalid] = np.nan
    edges = tuning[f"edges_{signal}"].values
    values = binned[signal].values[row]
    window = slice(200, 1200) if "heading" in binned else slice(500, 4500)
    return xr.Dataset(
        {
            "rate": (("time", "unit"), (rate / bin_)[window].astype(np.float32)),
            "heldout_rate": (("time", "unit"), (held_out / bin_)[window].astype(np.float32)),
            f"rate_{signal}": (("unit", f"value_{signal}"), _mean_by_value(rate, values, edges)[0] / bin_),
            f"heldout_rate_{signal}": (("unit", f"value_{signal}"), _mean_by_value(held_out, values, edges)[0] / bin_),
        },
        coords={
            "time": folds.time.values[window],
            "row": ("time", row[window]),
            "unit": binned.unit.values,
            f"value_{signal}": tuning[f"value_{signal}"],
        },
        attrs={"kind": "predictions", "session": name, "model": model},
    )
