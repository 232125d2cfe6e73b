"""Truth against estimate, for sessions that were simulated.

The truth store (see `nwbglm.simulate`) names its variables after what they are: ``history (unit, lag)``, ``coupling
(receiver, sender, lag)``, ``SIGNAL_filter (unit, SIGNAL_lag)``, ``log_tuning (unit, SIGNAL)`` or ``SIGNAL_gain (unit,
SIGNAL)`` (over values or texts), and ``rate_SIGNAL (unit, SIGNAL)``. Units are matched by their NWB ids; senders
outside the study's selection have no estimate and are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nwbglm.filters import filters
from nwbglm.study import Factor

from .session import Stores
from .style import FAINT, INK, QUIET, NothingToDraw, canvas, letters

KEYS = ["quantity", "model"]
OWN, COUPLING = "own history (log gain per spike)", "coupling (log gain per spike)"


def draw_truth(stores: Stores, subject: str) -> tuple[Figure, pd.DataFrame]:
    """Scatter every true value against its estimates, and draw the example unit's curves beside."""
    if "truth" not in stores.single:
        raise NothingToDraw("The truth of this session is not known: it was recorded, not simulated.")
    parts = list(_comparisons(stores))
    if not parts:
        raise NothingToDraw("No fitted term of this study has a counterpart in the simulation's truth.")
    table = pd.concat(parts, ignore_index=True)
    table = table.merge(recovery(table), how="left", on=KEYS)
    quantities = list(dict.fromkeys(table.quantity))
    figure = canvas(9, 2.7 * len(quantities))
    rows = figure.subplots(len(quantities), 2, squeeze=False, width_ratios=[1, 1.6])
    for (left, right), quantity in zip(rows, quantities, strict=True):
        part = table[table.quantity == quantity]
        _draw_scatter(left, stores, part, quantity)
        _draw_example(right, stores, part)
    return figure, table


def recovery(table: pd.DataFrame) -> pd.DataFrame:
    """Return, by quantity and model, the correlation of truth and estimate and the relative error.

    The relative error is the root mean square of estimate minus truth over that of the truth.
    """
    rows = []
    for keys, part in table.groupby(KEYS, sort=False):
        known = part[np.isfinite(part.true) & np.isfinite(part.estimate)]
        true, estimate = known.true.to_numpy(), known.estimate.to_numpy()
        varied = len(known) > 1 and true.std() > 0 and estimate.std() > 0
        size = np.sqrt(np.mean(true**2)) if len(known) else 0.0
        rows.append(
            (
                *keys,
                float(np.corrcoef(true, estimate)[0, 1]) if varied else np.nan,
                float(np.sqrt(np.mean((estimate - true) ** 2)) / size) if size > 0 else np.nan,
            )
        )
    return pd.DataFrame(rows, columns=[*KEYS, "correlation", "relative_error"])


def _comparisons(stores: Stores) -> Iterator[pd.DataFrame]:
    for model in stores.models:
        if model in stores.fits:
            yield from _compare_spikes(stores, model)
            yield from _compare_signals(stores, model)
        yield from _compare_tuning(stores, model)


def _single_terms(stores: Stores, model: str) -> dict[str, Factor]:
    """Return a model's terms of one input, with it."""
    factors = {term: stores.study.terms[term].factors for term in stores.study.models[model].terms}
    return {term: own[0] for term, own in factors.items() if len(own) == 1}


def _total(parts: Sequence[xr.DataArray]) -> xr.DataArray:
    """Add filters of the same inputs up; beyond its window a filter adds nothing, and NaN is where none was fitted."""
    joined = xr.concat(xr.align(*parts, join="outer"), dim="part")
    fitted = joined.notnull().any(["part", joined.dims[-1]])
    return joined.sum("part").where(fitted)


