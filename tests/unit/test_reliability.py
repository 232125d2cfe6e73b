"""The table of faults: every row names a test that is there."""

import ast
import re


def test_every_fault_of_the_table_has_its_test(repository):
    text = (repository / "docs" / "reliability.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| fault")]
    assert len(rows) > 10
    for row in rows:
        (named,) = re.findall(r"`(tests/\S+\.py)::(\w+)`", row)
        tree = ast.parse((repository / named[0]).read_text(encoding="utf-8"))
        assert named[1] in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, row
