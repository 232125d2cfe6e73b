"""What the study takes of a continuous response, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nwbglm.binning.grid import Grid
from nwbglm.binning.responses import ResponseColumns
from nwbglm.epochs import Epochs
from nwbglm.recording.choose import choose_units
from nwbglm.recording.model import Recording
from nwbglm.study.data import DataSettings
from nwbglm.verdict import Finding, Level

MOSTLY_EMPTY = 0.05
"""A response without a value in more than this share of the bins is reported."""


def take_response(
    recording: Recording, settings: DataSettings, grid: Grid, blank: Epochs, takes: dict[str, Any]
) -> Iterator[Finding]:
    """Take the units of a continuous response as binning does; `takes` is told what they are.

    Raises
    ------
    NwbGlmError
        If there is no such series, or no unit is selected.
    """
    columns = ResponseColumns(recording, settings, grid, blank)
    rows = choose_units(columns, settings)
    values, ids = columns.values[:, rows], columns.ids[rows]
    takes["response"] = {
        "name": columns.units.name,
        "units": columns.units.units,
        "source": columns.units.path,
        "resample": columns.units.settings.resample,
        "selected": len(rows),
        "of": len(columns.ids),
        "ids": ids.tolist(),
        "valid": columns.valid[rows].tolist(),
        "mean": columns.mean[rows].tolist(),
        "sd": columns.sd[rows].tolist(),
        "metadata": {name: column[rows].tolist() for name, column in columns.units.metadata.items()},
    }
    yield from _empty(values, ids, columns)
    constant = ids[(columns.sd[rows] == 0) & (columns.valid[rows] > 0)].tolist()
    if constant:
        seen = f"units {_listed(constant)} are the same everywhere"
        yield Finding("response-constant", "warn", "response", seen, "leave them out: `units: {where: sd > 0}`")
    lowest = np.nanmin(values) if np.isfinite(values).any() else np.nan
    if lowest <= 0:
        below = int((np.nanmin(np.where(np.isfinite(values), values, np.inf), axis=0) <= 0).sum())
        least = f"{lowest:.4g} {columns.units.units}".rstrip()
        seen = f"{below} of {len(rows)} units have values of 0 or below (down to {least})"
        yield Finding("response-not-positive", "pass", "response", seen, "Gaussian models only, not Gamma")


def _empty(values: np.ndarray, ids: np.ndarray, columns: ResponseColumns) -> Iterator[Finding]:
    known = np.isfinite(values)
    lost = ids[~known.any(axis=0)].tolist()
    if lost:
        level: Level = "fail" if len(lost) == len(ids) else "warn"
        seen = f"units {_listed(lost)} have no value in any bin"
        outside = "its samples lie outside the epochs in use"
        mend = outside if level == "fail" else "leave them out: `units: {where: valid > 0}`"
        yield Finding("response-empty", level, "response", seen, mend)
    empty = 1 - known.mean()
    if empty > MOSTLY_EMPTY and len(lost) < len(ids):
        slow = columns.units.settings.resample == "mean" and empty > 0.3
        mend = (
            "the response is slower than the bins: wider bins, or `resample: interpolate`, `hold` or `samples`"
            if slow
            else "such bins have no exposure: they are neither fitted nor scored, and end windows that reach over them"
        )
        yield Finding("response-gaps", "warn", "response", f"{empty:.0%} of the bins have no value", mend)


def _listed(ids: list[int]) -> str:
    return ", ".join(map(str, ids[:8])) + (", ..." if len(ids) > 8 else "")
