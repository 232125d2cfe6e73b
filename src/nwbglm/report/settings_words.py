"""Settings that no sentence of the methods names: said all the same, by their keys, so that none is lost."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from nwbglm.study.base import Part

from .words import listed


def also(part: Part, said: Collection[str] = ()) -> str:
    """Return, in brackets, the settings of a part that differ from their defaults and that no sentence has said.

    Parameters
    ----------
    part
        A part of the study: a signal, an epoch, a basis, the folds ...
    said
        Names of the fields that the sentence before says, whatever their value.
    """
    rest = [name for name, field in type(part).model_fields.items() if name not in said and _differs(part, name, field)]
    words = [f"{_key(part, name)} {_value(part, name)}" for name in rest]
    return f" (with {listed(words)})" if words else ""


def _differs(part: Part, name: str, field: Any) -> bool:
    value = getattr(part, name)
    return field.is_required() or value != field.get_default(call_default_factory=True)


def _key(part: Part, name: str) -> str:
    return type(part).model_fields[name].alias or name


def _value(part: Part, name: str) -> str:
    """Write a setting as a study has it."""
    return _written(part.dump()[_key(part, name)])


def _written(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_written(one)}" for key, one in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_written, value)) + "]"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
