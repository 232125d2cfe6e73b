"""What each term costs: the fitted rows that its window, its gaps and its bounds take, and features that hardly vary.

Counted where the rows are chosen (`crossval.split_rows`) and before any job (`precheck`), by the same functions and in
the same words.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import xarray as xr

from nwbglm.labels import levels_of
from nwbglm.study import Term

MUCH_LOST = 0.05
"""Share of the fitted rows that a term may cost without a word."""
MUCH_OUTSIDE = 0.01
"""Share that may lie outside of a term's bounds without a word: these are the study's own."""
FEW_ROWS = 20
"""Rows in which a feature differs from its usual value, below which it hardly varies."""
PIECE = 65536
"""Rows that are looked at at once."""


@dataclass(frozen=True)
class Lost:
    """What one term costs a session.

    Parameters
    ----------
    term
        Its name.
    fitted
        Rows that the epochs ask to fit.
    window
        Those that are lost because the term's window leaves its segment (an epoch, and what was read around it).
    outside
        Those whose value lies outside the term's bounds, or is none of its levels.
    missing
        Those that are lost because a value is missing or was not observed.
    alone
        Those that no other term loses.
    features
        The term's features, where they come from signals; 0 for spikes.
    constant, rare
        Features that do not vary on the rows that all terms can use; and that differ from their usual value in fewer
        than `FEW_ROWS` of them.
    reach
        How far the window goes into the past or the future, s.
    low, high
        Range of the signal on the fitted rows, where the term is a function of one signal's value; else NaN.
    """

    term: str
    fitted: int
    window: int
    outside: int
    missing: int
    alone: int
    features: int
    constant: int
    rare: int
    reach: float
    low: float = math.nan
    high: float = math.nan

    @property
    def rows(self) -> int:
        """Rows lost."""
        return self.window + self.outside + self.missing

    def sentences(self) -> list[tuple[str, str, str]]:
        """Say what is much: the finding's code, what is seen, and the mend."""
        found, of = [], f"of {self.fitted} fitted rows"
        if self.window > MUCH_LOST * self.fitted:
            seen = (
                f"its window reaches {self.reach:g} s and leaves the epochs in use in {self.window} {of} "
                f"({self.window / self.fitted:.0%}): these are not fitted"
            )
            mend = (
                "let windows read what was recorded around the epochs: "
                f"epochs: {{use: {{margin: {self.reach:g} s}}}}; or use a shorter window"
            )
            found.append(("rows-lost", seen, mend))
        if self.outside > MUCH_OUTSIDE * self.fitted:
            seen = (
                f"{self.outside} {of} ({self.outside / self.fitted:.0%}) lie outside its bounds or levels, and are not "
                "fitted"
            )
            mend = "name all levels, or leave out `levels`"
            if math.isfinite(self.low):
                seen += f": the values go from {self.low:.6g} to {self.high:.6g}"
                mend = f"widen them, such as bounds: [{self.low:.6g}, {self.high:.6g}], or name all levels"
            found.append(("rows-outside", seen, mend))
        if self.missing > MUCH_LOST * self.fitted:
            seen = f"a value is missing in {self.missing} {of} ({self.missing / self.fitted:.0%}): these are not fitted"
            mend = "see `resample` and `max_gap` of its signal, and the audit for gaps and unobserved time"
            found.append(("rows-lost", seen, mend))
        if self.constant or self.rare:
            parts = [f"{self.constant} do not vary"] if self.constant else []
            parts += [f"{self.rare} differ from their usual value in fewer than {FEW_ROWS} rows"] if self.rare else []
            seen = f"of its {self.features} features {' and '.join(parts)} on the fitted rows: they can explain nothing"
            mend = "see which rows are lost, and whether its events lie in the fitted epochs; else use fewer functions"
            found.append(("features-vary-little", seen, mend))
        return found


