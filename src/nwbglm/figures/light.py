"""Drawings of many marks made light: the marks become a picture, while axes and texts stay what they are."""

from __future__ import annotations

import base64
import io
import re

from matplotlib.figure import Figure
from PIL import Image

HEAVY = 300_000
"""Characters of an SVG from which on its marks are drawn as a picture."""
DPI = 100
SHADES = 32
"""Colours of such a picture: anti-aliased lines of some colours need no more."""
EMBEDDED = re.compile(r"data:image/png;base64,\s*([A-Za-z0-9+/=\s]+)")


def rasterise(figure: Figure) -> bool:
    """Let the marks of a figure be drawn as pictures; tell whether there was one that was not."""
    marks = [
        artist
        for axes in figure.axes
        for artist in (*axes.lines, *axes.collections, *axes.patches, *axes.artists)
        if not artist.get_rasterized()
    ]
    for artist in marks:
        artist.set_rasterized(True)
    return bool(marks)


def fewer_colours(svg: str) -> str:
    """Return an SVG whose pictures have `SHADES` colours: a third of the size, no difference to the eye."""
    return EMBEDDED.sub(lambda found: f"data:image/png;base64,{_small(found[1])}", svg)


def _small(text: str) -> str:
    picture = Image.open(io.BytesIO(base64.b64decode(text))).convert("RGBA")
    buffer = io.BytesIO()
    picture.quantize(SHADES, method=Image.Quantize.FASTOCTREE).save(buffer, "png", optimize=True)
    small = base64.b64encode(buffer.getvalue()).decode()
    return small if len(small) < len(text) else text
