"""Draw a patch-clamp session: one unit driven by injected noise, ramps and steps."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy.signal import lfilter

from nwbglm import basis

from .process import check_rates, ornstein_uhlenbeck, place_spikes, population_glm_simulate

# Coefficients from the shortest lags to the longest: a membrane that sums over some 20 ms and then adapts, and
# a spike that silences the next few ms.
CURRENT = np.array([0.1, 0.3, 0.7, 1.0, 0.8, 0.3, 0.0, -0.04, -0.03, -0.01])
OWN = np.array([-2.4, -1.2, -0.7, -0.35, -0.12, 0.0, 0.0, 0.0])

REST, RESISTANCE, MEMBRANE = -0.072, 0.12e9, 0.015  # V, ohm, s


@dataclass(frozen=True)
class InjectedCurrent:
    """What a patch-clamp session is made of; durations in s, currents in pA."""

    noise: float = 25.0
    bin: float = 0.001
    sampling_rate: float = 20000.0
    window: float = 0.2
    own_window: float = 0.2
    gain: float = 0.035
    mean_current: float = 92.0
    deviation: float = 30.0
    amplitudes: tuple[float, ...] = (0.85, 1.0, 1.15)
    pause: float = 3.0


class Sweep(NamedTuple):
    """One sweep: its place in time, its protocol, and the current that is injected."""

    start: float  # s
    stop: float  # s
    tag: str
    current: np.ndarray  # (sample,) A, float32


class InjectedCurrentSession(NamedTuple):
    """One simulated session, ready to be written."""

    unit: int  # NWB id
    spike_times: np.ndarray  # s
    sweeps: list[Sweep]
    timestamps: np.ndarray  # (sample,) s, of all sweeps
    current: np.ndarray  # (sample,) A, float32
    voltage: np.ndarray  # (sample,) V
    truth: xr.Dataset


def draw_injected_current(seed: int, options: InjectedCurrent | None = None) -> InjectedCurrentSession:
    """Draw a session of one unit under noise, ramp and step currents.

    The unit is a Poisson GLM at the bin of the study: baseline + the bins' mean current filtered over 200 ms
    (10 raised cosines on log lags) + its own spikes over the same 200 ms (8 of them). "Noise 1" and "Noise 2" each
    repeat one frozen noise at several amplitudes, as the Allen protocol does.

    Parameters
    ----------
    seed
        Everything follows from it.
    options
        Durations, amplitudes, sampling rate, gain.

    Returns
    -------
    InjectedCurrentSession
        Spike times, sweeps, current, membrane potential, and the truth.
    """
    options = InjectedCurrent() if options is None else options
    model_rng, current_rng, spike_rng, jitter_rng, voltage_rng = np.random.default_rng(seed).spawn(5)
    baseline, coef, own_coef = draw_neuron(options, model_rng)
    kernel, own_kernel = (
        _kernel(options.window, options, coef.size),
        _kernel(options.own_window, options, own_coef.size),
    )
    sweeps = draw_sweeps(options, current_rng)
    spike_times, counts, means = [], [], []
    for sweep in sweeps:
        drive = baseline + causal_filter(bin_current(sweep.current, options), kernel @ coef)
        count, log_mean = population_glm_simulate(
            drive[:, None], (own_kernel @ own_coef)[None, None], spike_rng, max_count=0.7
        )
        spike_times.append(place_spikes(count[:, 0], sweep.start, options.bin, jitter_rng))
        counts.append(count.sum())
        means.append(np.exp(log_mean).mean() / options.bin)
    duration = np.array([sweep.stop - sweep.start for sweep in sweeps])
    noise = np.array([sweep.tag.startswith("Noise") for sweep in sweeps])
    rate = np.array([np.sum(counts, where=noise) / duration[noise].sum()])
    check_rates(rate, np.array([1]), 2.0, 30.0)
    truth = _describe_truth(
        baseline, coef, own_coef, kernel, own_kernel, sweeps, np.array(means), rate[0], seed, options
    )
    voltage = [
        draw_voltage(sweep, times, options, voltage_rng) for sweep, times in zip(sweeps, spike_times, strict=True)
    ]
    return InjectedCurrentSession(
        1,
        np.concatenate(spike_times),
        sweeps,
        np.concatenate([sample_times(sweep, options) for sweep in sweeps]),
        np.concatenate([sweep.current for sweep in sweeps]),
        np.concatenate(voltage),
        truth,
    )


def draw_neuron(options: InjectedCurrent, rng: np.random.Generator) -> tuple[float, np.ndarray, np.ndarray]:
    """Draw baseline (log expected count per bin), current coefficients (1/pA) and own-history coefficients."""
    coef = CURRENT * np.exp(0.15 * rng.standard_normal(CURRENT.size))
    coef *= options.gain / (_kernel(options.window, options, coef.size) @ coef).sum()
    own = OWN * np.exp(0.1 * rng.standard_normal())
    return np.log(rng.uniform(0.5, 0.7) * options.bin), coef, own


def draw_sweeps(options: InjectedCurrent, rng: np.random.Generator) -> list[Sweep]:
    """Draw the protocol: long squares, ramps, and two frozen noises at several amplitudes, with pauses between."""
    second = round(options.sampling_rate)
    quiet = np.zeros(second // 2)
    size = round(options.noise * options.sampling_rate) - 2 * quiet.size
    step = 1.0 / options.sampling_rate
    parts = [("Long Square", np.full(second, level)) for level in (-40.0, 40.0, 80.0, 120.0)]
    parts += [("Ramp", np.linspace(0.0, 130.0, 5 * second))] * 2
    for tag in ("Noise 1", "Noise 2"):
        frozen = options.mean_current + ornstein_uhlenbeck(size, step, 0.004, options.deviation, rng)
        parts += [(tag, amplitude * frozen) for amplitude in options.amplitudes]
    sweeps, start = [], 10.0
    for tag, current in parts:
        samples = np.concatenate([quiet, current, quiet]) * 1e-12
        stop = start + samples.size / options.sampling_rate
        sweeps.append(Sweep(start, stop, tag, samples.astype(np.float32)))
        start = stop + options.pause
    return sweeps


def sample_times(sweep: Sweep, options: InjectedCurrent) -> np.ndarray:
    """Return the times of a sweep's samples, s: the middle of each interval, so that none lies on a bin's edge."""
    return sweep.start + (np.arange(sweep.current.size) + 0.5) / options.sampling_rate


def bin_current(current: np.ndarray, options: InjectedCurrent) -> np.ndarray:
    """Average a sweep's samples (A) over bins, in pA."""
    samples = round(options.bin * options.sampling_rate)
    return current.astype(float).reshape(-1, samples).mean(axis=1) * 1e12


