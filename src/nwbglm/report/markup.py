"""Small pieces of HTML: numbers, tables, and SVG that can stand in a page beside others."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup, escape

LONG = 40  # characters; longer texts are wrapped


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


def html_table(table: pd.DataFrame, raw: tuple[str, ...] = ()) -> Markup:
    """Write a table; columns of numbers are aligned to the right; '' where it has no rows."""
    if not len(table):
        return Markup("")
    numeric = {name: pd.api.types.is_numeric_dtype(table[name]) for name in table}
    head = Markup("").join(
        Markup('<th scope="col"{}>{}</th>').format(_align(numeric[name]), name) for name in table.columns
    )
    lines = []
    for row in table.itertuples(index=False):
        cells = [_cell(value, numeric[name], name in raw) for name, value in zip(table.columns, row, strict=True)]
        lines.append(Markup("<tr>{}</tr>").format(Markup("").join(cells)))
    # the frame scrolls sideways on a phone, and can be reached by keyboard
    return Markup(
        '<div class="table" tabindex="0" role="region" aria-label="table"><table><thead><tr>{}</tr></thead>'
        "<tbody>{}</tbody></table></div>"
    ).format(head, Markup("\n").join(lines))


def _cell(value: Any, numeric: bool, raw: bool) -> Markup:
    text = Markup(value) if raw else number(value)
    attribute = Markup(' class="long"') if not raw and len(text) > LONG else _align(numeric)
    return Markup("<td{}>{}</td>").format(attribute, text)


def _align(numeric: bool) -> Markup:
    return Markup(' class="n"') if numeric else Markup("")


def inline_svg(svg: str, prefix: str, label: str) -> Markup:
    """Make an SVG file's text fit to stand in a page: no prolog, its own identifiers, a label for screen readers."""
    start = svg.find("<svg")
    body = svg[start:].strip() if start >= 0 else svg
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    safe = re.sub(r"[^A-Za-z0-9_-]", "_", prefix)
    body = re.sub(r'\bid="([^"]+)"', rf'id="{safe}-\1"', body)
    body = re.sub(r"url\(#([^)]+)\)", rf"url(#{safe}-\1)", body)
    body = re.sub(r'href="#([^"]+)"', rf'href="#{safe}-\1"', body)
    return Markup(body.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1))
