"""Bins that are masked by the value of signals: windows may read them, and nothing in them is fitted or counted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from nwbglm.labels import in_texts
from nwbglm.recording.select import names, select
from nwbglm.study.data import DataSettings


def mask_signals(settings: DataSettings) -> list[str]:
    """List the signals that the study's masks look at."""
    return list(dict.fromkeys(name for mask in settings.mask.values() for name in sorted(names(mask))))


def masked(settings: DataSettings, signals: Mapping[str, xr.DataArray], bins: int) -> np.ndarray:
    """Tell which bins are masked: an expression holds, or a signal that it looks at has no value there.

    Parameters
    ----------
    settings
        The study's part about data.
    signals
        The binned signals by name, those of `mask_signals` among them.
    bins
        Number of bins.

    Returns
    -------
    (bins,) bool.
    """
    found = np.zeros(bins, dtype=bool)
    for name, mask in settings.mask.items():
        used = names(mask)
        values = {one: in_texts(signals[one].values, signals[one].attrs) for one in used}
        found |= select(mask, values.__getitem__, used, bins, where=f"mask.{name}")
        for one in used:
            found |= ~np.isfinite(signals[one].values)
    return found
