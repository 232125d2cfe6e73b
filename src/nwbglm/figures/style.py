"""How figures look, and how they are written: colour-blind safe, labelled, the same bytes for the same numbers."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nwbglm.whole import write_together

INK, QUIET, FAINT = "#1a1a1a", "#6b6b6b", "#c9c9c9"
# Okabe & Ito (2008), without the yellow that vanishes on white
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195", "#8C510A")
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (5, 1.2, 1.2, 1.2)))

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
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")  # no XML
DECIMALS = re.compile(r"(\.\d\d)\d+")


class NothingToDraw(Exception):
    """A figure does not apply to this session; the message says why, and is drawn in its place."""


@contextmanager
def styled() -> Iterator[None]:
    """Draw with this package's settings, whatever the user's are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(cast(Any, SETTINGS))  # the stubs want each setting by its literal name
        yield


def line_styles(models: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return colour and dash of each model: a grey for the constant model's name, else by position."""
    styles: dict[str, dict[str, Any]] = {}
    position = 0
    for model in models:
        if model in ("constant", "null"):
            styles[model] = {"color": QUIET, "linestyle": ":"}
            continue
        dash = DASHES[(position // len(COLORS)) % len(DASHES)]
        styles[model] = {"color": COLORS[position % len(COLORS)], "linestyle": dash}
        position += 1
    return styles


def grid(panels: int, columns: int, width: float = 9.0, height: float = 1.6) -> tuple[Figure, list[Axes]]:
    """Return a figure with so many panels, the last row's spare ones removed."""
    columns = max(1, min(columns, panels))
    rows = -(-panels // columns)
    figure = Figure(figsize=(width, max(2.4, height * rows)))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for spare in axes[panels:]:
        spare.remove()
    return figure, list(axes[:panels])


def say(text: str) -> tuple[Figure, pd.DataFrame]:
    """Return a figure that says, in words, why there is nothing to see, and a table that says it too."""
    figure = Figure(figsize=(7, 1.2))
    figure.text(0.02, 0.5, text, va="center", color=QUIET, wrap=True)
    return figure, pd.DataFrame({"message": [text]})


def svg_text(figure: Figure) -> str:
    """Return the figure as SVG: no date, fixed identifiers, text as text, coordinates to a hundredth of a point."""
    buffer = io.StringIO()
    with styled():
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = CONTROL.sub("\ufffd", buffer.getvalue())
    return PATH.sub(lambda path: DECIMALS.sub(r"\1", path[0]), text)


def csv_text(table: pd.DataFrame) -> str:
    """Return a table as CSV with seven significant digits; texts that a spreadsheet would run stay texts."""
    plain = table.copy()
    for place, (_, column) in enumerate(table.items()):
        if not pd.api.types.is_numeric_dtype(column.dtype):
            plain.isetitem(place, column.map(_harmless))
    plain.columns = [_harmless(name) for name in table.columns]
    return plain.to_csv(index=False, float_format="%.7g", lineterminator="\n")


def _harmless(cell: Any) -> Any:
    """Put an apostrophe before a text that a spreadsheet takes for a formula; a number written as text stays one."""
    if not isinstance(cell, str) or not cell.startswith(FORMULA):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def save(
    figure: Figure, table: pd.DataFrame, svg_path: str | os.PathLike[str], csv_path: str | os.PathLike[str]
) -> None:
    """Write a figure as SVG and its table as CSV, both or neither."""
    write_together({csv_path: csv_text(table), svg_path: svg_text(figure)})


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
