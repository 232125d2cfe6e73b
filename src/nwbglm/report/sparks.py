"""Small drawings made without a plotting library: curves on a card, spans of time, dots on an axis.

Whole numbers in a box of their own, steps instead of places: a curve of a hundred points takes some 500 bytes, so that
a page has room for a hundred units. Colours are those of the page, and follow its dark mode.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from .text import plain, visible

WIDTH, HEIGHT = 240, 60


def curve_path(values: Sequence[float | None], low: float, high: float) -> str:
    """Return a curve as an SVG path in a box of `WIDTH` by `HEIGHT`; it stops where a value is unknown."""
    scale = HEIGHT / ((high - low) or 1.0)
    step = WIDTH / max(1, len(values) - 1)
    path, last = "", None
    for place, value in enumerate(values):
        if value is None:
            last = None
            continue
        x, y = round(place * step), round(HEIGHT - (min(max(value, low), high) - low) * scale)
        path += f"M{x} {y}l0 0" if last is None else f" {x - last[0]} {y - last[1]}"
        last = x, y
    return path.replace(" -", "-")


def limits(curves: Sequence[Sequence[float | None]], *, zero: bool) -> tuple[float, float]:
    """Return the range of the first curve, widened for the others but for their outermost hundredths."""
    known = [np.array([value for value in curve if value is not None], float) for curve in curves]
    known = [values for values in known if values.size]
    if not known:
        return 0.0, 1.0
    low = min(float(np.quantile(values, 0.01)) if place else float(values.min()) for place, values in enumerate(known))
    high = max(float(np.quantile(values, 0.99)) if place else float(values.max()) for place, values in enumerate(known))
    return (min(low, 0.0), max(high, 0.0)) if zero else (low, high)


def sparkline(
    curves: Sequence[tuple[str, Sequence[float | None]]], label: str, *, ends: Sequence[str] = (), zero: bool = True
) -> Markup:
    """Draw curves above one another, the first in ink, with the range of values and of the axis in words.

    Parameters
    ----------
    curves
        Name and values of each; the second and third are told apart by dashes.
    label
        What is drawn.
    ends
        First and last value of the horizontal axis.
    zero
        Whether the range holds 0, which is then marked.
    """
    low, high = limits([values for _, values in curves], zero=zero)
    lines = Markup("").join(
        Markup('<path class="k{}" d="{}"/>').format(place, curve_path(values, low, high))
        for place, (_, values) in enumerate(curves)
    )
    base = ""
    if low < 0 < high:
        y = round(HEIGHT + low * HEIGHT / (high - low))
        base = Markup('<path class="kz" d="M0 {}h{}"/>').format(y, WIDTH)
    along = f"; from {ends[0]} to {ends[1]}" if ends else ""
    return Markup(
        '<figure class="spark">'
        '<svg viewBox="-2 -2 {} {}" preserveAspectRatio="none" aria-hidden="true">{}{}</svg>'
        "<figcaption>{}: {:.3g} to {:.3g}{}</figcaption></figure>"
    ).format(WIDTH + 4, HEIGHT + 4, base, lines, visible(label), low, high, visible(along))


def ticks(low: float, high: float, most: int = 8) -> np.ndarray:
    """Return round places on an axis."""
    span = (high - low) or 1.0
    power = 10.0 ** np.floor(np.log10(span / 5))
    step = next(power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= most)
    return np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step


def label_at(x: float, y: float, text: str, anchor: str = "start", cls: str = "") -> Markup:
    """Return a text at a place of a drawing."""
    kind = Markup(' class="{}"').format(cls) if cls else Markup("")
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}"{}>{}</text>').format(x, y, anchor, kind, plain(text))


def line_at(path: str, cls: str, colour: str = "", dash: str = "") -> Markup:
    """Return a line of a drawing."""
    ink = Markup(' stroke="{}"').format(colour) if colour else Markup("")
    gaps = Markup(' stroke-dasharray="{}"').format(dash) if dash else Markup("")
    return Markup('<path class="{}"{}{} d="{}"/>').format(cls, ink, gaps, path)
