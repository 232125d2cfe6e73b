"""Gaussian smoothing on bins, with edges renormalised or in pynapple's form."""

from __future__ import annotations

import numpy as np

from nwbglm.binning.grid import SLACK


def smooth(
    values: np.ndarray,
    bin: float,
    std: float,
    size_factor: float = 20,
    *,
    segment: np.ndarray | None = None,
    renormalise: bool = True,
) -> np.ndarray:
    """Smooth values on bins with a Gaussian, within segments.

    The window holds ``int(std / bin * size_factor)`` bins (one more where that is even), and sums to 1.

    Parameters
    ----------
    values
        (bins, ...) counts or rates; NaN bins carry no weight where edges are renormalised.
    bin
        Width of a bin, s.
    std
        Standard deviation of the Gaussian, s.
    size_factor
        Full width of the window in standard deviations.
    segment
        (bins,) segment of each bin; nothing is smoothed from one into the next. All one segment by default.
    renormalise
        Divide by the part of the window that lies on valid bins, so that a constant stays constant to the edges.
        Without it, bins beyond the edge count as zero: pynapple's form, where a constant 1 falls to 0.5 at the edge.

    Returns
    -------
    float64, shaped as `values`.
    """
    width = int(std / bin * size_factor + SLACK)
    width += width % 2 == 0
    offsets = np.arange(width) - width // 2
    window = np.exp(-0.5 * (offsets * bin / std) ** 2)
    window /= window.sum()
    values = np.asarray(values, dtype=np.float64)
    smoothed = np.empty_like(values)
    cuts = np.empty(0, int) if segment is None else np.flatnonzero(np.diff(segment)) + 1
    for part in np.split(np.arange(len(values)), cuts):
        smoothed[part] = _smooth_stretch(values[part], window, renormalise)
    return smoothed


def _smooth_stretch(values: np.ndarray, window: np.ndarray, renormalise: bool) -> np.ndarray:
    shaped = window.reshape(-1, *[1] * (values.ndim - 1))
    if not renormalise:
        return _centred(values, shaped)
    valid = np.isfinite(values)
    weight = _centred(valid.astype(np.float64), shaped)
    total = _centred(np.where(valid, values, 0.0), shaped)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(weight > 1e-12, total / weight, np.nan)


def _centred(values: np.ndarray, window: np.ndarray) -> np.ndarray:
    half = len(window) // 2
    if not len(values):
        return values
    from scipy.signal import oaconvolve  # 0.8 s, which most jobs need not wait for

    return oaconvolve(values, window, mode="full", axes=0)[half : half + len(values)]
