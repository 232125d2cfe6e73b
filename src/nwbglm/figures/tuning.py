"""Tuning curves of the data with those of the models' held-out predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nwbglm.labels import in_texts
from nwbglm.tuning.curves import mean_limits, poisson_limits, tuning_curve, value_index

from .inference_bands import tuning_band
from .rates import data_limits
from .recorded import runs
from .session import Stores, name_levels, signal_label, tell_few
from .style import FAINT, INK, QUIET, UNVISITED, NothingToDraw, abreast, grid, letters, mark_clipped
from .texts import shown

HARDLY = 0.02  # of the longest time at a value: less does not set the axis
OCCUPANCY = 0.14  # share of a panel's height that the longest time at a value takes


def draw_tuning(stores: Stores, subject: str) -> tuple[Figure, pd.DataFrame]:
    """Draw every unit's tuning curve; circular ones in the order of preferred value."""
    if "tuning" not in stores.single or f"rate_{subject}" not in stores.tuning:
        raise NothingToDraw(f"This session has no tuning to {subject}.")
    curves = collect(stores, subject)
    every = stores.order(subject) if stores.circular(subject) else np.arange(stores.fitted_units.size)
    order = stores.few(every)
    single = len(order) == 1
    figure, panels = grid(len(order), 1 if single else 5, width=6 if single else 9, height=3.4 if single else 1.55)
    units = stores.fitted_units[order]
    width = float(np.diff(stores.tuning[f"edges_{subject}"].values).mean())
    for axes, unit in zip(panels, units, strict=True):
        curve = curves[curves.unit == unit]
        _shade(axes, stores, subject, int(unit), curve)
        _draw_unit(axes, stores, curve, width)
        axes.set_title(_label(stores, subject, unit), fontsize=letters(7.5))
        if stores.circular(subject):
            mark_circle(axes, stores.tuning[f"value_{subject}"].attrs)
    _label_outside(figure, panels, stores, subject)
    tell_few(figure, len(order), len(every))
    return figure, curves


def collect(stores: Stores, subject: str) -> pd.DataFrame:
    """Gather, by unit and value, the data on the rows that models are scored on, and every model's mean predicted rate.

    Columns `rate`, `low`, `high`, `occupancy` are of the very rows of the predictions; `rate_all` and `occupancy_all`
    of all the tuning's epochs.
    """
    all_rows = stores.tuning[f"rate_{subject}"]
    value = f"value_{subject}"
    occupancy = stores.tuning[f"occupancy_{subject}"]
    columns = same_rows(stores, subject) | {"rate_all": all_rows, "occupancy_all": occupancy}
    for model, prediction in stores.predictions.items():
        for kind in (f"rate_{subject}", f"heldout_rate_{subject}"):
            if kind in prediction:
                columns[f"{kind.removesuffix('_' + subject)}_{model}"] = prediction[kind].rename({value: value})
    broadcast = xr.broadcast(*columns.values())
    shape = ("unit", value)
    names = in_texts(all_rows[value].values, all_rows[value].attrs)
    units, values = np.meshgrid(all_rows.unit.values, names, indexing="ij")
    table = {"unit": units.ravel(), "value": values.ravel()}
    return pd.DataFrame(
        table | {name: a.transpose(*shape).values.ravel() for name, a in zip(columns, broadcast, strict=True)}
    )


def same_rows(stores: Stores, subject: str) -> dict[str, xr.DataArray]:
    """Return the data's mean by value, its limits and the time at each value, on the rows that predictions are of.

    Those are the rows that all compared models can use, held out by some fold where folds hold any out. Without the
    stores that say so it is the tuning as stored.
    """
    stored = {name: stores.tuning[f"{name}_{subject}"] for name in ("rate", "low", "high", "occupancy")}
    if "folds" not in stores.single or "binned" not in stores.single or not stores.predictions:
        return stored
    folds, binned = stores.folds, stores.binned
    tested = folds.test.values.any(axis=0)
    rows = folds.row.values[folds.shared.values & (tested if tested.any() else folds.final.values)]
    signal = binned[stores.study.tuning[subject].of]
    edges, period = stores.tuning[f"edges_{subject}"].values, signal.attrs.get("period")
    exposure = binned["exposure"].values[rows] if "exposure" in binned else np.ones(len(rows))
    values, level = signal.values[rows], stores.study.tuning[subject].confidence
    responses = binned.response.sel(unit=stored["rate"].unit.values).values[rows].astype(float)
    weighted = responses if stores.response.counts else np.nan_to_num(responses) * stores.bin
    curve = tuning_curve(weighted, values, edges, exposure * stores.bin, period)
    if stores.response.counts:
        with np.errstate(divide="ignore", invalid="ignore"):
            limits = [
                np.where(curve.occupancy > 0, n / curve.occupancy, np.nan) for n in poisson_limits(curve.count, level)
            ]
    else:
        limits = list(mean_limits(responses, value_index(values, edges, period), curve.rate, level))
    seconds = stored["occupancy"].copy(data=np.broadcast_to(curve.occupancy, stored["occupancy"].shape))
    like = stored["rate"]
    return {
        "rate": like.copy(data=curve.rate),
        "low": like.copy(data=limits[0]),
        "high": like.copy(data=limits[1]),
        "occupancy": seconds,
    }


