"""The reference of the study file, written from the models' own descriptions."""

from __future__ import annotations

import typing
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from .base import OneOf, _options
from .quantities import parse_duration, parse_size, write_size
from .root import Study

HEAD = """# The study file

Made from the code by `nwbglm reference`. A study is one YAML file; `nwbglm check FILE` reads it and reports every
mistake at once. Durations and sizes carry their unit (`10 ms`, `0.8 s`, `3 min`; `4 GB`); circular ranges may be
multiples of pi (`2 pi`). A name of your own holds letters, digits, `_`, `+` and `-`.
"""


def reference_text() -> str:
    """Return the reference as Markdown: a table for each part, in the order in which a reader meets them."""
    parts: list[type[BaseModel]] = [Study]
    for part in parts:
        for field in part.model_fields.values():
            parts += [inner for inner in _parts(field.annotation) if inner not in parts]
    return "\n".join([HEAD, *(_section(part) for part in parts)])


def _parts(annotation: Any) -> list[type[BaseModel]]:
    """List the parts that a value of this type may hold."""
    found = []
    for option in _options(annotation):
        if isinstance(option, type) and issubclass(option, BaseModel):
            found.append(option)
        else:
            found += [part for inner in typing.get_args(option) for part in _parts(inner)]
    return found


def _section(part: type[BaseModel]) -> str:
    doc = " ".join((part.__doc__ or "").split())
    choice = " Exactly one of:" if issubclass(part, OneOf) else ""
    rows = [f"## {_title(part)}\n\n{doc}{choice}\n"]
    if part.model_fields:
        rows += ["| key | value | default | what |", "|---|---|---|---|"]
        rows += [_row(name, field, issubclass(part, OneOf)) for name, field in part.model_fields.items()]
    return "\n".join(rows) + "\n"


def _row(name: str, field: FieldInfo, choice: bool) -> str:
    what = (field.description or "").replace("|", "\\|")
    if choice and not what:
        what = " ".join((_parts(field.annotation)[0].__doc__ or "").split("\n")[0].split())
    return f"| `{field.alias or name}` | {_type(field)} | {_default(field)} | {what} |"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value = field.default
    if value is None or value in ("", {}, ()):
        return ""
    if isinstance(value, BaseModel):
        return "its defaults"
    quantity = _quantity(field.metadata)
    return f"`{value:g} s`" if quantity == "duration" else f"`{write_size(value) if quantity else value}`"


def _quantity(metadata: Sequence[Any]) -> str:
    """Return what kind of quantity a value is, or ''."""
    parsers = [getattr(item, "func", None) for item in metadata]
    return "duration" if parse_duration in parsers else "size" if parse_size in parsers else ""


def _type(field: FieldInfo) -> str:
    return _quantity(field.metadata) or _describe(field.annotation)


def _describe(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _quantity(arguments[1:]) or _describe(arguments[0])
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin is dict:
        return f"name: {_describe(arguments[1])}"
    if origin is tuple:
        inner = [_describe(item) for item in arguments if item is not Ellipsis]
        return f"list of {inner[0]}" if Ellipsis in arguments else f"[{', '.join(inner)}]"
    if arguments:
        return " or ".join(_describe(item) for item in arguments if item is not type(None))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{_title(annotation)}](#{_title(annotation).lower().replace(' ', '-')})"
    return {float: "number", int: "whole number", str: "text", bool: "true or false"}.get(annotation, str(annotation))


def _title(part: type[BaseModel]) -> str:
    return "".join(f" {letter}" if letter.isupper() else letter for letter in part.__name__).strip()
