"""Write simulated sessions as NWB files, the same bytes each time."""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
from hdmf.build import Builder, GroupBuilder
from pynwb import NWBHDF5IO, H5DataIO, NWBFile
from pynwb.behavior import CompassDirection, Position, SpatialSeries
from pynwb.file import Subject
from pynwb.icephys import CurrentClampSeries, CurrentClampStimulusSeries
from pynwb.misc import Units

from nwbglm.whole import written_whole

from .head_direction import TRACKING, HeadDirectionSession
from .injected_current import InjectedCurrentSession
from .process import RESOLUTION
from .trials import TrialsSession

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
VOLTAGE_STEP = 1e-5  # V; the converter's resolution


class RepeatableIO(NWBHDF5IO):
    """A writer whose object ids follow from the file's identifier and the object's place; usually they are random."""

    def write_builder(self, builder: GroupBuilder, **options: Any) -> None:
        """Give each object its id, then write."""
        identifier = builder.datasets["identifier"].data
        for place, part in _walk(builder, ""):
            if "object_id" in part.attributes:
                part.set_attribute("object_id", str(uuid.uuid5(uuid.NAMESPACE_URL, f"{identifier}:{place}")))
        super().write_builder(builder, **options)


def _walk(builder: GroupBuilder, place: str) -> Iterator[tuple[str, Builder]]:
    yield place, builder
    for name, dataset in builder.datasets.items():
        yield f"{place}/{name}", dataset
    for name, group in builder.groups.items():
        yield from _walk(group, f"{place}/{name}")


def write_repeatable(nwbfile: NWBFile, path: str | os.PathLike) -> None:
    """Write an NWB file under a temporary name and move it into place when it is whole.

    Parameters
    ----------
    nwbfile
        The content. Its `file_create_date` should be given: by default it is the time of writing.
    path
        Where to; an existing file is replaced.

    Raises
    ------
    OSError
        With the system's number, whatever HDF5 makes of it, if the disk refuses.
    """
    with written_whole(path) as (partial,), _told_by_number(path), RepeatableIO(partial, "w") as io:
        io.write(nwbfile)


