"""Simulate fitted models: draw the spikes that they predict, feeding each unit's spikes back where the model does.

A coupled model is a dynamical system. With an exponential link, excitation that is a little too strong runs away: each
spike brings more than one other. `loop_gain` says beforehand whether that is to be expected, but only to first order
and at the mean rates of the data: one that is far below 1 there may be above it at the rates that a volley reaches. So
`simulate` looks at the rates that it draws, and says which are none of a neuron, or none of these neurons.
"""

from __future__ import annotations

import json
import logging
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from nwbglm import limits, response
from nwbglm.engine.observations import MODELS
from nwbglm.errors import ProblemError
from nwbglm.features import build_features
from nwbglm.filters import filters
from nwbglm.study import OBSERVATION_MODELS, Fit, Term

log = logging.getLogger(__name__)

RUNAWAY = 1000.0  # Hz: above this no neuron fires
FAR = 1e4  # times the size of the data: no continuous response is there
EXCESS = 3.0  # times the rate of the data: a model of largest likelihood has their mean rate, so this is another regime
UNLIKELY = 6.0  # standard deviations of a Poisson count that the excess must be as well


# ---------------------------------------------------------------- compute


def draw_counts(expected: np.ndarray, *, seed: int) -> np.ndarray:
    """Draw Poisson counts.

    Parameters
    ----------
    expected
        Expected counts per bin (not Hz), any shape; NaN where unknown.
    seed
        Of the random numbers.

    Returns
    -------
    np.ndarray
        Counts of the same shape, int32; -1 where the expectation is unknown.
    """
    known = np.isfinite(expected)
    with jax.enable_x64(True):
        drawn = jax.random.poisson(jax.random.key(seed), jnp.where(known, expected, 0.0))
    return np.where(known, np.asarray(drawn), -1).astype(np.int32)


