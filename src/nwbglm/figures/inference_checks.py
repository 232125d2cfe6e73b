"""Goodness of fit as figures: timing of spikes, calibration, variability over windows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from .session import Stores
from .style import FAINT, INK, QUIET, NothingToDraw, canvas

WIDE = 1.96
"""Standard deviations of a 95 % band."""

KS = 1.36
"""Distance times the root of the number of intervals that 5 % of right models exceed."""


STRONGLY: dict[str, Any] = {"linewidth": 1.8, "markersize": 4}
FAINTLY: dict[str, Any] = {"linewidth": 0.6, "markersize": 2, "alpha": 0.5}
"""How the example unit is drawn, and the others."""


def _checked(stores: Stores, subject: str) -> tuple[xr.Dataset, int]:
    """Return the checks of the units that were checked, and where the example unit stands among them."""
    if subject not in stores.checks:
        raise NothingToDraw(f"The fit of {subject} was not checked in this session.")
    checks = stores.checks[subject]
    told = checks.isel(unit=np.flatnonzero(checks["reason"].values == ""))
    if not told.sizes["unit"]:
        reasons = "; ".join(dict.fromkeys(checks["reason"].values.tolist()))
        raise NothingToDraw(f"No unit could be checked: {reasons or 'there is none'}.")
    found = np.flatnonzero(told["unit"].values == stores.example)
    return told, int(found[0]) if found.size else 0


def draw_ks(stores: Stores, subject: str) -> tuple[Figure, pd.DataFrame]:
    """Draw the distribution of rescaled intervals, and the autocorrelations of intervals and residuals."""
    told, example = _checked(stores, subject)
    color = stores.styles[subject]["color"]
    timed = bool(np.isfinite(told["ks"].values).any())
    figure = canvas(9 if timed else 4, 2.7)
    panels = list(figure.subplots(1, 4 if timed else 1, squeeze=False)[0])
    residuals = panels[-1]
    if timed:
        _draw_distribution(panels[0], told.isel(unit=example), color)
        _draw_distances(panels[1], told, example, color)
        _draw_correlation(panels[2], told, "interval", example, color, told["intervals"].values)
        panels[2].set(xlabel="Lag (intervals)", title="rescaled intervals")
    _draw_correlation(residuals, told, "residual", example, color, told["rows"].values)
    residuals.set(xlabel="Lag (bins)", title="residuals")
    panels[2 if timed else 0].set_ylabel("Autocorrelation")
    return figure, _ks_table(told, timed)


def _draw_distribution(axes: Axes, unit: xr.Dataset, color: str) -> None:
    place, band = unit["place"].values, float(unit["ks_band"])
    axes.fill_between(place, place - band, place + band, color=FAINT, alpha=0.6, linewidth=0)
    axes.plot([0, 1], [0, 1], color=QUIET, linewidth=0.8)
    axes.plot(place, unit["distribution"].values, color=color, linewidth=1.6)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="Rescaled interval", ylabel="Share up to it")
    axes.set_title(f"unit {int(unit['unit'])}, {int(unit['intervals'])} intervals")


def _draw_distances(axes: Axes, told: xr.Dataset, example: int, color: str) -> None:
    place = told["place"].values
    scaled = (told["distribution"].values - place) * np.sqrt(told["intervals"].values)[:, None]
    axes.axhspan(-KS, KS, color=FAINT, alpha=0.6, linewidth=0)
    _draw_units(axes, place, scaled, example, color)
    axes.set(xlim=(0, 1), xlabel="Rescaled interval", ylabel="Difference, √intervals", title=_units(told))


def _draw_correlation(axes: Axes, told: xr.Dataset, of: str, example: int, color: str, lengths: np.ndarray) -> None:
    values, lag = told[f"{of}_correlation"].values, told[f"{of}_lag"].values
    band = WIDE / np.sqrt(max(float(np.nanmedian(lengths)), 1.0))
    axes.axhspan(-band, band, color=FAINT, alpha=0.6, linewidth=0)
    axes.axhline(0, color=QUIET, linewidth=0.6)
    _draw_units(axes, lag, values, example, color)


def _draw_units(axes: Axes, x: np.ndarray, values: np.ndarray, example: int, color: str) -> None:
    """Draw a line a unit, the example's on top and thick."""
    for k, line in enumerate(values):
        if k != example:
            axes.plot(x, line, color=color, linewidth=0.6, alpha=0.45)
    axes.plot(x, values[example], color=color, linewidth=1.8)


