"""The page of the stores, written from their contracts."""

from __future__ import annotations

from .contracts import Contract
from .kinds import CONTRACTS

HEAD = """# The stores

Made from the code by `nwbglm stores`. A store is one xarray dataset in one file (`*.zarr.zip`). Every variable and
coordinate stands here; one that does not is refused when a store is written and when it is read. What stands in braces
is a name of the study (a term, a signal, a tuning curve). *if* means that some stores of the kind lack it. Every store
has the attributes `kind`, `session` and `provenance` (JSON), one of a session that was left out only `excluded` (the
reason).
"""


def contracts_text() -> str:
    """Return the page as Markdown: a table for each kind of store."""
    return "\n".join([HEAD, *(_section(kind, contract) for kind, contract in CONTRACTS.items())])


def _section(kind: str, contract: Contract) -> str:
    attributes = ", ".join(f"`{name}`" for name in contract.attributes)
    rows = [
        f"## {kind}\n",
        f"`{contract.path}`. {contract.says}{f' Attributes it must have: {attributes}.' if attributes else ''}\n",
        "| variable | dims | type | | what |",
        "|---|---|---|---|---|",
    ]
    rows += [
        f"| `{one.name}` | {', '.join(one.dims)} | {one.kind} | {'' if one.required else 'if'} | {one.says} |"
        for one in contract.variables
    ]
    return "\n".join(rows) + "\n"
