"""Binned recordings, features and folds of synthetic sessions, made without the stages that make them."""

from __future__ import annotations

import json
from typing import NamedTuple

import numpy as np
import xarray as xr

from nwbglm.response import SPIKES

FOLDS = 4


class Term(NamedTuple):
    """One term of a synthetic study: what it reads and its kernel over lags or function of values."""

    of: str
    matrix: np.ndarray
    grid: np.ndarray
    own: bool = False


def binned_of(name, counts, units, bin_, signals, fit_rows) -> xr.Dataset:
    time = (np.arange(len(counts)) + 0.5) * bin_ + 100.0
    in_epoch = np.ones((2, len(counts)), bool)
    in_epoch[1, fit_rows:] = False
    dataset = xr.Dataset(
        {
            "response": (("time", "unit"), counts.astype(np.uint16), SPIKES),
            "segment": ("time", np.zeros(len(counts), np.int32)),
            "in_epoch": (("purpose", "time"), in_epoch),
        },
        coords={
            "time": time,
            "unit": units,
            "purpose": ["use", "fit"],
            "location": ("unit", ["adn"] * len(units)),
            "rate": ("unit", counts.mean(axis=0) / bin_),
            "spikes": ("unit", counts.sum(axis=0).astype(np.int64)),
            "segment_label": ("segments", ["wake"]),
            "segment_start": ("segments", [100.0]),
            "segment_stop": ("segments", [100.0 + len(counts) * bin_]),
        },
        attrs={"kind": "binned", "session": name, "bin": bin_, "provenance": _provenance(name)},
    )
    for signal, (values, unit, period) in signals.items():
        attrs = {"role": "signal", "units": unit} | ({"period": period} if period else {})
        dataset[signal] = ("time", values, attrs)
    return dataset


def _provenance(name: str) -> str:
    return json.dumps(
        {
            "nwb": {"file": f"{name}.nwb", "sha256": "ab" * 32, "identifier": name},
            "versions": {"nwbglm": "0.1.0", "numpy": np.__version__},
            "study": "cd" * 32,
            "code": "ef" * 32,
            "seed": 0,
        }
    )


def bumps(lags: int, count: int) -> np.ndarray:
    x = np.linspace(0, 1, lags)[:, None]
    centres = np.linspace(0, 0.8, count)
    return 0.5 * (np.cos(np.clip((x - centres) * np.pi / 0.35, -np.pi, np.pi)) + 1)


def circular_bumps(angle: np.ndarray, count: int) -> np.ndarray:
    centres = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.exp(2 * (np.cos(np.asarray(angle)[:, None] - centres) - 1))


def _convolve(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """X[t] = sum_k K[k] x[t-1-k]; the first rows of the window are NaN."""
    window = len(kernel)
    out = np.full((len(x), kernel.shape[1]), np.nan)
    for t in range(window, len(x)):
        out[t] = x[t - window : t][::-1] @ kernel
    return out


def features_of(name, term_name, term, binned, row) -> xr.Dataset:
    counts = binned.response.values.astype(float)
    spikes = term.of.endswith("spikes")
    inputs = (
        {str(u): counts[:, i] for i, u in enumerate(binned.unit.values)}
        if spikes
        else {term.of: binned[term.of].values}
    )
    bin_ = binned.attrs["bin"]
    lagged = len(term.grid) > 2 and np.isclose(term.grid[0], bin_) and "period" not in binned.get(term.of, binned).attrs
    columns, names, functions = [], [], []
    for label, values in inputs.items():
        if lagged:
            block = _convolve(values, term.matrix)
        elif term.matrix.shape[1] == 1:
            block = values[:, None]
        else:
            block = circular_bumps(values, term.matrix.shape[1])
        columns.append(block)
        names += [label] * block.shape[1]
        functions += range(block.shape[1])
    matrix = np.concatenate(columns, axis=1)[row]
    grid, values_name = ("lag", "kernel") if lagged else ("value", "values_of_function")
    window = f"{1000 * float(term.grid[-1]):g} ms"
    basis = {"raised_cosine_log": {"n": term.matrix.shape[1], "window": window}}
    if lagged and len(term.matrix) == term.matrix.shape[1]:
        basis = {"lags": {"window": window}}
    if not lagged:
        basis = {"identity": {}} if term.matrix.shape[1] == 1 else {"cyclic_bspline": {"n": term.matrix.shape[1]}}
    return xr.Dataset(
        {
            "features": (("time", "feature"), matrix.astype(np.float32)),
            "valid": ("time", np.isfinite(matrix).all(axis=1)),
            values_name: ((grid, "function"), term.matrix),
        },
        coords={
            "time": binned.time.values[row],
            "row": ("time", row),
            "term": ("feature", [term_name] * matrix.shape[1]),
            "input": ("feature", names),
            "function": ("feature", functions),
            grid: term.grid,
        },
        attrs={
            "kind": "features",
            "session": name,
            "term": term_name,
            "of": term.of,
            "own": int(term.own),
            "basis": json.dumps(basis),
            "window": float(term.grid[-1]) if lagged else 0.0,
            "provenance": binned.attrs["provenance"],
        },
    )


def folds_of(name, binned, features, row) -> xr.Dataset:
    shared = np.logical_and.reduce([f.valid.values for f in features.values()])
    fold = np.minimum(np.arange(len(row)) * FOLDS // len(row), FOLDS - 1).astype(np.int16)
    test = np.stack([fold == k for k in range(FOLDS)])
    gap = max(f.attrs["window"] for f in features.values())
    width = round(gap / binned.attrs["bin"])
    train = np.stack([~np.convolve(t, np.ones(2 * width + 1), mode="same").astype(bool) for t in test])
    return xr.Dataset(
        {
            "shared": ("time", shared),
            "reason": ("time", (~shared).astype(np.uint8), {"flag_meanings": ["kept", "feature_invalid"]}),
            "fold_of_row": ("time", fold),
            "train": (("fold", "time"), train),
            "test": (("fold", "time"), test),
            "final": ("time", np.ones(len(row), bool)),
            "half": ("time", (np.arange(len(row)) >= len(row) // 2).astype(np.int8)),
        },
        coords={
            "time": binned.time.values[row],
            "row": ("time", row),
            "fold": [str(k) for k in range(FOLDS)],
            "fold_kind": ("fold", ["cv"] * FOLDS),
        },
        attrs={"kind": "folds", "session": name, "scheme": json.dumps({"blocks": FOLDS}), "gap": gap, "seed": 0},
    )
