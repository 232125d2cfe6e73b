"""Signals whose values are texts: on the bins each is a code, and an attribute says which text a code stands for.

Codes mean nothing beyond their own store: another recording may know other texts. So what is kept of a fit (bounds,
filters) are the texts, and codes are brought to them by `codes_in`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

LEVELS = "levels"
"""The attribute of a signal that lists the texts of its codes 0, 1, ... (JSON)."""
NONE = "(none)"
"""The level of bins without any row."""
EMPTY = "(empty)"
"""The level of rows whose text is empty."""


def put_levels(levels: Sequence[str]) -> dict[str, str]:
    """Return the attribute that names the codes of a signal."""
    return {LEVELS: json.dumps(list(levels))}


def levels_of(attrs: Mapping[Any, Any]) -> list[str]:
    """Return the texts of a signal's codes from its attributes; none where its values are numbers."""
    return json.loads(attrs.get(LEVELS, "[]"))


def as_level(value: float | str) -> str:
    """Return a level as a text, as a study may have written it: 2 and 2.0 are ``2``."""
    return value if isinstance(value, str) else f"{value:g}"


def codes_in(codes: np.ndarray, own: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    """Return the places in `wanted` of the texts that codes stand for; NaN for a text that is not among them.

    Parameters
    ----------
    codes
        (n,) float64, places in `own`; NaN where there is no value.
    own, wanted
        Texts.
    """
    place = {level: float(i) for i, level in enumerate(wanted)}
    table = np.array([place.get(level, np.nan) for level in own] + [np.nan])
    return table[np.where(np.isfinite(codes), codes, len(own)).astype(np.int64)]


def in_texts(values: np.ndarray, attrs: Mapping[Any, Any]) -> np.ndarray:
    """Return the codes of a signal as the texts that they stand for, '' where there is none; numbers as they are.

    Parameters
    ----------
    values
        (n,) of the signal.
    attrs
        Its attributes.
    """
    levels = np.array([*levels_of(attrs), ""], dtype=object)
    if len(levels) == 1:
        return values
    return levels[np.where(np.isfinite(values), values, -1).astype(np.int64)]
