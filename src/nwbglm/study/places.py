"""Where a recording is, read from the study's plain data: all that stages need of it, which hang on content alone."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .patterns import expand_patterns


def place_of(config: Mapping[str, Any], recording: str, made: Iterable[str | os.PathLike[str]] = ()) -> str:
    """Return where a recording is: a file that the workflow made, the user's file, or its address.

    Parameters
    ----------
    config
        The study as plain data, found valid before.
    recording
        Its name.
    made
        Files that the workflow made, named after their recordings.
    """
    known = {Path(path).stem: str(path) for path in made}
    if recording in known:
        return known[recording]
    source = expand_patterns(dict(config["recordings"]))[recording]["nwb"]
    return str(source if isinstance(source, str) else source.get("path") or source["url"])
