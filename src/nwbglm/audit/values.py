"""Are the values of a series plausible? Units that cannot be, numbers that stand for no value."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from nwbglm.recording.series import Series
from nwbglm.recording.si import parse
from nwbglm.verdict import Finding

LARGEST = {"current": 1e-5, "voltage": 1e3, "length": 1e4, "angle": 1e4}
"""SI values beyond which a signal's unit is doubtful: nobody injects 10 microamperes into a neuron."""
LOOKED_AT = 10_000
"""Samples whose values are looked at."""
STAND_INS = 10
"""How often it must occur."""
FAR = 1.0
"""How far it must be from all others, in their range."""


def doubtful_unit(series: Series) -> Iterator[Finding]:
    """Report a unit that is not known, or in which values would be too large."""
    known = parse(series.unit)
    if known is None:
        if series.unit.lower() not in ("na", "n/a", "unknown", "none", "", "a.u.", "bit", "no unit", "index"):
            mend = "leave `units` out for this signal, or write the file's unit"
            yield Finding("unit-unknown", "pass", series.path, f"its unit {series.unit!r} is not one we convert", mend)
        return
    largest = LARGEST.get(known.dimensions[0][0]) if known.dimensions and len(known.dimensions) == 1 else None
    if largest is None or series.columns > 64:
        return
    values = np.abs(series.values(0, LOOKED_AT)) * known.factor
    middle = float(np.nanmedian(values)) if np.isfinite(values).any() else 0.0
    if middle > largest:
        seen = f"half of its first values exceed {middle / known.factor:.3g} {series.unit}"
        mend = "the file's `unit` or `conversion` is probably wrong: ask its authors before trusting amplitudes"
        yield Finding("unit-doubtful", "warn", series.path, seen, mend)


def stand_in(series: Series) -> Iterator[Finding]:
    """Report a number that stands for no value: far from all others, and the same again and again."""
    if series.columns > 3 or series.labels is not None or series.kind == "IntervalSeries":
        return
    for column in range(series.columns):
        values = series.values(0, LOOKED_AT, column)
        values = values[np.isfinite(values)]
        for value in (values.min(), values.max()) if len(values) else ():
            others = values[values != value]
            again = len(values) - len(others)
            if again < STAND_INS or len(np.unique(others[:1000])) < STAND_INS:
                continue
            if np.abs(others - value).min() > FAR * np.ptp(others):
                where = f"column {column}, " if series.columns > 1 else ""
                span = f"{others.min():.4g} to {others.max():.4g}"
                seen = f"{where}{again} of {len(values)} values are {value:g}, far from all others ({span})"
                seen += ", as if it stood for no value"
                sign = ">" if value < others.min() else "<"
                mend = f"where it does, leave it out: `where: value {sign} {value:g}` of the signal"
                yield Finding("values-apart", "warn", series.path, seen, mend)
