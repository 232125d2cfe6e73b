"""Drawings inside pages: a figure's SVG made small and safe to stand beside others."""

from __future__ import annotations

import re
from itertools import count

from markupsafe import Markup, escape

NOISE = re.compile(r"<metadata>.*?</metadata>|<!--.*?-->", re.DOTALL)
IDENTIFIER = re.compile(r' id="([^"]*)"')
PATH = re.compile(r' d="([^"]*)"')
STYLE = re.compile(r' style="([^"]*)"')
PLACE = re.compile(r' (x|y)="(-?\d+\.\d+)"')
NUMBER = re.compile(r"-?\d+\.\d+")
COMMAND = re.compile(r"\s*([A-Za-z])\s*")
UPRIGHT = re.compile(r' transform="rotate\(-?0(?:\.0+)? [^)]*\)"')
"""A turn by nothing, which matplotlib gives every text."""
BARE_GROUP = re.compile(r"<g>((?:(?!</?g[ >]).)*)</g>", re.DOTALL)
MODEL = "model:"
"""How the identifier of an artist begins that belongs to one model (`figures.style`)."""


def model_class(model: str) -> str:
    """Return the class that all marks of a model have in a page."""
    return "m-" + re.sub(r"[^A-Za-z0-9]", lambda found: f"_{ord(found[0]):x}_", model)


def inline_svg(svg: str, prefix: str, label: str) -> Markup:
    """Make an SVG file's text fit to stand in a page: small, no prolog, its own identifiers, a label for readers.

    Coordinates are kept to a tenth of a point, styles that repeat become classes, and identifiers that nothing refers
    to go: half the size, the same picture. Marks of one model get a class by which a page may hide them.

    Parameters
    ----------
    svg
        The text of a file that matplotlib wrote.
    prefix
        What keeps its identifiers and classes apart from those of the other figures of the page.
    label
        Read aloud in its place.
    """
    start = svg.find("<svg")
    body = NOISE.sub("", svg[start:].strip() if start >= 0 else svg)
    safe = re.sub(r"[^A-Za-z0-9_-]", "_", prefix)
    found = dict.fromkeys([*re.findall(r"url\(#([^)]+)\)", body), *re.findall(r'href="#([^"]+)"', body)])
    used = {name: f"{safe}-{place}" for place, name in enumerate(found)}

    def identify(found: re.Match[str]) -> str:
        if found[1] in used:
            return f' id="{used[found[1]]}"'
        return f' class="{model_class(found[1].removeprefix(MODEL))}"' if found[1].startswith(MODEL) else ""

    body = IDENTIFIER.sub(identify, body)
    body = re.sub(r"url\(#([^)]+)\)", lambda at: f"url(#{used[at[1]]})", body)
    body = re.sub(r'href="#([^"]+)"', lambda at: f'href="#{used[at[1]]}"', body)
    body = UPRIGHT.sub("", body)
    body = PATH.sub(lambda found: f' d="{COMMAND.sub(_command, NUMBER.sub(_tenth, found[1])).strip()}"', body)
    body = PLACE.sub(lambda found: f' {found[1]}="{float(found[2]):.2f}"', body)
    body, css = _classes(body, safe)
    body = re.sub(r">\s+<", "><", body)
    before = ""
    while before != body:
        before, body = body, BARE_GROUP.sub(r"\1", body)
    opening = f'<svg role="img" aria-label="{escape(label)}"'
    body = body.replace("<svg", opening, 1)
    return Markup(re.sub(r"(<svg[^>]*>)", lambda found: f"{found[1]}<style>{css}</style>", body, count=1))


def _tenth(found: re.Match[str]) -> str:
    text = f"{float(found[0]):.1f}"
    return text.removesuffix(".0") if text != "-0.0" else "0"


def _command(found: re.Match[str]) -> str:
    return found[1]


def _classes(body: str, prefix: str) -> tuple[str, str]:
    """Turn styles into classes; return the drawing and the rules."""
    names: dict[str, str] = {}
    numbers = count()

    def name(found: re.Match[str]) -> str:
        style = found[1]
        if "url(" in style:
            return found[0]
        if style not in names:
            names[style] = f"{prefix}-s{next(numbers)}"
        return f' class="{names[style]}"'

    body = STYLE.sub(name, body)
    rules = (f".{cls}{{{style.replace(': ', ':').replace('; ', ';')}}}" for style, cls in names.items())
    return body, "".join(rules)
