"""Whether results are as they were written, and their recordings still those that were analysed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..errors import NwbGlmError, StoreError
from .archive import Archive
from .reading import Excluded, read
from .tables import read_tables
from .writing import SUFFIX


def damaged_files(results: str | Path) -> Iterator[NwbGlmError]:
    """Read every chunk of every store and table below a folder; yield what is wrong with each that is damaged."""
    results = Path(results)
    if not results.is_dir():
        raise StoreError(
            "there is no such folder", where=str(results), mend="name a folder of results: results/<study>"
        )
    for path in sorted(results.rglob(f"*{SUFFIX}")):
        if any(part.startswith(".") for part in path.relative_to(results).parts):
            continue  # what a killed writer left
        try:
            Archive(path, mode="r").verify()
            read(path)
        except Excluded:
            continue
        except StoreError as error:
            yield error
    for path in sorted(results.rglob("*.parquet")):
        try:
            read_tables([path])
        except StoreError as error:
            yield error
