"""Controls: a model fitted again where what it is meant to find is not there, or to as few spikes as another unit has.

What a score keeps under a control is not what the model was asked for: under `cell_shuffle` what the features say of
any unit's response, under `reversed_time` what slow signals of any course explain, under `rate_matched` all but the
advantage of firing more.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
import xarray as xr

from nwbglm.engine.observations import MODELS
from nwbglm.engine.status import Status
from nwbglm.fits.design import Design, pick_terms, term_name
from nwbglm.fits.model import fit_model
from nwbglm.fits.record import FINAL
from nwbglm.fits.splits import block_of_units
from nwbglm.response import of_counts
from nwbglm.study import Fit, Model
from nwbglm.study.worth import Control

from .weighing import held_out_sums


def run_control(
    binned: xr.Dataset,
    folds: xr.Dataset,
    features: Sequence[xr.Dataset],
    fits: xr.Dataset,
    *,
    control: Control,
    name: str,
    model: Model,
    fit: Fit,
    block: str = "0-of-1",
    seed: int = 0,
) -> xr.Dataset:
    """Fit a model under a control, for one block of a session's units.

    Parameters
    ----------
    binned, folds, features, fits
        The session's stores; `features` of the model's terms, `fits` of the model for the same block.
    control
        The study's entry, and its `name`.
    model, fit
        The study's settings of the model.
    block
        ``b-of-n``, as for `fit_model`.
    seed
        The study's; draws are those of study, control and session, the same for all blocks.

    Returns
    -------
    xr.Dataset
        By ``unit``: ``score`` and ``control``, held-out bits per spike (of a continuous response: per bin) of the model
        and of the same under the control; ``spikes``, ``control_spikes``; ``of``, the unit whose response it was;
        ``reason`` where there is none.
    """
    settings = fit.of_model(model)
    observations = MODELS[settings.observations]
    units = block_of_units(binned.sizes["unit"], block)
    ids = binned["unit"].values
    random = np.random.default_rng([seed, zlib.crc32(f"{name}/{binned.attrs.get('session', '')}".encode())])
    real = held_out_sums(fits, observations)[:, 1]
    found = {
        "score": real, "control": np.full(len(units), np.nan), "spikes": fits["spikes"].values.astype(float),
        "control_spikes": np.full(len(units), np.nan), "of": ids[units],
    }  # fmt: skip
    reason = refusal(binned, control)
    reasons = [reason] * len(units)
    if not reason:
        changed, rows, stores, of = _changed(binned, folds, features, control, model, random)
        # in memory: rows that run backwards cannot be made some at a time
        size = Design(pick_terms(stores, model.terms), np.ones(folds.sizes["time"], bool)).nbytes
        roomy = fit.model_copy(update={"memory": max(fit.memory, 2 * size + 1)})
        plain = model.model_copy(update={"halves": False})
        made = fit_model(changed, rows, stores, model=plain, fit=roomy, name=f"{name}-control", block=block)
        found["control"] = held_out_sums(made, observations)[:, 1]
        found["control_spikes"] = made["spikes"].values.astype(float)
        found["of"] = ids[of][units]
        reasons = _reasons(made)
    return xr.Dataset(
        {key: ("unit", values) for key, values in found.items()} | {"reason": ("unit", np.array(reasons, dtype=str))},
        coords={"unit": ids[units].astype(np.int64)},
        attrs={
            "name": name, "model": str(fits.attrs["model"]), "control": control.kind, "term": control.term or "",
            "block": block, "session": str(binned.attrs.get("session", "")), "counts": int(observations.counts),
        },
    )  # fmt: skip


def refusal(binned: xr.Dataset, control: Control) -> str:
    """Return why a session has no such control; '' where it has."""
    if control.kind == "cell_shuffle" and binned.sizes["unit"] < 2:
        return "one unit has no other whose response to take"
    if control.kind == "rate_matched" and not of_counts(binned):
        return "a continuous response cannot be thinned"
    return ""


def _changed(
    binned: xr.Dataset,
    folds: xr.Dataset,
    features: Sequence[xr.Dataset],
    control: Control,
    model: Model,
    random: np.random.Generator,
) -> tuple[xr.Dataset, xr.Dataset, Sequence[xr.Dataset], np.ndarray]:
    """Return bins, folds and features as a control has them, and whose response each unit has (positions)."""
    own = np.arange(binned.sizes["unit"])
    if control.kind == "cell_shuffle":
        of = derangement(len(own), random)
        names = [name for name in ("response", "exposure") if name in binned]
        taken = {name: (binned[name].dims, binned[name].values[:, of], binned[name].attrs) for name in names}
        return binned.assign(taken), folds, features, of
    if control.kind == "rate_matched":
        thinned = thin(binned, control.rate, random)
        response = binned["response"]
        return binned.assign(response=(response.dims, thinned, response.attrs)), folds, features, own
    terms = (control.term,) if control.term else model.terms
    order = backwards(binned, folds["row"].values)
    turned = [_turned(store, order) if term_name(store) in terms else store for store in features]
    valid = np.logical_and.reduce([store["valid"].values for store in pick_terms(turned, model.terms)])
    rows = folds.assign(shared=("time", folds["shared"].values & valid))
    for store in turned:
        if "input_valid" in store and "unit_shared" in rows:
            known = store["input_valid"].values
            rows = rows.assign(unit_shared=(rows["unit_shared"].dims, rows["unit_shared"].values & known))
    return binned, rows, turned, own


def derangement(count: int, random: np.random.Generator) -> np.ndarray:
    """Return a random order of units in which none stands in its own place: one round through all of them."""
    round_ = random.permutation(count)
    of = np.empty(count, int)
    of[round_] = np.roll(round_, 1)
    return of


def thin(binned: xr.Dataset, rate: float | None, random: np.random.Generator) -> np.ndarray:
    """Return counts (time, unit) of which each spike of a busier unit was kept with the same chance.

    Parameters
    ----------
    binned
        A ``binned`` store of counts.
    rate
        Hz over the fit epochs; None for that of the least active unit that spikes.
    random
        Of the spikes that stay.
    """
    counts = binned["response"].values
    inside = binned["in_epoch"].sel(purpose="fit").values
    exposed = np.full(counts.shape[1], float(inside.sum()))
    if "exposure" in binned:
        exposed = binned["exposure"].values[inside].sum(axis=0)
    spikes = counts[inside].sum(axis=0)
    rates = np.divide(spikes, exposed * float(binned.attrs["bin"]), out=np.zeros(len(spikes)), where=exposed > 0)
    target = rate if rate is not None else min(rates[rates > 0], default=0.0)
    keep = np.divide(target, rates, out=np.ones(len(rates)), where=rates > target)
    return random.binomial(counts, keep).astype(counts.dtype)


def backwards(binned: xr.Dataset, row: np.ndarray) -> np.ndarray:
    """Return the order of the analysis rows in which each recording's run backwards."""
    recording = np.zeros(len(row), int)
    if "recording_of_segment" in binned:
        recording = binned["recording_of_segment"].values[binned["segment"].values[row]]
    order = np.arange(len(row))
    for each in np.unique(recording):
        mine = np.flatnonzero(recording == each)
        order[mine] = mine[::-1]
    return order


def _turned(store: xr.Dataset, order: np.ndarray) -> xr.Dataset:
    """Return a store of features whose rows stand in another order; the rows' own names stay."""
    turned = {}
    for name in ("features", "valid", "input_valid"):
        if name in store:
            values = store[name].values.take(order, axis=store[name].dims.index("time"))
            turned[name] = (store[name].dims, values, store[name].attrs)
    return store.assign(turned)


def _reasons(made: xr.Dataset) -> list[str]:
    """Name the final fits under a control that did not end well."""
    chosen = made["chosen"].values.astype(int)
    status = made["status"].sel(fit=FINAL).values[np.arange(len(chosen)), chosen]
    return ["" if one == Status.ok else f"under the control: {Status(int(one)).name}" for one in status]
