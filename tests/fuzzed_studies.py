"""Expressions and studies that nobody would write, by the thousand, and what must hold of every one of them.

python tests/fuzzed_studies.py --expressions 30000 --studies 10000     # the long campaign (make torture)
"""

from __future__ import annotations

import argparse
import collections
import copy
import random
import sys
import time
from pathlib import Path

import numpy as np
import yaml

from nwbglm.errors import StudyError
from nwbglm.recording.select import names, select
from nwbglm.study import read_study
from nwbglm.study.loading import parse_yaml

COLUMNS = {
    "rate": np.array([1.0, 2.0, np.nan]),
    "location": np.array(["a", "b", "c"], dtype=object),
    "n": np.array([1, 2, 3]),
    "big": np.array([2**63 - 1, 0, -(2**63)]),
    "unsigned": np.array([2**64 - 1, 0, 1], dtype=np.uint64),
    "tags": [np.array(["x", "y"], dtype=object), np.array([], dtype=object), np.array(["z"], dtype=object)],
    "flag": np.array([True, False, True]),
    "codes": [np.array([1.0, 2.0]), np.array([]), np.array([3.0])],
    "mixed": np.array(["a", 1, None], dtype=object),
    "wide": np.zeros((3, 2)),
}
ATOMS = [
    *(list(COLUMNS) * 2),
    *(
        [
            "1",
            "2.5",
            "'a'",
            "''",
            "-1",
            "True",
            "None",
            "nan",
            "inf",
            "1j",
            "b'x'",
            "...",
            "[]",
            "[1]",
            "['a']",
            "(1,)",
            "{1}",
            "10**3",
            "rate.x",
            "1e308",
            "`rate`",
            "x",
        ]
    ),
    "[1, 'a']",
    "9" * 20,
    "'\\ud800'",
    "`no such`",
]
OPERATORS = ["==", "!=", "<", ">=", "in", "not in", "is", "+", "-", "*", "/", "%", "**", "//", "@", "<<", "and", "or"]
FUNCTIONS = ["isnan", "startswith", "contains", "abs", "len", "eval"]
SLOW = 1.0
"""CPU seconds; nothing takes a tenth of it."""


def expression(rng: random.Random, depth: int | None = None) -> str:
    """Make an expression, most often a wrong one."""
    depth = rng.randint(1, 4) if depth is None else depth
    kind = rng.random()
    if depth <= 0 or kind < 0.25:
        return rng.choice(ATOMS)
    inner = [expression(rng, depth - 1) for _ in range(2)]
    if kind < 0.75:
        return f"({inner[0]} {rng.choice(OPERATORS)} {inner[1]})"
    if kind < 0.85:
        return rng.choice(["not ", "-", "+", "~", "*", "lambda: "]) + inner[0]
    if kind < 0.95:
        return f"{rng.choice(FUNCTIONS)}({', '.join(inner[: rng.choice([1, 1, 2])])})"
    text = inner[0]
    at = rng.randrange(len(text) + 1)
    return text[:at] + rng.choice(["\x00", "'", "`", "(", ")", "\\", "\n", "é", ".", ",", ";", "#"]) + text[at:]


def try_expression(text: str) -> str:
    """Select by an expression; return what came of it. Anything but an answer or a StudyError is raised."""
    began = time.process_time()
    try:
        result = select(text, COLUMNS.__getitem__, COLUMNS, 3, where="units.where")
        assert result.shape == (3,) and result.dtype == bool
        assert names(text) <= {*COLUMNS, *(f"{column}.x" for column in COLUMNS)}
        outcome = "selects"
    except StudyError:
        outcome = "is refused"
    assert time.process_time() - began < SLOW, text
    return outcome


