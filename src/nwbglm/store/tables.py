"""Tables as parquet files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd


def write_tables(tables: Mapping[str, pd.DataFrame], paths: Iterable[str | os.PathLike[str]]) -> None:
    """Write tables as parquet files, each whole or not at all; a table's name is its file's stem."""
    for path in map(Path, paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
            tables[path.stem].to_parquet(Path(folder) / path.name, index=False)
            os.replace(Path(folder) / path.name, path)


def read_tables(paths: Iterable[str | os.PathLike[str]]) -> dict[str, pd.DataFrame]:
    """Read parquet files as tables by their stems."""
    return {Path(path).stem: pd.read_parquet(path) for path in paths}
