"""Expressions that select rows: ``location == 'adn' and rate > 1.0``, ``tags == 'wake'``.

The language is that of `nwbglm.study.expressions`. A column that holds a list a row (``tags``) satisfies a comparison
when any of its entries does, and ``!=`` when none is equal. NaN satisfies nothing but ``isnan``. Numbers are compared
as they are and calculated with as float64, so that nothing overflows.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from nwbglm.errors import StudyError
from nwbglm.study.base import nearest
from nwbglm.study.expressions import CONSTANTS, Expression, parse

COMPARISONS = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}  # fmt: skip
MIRRORED = {ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.GtE, ast.GtE: ast.LtE}
ARITHMETIC = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv, ast.Mod:
    operator.mod,
}  # fmt: skip

Column = np.ndarray | list


class _Ragged:
    """A column with a list of values a row: all values in one array, and the row of each."""

    def __init__(self, lists: Sequence):
        lists = [np.atleast_1d(np.asarray(row)) for row in lists]
        self.rows = len(lists)
        self.row = np.repeat(np.arange(self.rows), [one.size for one in lists])
        kept = [one.ravel() for one in lists if one.size]  # an empty list's dtype says nothing
        self.flat = _plain(np.concatenate(kept)) if kept else np.empty(0)

    def any(self, satisfied: np.ndarray) -> np.ndarray:
        """Tell which rows have a value that satisfies."""
        return np.bincount(self.row[satisfied], minlength=self.rows) > 0


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

    Raises
    ------
    StudyError
        If the expression is wrong, by itself or for these columns.
    """
    evaluator = _Evaluator(parse(expression, where), lookup, list(columns))
    result = evaluator.compute(evaluator.expression.tree)
    if isinstance(result, _Ragged) or result.dtype.kind != "b":
        raise evaluator.wrong("gives values, not yes or no", "compare it with something, such as `rate > 1.0`")
    return np.broadcast_to(result, (rows,)).copy()


def names(expression: str, where: str = "") -> set[str]:
    """List the columns that an expression uses."""
    return parse(expression, where).names


def _plain(values: np.ndarray) -> np.ndarray:
    """Give a column one of the types of the language: bool, number, or text (as objects)."""
    if values.dtype.kind == "U":
        return values.astype(object)
    if values.dtype == object and values.size:
        kinds = {type(value) for value in values.flat}
        if not kinds <= {str, np.str_} and all(issubclass(kind, int | float | np.number | np.bool_) for kind in kinds):
            return values.astype(np.float64)
    return values


