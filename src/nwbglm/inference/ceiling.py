"""How much of a unit's response any model could explain, where the same stimulus was given more than once.

The variance over repeats is noise, what repeats share is signal (Schoppe 2016): ``noise = mean_s var_r``, ``signal =
var_s(mean) - noise / R``. A model's correlation with the mean over repeats, in units of the signal, is CCnorm; it
passes 1 with few repeats, and is told as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from nwbglm.engine.observations import MODELS
from nwbglm.fits.splits import block_of_units
from nwbglm.study import Fit, Model
from nwbglm.study.worth import Ceiling

from .agreement import repeat_ceiling
from .held_out import HeldOut, UnitRows, held_out_rows, of_unit

LEAST_WINDOWS = 20
"""Windows of the stimulus below which nothing is estimated."""

LEAST_SNR = 0.5
"""Signal-to-noise ratio (variances) below which no correlation is normalised (Pospisil & Bair 2021)."""

DRAWS, PIECES = 1000, 50
"""Draws of the bootstrap, and pieces of the stimulus that it resamples: neighbouring windows are alike."""

NUMBERS = (
    "noise", "signal", "snr", "share", "share_low", "share_high", "correlation", "cc_norm", "cc_low", "cc_high",
    "repeats", "windows", "seen",
)  # fmt: skip


class Repeats(NamedTuple):
    """Bins of windows of a stimulus in each of its repeats."""

    bins: np.ndarray
    """(S, R, w) bins of window s in repeat r."""
    label: np.ndarray
    """(S,) which stimulus a window belongs to."""


def find_repeats(binned: xr.Dataset, ceiling: Ceiling) -> Repeats:
    """Find the windows of each repeated stimulus: equal times since the beginning of its epochs.

    Epochs are cut to the shortest of their stimulus; where stimuli have unequal numbers of repeats, each has its first
    ones, as many as the least repeated has; a stimulus that was given once is left out.
    """
    segment = binned["segment"].values
    starts = np.flatnonzero(np.r_[True, segment[1:] != segment[:-1]])
    stops = np.r_[starts[1:], len(segment)]
    fitted = binned["in_epoch"].sel(purpose="fit").values
    inside = [k for k, (a, b) in enumerate(zip(starts, stops, strict=True)) if fitted[a:b].any()]
    if ceiling.repeats == "labels":
        labels = [str(binned["segment_label"].values[segment[starts[k]]]) for k in inside]
    else:
        labels = ["all"] * len(inside)
    groups = {label: [k for k, mine in zip(inside, labels, strict=True) if mine == label] for label in labels}
    groups = {label: members for label, members in groups.items() if len(members) > 1}
    width = max(1, round(ceiling.window / float(binned.attrs["bin"])))
    count = min((len(members) for members in groups.values()), default=0)
    bins, of = [], []
    for label, members in groups.items():
        shortest = min(stops[k] - starts[k] for k in members)
        first = np.arange(shortest // width)[:, None] * width + np.arange(width)
        bins.append(np.stack([starts[k] + first for k in members[:count]], axis=1))
        of += [label] * len(first)
    whole = np.concatenate(bins) if bins else np.zeros((0, 0, width), int)
    return Repeats(whole, np.array(of, dtype=str))


def measure_ceiling(
    binned: xr.Dataset,
    folds: xr.Dataset,
    features: Sequence[xr.Dataset],
    fits: xr.Dataset,
    *,
    ceiling: Ceiling,
    model: Model,
    fit: Fit,
    block: str = "0-of-1",
    seed: int = 0,
) -> xr.Dataset:
    """Measure what can be explained of repeated stimuli, and what a model explains of it on held-out rows.

    Parameters
    ----------
    binned, folds, features, fits
        The session's stores; `features` of the model's terms, `fits` of the model for the same block.
    ceiling
        The study's entry.
    model, fit
        The study's settings of the model.
    block
        ``b-of-n``, as for `fit_model`.
    seed
        The study's, of the bootstrap over pieces of the stimulus.

    Returns
    -------
    xr.Dataset
        The `NUMBERS` by ``unit``: ``seen`` is the share of windows whose stimulus the fold's fit was trained on in
        another repeat; ``response``, ``predicted (unit, window)``, means over repeats; ``reason (unit)``.
    """
    settings = fit.of_model(model)
    observations = MODELS[settings.observations]
    units = block_of_units(binned.sizes["unit"], block)
    ids = binned["unit"].values[units]
    held = held_out_rows(binned, folds, features, fits, model, settings, units)
    repeats = find_repeats(binned, ceiling)
    windows = len(repeats.bins)
    found = {name: np.full(len(ids), np.nan) for name in NUMBERS}
    curves = {name: np.full((len(ids), windows), np.nan) for name in ("response", "predicted")}
    reasons = []
    for position, unit in enumerate(ids):
        rows = of_unit(held, position, observations)
        y, mean, known = _windows(rows, repeats, binned.sizes["time"])
        found["repeats"][position], found["windows"][position] = repeats.bins.shape[1], known.sum()
        reason = _refusal(repeats, known, y)
        if not reason:
            curves["response"][position, known] = y[known].mean(axis=1)
            curves["predicted"][position, known] = mean[known].mean(axis=1)
            random = np.random.default_rng([seed, int(unit) & 0xFFFFFFFF, 8])
            numbers, reason = _numbers(y[known], mean[known].mean(axis=1), random)
            for name, value in numbers.items():
                found[name][position] = value
            found["seen"][position] = _seen(rows, repeats.bins[known], held, fits)
        reasons.append(reason)
    start = repeats.bins[:, 0, 0] if windows else np.zeros(0, int)
    time = binned["time"].values[start] - binned["time"].values[_first_of(start, binned)]
    return xr.Dataset(
        {name: ("unit", values) for name, values in found.items()}
        | {name: (("unit", "window"), values) for name, values in curves.items()}
        | {"reason": ("unit", np.array(reasons, dtype=str))},
        coords={
            "unit": ids.astype(np.int64), "window": np.arange(windows), "stimulus": ("window", repeats.label),
            "since": ("window", time, {"units": "s"}),
        },
        attrs={
            "model": str(fits.attrs["model"]), "block": block, "session": str(binned.attrs.get("session", "")),
            "width": ceiling.window, "counts": int(observations.counts),
        },
    )  # fmt: skip


def _first_of(bins: np.ndarray, binned: xr.Dataset) -> np.ndarray:
    """Return the first bin of the segment that each bin lies in."""
    segment = binned["segment"].values
    starts = np.flatnonzero(np.r_[True, segment[1:] != segment[:-1]])
    return starts[np.searchsorted(starts, bins, side="right") - 1] if len(bins) else bins


def _windows(rows: UnitRows, repeats: Repeats, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return responses and expectations summed over windows (S, R), and which windows are known in every repeat."""
    y, mean = np.full(bins, np.nan), np.full(bins, np.nan)
    y[rows.row], mean[rows.row] = rows.y, rows.mean
    summed = [values[repeats.bins].sum(axis=2) for values in (y, mean)]
    return summed[0], summed[1], np.isfinite(summed[0]).all(axis=1) & np.isfinite(summed[1]).all(axis=1)


