"""Small binned datasets for tests of features, folds and fits."""

from __future__ import annotations

import numpy as np
import xarray as xr


def binned_session(counts, *, bin_width=0.01, segment=None, in_epoch=None, exposure=None, **signals) -> xr.Dataset:
    """Make a `binned` dataset of counts (time, unit); `in_epoch` maps purposes to masks, `fit` is all by default."""
    counts = np.atleast_2d(np.asarray(counts).T).T
    time = (np.arange(len(counts)) + 0.5) * bin_width
    purposes = {"use": np.ones(len(counts), bool), "fit": np.ones(len(counts), bool)} | (in_epoch or {})
    dataset = xr.Dataset(
        {
            "spike_count": (("time", "unit"), counts.astype(np.uint16)),
            "segment": ("time", np.zeros(len(counts), np.int32) if segment is None else np.asarray(segment, np.int32)),
            "in_epoch": (("purpose", "time"), np.stack(list(purposes.values()))),
        },
        coords={"time": time, "unit": np.arange(counts.shape[1]) + 1, "purpose": list(purposes)},
        attrs={"bin": bin_width, "session": "small"},
    )
    if exposure is not None:
        dataset["exposure"] = (("time", "unit"), np.asarray(exposure, np.float32))
    for name, value in signals.items():
        values, attrs = value if isinstance(value, tuple) else (value, {})
        dataset[name] = ("time", np.asarray(values, float), {"role": "signal", "units": "au"} | attrs)
    return dataset
