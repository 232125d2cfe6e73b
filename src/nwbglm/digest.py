"""Digests of code, so that a stage runs again when what it computes has changed, and not when anything else has.

Snakemake's own `code` trigger sees time stamps of scripts (a fresh checkout re-runs everything) and never a package.
This digest covers the definitions (functions, classes, constants) that a script reaches, as syntax trees: those that
its text names, those that their texts name, and so on. Left out is what does not reach a number: docstrings, comments,
annotations of functions, texts of errors, of the log and of a field's description. Of a class that is reached, methods
count whose name some reached text mentions; so do texts that are given to a class's fields (a figure's caption).

Nothing is imported for it, and it errs on the safe side: names are followed without regard to what hides them, an
attribute is taken for any method of that name, a text that is a name for a use of it, and a text such as
``module:function`` for a use of that function. What it cannot see is code that is found by a name put together at run
time.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache, wraps
from pathlib import Path
from typing import Any, NamedTuple

from nwbglm.content import state_of
from nwbglm.syntax import FUNCTIONS, bare_text, chain_of, is_text, last_name
from nwbglm.whole import write_text

PACKAGE = Path(__file__).resolve().parent
# What numbers do not depend on: how files are put on the disk, what is said when something is wrong.
APART = {"nwbglm.errors", "nwbglm.cli", "nwbglm.digest", "nwbglm.log", "nwbglm.whole"}
TEMPLATES = {".html", ".j2", ".css", ".js", ".mplstyle", ".txt"}
PLAIN_METHODS = {"property", "cached_property", "staticmethod", "classmethod", "abstractmethod", "override"}
"""Decorators of methods that are called by name; any other may hand a method on (a validator)."""
MOST_KEPT = 200
"""Digests that a file of kept ones holds; older ones are forgotten."""
IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
ADDRESS = re.compile(r"([a-z_][\w.]*):([A-Za-z_]\w*)")


class Definition(NamedTuple):
    """A piece of a module's text: a name's definition, a method (``Class.method``), or ``''`` for what always runs."""

    module: str
    name: str


class Module(NamedTuple):
    """A module's pieces: the statements that define each name, what imports give names, methods by class."""

    pieces: dict[str, list[ast.stmt]]
    imports: dict[str, str]
    methods: dict[str, list[str]]


@cache
def _syntax() -> dict[tuple[Any, ...], Any]:
    """Return what has been made of the package's texts so far."""
    return {}


def _remembered(function: Callable[..., Any]) -> Callable[..., Any]:
    """Keep what a function returns in `_syntax`, so that all is forgotten at once."""

    @wraps(function)
    def remembering(*arguments: Any) -> Any:
        known, key = _syntax(), (function.__name__, *arguments)
        if key not in known:
            known[key] = function(*arguments)
        return known[key]

    return remembering


@cache
def code_digest(script: str | Path, *packages: str) -> str:
    """Return a digest of a script, and of all definitions and templates of the package that it reaches.

    `packages` are subpackages that count whole, because a script chooses from them in a way that cannot be seen.
    """
    reached, used = reach(Path(script), packages)
    total = hashlib.sha256(bare_text([_tree(Path(script))], used)[0].encode())
    for module, name in sorted(reached):
        text, unread = _piece_text(Definition(module, name))
        if unread & used:  # a field that is given a text, and that somebody reads
            text = bare_text(_module(module).pieces[name], used)[0]
        total.update(f"{module}:{name}\n{text}".encode())
    for template in sorted(_templates(reached)):
        total.update(template.name.encode() + template.read_bytes())
    return total.hexdigest()[:16]


def kept_digest(script: str | Path, memory: str | Path) -> str:
    """Return `code_digest` of a script, from a file where no byte of the package has changed since it was computed.

    Every job of a study parses the workflow again, and the digests of all rules cost more than all else in it.

    Parameters
    ----------
    script
        A rule's script.
    memory
        A JSON file that is read and written here; it may be absent, and is left alone where it cannot be written.
    """
    script, memory = Path(script), Path(memory)
    key = hashlib.sha256(f"{_package_state()}\n{state_of(script)}".encode()).hexdigest()[:32]
    known: dict[str, str] = {}
    with contextlib.suppress(OSError, ValueError):
        known = dict(json.loads(memory.read_text(encoding="utf-8")))
    if key not in known:
        known = dict(list(known.items())[-MOST_KEPT:]) | {key: code_digest(script)}
        with contextlib.suppress(OSError):
            write_text(memory, json.dumps(known, indent=0))
    return known[key]


