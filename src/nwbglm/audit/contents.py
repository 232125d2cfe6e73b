"""What is in a file, as plain data: for the audit and for `nwbglm inspect`."""

from __future__ import annotations

from typing import Any

import numpy as np

from nwbglm.errors import NwbGlmError
from nwbglm.recording.model import Recording
from nwbglm.recording.series import Series

SHOWN = 12
"""How many values of a column are listed."""


def describe_contents(recording: Recording) -> dict[str, Any]:
    """List the units, series and interval tables of a recording."""
    return {
        "units": _units(recording),
        "series": [_series(series) for series in recording.series.values()],
        "tables": [_table(recording, path) for path in recording.tables],
    }


def _units(recording: Recording) -> dict[str, Any]:
    units = recording.units
    if units.table is None:
        return {"count": 0, "spikes": 0, "columns": [], "observed": False}
    metadata = units.metadata
    return {
        "count": len(units),
        "spikes": int(units.stored_counts.sum()),
        "ids": units.ids.tolist(),
        "stored": units.stored_counts.tolist(),
        "columns": list(units.table.columns),
        "observed": "obs_intervals" in units.table,
        "metadata": {name: [_plain(value) for value in values] for name, values in metadata.items()},
    }


def _plain(value: Any) -> Any:
    return (
        value.item() if isinstance(value, np.generic) else str(value) if not isinstance(value, int | float) else value
    )


def _series(series: Series) -> dict[str, Any]:
    about = {
        "path": series.path,
        "kind": series.kind,
        "description": series.description,
        "unit": series.unit,
        "conversion": series.conversion,
        "offset": series.offset,
        "resolution": series.resolution,
        "shape": list(series.data.shape) if series.data is not None else [series.samples],
        "problem": series.problem,
        "first": None,
        "last": None,
        "interval": None,
    }
    if (series.timestamps is not None and len(series.timestamps.shape) == 1) or series.rate:
        timing = series.timing
        about |= {"first": timing.first, "last": timing.last, "interval": timing.interval}
    return about


def _table(recording: Recording, path: str) -> dict[str, Any]:
    table = recording.tables[path]
    about: dict[str, Any] = {"path": path, "rows": len(table), "description": table.description}
    about["columns"] = list(table.columns)
    try:
        intervals, _ = recording.intervals(table)
    except (NwbGlmError, ValueError, OSError) as error:
        return about | {"problem": str(error), "labels": [], "spans": []}
    labels = list(dict.fromkeys(intervals.label.tolist()))
    spans = [[span.start, span.stop] for span in intervals]
    return about | {"problem": "", "labels": labels[:SHOWN], "distinct_labels": len(labels), "spans": spans[:500]}
