"""What all parts of the study share: frozen models, names, and errors that say where and what to do."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, Union

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from nwbglm.errors import StudyError

from .quantities import shown

NAME = r"[A-Za-z0-9][A-Za-z0-9_+-]*"
Name = Annotated[str, Field(pattern=f"^{NAME}$", max_length=100)]


MOST_SHOWN = 40
"""Names that a message lists."""
MOST_NAMED = 2000
"""Names among which the nearest is looked for."""
MOST_MISTAKES = 100
"""Mistakes that are listed at once."""


class Part(BaseModel):
    """A part of the study: immutable, and closed to keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)

    def dump(self) -> dict[str, Any]:
        """Return plain data (JSON) that validates back to an equal part."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    @property
    def changed(self) -> set[str]:
        """Names of the fields that differ from their defaults.

        Not pydantic's `model_fields_set`: a part that was dumped and read back has all its fields set.
        """
        return {name for name, field in type(self).model_fields.items() if getattr(self, name) != field.default}


class OneOf(Part):
    """A choice: exactly one key, which names the option and holds its settings.

    An option without settings may be written as its bare name: ``basis: identity``.
    """

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {value: {}}
        if isinstance(value, dict):
            return {key: {} if inner is None else inner for key, inner in value.items()}
        return value

    @model_validator(mode="after")
    def _exactly_one(self) -> OneOf:
        if len(self.model_fields_set) != 1:
            options = ", ".join(field.alias or name for name, field in type(self).model_fields.items())
            raise ValueError(f"name exactly one of: {options}")
        return self

    @property
    def kind(self) -> str:
        """The option's name."""
        return next(iter(self.model_fields_set))

    @property
    def settings(self) -> Any:
        """The option's settings."""
        return getattr(self, self.kind)


def _options(annotation: Any) -> list[Any]:
    """Unfold Annotated, Optional and Union into the plain types that a value may have."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        return _options(typing.get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [option for member in typing.get_args(annotation) for option in _options(member)]
    return [annotation]


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _known_names(root: Any, location: tuple) -> list[str]:
    """List the keys that the part at `location` knows."""
    here = _options(root)
    for key in location:
        there = []
        for option in here:
            if isinstance(option, type) and issubclass(option, BaseModel):
                if key in _fields(option):
                    there += _options(_fields(option)[key])
            elif arguments := typing.get_args(option):
                there += _options(arguments[-1] if typing.get_origin(option) is dict else arguments[0])
        here = there
    return sorted(
        {
            name
            for option in here
            if isinstance(option, type) and issubclass(option, BaseModel)
            for name in _fields(option)
        }
    )


def nearest(name: str, known: typing.Iterable[str]) -> str:
    """Say which of the known names was probably meant, and list them all."""
    known = sorted(known)
    close = difflib.get_close_matches(name[:100], known[:MOST_NAMED], n=1, cutoff=0.6)
    hint = f"did you mean '{close[0]}'? " if close else ""
    more = f", and {len(known) - MOST_SHOWN} more" if len(known) > MOST_SHOWN else ""
    return f"{hint}known here: {', '.join(known[:MOST_SHOWN]) or 'nothing'}{more}"


def text_keys(value: Any, path: str = "") -> tuple[Any, list[str]]:
    """Leave out the keys that YAML did not read as text (``null``, ``on``, ``140313``), with a line for each."""
    if isinstance(value, (list, tuple)):
        pairs = [text_keys(inner, f"{path}[{i}]") for i, inner in enumerate(value)]
        return [inner for inner, _ in pairs], [line for _, lines in pairs for line in lines]
    if isinstance(value, bytes):
        return "", [f"{path}: YAML reads this as bytes (!!binary), not as text; write it out"]
    if not isinstance(value, dict):
        return value, []
    kept, lines = {}, []
    for key, inner in value.items():
        here = f"{path}.{key}".lstrip(".")
        if isinstance(key, str):
            kept[key], below = text_keys(inner, here)
            lines += below
        else:
            lines.append(
                f"{here}: YAML reads this name as {type(key).__name__} {key!r}, not as text; write it in quotes"
            )
    return kept, lines


def _path(location: tuple) -> str:
    path = ""
    for key in location:
        path += f"[{key}]" if isinstance(key, int) else f".{key}"
    return path.lstrip(".") or "study"


def describe(error: ValidationError, root: type[BaseModel]) -> list[str]:
    """Turn a pydantic error into one line a mistake: its path, what is wrong, what to do."""
    lines = []
    for item in error.errors():
        location = tuple(item["loc"])
        if item["type"] == "extra_forbidden":
            text = f"unknown key; {nearest(str(location[-1]), _known_names(root, location[:-1]))}"
        elif item["type"] == "missing":
            text = "this is needed, and not there"
        elif item["type"] == "string_pattern_mismatch":
            text = (
                f"{shown(item['input'])} is no name: use letters, digits, '_', '+', '-'; begin with a letter or digit"
            )
        elif item["type"] == "value_error":
            text = str(item["ctx"]["error"])
            if not location:  # of the whole study: each line names its own place
                lines += text.split("\n")
                continue
        else:
            text = f"{item['msg']} (got {shown(item['input'])})"
        if location and location[-1] == "[key]":
            location = location[:-1]
        lines.append(f"{_path(location)}: {text}")
    return lines


def validate(root: type[Part], value: Any, where: str, also: Callable[[Any], list[str]] = lambda _: []) -> Any:
    """Validate plain data; one `StudyError` reports every mistake, those that `also` finds included."""
    value, lines = text_keys(value)
    part = None
    try:
        part = root.model_validate(value)
    except ValidationError as error:
        lines += describe(error, root)
    lines += also(value)
    if part is None or lines:
        raise mistakes_error(lines, where)
    return part


def mistakes_error(lines: list[str], where: str) -> StudyError:
    """Make one error of all mistakes in a study."""
    count = "1 mistake" if len(lines) == 1 else f"{len(lines)} mistakes"
    listed = [f"  {line}" for line in lines[:MOST_MISTAKES]]
    if len(lines) > MOST_MISTAKES:
        listed.append(f"  ... and {len(lines) - MOST_MISTAKES} more")
    return StudyError(f"{count} in the study\n" + "\n".join(listed), where=where)
