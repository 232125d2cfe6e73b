"""Draw a head-direction session: a coupled ring of units that follows, and in sleep replaces, the heading."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr

from nwbglm import basis

from .process import check_rates, ornstein_uhlenbeck, place_spikes, population_glm_simulate

TURN = 2.0 * np.pi
SLEEP_START, PAUSE = 5.0, 15.0  # s; the animal is carried to the arena between the two epochs
TRACKING = 0.025  # s between samples of the heading

# Coefficients of the 8 functions, from the shortest lags to the longest.
EXCITATION = np.array([1.0, 0.6, 0.25, 0.05, 0.0, 0.0, 0.0, 0.0])
INHIBITION = np.array([0.4, 0.9, 0.8, 0.4, 0.1, 0.0, 0.0, 0.0])
RATES = (18.0, 32.0)  # Hz, what a unit would fire on average without its own and the others' spikes
FUNCTIONS = EXCITATION.size
OWN = np.array([-2.0, -1.2, -0.45, -0.2, -0.06, 0.0, 0.0, 0.0])


@dataclass(frozen=True)
class HeadDirection:
    """What a head-direction session is made of; durations in s."""

    wake: float = 600.0
    sleep: float = 240.0
    bin: float = 0.01
    window: float = 0.8
    adn: int = 12
    postsub: int = 5
    excitation: float = 0.31
    inhibition: float = 0.42


class HeadDirectionSession(NamedTuple):
    """One simulated session, ready to be written."""

    unit: np.ndarray  # (unit,) NWB ids
    location: np.ndarray  # (unit,) brain area
    spike_times: list[np.ndarray]  # s, one array a unit
    epochs: list[tuple[float, float, str]]  # start, stop (s), tag
    tracking_start: float  # s, first sample of heading and position
    heading: np.ndarray  # (sample,) rad in [0, 2 pi)
    position: np.ndarray  # (sample, 2) m
    truth: xr.Dataset


class Circuit(NamedTuple):
    """The true parameters of a session's population."""

    unit: np.ndarray
    location: np.ndarray
    role: np.ndarray
    preferred: np.ndarray  # (unit,) rad
    baseline: np.ndarray  # (unit,) log expected count per bin, wake
    sleep_baseline: np.ndarray
    heading_coef: np.ndarray  # (unit, heading function)
    coef: np.ndarray  # (receiver, sender, function)
    kernel: np.ndarray  # (lag, function)

    def log_tuning(self, heading: np.ndarray) -> np.ndarray:
        """Return the log gain (sample, unit) of headings in [0, 2 pi), zero on average over the circle."""
        return basis.cyclic_bspline(heading / TURN, self.heading_coef.shape[1]) @ self.heading_coef.T


def draw_head_direction(seed: int, options: HeadDirection | None = None) -> HeadDirectionSession:
    """Draw a session of head-direction units in two areas, asleep and then awake.

    The population is a Poisson GLM at the bin of the study: baseline + heading (a periodic cubic spline with 12
    knots) + own history and coupling (8 raised cosines on log lags). ADn units excite their neighbours on the
    ring and inhibit all others; they drive the post-subiculum, which does not project back, so that the ADn
    alone is a closed population whose GLM is exact. One more ADn unit is nearly silent, one fully.
    In sleep the heading has no say and all rates are lower.

    Parameters
    ----------
    seed
        Everything follows from it.
    options
        Durations, numbers of units, strength of the coupling.

    Returns
    -------
    HeadDirectionSession
        Spike times, epochs, heading, position, and the truth.
    """
    options = HeadDirection() if options is None else options
    circuit_rng, path_rng, wake_rng, sleep_rng, jitter_rng = np.random.default_rng(seed).spawn(5)
    circuit = draw_circuit(options, circuit_rng)
    filters = circuit.coef @ circuit.kernel.T
    wake_start = SLEEP_START + options.sleep + PAUSE
    tracking_start, unwrapped, position = draw_path(wake_start, options.wake, path_rng)
    centres = wake_start + (np.arange(round(options.wake / options.bin)) + 0.5) * options.bin
    heading = np.interp(centres, tracking_start + np.arange(unwrapped.size) * TRACKING, unwrapped) % TURN
    drive = circuit.baseline + circuit.log_tuning(heading)
    awake, log_mean = population_glm_simulate(drive, filters, wake_rng)
    drive = np.broadcast_to(circuit.sleep_baseline, (round(options.sleep / options.bin), circuit.unit.size))
    asleep, _ = population_glm_simulate(drive, filters, sleep_rng)
    tuned = circuit.role == "tuned"
    check_rates(awake.mean(axis=0)[tuned] / options.bin, circuit.unit[tuned], 0.5, 60.0)
    parts = [
        place_spikes(counts[:, i], start, options.bin, jitter_rng)
        for i in range(circuit.unit.size)
        for counts, start in ((asleep, SLEEP_START), (awake, wake_start))
    ]
    return HeadDirectionSession(
        unit=circuit.unit,
        location=circuit.location,
        spike_times=[np.concatenate(pair) for pair in zip(parts[::2], parts[1::2], strict=True)],
        epochs=[
            (SLEEP_START, SLEEP_START + options.sleep, "sleep"),
            (wake_start, wake_start + options.wake, "wake"),
        ],
        tracking_start=tracking_start,
        heading=unwrapped % TURN,
        position=position,
        truth=describe_truth(circuit, filters, heading, awake, log_mean, seed, options),
    )


