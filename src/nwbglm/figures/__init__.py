"""Figures of a session and of a study: datasets in, a matplotlib figure and the table behind it out.

Importing this package is light (the Snakefile does): matplotlib is loaded when something is drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .catalogue import FIGURES, OVERALL, FigureSpec, figures_of, overall_figures_of, split_name, title_of, words_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = [
    "FIGURES",
    "OVERALL",
    "FigureSpec",
    "draw_overall",
    "draw_session",
    "figures_of",
    "overall_figures_of",
    "save",
    "split_name",
    "title_of",
    "words_of",
]


def draw_session(name: str, **stores: Any) -> tuple[Figure, pd.DataFrame]:
    """Draw one figure of a session; see `nwbglm.figures.session.draw_session`."""
    from .session import draw_session as draw

    return draw(name, **stores)


def draw_overall(name: str, **tables: Any) -> tuple[Figure, pd.DataFrame]:
    """Draw one figure over all sessions; see `nwbglm.figures.overall.draw_overall`."""
    from .overall import draw_overall as draw

    return draw(name, **tables)


def save(figure: Figure, table: pd.DataFrame, svg_path: Any, csv_path: Any) -> None:
    """Write a figure and the table behind it; see `nwbglm.figures.style.save`."""
    from .style import save as write

    write(figure, table, svg_path, csv_path)
