"""What is in a file, as plain data: for the audit and for `nwbglm inspect`."""

from __future__ import annotations

from typing import Any

import numpy as np

from nwbglm.recording.model import Recording
from nwbglm.recording.series import Series
from nwbglm.recording.sweeps import Sweeps
from nwbglm.recording.tables import Table
from nwbglm.recording.texts import as_text

from .guard import or_else

SHOWN = 12
"""How many values of a column are listed."""


def describe_contents(recording: Recording) -> dict[str, Any]:
    """List the units, series and interval tables of a recording."""
    nothing: list[dict[str, Any]] = []
    return {
        "units": or_else(lambda: _units(recording), {"count": 0, "spikes": 0, "columns": [], "observed": False}),
        "series": or_else(lambda: [_series(series) for series in recording.series.values()], nothing),
        "tables": or_else(lambda: [_table(recording, path) for path in recording.tables], nothing),
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
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, int | float) else as_text(value)


def _series(series: Series) -> dict[str, Any]:
    broken = {"kind": "", "description": "", "unit": "", "conversion": 1.0, "offset": 0.0, "resolution": None}
    broken |= {"path": series.path, "shape": [], "problem": "it cannot be read"}
    return or_else(lambda: _readable(series), broken | {"first": None, "last": None, "interval": None})


def _readable(series: Series) -> dict[str, Any]:
    about: dict[str, Any] = {
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
    times = series.timestamps
    if (times is not None and len(times.shape) == 1 and not times.hollow and series.samples) or series.rate:
        timing = series.timing
        about |= {"first": timing.first, "last": timing.last, "interval": timing.interval}
    return about


def _table(recording: Recording, path: str) -> dict[str, Any]:
    table = recording.tables[path]
    about: dict[str, Any] = {"path": path, "rows": or_else(lambda: len(table), 0)}
    about["description"] = or_else(lambda: table.description, "")
    columns: tuple[str, ...] = ()
    about["columns"] = list(or_else(lambda: table.columns, columns))
    return about | or_else(lambda: _rows(recording, table), {"problem": "it cannot be read", "labels": [], "spans": []})


def _rows(recording: Recording, table: Table | Sweeps) -> dict[str, Any]:
    intervals, _ = recording.intervals(table)
    labels = list(dict.fromkeys(intervals.label.tolist()))
    spans = [[span.start, span.stop] for span in intervals.take(slice(500))]
    return {"problem": "", "labels": labels[:SHOWN], "distinct_labels": len(labels), "spans": spans}
