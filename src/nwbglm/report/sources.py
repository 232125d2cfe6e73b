"""What the report is built from, and small questions that several of its pages ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import pandas as pd
from markupsafe import Markup

from nwbglm.comparison import headline, primary, summarise_pairs
from nwbglm.figures import words_of
from nwbglm.figures.catalogue import FigureSpec
from nwbglm.study import Study

from . import paths
from .svg import inline_svg

SAME_TABLE = {
    "scores": "scores", "differences": "pairs", "volcano": "tests", "counts": "population",
    "preferences": "preferences", "controls": "controls",
}  # fmt: skip
"""Figures whose table is one of the comparison's: it is written once."""


class Drawn(NamedTuple):
    """A figure on a page."""

    name: str
    title: str
    caption: str
    svg: Markup
    table: str  # address of its table, relative to the page
    within: str  # the table's name inside an archive
    size: int  # bytes of a table that found no room in the report; 0 where it is there


@dataclass(frozen=True)
class Sources:
    """Tables, audits and facts by session, for all pages of a report."""

    study: Study
    tables: Mapping[str, pd.DataFrame]
    audits: Mapping[str, Mapping[str, Any]]
    overall_figures: Mapping[str, tuple[str, str]]
    provenance: Mapping[str, Mapping[str, Any]]
    lost: Mapping[str, Mapping[str, Any]]
    run: Mapping[str, Any]

    @cached_property
    def pair_summary(self) -> pd.DataFrame:
        """The paired differences over units and sessions, with their intervals."""
        return summarise_pairs(self.tables["pairs"], self.study.seed, levels=self.study.inference.levels)

    @cached_property
    def small(self) -> dict[str, dict[str, Any]]:
        """Folds, paths and calibration of each session, filled as the sessions' pages are made."""
        return {}

    @property
    def continuous(self) -> bool:
        """Whether the study explains a continuous response."""
        return self.study.response is not None

    def of_session(self, name: str, session: str) -> pd.DataFrame:
        """Return the rows of a table that are a session's."""
        table = self.tables[name]
        return table[table.session == session] if len(table) else table

    def reason(self, session: str) -> str:
        """Return why a session was left out; '' where it was not."""
        mine = self.of_session("sessions", session)
        if not len(mine):
            return "no results"
        return "" if bool(mine.included.iloc[0]) else str(mine.reason.iloc[0])

    def findings(self, recording: str) -> Sequence[Mapping[str, Any]]:
        """Return what the audit of a recording found."""
        return self.audits.get(recording, {}).get("findings", [])


def drawn(
    name: str,
    texts: tuple[str, str],
    registry: Mapping[str, FigureSpec],
    *,
    archive: str,
    root: str,
    continuous: bool,
    left: Mapping[str, int],
    prefix: str,
) -> Drawn:
    """Return a figure as a page shows it: its words, its drawing, and where its numbers are."""
    title, caption = words_of(name, registry, continuous=continuous)
    same = SAME_TABLE.get(name)
    table = paths.comparison_table(same) if same else archive
    within = f"{same or name}.csv"
    svg = inline_svg(texts[0], prefix=prefix, label=title)
    return Drawn(name, title, caption, svg, root + table, within, left.get(within, 0))


def score_words(known: Sources) -> tuple[str, str]:
    """Return what scores and responses are called: bits per spike, Hz."""
    scores = known.tables["scores"]
    label = primary(headline(scores)).label if len(scores) else ""
    response = known.study.response
    return label, "Hz" if response is None else response.units or "response"
