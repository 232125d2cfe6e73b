"""Drawings of trust: folds in time, scores along strengths, calibration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup

from nwbglm.figures.style import line_styles

from .markup import number
from .sparks import label_at, line_at, ticks
from .text import plain, visible

WIDTH, HEIGHT, LEFT, TOP = 300, 150, 50, 14
"""Pixels of a panel, and its place."""
SHADES = ("#0072b2", "#56b4e9", "#009e73", "#e69f00", "#cc79a7", "#d55e00", "#8c510a", "#7a5195", "#999933", "#5b6770")
"""Colours of folds; each also has its name where there is room."""
DASHES = ("", "6 2", "2 2", "6 2 2 2", "10 3", "1 3")
SHORT = 22  # characters of a name that a drawing has room for


class Curve(NamedTuple):
    """A line of a panel, and the place on it that is circled (None: none)."""

    x: np.ndarray
    y: np.ndarray
    mark: int | None = None


def fold_map(sessions: Sequence[tuple[str, Sequence[Sequence[Any]]]]) -> Markup:
    """Draw, for each session, which fold tests when; what is fitted but never tested is hollow.

    Parameters
    ----------
    sessions
        Names, and stretches of time: begin, end (s), fold ('' where none).
    """
    sessions = [(name, spans) for name, spans in sessions if spans]
    if not sessions:
        return Markup("")
    names = list(dict.fromkeys(span[2] for _, spans in sessions for span in spans if span[2]))
    left, width, row = 150, 640, 22
    longest = max(max(span[1] for span in spans) - min(span[0] for span in spans) for _, spans in sessions)
    parts = []
    for place, (name, spans) in enumerate(sessions):
        parts.append(label_at(left - 8, place * row + 14, _short(name), "end"))
        begin = min(span[0] for span in spans)
        for start, stop, fold in spans:
            box = left + (start - begin) / longest * width, (stop - start) / longest * width
            parts += _span(*box, place * row, fold, names, row)
    bottom = len(sessions) * row
    for tick in ticks(0, longest):
        x = left + tick / longest * width
        parts += [line_at(f"M{x:.1f} {bottom}v4", "axis"), label_at(x, bottom + 16, number(float(tick)), "middle", "q")]
    parts.append(label_at(left + width / 2, bottom + 32, "time since the first fitted bin (s)", "middle", "q"))
    return _svg(left + width + 20, bottom + 40, "which fold tests when", parts)


def _span(x: float, width: float, y: float, fold: str, names: Sequence[str], row: float) -> Iterator[Markup]:
    fill = SHADES[names.index(fold) % len(SHADES)] if fold else "none"
    yield Markup('<rect x="{:.1f}" y="{}" width="{:.1f}" height="{}" fill="{}" stroke="{}"/>').format(
        x, y + 3, max(width, 0.4), row - 8, fill, "none" if fold else "#888"
    )
    if fold and width > 7 * len(fold) + 4:
        yield label_at(x + width / 2, y + 14, fold, "middle", "on")


def _short(name: str) -> str:
    return name if len(name) <= SHORT else f"{name[: SHORT - 2]}…"


def strength_paths(models: Iterable[str], sessions: Sequence[Mapping[str, Mapping[str, Any]]], label: str) -> Markup:
    """Draw each model's held-out score along its strengths: the median over sessions of their units' medians.

    The circle is the strength that most units chose.
    """
    curves = {}
    for model in models:
        found = [paths[model] for paths in sessions if paths.get(model)]
        alike = [path for path in found if path["strength"] == found[0]["strength"]]
        if not alike:
            continue
        medians = np.array([[np.nan if v is None else v for v in path["quartiles"][1]] for path in alike], float)
        chosen = np.sum([path["chosen"] for path in alike], axis=0)
        strengths = np.log10(np.maximum(alike[0]["strength"], 1e-300))
        if np.isfinite(medians).any():
            curves[model] = Curve(strengths, _median(medians), int(np.argmax(chosen)))
    return _panel(curves, "log10 of the strength", label, "held-out score along the strengths")


def calibration(models: Iterable[str], sessions: Sequence[Mapping[str, Mapping[str, Any]]], label: str) -> Markup:
    """Draw mean responses against mean held-out expectations, in bands of equally many rows; the line is equality."""
    curves = {}
    for model in models:
        pairs = np.array([[one[model]["expected"], one[model]["observed"]] for one in sessions if model in one], float)
        if len(pairs):
            curves[model] = Curve(*np.nanmean(pairs, axis=0))
    return _panel(curves, f"expected ({label})", f"observed ({label})", "calibration", equal=True)


def _median(values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values).any(axis=0)
    out = np.full(values.shape[1], np.nan)
    out[known] = np.nanmedian(values[:, known], axis=0)
    return out


def _range(values: np.ndarray) -> tuple[float, float]:
    """Return the range of what is known; a curve that falls off a cliff does not flatten the others."""
    high, typical = float(values.max()), float(np.median(values))
    reach = max(float(np.quantile(values, 0.9)) - typical, 0.05 * abs(typical), 1e-9)
    return max(float(values.min()), typical - 6 * reach), high


def _panel(curves: Mapping[str, Curve], across: str, up: str, label: str, *, equal: bool = False) -> Markup:
    """Draw lines of models, told apart by colour and dash, with their names beside them."""
    known = [curve.y[np.isfinite(curve.y)] for curve in curves.values()]
    if not known or not np.concatenate(known).size:
        return Markup("")
    x_values = np.concatenate([curve.x for curve in curves.values()])
    (x_low, x_high), (y_low, y_high) = (x_values.min(), x_values.max()), _range(np.concatenate(known))
    if equal:
        x_low = y_low = min(0.0, float(x_low), y_low)

    def x_of(value: float) -> float:
        return LEFT + (value - x_low) / ((x_high - x_low) or 1.0) * WIDTH

    def y_of(value: float) -> float:
        return TOP + HEIGHT - (min(max(value, y_low), y_high) - y_low) / ((y_high - y_low) or 1.0) * HEIGHT

    parts = [label_at(0, 8, up, "start", "q"), label_at(LEFT + WIDTH / 2, TOP + HEIGHT + 32, across, "middle", "q")]
    for tick in ticks(y_low, y_high, 5):
        parts.append(line_at(f"M{LEFT} {y_of(tick):.1f}h{WIDTH}", "grid"))
        parts.append(label_at(LEFT - 5, y_of(tick) + 4, _tick(tick), "end", "q"))
    for tick in ticks(x_low, x_high, 6):
        parts.append(label_at(x_of(tick), TOP + HEIGHT + 16, _tick(tick), "middle", "q"))
    if equal:
        end = min(x_high, y_high)
        parts.append(line_at(f"M{x_of(x_low):.1f} {y_of(y_low):.1f}L{x_of(end):.1f} {y_of(end):.1f}", "axis"))
    styles = line_styles(list(curves))
    for place, (name, curve) in enumerate(curves.items()):
        colour, dash = styles[name]["color"], DASHES[place % len(DASHES)]
        points = [(x_of(a), y_of(b)) for a, b in zip(curve.x, curve.y, strict=True) if np.isfinite(b)]
        at = TOP + 14 * place + 8
        for path in ("M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points), f"M{LEFT + WIDTH + 12} {at}h20"):
            parts.append(line_at(path, "line", colour, dash))
        parts.append(label_at(LEFT + WIDTH + 38, at + 4, _short(name)))
        if curve.mark is not None and np.isfinite(curve.y[curve.mark]):
            parts.append(
                Markup('<circle r="3.5" fill="none" stroke="{}" stroke-width="2" cx="{:.1f}" cy="{:.1f}"/>').format(
                    colour, x_of(curve.x[curve.mark]), y_of(curve.y[curve.mark])
                )
            )
    height = max(TOP + HEIGHT + 40, TOP + 14 * len(curves) + 10)
    return _svg(LEFT + WIDTH + 180, height, f"{label}: {up}", parts)


def _tick(value: float) -> str:
    return number(float(f"{value:.6g}"), 3)


def _svg(width: float, height: float, label: str, parts: Iterable[Markup]) -> Markup:
    return Markup('<svg class="own" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        width, height, visible(plain(label)), Markup("").join(parts)
    )
