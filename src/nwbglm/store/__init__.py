"""Zarr stores, one zip file each: written whole or not at all, the same bytes for the same content.

A store is an xarray dataset of a known kind. Its contract (every variable, with dimensions and type) stands in
`CONTRACTS` and is checked on the way in and on the way out, so that a stage may trust what it opens.
"""

from .archive import SUFFIX, seal_of, seals
from .contracts import Contract
from .kinds import CONTRACTS, check
from .reading import Excluded, provenance, read, read_blocks, read_fitted, read_included, read_named
from .tables import read_tables, table_provenance, write_tables
from .writing import versions, write, write_derived, write_excluded

__all__ = [
    "CONTRACTS",
    "SUFFIX",
    "Contract",
    "Excluded",
    "check",
    "provenance",
    "read",
    "read_blocks",
    "read_fitted",
    "read_included",
    "read_named",
    "read_tables",
    "seal_of",
    "seals",
    "table_provenance",
    "versions",
    "write",
    "write_derived",
    "write_excluded",
    "write_tables",
]
