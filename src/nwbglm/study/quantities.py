"""Quantities as a scientist writes them: ``10 ms``, ``0.8 s``, ``2 pi``, ``4 GB``.

A parser of our own, not pint: the Snakefile is parsed again by every job, pint costs a third of a second there, and a
study holds times, multiples of pi and sizes, nothing more. Every quantity is dumped as it would be written, so that
what a rule gets as a parameter can be validated again by its script.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

SECONDS = {"ns": "1e-9", "us": "1e-6", "µs": "1e-6", "ms": "1e-3", "s": "1", "min": "60", "h": "3600"}
BYTES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "MiB": 2**20, "GiB": 2**30}
LONGEST = 1e10
"""Seconds: 300 years, so that times counted from 1970 are times still."""
LARGEST = 1e15
"""Of a plain number: no stimulus, angle or count is further from 0."""
MOST_STORAGE = 10**15
"""Bytes."""
_QUANTITY = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,4})?)\s*([A-Za-zµ]*)\s*")


def _match(value: Any) -> re.Match | None:
    return _QUANTITY.fullmatch(value) if isinstance(value, str) and len(value) <= 60 else None


def parse_duration(value: Any) -> float:
    """Return the seconds of ``"10 ms"``; a bare number is refused, since its unit would be a guess."""
    match = _match(value)
    if match is None or match[2] not in SECONDS:
        units = ", ".join(unit for unit in SECONDS if unit != "µs")
        raise ValueError(f"{shown(value)} is not a duration: write a number and a unit ({units}), such as '10 ms'")
    seconds = float(Decimal(match[1]) * Decimal(SECONDS[match[2]]))
    if not abs(seconds) <= LONGEST:
        raise ValueError(f"{shown(value)} is out of range: a duration is at most {LONGEST:g} s")
    return seconds


def parse_size(value: Any) -> int:
    """Return the bytes of ``"4 GB"``; a bare number is refused, since its unit would be a guess."""
    match = _match(value)
    if match is None or match[2] not in BYTES:
        units = ", ".join(BYTES)
        raise ValueError(f"{shown(value)} is not a size: write a number and a unit ({units}), such as '4 GB'")
    size = Decimal(match[1]) * BYTES[match[2]]
    if not abs(size) <= MOST_STORAGE:  # before it is made whole: 1e999999999 has as many digits
        raise ValueError(f"{shown(value)} is out of range: a size is at most {MOST_STORAGE // 10**12} TB")
    return int(size)


def parse_number(value: Any) -> float:
    """Return a number that may be written as a multiple of pi (``"2 pi"``, ``"-pi"``)."""
    if isinstance(value, bool):
        raise ValueError(f"{shown(value)} is not a number")
    if isinstance(value, str):
        text = value.strip()
        if text in ("pi", "+pi", "-pi"):
            return -math.pi if text[0] == "-" else math.pi
        match = _match(text)
        if match is None or match[2] not in ("", "pi"):
            raise ValueError(
                f"{shown(value)} is not a number: write it plainly, or as a multiple of pi, such as '2 pi'"
            )
        value = float(match[1]) * (math.pi if match[2] else 1.0)
    if not isinstance(value, (int, float)):
        raise ValueError(f"{shown(value)} is not a number")
    if not abs(value) <= LARGEST:  # NaN is not, either
        raise ValueError(f"{shown(value)} is out of range: a number here lies within {LARGEST:g} of 0")
    return float(value)


def shown(value: Any) -> str:
    """Show a value as the study has it, the middle of a long one left out."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:40]} ... {text[-10:]}"


def write_duration(seconds: float) -> str:
    """Write seconds as the shortest text that reads back to the same number."""
    return f"{seconds!r} s"


def write_size(size: int) -> str:
    """Write bytes in the largest decimal unit of which they are a whole number."""
    unit = next(unit for unit in ("TB", "GB", "MB", "kB", "B") if size % BYTES[unit] == 0)
    return f"{size // BYTES[unit]} {unit}"


_TEXT_SCHEMA = {"type": "string", "examples": ["10 ms", "0.8 s", "3 min"]}
AnyDuration = Annotated[
    float, BeforeValidator(parse_duration), PlainSerializer(write_duration), WithJsonSchema(_TEXT_SCHEMA)
]
Duration = Annotated[AnyDuration, Field(gt=0)]
UnitId = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Size = Annotated[
    int,
    BeforeValidator(parse_size),
    PlainSerializer(write_size),
    WithJsonSchema({"type": "string", "examples": ["500 MB", "4 GB"]}),
    Field(gt=0),
]
Number = Annotated[
    float,
    BeforeValidator(parse_number),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": -LARGEST, "maximum": LARGEST},
                {"type": "string", "examples": ["2 pi"]},
            ]
        }
    ),
]
Level = Annotated[Number | Annotated[str, Field(min_length=1, max_length=200)], Field(union_mode="left_to_right")]
"""A value that is a label: a number where it reads as one, else a text."""
