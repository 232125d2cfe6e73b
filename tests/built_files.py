"""NWB files that a test builds with pynwb, object by object: nothing of the library has a hand in them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from pynwb import NWBHDF5IO, NWBFile, TimeSeries
from pynwb.behavior import CompassDirection, Position, SpatialSeries

from nwbglm.study import DataSettings


def built(path: Path, fill: Callable[[NWBFile], None]) -> Path:
    """Write a file that `fill` has filled. What pynwb finds wrong is the point of many of these files."""
    file = NWBFile("a test", path.stem, datetime(2026, 1, 1, tzinfo=UTC))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fill(file)
        with NWBHDF5IO(path, "w") as io:
            io.write(file)
    return path


def settings(**parts) -> DataSettings:
    """Make the study's part about data; by default 10 ms bins over the table `epochs`."""
    return DataSettings.model_validate({"epochs": {"use": {"table": "epochs"}}, "bin": "10 ms", **parts})


def series(name: str, data, **times) -> TimeSeries:
    """Make a plain time series in amperes (or what `unit` says)."""
    return TimeSeries(name=name, data=np.asarray(data), unit=times.pop("unit", "amperes"), **times)


def heading(name: str = "ry", data=(0.0, 1.0), **times) -> CompassDirection:
    """Make a compass direction in radians."""
    one = SpatialSeries(name=name, data=np.asarray(data), unit="radians", reference_frame="x", **times)
    return CompassDirection(spatial_series=one)


def position(data, *, conversion: float = 1.0, **times) -> Position:
    """Make a position (samples, 2) in metres after `conversion`."""
    one = SpatialSeries(
        name="position", data=np.asarray(data), unit="meters", reference_frame="corner", conversion=conversion, **times
    )
    return Position(spatial_series=one)


def add_units(file: NWBFile, trains, **columns) -> None:
    """Add units 0, 1, ... with their spike times, and columns of one value a unit."""
    for name in columns:
        if name != "obs_intervals":
            file.add_unit_column(name, name)
    for index, train in enumerate(trains):
        file.add_unit(
            spike_times=np.asarray(train, dtype=float), **{name: values[index] for name, values in columns.items()}
        )
