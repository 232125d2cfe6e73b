"""Texts of a page: what files say is shown as it is, cannot act, and cannot change the words around it."""

from __future__ import annotations

import re
import unicodedata

from markupsafe import Markup, escape

RTL = re.compile(
    "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]+(?:[ .,\u00a0-]+[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]+)*"
)
"""A run of letters that are written from right to left."""
UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
"""What is not seen but changes how the text around it is read: controls, marks and overrides of direction."""


def visible(text: str) -> Markup:
    """Return a text for a page: markup escaped, controls named, letters written from right to left kept apart.

    A line break or a tab becomes its picture (``␊``), an override of direction its code (``⟨U+202E⟩``).
    """
    safe = escape(UNSEEN.sub(_named, str(text)))
    return Markup(RTL.sub(r"<bdi>\g<0></bdi>", str(safe))) if RTL.search(safe) else safe


def _named(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"⟨U+{code:04X}⟩"


def plain(text: str) -> str:
    """Return a text for a place that holds no markup (a title, an attribute): controls named."""
    return UNSEEN.sub(_named, unicodedata.normalize("NFC", str(text)))
