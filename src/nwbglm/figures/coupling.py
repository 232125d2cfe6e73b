"""The matrix of coupling filters: receivers by senders, with tuning along the margins."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure

from nwbglm.filters import filters

from .filters import filter_table
from .inference_bands import DOUBT, columns_of, decided, fill_cells, found_bands
from .session import Stores, signal_label
from .style import COLORS, FAINT, INK, QUIET, NothingToDraw, abreast, canvas, letters
from .subjects import coupling_terms
from .texts import shown

ROOM = 0.42  # half height of a filter in its cell of height 1
DARK = 0.62  # how far the scale of differences goes: its lighter part is not seen on white
LAGS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # s, where there are ticks


def draw_coupling(stores: Stores, subject: str) -> tuple[Figure, pd.DataFrame]:
    """Draw every coupling filter of one model, a matrix a term; one axes each, since hundreds would take a minute."""
    if subject not in stores.fits:
        raise NothingToDraw(f"Model {subject} was not fitted in this session.")
    fit, terms = stores.fits[subject], coupling_terms(stores.study, subject)
    units, order = stores.fitted_units, stores.order()
    apart, name = _distances(stores, order)
    size = float(np.clip(0.42 * (len(units) + 1) + 1.2, 4, 11))
    key = 1.05  # inches
    figure = canvas(min(size + 0.8, 9.0), (size + key) * len(terms))
    tables, per = [], f"{_lower(stores.gain([subject]))} per {stores.response.one}"
    measure = "Difference of preferred value"
    if name is not None:
        measure = signal_label(measure, stores.tuning[f"value_{name}"].attrs)
    layout = figure.add_gridspec(2 * len(terms), 3, height_ratios=[size, key] * len(terms))
    for row, term in enumerate(terms):
        axes = figure.add_subplot(layout[2 * row, :])
        found = filters(fit, term)
        values = found.sel(sender=units).values[order][:, order]
        scales, lags = cell_scales(values), _log_lags(found["lag"].values)
        bands = found_bands(stores, term, {subject: found})
        known = {key: edge[order][:, _places(found, units[order])] for key, edge in bands.get(subject, {}).items()}
        if known:
            fill_cells(axes, lags, known, scales, ROOM)
        _draw_cells(axes, lags, values, apart, scales, np.asarray(decided(known).any(axis=-1)) if known else None)
        _draw_margins(axes, stores, subject, name, order)
        title = _scale_words(shown(term) if len(terms) > 1 else "", scales, values, per)
        _finish(axes, figure, units[order], apart, title, measure)
        _draw_key(figure.add_subplot(layout[2 * row + 1, 1]), found["lag"].values, values, scales, per)
        table = filter_table({subject: found})
        table.insert(1, "term", term)
        table = table.assign(**columns_of(bands, [subject], len(table))) if bands else table
        tables.append(table)
    return figure, _with_distance(pd.concat(tables, ignore_index=True), stores, name)


def _places(found: xr.DataArray, units: np.ndarray) -> np.ndarray:
    """Return where units stand among the senders of filters."""
    senders = found["sender"].values.tolist()
    return np.array([senders.index(unit) for unit in units.tolist()])


def _draw_key(axes: Axes, lags: np.ndarray, values: np.ndarray, scales: tuple[float, float], per: str) -> None:
    """Draw one cell large, with its axis of lags and its scale: the coupling filter of the largest size."""
    others = values[~np.eye(len(values), dtype=bool)]
    sizes = np.nan_to_num(np.abs(others)).max(axis=1, initial=0.0)
    x = _log_lags(lags)
    axes.axhline(0, color=FAINT, linewidth=0.5)
    if sizes.size:
        axes.plot(x, np.clip(others[np.argmax(sizes)], -1.1 * scales[0], 1.1 * scales[0]), color=INK)
    marks = [lag for lag in LAGS if lags[0] * 0.999 <= lag <= lags[-1] * 1.001] or [lags[0], lags[-1]]
    kept: list[tuple[float, str]] = []
    for place, lag in zip(np.interp(marks, lags, x).tolist(), marks, strict=True):
        if not kept or place - kept[-1][0] > 0.17 * 6 / abreast(6):
            kept.append((place, f"{lag:g}"))
    axes.set_xticks([place for place, _ in kept], [text for _, text in kept])
    axes.set(
        xlim=(0, 1),
        ylim=(-1.15 * scales[0], 1.15 * scales[0]),
        xlabel="Lag in a cell (s)",
        title="the largest filter, enlarged",
    )
    axes.set_yticks([-scales[0], 0, scales[0]], [f"{v:.2g}" for v in (-scales[0], 0, scales[0])])
    axes.set_ylabel(per.replace(" per ", "\nper "), fontsize=letters(7))
    axes.tick_params(labelsize=letters(7))


def _scale_words(term: str, scales: tuple[float, float], values: np.ndarray, per: str) -> str:
    fitted = np.isfinite(values[np.eye(len(values), dtype=bool)]).any()
    text = f"half a cell: {scales[0]:.2g} {per}"
    text += f"; on the diagonal (grey) {scales[1]:.2g}" if fitted else "; diagonal not fitted"
    hidden = [int((np.abs(part) > 1.1 * scale).sum()) for part, scale in zip(_parts(values), scales, strict=True)]
    text += f"; beyond: {sum(hidden)} lags" if sum(hidden) else ""
    return f"{term}\n{text}" if term else text


def _lower(words: str) -> str:
    """Return the name of an axis as it stands within a sentence; names of responses stay as they are."""
    return words[0].lower() + words[1:] if words in ("Log gain", "Linear predictor") else words


def cell_scales(values: np.ndarray) -> tuple[float, float]:
    """Return the log gain that fills a cell's half, for coupling and for own history."""
    sizes = [np.abs(part[np.isfinite(part).any(axis=1)]) for part in _parts(values)]
    scales = []
    for part in sizes:
        each = np.nan_to_num(part).max(axis=1, initial=0.0)
        typical = float(np.quantile(each, 0.9)) if each.size else 0.0
        scales.append(min(float(each.max(initial=0.0)), 2.0 * typical) or 1.0)
    return scales[0], scales[1]


