"""Small pictures of a recording: the first minute or so of each series, and of the spikes, as SVG."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from functools import partial
from html import escape

import numpy as np

from nwbglm.audit.guard import or_else
from nwbglm.recording.model import Recording
from nwbglm.recording.series import Series

SECONDS = 60.0
"""How much of a recording is drawn."""
MOST_SERIES, MOST_UNITS = 24, 40
WIDTH, HEIGHT, LEFT = 640, 40, 300
"""Pixels of a trace, and room for its name."""
POINTS = 640
"""Points of a trace: of each stretch the least and the largest value."""


def draw_pictures(recording: Recording) -> str:
    """Draw the beginning of every series that can be read, and a raster of the units; empty where there is nothing."""
    rows = [row for row in _rows(recording) if row]
    if not rows:
        return ""
    body = "".join(f'<g transform="translate(0,{HEIGHT * index})">{row}</g>' for index, row in enumerate(rows))
    box = f'viewBox="0 0 {LEFT + WIDTH + 90} {HEIGHT * len(rows)}"'
    return f'<svg {box} role="img" aria-label="the recording\'s beginning" font-size="12">{body}</svg>'


def _rows(recording: Recording) -> Iterator[str]:
    nothing: dict[str, Series] = {}
    for series in list(or_else(lambda: recording.series, nothing).values())[:MOST_SERIES]:
        yield or_else(partial(_trace, series), "")
    yield or_else(lambda: _raster(recording), "")


def _trace(series: Series) -> str:
    """Draw the first column of a series."""
    if series.problem or series.samples < 2 or not np.isfinite(series.timing.interval):
        return ""
    size = int(min(series.samples, max(SECONDS / series.timing.interval, 2)))
    values = series.values(0, size, 0)
    if not np.isfinite(values).any():
        return ""
    edges = np.unique(np.linspace(0, len(values), min(POINTS // 2, len(values)) + 1).astype(int))
    parts = [values[low:high][np.isfinite(values[low:high])] for low, high in itertools.pairwise(edges)]
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    scale = (HEIGHT - 8) / ((high - low) or 1.0)
    points = [
        f"{LEFT + WIDTH * place / len(parts):.1f},{HEIGHT - 4 - (value - low) * scale:.1f}"
        for place, part in enumerate(parts)
        if len(part)
        for value in (part.min(), part.max())
    ]
    seconds = size * series.timing.interval
    said = f"{low:.3g} to {high:.3g} {series.unit}, {seconds:.3g} s"
    line = f'<polyline points="{" ".join(points)}" fill="none" stroke="#0072b2" stroke-width="0.8"/>'
    return _named(series.path, said) + line


def _raster(recording: Recording) -> str:
    """Draw the spikes of the first units in the first minute that has any, all in one row of ticks."""
    units = recording.units
    trains = [np.sort(units.spike_times(unit)) for unit in range(min(len(units), MOST_UNITS))]
    trains = [train[np.isfinite(train)] for train in trains]
    if not any(len(train) for train in trains):
        return ""
    first = min(float(train[0]) for train in trains if len(train))
    tall = (HEIGHT - 6) / len(trains)
    ticks = "".join(
        _ticks(train[train < first + SECONDS] - first, 3 + tall * k, tall) for k, train in enumerate(trains)
    )
    return _named(f"{len(trains)} of {len(units)} units", f"spikes of {SECONDS:g} s from {first:.3f} s") + ticks


def _ticks(times: np.ndarray, top: float, tall: float) -> str:
    # A pixel that has a spike has one tick, however many there are.
    places: Sequence[int] = np.unique((times / SECONDS * WIDTH).astype(int)).tolist()
    marks = "".join(f"M{LEFT + place} {top:.1f}v{max(tall - 0.5, 0.5):.1f}" for place in places)
    return f'<path d="{marks}" stroke="#1a1a1a" stroke-width="0.8"/>' if marks else ""


def _named(name: str, said: str) -> str:
    short = name if len(name) <= 44 else f"...{name[-41:]}"
    return (
        f'<text x="{LEFT - 8}" y="16" text-anchor="end"><title>{escape(name)}</title>{escape(short)}</text>'
        f'<text x="{LEFT - 8}" y="32" text-anchor="end" fill="#595959">{escape(said)}</text>'
    )
