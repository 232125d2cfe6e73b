"""What a session's fits are made of: shapes of all arrays, and what became of every row."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nwbglm.filters.labelled import layout_of
from nwbglm.filters.tables import tables_of_features

from .recorded import runs
from .session import Stores, segment_breaks, time_axis
from .style import COLORS, FAINT, INK, QUIET, NothingToDraw, canvas, letters, page_of_lines
from .texts import shown

KEPT = "kept"


def draw_shapes(stores: Stores, subject: str) -> tuple[Figure, pd.DataFrame]:
    """List the shapes of responses, signals, features, functions, coefficients and filters."""
    table = shape_table(stores)
    texts = table.assign(
        what=[shown(what, 44) for what in table.what], axes=[shown(axes, 46) for axes in table["axes"]]
    )
    figure, axes = page_of_lines(len(texts) + 1)
    places = {"what": 0.0, "shape": 0.4, "axes": 0.6}
    for name, x in places.items():
        axes.text(x, -0.5, name, va="center", weight="bold", fontsize=letters(8))
        for row, text in enumerate(texts[name]):
            family = "monospace" if name == "shape" else "sans-serif"
            axes.text(x, row + 0.5, str(text), va="center", family=family, fontsize=letters(7.5))
    axes.hlines(np.arange(len(texts) + 1), 0, 1, color=FAINT, linewidth=0.4)
    return figure, table


def shape_table(stores: Stores) -> pd.DataFrame:
    """Return what there is, its shape, and what its axes are."""
    rows: list[tuple[str, tuple[int, ...], str]] = []
    units = len(stores.fitted_units)
    folds, binned = stores.folds, stores.binned
    what = "counts" if stores.response.counts else stores.response.name
    rows.append((f"{what}, all bins in use", binned.response.shape, "time, unit"))
    count = folds.sizes["time"]
    rows.append((f"{what}, rows to be fitted or tested", (count, units), "time, unit"))
    rows.append(("rows that every compared model can use", (int(folds.shared.values.sum()), units), "time, unit"))
    for term, store in stores.features.items():
        inputs = len(dict.fromkeys(store.input.values.astype(str).tolist()))
        own = bool(store.attrs.get("own", 0)) and inputs > 1
        each = store.sizes["feature"] // inputs if own else store.sizes["feature"]
        said = "time, function of each unit's own input" if own else "time, input and function"
        rows.append((f"features of {term}", (store.sizes["time"], each), said))
        rows.append((f"features of {term}, valid rows", (int(store.valid.values.sum()), each), said))
        for table in tables_of_features(store):
            rows.append((f"functions of {term}", table.functions.shape, f"{table.axis}, function"))
    for model, fit in stores.fits.items():
        rows.append((f"coefficients of {model}", (fit.sizes["feature"], units), "feature, unit"))
        rows.append((f"intercepts of {model}", (units,), "unit"))
        for term in json.loads(fit.attrs["terms"]):
            layout = layout_of(fit, term)
            if len(layout.inputs) > 1:
                sizes = (len(layout.inputs), len(layout.columns) // len(layout.inputs), units)
                rows.append((f"coefficients of {term} in {model}, by sender", sizes, "sender, function, receiver"))
                lags = tuple(len(table.grid) for table in layout.tables)
                rows.append(
                    (f"filters of {term} in {model}", (units, len(layout.inputs), *lags), "receiver, sender, lag")
                )
    laid = [(name, str(tuple(map(int, shape))), axes, int(np.prod(shape))) for name, shape, axes in rows]
    return pd.DataFrame(laid, columns=["what", "shape", "axes", "values"])


def draw_rows(stores: Stores, subject: str) -> tuple[Figure, pd.DataFrame]:
    """Draw, over time, which rows are kept and why others are not, what each term loses, and the folds."""
    folds, binned = stores.folds, stores.binned
    if not folds.sizes["time"]:
        raise NothingToDraw("The fit epochs of this session hold no bin.")
    part = binned.isel(time=folds.row.values)
    breaks = segment_breaks(folds.row.values, part.segment.values)
    time, label = time_axis(part, breaks, stores.bin)
    table = pd.concat([_kept(folds, breaks), *_terms(stores, breaks)], ignore_index=True)
    lines = list(dict.fromkeys(table.line))
    figure = canvas(9, 0.3 * (len(lines) + 1) + 0.9)
    axes = figure.add_subplot()
    reasons = [reason for reason in dict.fromkeys(table.reason) if reason != KEPT]
    colors = {reason: COLORS[(k + 1) % len(COLORS)] for k, reason in enumerate(reasons)} | {KEPT: FAINT}
    hatches = {reason: ("", "////", "xxxx", "....")[k % 4] for k, reason in enumerate(reasons)} | {KEPT: ""}
    left = time - stores.bin / 2
    for reason in colors:
        for row, line in enumerate(lines):
            mine = table[(table.line == line) & (table.reason == reason)]
            spans = [(left[a], (b - a + 1) * stores.bin) for a, b in zip(mine["first"], mine["last"], strict=True)]
            axes.broken_barh(
                spans, (row - 0.36, 0.72), facecolors=colors[reason], hatch=hatches[reason], edgecolor=colors[reason],
                linewidth=0.0 if reason == KEPT else 1.0,
            )  # fmt: skip
    lost = table[table.reason != KEPT].groupby("line").rows.sum()
    for row, line in enumerate(lines):
        words = f"{int(lost.get(line, 0))} of {folds.sizes['time']} lost"
        axes.text(1.01, row, words, transform=axes.get_yaxis_transform(), va="center", fontsize=letters(7.5))
    _draw_folds(axes, folds, left, breaks, len(lines), stores.bin)
    names = [shown(line, 24) for line in lines]
    axes.set_yticks(range(len(lines) + 1), [*names, "test fold"])
    axes.set(ylim=(len(lines) + 0.6, -0.6), xlim=(left[0], left[-1] + stores.bin), xlabel=label)
    axes.tick_params(axis="y", length=0)
    handles = [
        axes.broken_barh([], (0, 0), facecolors=colors[r], hatch=hatches[r], edgecolor=INK, label=shown(r, 60))
        for r in colors
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=2)
    starts = table["first"].to_numpy(int)
    times = {
        "start": part.time.values[starts] - stores.bin / 2,
        "stop": part.time.values[table["last"].to_numpy(int)] + stores.bin / 2,
    }
    return figure, table.assign(**times)


def _draw_folds(axes: Axes, folds: xr.Dataset, left: np.ndarray, breaks: np.ndarray, row: int, bin_: float) -> None:
    for k, name in enumerate(folds.fold.values.astype(str)):
        spans = runs(folds.test.values[k], breaks)
        bars = [(left[a], (b - a) * bin_) for a, b in spans]
        axes.broken_barh(bars, (row - 0.36, 0.72), facecolors=(FAINT, QUIET)[k % 2], edgecolor="white", linewidth=0.5)
        for a, b in spans[:1]:
            axes.text(
                (left[a] + left[b - 1] + bin_) / 2,
                row,
                shown(name, 10),
                ha="center",
                va="center",
                color=("black", "white")[k % 2],
                fontsize=letters(7),
            )


def _kept(folds: xr.Dataset, breaks: np.ndarray) -> pd.DataFrame:
    meanings = [
        str(meaning).replace(":", ": ").replace("_", " ")
        for meaning in np.atleast_1d(folds.reason.attrs["flag_meanings"])
    ]
    return _stretches("all models", np.array(meanings)[folds.reason.values], breaks)


def _terms(stores: Stores, breaks: np.ndarray) -> list[pd.DataFrame]:
    """Return what each term alone can use: rows of its own store, all others unknown to it."""
    rows = stores.folds.row.values
    parts = []
    for term, store in stores.features.items():
        valid = np.zeros(len(rows), bool)
        place = np.searchsorted(rows, store.row.values)
        valid[place[place < len(rows)]] = store.valid.values[place < len(rows)]
        parts.append(_stretches(term, np.where(valid, KEPT, "features not known"), breaks))
    return parts


def _stretches(line: str, reasons: np.ndarray, breaks: np.ndarray) -> pd.DataFrame:
    """Return the stretches of rows of one reason: line, first, last, rows, reason."""
    parts = []
    for reason in dict.fromkeys(reasons.tolist()):
        spans = runs(reasons == reason, breaks)
        parts += [(line, a, b - 1, b - a, reason) for a, b in spans]
    return pd.DataFrame(sorted(parts, key=lambda part: part[1]), columns=["line", "first", "last", "rows", "reason"])
