"""Expressions that select rows: ``location == 'adn' and rate > 1.0``, ``tags == 'wake'``.

The words are Python's: ``and or not``, comparisons (chained too), ``in`` and ``not in`` a list, arithmetic, and the
functions of `FUNCTIONS`. A name is a column; ``region.column`` follows a reference; a name with blanks stands in
backticks. A column that holds a list a row (``tags``) satisfies a comparison when any of its entries does, and ``!=``
when none is equal. NaN satisfies nothing but ``isnan``.

The text is parsed into Python's syntax tree and computed node by node over whole columns: nothing of it is ever
executed.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterable

import numpy as np

from nwbglm.errors import StudyError
from nwbglm.study.base import nearest

COMPARISONS = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}  # fmt: skip
ARITHMETIC = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv, ast.Mod:
    operator.mod,
}  # fmt: skip
CONSTANTS = {"true": True, "false": False, "nan": float("nan"), "inf": float("inf")}
FUNCTIONS = ("isnan", "startswith", "contains", "abs", "len")
_BACKTICKS = re.compile(r"`([^`]+)`")

Column = np.ndarray | list


class _Ragged(list):
    """A column with a list of values a row."""


def select(
    expression: str, lookup: Callable[[str], Column], columns: Iterable[str], rows: int, *, where: str
) -> np.ndarray:
    """Compute an expression for every row.

    Parameters
    ----------
    expression
        The text.
    lookup
        Gives a column by its name: an array with one value a row, or a list of arrays.
    columns
        The names that `lookup` knows, for errors.
    rows
        Number of rows.
    where
        The field of the study, for errors.

    Returns
    -------
    (rows,) bool.
    """
    result = _Evaluator(expression, lookup, list(columns), where).result()
    if isinstance(result, _Ragged) or np.asarray(result).dtype != bool:
        raise StudyError(
            f"the expression {expression!r} gives values, not yes or no",
            where=where,
            mend="compare it with something, such as `rate > 1.0`",
        )
    return np.broadcast_to(np.asarray(result), (rows,)).copy()


def names(expression: str, where: str = "") -> set[str]:
    """List the columns that an expression uses."""
    return _Evaluator(expression, lambda name: np.empty(0), [], where).names()


class _Evaluator:
    def __init__(self, expression: str, lookup: Callable[[str], Column], columns: list[str], where: str):
        self.expression, self.lookup, self.columns, self.where = expression, lookup, columns, where
        self.quoted: dict[str, str] = {}
        text = _BACKTICKS.sub(self._quote, expression)
        try:
            self.tree = ast.parse(text.strip(), mode="eval").body
        except SyntaxError as error:
            raise self.wrong("cannot be read", "write it like `location == 'adn' and rate > 1.0`") from error

    def _quote(self, match: re.Match) -> str:
        name = f"__quoted_{len(self.quoted)}"
        self.quoted[name] = match[1]
        return name

    def wrong(self, what: str, mend: str) -> StudyError:
        return StudyError(f"the expression {self.expression!r} {what}", where=self.where, mend=mend)

    def result(self):
        return self.compute(self.tree)

    def names(self) -> set[str]:
        inner = {id(node.value) for node in ast.walk(self.tree) if isinstance(node, ast.Attribute)}
        called = {id(node.func) for node in ast.walk(self.tree) if isinstance(node, ast.Call)}
        found = {
            self.dotted(node)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Name | ast.Attribute) and id(node) not in inner | called
        }
        return found - set(CONSTANTS)

    def dotted(self, node: ast.Name | ast.Attribute) -> str:
        if isinstance(node, ast.Name):
            return self.quoted.get(node.id, node.id)
        if isinstance(node.value, ast.Name | ast.Attribute):
            return f"{self.dotted(node.value)}.{node.attr}"
        raise self.wrong("uses a dot after something that is no column", "write `column.other`")

    def compute(self, node: ast.AST):
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name | ast.Attribute):
            return self.column(self.dotted(node))
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            return [self.compute(item) for item in node.elts]
        if isinstance(node, ast.BoolOp):
            parts = [self.truth(value) for value in node.values]
            return (np.logical_and if isinstance(node.op, ast.And) else np.logical_or).reduce(
                np.broadcast_arrays(*parts)
            )
        if isinstance(node, ast.UnaryOp):
            return self.unary(node)
        if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
            return self.numbers(ARITHMETIC[type(node.op)], self.compute(node.left), self.compute(node.right))
        if isinstance(node, ast.Compare):
            return self.comparison(node)
        if isinstance(node, ast.Call):
            return self.call(node)
        mend = "use and, or, not, comparisons, in, arithmetic and " + ", ".join(FUNCTIONS)
        raise self.wrong(f"uses {type(node).__name__}, which is not part of the language", mend)

    def column(self, name: str):
        if name in CONSTANTS:
            return CONSTANTS[name]
        if name not in self.columns and name.partition(".")[0] not in self.columns:
            quoted = f"{name!r} is no column; texts stand in quotes"
            raise self.wrong(f"names an unknown column: {quoted}", nearest(name, self.columns))
        found = self.lookup(name)
        return _Ragged(found) if isinstance(found, list) else found

    def truth(self, node: ast.AST) -> np.ndarray:
        value = self.compute(node)
        if isinstance(value, _Ragged) or np.asarray(value).dtype.kind not in "bui":
            raise self.wrong("joins something that is not yes or no", "compare it first, such as `rate > 1.0`")
        return np.asarray(value).astype(bool)

    def unary(self, node: ast.UnaryOp):
        if isinstance(node.op, ast.Not):
            return ~self.truth(node.operand)
        if isinstance(node.op, ast.USub):
            return self.numbers(operator.mul, -1, self.compute(node.operand))
        raise self.wrong("uses an operator that is not part of the language", "use not, and, or, -, +, *, /, %")

    def numbers(self, operation: Callable, left, right):
        for side in (left, right):
            if isinstance(side, _Ragged | str) or np.asarray(side).dtype.kind not in "buif":
                raise self.wrong("calculates with something that is no number", "calculate with number columns only")
        with np.errstate(divide="ignore", invalid="ignore"):
            return operation(np.asarray(left), np.asarray(right))

    def comparison(self, node: ast.Compare) -> np.ndarray:
        left, parts = self.compute(node.left), []
        for symbol, target in zip(node.ops, node.comparators, strict=True):
            right = self.compute(target)
            parts.append(self.one_comparison(symbol, left, right))
            left = right
        return np.logical_and.reduce(np.broadcast_arrays(*parts))

    def one_comparison(self, symbol: ast.cmpop, left, right) -> np.ndarray:
        if isinstance(symbol, ast.In | ast.NotIn):
            inside = self.membership(left, right)
            return ~inside if isinstance(symbol, ast.NotIn) else inside
        if type(symbol) not in COMPARISONS:
            raise self.wrong("uses `is`, which is not part of the language", "use == or !=")
        if isinstance(right, _Ragged):
            left, right = right, left
            symbol = _MIRRORED.get(type(symbol), type(symbol))()
        if isinstance(left, _Ragged):
            positive = ast.Eq() if isinstance(symbol, ast.NotEq) else symbol
            some = np.array([bool(np.any(self.plain(positive, np.asarray(row), right))) for row in left], dtype=bool)
            return ~some if isinstance(symbol, ast.NotEq) else some
        return self.plain(symbol, left, right)

    def membership(self, left, right) -> np.ndarray:
        if isinstance(right, _Ragged):
            return self.one_comparison(ast.Eq(), right, left)
        if not isinstance(right, list):
            raise self.wrong("asks `in` something that is no list", "write `location in ['adn', 'postsub']`")
        parts = [self.one_comparison(ast.Eq(), left, item) for item in right]
        if not parts:
            raise self.wrong("asks `in` an empty list", "write at least one value")
        return np.logical_or.reduce(np.broadcast_arrays(*parts))

    def plain(self, symbol: ast.cmpop, left, right) -> np.ndarray:
        left, right = np.asarray(left), np.asarray(right)
        texts = [_is_text(side) for side in (left, right)]
        if texts[0] != texts[1] and left.size and right.size:
            kinds = ["text" if text else "numbers" for text in texts]
            raise self.wrong(f"compares {kinds[0]} with {kinds[1]}", "put quotes around text, and none around numbers")
        compared = COMPARISONS[type(symbol)](left, right)
        if isinstance(symbol, ast.NotEq) and not any(texts):
            compared = compared & ~(_isnan(left) | _isnan(right))
        return np.asarray(compared, dtype=bool)

    def call(self, node: ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name not in FUNCTIONS or node.keywords:
            raise self.wrong("calls an unknown function", nearest(name, FUNCTIONS))
        arguments = [self.compute(argument) for argument in node.args]
        wanted = 2 if name in ("startswith", "contains") else 1
        if len(arguments) != wanted:
            raise self.wrong(f"gives {name} {len(arguments)} arguments", f"{name} takes {wanted}")
        return _call(name, *arguments)


_MIRRORED = {ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.GtE, ast.GtE: ast.LtE}


def _is_text(values: np.ndarray) -> bool:
    return values.dtype.kind in "US" or (
        values.dtype == object and all(isinstance(value, str) for value in values.flat)
    )


def _isnan(values: np.ndarray) -> np.ndarray:
    return np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, dtype=bool)


def _call(name: str, column, text: str = "") -> np.ndarray:
    if name == "len":
        return np.array([len(row) for row in column])
    if name in ("startswith", "contains"):
        test = str.startswith if name == "startswith" else str.__contains__
        rows = column if isinstance(column, _Ragged) else [[value] for value in column]
        return np.array([any(test(str(value), text) for value in row) for row in rows], dtype=bool)
    values = np.asarray(column)
    return np.abs(values) if name == "abs" else _isnan(values)