def causal_filter(signal: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Filter the strict past: ``out[t] = sum_k response[k] signal[t - 1 - k]``, with zeros before the start."""
    return lfilter(np.concatenate([[0.0], response]), [1.0], signal)


def draw_voltage(
    sweep: Sweep, spike_times: np.ndarray, options: InjectedCurrent, rng: np.random.Generator
) -> np.ndarray:
    """Draw the membrane potential of a sweep, V: a leaky membrane, recording noise, and a waveform a spike.

    A waveform peaks 0.25 ms after the spike's time, which the upward crossing of 0 V then marks. (A Poisson
    model now and then puts two spikes into one bin of 1 ms; in the trace they merge into one of the usual height.)
    """
    decay = np.exp(-1.0 / (MEMBRANE * options.sampling_rate))
    driven = lfilter([(1.0 - decay) * RESISTANCE], [1.0, -decay], sweep.current.astype(float))
    voltage = REST + 0.025 * np.tanh(driven / 0.025) + 2e-4 * rng.standard_normal(driven.size)
    time = np.arange(-0.001, 0.04, 1.0 / options.sampling_rate)
    after = np.maximum(time - 0.0005, 0.0)
    shape = 0.1 * np.exp(-0.5 * ((time - 0.00025) / 0.0002) ** 2)
    shape -= 0.012 * (np.exp(-after / 0.01) - np.exp(-after / 0.001))
    first = np.rint((spike_times - sweep.start - 0.001) * options.sampling_rate).astype(int)
    for at in first:
        begin, end = max(at, 0), min(at + shape.size, voltage.size)
        voltage[begin:end] += shape[begin - at : end - at]
    return np.minimum(voltage, 0.05)


def _kernel(window: float, options: InjectedCurrent, functions: int) -> np.ndarray:
    return basis.raised_cosine_log(np.linspace(0, 1, round(window / options.bin)), functions)


def _describe_truth(
    baseline: float,
    coef: np.ndarray,
    own_coef: np.ndarray,
    kernel: np.ndarray,
    own_kernel: np.ndarray,
    sweeps: list[Sweep],
    sweep_rate: np.ndarray,
    rate: float,
    seed: int,
    options: InjectedCurrent,
) -> xr.Dataset:
    """Lay the true parameters out as a dataset, with units on every axis."""
    per_spike, per_current = {"units": "log gain per spike"}, {"units": "log gain per pA"}
    return xr.Dataset(
        {
            "baseline": ("unit", [baseline], {"units": "log expected spikes per bin"}),
            "history": (("unit", "lag"), (own_kernel @ own_coef)[None], per_spike),
            "history_coef": (("unit", "function"), own_coef[None], per_spike),
            "kernel": (("lag", "function"), own_kernel, {"basis": "raised_cosine_log"}),
            "current_filter": (("unit", "current_lag"), (kernel @ coef)[None], per_current),
            "current_coef": (("unit", "current_function"), coef[None], per_current),
            "current_kernel": (("current_lag", "current_function"), kernel, {"basis": "raised_cosine_log"}),
            "mean_rate": ("unit", [rate], {"units": "Hz", "of": "noise sweeps"}),
            "sweep_rate": ("sweep", sweep_rate, {"units": "Hz", "of": "true conditional rate"}),
        },
        coords={
            "unit": ("unit", [1], {"of": "NWB unit ids"}),
            "lag": ("lag", np.arange(1, own_kernel.shape[0] + 1) * options.bin, {"units": "s"}),
            "function": np.arange(own_coef.size),
            "current_lag": ("current_lag", np.arange(1, kernel.shape[0] + 1) * options.bin, {"units": "s"}),
            "current_function": np.arange(coef.size),
            "sweep": np.arange(len(sweeps)),
            "tag": ("sweep", np.array([sweep.tag for sweep in sweeps], dtype=object)),
            "sweep_start": ("sweep", [sweep.start for sweep in sweeps], {"units": "s"}),
            "sweep_stop": ("sweep", [sweep.stop for sweep in sweeps], {"units": "s"}),
        },
        attrs={
            "simulation": "injected_current",
            "seed": seed,
            "bin": options.bin,
            "parameters": json.dumps(asdict(options), sort_keys=True),
        },
    )
