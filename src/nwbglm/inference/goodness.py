"""Does a model fit: its held-out expectations beside what the units did, from stores to a store of checks.

Every row is judged by the fit that never saw it: on rates fitted to the same spikes, rescaled intervals never reject.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import xarray as xr
from scipy import stats

from nwbglm.engine.observations import BERNOULLI, GAUSSIAN, MODELS, NEGATIVE_BINOMIAL, Observations
from nwbglm.fits.splits import block_of_units
from nwbglm.study import Fit, Model

from .agreement import calibration_line, calibration_tenths, fano, pearson_dispersion, straight_line
from .held_out import UnitRows, held_out_rows, of_unit
from .rescaling import Rescaled, autocorrelations, ks_band, ks_distance, ljung_box, rescale_counts, to_normal

SEEDS = 10
"""Draws of the places inside bins, over which distances are averaged."""

INTERVAL_LAGS, RESIDUAL_LAGS = 10, 20
"""Lags of the autocorrelations that are tested together: intervals, bins."""

WINDOWS = (1, 10, 100)
"""Bins over which counts are compared with their expectation."""

SHOWN_WINDOWS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
"""Bins of the windows that figures show."""

TENTHS = 10

PLACES = np.linspace(0.0, 1.0, 101)
"""Where the distribution of rescaled intervals is kept: the KS plot."""

LEAST_ROWS = 100
"""Held-out rows below which nothing is checked."""

NUMBERS = (
    "rows", "spikes", "largest", "intervals", "ks", "ks_low", "ks_high", "ks_band", "ks_p", "interval_p", "residual_p",
    "slope", "offset", "dispersion", *(f"fano_{window}" for window in WINDOWS),
)  # fmt: skip


SHAPES: dict[str, tuple[str, np.ndarray]] = {
    "expected": ("tenth", np.arange(1, TENTHS + 1)),
    "observed": ("tenth", np.arange(1, TENTHS + 1)),
    "tenth_rows": ("tenth", np.arange(1, TENTHS + 1)),
    "distribution": ("place", PLACES),
    "interval_correlation": ("interval_lag", np.arange(1, INTERVAL_LAGS + 1)),
    "residual_correlation": ("residual_lag", np.arange(1, RESIDUAL_LAGS + 1)),
    "fano": ("window", np.array(SHOWN_WINDOWS)),
}
"""What figures show of a unit, over which axis."""


def check_fit(
    binned: xr.Dataset,
    folds: xr.Dataset,
    features: Sequence[xr.Dataset],
    fits: xr.Dataset,
    *,
    model: Model,
    fit: Fit,
    block: str = "0-of-1",
    seed: int = 0,
) -> xr.Dataset:
    """Check a model's held-out expectations, for one block of a session's units.

    Parameters
    ----------
    binned, folds, features, fits
        The session's stores; `features` of the model's terms, `fits` of the model for the same block.
    model, fit
        The study's settings of the model.
    block
        ``b-of-n``, as for `fit_model`.
    seed
        The study's, of the places of spikes inside bins.

    Returns
    -------
    xr.Dataset
        The `NUMBERS` and the `SHAPES` by ``unit``, NaN where they make no sense (intervals of a continuous response);
        ``reason (unit)`` where a unit was not checked.
    """
    settings = fit.of_model(model)
    observations = MODELS[settings.observations]
    units = block_of_units(binned.sizes["unit"], block)
    ids = binned["unit"].values[units]
    held = held_out_rows(binned, folds, features, fits, model, settings, units)
    name = zlib.crc32(f"{fits.attrs['model']}/{binned.attrs.get('session', '')}".encode())
    found = {number: np.full(len(ids), np.nan) for number in NUMBERS}
    shapes = {name: np.full((len(ids), len(at)), np.nan) for name, (_, at) in SHAPES.items()}
    reasons = []
    for position, unit in enumerate(ids):
        one = of_unit(held, position, observations)
        reasons.append(_refusal(one, observations))
        if reasons[-1]:
            continue
        random = [np.random.default_rng([seed, name, int(unit) & 0xFFFFFFFF, k]) for k in range(SEEDS)]
        dispersion = float(fits["dispersion"].values[position])
        numbers, seen = check_unit(one.y, one.mean, one.stretch, observations, dispersion, random)
        for number, value in numbers.items():
            found[number][position] = value
        for shape, values in seen.items():
            shapes[shape][position] = values
    return xr.Dataset(
        {number: ("unit", values) for number, values in found.items()}
        | {name: (("unit", SHAPES[name][0]), values) for name, values in shapes.items()}
        | {"reason": ("unit", np.array(reasons, dtype=str))},
        coords={"unit": ids.astype(np.int64)} | dict(SHAPES.values()),
        attrs={
            "model": str(fits.attrs["model"]), "observations": observations.name, "block": block,
            "session": str(binned.attrs.get("session", "")),
        },
    )  # fmt: skip


def _refusal(one: UnitRows, observations: Observations) -> str:
    """Return why a unit is not checked; '' where it is."""
    if len(one.y) < LEAST_ROWS:
        return f"{len(one.y)} held-out rows"
    if not np.isfinite(one.mean).all():
        return "expectations beyond all numbers on held-out rows"
    if observations.counts and not one.y.any():
        return "no spikes on held-out rows"
    if observations.counts and (one.mean[one.y > 0] <= 0).any():
        return "a spike where a fold's fit, without any, expects none"
    return ""


def check_unit(
    y: np.ndarray,
    mean: np.ndarray,
    stretch: np.ndarray,
    observations: Observations,
    dispersion: float,
    random: Sequence[np.random.Generator],
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Check one unit's held-out expectations.

    Parameters
    ----------
    y, mean : (T,)
        Responses and what was expected of them.
    stretch : (T,)
        Neither intervals nor windows span two stretches.
    observations
        What distribution is expected.
    dispersion
        Its nuisance parameter (variance, 1 / shape, or the negative binomial's).
    random
        One generator for each draw of places inside bins.

    Returns
    -------
    numbers : dict
        By name, of `NUMBERS`; those that the response does not have are left out.
    shapes : dict
        Those of the `SHAPES` that the response has.
    """
    variance = variance_of(mean, observations, dispersion)
    follows = np.r_[False, np.diff(stretch) == 0]
    residual = (y - mean) / np.sqrt(np.where(variance > 0, variance, 1.0))
    line = calibration_line if observations.counts else straight_line
    slope, offset = line(y, mean)
    found = {
        "rows": len(y),
        "residual_p": ljung_box(residual, RESIDUAL_LAGS, follows),
        "slope": slope,
        "offset": offset,
        "dispersion": pearson_dispersion(y, mean, variance),
    }
    shapes = dict(zip(("expected", "observed", "tenth_rows"), calibration_tenths(y, mean, TENTHS), strict=True))
    shapes["residual_correlation"] = autocorrelations(residual, RESIDUAL_LAGS, follows)[0]
    if observations.counts:
        drawn = [_rescaled(y, mean, stretch, observations, dispersion, each) for each in random]
        shapes["fano"] = np.array([fano(y, mean, stretch, window) for window in SHOWN_WINDOWS])
        shapes["distribution"] = np.mean([_distribution(one.z) for one in drawn], axis=0)
        shapes["interval_correlation"] = np.mean(
            [autocorrelations(to_normal(one.z), INTERVAL_LAGS, one.follows)[0] for one in drawn], axis=0
        )
        found |= {"spikes": y.sum(), "largest": y.max()} | _intervals(drawn)
        found |= {f"fano_{window}": shapes["fano"][SHOWN_WINDOWS.index(window)] for window in WINDOWS}
    return found, shapes


