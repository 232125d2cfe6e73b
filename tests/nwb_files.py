"""Very small NWB files for tests, written with pynwb alone: nothing of the library has a hand in them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from pynwb import NWBHDF5IO, NWBFile
from pynwb.behavior import CompassDirection, SpatialSeries
from pynwb.icephys import CurrentClampSeries, CurrentClampStimulusSeries

START = datetime(2026, 1, 1, tzinfo=UTC)
TURN = 2 * np.pi


def head_direction_file(
    path: Path, *, units: int = 4, wake: float = 40.0, sleep: float = 5.0, silent: bool = False, seed: int = 0
) -> Path:
    """Write Poisson units tuned to a heading `ry` (40 Hz): sleep, then wake; the last unit is in postsub.

    Ids begin at 1; preferred directions are evenly spaced and rates are about 1 to 15 Hz. With `silent` one more
    ADn unit, the last row, has no spikes.
    """
    rng = np.random.default_rng(seed)
    start = sleep + 1.0
    samples = np.arange(int(wake / 0.025) + 2)
    heading = TURN * rng.random() + np.cumsum(rng.normal(0.05, 0.12, samples.size))
    file = _file("head-direction", seed)
    file.add_unit_column("location", "brain area")
    for unit in range(units):
        rate = 15 * np.exp(1.5 * (np.cos(heading - TURN * unit / units) - 1))
        at = np.repeat(samples, rng.poisson(rate * 0.025))
        awake = start + (at - 0.5 + rng.random(at.size)) * 0.025
        asleep = rng.uniform(0, sleep, rng.poisson(2 * sleep))
        times = np.sort(np.concatenate([asleep, awake[(awake > start) & (awake < start + wake)]]))
        file.add_unit(id=unit + 1, location="adn" if unit < units - 1 else "postsub", spike_times=times)
    if silent:
        file.add_unit(id=units + 1, location="adn", spike_times=np.empty(0))
    file.add_epoch(0.0, sleep, ["sleep"])
    file.add_epoch(start, start + wake, ["wake"])
    series = SpatialSeries(
        name="ry",
        data=heading % TURN,
        unit="radians",
        reference_frame="from the x axis",
        starting_time=start - 0.0125,
        rate=40.0,
    )
    file.create_processing_module("behavior", "tracking").add(CompassDirection(spatial_series=series))
    return _write(file, path)


def current_clamp_file(path: Path, *, sweeps: int = 3, duration: float = 2.0, seed: int = 0) -> Path:
    """Write one unit under `sweeps` noise currents of growing amplitude ("Noise 1") and one ramp ("Ramp").

    `stimulus` is in amperes at 10 kHz and `response` in volts, both over all sweeps, with a second between sweeps.
    """
    rng = np.random.default_rng(seed)
    size = int(duration * 10_000)
    file = _file("current-clamp", seed)
    electrode = file.create_icephys_electrode(
        name="electrode0", description="patch electrode", device=file.create_device("amplifier")
    )
    start, times, currents, spikes = 10.0, [], [], []
    for sweep in range(sweeps + 1):
        noise = np.convolve(rng.normal(size=size), np.ones(50) / np.sqrt(50), mode="same")
        current = 80 + 30 * (0.8 + 0.2 * sweep) * noise if sweep < sweeps else np.linspace(0, 150, size)
        mean = current.reshape(-1, 10).mean(axis=1)  # pA, 1 ms
        fired = np.flatnonzero(rng.random(mean.size) < np.minimum(0.0005 * np.exp(0.035 * np.roll(mean, 3)), 0.2))
        fired = fired[np.diff(fired, prepend=-10) > 3]
        spikes.append(start + (fired + rng.uniform(0.2, 0.8, fired.size)) / 1000)
        times.append(start + (np.arange(size) + 0.5) / 10_000)
        currents.append(current * 1e-12)
        file.add_epoch(start, start + duration, ["Noise 1" if sweep < sweeps else "Ramp"])
        start += duration + 1.0
    time, current, spikes = np.concatenate(times), np.concatenate(currents), np.concatenate(spikes)
    voltage = -0.07 + 1e8 * current
    voltage[np.searchsorted(time, spikes)] = 0.03
    common = {"timestamps": time, "electrode": electrode, "gain": 1.0}
    file.add_stimulus(CurrentClampStimulusSeries(name="stimulus", data=current, unit="amperes", **common))
    file.add_acquisition(CurrentClampSeries(name="response", data=voltage, unit="volts", **common))
    file.add_unit_column("location", "brain area")
    file.add_unit(id=0, location="cortex", spike_times=spikes)
    return _write(file, path)


def truncated_file(path: Path, source: Path) -> Path:
    """Write the first half of another file, as a broken copy leaves it."""
    whole = Path(source).read_bytes()
    Path(path).write_bytes(whole[: len(whole) // 2])
    return Path(path)


def _file(kind: str, seed: int) -> NWBFile:
    return NWBFile(
        session_description=f"a small {kind} session",
        identifier=f"small-{kind}-{seed}",
        session_start_time=START,
    )


def _write(file: NWBFile, path: Path) -> Path:
    with NWBHDF5IO(path, "w") as io:
        io.write(file)
    return Path(path)
