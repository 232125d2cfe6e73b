"""Figures that cannot be drawn: a placeholder that says why, so that one never stops the others."""

from __future__ import annotations

import csv
import logging
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from nwbglm.errors import StoreError

logger = logging.getLogger("nwbglm")
COLUMN = "figure_failed"
"""The only column of the table beside a figure that failed."""


def draw_all(
    draw: Callable[[str], tuple[Any, Any]], names: Iterable[str], svg: Iterable[str], csv: Iterable[str]
) -> None:
    """Draw figures and write them with their tables; one that fails becomes a placeholder that says why.

    Parameters
    ----------
    draw
        Returns a figure and its table by name.
    names, svg, csv
        The figures' names, and where each and its table go.

    Raises
    ------
    StoreError, OSError, MemoryError
        What is no fault of a figure: a damaged store, a full disk, too little memory.
    """
    from .style import save, say

    for name, svg_path, csv_path in zip(names, svg, csv, strict=True):
        try:
            save(*draw(name), svg_path, csv_path)
        except (StoreError, OSError, MemoryError):
            raise
        except Exception as error:  # whatever it is: the other figures are worth having
            logger.error("figure %s: %s", name, traceback.format_exc())
            reason = f"{type(error).__name__}: {error}"
            figure, table = say(f"This figure could not be drawn ({reason[:200]}). The log of its job says where.")
            save(figure, table.rename(columns={"message": COLUMN}).assign(**{COLUMN: reason}), svg_path, csv_path)


def reason_of(path: Path) -> str:
    """Return why a figure failed, from its table; '' where it did not."""
    with path.open(encoding="utf-8", newline="") as stream:
        if stream.readline().strip() != COLUMN:
            return ""
        return " ".join(" ".join(row) for row in csv.reader(stream))
