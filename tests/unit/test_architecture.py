"""The picture of imports is the table of docs/architecture.md: no arrow up, no circle."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = "nwbglm"


def rooms(repository: Path) -> list[str]:
    """Modules and packages in the order of the table, from the ground up."""
    text = (repository / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text.split("A module imports only from those above it.")[1].split("Inside `engine`")[0]
    first_cells = re.findall(r"^\| (`.*?) \|", table, flags=re.MULTILINE)
    return [name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)]


def imports(path: Path, source: Path) -> set[str]:
    """Rooms that a file imports, at its head or inside functions, but not for types only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    parts = [PACKAGE, *path.relative_to(source).with_suffix("").parts]
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {tuple(alias.name.split(".")) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = parts[: -node.level] if node.level else []
            base = [*base, *(node.module.split(".") if node.module else [])]
            found |= {(*base, alias.name) for alias in node.names}
    return {names[1] for names in found if names[0] == PACKAGE and len(names) > 1}


@pytest.fixture(scope="module")
def source(repository):
    return repository / "src" / PACKAGE


def test_every_module_has_a_room(repository, source):
    present = {path.stem for path in source.glob("*.py")} | {path.parent.name for path in source.glob("*/__init__.py")}
    assert set(rooms(repository)) == present - {"__init__"}


def test_no_arrow_goes_up(repository, source):
    order = rooms(repository)
    wrong = []
    for path in sorted(source.rglob("*.py")):
        room = path.relative_to(source).parts[0].removesuffix(".py")
        if room == "__init__":  # the public face
            continue
        above = {name for name in imports(path, source) if name in order and order.index(name) > order.index(room)}
        wrong += [f"{path.relative_to(source)} imports {name}" for name in sorted(above)]
    assert not wrong


def test_the_engine_stands_alone(source):
    for path in (source / "engine").rglob("*.py"):
        assert imports(path, source) <= {"engine", "errors"}, path


def test_inside_a_room_there_is_no_circle(source):
    for room in sorted(path.parent for path in source.glob("*/__init__.py")):
        graph = {name: heads(path, name) for path in room.rglob("*.py") for name in [_dotted(path, source)]}
        done, walking = set(), []

        def walk(module, graph=graph, done=done, walking=walking):
            assert module not in walking, " -> ".join([*walking, module])
            if module in done:
                return
            walking.append(module)
            for other in sorted(graph[module]):
                if other in graph:
                    walk(other)
            walking.pop()
            done.add(module)

        for module in sorted(graph):
            walk(module)


def _dotted(path, source):
    return ".".join(path.relative_to(source).with_suffix("").parts)


def heads(path, module):
    """Modules that a file of a room imports from it at its head: an import inside a function is made when needed."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.level and node.module:
            found.add(".".join([*module.split(".")[: -node.level], *node.module.split(".")]))
    return found