def _parts(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the filters (pairs, lags) between units, and of units onto themselves."""
    own = np.eye(len(values), dtype=bool)
    return values[~own], values[own]


def _distances(stores: Stores, order: np.ndarray) -> tuple[np.ndarray | None, str | None]:
    """Return |difference| of preferred values (receiver, sender) on the circle, and the tuning it is of."""
    for name in stores.study.tuning:
        if stores.circular(name) and "tuning" in stores.single:
            preferred = stores.tuning[f"preferred_{name}"].sel(unit=stores.fitted_units).values[order]
            return circular_distance(preferred[:, None], preferred[None], stores.period(name)), name
    return None, None


def circular_distance(a: np.ndarray, b: np.ndarray, period: float) -> np.ndarray:
    """Return the shorter way round between two values."""
    return np.abs(np.mod(a - b + period / 2, period) - period / 2)


def _log_lags(lags: np.ndarray) -> np.ndarray:
    """Return where in a cell each lag stands: on a logarithmic axis, since what happens happens at short lags."""
    if len(lags) < 2 or lags[0] <= 0:
        return np.linspace(0.08, 0.92, len(lags))
    return 0.08 + 0.84 * np.log(lags / lags[0]) / np.log(lags[-1] / lags[0])


def _draw_cells(
    axes: Axes,
    x: np.ndarray,
    values: np.ndarray,
    apart: np.ndarray | None,
    scales: tuple[float, float],
    sure: np.ndarray | None = None,
) -> None:
    """Draw the filters of a matrix; fainter where `sure` says that an interval holds 0 at every lag."""
    count = len(values)
    scale, own_scale = scales
    lines, colors = [], []
    largest = np.nanmax(apart) if apart is not None and np.isfinite(apart).any() else 1.0
    # a filter that was never fitted (a unit onto itself, among the others) leaves its cell empty
    cells = [(i, j) for i in range(count) for j in range(count) if np.isfinite(values[i, j]).any()]
    for i, j in cells:
        height = np.clip(values[i, j] / (own_scale if i == j else scale), -1.1, 1.1) * ROOM
        lines.append(np.column_stack([j + x, i + 0.5 - height]))
        if i == j:
            colors.append(QUIET)
        elif apart is None:
            colors.append(COLORS[1] if np.nansum(values[i, j]) > 0 else COLORS[0])
        else:
            colors.append(colormaps["viridis"](DARK * apart[i, j] / largest))
    zero = [[(j + 0.08, i + 0.5), (j + 0.92, i + 0.5)] for i, j in cells]
    axes.add_collection(LineCollection(zero, colors=FAINT, linewidths=0.5))
    strength = [1.0 if sure is None or sure[i, j] else DOUBT for i, j in cells]
    axes.add_collection(LineCollection(lines, colors=colors, linewidths=1.2, alpha=strength, zorder=2))


def _draw_margins(axes: Axes, stores: Stores, model: str, tuning: str | None, order: np.ndarray) -> None:
    """Draw tuning curves above the senders and left of the receivers: data black, the model's colour on it."""
    if tuning is None:
        return
    curves = [(stores.tuning[f"rate_{tuning}"].sel(unit=stores.fitted_units).values[order], INK)]
    if model in stores.predictions:
        predicted = stores.predictions[model][f"heldout_rate_{tuning}"]
        curves.append((predicted.sel(unit=stores.fitted_units).values[order], stores.styles[model]["color"]))
    lines, colors, dashes = [], [], []
    for rates, color in curves:
        x = np.linspace(0.08, 0.92, rates.shape[1])
        for i, rate in enumerate(rates):
            data = curves[0][0][i][np.isfinite(curves[0][0][i])]
            low = 0.0 if stores.response.counts else data.min(initial=np.inf)
            height = data.max(initial=0.0 if stores.response.counts else -np.inf) - low
            y = np.clip((rate - low) / (height if np.isfinite(height) and height > 0 else 1.0), 0, 1.2) * 0.75
            lines += [np.column_stack([i + x, -0.1 - y]), np.column_stack([x - 1.1, i + 0.9 - y])]
            colors += [color, color]
            dashes += ["-" if color == INK else (0, (2.5, 1))] * 2
    axes.add_collection(LineCollection(lines, colors=colors, linewidths=0.8, linestyles=dashes))


def _finish(axes: Axes, figure: Figure, units: np.ndarray, apart: np.ndarray | None, title: str, measure: str) -> None:
    count = len(units)
    before = -1.15 if apart is not None else -0.1  # room for tuning along the margins
    axes.set(xlim=(before, count), ylim=(count, before), aspect="equal")
    axes.set_xticks(np.arange(count) + 0.5, [str(u) for u in units])
    axes.set_yticks(np.arange(count) + 0.5, [str(u) for u in units])
    axes.tick_params(length=0, labelsize=letters(7))
    axes.spines[:].set_visible(False)
    axes.set(xlabel="Sender (unit)", ylabel="Receiver (unit)")
    axes.set_title(title)
    if apart is not None and count > 1:
        largest = float(np.nanmax(apart))
        bar = figure.colorbar(
            ScalarMappable(Normalize(0, largest), ListedColormap(colormaps["viridis"](np.linspace(0, DARK, 64)))),
            ax=axes,
            shrink=0.5,
            aspect=25,
        )
        bar.set_label(measure)
        bar.outline.set_visible(False)


def _with_distance(table: pd.DataFrame, stores: Stores, tuning: str | None) -> pd.DataFrame:
    if tuning is None:
        return table
    preferred = dict(
        zip(stores.tuning.unit.values.astype(str), stores.tuning[f"preferred_{tuning}"].values, strict=True)
    )
    receiver = table.receiver.astype(str).map(preferred).to_numpy(float)
    sender = table.sender.astype(str).map(preferred).to_numpy(float)
    return table.assign(difference_of_preferred=circular_distance(receiver, sender, stores.period(tuning)))
