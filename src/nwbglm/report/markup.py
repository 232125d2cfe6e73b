"""Small pieces of HTML: numbers and tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from .svg import inline_svg
from .text import plain, visible

__all__ = ["html_table", "inline_svg", "number"]

LONG = 40  # characters; longer texts are wrapped
MOST = 300
"""Rows of a table on a page; of longer ones the first, since every one stands in a table of the report's folder."""


def number(value: Any, digits: int = 4) -> str:
    """Write a value for a reader: four significant digits, a dash for what is unknown."""
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        value = float(value)
        if np.isnan(value):
            return "–"
        if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        return f"{value:.{digits}g}".replace("-", "−").replace("e−", "e-")
    return "–" if value is None or value is pd.NA else str(value)


def html_table(
    table: pd.DataFrame, raw: tuple[str, ...] = (), *, caption: str = "", most: int = MOST, whole: str = ""
) -> Markup:
    """Write a table; columns of numbers are aligned to the right; '' where it has no rows.

    Parameters
    ----------
    table
        What is shown.
    raw
        Columns that hold markup.
    caption
        What it is; shown above it.
    most
        Rows that are shown.
    whole
        The address of a file that holds all rows, named where not all are shown.
    """
    if not len(table):
        return Markup("")
    numeric = {name: pd.api.types.is_numeric_dtype(table[name]) for name in table}
    head = Markup("").join(
        Markup('<th scope="col"{}>{}</th>').format(_align(numeric[name]), visible(str(name))) for name in table.columns
    )
    lines = []
    for row in table.head(most).itertuples(index=False):
        cells = [_cell(value, numeric[name], name in raw) for name, value in zip(table.columns, row, strict=True)]
        lines.append(Markup("<tr>{}</tr>").format(Markup("").join(cells)))
    shown = Markup("<caption>{}</caption>").format(visible(caption)) if caption else Markup("")
    # the frame scrolls sideways on a phone, and can be reached by keyboard
    return Markup(
        '<div class="table" tabindex="0" role="region" aria-label="{}"><table>{}<thead><tr>{}</tr></thead>'
        "<tbody>{}</tbody></table></div>{}"
    ).format(plain(caption) or "table", shown, head, Markup("\n").join(lines), _rest(len(table), most, whole))


def _rest(rows: int, most: int, whole: str) -> Markup:
    """Say what is not shown, and where it is."""
    if rows <= most:
        return Markup("")
    where = Markup('; all are in <a href="{0}" download>{0}</a>').format(whole) if whole else Markup("")
    return Markup('<p class="quiet">The first {} of {} rows{}.</p>').format(most, rows, where)


def _cell(value: Any, numeric: bool, raw: bool) -> Markup:
    text = Markup(value) if raw else visible(number(value))
    attribute = Markup(' class="long"') if not raw and len(text) > LONG else _align(numeric)
    return Markup("<td{}>{}</td>").format(attribute, text)


def _align(numeric: bool) -> Markup:
    return Markup(' class="n"') if numeric else Markup("")
