"""Draw a session of trials: events with a kernel each, a side, slow drift, and each unit's own past."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr

from nwbglm import basis

from .process import check_rates, place_spikes, population_glm_simulate

# Coefficients of 7 B-splines over a kernel's window, from the event on.
CUE = np.array([0.3, 1.3, 0.9, 0.3, 0.0, 0.0, 0.0])
GO = np.array([0.0, 0.5, 1.0, 1.2, 0.8, 0.3, 0.0])
# Of 5 raised cosines on log lags, from the shortest lags to the longest.
OWN = np.array([-1.2, -0.5, 0.1, 0.05, 0.0])
DRIFT = np.array([0.5, 0.25, 0.15])  # sizes of 1 to 3 half waves over the session
SIDES, OUTCOMES = ("left", "right"), ("correct", "incorrect")
FIRST = 5.0  # s, start of the first trial


@dataclass(frozen=True)
class Trials:
    """What a session of trials is made of; durations in s."""

    trials: int = 240
    units: int = 6
    bin: float = 0.02
    window: float = 1.0
    own_window: float = 0.2
    kernel: float = 0.8
    side: float = 0.4
    drift: float = 0.6


class TrialsSession(NamedTuple):
    """One simulated session, ready to be written."""

    unit: np.ndarray  # (unit,) NWB ids
    spike_times: list[np.ndarray]  # s, one array a unit
    observed: tuple[float, float]  # s
    start: np.ndarray  # (trial,) s
    stop: np.ndarray  # (trial,) s
    cue: np.ndarray  # (trial,) s
    go: np.ndarray  # (trial,) s, NaN where the trial was aborted
    side: np.ndarray  # (trial,) text
    outcome: np.ndarray  # (trial,) text
    truth: xr.Dataset


class Neurons(NamedTuple):
    """The true parameters of the units."""

    baseline: np.ndarray  # (unit,) log expected count per bin
    cue: np.ndarray  # (unit, function)
    go: np.ndarray  # (unit, function)
    side: np.ndarray  # (unit,) log gain of trials to the right
    drift: np.ndarray  # (unit, half waves)
    own: np.ndarray  # (unit, function)


def draw_trials(seed: int, options: Trials | None = None) -> TrialsSession:
    """Draw a session of trials.

    Each unit is a Poisson GLM at the bin of the study: baseline + a kernel of 1 s after the cue and one after the go
    signal (7 B-splines, from the event's own bin on) + a gain during trials to the right + drift over the session
    (half waves of a cosine) + its own spikes over 200 ms. A trial's outcome has no say. One trial in ten is aborted
    before the go signal.

    Parameters
    ----------
    seed
        Everything follows from it.
    options
        Numbers of trials and units, sizes of the effects.

    Returns
    -------
    TrialsSession
        Spike times, the table of trials, and the truth.
    """
    options = Trials() if options is None else options
    unit_rng, trial_rng, spike_rng, jitter_rng = np.random.default_rng(seed).spawn(4)
    neurons = draw_neurons(options, unit_rng)
    table = draw_table(options, trial_rng)
    kernel = basis.bspline(np.linspace(0, 1, round(options.window / options.bin)), CUE.size)
    own_kernel = basis.raised_cosine_log(np.linspace(0, 1, round(options.own_window / options.bin)), OWN.size)
    end = float(table["stop"][-1]) + 5.0
    bins = round(end / options.bin)
    drive = neurons.baseline + drift_of(neurons, (np.arange(bins) + 0.5) * options.bin, table)
    for name, coef in (("cue", neurons.cue), ("go", neurons.go)):
        drive = drive + events_of(table[name], bins, options.bin, kernel @ coef.T)
    right = np.zeros(bins)
    for start, stop, side in zip(table["start"], table["stop"], table["side"], strict=True):
        right[round(start / options.bin) : round(stop / options.bin)] = side == "right"
    drive = drive + right[:, None] * neurons.side
    filters = np.zeros((options.units, options.units, len(own_kernel)))
    own = np.arange(options.units)
    filters[own, own] = neurons.own @ own_kernel.T
    counts, _ = population_glm_simulate(drive, filters, spike_rng)
    unit = own + 1
    check_rates(counts.mean(axis=0) / options.bin, unit, 0.5, 60.0)
    truth = _describe_truth(neurons, kernel, own_kernel, counts, seed, options)
    spikes = [place_spikes(counts[:, k], 0.0, options.bin, jitter_rng) for k in own]
    return TrialsSession(unit=unit, spike_times=spikes, observed=(0.0, bins * options.bin), truth=truth, **table)


def draw_neurons(options: Trials, rng: np.random.Generator) -> Neurons:
    """Draw the units' parameters: some rise with the cue, some with the go signal, some fall."""
    units = options.units
    scatter = np.exp(0.2 * rng.standard_normal((2, units, CUE.size)))
    sign = np.where(np.arange(units) % 3 == 2, -0.6, 1.0)[:, None]
    return Neurons(
        baseline=np.log(rng.uniform(4.0, 9.0, units) * options.bin),
        cue=options.kernel * sign * rng.uniform(0.4, 1.2, (units, 1)) * CUE * scatter[0],
        go=options.kernel * rng.uniform(0.4, 1.2, (units, 1)) * GO * scatter[1],
        side=options.side * rng.choice([-1.0, 1.0], units) * rng.uniform(0.5, 1.0, units),
        drift=options.drift * DRIFT * rng.uniform(-1.0, 1.0, (units, DRIFT.size)),
        own=OWN * np.exp(0.1 * rng.standard_normal((units, 1))),
    )


def draw_table(options: Trials, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw when trials begin and end (on bins), and what happens in them (anywhere in a bin)."""
    start, rows = FIRST, []
    for _ in range(options.trials):
        cue = start + _on_bins(rng.uniform(0.3, 0.8), options) + rng.uniform(0.1, 0.9) * options.bin
        go = cue + _on_bins(rng.uniform(0.8, 1.6), options)
        stop = start + _on_bins(rng.uniform(3.5, 4.5), options)
        aborted = rng.uniform() < 0.1
        rows.append((start, stop, cue, np.nan if aborted else go, SIDES[rng.integers(2)], OUTCOMES[rng.integers(2)]))
        start = stop + _on_bins(rng.uniform(0.5, 3.0), options)
    names = ("start", "stop", "cue", "go", "side", "outcome")
    kinds = (float, float, float, float, object, object)
    columns = zip(names, zip(*rows, strict=True), kinds, strict=True)
    return {name: np.array(values, dtype=kind) for name, values, kind in columns}


def drift_of(neurons: Neurons, time: np.ndarray, table: dict[str, np.ndarray]) -> np.ndarray:
    """Return the drift (time, unit), log gain: half waves between the start of the first trial and the last's end."""
    share = np.clip((time - table["start"][0]) / (table["stop"][-1] - table["start"][0]), 0.0, 1.0)
    return basis.cosine(share, DRIFT.size) @ neurons.drift.T


def events_of(times: np.ndarray, bins: int, width: float, response: np.ndarray) -> np.ndarray:
    """Add up a response (lag, unit) that begins in each event's own bin; (time, unit)."""
    total = np.zeros((bins + len(response), response.shape[1]))
    for first in np.floor(times[np.isfinite(times)] / width).astype(int):
        total[first : first + len(response)] += response
    return total[:bins]


def _on_bins(time: float, options: Trials) -> float:
    return round(time / options.bin) * options.bin


def _describe_truth(
    neurons: Neurons, kernel: np.ndarray, own_kernel: np.ndarray, counts: np.ndarray, seed: int, options: Trials
) -> xr.Dataset:
    """Lay the true parameters out as a dataset, with units on every axis."""
    gain = {"units": "log gain"}
    share = np.linspace(0, 1, 101)
    lag = np.arange(len(kernel)) * options.bin
    return xr.Dataset(
        {
            "baseline": ("unit", neurons.baseline, {"units": "log expected spikes per bin"}),
            "history": (("unit", "lag"), neurons.own @ own_kernel.T, {"units": "log gain per spike"}),
            "history_coef": (("unit", "function"), neurons.own, {"units": "log gain per spike"}),
            "kernel": (("lag", "function"), own_kernel, {"basis": "raised_cosine_log"}),
            "cue_filter": (("unit", "cue_lag"), neurons.cue @ kernel.T, gain),
            "go_filter": (("unit", "go_lag"), neurons.go @ kernel.T, gain),
            "side_gain": (("unit", "side"), neurons.side[:, None] * np.array([0.0, 1.0]), gain),
            "drift_gain": (("unit", "drift"), neurons.drift @ basis.cosine(share, DRIFT.size).T, gain),
            "mean_rate": ("unit", counts.mean(axis=0) / options.bin, {"units": "Hz", "of": "the session"}),
        },
        coords={
            "unit": ("unit", np.arange(1, options.units + 1), {"of": "NWB unit ids"}),
            "lag": ("lag", np.arange(1, len(own_kernel) + 1) * options.bin, {"units": "s"}),
            "function": np.arange(OWN.size),
            "cue_lag": ("cue_lag", lag, {"units": "s"}),
            "go_lag": ("go_lag", lag, {"units": "s"}),
            "side": ("side", np.array(SIDES, dtype=object)),
            "drift": ("drift", share, {"units": "of the fitted time"}),
        },
        attrs={
            "simulation": "trials",
            "seed": seed,
            "bin": options.bin,
            "parameters": json.dumps(asdict(options), sort_keys=True),
        },
    )
