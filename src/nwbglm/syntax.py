"""Python's syntax trees, seen without what does not reach a number."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable, Set

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
LOGS = {"log", "logger", "logging", "warnings"}


def last_name(node: ast.expr) -> str:
    """Return the name that is called or decorated with: ``c`` of ``a.b.c`` and ``a.b.c(...)``."""
    node = node.func if isinstance(node, ast.Call) else node
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "?")


def chain_of(node: ast.Attribute) -> list[str]:
    """Return the names of ``a.b.c``; none where it does not begin with a name."""
    names: list[str] = []
    current: ast.expr = node
    while isinstance(current, ast.Attribute):
        names.append(current.attr)
        current = current.value
    return [current.id, *reversed(names)] if isinstance(current, ast.Name) else []


def is_text(statement: ast.stmt) -> bool:
    """Whether a statement is nothing but a text: a docstring."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def bare_text(statements: Iterable[ast.AST], used: Set[str] = frozenset()) -> tuple[str, frozenset[str]]:
    """Return the syntax of statements without what does not reach a number.

    Left out are docstrings, annotations of functions, the words of errors, of the log and of descriptions, and texts
    given to fields that are not among the names in `used`; the second value names these fields.
    """
    bare = _Bare(used)
    text = "\n".join(ast.dump(bare.visit(copy.deepcopy(one)), annotate_fields=False) for one in statements)
    return text, frozenset(bare.unread)


class _Bare(ast.NodeTransformer):
    """Takes away docstrings, annotations of functions, and the words of errors, of the log and of unread fields."""

    def __init__(self, used: Set[str]):
        self.used = used
        self.unread: set[str] = set()

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        body = getattr(node, "body", None)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and body:
            node.body = [part for part in body if not is_text(part)] or [ast.Pass()]
        if isinstance(node, FUNCTIONS):
            node.returns = None
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        """Drop the annotation of an argument."""
        return ast.arg(node.arg)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """Drop the words of an error."""
        return _wordless(self.generic_visit(node))

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Drop the words of errors, of the log and of descriptions, and fields that nobody reads."""
        self.generic_visit(node)
        name = last_name(node.func)
        root = chain_of(node.func)[:1] if isinstance(node.func, ast.Attribute) else []
        if name.endswith(("Error", "Exception")) or set(root) & LOGS:
            return _wordless(node)
        if name == "Field":
            node.keywords = [keyword for keyword in node.keywords if keyword.arg != "description"]
        elif name[:1].isupper():
            texts = {keyword.arg for keyword in node.keywords if keyword.arg and _is_string(keyword.value)}
            self.unread |= texts - self.used
            node.keywords = [keyword for keyword in node.keywords if keyword.arg not in texts - self.used]
        return node


def _is_string(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _wordless(node: ast.AST) -> ast.AST:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            inner.value = ""
    return node
