"""Colours: models, a cyclic scale for angles, and greys; each at least 3:1 against white unless it is a ground."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import ListedColormap
from numpy.typing import ArrayLike
from scipy.interpolate import CubicSpline

INK, QUIET, FAINT = "#1a1a1a", "#6b6b6b", "#c9c9c9"
UNVISITED = "#dbe4ec"
"""The ground where a value was never there: no grey of a scale, and no white."""

# the first four follow Okabe & Ito (2008); all differ under each of the three colour-blindnesses
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#4B2991", "#7F0000", "#3A98D6", "#20503F")

# CIELAB: dark purple, blue, a grey green, orange brown, and round again. The lightness goes up and down and the blue to
# yellow axis goes across it, so that the circle stays a circle to eyes that do not tell red from green; blue and brown
# differ in red and green to those that do not tell blue from yellow.
CIRCLE = ((12.0, 20.0, -10.0), (34.0, 20.0, -62.0), (60.0, -32.0, 5.0), (45.0, 45.0, 52.0))
STEPS = 256
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = TO_XYZ.sum(axis=1)
"""Of sRGB (IEC 61966-2-1), D65."""


def srgb_of_lab(lab: ArrayLike) -> np.ndarray:
    """Turn CIELAB (..., 3) into sRGB from 0 to 1; colours beyond a screen's are cut."""
    light, a, b = np.moveaxis(np.asarray(lab, dtype=float), -1, 0)
    y = (light + 16) / 116
    f = np.stack([y + a / 500, y, y - b / 200], axis=-1)
    xyz = np.where(f**3 > 216 / 24389, f**3, (116 * f - 16) * 27 / 24389) * WHITE
    linear = np.clip(xyz @ np.linalg.inv(TO_XYZ).T, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def cyclic_colors(steps: int = STEPS) -> np.ndarray:
    """Return a cyclic scale as sRGB (steps, 3): the last colour is the first one's neighbour."""
    places = np.arange(len(CIRCLE) + 1) / len(CIRCLE)
    around = CubicSpline(places, np.vstack([CIRCLE, CIRCLE[:1]]), bc_type="periodic")
    return srgb_of_lab(around(np.arange(steps) / steps))


def cyclic_map() -> ListedColormap:
    """Return the cyclic scale as a colour map of 0 to 1."""
    return ListedColormap([tuple(color) for color in cyclic_colors()], name="nwbglm-circle")


def around(values: ArrayLike, period: float, start: float = 0.0) -> np.ndarray:
    """Return the colour (n, 4) of each value on a circle; grey where there is none."""
    share = np.mod((np.asarray(values, dtype=float) - start) / period, 1.0)
    colors = cyclic_map()(np.nan_to_num(share))
    colors[~np.isfinite(share)] = (0.42, 0.42, 0.42, 1.0)
    return colors
