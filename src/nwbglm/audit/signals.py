"""What a study's signal is like on the bins, and what is doubtful about it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from nwbglm.audit.guard import failure
from nwbglm.audit.plausible import Extent, counts_from_rows, unit_of_time
from nwbglm.binning.grid import Grid
from nwbglm.binning.masks import mask_signals, masked
from nwbglm.binning.signals import bin_named
from nwbglm.binning.sources import find_source
from nwbglm.epochs import Epochs
from nwbglm.labels import levels_of
from nwbglm.recording.events import Rows, find_rows
from nwbglm.recording.model import Recording
from nwbglm.study.data import DataSettings, Signal
from nwbglm.verdict import Finding

MOSTLY_EMPTY = 0.05
"""A signal without a value in more than this share of the bins is reported."""
MOSTLY_MASKED = 0.5
"""Masks that leave out more than this share of the bins are worth a word."""
PIECE = 4_000_000
"""Bins looked at together: a day at 1 ms has 86 million."""
SAMPLED = 1_000_000
"""Values that quantiles are taken from, where there are more than a piece."""
TURNS = {"radians": 2 * math.pi, "degrees": 360.0}
"""One turn in the units that angles come in."""
DEGREES = 361.0
"""More than an angle within one turn spreads over, in any unit."""
WRITTEN = {"radians": "2 pi", "degrees": "360"}
LEVELS = 32
"""A signal of whole numbers with no more levels than this may be labels."""


def take_signal(
    recording: Recording, settings: DataSettings, grid: Grid, name: str, takes: dict[str, Any]
) -> Iterator[Finding]:
    """Bring a signal to the bins, note what it is like, and say what is wrong with it.

    Parameters
    ----------
    recording
        The file.
    settings
        The study's part about data.
    grid
        The bins.
    name
        The signal's name in the study.
    takes
        Gets an entry of that name.
    """
    signal, field = settings.signals[name], f"signals.{name}"
    try:
        values, valid, (low, high), about = _binned(recording, settings, grid, name)
    except Exception as error:
        yield failure(error, field, code="study", mend="take another series, or correct the file")
        return
    takes[name] = about | {"valid": valid}
    if not len(values):
        seen = f"{about['source']} has no value in any bin"
        mend = "its samples lie outside the epochs in use, or the series is empty"
        yield Finding("signal-empty", "fail", field, seen, mend)
        return
    if levels := levels_of(about):
        takes[name]["units"] = "codes of " + ", ".join(levels[:LEVELS]) + (", ..." if levels[LEVELS:] else "")
    spread = np.percentile(values, [1, 50, 99]).tolist()
    summary: dict[str, Any] = dict(zip(("min", "low", "median", "high", "max"), [low, *spread, high], strict=True))
    takes[name] |= summary | {"histogram": histogram(values, low, high)}
    if 1 - valid > MOSTLY_EMPTY:
        slow = signal.resample == "mean" and 1 - valid > 0.3
        mend = (
            "the signal is slower than the bins: `resample: interpolate` or `hold`" if slow else "such bins are no rows"
        )
        yield Finding("signal-gaps", "warn", field, f"{1 - valid:.0%} of the bins have no value", mend)
    if low == high:
        yield Finding("signal-constant", "warn", field, f"it is {low:g} everywhere", "it can explain nothing")
    if signal.of is not None:
        return
    if signal.resample in ("events", "boxcar"):
        rows = find_rows(recording, signal.source, signal.where, field)
        yield from _events(rows, signal, grid.segments, field, recording.where)
        return
    if signal.circular is not None:
        yield from _period(recording, signal, name)
    yield from _labels(recording, signal, name, values)


def histogram(values: np.ndarray, low: float, high: float, bars: int = 40) -> list[int]:
    """Count values between the lowest and the highest; numpy's own refuses ranges that are narrow for their size."""
    # Halves, so that the difference of the largest numbers is one.
    width = high / 2 - low / 2
    share = (values / 2 - low / 2) / width if width > 0 else np.full(len(values), 0.5)
    return np.bincount(np.minimum((share * bars).astype(int), bars - 1), minlength=bars).tolist()


