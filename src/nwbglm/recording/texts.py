"""One form for texts and numbers, whoever wrote them.

Writers store a text as fixed or variable length, as bytes, in a list of one, in other encodings than they say. What
reads a file asks here, and gets a `str`, a `float`, or nothing.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def as_text(value: Any) -> str:
    """Write any value as text: bytes as UTF-8 without padding, no character replaced, a list of one as its entry."""
    value = only(value)
    if value is None:
        return ""
    if isinstance(value, bytes | np.void):
        value = (value if isinstance(value, bytes) else value.tobytes()).rstrip(b"\0 ").decode("utf-8", "replace")
    # HDF5 hands on bytes that are no UTF-8 as lone surrogates, which no page can be written with.
    whole = str(value).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", whole)


def as_texts(value: Any) -> list[str]:
    """Write a list of values as texts; a single one as a list of one."""
    if value is None:
        return []
    if isinstance(value, list | tuple | np.ndarray):
        return [as_text(one) for one in np.ravel(np.asarray(value, dtype=object))]
    return [as_text(value)]


def as_number(value: Any) -> float | None:
    """Read a number; None where there is none (absent, or text that is no number)."""
    value = only(value)
    if value is None:
        return None
    try:
        return float(as_text(value)) if isinstance(value, str | bytes) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def only(value: Any) -> Any:
    """Take a list of one as its entry, however deep; numpy's scalars as Python's."""
    while isinstance(value, list | tuple | np.ndarray) and np.size(np.asarray(value, dtype=object)) == 1:
        value = np.ravel(np.asarray(value, dtype=object))[0]
    return value.item() if isinstance(value, np.generic) and not isinstance(value, np.void) else value
