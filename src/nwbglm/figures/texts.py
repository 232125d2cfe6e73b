"""Texts from files as figures show them: one line, no longer than there is room for, nothing that is not seen."""

from __future__ import annotations

import re

LONG = 32
"""Characters of a name from a file that a figure has room for."""

UNSEEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\ufffe\uffff]"
)
"""Control characters, and those that turn or hide what stands around them."""


def shown(text: object, most: int = LONG) -> str:
    """Return a text from a file for a label: what is not seen as its code, the middle of long ones left out."""
    line = unhidden(str(text))
    if len(line) <= most:
        return line
    half = (most - 1) // 2
    return f"{line[:half]}…{line[-half:]}"


def unhidden(text: str) -> str:
    """Write the characters that are not seen, or turn those around them, as their codes."""
    return UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
