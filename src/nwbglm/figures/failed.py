"""Figures that cannot be drawn: a placeholder that says why, so that one never stops the others."""

from __future__ import annotations

import csv
import logging
import re
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from nwbglm.errors import StoreError

logger = logging.getLogger("nwbglm")
FURTHER = re.compile(r"\.(?:([\d.]+)mm\.pdf|gif)$")
"""How the names of a figure's further files end."""
COLUMN = "figure_failed"
"""The only column of the table beside a figure that failed."""


def draw_all(
    draw: Callable[[str], tuple[Any, Any]],
    names: Iterable[str],
    svg: Iterable[str],
    csv: Iterable[str],
    extras: Iterable[str] = (),
) -> None:
    """Draw figures and write them with their tables; one that fails becomes a placeholder that says why.

    Parameters
    ----------
    draw
        Returns a figure and its table by name.
    names, svg, csv
        The figures' names, and where each and its table go.
    extras
        Further files: ``NAME.85mm.pdf`` is the figure on a page of that width, ``NAME.gif`` its animation.

    Raises
    ------
    StoreError, OSError, MemoryError
        What is no fault of a figure: a damaged store, a full disk, too little memory.
    """
    from .motion import save_gif
    from .style import page_of, save, save_pdf, styled

    more: dict[str, list[str]] = {}
    for path in extras:
        more.setdefault(FURTHER.sub("", Path(path).name), []).append(path)
    for name, svg_path, csv_path in zip(names, svg, csv, strict=True):
        drawn = _or_placeholder(draw, name)
        save(*drawn, svg_path, csv_path)
        for path in more.get(name, []):
            if path.endswith(".gif"):
                save_gif(drawn[0], path)
                continue
            width = FURTHER.search(path)
            assert width is not None  # the names are the catalogue's
            with styled(page_of(float(width[1]))):
                save_pdf(_or_placeholder(draw, name)[0], path)


def _or_placeholder(draw: Callable[[str], tuple[Any, Any]], name: str) -> tuple[Any, Any]:
    """Return a figure and its table, or those that say why there are none."""
    from .style import say

    try:
        return draw(name)
    except (StoreError, OSError, MemoryError):
        raise
    except Exception as error:  # whatever it is: the other figures are worth having
        logger.error("figure %s: %s", name, traceback.format_exc())
        reason = f"{type(error).__name__}: {error}"
        figure, table = say(f"This figure could not be drawn ({reason[:200]}). The log of its job says where.")
        return figure, table.rename(columns={"message": COLUMN}).assign(**{COLUMN: reason})


def reason_of(path: Path) -> str:
    """Return why a figure failed, from its table; '' where it did not."""
    with path.open(encoding="utf-8", newline="") as stream:
        if stream.readline().strip() != COLUMN:
            return ""
        return " ".join(" ".join(row) for row in csv.reader(stream))
