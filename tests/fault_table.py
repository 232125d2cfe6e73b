"""The table of docs/reliability.md, made from the tests: a row for each `@pytest.mark.fault(fault, done, promise)`.

python tests/fault_table.py            prints the page as it should be
python tests/fault_table.py --write    writes it
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs" / "reliability.md"
BEGIN, END = "<!-- the table is made by tests/fault_table.py -->\n", "<!-- end of the table -->\n"
HEAD = "| fault | how it is brought about | what is promised | test |\n|---|---|---|---|\n"


class Fault(NamedTuple):
    """A fault that a test brings about."""

    fault: str
    done: str
    promise: str
    file: str
    test: str

    def row(self) -> str:
        """Return its row of the table."""
        return f"| {self.fault} | {self.done} | {self.promise} | `{self.file}::{self.test}` |\n"


def faults(tests: Path) -> Iterator[Fault]:
    """List the faults of all tests, by file and in their order there."""
    for path in sorted(tests.rglob("test_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            for mark in node.decorator_list if isinstance(node, ast.FunctionDef) else []:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.fault":
                    fault, done, promise = (ast.literal_eval(argument) for argument in mark.args)
                    yield Fault(fault, done, promise, path.relative_to(tests.parent).as_posix(), node.name)


def page(text: str, tests: Path) -> str:
    """Return the page with its table as the tests have it."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    rows = "".join(fault.row() for fault in faults(tests))
    return before + BEGIN + HEAD + rows + END + after


if __name__ == "__main__":
    made = page(PAGE.read_text(encoding="utf-8"), REPOSITORY / "tests")
    if "--write" in sys.argv:
        PAGE.write_text(made, encoding="utf-8")
    else:
        sys.stdout.write(made)
