"""What inference costs, in CPU seconds: ``OMP_NUM_THREADS=1 python benchmarks/inference.py``.

999 draws, 20 units, 20 000 rows: Rao's statistic of a term of 20 functions beside 13 others by shifts, the same where
nothing but a constant is in the rest; refits of 7 functions beside 13, in sample and with 5 folds and the final fit;
and intervals beside the fit that they are of (5 folds and the final fit, 8 strengths), of 66 shared features.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import xarray as xr

from nwbglm.crossval import split_rows
from nwbglm.engine.fit import fit_splits
from nwbglm.engine.observations import POISSON
from nwbglm.features import build_features
from nwbglm.fits.model import fit_model
from nwbglm.inference.goodness import check_fit
from nwbglm.inference.intervals import infer_filters
from nwbglm.inference.refit import Refits
from nwbglm.inference.score_test import prepare_rest, shifted_statistics
from nwbglm.inference.simulated import slow
from nwbglm.response import SPIKES
from nwbglm.study import Fit, Folds, Model, Term
from nwbglm.study.inference import Intervals

ROWS, UNITS, TERM, REST, DRAWS = 20_000, 20, 7, 13, 999


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds of a second call: the first compiles."""
    work()
    start = time.process_time()
    work()
    return time.process_time() - start


def recording() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a term, a rest and counts."""
    random = np.random.default_rng(0)
    term, rest = slow(random, ROWS, 50, TERM), slow(random, ROWS, 50, REST)
    log_rate = -1.5 + 0.08 * rest @ random.normal(size=(REST, UNITS)) + 0.05 * term @ random.normal(size=(TERM, UNITS))
    return term, rest, random.poisson(np.exp(log_rate)).astype(float)


def scores(full: bool) -> float:
    """Return what Rao's statistic of all draws and units costs, beside the rest or a constant."""
    term, rest, counts = recording()
    both = np.concatenate([term, slow(np.random.default_rng(2), ROWS, 50, 20 - TERM)], axis=1)
    rest = rest if full else rest[:, :0]
    shifts = np.random.default_rng(1).permutation(ROWS)[:DRAWS]

    def work() -> None:
        for unit in range(UNITS):
            expected = np.full(ROWS, counts[:, unit].mean())
            prepared = prepare_rest(rest, counts[:, unit] - expected, expected)
            shifted_statistics(both, prepared, shifts)

    return seconds(work)


def refits(folds: int, draws: int) -> float:
    """Return what so many draws cost, scaled to all of them."""
    term, rest, counts = recording()
    piece = (np.arange(ROWS) * 40 // ROWS) % max(folds, 1)
    test = np.array([piece == fold for fold in range(folds)] + [np.zeros(ROWS, bool)])
    found = fit_splits(rest, counts, ~test, test)
    coef = np.concatenate([found.coef[:, :, 0], found.intercept[:, :, :1]], axis=2)
    width = TERM + REST
    fits = Refits(
        rest, counts, None, ~test, test, coef, coef[:, -1], np.ones(UNITS), np.zeros((UNITS, width, width)), POISSON
    )
    fits.draw(term, np.ones(UNITS))
    start = time.process_time()
    for shift in np.random.default_rng(1).permutation(ROWS)[:draws]:
        fits.draw(np.roll(term, shift, axis=0), np.ones(UNITS))
    return (time.process_time() - start) * DRAWS / draws


def intervals() -> tuple[float, float, float]:
    """Return what a fit of 66 features costs, its intervals, and its checks."""
    random = np.random.default_rng(0)
    heading = np.mod(np.cumsum(random.normal(0, 0.1, ROWS)), 2 * np.pi)
    counts = random.poisson(0.1 * np.exp(np.cos(heading[:, None] - np.linspace(0, 6, UNITS)))).astype(np.uint8)
    binned = xr.Dataset(
        {
            "response": (("time", "unit"), counts, SPIKES),
            "segment": ("time", np.zeros(ROWS, np.int32)),
            "in_epoch": (("purpose", "time"), np.ones((2, ROWS), bool)),
            "heading": ("time", heading, {"role": "signal", "units": "rad", "period": 2 * np.pi}),
        },
        coords={
            "time": (np.arange(ROWS) + 0.5) * 0.01,
            "unit": np.arange(UNITS),
            "purpose": ["use", "fit"],
        },
        attrs={"bin": 0.01, "session": "one"},
    )
    entries = {
        "coupling": {"of": "all spikes", "basis": {"raised_cosine_log": {"n": 3, "window": "100 ms"}}},
        "heading": {"of": "heading", "basis": {"cyclic_bspline": {"n": 6}}},
    }
    features = [build_features(binned, Term.model_validate(entry), name=name) for name, entry in entries.items()]
    for store in features:
        store.load()
    folds = split_rows(binned, features, Folds.model_validate({"blocks": 5}), seed=0)
    model = Model(terms=tuple(entries))
    fit = Fit.model_validate({"penalty": {"ridge": {"strength": {"log": [1e-6, 1, 8]}}}})
    fits = fit_model(binned, folds, features, model=model, fit=fit, name="full")
    given = {"model": model, "fit": fit}
    return (
        seconds(lambda: fit_model(binned, folds, features, name="full", **given)),
        seconds(
            lambda: infer_filters(
                binned, folds, features, fits, intervals=Intervals(models=("full",)), drift=False, **given
            )
        ),
        seconds(lambda: check_fit(binned, folds, features, fits, seed=0, **given)),
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=100, help="refits that are timed, and scaled to 999")
    draws = parser.parse_args().draws
    print(f"Rao, {DRAWS} shifts, 20 on {REST} functions, {UNITS} units: {scores(True):.2f} s")
    print(f"Rao, {DRAWS} shifts, 20 on a constant, {UNITS} units: {scores(False):.2f} s")
    print(f"refits in sample, {DRAWS} draws: {refits(0, draws):.0f} s")
    print(f"refits with 5 folds and the final fit, {DRAWS} draws: {refits(5, draws):.0f} s")
    fit, bands, checks = intervals()
    print(
        f"intervals of 66 features: {bands:.2f} s beside a fit of {fit:.2f} s ({bands / fit:.2f}); checks {checks:.2f}"
    )


if __name__ == "__main__":
    main()
