"""The language of ``where:``: what may be written, checked as the study is read, before any file is opened.

The words are Python's: ``and or not``, comparisons (chained too), ``in`` and ``not in`` a list, arithmetic, and the
functions of `FUNCTIONS`. A name is a column; ``region.column`` follows a reference; a name with blanks stands in
backticks. The text is parsed into Python's syntax tree, every node is held against the grammar below, and
`nwbglm.recording.select` computes it node by node: nothing of it is ever executed.
"""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator

from nwbglm.errors import StudyError

from .base import nearest
from .quantities import shown

LONGEST = 10_000
"""Characters of an expression."""
MOST_PARTS = 1000
"""Names, values and operations together."""
DEEPEST = 60
"""Operations within one another."""
LARGEST = 2**63
"""Whole numbers lie below this in size."""
FUNCTIONS = {"isnan": 1, "startswith": 2, "contains": 2, "abs": 1, "len": 1}
"""Functions, and how many arguments each takes."""
CONSTANTS = {"true": True, "false": False, "nan": float("nan"), "inf": float("inf")}
LOGIC = (ast.And, ast.Or)
COMPARISONS = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn)
ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Mod)
UNARY = (ast.Not, ast.USub)
# Texts stand first, so that a backtick inside of one stays what it is.
_TEXT_OR_QUOTED = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`([^`]+)`""", re.DOTALL)


@dataclass(frozen=True)
class Expression:
    """An expression that obeys the grammar.

    Parameters
    ----------
    text
        As it was written.
    tree
        Python's syntax tree.
    quoted
        Column names that stood in backticks, by the name that stands for each in the tree.
    where
        The field of the study, for errors.
    """

    text: str
    tree: ast.expr
    quoted: dict[str, str]
    where: str

    @property
    def names(self) -> set[str]:
        """The columns that the expression uses."""
        inner = {id(node.value) for node in ast.walk(self.tree) if isinstance(node, ast.Attribute)}
        called = {id(node.func) for node in ast.walk(self.tree) if isinstance(node, ast.Call)}
        found = {
            self.dotted(node)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Name | ast.Attribute) and id(node) not in inner | called
        }
        return found - set(CONSTANTS)

    def dotted(self, node: ast.expr) -> str:
        """Return the column that a node names."""
        if isinstance(node, ast.Name):
            return self.quoted.get(node.id, node.id)
        assert isinstance(node, ast.Attribute)  # `parse` lets nothing else stand here
        return f"{self.dotted(node.value)}.{node.attr}"

    def wrong(self, what: str, mend: str) -> StudyError:
        """Make an error about this expression."""
        return StudyError(f"the expression {shown(self.text)} {what}", where=self.where, mend=mend)


def parse(text: str, where: str = "") -> Expression:
    """Parse an expression and hold it against the grammar.

    Parameters
    ----------
    text
        The expression.
    where
        The field of the study, for errors.

    Raises
    ------
    StudyError
        If it is no expression of the language, or longer than one can be.
    """
    found = Expression(text, ast.Constant(None), {}, where)
    if len(text) > LONGEST:
        raise found.wrong(f"has {len(text)} characters, and at most {LONGEST} are read", _SHORTER)
    quoted: dict[str, str] = {}

    def stand_in(match: re.Match) -> str:
        if match[1] is None:
            return match[0]
        name = f"__quoted_{len(quoted)}"
        quoted[name] = match[1]
        return name

    plain = _TEXT_OR_QUOTED.sub(stand_in, text).strip()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's advice on its own syntax is not ours
            tree = ast.parse(plain, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError, OverflowError) as error:
        raise found.wrong("cannot be read", "write it like `location == 'adn' and rate > 1.0`") from error
    found = Expression(text, tree, quoted, where)
    _check_size(found)
    _check(found, tree)
    return found


_SHORTER = "write a list instead of many comparisons: `location in ['adn', 'postsub']`"


def _check_size(found: Expression) -> None:
    """Refuse what is too long or too deep, without recursion."""
    stack, parts = [(found.tree, 1)], 0
    while stack:
        node, depth = stack.pop()
        parts += 1
        if parts > MOST_PARTS or depth > DEEPEST:
            limit = f"more than {MOST_PARTS} parts" if parts > MOST_PARTS else f"more than {DEEPEST} levels"
            raise found.wrong(f"has {limit}", _SHORTER)
        stack += [(inner, depth + 1) for inner in ast.iter_child_nodes(node) if isinstance(inner, ast.expr)]


def _check(found: Expression, node: ast.expr, *, listed: bool = False) -> None:
    """Hold a node and all below it against the grammar; a list stands only where `listed`."""
    inner: list[ast.expr] = []
    if isinstance(node, ast.Constant):
        _check_value(found, node.value)
    elif isinstance(node, ast.Name):
        if node.id in FUNCTIONS:
            raise found.wrong(f"names the function {node.id} without its argument", f"write {node.id}(column)")
    elif isinstance(node, ast.Attribute):
        if not isinstance(node.value, ast.Name | ast.Attribute):
            raise found.wrong("uses a dot after something that is no column", "write `column.other`")
        inner = [node.value]
    elif isinstance(node, ast.List | ast.Tuple | ast.Set):
        if not listed:
            raise found.wrong("has a list where none can be", "lists stand after `in`: `location in ['adn', 'ca1']`")
        if not node.elts:
            raise found.wrong("asks `in` an empty list", "write at least one value")
        inner = list(node.elts)
    elif isinstance(node, ast.BoolOp):
        inner = list(node.values)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, UNARY):
        inner = [node.operand]
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ARITHMETIC):
        inner = [node.left, node.right]
    elif isinstance(node, ast.Compare):
        _check_comparison(found, node)
        return
    elif isinstance(node, ast.Call):
        inner = _arguments(found, node)
    else:
        kind = type(getattr(node, "op", node)).__name__
        mend = "use and, or, not, comparisons, in, the signs + - * / %, and " + ", ".join(FUNCTIONS)
        raise found.wrong(f"uses {kind}, which is not part of the language", mend)
    for one in inner:
        _check(found, one)


def _check_value(found: Expression, value: object) -> None:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= LARGEST:
        raise found.wrong("has a number of more than 18 digits", "write it with a power of ten, such as 1e20")
    if not isinstance(value, bool | int | float | str):
        raise found.wrong(
            f"has the value {value!r}, which no column holds", "use numbers, 'texts', true, false, nan, inf"
        )


def _check_comparison(found: Expression, node: ast.Compare) -> None:
    _check(found, node.left)
    for symbol, target in zip(node.ops, node.comparators, strict=True):
        if not isinstance(symbol, COMPARISONS):
            raise found.wrong("uses `is`, which is not part of the language", "use == or !=")
        _check(found, target, listed=isinstance(symbol, ast.In | ast.NotIn))


def _arguments(found: Expression, node: ast.Call) -> list[ast.expr]:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name not in FUNCTIONS or node.keywords:
        raise found.wrong("calls an unknown function", nearest(name, FUNCTIONS))
    if len(node.args) != FUNCTIONS[name]:
        raise found.wrong(f"gives {name} {len(node.args)} arguments", f"{name} takes {FUNCTIONS[name]}")
    return list(node.args)


def _checked(text: str) -> str:
    try:
        parse(text)
    except StudyError as error:
        raise ValueError(f"{error.what}; {error.mend}") from error
    return text


Where = Annotated[str, AfterValidator(_checked)]
"""The text of an expression that obeys the grammar."""