@contextlib.contextmanager
def _told_by_number(path: str | os.PathLike) -> Iterator[None]:
    """Give what HDF5 says of a disk its number: when a file is closed it is a `RuntimeError` with a text."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        told = re.search(r"errno = (\d+)", str(error))
        if told is None:
            raise
        raise OSError(int(told[1]), os.strerror(int(told[1])), str(path)) from error


def new_file(name: str, description: str, parameters: str, **fields: Any) -> NWBFile:
    """Start an NWB file whose identifier follows from its name and parameters and whose dates are fixed."""
    return NWBFile(
        session_description=description,
        identifier=str(uuid.uuid5(uuid.NAMESPACE_URL, f"nwbglm:{name}:{parameters}")),
        session_start_time=START,
        file_create_date=[START],
        session_id=name,
        institution="none: simulated",
        lab="nwb-glm",
        experimenter=["Simulation, nwb-glm"],
        keywords=["simulated", "ground truth"],
        notes=f"Simulated data; parameters: {parameters}",
        subject=Subject(
            subject_id=f"simulated-{name}",
            species="Mus musculus",
            sex="U",
            age="P90D",
            description="not an animal: simulated",
        ),
        **fields,
    )


def _start_units(nwbfile: NWBFile) -> None:
    nwbfile.units = Units(name="units", description="simulated units", resolution=RESOLUTION)
    nwbfile.add_unit_column("location", "brain area")


def head_direction_file(session: HeadDirectionSession) -> NWBFile:
    """Lay a head-direction session out as NWB: units with area and observed intervals, epochs with tags, behaviour."""
    truth = session.truth
    nwbfile = new_file(
        f"head-direction-{truth.attrs['seed']}",
        "Simulated head-direction cells of ADn and post-subiculum, asleep and then in an open field",
        truth.attrs["parameters"],
        experiment_description="Ground truth for population GLMs: coupling, own history, heading",
    )
    _start_units(nwbfile)
    observed = np.array([epoch[:2] for epoch in session.epochs])
    for unit, location, times in zip(session.unit, session.location, session.spike_times, strict=True):
        nwbfile.add_unit(id=int(unit), location=str(location), spike_times=times, obs_intervals=observed)
    for start, stop, tag in session.epochs:
        nwbfile.add_epoch(start, stop, [tag])
    time = {"starting_time": session.tracking_start, "rate": 1.0 / TRACKING}
    heading = SpatialSeries(
        name="ry",
        description="head direction",
        data=_compressed(session.heading),
        unit="radians",
        reference_frame="0 to 2 pi, anticlockwise from the arena's x axis",
        **time,
    )
    position = SpatialSeries(
        name="position",
        description="x, y of the head",
        data=_compressed(session.position),
        unit="meters",
        reference_frame="a corner of the square arena",
        **time,
    )
    behavior = nwbfile.create_processing_module("behavior", "tracking in the open field")
    behavior.add(CompassDirection(spatial_series=heading))
    behavior.add(Position(spatial_series=position))
    return nwbfile


def injected_current_file(session: InjectedCurrentSession) -> NWBFile:
    """Lay a patch-clamp session out as NWB: one stimulus and one response over all sweeps, which the epochs name."""
    truth = session.truth
    nwbfile = new_file(
        f"injected-current-{truth.attrs['seed']}",
        "Simulated whole-cell recording under noise, ramp and step currents",
        truth.attrs["parameters"],
        experiment_description="Ground truth for single-neuron GLMs: current filter, own history",
    )
    device = nwbfile.create_device("amplifier", description="none: simulated")
    electrode = nwbfile.create_icephys_electrode(
        name="electrode0",
        description="patch electrode (simulated)",
        device=device,
        location="VISp",
        cell_id=truth.attrs["simulation"],
    )
    stimulus = CurrentClampStimulusSeries(
        name="stimulus",
        description="injected current of all sweeps",
        data=_compressed(session.current),
        unit="amperes",
        timestamps=_compressed(session.timestamps),
        electrode=electrode,
        gain=1.0,
    )
    response = CurrentClampSeries(
        name="response",
        description="membrane potential of all sweeps",
        data=_compressed(np.rint(session.voltage / VOLTAGE_STEP).astype(np.int16)),
        conversion=VOLTAGE_STEP,
        unit="volts",
        timestamps=stimulus,
        electrode=electrode,
        gain=1.0,
        bias_current=0.0,
    )
    nwbfile.add_stimulus(stimulus)
    nwbfile.add_acquisition(response)
    _start_units(nwbfile)
    observed = np.array([[sweep.start, sweep.stop] for sweep in session.sweeps])
    nwbfile.add_unit(id=session.unit, location="VISp", spike_times=session.spike_times, obs_intervals=observed)
    for sweep in session.sweeps:
        nwbfile.add_epoch(sweep.start, sweep.stop, [sweep.tag])
    return nwbfile


def trials_file(session: TrialsSession) -> NWBFile:
    """Lay a session of trials out as NWB: units that were observed throughout, and the table of trials."""
    truth = session.truth
    nwbfile = new_file(
        f"trials-{truth.attrs['seed']}",
        "Simulated units in trials with a cue and a go signal, to the left or to the right",
        truth.attrs["parameters"],
        experiment_description="Ground truth for trial GLMs: kernels of events, a side, drift, own history",
    )
    _start_units(nwbfile)
    for unit, times in zip(session.unit, session.spike_times, strict=True):
        nwbfile.add_unit(id=int(unit), location="ALM", spike_times=times, obs_intervals=np.array([session.observed]))
    for name, description in (
        ("cue_time", "when the cue began, s"),
        ("go_time", "when the go signal was given, s; NaN where the trial was aborted before"),
        ("side", "which side was to be licked"),
        ("outcome", "what came of it; it drives nothing"),
    ):
        nwbfile.add_trial_column(name, description)
    for k in range(len(session.start)):
        nwbfile.add_trial(
            start_time=session.start[k], stop_time=session.stop[k], cue_time=session.cue[k], go_time=session.go[k],
            side=str(session.side[k]), outcome=str(session.outcome[k]),
        )  # fmt: skip
    return nwbfile


def _compressed(data: np.ndarray) -> H5DataIO:
    return H5DataIO(data, compression="gzip", compression_opts=1, shuffle=True)
