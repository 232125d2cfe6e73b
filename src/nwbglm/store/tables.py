"""Tables as parquet files, sealed: pages have checksums, and what stands in the footer has a digest."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..whole import written_whole
from .archive import damaged, unreadable

SEAL = b"nwbglm"
PROVENANCE = b"nwbglm_provenance"


def write_tables(
    tables: Mapping[str, pd.DataFrame], paths: Iterable[str | os.PathLike[str]], **provenance: Any
) -> None:
    """Write tables as parquet files, whole and together; a table's name is its file's stem.

    `provenance` are JSON-able facts about where the numbers come from.
    """
    facts = {PROVENANCE: json.dumps(provenance, sort_keys=True).encode()} if provenance else {}
    with written_whole(*paths) as partial:
        for path in partial:
            table = pa.Table.from_pandas(tables[path.stem], preserve_index=False)
            table = table.replace_schema_metadata((table.schema.metadata or {}) | facts)
            table = table.replace_schema_metadata((table.schema.metadata or {}) | {SEAL: _seal(table.schema)})
            with path.open("wb") as stream:
                pq.write_table(table, stream, write_page_checksum=True)


def read_tables(paths: Iterable[str | os.PathLike[str]]) -> dict[str, pd.DataFrame]:
    """Read parquet files as tables by their stems, and check that they are as they were written."""
    return {Path(path).stem: _read_table(Path(path)) for path in paths}


def table_provenance(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what a parquet file that `write_tables` wrote says about where its numbers come from."""
    return json.loads((pq.read_schema(path).metadata or {}).get(PROVENANCE, b"{}"))


def _read_table(path: Path) -> pd.DataFrame:
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        if (table.schema.metadata or {}).get(SEAL) != _seal(table.schema):
            raise damaged(path, "its columns are not those that were written")
        return table.to_pandas()
    except (pa.ArrowException, ValueError, LookupError, TypeError) as error:
        raise damaged(path, str(error)) from error
    except OSError as error:  # how arrow reports a wrong checksum, too
        raise (unreadable(path, error) if error.errno else damaged(path, str(error))) from error


def _seal(schema: pa.Schema) -> bytes:
    """Return the digest of the columns' names and types, and of what pandas keeps about them."""
    columns = [(field.name, str(field.type)) for field in schema]
    kept = sorted((key, value) for key, value in (schema.metadata or {}).items() if key != SEAL)
    return hashlib.sha256(repr((columns, kept)).encode()).hexdigest().encode()
