"""When each unit was observed: observation intervals, blanked time, and the fraction of each bin that is left."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nwbglm import epochs
from nwbglm.binning.grid import Grid, coverage
from nwbglm.epochs import Epochs
from nwbglm.recording.choose import choose_selection
from nwbglm.recording.events import find_rows
from nwbglm.recording.model import Recording
from nwbglm.study.data import Blank, DataSettings

NANOSECOND = 1e-9


def blanked(recording: Recording, settings: DataSettings, use: Epochs) -> Epochs:
    """Find the time that the study does not count as observed, within the epochs in use.

    Parameters
    ----------
    recording
        The file.
    settings
        The study's part about data.
    use
        The epochs in use.
    """
    parts = [_blank(recording, settings, name, blank, use) for name, blank in settings.blank.items()]
    if settings.invalid_times == "blank" and (invalid := invalid_times(recording)) is not None:
        parts.append(invalid)
    return epochs.intersect(epochs.union(*parts), use) if parts else epochs.empty()


def invalid_times(recording: Recording) -> Epochs | None:
    """Read the times that the file itself marks as invalid; None where it has no such table."""
    table = next((one for one in recording.tables.values() if one.name == "invalid_times"), None)
    return None if table is None else recording.intervals(table)[0]


def _blank(recording: Recording, settings: DataSettings, name: str, blank: Blank, use: Epochs) -> Epochs:
    field = f"blank.{name}"
    if blank.silence is not None:
        # The spikes at its ends were observed, and with them the bins around: a silence is shorter by those.
        found = silences(recording, use, blank.silence)
        found = found.take(found.duration > 2 * settings.bin)
        found = replace(found, start=found.start + settings.bin, stop=found.stop - settings.bin)
    elif blank.epochs is not None:
        found = choose_selection(recording, settings, blank.epochs, f"{field}.epochs")
    else:
        assert blank.events is not None  # the one source that is left
        rows = find_rows(recording, blank.events, blank.where, field)
        times = rows.numbers(rows.time_column(recording.where), recording.where)
        good = np.isfinite(times)
        found = Epochs.of(times[good], times[good], clock=rows.clock[good])
    return Epochs.of(found.start - blank.before, found.stop + blank.after, found.row, found.label, found.clock)


def silences(recording: Recording, use: Epochs, longest: float) -> Epochs:
    """Find the stretches of the epochs in which no unit of the file fires for at least `longest` seconds."""
    parts = [epochs.empty()]
    for clock in np.unique(use.clock):
        spans = use.take(use.clock == clock)
        spikes = pooled_spikes(recording, spans, int(clock))
        low, high = (np.searchsorted(spikes, edge) for edge in (spans.start, spans.stop))
        for span, begin, end in zip(spans, low, high, strict=True):
            edges = np.concatenate([[span.start], spikes[begin:end], [span.stop]])
            silent = np.flatnonzero(np.diff(edges) >= longest)
            if len(silent):
                parts.append(Epochs.of(edges[silent], edges[silent + 1], clock=np.full(len(silent), clock)))
    return epochs.concatenate(parts)


def pooled_spikes(recording: Recording, spans: Epochs, clock: int = 0) -> np.ndarray:
    """Read the spike times of all units of the file on one clock, s, sorted."""
    trains = [recording.train(unit, clock, spans) for unit in range(len(recording.units))]
    return np.sort(np.concatenate([*trains, np.empty(0)]))


def observed_spikes(times: np.ndarray, intervals: np.ndarray | None, blank: Epochs) -> np.ndarray:
    """Keep the spikes of observed time.

    Parameters
    ----------
    times
        (n,) s, on the clock of `blank`.
    intervals
        (m, 2) observation intervals, closed on both sides: files often end the last one with the last spike. None
        where not known.
    blank
        Blanked time on that clock.
    """
    if intervals is not None:
        closed = Epochs.of(intervals[:, 0], intervals[:, 1] + NANOSECOND)
        times = times[epochs.contains(closed, times)]
    if len(blank):
        free = Epochs.of(blank.start, blank.stop)
        times = times[~epochs.contains(free, times)]
    return times


def exposure(intervals: np.ndarray | None, blank: Epochs, grid: Grid, least: float) -> np.ndarray:
    """Find the fraction of each (whole) bin that a unit was observed.

    Parameters
    ----------
    intervals
        (m, 2) observation intervals, s; None where the file does not say (observed throughout).
    blank
        Blanked time.
    grid
        The bins.
    least
        Bins observed for less than this are worth nothing.

    Returns
    -------
    (bins,) float64, 0 to 1.
    """
    fraction = grid.fraction.copy()
    for clock in np.unique(grid.segments.clock):
        here = grid.clock == clock
        off = epochs.union(blank.take(blank.clock == clock))
        if intervals is not None:
            on = Epochs.of(intervals[:, 0], intervals[:, 1], clock=np.full(len(intervals), clock))
            on = epochs.difference(epochs.union(on), off)
            fraction[here] = coverage(on.start, on.stop, grid, clock)[here]
        elif len(off):
            fraction[here] -= coverage(off.start, off.stop, grid, clock)[here]
    fraction = np.round(fraction, 9)
    return np.where(fraction >= least * grid.fraction, fraction, 0.0)