def _units(told: xr.Dataset) -> str:
    count = told.sizes["unit"]
    return "1 unit" if count == 1 else f"{count} units"


def _ks_table(told: xr.Dataset, timed: bool) -> pd.DataFrame:
    """Lay the panels out as quantity, unit, at, value, and the half width of its band."""
    kinds = {"residual_correlation": WIDE / np.sqrt(told["rows"].values)}
    if timed:
        with np.errstate(divide="ignore"):
            intervals = WIDE / np.sqrt(told["intervals"].values)
        kinds = {"distribution": told["ks_band"].values, "interval_correlation": intervals} | kinds
    parts = [_long(told, name).assign(band=np.repeat(band, told[name].shape[1])) for name, band in kinds.items()]
    return pd.concat(parts, ignore_index=True)


def _long(told: xr.Dataset, name: str) -> pd.DataFrame:
    """Lay a shape out as quantity, unit, at, value."""
    axis = str(told[name].dims[1])
    return pd.DataFrame(
        {
            "quantity": name,
            "unit": np.repeat(told["unit"].values, told.sizes[axis]),
            "at": np.tile(told[axis].values, told.sizes["unit"]),
            "value": told[name].values.ravel(),
        }
    )


def draw_calibration(stores: Stores, subject: str) -> tuple[Figure, pd.DataFrame]:
    """Draw mean responses against expectations in tenths, and Fano factors over windows."""
    told, example = _checked(stores, subject)
    color = stores.styles[subject]["color"]
    counted = bool(np.isfinite(told["fano"].values).any())
    figure = canvas(9 if counted else 4.5, 3.4)
    panels = list(figure.subplots(1, 2 if counted else 1, squeeze=False)[0])
    _draw_tenths(panels[0], told, example, color, stores)
    table = _long(told, "expected").rename(columns={"at": "tenth", "value": "expected"}).drop(columns="quantity")
    table = table.assign(observed=told["observed"].values.ravel(), rows=told["tenth_rows"].values.ravel())
    if not counted:
        return figure, table
    seen = np.isfinite(told["fano"].values).any(axis=0)  # no window is longer than the pieces that were held out
    told = told.isel(window=seen)
    window = told["window"].values
    panels[1].axhline(1, color=QUIET, linewidth=0.8)
    _draw_units(panels[1], window, told["fano"].values, example, color)
    panels[1].set(xscale="log", xlabel="Window (bins)", ylabel="Variance / expectation", title=_units(told))
    panels[1].set_xticks(window[::2], [str(each) for each in window[::2]])
    panels[1].minorticks_off()
    high = float(np.nanquantile(told["fano"].values, 0.98)) * 1.1
    panels[1].set_ylim(0, max(2.0, high))
    fano = _long(told, "fano").rename(columns={"at": "window", "value": "fano"}).drop(columns="quantity")
    return figure, pd.concat([table, fano], ignore_index=True)


def _draw_tenths(axes: Axes, told: xr.Dataset, example: int, color: str, stores: Stores) -> None:
    """Draw the tenths; of counts in Hz on logarithmic axes, since units differ by orders of magnitude."""
    counts = stores.response.counts
    per = stores.response.per if counts else 1.0
    expected, observed = told["expected"].values / per, told["observed"].values / per
    for k in [*(k for k in range(len(expected)) if k != example), example]:
        style = STRONGLY if k == example else FAINTLY
        known = (expected[k] > 0) & (observed[k] > 0) if counts else np.isfinite(expected[k])
        axes.plot(expected[k][known], observed[k][known], "o-", color=color, **style)
    if counts:
        axes.set(xscale="log", yscale="log")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_locator(NullLocator())
    low = np.nanmin(np.where((expected > 0) | (not counts), expected, np.nan))
    axes.plot([low, np.nanmax(expected)], [low, np.nanmax(expected)], color=INK, linewidth=0.8)
    unit = "Hz" if counts else stores.response.label
    axes.set(xlabel=f"Expected ({unit})" if counts else f"Expected: {unit}")
    axes.set(ylabel=f"Observed ({unit})" if counts else "Observed", title=f"tenths of held-out rows, {_units(told)}")
