"""Which series of a recording become signals, and the terms that they drive."""

from __future__ import annotations

from typing import Any

import numpy as np

from nwbglm.epochs import Epochs
from nwbglm.recording.si import factor

from .draft import Draft, Entry, tidy
from .seen import MOST_COLUMNS, SeenSeries

MOST = 8
"""Signals of series that a first study takes."""
SLOW = 500.0
"""Samples a second above which volts are a recording, not behaviour."""
TAIL = 3.0
"""A signal whose largest value is so many times its 99.5th percentile has a tail that a spline would follow."""
LITTLE = 0.2
"""Share of the epochs in use that a signal must cover."""


def take_series(draft: Draft, series: list[SeenSeries], use: Epochs) -> None:
    """Take the series that look like stimuli or behaviour; say why others are left."""
    left = []
    for one in series:
        reason = _unfit(one, use)
        if not reason and len(draft.signals) >= MOST:
            reason = "enough for a first study"
        if reason:
            left.append(f"{one.name} ({reason})")
        else:
            _take(draft, one, [other.name for other in series])
    if left:
        shown = ", ".join(left[:10]) + (f", and {len(left) - 10} more" if len(left) > 10 else "")
        draft.head.append(f"Series that are not taken: {shown}.")


def _unfit(one: SeenSeries, use: Epochs) -> str:
    timing, series = one.series.timing, one.series
    if one.constant:
        return "the same everywhere"
    if series.columns > MOST_COLUMNS:
        return f"{series.columns} columns: name one with `column:`"
    if not one.regular:
        return "its samples come now and then: `resample: events`, with `where: value == ...` for each kind"
    inside = float(np.maximum(np.minimum(use.stop, timing.last) - np.maximum(use.start, timing.first), 0).sum())
    if inside < LITTLE * use.total:
        return "it lies outside the epochs"
    volts = factor(series.unit, "V") is not None or series.kind in ("ElectricalSeries", "CurrentClampSeries")
    if volts and one.interval < 1 / SLOW:
        return "a voltage: what the cells do themselves"
    return ""


def _take(draft: Draft, one: SeenSeries, others: list[str]) -> None:
    series, columns = one.series, one.values.shape[1]
    base: dict[str, Any] = {"from": one.name}
    what = " ".join(series.description.split())[:80]
    stem = what_it_is(one)
    if columns > 1:
        _take_place(draft, one, base, others)
        return
    if one.turn:
        how = {"resample": "interpolate"} if one.interval > 0.5 * draft.bin else {}
        name = draft.signal(stem, base | {"period": one.turn} | how, _seen(one, what))
        draft.tuning[name] = Entry({"of": name, "bins": 36})
        draft.term(name, {"of": name, "basis": {"cyclic_bspline": {"n": 8}}})
        return
    if one.levels:
        why = _seen(one, what) + ": few whole numbers, so labels are held, not averaged"
        name = draft.signal(stem, base | {"resample": "hold"}, why)
        draft.tuning[name] = Entry({"of": name, "bins": len(one.levels)})
        draft.term(name, {"of": name, "basis": {"categorical": {"full_rank": True}}})
        return
    units = next((unit for unit in ("pA",) if factor(series.unit, unit) is not None), "")
    how = {"resample": "interpolate"} if one.interval > 0.5 * draft.bin else {}
    name = draft.signal(stem, base | ({"units": units} if units else {}) | how, _seen(one, what))
    draft.tuning[name] = Entry({"of": name, "bins": 20})
    if units:
        basis = {"raised_cosine_log": {"n": 8, "window": draft.lags(0.2)}}
        draft.term(f"{name}-history", {"of": name, "basis": basis}, "the current of the last 200 ms")
        return
    draft.term(name, {"of": name, "basis": _of_value(one)})


def _take_place(draft: Draft, one: SeenSeries, base: dict[str, Any], others: list[str]) -> None:
    """Take the coordinates of a place, the map over the first two, and the speed."""
    axes, stem = ("x", "y", "z"), what_it_is(one)
    units = _of_length(one)
    how = {"resample": "interpolate"} if one.interval > 0.5 * draft.bin else {}
    of_units = {"units": units} if units else {}
    names = []
    for column in range(one.values.shape[1]):
        why = _seen(one, "") if not column else ""
        names.append(draft.signal(axes[column], base | {"column": column} | of_units | how, why))
    draft.maps[stem] = Entry({"of": names[:2], "bins": [15, 15]})
    product: list[Any] = [{"of": name, "basis": {"bspline": {"n": 5}}} for name in names[:2]]
    draft.term(f"{stem}-map", {"product": product}, "where it is: functions of both coordinates, multiplied")
    if any("speed" in name.lower() or "veloc" in name.lower() for name in [*draft.signals, *others]):
        return
    speed = draft.signal(
        "speed", base | {"derive": "speed"} | ({"units": f"{units}/s"} if units else {}) | {"smooth": "250 ms"} | how,
        "speed over all columns, smoothed",
    )  # fmt: skip
    draft.term(speed, {"of": speed, "basis": "identity"}, "in proportion; a curve: {bspline: {n: 5, bounds: [...]}}")
    draft.tuning[speed] = Entry({"of": speed, "bins": 20})


def _of_length(one: SeenSeries) -> str:
    """Choose the unit of length in which values are neither thousands nor thousandths; empty where it is no length."""
    metres = factor(one.series.unit, "m")
    if metres is None:
        return ""
    spread = metres * (one.quantile(0.99) - one.quantile(0.01))
    return next((unit for unit, size in (("m", 10.0), ("cm", 0.05), ("mm", 5e-4)) if spread > size), "um")


def _of_value(one: SeenSeries) -> Any:
    """Choose functions of a value: a spline over its range, or over all but a long tail."""
    low, high, most = one.quantile(0.005), one.quantile(0.995), one.quantile(1.0)
    if np.isfinite([low, high, most]).all() and abs(most) > TAIL * abs(high) > 0:
        return "identity"
    return {"bspline": {"n": 5}}


def what_it_is(one: SeenSeries) -> str:
    """Name a signal by the last part of its path that says something."""
    parts = [part for part in one.series.path.split("/") if part not in ("data", "timeseries")]
    return parts[-1]


def _seen(one: SeenSeries, what: str) -> str:
    low, high = one.quantile(0.0), one.quantile(1.0)
    unit = one.series.unit if one.series.unit.lower() not in ("", "n/a", "na", "none", "unknown", "no unit") else ""
    rate = 1 / one.interval
    said = (
        f"{one.series.path}: {rate:.4g} samples a second, {tidy(low, False):g} to {tidy(high, True):g} {unit}".strip()
    )
    if unit and one.turn:
        said += ", within one turn, so it is circular"
    return said + (f" ({what})" if what and what.lower() not in ("no description", "n/a") else "")