class _Evaluator:
    def __init__(self, expression: Expression, lookup: Callable[[str], Column], columns: list[str]):
        self.expression, self.lookup, self.columns = expression, lookup, columns

    def wrong(self, what: str, mend: str) -> StudyError:
        return self.expression.wrong(what, mend)

    def compute(self, node: ast.AST) -> np.ndarray | _Ragged:
        if isinstance(node, ast.Constant):
            return _plain(np.asarray(node.value))
        if isinstance(node, ast.Name | ast.Attribute):
            return self.column(self.expression.dotted(node))
        if isinstance(node, ast.BoolOp):
            joined = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
            result = self.truth(node.values[0])
            for value in node.values[1:]:
                result = joined(result, self.truth(value))
            return result
        if isinstance(node, ast.UnaryOp):
            return (
                ~self.truth(node.operand)
                if isinstance(node.op, ast.Not)
                else self.numbers(operator.mul, np.asarray(-1.0), self.compute(node.operand))
            )
        if isinstance(node, ast.BinOp):
            return self.numbers(ARITHMETIC[type(node.op)], self.compute(node.left), self.compute(node.right))
        if isinstance(node, ast.Compare):
            return self.comparison(node)
        assert isinstance(node, ast.Call) and isinstance(node.func, ast.Name)  # `parse` lets nothing else pass
        return self.call(node.func.id, [self.compute(argument) for argument in node.args])

    def column(self, name: str) -> np.ndarray | _Ragged:
        if name in CONSTANTS:
            return np.asarray(CONSTANTS[name])
        if name not in self.columns and name.partition(".")[0] not in self.columns:
            quoted = f"{name!r} is no column; texts stand in quotes"
            raise self.wrong(f"names an unknown column: {quoted}", nearest(name, self.columns))
        try:
            column = self.lookup(name)
        except KeyError as error:
            raise self.wrong(f"follows {name!r}, which leads nowhere", nearest(name, self.columns)) from error
        found = _Ragged(column) if isinstance(column, list) else _plain(np.asarray(column))
        values = found.flat if isinstance(found, _Ragged) else found
        if not (_is_text(values) or values.dtype.kind in "buif" or not values.size) or values.ndim > 1:
            kind = "several values a row" if values.ndim > 1 else "neither numbers nor texts"
            raise self.wrong(f"uses the column {name!r}, which holds {kind}", "select by another column")
        return found

    def truth(self, node: ast.AST) -> np.ndarray:
        value = self.compute(node)
        if isinstance(value, _Ragged) or value.dtype.kind not in "bui":
            raise self.wrong("joins something that is not yes or no", "compare it first, such as `rate > 1.0`")
        return value.astype(bool)

    def numbers(self, operation: Callable, left: np.ndarray | _Ragged, right: np.ndarray | _Ragged) -> np.ndarray:
        sides = []
        for side in (left, right):
            if isinstance(side, _Ragged) or side.dtype.kind not in "buif":
                raise self.wrong("calculates with something that is no number", "calculate with number columns only")
            sides.append(side.astype(np.float64))
        with np.errstate(all="ignore"):
            return operation(*sides)

    def comparison(self, node: ast.Compare) -> np.ndarray:
        left = self.compute(node.left)
        result: np.ndarray = np.asarray(True)
        for symbol, target in zip(node.ops, node.comparators, strict=True):
            if isinstance(symbol, ast.In | ast.NotIn):
                inside, left = self.membership(left, target)
                result = result & (~inside if isinstance(symbol, ast.NotIn) else inside)
                continue
            right = self.compute(target)
            result = result & self.one_comparison(type(symbol), left, right)
            left = right
        return result

    def one_comparison(self, symbol: type[ast.cmpop], left: Computed, right: Computed) -> np.ndarray:
        if isinstance(right, _Ragged):
            left, right, symbol = right, left, MIRRORED.get(symbol, symbol)
        if isinstance(right, _Ragged):
            raise self.wrong("compares two columns that hold lists", "compare a list's entries with one value")
        if not isinstance(left, _Ragged):
            return self.plain(symbol, left, right)
        against = right[left.row] if right.ndim else right  # a row's entries with the row's own value
        some = left.any(self.plain(ast.Eq if symbol is ast.NotEq else symbol, left.flat, against))
        return ~some if symbol is ast.NotEq else some

    def membership(self, left: Computed, target: ast.AST) -> tuple[np.ndarray, Computed]:
        """Tell which rows lie in a list that is written out, or have their value in a column of lists."""
        if not isinstance(target, ast.List | ast.Tuple | ast.Set):
            right = self.compute(target)
            if not isinstance(right, _Ragged):
                raise self.wrong("asks `in` something that is no list", "write `location in ['adn', 'postsub']`")
            return self.one_comparison(ast.Eq, right, left), right
        inside: np.ndarray = np.asarray(False)
        item: Computed = inside
        for element in target.elts:
            item = self.compute(element)
            inside = inside | self.one_comparison(ast.Eq, left, item)
        return inside, item

    def plain(self, symbol: type[ast.cmpop], left: np.ndarray, right: np.ndarray) -> np.ndarray:
        texts = [_is_text(side) for side in (left, right)]
        if texts[0] != texts[1] and left.size and right.size:
            kinds = ["text" if text else "numbers" for text in texts]
            raise self.wrong(f"compares {kinds[0]} with {kinds[1]}", "put quotes around text, and none around numbers")
        if not (left.size and right.size):  # a column without rows says nothing of its type
            return np.zeros(np.broadcast_shapes(left.shape, right.shape), dtype=bool)
        compared = np.asarray(COMPARISONS[symbol](left, right), dtype=bool)
        if symbol is ast.NotEq and not any(texts):
            compared = compared & ~(_isnan(left) | _isnan(right))
        return compared

    def call(self, name: str, arguments: list) -> np.ndarray:
        column = arguments[0]
        if name == "len":
            if not isinstance(column, _Ragged):
                raise self.wrong("asks for the len of something that holds no lists", "use it on a column like tags")
            return np.bincount(column.row, minlength=column.rows)
        values = column.flat if isinstance(column, _Ragged) else column
        if name in ("startswith", "contains"):
            return self.text_test(name, column, values, arguments[1])
        if isinstance(column, _Ragged) or (values.size and values.dtype.kind not in "buif"):
            raise self.wrong(f"asks for {name} of something that is no number", f"use {name} on a column of numbers")
        return np.abs(values.astype(np.float64)) if name == "abs" else _isnan(values)

    def text_test(self, name: str, column: Computed, values: np.ndarray, text: Computed) -> np.ndarray:
        if isinstance(text, _Ragged) or text.ndim or not _is_text(text):
            raise self.wrong(f"gives {name} something that is no text", f"write {name}(location, 'ad')")
        if values.size and not _is_text(values):
            raise self.wrong(f"asks {name} of numbers", f"use {name} on a column of texts")
        test = str.startswith if name == "startswith" else str.__contains__
        wanted = str(text[()])
        found = np.array([test(str(value), wanted) for value in values.flat], dtype=bool).reshape(values.shape)
        return column.any(found) if isinstance(column, _Ragged) else found


Computed = np.ndarray | _Ragged


def _is_text(values: np.ndarray) -> bool:
    return values.dtype == object and all(isinstance(value, str) for value in values.flat)


def _isnan(values: np.ndarray) -> np.ndarray:
    return np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, dtype=bool)
