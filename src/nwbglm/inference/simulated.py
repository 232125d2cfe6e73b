"""Recordings of known truth on which nulls and intervals are held to their word (the recipe of the calibration table).

A Poisson unit whose log rate drifts, and a covariate that drives it or does not: 6000 bins of 100 ms, 3 Hz, drift of
standard deviation .5 in log rate.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.signal import lfilter


class Scenario(NamedTuple):
    """How a covariate and a unit's drift move, and how strongly the one drives the unit."""

    name: str
    covariate: str
    """``memory``, ``ramp`` or ``walk``."""
    drift: str
    memory: float
    """Memory of covariate and drift where they have one, in bins."""
    gain: float = 0.0
    """Change of log rate for one standard deviation of the covariate."""


SCENARIOS = (
    Scenario("memory 10 s", "memory", "memory", 100),
    Scenario("memory 100 s", "memory", "memory", 1000),
    Scenario("memory 10 s, unit ramps", "memory", "ramp", 100),
    Scenario("both ramp", "ramp", "ramp", 100),
    Scenario("both random walks", "walk", "walk", 100),
    Scenario("power: 10 s, weak", "memory", "memory", 100, 0.1),
    Scenario("power: 10 s, strong", "memory", "memory", 100, 0.2),
    Scenario("power: 100 s, strong", "memory", "memory", 1000, 0.2),
)


class Simulated(NamedTuple):
    """One unit, one covariate, and other covariates that the same generator could have made."""

    count: np.ndarray  # type: ignore[assignment]  # the field's word; nobody asks a tuple how often it holds a value
    """(T,)"""
    covariate: np.ndarray
    """(T,)"""


def slow(random: np.random.Generator, rows: int, memory: float, columns: int | None = None) -> np.ndarray:
    """Return stationary first-order processes of unit variance with autocorrelation ``exp(-lag / memory)``.

    Of shape (rows,), or (rows, columns) where a number of columns is given.
    """
    a = np.exp(-1.0 / memory)
    noise = random.normal(size=rows if columns is None else (rows, columns)) * np.sqrt(1 - a * a)
    noise[0] /= np.sqrt(1 - a * a)
    return lfilter([1], [1, -a], noise, axis=0)


def path(random: np.random.Generator, rows: int, kind: str, memory: float) -> np.ndarray:
    """Return a slow path of mean 0 and standard deviation 1: of some memory, a ramp with noise, or a random walk."""
    if kind == "memory":
        return slow(random, rows, memory)
    if kind == "ramp":
        values = random.choice([-1.0, 1.0]) * np.linspace(-1, 1, rows) + 0.3 * slow(random, rows, memory)
    elif kind == "walk":
        values = np.cumsum(random.normal(size=rows))
    else:
        raise ValueError(f"no path of kind {kind!r}")
    return (values - values.mean()) / values.std()


def draw_covariate(scenario: Scenario, rows: int, random: np.random.Generator) -> np.ndarray:
    """Draw a covariate from the scenario's own generator: a pseudosession."""
    return path(random, rows, scenario.covariate, scenario.memory)


def simulate_unit(
    scenario: Scenario, rows: int, random: np.random.Generator, *, rate: float = 0.3, drift: float = 0.5
) -> Simulated:
    """Simulate a drifting unit beside a covariate.

    Parameters
    ----------
    scenario
    rows
        Bins.
    random
        Generator.
    rate
        Expected count in a bin.
    drift
        Standard deviation of the drift in log rate.
    """
    covariate = draw_covariate(scenario, rows, random)
    log_gain = drift * path(random, rows, scenario.drift, scenario.memory) + scenario.gain * covariate
    count = random.poisson(rate * np.exp(log_gain - log_gain.var() / 2))
    return Simulated(count.astype(float), covariate)


def bumps(values: np.ndarray, functions: int = 4, low: float = -2.5, high: float = 2.5) -> np.ndarray:
    """Return raised cosines of a covariate, one dropped of those that sum to a constant: (T, functions)."""
    peaks = np.linspace(low, high, functions + 1)
    distance = (np.clip(values, low, high)[:, None] - peaks) / (2 * (peaks[1] - peaks[0]))
    return (0.5 * (1 + np.cos(np.clip(distance, -1, 1) * np.pi)))[:, 1:]


def cosines(rows: int, count: int) -> np.ndarray:
    """Return cosines of time, ``cos(pi k t)`` for t over (0, 1) and k = 1..count: (T, count)."""
    t = (np.arange(rows) + 0.5) / rows
    return np.cos(np.pi * np.outer(t, np.arange(1, count + 1)))
