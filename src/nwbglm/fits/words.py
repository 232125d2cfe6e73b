"""What a job's log says of a fit: where it was computed, how large it was, how it ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import xarray as xr


def fit_words(fits: xr.Dataset) -> Iterator[str]:
    """Say, a line each, on what device a store of fits was made, its sizes, its iterations, its statuses."""
    import jax

    device = jax.devices()[0]
    yield f"device: {device.platform} ({device.device_kind}), {jax.local_device_count()} of it"
    sizes = fits.sizes
    yield (
        f"{sizes['unit']} units, {sizes['feature']} features, {sizes['fold']} folds, {sizes['strength']} strengths, "
        f"{fits.status.size} fits; rows of a unit: {int(np.max(fits.rows.values, initial=0))} at most"
    )
    iterations = fits.iterations.values
    if iterations.size:
        yield f"iterations: {np.median(iterations):g} in the median, {iterations.max()} at most"
        gap, norm = np.nanmax(fits.gap.values, initial=0.0), np.nanmax(fits.gradient_norm.values, initial=0.0)
        yield f"largest gap {gap:.2g}, largest gradient norm {norm:.2g}"
    meanings = fits.status.attrs["flag_meanings"]
    names = meanings.split() if isinstance(meanings, str) else list(meanings)
    counts = Counter(names[code] for code in fits.status.values.ravel().astype(int))
    yield "statuses: " + ", ".join(f"{count} {name}" for name, count in counts.most_common())
