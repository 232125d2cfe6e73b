"""Digests of code, so that a stage runs again when what it computes has changed, and not when a comment has.

Snakemake's own `code` trigger sees time stamps of scripts (a fresh checkout re-runs everything) and never a package.
This digest covers the syntax trees, without docstrings, of a script and of all that it imports from the package.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
# What a stage's numbers do not depend on, or what reaches it as parameters instead.
APART = {"nwbglm.study", "nwbglm.errors", "nwbglm.cli", "nwbglm.digest", "nwbglm.log"}


@cache
def code_digest(script: str | Path, *packages: str) -> str:
    """Return a digest of a script, of the modules of the package that it reaches, and of their templates.

    `packages` are subpackages that belong to it whole, because their modules are chosen by name when it runs.
    """
    total = hashlib.sha256(_syntax(Path(script)).encode())
    for module in sorted(_closure(Path(script), packages)):
        path = _file(module)
        total.update(f"{module}\n{_syntax(path)}".encode())
        if path.name == "__init__.py":
            for extra in sorted(path.parent.rglob("*")):
                if (
                    extra.is_file()
                    and extra.suffix in {".html", ".j2", ".css", ".js", ".mplstyle", ".txt"}
                    and path.parent != PACKAGE
                ):
                    total.update(extra.name.encode() + extra.read_bytes())
    return total.hexdigest()[:16]


def _closure(script: Path, packages: tuple[str, ...] = ()) -> set[str]:
    found: set[str] = set()
    waiting = list(_imports(script, "scripts.script"))
    for package in packages:
        waiting += [f"{PACKAGE.name}.{package}.{path.stem}" for path in (PACKAGE / package).glob("[!_]*.py")]
    while waiting:
        module = waiting.pop()
        if module in found or any(module == name or module.startswith(f"{name}.") for name in APART):
            continue
        path = _file(module)
        if path is None:  # a name inside a module, not a module
            continue
        found.add(module)
        waiting += _imports(path, module if path.name != "__init__.py" else f"{module}.__init__")
        if "." in module:
            waiting.append(module.rpartition(".")[0])
    return found


def _imports(path: Path, module: str) -> Iterator[str]:
    """List what a file imports from the package, wherever in the file: modules, and names that may be modules."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] == PACKAGE.name)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = module.split(".")[: -node.level]
                base = ".".join([*parent, *([base] if base else [])])
            if base.partition(".")[0] == PACKAGE.name:
                yield base
                yield from (f"{base}.{alias.name}" for alias in node.names)


def _file(module: str) -> Path | None:
    """Find a module's file by its path; importing it, as `find_spec` does with a parent, would import JAX."""
    path = PACKAGE.joinpath(*module.split(".")[1:])
    for candidate in (path / "__init__.py", path.with_suffix(".py")):
        if candidate.is_file():
            return candidate
    return None


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def _syntax(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and ast.get_docstring(node) is not None
        ):
            node.body = body[1:]
    return ast.dump(tree, annotate_fields=False)
