"""When everything in a recording happens, as one small SVG drawing."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

LEFT, WIDTH, HEIGHT, ROWS = 260, 720, 20, 24
"""Pixels: room for names, for time, for a row; and the most rows drawn."""
COLOURS = {"epochs": "#0072b2", "table": "#8a8a8a", "series": "#009e73"}

Row = tuple[str, str, Sequence[Sequence[float]]]


def timeline_rows(contents: dict[str, Any], takes: dict[str, Any]) -> list[Row]:
    """List what is drawn: a kind, a name, and the stretches of time (s) in which it is there."""
    rows: list[Row] = [
        ("epochs", f"study: {name}", one["spans"]) for name, one in takes.get("epochs", {}).items() if one["spans"]
    ]
    rows += [("table", one["path"], one["spans"]) for one in contents.get("tables", []) if one["spans"]]
    rows += [
        ("series", one["path"], [[one["first"], one["last"]]])
        for one in contents.get("series", [])
        if one["first"] is not None and np.isfinite([one["first"], one["last"]]).all()
    ]
    return rows[:ROWS]


def draw_timeline(contents: dict[str, Any], takes: dict[str, Any]) -> str:
    """Draw the timeline; an empty text where nothing has a time."""
    rows = timeline_rows(contents, takes)
    if not rows:
        return ""
    edges = np.array([edge for _, _, spans in rows for span in spans for edge in span])
    low, high = float(edges.min()), float(edges.max())
    scale = WIDTH / ((high - low) or 1.0)
    height = HEIGHT * len(rows) + 34
    parts = [_row(kind, name, spans, HEIGHT * index, low, scale) for index, (kind, name, spans) in enumerate(rows)]
    axis = _axis(low, high, scale, HEIGHT * len(rows))
    return (
        f'<svg viewBox="0 0 {LEFT + WIDTH + 40} {height}" role="img" aria-label="when everything happens" '
        f'font-family="inherit" font-size="12">{"".join(parts)}{axis}</svg>'
    )


def _row(kind: str, name: str, spans: Sequence[Sequence[float]], top: int, low: float, scale: float) -> str:
    short = name if len(name) <= 36 else "..." + name[-33:]
    text = f'<text x="{LEFT - 8}" y="{top + 14}" text-anchor="end"><title>{escape(name)}</title>{escape(short)}</text>'
    bars = "".join(
        f'<rect x="{LEFT + (start - low) * scale:.2f}" y="{top + 4}" width="{max((stop - start) * scale, 1):.2f}" '
        f'height="{HEIGHT - 8}" fill="{COLOURS[kind]}" fill-opacity="0.75"/>'
        for start, stop in spans
    )
    return text + bars


def _axis(low: float, high: float, scale: float, top: int) -> str:
    parts = [f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{top + 4}" y2="{top + 4}" stroke="#595959"/>']
    for tick in _ticks(low, high):
        x = LEFT + (tick - low) * scale
        parts.append(f'<line x1="{x:.2f}" x2="{x:.2f}" y1="{top + 4}" y2="{top + 8}" stroke="#595959"/>')
        parts.append(f'<text x="{x:.2f}" y="{top + 20}" text-anchor="middle">{tick:g}</text>')
    return "".join(parts) + f'<text x="{LEFT + WIDTH + 8}" y="{top + 20}">s</text>'


def _ticks(low: float, high: float) -> np.ndarray:
    span = (high - low) or 1.0
    power = 10.0 ** np.floor(np.log10(span / 5))
    step = next(power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= 8)
    return np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step


def draw_histogram(counts: Sequence[int]) -> str:
    """Draw how often values occur, from lowest to highest, as a small SVG."""
    heights = [24 * count / (max(counts) or 1) for count in counts]
    bars = "".join(
        f'<rect x="{4 * index}" y="{24 - height:.2f}" width="3.4" height="{height:.2f}" fill="#009e73"/>'
        for index, height in enumerate(heights)
    )
    box = f'viewBox="0 0 {4 * len(counts)} 24" width="160" height="24"'
    return f'<svg class="small" {box} role="img" aria-label="histogram">{bars}</svg>'
