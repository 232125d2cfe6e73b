"""Encoding models for NWB recordings, from raw files to a cross-validated comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os

    import xarray as xr

__version__ = "0.1.0"


def open(path: str | os.PathLike[str]) -> xr.Dataset:
    """Open a result store (``*.zarr.zip``) as an xarray dataset, lazily.

    `xarray.open_zarr` needs to be told that the store is a zip file; this also checks its contract.
    """
    from nwbglm import store  # importing the package stays light: the Snakefile does so in every job

    return store.read(path)
