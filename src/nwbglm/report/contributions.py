"""The main figure: what each term adds to the rest, a dot a session, by any column of units or sessions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from markupsafe import Markup

from nwbglm.comparison import headline, primary
from nwbglm.scores import by_name

from .markup import number
from .sparks import label_at, ticks
from .text import plain

LEFT, RIGHT, ROW, TOP = 250, 470, 18, 22
"""Pixels: room for names, for values, for a row; and above the first."""
MOST_DOTS = 300
"""Dots of a row; of more, their density is drawn."""
LEVELS = range(2, 13)
"""Numbers of levels that a column may have to be worth a picture."""
MOST_TEXT = 40
"""Characters of a name that there is room for."""
NEVER = {"session", "unit", "notes", "best_model"}


class Row(NamedTuple):
    """One line of dots."""

    name: str
    values: np.ndarray  # one a session
    units: int
    estimate: float
    low: float
    high: float


def columns_of(units: pd.DataFrame) -> list[str]:
    """List the columns of the units table by which sessions or units fall into a few groups."""
    return [
        str(name)
        for name in units
        if name not in NEVER
        and not pd.api.types.is_float_dtype(units[name])
        and units[name].replace("", pd.NA).nunique() in LEVELS
    ]


def contribution_rows(
    pairs: pd.DataFrame, units: pd.DataFrame, shown: Sequence[Any], column: str = ""
) -> list[tuple[str, list[Row]]]:
    """Return, for each pair of models, a row for all units or for each level of a column.

    Parameters
    ----------
    pairs, units
        The comparison's tables.
    shown
        Lines of the summary of pairs (`answer.single_terms`).
    column
        One of `columns_of(units)`; '' for all units together.

    Returns
    -------
    list
        What is set off and its rows. A value is the median over a session's units (of that level).
    """
    rows = headline(pairs)
    score = primary(rows).name
    if column:
        rows = rows.drop(columns=column, errors="ignore")
        rows = rows.merge(units[["session", "unit", column]], how="left", on=["session", "unit"])
    out = []
    for line in shown:
        part = rows[(rows.model == line.model) & (rows.other == line.other)]
        title = f"{line.adds} (beside {line.other})"
        if not column:
            values = part.groupby("session", sort=False)[score].median().to_numpy(float)
            out.append((title, [Row("", values, len(part), line.estimate, line.low, line.high)]))
            continue
        groups = []
        for level, mine in part.groupby(column, sort=True):
            values = mine.groupby("session", sort=False)[score].median().to_numpy(float)
            groups.append(Row(str(level) or "(none)", values, len(mine), _mean(values), np.nan, np.nan))
        out.append((title, groups))
    return out


def _mean(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else np.nan


def contributions(pairs: pd.DataFrame, units: pd.DataFrame, shown: Sequence[Any]) -> list[tuple[str, Markup]]:
    """Draw the figure once for all units, and once by each column; return pairs of a column and its drawing."""
    if not shown:
        return []
    label = by_name(shown[0].score).label
    drawings = []
    for column in ("", *columns_of(units)):
        groups = contribution_rows(pairs, units, shown, column)
        drawings.append((column, draw(groups, label, f" by {column}" if column else "")))
    return drawings


def draw(groups: Sequence[tuple[str, Sequence[Row]]], label: str, by: str = "") -> Markup:
    """Draw rows of dots on one axis; what lies beyond it stands at its end with its number."""
    low, high = _limits(groups)
    scale = RIGHT / (high - low)
    parts, y = [], TOP
    for title, rows in groups:
        parts.append(_text(LEFT - 8, y + 4, title, "end"))
        for row in rows:
            if row.name:
                y += ROW
                parts.append(_text(LEFT - 8, y + 4, row.name, "end", "q"))
            parts += _row(row, y, low, high, scale)
        y += ROW + 8
    for tick in ticks(low, high):
        x = LEFT + (tick - low) * scale
        cls = "axis" if abs(tick) < 1e-12 else "grid"
        parts.insert(0, Markup('<path class="{}" d="M{:.1f} {}V{}"/>').format(cls, x, TOP - 12, y - 8))
        parts.append(_text(x, y + 4, number(float(f"{tick:.6g}"), 3), "middle", "q"))
    axis = f"difference in {label}, the median of each session"
    parts.append(label_at(LEFT + RIGHT / 2, y + 20, axis, "middle"))
    names = plain(f"What each term adds{by}: a dot a session, the bar their mean")
    return Markup('<svg class="own" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        LEFT + RIGHT + 150, y + 28, names, Markup("").join(parts)
    )


def _limits(groups: Sequence[tuple[str, Sequence[Row]]]) -> tuple[float, float]:
    """Return an axis that holds 0, every mean, and all but the outermost hundredth of the dots."""
    values = np.concatenate([row.values for _, rows in groups for row in rows] + [np.zeros(1)])
    finite = values[np.isfinite(values)]
    low, high = np.quantile(finite, [0.01, 0.99]) if finite.size > 100 else (finite.min(), finite.max())
    means = [v for _, rows in groups for row in rows for v in (row.estimate, row.low, row.high) if np.isfinite(v)]
    reach = 3 * float(np.median(np.abs(means))) if means else 1.0
    low, high = max(low, -10 * reach or -1), min(high, 10 * reach or 1)  # one diverging session flattens nothing
    low, high = min(low, 0.0, *means), max(high, 0.0, *means)
    margin = 0.04 * (high - low) or 1.0
    return float(low - margin), float(high + margin)


def _row(row: Row, y: float, low: float, high: float, scale: float) -> Iterator[Markup]:
    values = row.values[~np.isnan(row.values)]
    x = LEFT + (np.clip(values, low, high) - low) * scale
    if len(values) > MOST_DOTS:
        counts, edges = np.histogram(x, bins=80, range=(LEFT, LEFT + RIGHT))
        heights = 7 * counts / max(counts.max(), 1)
        middle = (edges[:-1] + edges[1:]) / 2
        upper = "".join(f"L{a:.1f} {y - h:.1f}" for a, h in zip(middle, heights, strict=True))
        lower = "".join(f"L{a:.1f} {y + h:.1f}" for a, h in zip(middle[::-1], heights[::-1], strict=True))
        yield Markup('<path class="band" d="M{:.1f} {}{}{}Z"/>').format(middle[0], y, upper, lower)
    else:
        spread = np.linspace(-4, 4, len(x)) if len(x) > 1 else np.zeros(len(x))
        yield Markup("").join(
            Markup('<circle class="dot" r="2.6" cx="{:.1f}" cy="{:.1f}"/>').format(a, y + b)
            for a, b in zip(x, spread, strict=True)
        )
    if np.isfinite(row.estimate):
        at = LEFT + (min(max(row.estimate, low), high) - low) * scale
        yield Markup('<path class="bar" d="M{:.1f} {}v14"/>').format(at, y - 7)
    if np.isfinite(row.low):
        a, b = (LEFT + (min(max(v, low), high) - low) * scale for v in (row.low, row.high))
        yield Markup('<path class="bar" d="M{:.1f} {}H{:.1f}"/>').format(a, y + 9, b)
    beyond = int(((values < low) | (values > high)).sum())
    words = f"{len(values)} session{'s' if len(values) != 1 else ''}, {row.units} unit{'s' if row.units != 1 else ''}"
    yield _text(LEFT + RIGHT + 6, y + 4, words + (f", {beyond} beyond" if beyond else ""), "start", "q")


def _text(x: float, y: float, text: str, anchor: str, cls: str = "") -> Markup:
    return label_at(x, y, text if len(text) <= MOST_TEXT else text[: MOST_TEXT - 2] + "…", anchor, cls)


def contribution_table(pairs: pd.DataFrame, units: pd.DataFrame, shown: Sequence[Any]) -> pd.DataFrame:
    """Return the numbers of the figure: a line a row of dots."""
    return pd.DataFrame(
        [
            {
                "by": column,
                "of": title,
                "level": row.name,
                "sessions": int(np.isfinite(row.values).sum()),
                "units": row.units,
                "mean_of_medians": row.estimate,
                "low": row.low,
                "high": row.high,
            }
            for column in ("", *columns_of(units))
            for title, rows in contribution_rows(pairs, units, shown, column)
            for row in rows
        ]
    )