@cache
def _package_state() -> str:
    """Return what the system says of every file of the package that a digest may cover."""
    files = sorted(path for path in PACKAGE.rglob("*") if path.suffix in {".py", *TEMPLATES})
    return hashlib.sha256("\n".join(f"{path} {state_of(path)}" for path in files).encode()).hexdigest()


def reach(script: Path, packages: Iterable[str] = ()) -> tuple[set[Definition], set[str]]:
    """Return the definitions that a script reaches, and the names that their texts mention."""
    reached: set[Definition] = set()
    used: set[str] = set()
    tree = _tree(script)
    waiting = list(_named_in([tree], "script", _imports([tree], "scripts.script")))
    used |= _mentioned([tree])
    for package in packages:
        for path in sorted((PACKAGE / package).glob("[!_]*.py")):
            waiting += _resolve(f"{PACKAGE.name}.{package}.{path.stem}")
    while waiting:
        while waiting:
            found = waiting.pop()
            if found in reached:
                continue
            reached.add(found)
            named, mentioned = _piece_names(found)
            waiting += named
            waiting.append(Definition(found.module, ""))  # what a module does when it is imported
            used |= mentioned
        for template in _templates(reached):
            used |= set(IDENTIFIER.findall(template.read_text(encoding="utf-8")))
        waiting = [
            Definition(module, f"{name}.{method}")
            for module, name in reached
            for method in _module(module).methods.get(name, ())
            if method in used and (module, f"{name}.{method}") not in reached
        ]
    return reached, used


@_remembered
def _piece_names(piece: Definition) -> tuple[tuple[Definition, ...], frozenset[str]]:
    """Return the definitions that a piece names, and the attributes that it mentions."""
    module = _module(piece.module)
    statements = module.pieces[piece.name]
    imports = module.imports | _imports(statements, piece.module)
    return tuple(_named_in(statements, piece.module, imports)), frozenset(_mentioned(statements))


@_remembered
def _piece_text(piece: Definition) -> tuple[str, frozenset[str]]:
    """Return a piece's text as if no field that is given a text were read, and the names of such fields."""
    return bare_text(_module(piece.module).pieces[piece.name])


# ------------------------------------------------------------------------------------------------ modules


@_remembered
def _module(name: str) -> Module:
    """Read a module's pieces."""
    path = _file(name)
    assert path is not None, name
    pieces: dict[str, list[ast.stmt]] = {"": []}
    methods: dict[str, list[str]] = {}
    tree = _tree(path)
    for statement in _executed(tree.body):
        if isinstance(statement, ast.ClassDef):
            shell, apart = _split_class(statement)
            pieces.setdefault(statement.name, []).append(shell)
            methods[statement.name] = [method.name for method in apart]
            for method in apart:
                pieces.setdefault(f"{statement.name}.{method.name}", []).append(method)
        elif isinstance(statement, FUNCTIONS):
            pieces.setdefault(statement.name, []).append(statement)
        elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
            for target in _targets(statement):
                pieces.setdefault(target, []).append(statement)
        elif not isinstance(statement, ast.Import | ast.ImportFrom) and not is_text(statement):
            pieces[""].append(statement)
            for target in {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}:
                pieces.setdefault(target, []).append(statement)
    return Module(pieces, _imports([tree], name), methods)


def _executed(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """List statements that run, without what stands there for type checkers."""
    for statement in body:
        if not (isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test)):
            yield statement


def _split_class(node: ast.ClassDef) -> tuple[ast.ClassDef, list[ast.FunctionDef]]:
    """Split a class into what always counts and the methods that count where they are called by name."""
    apart = [
        part
        for part in node.body
        if isinstance(part, ast.FunctionDef)
        and not part.name.startswith("__")
        and {last_name(decorator) for decorator in part.decorator_list} <= PLAIN_METHODS
    ]
    shell = copy.copy(node)
    shell.body = [part for part in node.body if part not in apart] or [ast.Pass()]
    return shell, apart


