"""Zarr stores, one zip file each: written whole or not at all, the same bytes for the same content.

A store is an xarray dataset of a known kind. Its contract (every variable, with dimensions and type) stands in
`CONTRACTS` and is checked on the way in and on the way out, so that a stage may trust what it opens.
"""

from .contracts import Contract
from .kinds import CONTRACTS, check
from .reading import Excluded, provenance, read, read_blocks, read_included, read_named
from .tables import read_tables, write_tables
from .writing import SUFFIX, versions, write, write_derived, write_excluded

__all__ = [
    "CONTRACTS",
    "SUFFIX",
    "Contract",
    "Excluded",
    "check",
    "provenance",
    "read",
    "read_blocks",
    "read_included",
    "read_named",
    "read_tables",
    "versions",
    "write",
    "write_derived",
    "write_excluded",
    "write_tables",
]