def draw_circuit(options: HeadDirection, rng: np.random.Generator) -> Circuit:
    """Draw the population's true parameters: areas, preferred directions, baselines, tuning, coupling."""
    role = np.array(["tuned"] * (options.adn + options.postsub))
    location = np.array(["adn"] * options.adn + ["postsub"] * options.postsub)
    for at, name in ((min(3, options.adn), "silent"), (min(7, options.adn + 1), "quiet")):  # so that ids are no rows
        role, location = np.insert(role.astype("<U6"), at, name), np.insert(location, at, "adn")
    preferred = np.zeros(role.size)
    for area in ("adn", "postsub"):
        ring = (location == area) & (role == "tuned")
        spread = (np.arange(ring.sum()) + rng.uniform(-0.25, 0.25, ring.sum())) * TURN / max(ring.sum(), 1)
        preferred[ring] = rng.permutation(spread % TURN)
    preferred[role == "quiet"] = rng.uniform(0, TURN)
    heading_coef = draw_tuning(preferred, role, rng)
    circle = basis.cyclic_bspline(np.arange(360) / 360, 12) @ heading_coef.T
    gain = np.log(np.exp(circle).mean(axis=0))
    rate = np.select([role == "tuned", role == "quiet"], [rng.uniform(*RATES, role.size), 0.25], 0.0)
    with np.errstate(divide="ignore"):  # a silent unit has no rate: its logarithm is -inf, as it should be
        mean = np.log(rate * options.bin)
    return Circuit(
        unit=np.arange(1, role.size + 1),
        location=location,
        role=role,
        preferred=np.where(role == "silent", np.nan, preferred),
        baseline=mean - gain,
        sleep_baseline=mean - np.log(2.0),
        heading_coef=heading_coef,
        coef=draw_coupling(preferred, location, role, options, rng),
        kernel=basis.raised_cosine_log(np.linspace(0, 1, round(options.window / options.bin)), FUNCTIONS),
    )


