"""Stores written whole or not at all: the same bytes for the same content, larger than memory where need be."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from collections.abc import Hashable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
import zarr

from .. import limits
from ..whole import written_whole
from .archive import seals, zip_whole
from .kinds import check
from .reading import provenance as provenance_of

VERSIONED = ("nwbglm", "numpy", "scipy", "jax", "xarray", "zarr", "pynwb")


def versions() -> dict[str, str]:
    """Return the versions that the numbers depend on."""
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in VERSIONED}


def write(dataset: xr.Dataset, path: str | os.PathLike[str], kind: str, **provenance: Any) -> None:
    """Write a dataset as a store of this kind, checked, atomically.

    Parameters
    ----------
    dataset
        Satisfies the contract of `kind`.
    path
        Ends in ``.zarr.zip``; appears only when complete.
    kind
        A key of `CONTRACTS`.
    **provenance
        JSON-able facts about where the numbers come from; the versions of the libraries are added.
    """
    check(dataset, kind, str(path))
    stamp = json.dumps({**provenance, "versions": versions()}, sort_keys=True)
    _write(dataset.assign_attrs(kind=kind, provenance=stamp), Path(path))


def write_derived(
    dataset: xr.Dataset,
    path: str | os.PathLike[str],
    kind: str,
    *,
    of: xr.Dataset,
    inputs: Iterable[str | os.PathLike[str]] = (),
    **facts: Any,
) -> None:
    """Write a store that was computed from another: the session and the recording are carried along.

    `inputs` are the files that it was made from; of the stores among them the seals are kept (see `seals`).
    """
    known = provenance_of(of)
    carried = {name: known[name] for name in ("recording",) if name in known}
    if inputs := list(inputs):
        carried["inputs"] = seals(inputs, path)
    write(dataset.assign_attrs(session=of.attrs.get("session", "")), path, kind, **carried, **facts)


def write_excluded(path: str | os.PathLike[str], reason: str) -> None:
    """Write the store of a session that was left out: nothing but the reason."""
    _write(xr.Dataset(attrs={"excluded": reason}), Path(path))


def _write(dataset: xr.Dataset, path: Path) -> None:
    with written_whole(path) as (whole,):
        target: zarr.storage.LocalStore | zarr.storage.MemoryStore
        if dataset.nbytes > limits.IN_MEMORY_BYTES:
            target = zarr.storage.LocalStore(whole.with_name("store"))
        else:
            target = zarr.storage.MemoryStore()
        plain = _plain(dataset)
        encoding = _encoding(plain)
        large = [name for name, variable in plain.data_vars.items() if variable.nbytes > limits.STREAM_BYTES]
        small = {name: chunks for name, chunks in encoding.items() if name not in large}
        plain.drop_vars(large).to_zarr(target, mode="w", consolidated=False, zarr_format=3, encoding=small)
        for name in large:
            _stream(plain[name], target, encoding[name]["chunks"])
        zip_whole(_entries(target), whole)


def _stream(
    variable: xr.DataArray, target: zarr.storage.LocalStore | zarr.storage.MemoryStore, chunks: tuple[int, ...]
) -> None:
    """Write a large variable piece by piece: it may be made as it is read.

    One column of chunks after the other where there are several (features, made input by input), else a few rows of
    chunks at once (counts, made from the spikes of a stretch of time).
    """
    array = zarr.open_group(target, mode="a").create_array(
        str(variable.name),
        shape=variable.shape,
        chunks=chunks,
        dtype=variable.dtype,
        dimension_names=[str(name) for name in variable.dims],
        attributes=variable.attrs,
    )
    several = variable.ndim > 1 and chunks[1] < variable.shape[1]
    row = chunks[0] * (variable.nbytes // max(1, variable.shape[0]))
    axis, step = (1, chunks[1]) if several else (0, chunks[0] * max(1, limits.PIECE_BYTES // max(1, row)))
    for start in range(0, variable.shape[axis], step):
        piece = slice(start, min(start + step, variable.shape[axis]))
        array[(slice(None),) * axis + (piece,)] = variable.isel({variable.dims[axis]: piece}).values


def _plain(dataset: xr.Dataset) -> xr.Dataset:
    """Return the dataset without inherited encodings, its texts as variable-length strings (missing ones become '')."""
    plain = dataset.drop_encoding()
    texts = {
        name: (variable.dims, _texts(variable.values), variable.attrs)
        for name, variable in plain.variables.items()
        if variable.dtype.kind in "OU"
    }
    coordinates = {name: text for name, text in texts.items() if name in plain.coords}
    return plain.assign_coords(coordinates).assign(
        {name: text for name, text in texts.items() if name not in coordinates}
    )


def _texts(values: np.ndarray) -> np.ndarray:
    # Missing entries of a text column reach us as None or, once xarray has touched them, as NaN.
    missing = pd.isna(values.ravel())
    plain = ["" if gone else str(item) for item, gone in zip(values.ravel(), missing, strict=True)]
    return np.array(plain, dtype=np.dtypes.StringDType()).reshape(values.shape)


def _encoding(dataset: xr.Dataset) -> dict[Hashable, dict[str, Any]]:
    """Chunk along time (or the first axis) into pieces of a few MiB; a feature's chunk is one input's columns."""
    encoding: dict[Hashable, dict[str, Any]] = {}
    for name, variable in dataset.variables.items():
        if variable.ndim and variable.dtype.kind in "iufb" and variable.size:
            chunks = list(variable.shape)
            if name == "features" and "input" in dataset:
                inputs = dataset["input"].values
                chunks[1] = max(1, len(inputs) // max(1, len(set(inputs.tolist()))))
            axis = variable.dims.index("time") if "time" in variable.dims else 0
            others = int(np.prod([size for i, size in enumerate(chunks) if i != axis])) * variable.dtype.itemsize
            chunks[axis] = int(min(variable.shape[axis], max(1, limits.CHUNK_BYTES // max(1, others))))
            encoding[name] = {"chunks": tuple(chunks)}
    return encoding


def _entries(target: zarr.storage.MemoryStore | zarr.storage.LocalStore) -> Iterator[tuple[str, bytes]]:
    if isinstance(target, zarr.storage.MemoryStore):
        for key in sorted(target._store_dict):
            yield key, target._store_dict[key].to_bytes()
    else:
        for file in sorted(file for file in target.root.rglob("*") if file.is_file()):
            yield file.relative_to(target.root).as_posix(), file.read_bytes()
