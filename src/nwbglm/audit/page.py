"""An audit as one HTML page that opens from disk, complete in itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import jinja2
from markupsafe import Markup, escape

from nwbglm.audit.timeline import draw_histogram, draw_timeline

if TYPE_CHECKING:
    from nwbglm.audit import Audit

ROWS = 400
"""Units listed in full; of more, the first."""


def number(value: Any, digits: int = 4) -> str:
    """Write a number briefly; a dash where there is none."""
    return "–" if value is None or value != value else f"{value:.{digits}g}"


def time(value: Any) -> str:
    """Write a time in seconds to the millisecond; a dash where there is none."""
    return "–" if value is None or value != value else f"{value:,.3f}".replace(",", "\u202f")


def shape(sizes: list[int]) -> str:
    """Write an array's shape."""
    return " × ".join(f"{size:,}".replace(",", "\u202f") for size in sizes)


def marked(text: str) -> Markup:
    """Set what stands in backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def audit_page(audit: Audit, pictures: str = "") -> str:
    """Return the page of an audit; `pictures` is SVG (see `draw_pictures`)."""
    from nwbglm.audit import WORDS

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("nwbglm.audit", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"number": number, "time": time, "shape": shape, "marked": marked}
    return environment.get_template("page.html.j2").render(
        audit=audit,
        words=WORDS[audit.verdict],
        timeline=draw_timeline(audit.contents, audit.takes),
        pictures=pictures,
        histogram=draw_histogram,
        units=_unit_rows(audit.contents, audit.takes),
        rows=ROWS,
    )


def _unit_rows(contents: dict[str, Any], takes: dict[str, Any]) -> list[dict[str, Any]]:
    """List the file's units: id, metadata, and what was measured where the study takes them."""
    units, taken = contents.get("units", {}), takes.get("units", {})
    measured = {unit: place for place, unit in enumerate(taken.get("ids", []))}
    rows = []
    for place, unit in enumerate(units.get("ids", [])[:ROWS]):
        mine = measured.get(unit)
        row = {"id": unit, "spikes": units["stored"][place], "taken": mine is not None}
        row["metadata"] = {name: values[place] for name, values in units["metadata"].items()}
        for name in ("rate", "presence_ratio", "refractory_violations"):
            row[name] = None if mine is None else taken[name][mine]
        rows.append(row)
    return rows