def _compare_signals(stores: Stores, model: str) -> Iterator[pd.DataFrame]:
    """Compare what a model says of each signal, over lags and over values: its terms of it together."""
    truth, fit = stores.truth, stores.fits[model]
    by_signal: dict[tuple[str, str], list[xr.DataArray]] = {}
    for term, factor in _single_terms(stores, model).items():
        if not factor.of_spikes:
            found = filters(fit, term)
            by_signal.setdefault((factor.of, str(found.dims[1])), []).append(found)
    units = fit["unit"].values
    for (of, axis), parts in by_signal.items():
        if axis == "lag" and f"{of}_filter" in truth:
            total = _total(parts)
            true = truth[f"{of}_filter"].rename({f"{of}_lag": "at"})
            yield _lay_out(f"{of} filter (log gain)", model, true, units, total["lag"].values, total.values)
        elif axis == "value" and (known := _true_gain(truth, of)) is not None:
            true = known.rename({of: "at"})
            if true["at"].dtype.kind in "OUT":  # texts: their places, in the truth's order
                estimate = np.sum([_of_texts(part, true["at"].values) for part in parts], axis=0)
                true = true.assign_coords(at=np.arange(true.sizes["at"], dtype=float))
            else:
                at = true["at"].values
                estimate = np.sum([_on_grid(part.values, part["value"].values, at) for part in parts], axis=0)
            # what is constant over the values belongs to the baseline: both are compared without it
            centred = true - true.mean("at")
            estimate = estimate - estimate.mean(axis=1, keepdims=True)
            yield _lay_out(f"{of} tuning (log gain)", model, centred, units, true["at"].values, estimate)


def _true_gain(truth: xr.Dataset, of: str) -> xr.DataArray | None:
    if f"{of}_gain" in truth:
        return truth[f"{of}_gain"]
    return truth["log_tuning"] if "log_tuning" in truth and of in truth["log_tuning"].dims else None


def _of_texts(part: xr.DataArray, texts: np.ndarray) -> np.ndarray:
    """Return the gain of each text (unit, text); 0 for the reference, which has no coefficient."""
    known = [str(text) for text in part["value"].values]
    columns = [part.values[:, known.index(text)] if text in known else np.zeros(part.shape[0]) for text in texts]
    return np.stack(columns, axis=1)


def _compare_spikes(stores: Stores, model: str) -> Iterator[pd.DataFrame]:
    """Compare what a unit's own spikes and those of each other add, in all of a model's terms together."""
    truth, fit = stores.truth, stores.fits[model]
    units, terms = fit["unit"].values, _single_terms(stores, model)
    own = [filters(fit, term).drop_vars("input") for term, factor in terms.items() if factor.senders == "own"]
    coupled = [filters(fit, term) for term, factor in terms.items() if factor.senders in ("all", "other")]
    among = _total(coupled) if coupled else None
    if among is not None and own:
        # what a term of all spikes says of a unit's own belongs with the terms of own spikes
        diagonal = [among.sel(receiver=unit, sender=unit).values for unit in units]
        own.append(xr.DataArray(diagonal, dims=("unit", "lag"), coords={"unit": units, "lag": among["lag"]}))
    if own and "history" in truth:
        total = _total(own)
        true = truth["history"].rename({"lag": "at"})
        yield _lay_out(OWN, model, true, units, total["lag"].values, total.values)
    if among is None or "coupling" not in truth:
        return
    true = truth["coupling"].rename({"lag": "at"})
    for sender in among["sender"].values:
        known = true.sel(sender=sender).rename({"receiver": "unit"})
        estimate = among.sel(sender=sender).values
        part = _lay_out(COUPLING, model, known, units, among["lag"].values, estimate, str(sender))
        itself = part.unit.astype(str) == str(sender)
        part.loc[itself, "quantity"] = OWN
        yield part[~(itself & (bool(own) | part.estimate.isna()))]