def _draw_unit(axes: Axes, stores: Stores, curve: pd.DataFrame, width: float) -> None:
    points: dict[str, Any] = {}
    if curve.value.dtype.kind not in "iuf":  # texts: those that there are, as points, since nothing lies between
        curve, points = curve[curve.occupancy > 0], {"marker": "o", "markersize": 4, "markevery": None}
        axes.set_xticks(range(len(curve)), [shown(level, 14) for level in curve.value], rotation=30)
        curve = curve.assign(value=np.arange(len(curve)))
        axes.margins(x=0.15)
    else:
        _shade_unvisited(axes, curve, width)
    axes.fill_between(curve.value, curve.low, curve.high, color=FAINT, linewidth=0)
    same = np.allclose(curve.rate, curve.rate_all, rtol=0.02, equal_nan=True)
    if not same:
        axes.plot(curve.value, curve.rate_all, color=QUIET, linewidth=0.8, label="data, all of its epochs")
    axes.plot(curve.value, curve.rate, color=INK, linewidth=1.4, label="data, rows of the models", **points)
    for model in stores.models:
        held_out, in_sample = curve.get(f"heldout_rate_{model}"), curve.get(f"rate_{model}")
        if held_out is not None and held_out.notna().any():
            axes.plot(curve.value, held_out, label=model, **stores.styles[model] | points)
        elif in_sample is not None:
            axes.plot(curve.value, in_sample, label=f"{model} (in-sample)", **stores.styles[model] | points)
    models = [c for c in curve if c.startswith(("rate_", "heldout_rate_")) and c != "rate_all"]
    if stores.response.counts:
        limits = (0.0, 1.1 * _highest(curve))
    else:
        limits = data_limits(curve.rate.to_numpy(), curve[["low", "high", *models]].to_numpy(float))
    axes.set_ylim(limits)
    seen = [c for c in models if c.startswith("heldout")] or models
    mark_clipped(axes, curve[["rate", *seen]].to_numpy(float), limits)


def _shade_unvisited(axes: Axes, curve: pd.DataFrame, width: float) -> None:
    """Shade values that were never there, and draw how long each other one was along the axis."""
    at, seconds = curve.value.to_numpy(float), curve.occupancy.to_numpy(float)
    across = axes.get_xaxis_transform()
    for first, end in runs(~(seconds > 0), np.array([], int)):
        axes.axvspan(at[first] - width / 2, at[end - 1] + width / 2, color=UNVISITED, linewidth=0, zorder=0)
    if seconds.max(initial=0.0) > 0:
        edges = np.append(at - width / 2, at[-1] + width / 2)
        axes.stairs(OCCUPANCY * seconds / seconds.max(), edges, transform=across, color=FAINT, fill=True, zorder=0.5)


def _shade(axes: Axes, stores: Stores, subject: str, unit: int, curve: pd.DataFrame) -> None:
    """Shade what the interval on a model's own term of the signal makes of its predicted curve."""
    for model in stores.models:
        rate = curve.get(f"heldout_rate_{model}")
        if rate is None or model not in stores.intervals:
            continue
        at = curve.value.to_numpy()
        limits = tuning_band(stores, subject, model, unit, at, rate.to_numpy(float))
        if limits is not None:
            axes.fill_between(at, *limits, color=stores.styles[model]["color"], alpha=0.18, linewidth=0)


