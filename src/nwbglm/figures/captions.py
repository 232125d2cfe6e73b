"""Captions of figures as files, which Snakemake's own report (`snakemake --report`) wants.

`python -m nwbglm.figures.captions rules/captions` writes them from the catalogue; a test holds them equal.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from nwbglm.study import Study

from .catalogue import FIGURES, OVERALL, split_name, words_of

CONTINUOUS = "continuous"


def caption_file(name: str, *, overall: bool = False, continuous: bool = False) -> str:
    """Return the name of the file that holds a figure's caption."""
    family = split_name(name)[0]
    spec = (OVERALL if overall else FIGURES)[family]
    ending = f".{CONTINUOUS}" if continuous and spec.continuous is not None else ""
    return f"{'overall-' if overall else ''}{family}{ending}.rst"


def captions() -> dict[str, str]:
    """Return every caption (reStructuredText) by the name of its file."""
    found = {}
    for overall, registry in ((False, FIGURES), (True, OVERALL)):
        for family, spec in registry.items():
            found[caption_file(family, overall=overall)] = _escaped(spec.caption)
            if spec.continuous is not None:
                found[caption_file(family, overall=overall, continuous=True)] = _escaped(spec.continuous[1])
    return found


def in_report(study: Study, figure: str, *, overall: bool = False) -> dict[str, Any]:
    """Return how a figure stands in Snakemake's own report: its caption's file, category and heading."""
    continuous = study.response is not None
    title, _ = words_of(figure, OVERALL if overall else FIGURES, continuous=continuous)
    place = {"category": "All sessions"} if overall else {"category": "Sessions", "subcategory": "{session}"}
    caption = caption_file(figure, overall=overall, continuous=continuous)
    return {"caption": f"captions/{caption}", "labels": {"figure": title}} | place


def _escaped(text: str) -> str:
    """Let a caption be plain text in reStructuredText."""
    for sign in "\\*`|_":
        text = text.replace(sign, f"\\{sign}")
    return f"{text.strip()}\n"


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for old in folder.glob("*.rst"):
        old.unlink()
    for file, text in captions().items():
        (folder / file).write_text(text, encoding="utf-8")
