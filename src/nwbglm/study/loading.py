"""From a study file's bytes to plain data: UTF-8, YAML with every name once, and budgets before any work.

PyYAML takes the last of two equal names in silence, unfolds aliases without bound and recurses as deep as the text
does. Here the text is read as a stream of events first, which cannot grow, and refused in words where it is too long,
too deep or too much.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from nwbglm.errors import StudyError

MOST_BYTES = 2**20
"""Of a study's text; the largest study we know has 20 kB."""
DEEPEST = 40
"""Levels of nesting; a study needs 8."""
MOST_VALUES = 50_000
"""Names and values together, aliases unfolded."""

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Values(yaml.constructor.SafeConstructor):
    """Makes values of nodes; a text that looks like a number or a date and is none (``0x_``) is said to be wrong."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError) as error:
            raise yaml.constructor.ConstructorError(None, None, f"not a value ({error})", node.start_mark) from error


def read_yaml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a study file as plain data.

    Raises
    ------
    StudyError
        If it cannot be read, is not UTF-8 or not YAML, holds a name twice, or is larger than a study can be.
    """
    return parse_yaml(_bytes(path), str(path))


def parse_yaml(raw: bytes, where: str) -> dict[str, Any]:
    """Read a study's bytes as plain data (see `read_yaml`)."""
    if len(raw) > MOST_BYTES:
        raise StudyError(
            f"is longer than {MOST_BYTES // 1024} kB",
            where=where,
            mend="name a study file; recordings by the hundred are one line, with a pattern such as data/*.nwb",
        )
    text = _decoded(raw, where)
    try:
        _refuse_large(text, where)
        node = yaml.compose(text, Loader=_Loader)
        if node is None:
            return {}
        _refuse_unfolded(node, where)
        _refuse_doubles(node, where)
        values = _Values().construct_document(node)
    except (yaml.YAMLError, RecursionError) as error:
        said = str(error) or "it leads round in a circle"
        raise StudyError(f"is not YAML: {said}", where=where, mend="mend the line that is named") from error
    if not isinstance(values, dict):
        raise StudyError(
            "is not a mapping of names to values", where=where, mend="begin from one of the studies in config/"
        )
    return values


def _bytes(path: str | os.PathLike[str]) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise StudyError(f"cannot be read ({said})", where=str(path), mend="check the path") from error


def _decoded(raw: bytes, where: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        begin = raw.rfind(b"\n", 0, error.start) + 1
        before = raw[begin : error.start].decode("utf-8", "replace")[-40:]
        raise StudyError(
            f"the study is not UTF-8: byte 0x{raw[error.start]:02x} in line {line}, after {before!r}",
            where=where,
            mend="save it as UTF-8 in your editor, or `iconv -f latin1 -t utf-8 OLD > NEW` if it is Latin-1",
        ) from error


def _refuse_large(text: str, where: str) -> None:
    """Count the text's own values and levels, as a stream: nothing is built."""
    depth = values = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.NodeEvent):
            values += 1
        line = 0 if event.start_mark is None else event.start_mark.line + 1
        if depth > DEEPEST:
            raise StudyError(
                f"line {line}: nested deeper than {DEEPEST} levels",
                where=where,
                mend="close the brackets of that line, or begin from one of the studies in config/",
            )
        if values > MOST_VALUES:
            raise _too_many(where, line)


def _too_many(where: str, line: int) -> StudyError:
    return StudyError(
        f"line {line}: more than {MOST_VALUES} names and values, those of aliases (*name) included",
        where=where,
        mend="write patterns (data/*.nwb) and paths of strengths (log: [first, last, count]) instead of long lists",
    )


def _refuse_unfolded(root: yaml.Node, where: str) -> None:
    """Count the values with aliases unfolded, each node once; refuse one that holds itself."""
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()
    stack: list[tuple[yaml.Node, bool]] = [(root, False)]
    while stack:
        node, done = stack.pop()
        if done:
            open_nodes.discard(id(node))
            sizes[id(node)] = 1 + sum(sizes[id(inner)] for inner in _inner(node))
            if sizes[id(node)] > MOST_VALUES:
                raise _too_many(where, node.start_mark.line + 1)
        elif id(node) in open_nodes:
            raise StudyError(
                f"line {node.start_mark.line + 1}: an alias (*name) stands inside what it names",
                where=where,
                mend="write the value out",
            )
        elif id(node) not in sizes:
            open_nodes.add(id(node))
            stack.append((node, True))
            stack += [(inner, False) for inner in _inner(node)]


def _inner(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def _refuse_doubles(root: yaml.Node, where: str) -> None:
    """Refuse names that stand twice, all of them at once, each with both lines."""
    lines, seen = [], set()
    stack: list[tuple[yaml.Node, str]] = [(root, "")]
    while stack:
        node, path = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            stack += [(inner, f"{path}[{i}]") for i, inner in enumerate(node.value)]
        elif isinstance(node, yaml.MappingNode):
            first: dict[tuple[str, str], int] = {}
            for key, value in node.value:
                line = key.start_mark.line + 1
                here = f"{path}.{key.value}".lstrip(".") if isinstance(key, yaml.ScalarNode) else path
                stack.append((value, here))
                if not isinstance(key, yaml.ScalarNode):
                    continue
                if (name := (key.tag, key.value)) in first:
                    lines.append((line, f"{here}: stands twice, in lines {first[name]} and {line}; keep one"))
                first.setdefault(name, line)
    if lines:
        count = "1 name stands" if len(lines) == 1 else f"{len(lines)} names stand"
        raise StudyError(
            f"{count} twice, and YAML would keep the last in silence\n"
            + "\n".join(f"  {line}" for _, line in sorted(lines)),
            where=where,
        )