def variance_of(mean: np.ndarray, observations: Observations, dispersion: float) -> np.ndarray:
    """Return the variance of responses that the model itself expects (T,)."""
    if observations is BERNOULLI:
        return mean * (1 - mean)
    if observations is NEGATIVE_BINOMIAL:
        return mean + dispersion * mean**2
    if observations.counts:
        return mean
    return np.full(len(mean), dispersion) if observations is GAUSSIAN else dispersion * mean**2


def _distribution(z: np.ndarray) -> np.ndarray:
    """Return the share of rescaled intervals up to each of the `PLACES`; NaN without any."""
    if not len(z):
        return np.full(len(PLACES), np.nan)
    return np.searchsorted(np.sort(z), PLACES, side="right") / len(z)


def _intervals(drawn: Sequence[Rescaled]) -> dict[str, float]:
    """Return the distance of rescaled intervals from the uniform, and the test of their autocorrelation."""
    n = len(drawn[0].z)
    distances = np.array([ks_distance(one.z) for one in drawn])
    dependence = [ljung_box(to_normal(one.z), INTERVAL_LAGS, one.follows) for one in drawn]
    distance = float(distances.mean())
    return {
        "intervals": n,
        "ks": distance,
        "ks_low": float(distances.min()),
        "ks_high": float(distances.max()),
        "ks_band": ks_band(n),
        "ks_p": float(stats.kstwo.sf(distance, n)) if n else float("nan"),
        "interval_p": float(np.median(dependence)),
    }


def _rescaled(
    y: np.ndarray,
    mean: np.ndarray,
    stretch: np.ndarray,
    observations: Observations,
    dispersion: float,
    random: np.random.Generator,
) -> Rescaled:
    """Rescale intervals or, of negative binomial counts, take each count's own randomised quantile (no process)."""
    if observations is not NEGATIVE_BINOMIAL:
        return rescale_counts(y, mean, stretch, random, binary=observations is BERNOULLI, truncated=True)
    size, p = 1 / dispersion, 1 / (1 + dispersion * mean)
    below = stats.nbinom.cdf(y - 1, size, p)
    z = below + random.random(len(y)) * stats.nbinom.pmf(y, size, p)
    return Rescaled(np.clip(z, 0.0, 1.0), np.r_[False, np.diff(stretch) == 0])