VALUES = [
    *[None, True, 0, 1, -1, 2, 3.5, -0.0, 1e300, 1e-300, float("nan"), float("inf"), 2**70, "", "x", "own spikes"],
    *[
        "10 ms",
        "-1 s",
        "1e400 s",
        "1e-9 s",
        "9e9 GB",
        "2 pi",
        "1e999999999 GB",
        "none",
        "auto",
        "**/*",
        "a/../b",
        "\x00",
    ],
    *["ü" * 200, [], {}, [[]], [1, 2, 3], ["use"], {"log": [1, 2, 10**9]}, {"log": ["a", None, []]}, {"a": {"b": 1}}],
    *["9**9**9 > 1", "rate > 1", b"bytes", {None: 1}, {1: 2}, [None], "=1+1", [["0 s", "1 s"]]],
]
KEYS = ["n", "of", "window", "table", "period", "blocks", "none", "product", "Ω", 7]
BYTES = [
    *[b"*a", b"&a ", b"[", b"}", b": ", b"<<: ", b"!!int ", b"\t", b"\xff", b"\x00", b"0x_", b"- ", b"? ", b"| ", b"%"],
    *[b"'", b"2020-99-99", b"!!python/name:os.system ", b"---\n"],
]


def mutated(config: dict, rng: random.Random) -> dict:
    """Change a study's plain data in one to four places."""
    config = copy.deepcopy(config)
    for _ in range(rng.randint(1, 4)):
        places = list(_places(config))
        holder, key = rng.choice(places)
        kind = rng.random()
        if kind < 0.55:
            holder[key] = copy.deepcopy(rng.choice(VALUES))
        elif kind < 0.7:
            del holder[key]
        elif kind < 0.85:
            other, there = rng.choice(places)
            value = copy.deepcopy(other[there]) if _holds(other, there) else None
            holder[key] = value
        elif isinstance(holder, dict):
            holder[rng.choice(KEYS)] = rng.choice(VALUES)
    return config


def _holds(holder, key) -> bool:
    return key in holder if isinstance(holder, dict) else key < len(holder)


def _places(value):
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(pairs):
        yield value, key
        yield from _places(inner)


def garbled(text: bytes, rng: random.Random) -> bytes:
    """Damage a study's text: bytes, lines, brackets, anchors."""
    for _ in range(rng.randint(1, 5)):
        lines = text.split(b"\n")
        at, kind = rng.randrange(len(lines)), rng.random()
        if kind < 0.25:
            lines.insert(rng.randrange(len(lines)), lines[at])
        elif kind < 0.4:
            del lines[at]
        elif kind < 0.6:
            column = rng.randrange(len(lines[at]) + 1)
            lines[at] = lines[at][:column] + rng.choice(BYTES) + lines[at][column:]
        else:
            spot = rng.randrange(max(len(text), 1))
            text = text[:spot] + bytes([rng.randrange(256)]) + text[spot + 1 :]
            continue
        text = b"\n".join(lines)
    return text


def try_study(config) -> str:
    """Read a study from plain data or from bytes; return what came of it."""
    began = time.process_time()
    try:
        study = read_study(parse_yaml(config, "study.yaml") if isinstance(config, bytes) else config, "study.yaml")
        assert read_study(study.dump(), "its dump") == study
        outcome = "valid"
    except StudyError as error:
        assert len(str(error)) < 20_000
        outcome = "is refused"
    assert time.process_time() - began < SLOW, config
    return outcome


def studies(folder: Path, rng: random.Random):
    """Yield mutated studies for ever, half of them as plain data, half as text."""
    texts = [path.read_bytes() for path in sorted(folder.glob("*.yaml"))]
    configs = [yaml.safe_load(text) for text in texts]
    while True:
        yield mutated(rng.choice(configs), rng)
        yield garbled(rng.choice(texts), rng)


def main() -> int:
    """Run the long campaign and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--expressions", type=int, default=30_000)
    parser.add_argument("--studies", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parsed = parser.parse_args()
    rng, failed = random.Random(parsed.seed), 0
    made = studies(Path(__file__).parents[1] / "config", rng)
    for what, count, make, act in (
        ("expressions", parsed.expressions, lambda: expression(rng), try_expression),
        ("studies", parsed.studies, lambda: next(made), try_study),
    ):
        outcomes: collections.Counter = collections.Counter()
        began = time.process_time()
        for _ in range(count):
            one = make()
            try:
                outcomes[act(one)] += 1
            except Exception as error:  # counted and shown: the campaign goes on
                outcomes[f"FAULT {type(error).__name__}: {str(error)[:80]}"] += 1
                failed += 1
                if failed <= 20:
                    print(repr(one)[:2000], "->", repr(error)[:300])
        print(f"{count} {what}, {time.process_time() - began:.1f} CPU s: {dict(outcomes)}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
