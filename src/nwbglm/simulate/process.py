"""Draw what recordings are made of: coupled Poisson spike counts, spike times, and paths of slow signals."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from nwbglm.errors import ProblemError

RESOLUTION = 1.0 / 20000.0  # s; spike times are multiples of it, as those of a recording system are


def population_glm_simulate(
    log_drive: np.ndarray, filters: np.ndarray, rng: np.random.Generator, *, max_count: float = 3.0
) -> tuple[np.ndarray, np.ndarray]:
    """Simulate a population of Poisson GLMs with exponential link that excite and inhibit one another.

    Unit i's count in bin t is Poisson with the mean
    ``exp(log_drive[t, i] + sum_j sum_k filters[i, j, k] y[t - 1 - k, j])``. The drive of all later bins is
    carried along, and a spike adds its filters to it, so that the cost is per spike and not per bin and lag.
    Each bin has one uniform number; it is compared with the probability of no spike before any mean is
    computed, since most bins are silent.

    Parameters
    ----------
    log_drive
        (time, unit): log expected count per bin without any spike before.
    filters
        (receiver, sender, lag): log gain that a spike in bin t has on bin t + 1 + lag.
    rng
        Source of the draws.
    max_count
        Expected count per bin above which the simulation is called unstable.

    Returns
    -------
    counts
        (time, unit) uint8.
    log_mean
        (time, unit): log expected count per bin, given the spikes before.

    Raises
    ------
    ProblemError
        When an expected count passes `max_count`: the excitation runs away.
    """
    bins, units = log_drive.shape
    window = filters.shape[2]
    log_mean = np.empty((bins + window, units))
    log_mean[:bins] = log_drive
    log_mean[bins:] = 0.0
    impulse = np.ascontiguousarray(filters.transpose(1, 2, 0))  # (sender, lag, receiver)
    survival = rng.random((bins, units))
    # P(no spike) = exp(-mean) < u  <=>  log_mean > log(-log u)
    threshold = np.log(-np.log(np.maximum(survival, np.finfo(float).tiny)))
    counts = np.zeros((bins, units), np.uint8)
    limit = np.log(max_count)
    for t in range(bins):
        now = log_mean[t]
        for unit in (now > threshold[t]).nonzero()[0]:
            if now[unit] > limit:
                raise ProblemError(
                    f"the simulated population runs away: unit {unit} expects {np.exp(now[unit]):.3g} spikes "
                    f"in bin {t}",
                    where="simulate",
                    mend="weaken the excitatory coupling, or make the inhibition stronger",
                )
            count = _poisson_quantile(survival[t, unit], np.exp(now[unit]))
            counts[t, unit] = count
            log_mean[t + 1 : t + 1 + window] += count * impulse[unit]
    return counts, log_mean[:bins]


def _poisson_quantile(probability: float, mean: float) -> int:
    """Return the smallest count whose distribution function reaches the probability."""
    count, term = 0, np.exp(-mean)
    total = term
    while total < probability and count < 255:
        count += 1
        term *= mean / count
        total += term
    return count


def place_spikes(counts: np.ndarray, start: float, width: float, rng: np.random.Generator) -> np.ndarray:
    """Turn one unit's counts into sorted spike times, each well inside its bin.

    A bin with c spikes is cut into c equal parts and each spike falls into the inner 80 % of its part, so that
    no spike lies on an edge and none coincide; then times are rounded to `RESOLUTION`, which moves none out of
    its bin as long as a bin is at least 0.5 ms wide.

    Parameters
    ----------
    counts
        (time,) spikes per bin.
    start, width
        Start of the first bin and width of a bin, s.
    rng
        Source of the jitter.

    Returns
    -------
    numpy.ndarray
        (spike,) times in s.
    """
    filled = np.flatnonzero(counts)
    number = counts[filled].astype(int)
    of_bin = np.repeat(filled, number)
    part = np.arange(of_bin.size) - np.repeat(np.cumsum(number) - number, number)
    inside = (part + rng.uniform(0.1, 0.9, of_bin.size)) / np.repeat(number, number)
    return np.rint((start + (of_bin + inside) * width) / RESOLUTION) * RESOLUTION


def ornstein_uhlenbeck(
    size: int, step: float, time_constant: float, deviation: float, rng: np.random.Generator
) -> np.ndarray:
    """Draw a stationary Ornstein-Uhlenbeck process, exact at its samples.

    Parameters
    ----------
    size
        Number of samples.
    step, time_constant
        Sampling interval and correlation time, s.
    deviation
        Stationary standard deviation, in the process's units.
    rng
        Source of the draws.

    Returns
    -------
    numpy.ndarray
        (size,).
    """
    decay = np.exp(-step / time_constant)
    noise = rng.standard_normal(size)
    noise[1:] *= np.sqrt(1.0 - decay**2)
    return deviation * lfilter([1.0], [1.0, -decay], noise)


def check_rates(rates: np.ndarray, units: np.ndarray, lowest: float, highest: float) -> None:
    """Raise where a unit's mean rate is above `highest`, or that of all units together is below `lowest` (Hz).

    (In a short session the heading may never come by a unit's preferred one: a single low rate is no error.)
    """
    odd = (rates > highest) | (rates.mean() < lowest)
    if odd.any():
        listed = ", ".join(f"unit {unit} {rate:.3g}" for unit, rate in zip(units[odd], rates[odd], strict=True))
        raise ProblemError(
            f"the simulated rates are not physiological ({lowest:g} to {highest:g} Hz): {listed} Hz",
            where="simulate",
            mend="change the baseline or the coupling, or take another seed",
        )
