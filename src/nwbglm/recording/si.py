"""Convert between the units that NWB files write out: `amperes` to `pA`, `m` to `cm`, `radians` to `degrees`."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

# fmt: off
PREFIXES = {
    "f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "m": 1e-3, "c": 1e-2, "d": 1e-1,
    "k": 1e3, "M": 1e6, "G": 1e9, "femto": 1e-15, "pico": 1e-12, "nano": 1e-9, "micro": 1e-6, "milli": 1e-3,
    "centi": 1e-2, "kilo": 1e3, "mega": 1e6, "giga": 1e9,
}
SYMBOLS = {
    "A": ("current", 1.0), "V": ("voltage", 1.0), "m": ("length", 1.0), "s": ("time", 1.0),
    "Hz": ("frequency", 1.0), "rad": ("angle", 1.0), "S": ("conductance", 1.0), "Pa": ("pressure", 1.0),
    "T": ("field", 1.0), "g": ("mass", 1e-3),
}
WORDS = {
    "ampere": "A", "amp": "A", "volt": "V", "meter": "m", "metre": "m", "second": "s", "sec": "s", "hertz": "Hz",
    "radian": "rad", "siemen": "S", "siemens": "S", "pascal": "Pa", "tesla": "T", "gram": "g",
}
SPECIAL = {
    "deg": ("angle", math.pi / 180), "degree": ("angle", math.pi / 180), "°": ("angle", math.pi / 180),
    "percent": ("ratio", 0.01), "%": ("ratio", 0.01), "min": ("time", 60.0), "minute": ("time", 60.0),
    "h": ("time", 3600.0), "hour": ("time", 3600.0), "pixel": ("pixel", 1.0), "px": ("pixel", 1.0),
    "au": ("arbitrary", 1.0), "a.u.": ("arbitrary", 1.0), "inch": ("length", 0.0254), "mile": ("length", 1609.344),
}
# fmt: on


class Unit(NamedTuple):
    """A unit: how many SI units it is worth, and of what."""

    factor: float
    dimensions: tuple[tuple[str, int], ...]


def parse(text: str) -> Unit | None:
    """Read a unit such as ``pA``, ``cm/s``, ``m s^-1`` or ``microvolts``; None where it cannot be read."""
    text = text.strip().replace("**", "^").replace("·", "*").replace(" per ", "/")
    factor, sign = 1.0, 1
    powers: dict[str, int] = {}
    for token in re.split(r"([/*\s])", text):
        if token == "/":
            sign = -1
        if not token.strip("/* "):
            continue
        match = re.fullmatch(r"([^\d^\-]+?)\^?(-?\d+)?", token)
        known = _atom(match[1]) if match else None
        if match is None or known is None:
            return None
        power = sign * int(match[2] or 1)
        dimension, worth = known
        factor *= worth**power
        powers[dimension] = powers.get(dimension, 0) + power
    if not powers:
        return None
    return Unit(factor, tuple(sorted((name, power) for name, power in powers.items() if power)))


def _atom(text: str) -> tuple[str, float] | None:
    for form in (text, text.removesuffix("s")) if len(text) > 2 else (text,):
        if form in SPECIAL or form.lower() in SPECIAL:
            return SPECIAL.get(form) or SPECIAL[form.lower()]
        if (base := _base(form)) is not None:
            return base
        for prefix in sorted(PREFIXES, key=len, reverse=True):
            rest = form[len(prefix) :]
            short = len(prefix) == 1
            if form.startswith(prefix) and rest and (base := _base(rest, words=not short, symbols=short)):
                return base[0], base[1] * PREFIXES[prefix]
            if not short and form.lower().startswith(prefix) and (base := _base(rest, words=True, symbols=False)):
                return base[0], base[1] * PREFIXES[prefix]
    return None


def _base(text: str, words: bool = True, symbols: bool = True) -> tuple[str, float] | None:
    if symbols and text in SYMBOLS:
        return SYMBOLS[text]
    if words and text.lower() in WORDS:
        return SYMBOLS[WORDS[text.lower()]]
    return None


def factor(found: str, wanted: str) -> float | None:
    """Say by what to multiply values in `found` to have them in `wanted`; None where they do not convert."""
    if found.strip() == wanted.strip():
        return 1.0
    one, other = parse(found), parse(wanted)
    if one is None or other is None or one.dimensions != other.dimensions:
        return None
    ratio = one.factor / other.factor
    exact = round(ratio)
    power = 10.0 ** round(math.log10(ratio))
    for tidy in (power, float(exact)):
        if tidy and math.isclose(ratio, tidy, rel_tol=1e-12):
            return tidy
    return ratio