def _targets(statement: ast.Assign | ast.AnnAssign | ast.AugAssign) -> Iterator[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    for target in targets:
        for node in ast.walk(target):
            if isinstance(node, ast.Name):
                yield node.id


def _imports(statements: Iterable[ast.AST], module: str) -> dict[str, str]:
    """Return what imports anywhere in statements give names of the package: names by what they are called here."""
    found = {}
    if (path := _file(module)) is not None and path.name == "__init__.py":
        module = f"{module}.__init__"
    for node in (node for statement in statements for node in ast.walk(statement)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == PACKAGE.name:
                    found[alias.asname or PACKAGE.name] = alias.name if alias.asname else PACKAGE.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*module.split(".")[: -node.level], *([base] if base else [])])
            if base.partition(".")[0] == PACKAGE.name:
                found |= {alias.asname or alias.name: f"{base}.{alias.name}" for alias in node.names}
    return found


@cache
def _file(module: str) -> Path | None:
    """Find a module's file by its path; importing it, as `find_spec` does with a parent, would import JAX."""
    first, *rest = module.split(".")
    if first != PACKAGE.name:
        return None
    path = PACKAGE.joinpath(*rest)
    for candidate in (path / "__init__.py", path.with_suffix(".py")):
        if candidate.is_file():
            return candidate
    return None


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _templates(reached: set[Definition]) -> set[Path]:
    """Return the templates of the packages that something is reached in."""
    folders = {path.parent for module in {one.module for one in reached} if (path := _file(module)) is not None}
    return {
        extra
        for folder in folders - {PACKAGE}
        for extra in folder.rglob("*")
        if extra.suffix in TEMPLATES and extra.is_file()
    }


# ------------------------------------------------------------------------------------------------ what texts name


def _named_in(statements: Iterable[ast.AST], module: str, imports: dict[str, str]) -> Iterator[Definition]:
    """List the definitions of the package that statements of a module name."""
    for statement in statements:
        for node in _walk(statement):
            if isinstance(node, ast.Name):
                if node.id in imports:
                    yield from _resolve(imports[node.id])
                else:
                    yield from _resolve(f"{module}.{node.id}")
            elif isinstance(node, ast.Attribute):
                chain = chain_of(node)
                if chain and chain[0] in imports:
                    yield from _resolve(".".join([imports[chain[0]], *chain[1:]]))
            elif isinstance(node, ast.Constant) and (address := ADDRESS.fullmatch(str(node.value))):
                yield from _resolve(f"{module.rpartition('.')[0]}.{address[1]}.{address[2]}")


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """Walk through what runs: without annotations of functions, and without a module where an attribute is meant."""
    yield node
    for name, value in ast.iter_fields(node):
        if name == "returns" or (name == "annotation" and isinstance(node, ast.arg)):
            continue
        if isinstance(node, ast.Attribute) and name == "value" and (chain := chain_of(node)) and len(chain) > 1:
            continue  # a chain of names is resolved as one
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _walk(child)


@_remembered
def _resolve(dotted: str) -> tuple[Definition, ...]:
    """Return what a dotted name stands for: a definition, or all of a module that is named alone."""
    rest: list[str] = []
    module = dotted
    while module and _file(module) is None:
        module, _, last = module.rpartition(".")
        rest.insert(0, last)
    if not module or any(module == name or module.startswith(f"{name}.") for name in APART):
        return ()
    known = _module(module)
    if not rest:
        names = known.pieces if module.count(".") else ("",)  # the package itself is no piece of code
        return tuple(Definition(module, name) for name in names)
    name, *more = rest
    if name in known.pieces:
        method = f"{name}.{more[0]}" if more else ""
        return (Definition(module, name), *([Definition(module, method)] if method in known.pieces and method else []))
    target = known.imports.get(name)
    return _resolve(".".join([target, *more])) if target and target != dotted else ()


def _mentioned(statements: Iterable[ast.AST]) -> set[str]:
    """Return the names of attributes that statements may use, texts that are names included."""
    found: set[str] = set()
    for node in (node for statement in statements for node in ast.walk(statement)):
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.MatchClass):
            found |= set(node.kwd_attrs)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            found.add(node.value)
    return found