def _binned(
    recording: Recording, settings: DataSettings, grid: Grid, name: str
) -> tuple[np.ndarray, float, tuple[float, float], dict[str, Any]]:
    """Return finite values (all, or every so many), the share of bins with one, their range, and the attributes."""
    every = 1 if len(grid) <= PIECE else -(-len(grid) // SAMPLED)
    kept, valid, low, high, about = [np.empty(0)], 0, np.inf, -np.inf, {}
    for part in _pieces(grid):
        binned = bin_named(recording, settings, part, name)
        values = binned.values[np.isfinite(binned.values)]
        about, valid = dict(binned.attrs), valid + len(values)
        if len(values):
            low, high = min(low, float(values.min())), max(high, float(values.max()))
            kept.append(values[::every].copy())
    return np.concatenate(kept), valid / len(grid), (low, high), about


def _pieces(grid: Grid) -> Iterator[Grid]:
    """Cut the bins into stretches of at most `PIECE`."""
    if len(grid) <= PIECE:
        yield grid
        return
    for index, size in enumerate(grid.sizes.tolist()):
        segment = grid.segments.take([index])
        start, stop = float(segment.start[0]), float(segment.stop[0])
        cuts = [start + first * grid.bin for first in range(0, size, PIECE)]
        for low, high in itertools.pairwise([*cuts, stop]):
            part = Grid(Epochs.of(low, high, segment.row, segment.label, segment.clock), grid.bin, grid.partial)
            if len(part):
                yield part


def _period(recording: Recording, signal: Signal, name: str) -> Iterator[Finding]:
    """Compare the period of a circular signal with the spread of its samples."""
    period = signal.circular
    source = find_source(recording, signal, name)
    series = source.parts[0]
    sample = series.values(0, 100_000, signal.column if series.columns > 1 else None) * source.scale
    known = sample[np.isfinite(sample)]
    assert period is not None  # only circular signals come here
    if len(known):
        yield from period_findings(known, period, source.units, f"signals.{name}")


def period_findings(values: np.ndarray, period: float, unit: str, field: str) -> Iterator[Finding]:
    """Hold a period against values: degrees under ``2 pi``, radians under 360, positions under an angle's period.

    Parameters
    ----------
    values
        (n,) finite samples, in `unit`.
    period
        What the study says.
    unit
        The unit of the values.
    field
        The signal, for the finding.
    """
    low, high = float(values.min()), float(values.max())
    spread = high - low
    angle = next((name for name, turn in TURNS.items() if abs(period - turn) < 1e-3 * turn), "")
    stored = next((name for name in TURNS if unit.lower().startswith(name[:3])), "")
    seen = f"values spread from {low:.4g} to {high:.4g} {unit}, and the period is {period:.4g}"
    mend = ""
    if angle and stored and angle != stored:
        mend = f"they are {stored}: give `period: {WRITTEN[stored]}`, or convert them with `units: {angle}`"
    elif spread > 1.05 * period and angle and not stored and spread > DEGREES:
        mend = f"is it an angle? leave `period` out where it is not; the period is in the signal's units ({unit})"
    elif spread > 1.05 * period and angle == "radians" and spread > 6 * period:
        mend = "degrees? then give `period: 360`; right as it is for an unwrapped angle of many turns"
    elif spread > 1.05 * period:
        mend = "right for an unwrapped angle; else correct `period` or `units`, or leave `period` out"
    elif angle == "degrees" and 0 < spread <= 6.3:
        mend = "radians? then give `period: 2 pi`"
    if mend:
        yield Finding("period-doubtful", "warn", field, seen, mend)


def _labels(recording: Recording, signal: Signal, name: str, values: np.ndarray) -> Iterator[Finding]:
    """Say where codes, categories or indices are averaged or interpolated into values that no sample had."""
    if signal.resample == "hold" or signal.derive is not None or signal.smooth is not None or signal.period is not None:
        return
    source = find_source(recording, signal, name)
    series = source.parts[0]
    sample = series.values(0, 100_000, signal.column if series.columns > 1 else None) * source.scale
    levels = np.unique(sample[np.isfinite(sample)])
    whole = len(levels) and (levels == np.rint(levels)).all()
    if not whole or len(levels) > LEVELS or len(levels) < 2 or series.conversion != 1 or series.offset != 0:
        return
    made = values[~np.isin(values, levels)]
    if not len(made):
        return
    seen = (
        f"{len(made)} of {len(values)} bins hold values that no sample has, such as {made[0]:.4g}: the samples are "
        f"whole numbers ({', '.join(f'{level:g}' for level in levels[:8])}{', ...' if len(levels) > 8 else ''})"
    )
    mend = "if these are labels (codes, categories, indices): `resample: hold`; if they are amounts, this is right"
    yield Finding("labels-averaged", "warn", f"signals.{name}", seen, mend)


def _events(rows: Rows, signal: Signal, use: Epochs, field: str, where: str) -> Iterator[Finding]:
    """Hold the times of events against their own rows, and against the study's epochs."""
    if signal.resample == "boxcar":
        times, row = rows.spans(signal, where)[0], np.arange(len(rows.clock))
    else:
        times, row = rows.times(signal, where)
    good = np.isfinite(times)
    if not good.any():
        return
    if {"start_time", "stop_time"} <= set(rows.columns) and signal.resample == "events" and signal.since is None:
        start, stop = (rows.numbers(column, where)[row] for column in ("start_time", "stop_time"))
        outside = counts_from_rows(times, start, stop)
        if outside:
            seen = (
                f"{outside} of {len(times)} times lie outside their own rows, as if they counted from each row's start"
            )
            yield Finding("times-since-rows", "warn", field, seen, "`since: start_time` counts them from there")
            return
        # Times of the session follow the rows, even where they lie just before or behind them.
        follows = np.nanstd(times[good] - start[good]) < 0.5 * np.nanstd(start[good])
        if not follows and counts_from_rows(times / 1e3, start, stop):
            seen = f"its times go to {times[good].max():.6g}, as if they were milliseconds since each row's start"
            mend = "NWB wants seconds of the session: correct the file"
            yield Finding("times-not-in-seconds", "warn", field, seen, mend)
            return
    study = Extent("epochs.use", "study", float(use.start.min()), float(use.stop.max()))
    unit = unit_of_time(Extent(field, "events", float(times[good].min()), float(times[good].max())), [study])
    if unit:
        seen = (
            f"its times end at {times[good].max():.6g} s, as if they were {unit}: the epochs end at {study.last:.6g} s"
        )
        yield Finding("times-not-in-seconds", "warn", field, seen, "NWB wants seconds: correct the file")


def mask_findings(recording: Recording, settings: DataSettings, grid: Grid) -> Iterator[Finding]:
    """Say what share of the bins the study's masks leave out."""
    gone = 0
    for part in _pieces(grid):
        signals = {name: bin_named(recording, settings, part, name) for name in mask_signals(settings)}
        gone += int(masked(settings, signals, len(part)).sum())
    seen = f"{gone} of {len(grid)} bins ({gone / len(grid):.0%}) are left out by {', '.join(settings.mask)}"
    if gone == len(grid):
        yield Finding("masked", "fail", "mask", seen, "correct the expressions, or the signals that they look at")
        return
    mend = "as the study says: nothing in them is fitted or counted"
    yield Finding("masked", "warn" if gone > MOSTLY_MASKED * len(grid) else "pass", "mask", seen, mend)


def used_sources(takes: dict[str, Any]) -> set[str]:
    """List the objects of the file that the study's signals are read from."""
    return {str(one["source"]) for one in takes.get("signals", {}).values() if one.get("source")}
