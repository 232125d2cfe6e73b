"""Stores opened lazily, alone or joined, with their contracts checked."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from ..errors import StoreError
from .archive import Archive, damaged
from .kinds import CONTRACTS, check


class Excluded(Exception):
    """The session was left out; the message is the reason."""


def read(path: str | os.PathLike[str], kind: str | None = None) -> xr.Dataset:
    """Open a store lazily, and check its contract.

    Raises
    ------
    Excluded
        The session was left out.
    StoreError
        The file is missing, damaged, of another kind, or breaks its contract.
    """
    path = Path(path)
    if not path.is_file():
        raise StoreError(
            "there is no such store", where=str(path), mend="check the path, or run the workflow, which makes it"
        )
    try:
        dataset = xr.open_zarr(Archive(path, mode="r"), consolidated=False, chunks=None)
    except (KeyError, ValueError, zarr.errors.BaseZarrError) as error:  # whole, but no store: somebody else's zip file
        raise damaged(path, f"no readable store: {error}") from error
    if "excluded" in dataset.attrs:
        raise Excluded(dataset.attrs["excluded"])
    found = dataset.attrs.get("kind")
    if kind is not None and found != kind:
        raise StoreError(f"is a store of kind '{found}', not '{kind}'", where=str(path))
    if found in CONTRACTS:
        check(dataset, found, str(path))
    return _native_texts(dataset)


def _native_texts(dataset: xr.Dataset) -> xr.Dataset:
    """Return texts as numpy's fixed-width strings; the variable-length type of zarr lacks most of numpy's methods."""
    texts = {
        name: (variable.dims, np.array(variable.values.tolist(), dtype=str), variable.attrs)
        for name, variable in dataset.variables.items()
        if variable.dtype.kind == "T"
    }
    coordinates = {name: text for name, text in texts.items() if name in dataset.coords}
    return dataset.assign_coords(coordinates).assign({name: texts[name] for name in texts if name not in coordinates})


def read_blocks(paths: Iterable[str | os.PathLike[str]], like: xr.Dataset) -> xr.Dataset:
    """Join the stores of a session's blocks of units into one dataset, its units in the order of `like`."""
    blocks = [read(path) for path in paths]
    if len(blocks) == 1:
        return blocks[0]
    joined = xr.concat(
        blocks, "unit", data_vars="minimal", coords="minimal", compat="override", join="exact", combine_attrs="override"
    )
    present = set(joined["unit"].values.tolist())
    return joined.sel(unit=[unit for unit in like["unit"].values.tolist() if unit in present])


def read_fitted(inputs: Any) -> tuple[xr.Dataset, xr.Dataset, list[xr.Dataset], xr.Dataset]:
    """Read what is known of a fitted model of a session: its bins, folds, features of its terms, and the fits.

    Parameters
    ----------
    inputs
        A job's inputs, with the paths ``binned``, ``folds``, ``features`` (several) and ``fit``.
    """
    return (
        read(inputs.binned, "binned"),
        read(inputs.folds, "folds"),
        [read(path, "features") for path in inputs.features],
        read(inputs.fit, "fits"),
    )


def read_named(
    names: Iterable[str], paths: Sequence[str | os.PathLike[str]], like: xr.Dataset | None = None
) -> dict[str, xr.Dataset]:
    """Open the stores of several names (terms, models), whose paths stand in the names' order.

    With `like`, a name's stores are its blocks of units, and are joined (see `read_blocks`).
    """
    names = list(names)
    if like is None:
        return {name: read(path) for name, path in zip(names, paths, strict=True)}
    blocks = len(paths) // max(1, len(names))
    return {name: read_blocks(paths[i * blocks : (i + 1) * blocks], like) for i, name in enumerate(names)}


def read_included(paths: Iterable[str | os.PathLike[str]]) -> tuple[list[xr.Dataset], dict[str, str]]:
    """Open the stores of the sessions that were not left out, and return the reason by session for the others."""
    datasets, excluded = [], {}
    for path in paths:
        try:
            datasets.append(read(path))
        except Excluded as reason:
            excluded[Path(path).name.partition(".")[0]] = str(reason)
    return datasets, excluded


def provenance(dataset: xr.Dataset) -> dict[str, Any]:
    """Return what a store says about where its numbers come from."""
    return json.loads(dataset.attrs.get("provenance", "{}"))
