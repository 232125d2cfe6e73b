"""A draft as the text of a study file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from .draft import Draft, Entry, duration

PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./+-]*( [A-Za-z0-9_./+-]+)*")
WORDS = {"on", "off", "yes", "no", "true", "false", "null", "none"}
"""Texts that YAML reads as something else (`none` is spared, for the eye)."""
WIDTH = 100
"""Characters of a line, where it can be helped."""


def page(draft: Draft, *, session: str, path: str) -> str:
    """Write a draft as a study file."""
    lines = [*(line for said in draft.head for line in _commented(said, "")), f"study: {scalar(f'{session}-first')}"]
    lines += ["description: >", "  A first study, made by nwbglm new: say here what is asked.", ""]
    lines += ["recordings:", f"  {session}: {{nwb: {scalar(path)}}}", ""]
    lines += ["epochs:", *_commented(draft.use.why), f"  use: {flow(draft.use.value)}", ""]
    lines += [f"bin: {duration(draft.bin)}", ""]
    if draft.response is not None:
        lines += [*_commented(draft.response.why, ""), f"response: {flow(draft.response.value)}", ""]
    if draft.units is not None:
        lines += _commented(draft.units.why, "")
        lines += [f"units: {flow(draft.units.value)}", ""] if draft.units.value else [""]
    for key in ("signals", "tuning", "maps", "terms"):
        lines += _section(key, getattr(draft, key))
    lines += _section("models", draft.models)
    lines += ["fit:", *(f"  {key}: {flow(value)}" for key, value in draft.fit.items()), ""]
    lines += [
        "figures:",
        f"  window: {{start: {duration(draft.start)}, length: {duration(draft.window)}}}",
    ]
    return "\n".join(lines) + "\n"


def _section(key: str, entries: Mapping[str, Entry]) -> Iterator[str]:
    if not entries:
        return
    yield f"{key}:" if any(not entry.off for entry in entries.values()) else f"# {key}:"
    for name, entry in entries.items():
        yield from _commented(entry.why)
        yield f"  {'# ' if entry.off else ''}{name}: {flow(entry.value)}"
    yield ""


def _commented(why: str, indent: str = "  ") -> Iterator[str]:
    line = ""
    for word in why.split():
        if len(line) + len(word) > WIDTH:
            yield f"{indent}# {line}"
            line = ""
        line = f"{line} {word}".strip()
    if line:
        yield f"{indent}# {line}"


def flow(value: Any) -> str:
    """Write plain data on one line of YAML."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(str(key))}: {flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow(inner) for inner in value) + "]"
    return scalar(value)


def scalar(value: Any) -> str:
    """Write a number or text in YAML; in quotes where it needs them."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:.10g}"
    text = str(value)
    plain = PLAIN.fullmatch(text) and (text.lower() not in WORDS or text == "none")
    quantity = re.fullmatch(r"-?[0-9.]+ (ns|us|ms|s|min|h|pi)", text)
    return text if plain or quantity else json.dumps(text, ensure_ascii=False)