def draw_tuning(preferred: np.ndarray, role: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw log tuning curves, (unit, function): von-Mises-like bumps over a floor, in 12 cyclic cubic B-splines.

    The splines go through the bump at their knots. Each curve's mean over the circle is zero.
    """
    knots = np.arange(12) / 12
    sharpness = rng.uniform(2.5, 4.0, preferred.size)
    floor = np.where(role == "tuned", rng.uniform(0.06, 0.12, preferred.size), 0.5)
    bump = np.exp(sharpness * (np.cos(knots[:, None] * TURN - preferred) - 1.0))
    values = np.log(floor + (1.0 - floor) * bump)
    values -= values.mean(axis=0)
    values[:, role == "silent"] = 0.0
    return np.linalg.solve(basis.cyclic_bspline(knots, 12), values).T


def draw_coupling(
    preferred: np.ndarray,
    location: np.ndarray,
    role: np.ndarray,
    options: HeadDirection,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw the coefficients of all filters, (receiver, sender, function); the diagonal is the own history."""
    apart = preferred[:, None] - preferred[None, :]
    excitation = options.excitation * np.exp(6.0 * (np.cos(apart) - 1.0))
    inhibition = options.inhibition * (1.0 - np.exp(2.0 * (np.cos(apart) - 1.0)))
    scatter = np.exp(0.15 * rng.standard_normal((2, preferred.size, preferred.size)))
    coef = (excitation * scatter[0])[:, :, None] * EXCITATION - (inhibition * scatter[1])[:, :, None] * INHIBITION
    postsub = location == "postsub"
    coef[postsub] *= 0.4
    coef[np.ix_(~postsub, postsub)] = 0.0
    coef[:, role != "tuned"] = 0.0
    own = OWN * np.exp(0.1 * rng.standard_normal((preferred.size, 1)))
    coef[np.arange(preferred.size), np.arange(preferred.size)] = own
    coef[role == "silent"] = 0.0
    return coef


def draw_path(start: float, duration: float, rng: np.random.Generator) -> tuple[float, np.ndarray, np.ndarray]:
    """Draw the animal's path in a square arena: heading (rad, not wrapped) and position (m) at 40 Hz.

    The first sample lies half an interval before `start` and the last half an interval after the end, so that
    every bin between can be interpolated. Angular velocity and speed are Ornstein-Uhlenbeck processes; walls
    reflect the position, not the heading.
    """
    size = int(np.ceil(duration / TRACKING)) + 2
    velocity = ornstein_uhlenbeck(size, TRACKING, 0.3, 2.2, rng)  # rad/s
    heading = rng.uniform(0, TURN) + np.cumsum(velocity) * TRACKING
    speed = 0.12 * np.exp(ornstein_uhlenbeck(size, TRACKING, 1.5, 0.7, rng) - 0.245)  # m/s, mean 0.12
    steps = np.stack([np.cos(heading), np.sin(heading)], axis=1) * speed[:, None] * TRACKING
    side = 0.6
    free = rng.uniform(0, side, 2) + np.cumsum(steps, axis=0)
    position = side - np.abs(free % (2 * side) - side)
    return start - TRACKING / 2, heading, position


def rate_by_heading(heading: np.ndarray, rate: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Average conditional rates (time, unit) by heading: 61 centres (rad), bins in each, rates (unit, heading)."""
    edges = np.linspace(0, TURN, 62)
    at = np.minimum(np.digitize(heading, edges) - 1, 60)
    inside = np.zeros((61, heading.size))
    inside[at, np.arange(heading.size)] = 1.0
    occupancy = inside.sum(axis=1)
    with np.errstate(invalid="ignore"):  # an unvisited heading has no rate: NaN
        return (edges[:-1] + edges[1:]) / 2, occupancy, (inside @ rate).T / occupancy


def describe_truth(
    circuit: Circuit,
    filters: np.ndarray,
    heading: np.ndarray,
    counts: np.ndarray,
    log_mean: np.ndarray,
    seed: int,
    options: HeadDirection,
) -> xr.Dataset:
    """Lay the true parameters out as a dataset, with units on every axis."""
    centres, occupancy, rate = rate_by_heading(heading, np.exp(log_mean) / options.bin)
    own = np.arange(circuit.unit.size)
    lag = np.arange(1, filters.shape[2] + 1) * options.bin
    count = {"units": "log expected spikes per bin"}
    gain = {"units": "log gain per spike"}
    return xr.Dataset(
        {
            "baseline": ("unit", circuit.baseline, count),
            "sleep_baseline": ("unit", circuit.sleep_baseline, count),
            "log_tuning": (("unit", "heading"), circuit.log_tuning(centres).T, {"units": "log gain"}),
            "heading_coef": (("unit", "heading_function"), circuit.heading_coef, {"units": "log gain"}),
            "values_of_function": (
                ("heading", "heading_function"),
                basis.cyclic_bspline(centres / TURN, circuit.heading_coef.shape[1]),
                {"basis": "cyclic_bspline"},
            ),
            "rate_heading": (("unit", "heading"), rate, {"units": "Hz", "of": "true conditional rate, wake"}),
            "occupancy_heading": ("heading", occupancy * options.bin, {"units": "s"}),
            "history": (("unit", "lag"), filters[own, own], gain),
            "coupling": (("receiver", "sender", "lag"), filters, gain),
            "history_coef": (("unit", "function"), circuit.coef[own, own], gain),
            "coupling_coef": (("receiver", "sender", "function"), circuit.coef, gain),
            "kernel": (("lag", "function"), circuit.kernel, {"basis": "raised_cosine_log"}),
            "mean_rate": ("unit", counts.mean(axis=0) / options.bin, {"units": "Hz", "of": "wake"}),
        },
        coords={
            "unit": ("unit", circuit.unit, {"of": "NWB unit ids"}),
            "receiver": ("receiver", circuit.unit),
            "sender": ("sender", circuit.unit),
            "lag": ("lag", lag, {"units": "s"}),
            "function": np.arange(circuit.kernel.shape[1]),
            "heading_function": np.arange(circuit.heading_coef.shape[1]),
            "heading": ("heading", centres, {"units": "rad", "period": TURN}),
            "location": ("unit", circuit.location.astype(object)),
            "role": ("unit", circuit.role.astype(object)),
            "preferred_heading": ("unit", circuit.preferred, {"units": "rad"}),
        },
        attrs={
            "simulation": "head_direction",
            "seed": seed,
            "bin": options.bin,
            "parameters": json.dumps(asdict(options), sort_keys=True),
        },
    )
