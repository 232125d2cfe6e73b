"""The page of what differs between two runs of a study: when, where, at what cost."""

from __future__ import annotations

import pandas as pd

from .markup import html_table
from .render import Renderer
from .sources import Sources


def benchmarks_page(renderer: Renderer, known: Sources) -> str:
    """Write the page."""
    costs = html_table(pd.DataFrame(known.run.get("costs", [])), caption="What each stage cost")
    return renderer.page("benchmarks.html.j2", run=known.run, costs=costs)
