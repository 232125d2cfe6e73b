"""What the models are given: basis functions, and the features of the example unit around two moments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nwbglm.filters import Table, tables_of_features

from .session import Stores, epoch_start, name_levels, signal_label
from .style import COLORS, FAINT, INK, NothingToDraw, canvas, grid

FEW = 12  # up to so many features are drawn as lines, more as an image


def draw_basis(stores: Stores, subject: str) -> tuple[Figure, pd.DataFrame]:
    """Draw each distinct set of basis functions once, with the terms that use it."""
    distinct: dict[bytes, tuple[list[str], Table]] = {}
    for term, store in stores.features.items():
        tables = tables_of_features(store)
        for i, table in enumerate(tables):
            if table.functions.shape[1] < 2 or _is_raw(table.functions) or table.grid.dtype.kind == "U":
                continue
            name = f"{term} ({stores.study.terms[term].factors[i].of})" if len(tables) > 1 else term
            key = table.grid.tobytes() + table.functions.tobytes()
            distinct.setdefault(key, ([], table))[0].append(name)
    if not distinct:
        raise NothingToDraw(
            "The terms of this study are raw lags or the values themselves: there are no functions to show."
        )
    figure, panels = grid(len(distinct), 2, height=2.4)
    for axes, (terms, table) in zip(panels, distinct.values(), strict=True):
        for k, function in enumerate(table.functions.T):
            axes.plot(table.grid, function, color=COLORS[k % len(COLORS)])
        over = "Lag" if table.axis == "lag" else "Value"
        units = table.units or ("s" if table.axis == "lag" else "")
        axes.set(title=", ".join(terms), ylabel="Basis function", xlabel=f"{over} ({units})")
    return figure, _basis_table(distinct.values())


def _is_raw(functions: np.ndarray) -> bool:
    return functions.shape[0] == functions.shape[1] and np.array_equal(functions, np.eye(len(functions)))


def _basis_table(distinct: Iterable[tuple[Sequence[str], Table]]) -> pd.DataFrame:
    parts = []
    for terms, table in distinct:
        names = [f"function_{k}" for k in range(table.functions.shape[1])]
        part = pd.DataFrame(table.functions, columns=names)
        part.insert(0, "at", table.grid)
        part.insert(0, "axis", table.axis)
        part.insert(0, "terms", " ".join(terms))
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def draw_features(stores: Stores, subject: str) -> tuple[Figure, pd.DataFrame]:
    """Draw input and features of the example unit around an isolated and around the busiest moment."""
    if subject not in stores.features:
        raise NothingToDraw(f"There are no features of {subject} in this session.")
    store = stores.features[subject]
    spikes = stores.study.terms[subject].of_spikes
    columns = _columns(store, str(stores.example) if spikes else None)
    source, label = _input(stores, subject, store)
    past, ahead = (round(float(store.attrs.get(key, 0.0)) / stores.bin) for key in ("window", "ahead"))
    counts = stores.binned.response.sel(unit=stores.example).values[store.row.values]
    moments = (find_moments if stores.response.counts else find_rises)(counts, store, past + ahead)
    if not moments:
        what = "spike" if stores.response.counts else "value"
        raise NothingToDraw(f"The example unit {stores.example} has no {what} with full features of {subject}.")
    figure = canvas(9, 4.6)
    axes = figure.subplots(2, len(moments), squeeze=False, height_ratios=[1, 2], sharex="col")
    parts = []
    for column, (title, first, last) in enumerate([(title, *ends) for title, ends in moments.items()]):
        part = slice(first, last)
        values = store.features.isel(feature=columns, time=part).values.astype(float)
        values[~store.valid.values[part]] = np.nan
        time = store.time.values[part] - epoch_start(stores.binned.isel(time=store.row.values[part]), stores.bin)
        _draw_input(axes[0, column], time, source[store.row.values[part]], (past, ahead), title)
        _draw_matrix(axes[1, column], time, values, store, stores.bin)
        parts.append(_feature_table(title, store.time.values[part], source[store.row.values[part]], values))
    axes[0, 0].set_ylabel(label)
    if not spikes:
        for one in axes[0]:
            name_levels(one.yaxis, stores.binned[stores.study.terms[subject].signals[0]].attrs)
    return figure, pd.concat(parts, ignore_index=True)


def _columns(store: xr.Dataset, unit: str | None) -> np.ndarray:
    if unit is None:
        return np.arange(store.sizes["feature"])
    mine = np.flatnonzero(store.input.values.astype(str) == unit)
    if not mine.size:
        raise NothingToDraw(f"Unit {unit} is no input of this term.")
    return mine


def _input(stores: Stores, subject: str, store: xr.Dataset) -> tuple[np.ndarray, str]:
    term = stores.study.terms[subject]
    if term.of_spikes:
        return stores.binned.response.sel(unit=stores.example).values.astype(float), stores.response.input_label
    signal = term.signals[0]
    return stores.binned[signal].values, signal_label(signal, stores.binned[signal].attrs)


def find_moments(counts: np.ndarray, store: xr.Dataset, window: int) -> dict[str, tuple[int, int]]:
    """Find the stretches that the features figure shows.

    Parameters
    ----------
    counts
        (time,) of the example unit on the rows of features.
    store
        The features; stretches lie on contiguous rows.
    window
        Length of the history in rows; a stretch is twice and a half as long.

    Returns
    -------
    dict
        First and last position by title: the spike after the longest silence, and the stretch with the most spikes.
    """
    length, starts, whole = _whole_stretches(store, window)
    spikes = np.flatnonzero(counts > 0)
    if not starts.size or not spikes.size:
        return {}
    total = np.concatenate([[0], np.cumsum(counts)])
    busy = int(starts[np.argmax(total[starts + length] - total[starts])])
    silence = np.diff(np.concatenate([[-1], spikes]))
    lead = length // 5
    moments = {}
    for spike in spikes[np.argsort(-silence, kind="stable")]:
        if spike >= lead and spike - lead < len(whole) and whole[spike - lead]:
            moments["after a silence"] = (int(spike - lead), int(spike - lead + length))
            break
    moments["busiest stretch"] = (busy, busy + length)
    return moments


def find_rises(values: np.ndarray, store: xr.Dataset, window: int) -> dict[str, tuple[int, int]]:
    """Find the stretches that the features figure shows of a continuous response (see `find_moments`).

    Returns
    -------
    dict
        First and last position by title: around the largest value, and the stretch that varies most.
    """
    length, starts, _ = _whole_stretches(store, window)
    valid = np.concatenate([[0], np.cumsum(store.valid.values)])
    unbroken = starts[valid[starts + length] - valid[starts] == length]  # no gap between samples within
    starts = unbroken if unbroken.size else starts
    known = np.where(np.isfinite(values), values, np.nanmin(values) if np.isfinite(values).any() else 0.0)
    if not starts.size or not np.ptp(known):
        return {}
    centred = known - known.mean()
    sums, squares = (np.concatenate([[0.0], np.cumsum(part)]) for part in (centred, centred**2))
    spread = (squares[starts + length] - squares[starts]) - (sums[starts + length] - sums[starts]) ** 2 / length
    peak = int(starts[np.argmin(np.abs(starts + length // 2 - int(np.argmax(known))))])
    busy = int(starts[np.argmax(spread)])
    return {"around the largest value": (peak, peak + length), "where it varies most": (busy, busy + length)}


def _whole_stretches(store: xr.Dataset, window: int) -> tuple[int, np.ndarray, np.ndarray]:
    """Return the length of a stretch in rows, the rows where one can begin, and whether each row is such a one."""
    length = int(2.5 * window) + 1
    rows = store.row.values
    if len(rows) <= length:
        length = len(rows)
    whole = (rows[length - 1 :] - rows[: len(rows) - length + 1] == length - 1) & store.valid.values[
        : len(rows) - length + 1
    ]
    return length, np.flatnonzero(whole), whole


def _draw_input(axes: Axes, time: np.ndarray, values: np.ndarray, window: tuple[int, int], title: str) -> None:
    axes.step(time, values, where="mid", color=INK, linewidth=0.9)
    past, ahead = window
    now = min(len(time) - 1, int(1.25 * (past + ahead)))
    first, last = max(0, now - past), min(len(time) - 1, now + ahead if ahead else now - 1)
    axes.axvspan(time[first], time[last], color=FAINT, alpha=0.6, linewidth=0)
    axes.axvline(time[now], color=COLORS[1])
    axes.set_title(title)


def _draw_matrix(axes: Axes, time: np.ndarray, values: np.ndarray, store: xr.Dataset, bin_: float) -> None:
    low = np.nanmin(values, axis=0, initial=np.inf, where=np.isfinite(values))
    high = np.nanmax(values, axis=0, initial=-np.inf, where=np.isfinite(values))
    scaled = (values - low) / np.where(high > low, high - low, 1.0)
    axes.set_xlabel("Time in the epoch (s)")
    axes.locator_params(axis="x", nbins=5)
    if values.shape[1] <= FEW:
        for k, feature in enumerate(scaled.T):
            axes.plot(time, feature + k * 1.15, color=COLORS[k % len(COLORS)])
        axes.set_yticks(np.arange(values.shape[1]) * 1.15, [str(k) for k in range(values.shape[1])])
        axes.set_ylabel("Feature (scaled)")
        return
    tables = tables_of_features(store)
    raw = len(tables) == 1 and len(tables[0].grid) == values.shape[1]
    lags = tables[0].grid if raw else np.arange(values.shape[1])
    extent = (time[0] - bin_ / 2, time[-1] + bin_ / 2, lags[0] - bin_ / 2, lags[-1] + bin_ / 2)
    axes.imshow(scaled.T, aspect="auto", origin="lower", extent=extent, cmap="Greys")
    axes.set_ylabel("Lag (s)")


def _feature_table(title: str, time: np.ndarray, source: np.ndarray, values: np.ndarray) -> pd.DataFrame:
    part = pd.DataFrame(values, columns=[f"feature_{k}" for k in range(values.shape[1])])
    part.insert(0, "input", source)
    part.insert(0, "time", time)
    part.insert(0, "moment", title)
    return part