def _compare_tuning(stores: Stores, model: str) -> Iterator[pd.DataFrame]:
    for name, tuning in stores.study.tuning.items():
        prediction = stores.predictions.get(model)
        if prediction is None or f"rate_{tuning.of}" not in stores.truth or f"heldout_rate_{name}" not in prediction:
            continue
        true = stores.truth[f"rate_{tuning.of}"].rename({tuning.of: "at"})
        at = prediction[f"value_{name}"].values
        estimate = prediction[f"heldout_rate_{name}"].values
        yield _lay_out(f"rate by {name} (Hz)", model, true, prediction.unit.values, at, estimate)


def _on_grid(values: np.ndarray, grid: np.ndarray, at: np.ndarray) -> np.ndarray:
    return np.stack([np.interp(at, grid, row) for row in values])


def _lay_out(
    quantity: str,
    model: str,
    true: xr.DataArray,
    units: np.ndarray,
    at: np.ndarray,
    estimate: np.ndarray,
    sender: str = "",
) -> pd.DataFrame:
    """Match truth and estimate by unit id; the truth is brought to the estimate's grid, and 0 beyond its window."""
    beyond = np.nan if "tuning" in quantity or "rate" in quantity else 0.0
    known = np.isin(units, true["unit"].values)
    truth = true.sel(unit=units[known]).transpose("unit", "at")
    there = np.stack([np.interp(at, truth["at"].values, row, left=np.nan, right=beyond) for row in truth.values])
    return pd.DataFrame(
        {
            "quantity": quantity,
            "model": model,
            "unit": np.repeat(units[known], len(at)),
            "sender": sender,
            "at": np.tile(at, known.sum()),
            "true": there.ravel(),
            "estimate": estimate[known].ravel(),
        }
    )


def _draw_scatter(axes: Axes, stores: Stores, part: pd.DataFrame, quantity: str) -> None:
    ends = np.nanmin(part.true), np.nanmax(part.true)
    axes.plot(ends, ends, color=QUIET, linewidth=0.8, zorder=3)
    notes = []
    for model, mine in part.groupby("model", sort=False):
        color = stores.styles[model]["color"]
        # a picture inside the figure: ten thousand vector points would weigh a megabyte
        axes.plot(mine.true, mine.estimate, ".", markersize=2, color=color, alpha=0.5, rasterized=True)
        notes.append((model, color, mine.correlation.iloc[0], mine.relative_error.iloc[0]))
    for line, (model, color, correlation, error) in enumerate(notes):
        text = f"{model}: r = {correlation:.2f}, error {error:.2f}"
        axes.text(1.02, 0.98 - 0.1 * line, text, transform=axes.transAxes, color=color, va="top", fontsize=letters(7))
    margin = 0.6 * (ends[1] - ends[0]) or 1.0
    axes.set_ylim(ends[0] - margin, ends[1] + margin)
    axes.set(xlabel="True", ylabel="Estimated", title=quantity)


def _draw_example(axes: Axes, stores: Stores, part: pd.DataFrame) -> None:
    """Draw the example unit's curve; of coupling, the sender that truly weighs most."""
    units = part.unit.unique()
    unit = stores.fitted_units[stores.order()[0]] if "binned" not in stores.single else stores.example
    unit = unit if unit in units else units[0]
    mine = part[part.unit == unit]
    title = f"unit {unit}"
    senders = mine[(mine.sender != "") & (mine.sender != str(unit))]
    if len(senders):
        strongest = senders.assign(size=senders.true.abs()).groupby("sender")["size"].sum().idxmax()
        mine, title = mine[mine.sender == strongest], f"sender {strongest} to unit {unit}"
    first = mine[mine.model == mine.model.iloc[0]]
    axes.axhline(0, color=FAINT, linewidth=0.8)
    axes.plot(first["at"], first.true, color=INK, linewidth=1.8, label="true")
    for model, line in mine.groupby("model", sort=False):
        axes.plot(line["at"], line.estimate, label=model, **stores.styles[model])
    over = part.quantity.iloc[0].removeprefix("rate by ").split(" ")[0]
    axes.set(
        title=title, xlabel=over if "tuning" in part.quantity.iloc[0] or "Hz" in part.quantity.iloc[0] else "Lag (s)"
    )
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