def lost_rows(binned: xr.Dataset, features: Sequence[xr.Dataset], fitted: np.ndarray) -> list[Lost]:
    """Count what each term costs.

    Parameters
    ----------
    binned
        A ``binned`` store.
    features
        The ``features`` stores of the terms.
    fitted
        Which of the stores' rows are to be fitted, shape (rows,).
    """
    stores = list(features)
    valid = [store["valid"].values for store in stores]
    shared = np.logical_and.reduce([fitted, *valid])
    found = []
    for k, store in enumerate(stores):
        gone = fitted & ~valid[k]
        others = np.logical_and.reduce([fitted, *valid[:k], *valid[k + 1 :]])
        inside = window_inside(store, binned)
        values = _value(store, binned)
        outside = gone & inside & (np.zeros(len(gone), bool) if values is None else np.isfinite(values))
        known = np.array([math.nan]) if values is None else values[fitted & np.isfinite(values)]
        if _of_texts(store, binned):
            known = np.array([math.nan])  # codes have no range
        counted = not _of_spikes(store)
        constant, rare = _vary_little(store, shared) if counted else (0, 0)
        found.append(
            Lost(
                term=str(store["term"].values[0]),
                fitted=int(fitted.sum()),
                window=int((gone & ~inside).sum()),
                outside=int(outside.sum()),
                missing=int((gone & inside & ~outside).sum()),
                alone=int((gone & others).sum()),
                features=store.sizes["feature"] if counted else 0,
                constant=constant,
                rare=rare,
                reach=float(max(store.attrs["window"], store.attrs.get("ahead", 0.0))),
                low=float(known.min(initial=math.inf)),
                high=float(known.max(initial=-math.inf)),
            )
        )
    return found


def as_plain(lost: Sequence[Lost]) -> list[dict[str, Any]]:
    """Return plain data for a store's attributes, with the sentences."""
    return [asdict(one) | {"sentences": one.sentences()} for one in lost]


def window_inside(store: xr.Dataset, binned: xr.Dataset) -> np.ndarray:
    """Tell for which rows of a ``features`` store the term's whole window lies in the row's segment, shape (rows,)."""
    row, segment, bin_width = store["row"].values, binned["segment"].values, float(binned.attrs["bin"])
    begin = row - round(store.attrs["window"] / bin_width)
    end = row + round(store.attrs.get("ahead", 0.0) / bin_width)
    inside = (begin >= 0) & (end < len(segment))
    inside &= segment[np.clip(begin, 0, None)] == segment[row]
    return inside & (segment[np.clip(end, None, len(segment) - 1)] == segment[row])


def _value(store: xr.Dataset, binned: xr.Dataset) -> np.ndarray | None:
    """Return the signal on a store's rows where its term is a function of one signal's value; else None."""
    term = json.loads(store.attrs["term"])
    if store.attrs["window"] or store.attrs.get("ahead") or term.get("of") not in binned:
        return None
    return np.asarray(binned[term["of"]].values, dtype=float)[store["row"].values]


def _of_texts(store: xr.Dataset, binned: xr.Dataset) -> bool:
    of = json.loads(store.attrs["term"]).get("of")
    return of in binned and bool(levels_of(binned[of].attrs))


def _of_spikes(store: xr.Dataset) -> bool:
    return Term.model_validate_json(store.attrs["term"]).of_spikes


def _vary_little(store: xr.Dataset, rows: np.ndarray) -> tuple[int, int]:
    """Count a term's features that do not vary on some rows, and those that hardly do; stop once all vary."""
    where = np.flatnonzero(rows)
    if not len(where):
        return 0, 0
    usual, differing = None, np.zeros(store.sizes["feature"], int)
    for start in range(0, len(where), PIECE):
        part = where[start : start + PIECE]
        block = store["features"][part[0] : part[-1] + 1].values[part - part[0]]
        if usual is None:
            usual = np.array([_mode(column) for column in block.T])
        differing += (block != usual).sum(axis=0)
        if (differing >= FEW_ROWS).all():
            return 0, 0
    return int((differing == 0).sum()), int(((differing > 0) & (differing < FEW_ROWS)).sum())


def _mode(values: np.ndarray) -> float:
    known, counts = np.unique(values, return_counts=True)
    return known[np.argmax(counts)]
