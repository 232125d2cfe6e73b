"""What the report asks of the stores of each session: read one after the other, so that few are open at once."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

from nwbglm import store


def session_facts(
    binned: Iterable[str | os.PathLike[str]], folds: Iterable[str | os.PathLike[str]]
) -> dict[str, dict[str, Any]]:
    """Return, by session, where its numbers come from (`provenance`) and what its terms cost (`lost`)."""
    provenance: dict[str, Any] = {}
    lost: dict[str, Any] = {}
    for path in binned:
        try:
            with store.read(path) as dataset:
                provenance[dataset.attrs["session"]] = store.provenance(dataset)
        except store.Excluded:  # its reason stands in the table of sessions
            continue
    for path in folds:
        try:
            with store.read(path) as dataset:
                lost[dataset.attrs["session"]] = json.loads(dataset.attrs["lost"])
        except store.Excluded:
            continue
    return {"provenance": provenance, "lost": lost}
