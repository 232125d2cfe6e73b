"""Test a term for the units of a session: from stores of bins, folds, features and fits to a store of tests."""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from nwbglm.engine.observations import MODELS
from nwbglm.errors import ProblemError
from nwbglm.fits.design import Design, pick_terms
from nwbglm.fits.model import fit_model
from nwbglm.fits.splits import block_of_units, kept_rows, plan_splits
from nwbglm.study import Fit, Model
from nwbglm.study.inference import TermTest

from .fitted import final_rows
from .moves import Recorded, moves_of
from .shifted import TermTest as Result
from .shifted import judged
from .tested import Case, refitted, scored

log = logging.getLogger(__name__)

LEAST_ROWS = 100
"""Rows below which nothing that is moved says anything."""


def test_term(
    binned: xr.Dataset,
    folds: xr.Dataset,
    features: Sequence[xr.Dataset],
    fits: xr.Dataset,
    *,
    test: TermTest,
    name: str,
    model: Model,
    fit: Fit,
    drift: bool,
    block: str = "0-of-1",
    seed: int = 0,
    others: Mapping[str, xr.Dataset] | None = None,
) -> xr.Dataset:
    """Test whether a term adds to the rest of a model, for one block of a session's units.

    Parameters
    ----------
    binned, folds, features, fits
        The session's stores; `features` of the model's terms, `fits` of the model for the same block.
    test
        The study's entry, and its `name`.
    model, fit
        The study's settings of the model that has the term.
    drift
        Whether the rest has a term of time.
    block
        ``b-of-n``, as for `fit_model`.
    seed
        The study's; the draws are those of study, test and session, the same for all blocks.
    others
        ``binned`` stores of the other sessions, for the null `sessions`.

    Returns
    -------
    xr.Dataset
        ``statistic, p, p_conservative, floor, stretches, rank_changes, held_out_gain, effect (unit)``, ``null (unit,
        draw)``; what else is to be said in the attribute ``said`` (JSON), the sessions of draws in ``drawn``.

    Raises
    ------
    ProblemError
        If there are too few rows, or nothing to exchange.
    """
    session = str(binned.attrs.get("session", ""))
    where = f"session {session}, test {name}"
    settings, null = fit.of_model(model), test.resolved(drift)
    rest_terms = tuple(term for term in model.terms if term != test.term)
    rest_model = model.model_copy(update={"terms": rest_terms, "halves": False})
    rest = fit_model(binned, folds, features, model=rest_model, fit=fit, name=f"{name}-rest", block=block)
    units = block_of_units(binned.sizes["unit"], block)
    rows, positions = final_rows(binned, folds, features, model, settings, units)
    if len(rows.responses) < LEAST_ROWS:
        raise _too_few(len(rows.responses), where)
    term, both = (Design(pick_terms(features, terms), positions) for terms in ([test.term], [test.term, *rest_terms]))
    recorded = Recorded(
        binned,
        folds["row"].values[positions],
        rows.recording,
        int(np.ceil(float(folds.attrs["gap"]) / float(binned.attrs["bin"]))),
        where,
    )
    moves = moves_of(null, test, term, recorded, others or {}, [seed, zlib.crc32(f"{name}/{session}".encode())])
    if moves.inside.sum() < LEAST_ROWS:
        raise _too_few(int(moves.inside.sum()), where)
    ids = binned["unit"].values[units]
    case = Case(
        term,
        Design(pick_terms(features, rest_terms), positions),
        both,
        ids,
        rows,
        moves,
        rest,
        fits["strength"].values[fits["chosen"].values.astype(int)],
        settings,
    )
    if test.statistic == "score":
        values, ranks = scored(case)
    else:
        train, scored_on = _splits(test.statistic, binned, folds, features, model, settings, positions, moves.inside)
        if test.statistic == "held_out" and not scored_on.any():
            raise ProblemError("nothing is held out", where=f"{where}, statistic",
                               mend="ask for folds (`fit.folds`), or use statistic: gain")  # fmt: skip
        values = refitted(case, train, scored_on)
        ranks = np.zeros(values.shape, int)
    linear = null.kind == "linear"
    results = [
        judged(value[0], value[1:], moves.stretches, int((rank[1:] != rank[0]).sum()), linear=linear)
        for value, rank in zip(values, ranks, strict=True)
    ]
    dataset = _collected(results, ids, moves.draws)
    dataset["held_out_gain"] = ("unit", _held_out_gain(fits, rest), {"units": "bits per spike"})
    dataset["effect"] = ("unit", _effect(dataset, fits) if test.statistic == "held_out" else np.full(len(ids), np.nan),
                         {"units": "bits per spike"})  # fmt: skip
    if results and null.kind == "circular" and not drift:
        log.warning("%s: the rest has no term of time, and a circular shift then calls drift an effect", where)
    for line in moves.said:
        log.warning("%s: %s", where, line)
    return dataset.assign_attrs(
        test=name, term=test.term, model=str(fits.attrs["model"]), null=null.kind, drift=int(drift), block=block,
        session=session, kind_of_statistic=test.statistic, assumes=null.settings.assumes, said=json.dumps(moves.said),
        drawn=json.dumps(moves.names), rows=int(moves.inside.sum()),
    )  # fmt: skip