@partial(jax.jit, static_argnames=("observations",))
def _simulate(
    keys: jax.Array,
    drive: np.ndarray,
    weights: np.ndarray,
    reset: np.ndarray,
    limit: float,
    dispersion: np.ndarray,
    observations: str,
) -> tuple[jax.Array, jax.Array]:
    """Step through time once for each key; return counts (draws, time, unit) and whether a rate was above the limit."""
    model = MODELS[observations]

    def step(pending: jax.Array, inputs: Any) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        key, now, fresh = inputs
        pending = jnp.where(fresh, 0.0, pending)
        expected = model.mean(now + pending[0], jnp)
        held = jnp.minimum(expected, limit)
        count = model.draw(key, held, dispersion)
        # what these spikes add to each of the bins to come: no buffer of past counts is kept
        pending = jnp.concatenate([pending[1:], jnp.zeros_like(pending[:1])])
        pending = pending + jnp.einsum("s,lsr->lr", count, weights)
        return pending, (count, expected > limit)

    def once(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        steps = jax.random.split(key, drive.shape[0])
        _, found = jax.lax.scan(step, jnp.zeros(weights.shape[::2]), (steps, drive, reset))
        return found

    return jax.lax.map(once, keys)


def spectral_radius(rate: np.ndarray, weights: np.ndarray) -> float:
    """Return the loop gain of a coupled model: how many spikes one spike brings, to first order.

    The largest absolute eigenvalue of ``A[r, s] = rate_r sum_l (exp(h_rs(l)) - 1)``, with `rate` in expected counts per
    bin: the spikes that a spike of s adds to r. Below 1 activity dies out, above 1 it grows until inhibition or
    refractoriness holds it, or for ever.

    Parameters
    ----------
    rate
        Mean expected count per bin of each receiver, shape (unit,).
    weights
        Filters of the log rate, shape (lags, sender, receiver).

    Returns
    -------
    float
        The gain; infinite where a filter overflows.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # 0 x infinity
        gain = rate[:, None] * np.expm1(weights).sum(axis=0).T
    return float(np.abs(np.linalg.eigvals(gain)).max()) if np.isfinite(gain).all() else float("inf")


# ---------------------------------------------------------------- stores


def simulate(
    fits: xr.Dataset, binned: xr.Dataset, *, draws: int = 1, seed: int = 0, limit: float = RUNAWAY
) -> xr.Dataset:
    """Draw spikes (or a continuous response) from a fitted model, driven by a recording's signals and by what it drew.

    Every segment begins with an empty history. Of a continuous response there are `response`, `valid` and `ran_away`.

    Parameters
    ----------
    fits
        A ``fits`` store with all units of the session.
    binned
        The recording whose signals drive the model; its bin must be that of the fit. Its spikes are not used.
    draws
        How many independent simulations.
    seed
        Of the random numbers.
    limit
        Rate, Hz, above which the simulation is said to have run away; it is held there.

    Returns
    -------
    xr.Dataset
        ``response (draw, time, unit)``; ``valid (time)``: whether all signals are known (elsewhere only the spikes
        drive); ``ran_away (draw)``: time since the first bin, s, at which a rate first passed the limit, NaN where none
        did; ``rate (draw, unit)``: mean, Hz; ``fitted_rate (unit)``: of the data that the model was fitted to, Hz;
        ``too_fast (draw, unit)``: whether the mean is more than three times as high as there; ``loop_gain_reached
        (draw)``: the loop gain at the rates of the simulation; attribute ``loop_gain``: at those of the data.

    Raises
    ------
    ProblemError
        If the model has a product of spikes with something else, or the bins differ.
    """
    bin_width = float(fits.attrs["bin"])
    if abs(float(binned.attrs["bin"]) - bin_width) > 1e-9:
        raise ProblemError(
            f"the fit has bins of {bin_width:g} s and the recording of {float(binned.attrs['bin']):g} s",
            where=f"model {fits.attrs['model']}",
            mend="bin the recording as the fit was",
        )
    settings = Fit.model_validate(json.loads(fits.attrs["settings"]))
    if not MODELS[settings.observations].counts:
        if response.of(fits).counts:
            raise ProblemError(
                f"{settings.observations} observations are no spikes",
                where=f"model {fits.attrs['model']}",
                mend=f"simulate a model with one of: {', '.join(n for n, model in MODELS.items() if model.counts)}",
            )
        return _simulate_values(fits, binned, settings.observations, draws, seed)
    weights = feedback(fits)
    drive, valid = signal_drive(fits, binned)
    segment = binned["segment"].values
    reset = np.concatenate([[True], segment[1:] != segment[:-1]])
    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.key(seed), draws)
        top = min(limit * bin_width, MODELS[settings.observations].ceiling)
        dispersion = fits["dispersion"].values
        counts, above = _simulate(keys, drive, weights, reset, top, dispersion, settings.observations)
    over = np.any(np.asarray(above), axis=2)
    ran_away = np.where(over.any(axis=1), over.argmax(axis=1) * bin_width, np.nan)
    drawn = np.asarray(counts).mean(axis=1)
    found = xr.Dataset(
        {
            "response": (("draw", "time", "unit"), counts.astype(np.uint32)),
            "valid": ("time", valid),
            "ran_away": ("draw", ran_away, {"units": "s"}),
            "rate": (("draw", "unit"), drawn / bin_width, {"units": "Hz"}),
            "fitted_rate": ("unit", mean_count(fits) / bin_width, {"units": "Hz"}),
            "too_fast": (("draw", "unit"), faster_than_data(drawn, mean_count(fits), len(segment))),
            "loop_gain_reached": ("draw", np.array([spectral_radius(one, weights) for one in drawn])),
        },
        coords={"time": binned["time"].values, "unit": fits["unit"].values},
        attrs={
            "model": fits.attrs["model"],
            "seed": seed,
            "loop_gain": spectral_radius(mean_count(fits), weights),
            "limit": limit,
        },
    )
    _report(found)
    return found


def _simulate_values(fits: xr.Dataset, binned: xr.Dataset, observations: str, draws: int, seed: int) -> xr.Dataset:
    """Draw a continuous response (see `simulate`): it has run away where it is far from all that the data were."""
    drive, valid = signal_drive(fits, binned)
    segment = binned["segment"].values
    reset = np.concatenate([[True], segment[1:] != segment[:-1]])
    variance = fits["dispersion"].values
    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.key(seed), draws)
        made = np.asarray(_simulate(keys, drive, feedback(fits), reset, np.inf, variance, observations)[0])
    mean = mean_count(fits)
    identity = OBSERVATION_MODELS[observations].link == "identity"
    scale = np.sqrt(variance) if identity else np.abs(mean) * np.sqrt(variance)
    with np.errstate(invalid="ignore", over="ignore"):
        far = ~(np.abs(made - mean) <= FAR * (np.abs(mean) + scale)).all(axis=2)
    bin_width = float(fits.attrs["bin"])
    ran_away = np.where(far.any(axis=1), far.argmax(axis=1) * bin_width, np.nan)
    if far.any():
        log.warning("model %s ran away in %d of %d simulations", fits.attrs["model"], far.any(axis=1).sum(), draws)
    return xr.Dataset(
        {
            "response": (("draw", "time", "unit"), made, json.loads(fits.attrs["response"])),
            "valid": ("time", valid),
            "ran_away": ("draw", ran_away, {"units": "s"}),
        },
        coords={"time": binned["time"].values, "unit": fits["unit"].values},
        attrs={"model": fits.attrs["model"], "seed": seed},
    )


def faster_than_data(drawn: np.ndarray, fitted: np.ndarray, bins: int) -> np.ndarray:
    """Return which units fire far more than the data that their model was fitted to, shape (draws, unit).

    Parameters
    ----------
    drawn, fitted
        Mean counts per bin, shapes (draws, unit) and (unit,).
    bins
        That were drawn.
    """
    expected = fitted * bins
    return drawn * bins > np.maximum(EXCESS * expected, expected + UNLIKELY * np.sqrt(expected + 1))


def _report(made: xr.Dataset) -> None:
    """Log simulations that no neuron, or none of these neurons, would make."""
    ran_away, too_fast = made["ran_away"].values, made["too_fast"].values
    model, draws = made.attrs["model"], len(ran_away)
    gains = f"its loop gain is {made.attrs['loop_gain']:.3g} at the rates of the data, up to "
    gains += f"{made['loop_gain_reached'].values.max():.3g} at those of the simulations"
    if np.isfinite(ran_away).any():
        log.warning(
            "model %s ran away in %d of %d simulations, first after %.3g s (above %g Hz); %s",
            model, np.isfinite(ran_away).sum(), draws, np.nanmin(ran_away), made.attrs["limit"], gains,
        )  # fmt: skip
    if too_fast.any():
        draw, unit = np.unravel_index(np.argmax(np.where(too_fast, made["rate"].values, -1.0)), too_fast.shape)
        log.warning(
            "model %s: units fire more than %g times as often as in the data in %d of %d simulations, such as unit %s "
            "at %.3g Hz instead of %.3g Hz; %s",
            model, EXCESS, too_fast.any(axis=1).sum(), draws, made["unit"].values[unit],
            made["rate"].values[draw, unit], made["fitted_rate"].values[unit], gains,
        )  # fmt: skip


def mean_count(fits: xr.Dataset) -> np.ndarray:
    """Return the units' mean counts per bin in the rows that they were fitted to (unit,); 0 without rows."""
    spikes, rows = fits["spikes"].values.astype(float), fits["rows"].values
    return np.divide(spikes, rows, out=np.zeros(len(rows)), where=rows > 0)


def loop_gain(fits: xr.Dataset) -> float:
    """Return the loop gain of a fitted model at its units' mean rates (see `spectral_radius`)."""
    return spectral_radius(mean_count(fits), feedback(fits))


def feedback(fits: xr.Dataset) -> np.ndarray:
    """Return what a spike adds to the linear predictors, lags 1, 2, ... bins later: shape (lags, sender, receiver)."""
    units, bin_width = fits["unit"].values, float(fits.attrs["bin"])
    total = np.zeros((1, len(units), len(units)))
    for name, term in _terms(fits).items():
        if not term.of_spikes:
            continue
        if term.product:
            raise ProblemError(
                f"term '{name}' multiplies spikes with something else", where=f"model {fits.attrs['model']}",
                mend="simulate a model without such products",
            )  # fmt: skip
        found = filters(fits, name)
        if float(found["lag"].values[0]) < 0.5 * bin_width:
            raise ProblemError(
                f"term '{name}' looks into the future", where=f"model {fits.attrs['model']}",
                mend="simulate a model whose windows are causal",
            )  # fmt: skip
        lags = found.sizes["lag"]
        total = np.concatenate([total, np.zeros((max(0, lags - len(total)), len(units), len(units)))])
        if term.own:
            total[:lags, np.arange(len(units)), np.arange(len(units))] += found.values.T
        else:
            missing = [int(sender) for sender in found["sender"].values if sender not in units]
            if missing:
                raise ProblemError(
                    f"units {missing} drive the model and are not among its units",
                    where=f"model {fits.attrs['model']}", mend="join all blocks of units before simulating",
                )  # fmt: skip
            ordered = found.sel(sender=units).transpose("lag", "sender", "receiver")
            total[:lags] += np.nan_to_num(ordered.values)
    return total


def signal_drive(fits: xr.Dataset, binned: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return what intercept and signals add to the linear predictor, and where all signals are known.

    Shapes (time, unit) and (time,). The bounds of the fit are used, not this recording's.
    """
    everywhere = binned.assign(in_epoch=binned["in_epoch"].copy(data=np.ones(binned["in_epoch"].shape, bool)))
    silent = np.isneginf(fits["intercept"].values)
    drive = np.broadcast_to(fits["intercept"].values, (binned.sizes["time"], fits.sizes["unit"])).copy()
    valid = np.ones(binned.sizes["time"], bool)
    bounds = {name: json.loads(entry["bounds"]) for name, entry in _entries(fits).items()}
    for name, term in _terms(fits).items():
        if term.of_spikes:
            continue
        store = build_features(everywhere, term, name=name, bounds=bounds[name])
        mine = fits["term"].values == name
        coef, features = fits["coef"].values[:, mine].T, store["features"]
        for start in range(0, len(drive), limits.PIECE_ROWS):
            here = slice(start, start + limits.PIECE_ROWS)
            drive[here] += features[here].values.astype(float) @ coef
        valid &= store["valid"].values
    drive[:, silent] = -np.inf
    return drive, valid


def _entries(fits: xr.Dataset) -> dict[str, dict]:
    return json.loads(fits.attrs["term_settings"])


def _terms(fits: xr.Dataset) -> dict[str, Term]:
    return {name: Term.model_validate_json(entry["term"]) for name, entry in _entries(fits).items()}
