"""How figures look, and how they are written: colour-blind safe, labelled, the same bytes for the same numbers."""

from __future__ import annotations

import io
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, cast

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nwbglm.whole import write_together

from .colours import COLORS, FAINT, INK, QUIET, UNVISITED
from .light import DPI, HEAVY, fewer_colours, rasterise
from .motion import animate
from .texts import unhidden

__all__ = ["COLORS", "FAINT", "INK", "QUIET", "UNVISITED"]  # the colours are reached from here, too

DASHES = (
    "-",
    (0, (5, 1.5)),
    (0, (1.6, 1.2)),
    (0, (6, 1.2, 1.2, 1.2)),
    (0, (9, 2)),
    (0, (3, 1, 1, 1, 1, 1)),
    (0, (3, 3)),
)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a text begins that a spreadsheet runs."""

SETTINGS: dict[str, Any] = {
    "svg.hashsalt": "nwbglm",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titleweight": "normal",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.formatter.useoffset": False,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "lines.linewidth": 1.1,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "image.interpolation": "nearest",
    "path.simplify": True,
    "text.parse_math": False,  # texts come from files: a `$` is a dollar
}

PATH = re.compile(r' d="[^"]*"')
DECIMALS = re.compile(r"(\.\d\d)\d+")


class NothingToDraw(Exception):
    """A figure does not apply to this session; the message says why, and is drawn in its place."""


@dataclass(frozen=True)
class Page:
    """What a figure is drawn for.

    Attributes
    ----------
    width
        Inches.
    font
        Points.
    columns
        Panels side by side, at most.
    tall
        What heights are multiplied by, at least.
    """

    width: float
    font: float
    columns: int
    tall: float


SCREEN = Page(9.0, 8.5, 5, 1.0)
_PAGE: ContextVar[Page] = ContextVar("page", default=SCREEN)


def page_of(millimetres: float) -> Page:
    """Return a printed page of this width: letters stay legible, so that a narrow one has fewer and taller panels."""
    width = millimetres / 25.4
    share = width / SCREEN.width
    return Page(width, float(np.clip(8.5 * share, 5.5, 8.5)), 5 if share > 0.6 else 2, float(max(share, 0.55)))


@contextmanager
def styled(page: Page | None = None) -> Iterator[None]:
    """Draw with this package's settings, whatever the user's are; for the page that is asked for, or the one in use."""
    token = _PAGE.set(page or _PAGE.get())
    scale = _PAGE.get().font / SCREEN.font
    sizes = {name: SETTINGS[name] * scale for name in ("font.size", "axes.titlesize", "lines.linewidth")}
    try:
        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(cast(Any, SETTINGS | sizes))  # the stubs want each setting by its literal name
            yield
    finally:
        _PAGE.reset(token)


def canvas(width: float, height: float) -> Figure:
    """Return an empty figure of so many inches on the screen; on a page as wide as there is room, and lower with it."""
    page = _PAGE.get()
    share = min(1.0, page.width / width)
    return Figure(figsize=(width * share, height * max(share, page.tall)))


def abreast(most: int) -> int:
    """Return how many entries of a legend stand beside each other, of so many on the screen."""
    return most if _PAGE.get().columns == SCREEN.columns else max(2, most // 2)


def page_of_lines(lines: int) -> tuple[Figure, Axes]:
    """Return a figure for so many lines of text, and its axes: from 0 to 1 across, a line high one, the first at -1."""
    figure = canvas(9, 0.205 * lines + 0.1)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0.01, 0.01, 0.98, 0.98))
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(lines - 1, -1))
    return figure, axes


def letters(points: float) -> float:
    """Return a size of letters, given for the screen, on the page in use."""
    return max(points * _PAGE.get().font / SCREEN.font, 5.0)


def line_styles(models: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return how each model's line looks: a colour, a dash and a sparse marker, so that grey print tells them apart.

    The constant model's name is grey and dotted; the others go by position.
    """
    styles: dict[str, dict[str, Any]] = {}
    position = 0
    for model in models:
        if model in ("constant", "null"):
            styles[model] = {"color": QUIET, "linestyle": (0, (1, 2.5))}
            continue
        styles[model] = {
            "color": COLORS[position % len(COLORS)],
            "linestyle": DASHES[position % len(DASHES)],
            "marker": MARKERS[position % len(MARKERS)],
            "markersize": 3.2,
            "markeredgewidth": 0,
            "markevery": (0.04 + 0.05 * (position % 5), 0.33),
        }
        position += 1
    return styles


def settled(figure: Figure) -> Figure:
    """Take the markers off lines without a single point: matplotlib cannot space them along nothing."""
    for line in figure.findobj(Line2D):
        assert isinstance(line, Line2D)
        if (
            line.get_markevery() is not None
            and not np.isfinite(np.asarray(line.get_xydata(), dtype=float)).all(axis=1).any()
        ):
            line.set_markevery(None)
    return figure


def marker_of(style: Mapping[str, Any]) -> str:
    """Return the marker of a model's points."""
    return str(style.get("marker", "o"))


