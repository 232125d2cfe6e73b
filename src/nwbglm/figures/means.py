"""Mean rates: what was observed, and what each model predicts of it, in sample and held out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .session import Stores
from .style import FAINT, INK, NothingToDraw, canvas, mark_clipped, marker_of
from .texts import shown

KINDS = {
    "in sample": ("spikes", "predicted", "exposure"),
    "held out": ("test_spikes", "test_predicted", "test_exposure"),
}
REACH = 3.0  # predictions beyond so many times the largest observed mean leave the axis


def draw_mean_rates(stores: Stores, subject: str) -> tuple[Figure, pd.DataFrame]:
    """Draw the ratio (of a continuous response the difference) of predicted and observed means, a column a model."""
    models = [model for model in stores.models if model in stores.fits]
    if not models:
        raise NothingToDraw("No model was fitted in this session.")
    table = pd.concat([mean_rates(stores.fits[model], stores.response.per, model) for model in models])
    table = table.reset_index(drop=True)
    kinds = [kind for kind in KINDS if table[f"predicted, {kind}"].notna().any()]
    alone = table.unit.nunique() == 1
    figure = canvas(9, 0.3 * len(models) + 1.2 if alone else 3.2)
    for axes, kind in zip(figure.subplots(1, len(kinds), sharey=True, squeeze=False)[0], kinds, strict=True):
        (_draw_alone if alone else _draw_kind)(axes, stores, table, models, kind)
    if alone:
        return figure, table
    label = stores.response.label
    figure.axes[0].set_ylabel(f"Predicted {label[0].lower() + label[1:] if stores.response.counts else label}")
    return figure, table


def mean_rates(fit: xr.Dataset, per: float, model: str) -> pd.DataFrame:
    """Return, by unit, observed and predicted means over the rows of the final fit, and over all tested rows."""
    found = {"unit": fit["unit"].values, "model": model}
    for kind, names in KINDS.items():
        observed, predicted, exposure = (fit[name].values.astype(float) for name in names)
        if kind == "held out":
            known = np.isfinite(predicted) & np.isfinite(exposure)
            observed, predicted, exposure = (
                np.where(known, part, 0).sum(axis=1) for part in (observed, predicted, exposure)
            )
        with np.errstate(divide="ignore", invalid="ignore"):
            seconds = np.where(exposure > 0, exposure, np.nan) * per
            found |= {f"observed, {kind}": observed / seconds, f"predicted, {kind}": predicted / seconds}
    return pd.DataFrame(found)


def _draw_kind(axes: Axes, stores: Stores, table: pd.DataFrame, models: list[str], kind: str) -> None:
    observed, predicted = (table[f"{what}, {kind}"].to_numpy(float) for what in ("observed", "predicted"))
    known = observed[np.isfinite(observed)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    span = (high - low) or abs(high) or 1.0
    bottom = 0.0 if stores.response.counts else low - span
    limits = (
        bottom,
        min(max(predicted[np.isfinite(predicted)].max(initial=high), high), REACH * max(high, span)) * 1.06,
    )
    ends = np.array([bottom, limits[1]])
    axes.plot(ends, ends, color=FAINT, linewidth=1.0, zorder=0)
    for model in models:
        mine = (table.model == model).to_numpy()
        style = stores.styles[model]
        axes.plot(
            observed[mine], np.minimum(predicted[mine], limits[1]), marker_of(style), color=style["color"],
            markersize=5, markerfacecolor="none", markeredgewidth=1.0, label=shown(model, 24), clip_on=False,
        )  # fmt: skip
    mark_clipped(axes, predicted, limits)
    axes.set(xlabel=f"Observed {stores.response.label[0].lower() + stores.response.label[1:]}", title=kind, ylim=limits)
    axes.set_xlim(bottom, high * 1.06 if stores.response.counts else high + 0.06 * span)
    if kind == "in sample":
        axes.legend(loc="upper left", labelcolor=INK)


def _draw_alone(axes: Axes, stores: Stores, table: pd.DataFrame, models: list[str], kind: str) -> None:
    """Draw the means of a single unit, a line a model, with their numbers."""
    for row, model in enumerate(models):
        mine = table[table.model == model].iloc[0]
        observed, predicted = float(mine[f"observed, {kind}"]), float(mine[f"predicted, {kind}"])
        style = stores.styles[model]
        axes.plot([observed, observed], [row - 0.35, row + 0.35], color=INK, linewidth=1.6)
        axes.plot([observed, predicted], [row, row], color=FAINT, linewidth=1.0, zorder=0)
        axes.plot(predicted, row, marker_of(style), color=style["color"], markersize=6)
        axes.text(1.0, row - 0.2, f"{predicted:.5g}", transform=axes.get_yaxis_transform(), ha="right", va="bottom")
    axes.set_yticks(range(len(models)), [shown(model, 24) for model in models])
    axes.set(
        ylim=(len(models) - 0.5, -0.7),
        xlabel=f"{stores.response.label}; upright line: observed, {observed:.5g}",
        title=kind,
    )
    axes.margins(x=0.35)
    if stores.response.counts:
        axes.set_xlim(0, 1.3 * axes.dataLim.x1)  # room for the numbers