def _refusal(repeats: Repeats, known: np.ndarray, y: np.ndarray) -> str:
    """Return why nothing is measured; '' where it is."""
    if not len(repeats.bins):
        return "no stimulus was given twice"
    if known.sum() < LEAST_WINDOWS:
        return f"{known.sum()} windows are held out in every repeat"
    return "" if y[known].any() else "no response in any repeat"


def _numbers(y: np.ndarray, prediction: np.ndarray, random: np.random.Generator) -> tuple[dict[str, float], str]:
    """Return the numbers of a unit (S, R), with intervals from resampled pieces of the stimulus."""
    got = repeat_ceiling(y, prediction)
    snr = got.signal / got.noise if got.noise > 0 else np.inf
    found = {"noise": got.noise, "signal": got.signal, "snr": snr, "share": got.share, "correlation": got.correlation}
    pieces = np.array_split(np.arange(len(y)), min(PIECES, len(y)))
    drawn = []
    for _ in range(DRAWS):
        picked = np.concatenate([pieces[k] for k in random.integers(len(pieces), size=len(pieces))])
        one = repeat_ceiling(y[picked], prediction[picked])
        drawn.append((one.share, one.normalised_correlation))
    low, high = np.nanquantile(np.array(drawn), [0.025, 0.975], axis=0)
    found |= {"share_low": low[0], "share_high": high[0]}
    if not snr >= LEAST_SNR:
        return (
            found,
            f"signal-to-noise ratio {snr:.2g}, below {LEAST_SNR}: no correlation is normalised; widen `window`",
        )
    if not np.isfinite(got.normalised_correlation):
        return found, "the prediction does not vary"
    return found | {"cc_norm": got.normalised_correlation, "cc_low": low[1], "cc_high": high[1]}, ""


def _seen(rows: UnitRows, bins: np.ndarray, held: HeldOut, fits: xr.Dataset) -> float:
    """Return the share of (window, repeat) whose fold was trained on the same window in another repeat."""
    fold = np.full(int(max(bins.max(), held.row.max(), fits["row"].values.max())) + 1, -1)
    fold[rows.row] = rows.fold
    first = bins[:, :, 0]
    hits = np.zeros(first.shape, bool)
    trained = np.zeros((len(fits["fold"]), len(fold)), bool)
    names = list(fits["fit"].values.astype(str))
    for k, name in enumerate(fits["fold"].values.astype(str)):
        trained[k, fits["row"].values[fits["trained"].values[names.index(name)]]] = True
    for r in range(first.shape[1]):
        mine = fold[first[:, r]]
        others = [q for q in range(first.shape[1]) if q != r]
        hits[:, r] = trained[mine[:, None], first[:, others]].any(axis=1)
    return float(hits.mean())