def _too_few(rows: int, where: str) -> ProblemError:
    return ProblemError(
        f"{rows} rows are too few to move a term against the rest",
        where=where,
        mend="fit longer epochs, or take the test out of `inference.tests`",
    )


def _splits(
    statistic: str, binned: xr.Dataset, folds: xr.Dataset, features: Sequence[xr.Dataset], model: Model, settings: Fit,
    positions: np.ndarray, inside: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Return training and test rows (K, rows inside): the folds', or all rows and none."""
    if statistic == "gain":
        return np.ones((1, int(inside.sum())), bool), np.zeros((1, int(inside.sum())), bool)
    kept, _ = kept_rows(binned, folds, pick_terms(features, model.terms), settings.rows)
    splits = plan_splits(folds, kept, halves=False, nested=False)
    count = len(splits.folds)
    train, test = (part[:count, positions][:, inside] for part in (splits.train, splits.test))
    return train, test


def _collected(results: Sequence[Result], ids: np.ndarray, draws: int) -> xr.Dataset:
    """Arrange the units' results."""
    null = np.array([result.draws for result in results], np.float32).reshape(len(results), draws)
    names = ("statistic", "p", "p_conservative", "floor", "stretches", "rank_changes")
    data = {name: ("unit", np.array([getattr(result, name) for result in results], float)) for name in names}
    return xr.Dataset(data | {"null": (("unit", "draw"), null)}, coords={"unit": ids.astype(np.int64)})


def _effect(tests: xr.Dataset, fits: xr.Dataset) -> np.ndarray:
    """Return the held-out gain above the median of the null's, bits per spike (per row of a continuous response)."""
    median = np.nanmedian(tests["null"].values, axis=1) if tests.sizes["draw"] else np.nan
    counts = MODELS[json.loads(fits.attrs["settings"])["observations"]].counts
    cv = fits["fold_kind"].values.astype(str) != "test"
    per = fits["test_spikes" if counts else "test_rows"].values[:, cv].sum(axis=1)
    gain = tests["statistic"].values - median
    return np.divide(gain, per * np.log(2.0), out=np.full(len(gain), np.nan), where=per > 0)


def _held_out_gain(fits: xr.Dataset, rest: xr.Dataset) -> np.ndarray:
    """Return what the term adds on held-out rows, bits per spike (unit,); NaN where nothing was held out."""

    def held_out(store: xr.Dataset) -> np.ndarray:
        chosen = store["fold_chosen"].astype(int)
        scored = store["test_log_likelihood"].isel(strength=chosen).transpose("unit", "fold").values
        return scored[:, store["fold_kind"].values.astype(str) != "test"]

    cv = fits["fold_kind"].values.astype(str) != "test"
    same = (fits["test_rows"].values == rest["test_rows"].values).all() if cv.any() else False
    if not same:
        return np.full(fits.sizes["unit"], np.nan)
    gain = (held_out(fits) - held_out(rest)).sum(axis=1)
    spikes = fits["test_spikes"].values[:, cv].sum(axis=1)
    counts = MODELS[json.loads(fits.attrs["settings"])["observations"]].counts
    per = spikes if counts else fits["test_rows"].values[:, cv].sum(axis=1)
    return np.divide(gain, per * np.log(2.0), out=np.full(len(gain), np.nan), where=per > 0)
