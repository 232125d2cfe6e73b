"""Whose mark it is: artists that carry a model's label say so in the SVG, so that a page may hide a model."""

from __future__ import annotations

from collections.abc import Iterable

from matplotlib.figure import Figure


def mark_models(figure: Figure, models: Iterable[str]) -> None:
    """Name the artists whose label is a model's (or begins with it and a bracket) by `model:NAME`."""
    names = list(models)
    for axes in figure.axes:
        for artist in (*axes.lines, *axes.collections, *axes.patches):
            label = str(artist.get_label()).partition(" (")[0]
            if label in names and artist.get_gid() is None:
                artist.set_gid(f"model:{label}")