def _highest(curve: pd.DataFrame) -> float:
    """Return the upper limit of the axis: a value that was hardly visited must not flatten the rest."""
    curve = curve[curve.occupancy >= HARDLY * curve.occupancy.max()]
    rate, high = curve.rate.max(), curve.high.max()
    top = min(high, 1.8 * rate) if rate > 0 else high
    return float(top) if np.isfinite(top) and top > 0 else 1.0


def _label(stores: Stores, subject: str, unit: int) -> str:
    information = stores.tuning.get(f"information_{subject}")
    if information is None:
        return f"unit {unit}"
    return f"unit {unit} · Skaggs {float(information.sel(unit=unit)):.2f} bits"


def mark_circle(axes: Axes, attrs: dict) -> None:
    """Put ticks at the parts of a turn where the value is an angle in radians."""
    period = float(attrs.get("period", 2 * np.pi))
    if np.isclose(period, 2 * np.pi):
        axes.set(xlim=(0, period), xticks=[0, np.pi, 2 * np.pi], xticklabels=["0", "π", "2π"])
    else:
        axes.set_xlim(0, period)


def value_label(stores: Stores, subject: str) -> str:
    """Return the axis label of a tuning's value: the signal and its units."""
    return signal_label(stores.study.tuning[subject].of, stores.tuning[f"value_{subject}"].attrs)


def _label_outside(figure: Figure, panels: list[Axes], stores: Stores, subject: str) -> None:
    on = stores.tuning[f"rate_{subject}"].attrs.get("sampled_on", "bins")
    sampled = "" if on == "bins" else f"; data of all epochs sampled on {on}"
    figure.supxlabel(f"{value_label(stores, subject)}{sampled}", fontsize=letters(9))
    figure.supylabel(stores.response.label, fontsize=letters(9))
    handles, labels = panels[0].get_legend_handles_labels()
    if len(panels) == 1:
        panels[0].legend(handles, labels, loc="upper left")
    else:
        figure.legend(handles, labels, loc="outside upper center", ncols=abreast(min(7, len(labels))))


def draw_map(stores: Stores, subject: str) -> tuple[Figure, pd.DataFrame]:
    """Draw every unit's rate by two signals."""
    if "tuning" not in stores.single or f"map_{subject}" not in stores.tuning:
        raise NothingToDraw(f"This session has no map {subject}.")
    rate = stores.tuning[f"map_{subject}"].transpose("unit", f"x_{subject}", f"y_{subject}")
    x, y = (rate[f"{axis}_{subject}"].values for axis in "xy")
    figure, panels = grid(rate.sizes["unit"], 5, width=9, height=1.9)
    for axes, unit, values in zip(panels, rate.unit.values, rate.values, strict=True):
        known = values[np.isfinite(values)]
        low = 0 if stores.response.counts or not known.size else known.min()
        axes.set_facecolor(UNVISITED)  # 0 Hz is white, what was never visited is not
        axes.pcolormesh(x, y, values.T, cmap="Greys", vmin=low, shading="nearest", rasterized=True)
        for axis, of in ((axes.xaxis, "x"), (axes.yaxis, "y")):
            name_levels(axis, rate[f"{of}_{subject}"].attrs, 30)
        top = np.nanmax(values) if np.isfinite(values).any() else np.nan
        axes.set_title(f"unit {unit} · {top:.3g} {stores.response.rate_units}".rstrip())
    names = [signal_label(name, rate[f"{axis}_{subject}"].attrs) for name, axis in _map_axes(stores, subject)]
    figure.supxlabel(names[0], fontsize=letters(9))
    figure.supylabel(names[1], fontsize=letters(9))
    occupancy = xr.broadcast(stores.tuning[f"map_occupancy_{subject}"], rate)[0].transpose(*rate.dims)
    named = [in_texts(rate[f"{axis}_{subject}"].values, rate[f"{axis}_{subject}"].attrs) for axis in "xy"]
    units, at_x, at_y = np.meshgrid(rate.unit.values, *named, indexing="ij")
    table = {"unit": units, "x": at_x, "y": at_y, "rate": rate.values, "occupancy": occupancy.values}
    return figure, pd.DataFrame({name: values.ravel() for name, values in table.items()})


def _map_axes(stores: Stores, subject: str) -> list[tuple[str, str]]:
    return list(zip(stores.study.maps[subject].of, "xy", strict=True))