def mark_clipped(axes: Axes, values: np.ndarray, limits: tuple[float, float]) -> tuple[int, int]:
    """Count the values that the axis hides, and say so at its upper and lower right corner; return both counts."""
    finite = values[~np.isnan(values)]
    slack = 1e-6 * abs(limits[1] - limits[0])  # what is no more than rounding is not hidden
    below, above = int((finite < limits[0] - slack).sum()), int((finite > limits[1] + slack).sum())
    for count, place, sign, align in ((above, 1.0, "▲", "top"), (below, 0.0, "▼", "bottom")):
        if count:
            axes.text(
                0.995, place, f"{sign} {count} beyond", transform=axes.transAxes, ha="right", va=align,
                fontsize=letters(6.5), color=INK, zorder=6,
            )  # fmt: skip
    return below, above


def grid(panels: int, columns: int, width: float = 9.0, height: float = 1.6) -> tuple[Figure, list[Axes]]:
    """Return a figure with so many panels, the last row's spare ones removed."""
    columns = max(1, min(columns, panels, _PAGE.get().columns))
    rows = -(-panels // columns)
    figure = canvas(width, max(2.4, height * rows))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for spare in axes[panels:]:
        spare.remove()
    return figure, list(axes[:panels])


def say(text: str) -> tuple[Figure, pd.DataFrame]:
    """Return a figure that says, in words, why there is nothing to see, and a table that says it too."""
    figure = canvas(7, 1.2)
    figure.text(0.02, 0.5, text, va="center", color=QUIET, wrap=True)
    return figure, pd.DataFrame({"message": [text]})


def svg_text(figure: Figure) -> str:
    """Return the figure as SVG: no date, fixed identifiers, text as text, coordinates to a hundredth of a point.

    Of a figure with very many marks these become pictures (`figures.light`).
    """
    text = _written(figure)
    if len(text) > HEAVY and rasterise(figure):
        text = fewer_colours(_written(figure, dpi=DPI))
    text = animate("\n".join(unhidden(line) for line in text.split("\n")))
    return PATH.sub(lambda path: DECIMALS.sub(r"\1", path[0]), text)


def _written(figure: Figure, **settings: Any) -> str:
    buffer = io.StringIO()
    with styled(), warnings.catch_warnings():
        # texts stay texts: whether this machine's font has a sign of a name says nothing of the reader's
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(buffer, format="svg", metadata={"Date": None}, **settings)
    return buffer.getvalue()


def csv_text(table: pd.DataFrame) -> str:
    """Return a table as CSV with seven significant digits; texts that a spreadsheet would run stay texts."""
    plain = table.copy()
    for place, (_, column) in enumerate(table.items()):
        if not pd.api.types.is_numeric_dtype(column.dtype):
            plain.isetitem(place, column.map(_harmless))
    plain.columns = [_harmless(name) for name in table.columns]
    return plain.to_csv(index=False, float_format="%.7g", lineterminator="\n")


def _harmless(cell: Any) -> Any:
    """Put an apostrophe before a text that a spreadsheet takes for a formula; a negative number stays one.

    A carriage return would end the row, and what follows would begin one: it becomes a line break inside of the cell.
    """
    if isinstance(cell, str):
        cell = cell.replace("\r\n", "\n").replace("\r", "\n")
    if not isinstance(cell, str) or not cell.lstrip("\n").startswith(FORMULA):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell if cell.startswith("-") else f"'{cell}"


def save(
    figure: Figure, table: pd.DataFrame, svg_path: str | os.PathLike[str], csv_path: str | os.PathLike[str]
) -> None:
    """Write a figure as SVG and its table as CSV, both or neither."""
    write_together({csv_path: csv_text(table), svg_path: svg_text(figure)})


def save_pdf(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure as PDF, fonts embedded as TrueType, no date: the same bytes for the same numbers."""
    buffer = io.BytesIO()
    with styled(), warnings.catch_warnings(), mpl.rc_context({"pdf.fonttype": 42}):
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(buffer, format="pdf", metadata={"CreationDate": None})
    write_together({path: buffer.getvalue()})


def shared_limits(groups: Iterable[np.ndarray], reach: float = 2.5) -> tuple[float, float]:
    """Return one scale for the panels of several units, which 0 is on and a few outlying units do not set.

    Each side goes as far as the farthest unit, but no farther than `reach` times the median unit.
    """
    known = [group[np.isfinite(group)] for group in groups]
    ends = []
    for side in (-1.0, 1.0):
        far = np.array([max(float((side * group).max()), 0.0) for group in known if group.size])
        typical = float(np.median(far[far > 0])) if (far > 0).any() else 0.0
        ends.append(side * min(float(far.max(initial=0.0)), reach * typical))
    low, high = ends
    margin = 0.08 * (high - low) or 1.0
    return low - margin, high + margin


def robust_limits(values: np.ndarray) -> tuple[float, float]:
    """Return limits for an axis of scores (bits per spike, pseudo-R2): one diverging fit must not flatten the others.

    The limits hold all values up to three times the median size (of what is not 0), at least 1 and at most 10: honest
    scores are of the order of 1, while a diverging fit has been seen to reach -5e35.
    """
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 0.0
    sizes = np.abs(finite)
    sizes = sizes[sizes > 1e-2] if (sizes > 1e-2).any() else sizes
    reach = float(np.clip(3 * np.median(sizes), 1.0, 10.0))
    return float(max(finite.min(), -reach)), float(min(finite.max(), reach))
