"""Tests of terms through the stores: what moves and what does not, refits of every draw, corrections, populations."""

import numpy as np
import pytest
import xarray as xr
from drifting_sessions import NONE, respond_as, session, stages_of
from drifting_sessions import examine as run
from small_sessions import binned_session

from nwbglm.comparison.tested import _as_if_data, gather_tests
from nwbglm.engine.fit import fit_splits, predict
from nwbglm.engine.observations import MODELS
from nwbglm.errors import ProblemError
from nwbglm.inference.simulated import bumps, slow
from nwbglm.study import read_study
from nwbglm.study.advice import advice
from nwbglm.study.inference import FalseDiscoveries


def test_the_effect_is_found_and_nothing_else():
    found = run(session(gain=0.5), ("drive", "drift", "short"), draws=199)
    assert found.attrs["null"] == "circular"
    assert (found["p"].values[:2] == 1 / 200).all() and (found["p"].values[2:] > 0.01).all()
    assert (found["held_out_gain"].values[:2] > 0.02).all()
    assert found["null"].shape == (4, 199) and (found["stretches"] > 20).all()


@pytest.mark.parametrize("observations", sorted(MODELS))
def test_the_statistic_is_near_twice_the_gain_of_a_refit(observations):
    binned = session(gain=0.15, seed=3)
    respond_as(binned, observations)
    settings = NONE | {"observations": observations}
    found = run(binned, ("drive", "drift"), fit=settings, draws=19)
    stages = stages_of(binned, ("drive", "drift"))
    full, rest = stages.fit("drive", "drift", fit=settings), stages.fit("drift", fit=settings)
    gain = 2 * (full["log_likelihood"] - rest["log_likelihood"]).values
    assert found["statistic"].values == pytest.approx(gain, rel=0.25, abs=0.6)


def test_every_draw_is_what_a_refit_with_moved_rows_says():
    """Brute force: the term's rows are moved, both models are fitted again, and the ranks of their gains compared."""
    binned = session(seed=5, gain=0.1, rows=1200, units=2)
    terms = ("drive", "drift", "short")
    stages = stages_of(binned, terms, pieces=40)
    found = run(binned, terms, draws=39)
    kept = stages.folds["final"].values & stages.folds["shared"].values
    rest = {u: np.concatenate([stages.design("drift"), stages.design("short", u)], axis=1)[kept] for u in (1, 2)}
    term, rows = stages.design("drive")[kept], np.ones((1, int(kept.sum())), bool)
    import zlib

    from nwbglm.inference.shifted import circular_shifts

    gap = int(np.ceil(stages.folds.attrs["gap"] / 0.1))
    shifts = circular_shifts(len(term), 39, term, gap, [0, zlib.crc32(b"t/small")])
    for unit in (1, 2):
        y = stages.counts[kept, unit - 1 : unit]
        base = fit_splits(rest[unit], y, rows, ~rows).train_log_likelihood[0, 0, 0]
        gains = []
        for shift in shifts:
            both = np.concatenate([np.roll(term, shift, axis=0), rest[unit]], axis=1)
            gains.append(2 * (fit_splits(both, y, rows, ~rows).train_log_likelihood[0, 0, 0] - base))
        np.testing.assert_allclose(found["null"].values[unit - 1], gains, atol=0.15, rtol=0.1)


def test_a_linear_shift_refits_the_rest_to_the_central_rows():
    binned = session(gain=0.6, seed=1)
    found = run(binned, ("drive", "short"), drift=False, draws=80)
    assert found.attrs["null"] == "linear" and found.sizes["draw"] == 80
    assert (found["p"].values[:2] <= 2 / 81).all()
    assert (found["p_conservative"] >= found["p"]).all()
    stages = stages_of(binned, ("drive", "short"))
    kept = stages.folds["final"].values & stages.folds["shared"].values
    x, y = stages.design("short", 1)[kept], stages.counts[kept, :1]
    n = len(y)
    inside = (np.arange(n) >= n // 4) & (np.arange(n) < n - n // 4)
    fits = fit_splits(x, y, inside[None], np.zeros((1, n), bool), gap=1e-15)
    mu = predict(x, fits.coef[0, 0, 0], fits.intercept[0, 0, 0])
    weight = np.where(inside, mu, 0.0)
    design = np.column_stack([x, np.ones(n)])
    term = stages.design("drive")[kept]
    cross = design.T @ (term * weight[:, None])
    information = (weight @ term**2 - cross.T @ np.linalg.solve(design.T @ (design * weight[:, None]), cross)).item()
    score = (term[:, 0] * np.where(inside, y[:, 0] - mu, 0.0)).sum()
    assert float(found["statistic"][0]) == pytest.approx(score**2 / information, rel=1e-5)


def test_blocks_of_units_share_their_draws():
    binned = session(gain=0.3)
    whole = run(binned, ("drive", "drift"), draws=49)
    parts = [run(binned, ("drive", "drift"), draws=49, block=f"{b}-of-2") for b in (0, 1)]
    together = xr.concat(parts, "unit").sortby("unit")
    np.testing.assert_allclose(together["null"], whole["null"], rtol=1e-5)
    other = run(binned, ("drive", "drift"), draws=49, seed=1)
    assert not np.allclose(other["null"], whole["null"])


def test_couplings_are_tested_without_the_unit_itself():
    found = run(session(), ("pairs", "drift"), term="pairs", draws=49)
    assert np.isfinite(found["p"]).all() and (found["rank_changes"] == 0).all()


def test_recordings_of_a_join_are_circles_of_their_own():
    from nwbglm.inference.moves import round_circles

    circle = np.repeat([0, 1], [5, 7])
    circles = [np.flatnonzero(circle == k) for k in (0, 1)]
    found = round_circles(np.arange(12.0)[:, None], circles, [1, 2])[:, 0]
    assert found.tolist() == [4, 0, 1, 2, 3, 10, 11, 5, 6, 7, 8, 9]


def test_a_silent_unit_is_not_tested_and_harms_nobody():
    binned = session(gain=0.5)
    counts = binned["response"].values.copy()
    counts[:, 3] = 0
    binned["response"] = (binned["response"].dims, counts, binned["response"].attrs)
    found = run(binned, ("drive", "drift"), draws=49)
    assert np.isnan(found["p"].values[3]) and np.isfinite(found["p"].values[:3]).all()
    tests, population = gather_tests([found], FalseDiscoveries())
    assert tests.warning[3].startswith("not tested") and population.units.item() == 3


def test_too_few_rows_are_said():
    with pytest.raises(ProblemError, match="too few to move"):
        run(session(rows=60), ("drive",), fit={"folds": {"blocks": 0}})


def test_populations_take_every_draw_for_the_data():
    random = np.random.default_rng(0)
    statistics = random.chisquare(1, size=(5, 100))
    counts, means = _as_if_data(statistics)
    for k in (0, 17, 99):
        p = [(row >= row[k]).mean() for row in statistics]
        assert counts[k] == sum(value <= 0.05 for value in p)
        assert means[k] == pytest.approx(np.log(statistics[:, k]).mean())


def test_unrelated_slow_covariates_are_not_called_effects():
    """The acceptance case at its recipe: 24 drifting units, a covariate of 100 s, 600 s: nothing, and a word on it."""
    random = np.random.default_rng(1)
    rows = 6000
    drift = slow(random, rows, 1000, 24)
    arousal = slow(random, rows, 1000, 1)[:, 0]
    counts = random.poisson(0.3 * np.exp(0.5 * drift - 0.125))
    time = (np.arange(rows) + 0.5) / rows
    binned = binned_session(counts, bin_width=0.1, drive=arousal, time_itself=time)
    found = run(binned, ("drive", "drifts"), draws=999)
    tests, population = gather_tests([found], FalseDiscoveries())
    assert not tests.significant.any()
    assert tests.warning.str.contains("independent stretches: a shift null can hardly decide here").all()
    assert population.stretches.item() == pytest.approx(600 / (2 * 87), abs=0.1)
    assert population.p.item() > 0.05 and population.least.item() == 1
    assert bumps(arousal).shape == (rows, 4)


def study(**inference):
    return read_study(
        {
            "study": "s", "recordings": {"a": {"nwb": "a.nwb"}}, "epochs": {"use": {"table": "epochs"}}, "bin": "10 ms",
            "signals": {"x": {"from": "x"}, "t": {"of": "time"}},
            "terms": {
                "x": {"of": "x", "basis": "identity"},
                "drift": {"of": "t", "basis": {"polynomial": {"degree": 3}}},
            },
            "models": {"alone": ["x"], "full": ["x", "drift"]},
            "fit": {"folds": {"blocks": 5, "pieces": 40}},
            "inference": inference,
        }
    )  # fmt: skip


def test_what_a_study_says_of_tests_is_checked():
    from nwbglm.errors import StudyError

    for test, words in (
        ({"term": "x", "model": "ful"}, "there is no model 'ful'"),
        ({"term": "drift", "model": "alone"}, "model 'alone' has no term 'drift'; its terms: x"),
    ):
        with pytest.raises(StudyError, match=words):
            study(tests={"t": test})
    good = study(tests={"a": {"term": "x", "model": "full"}, "b": {"term": "x", "model": "alone"}})
    assert good.rest_has_drift("a") and not good.rest_has_drift("b")
    assert not [line for line in advice(good) if "inference" in line]
    odd = study(tests={"t": {"term": "x", "model": "alone", "null": "circular", "draws": 99}})
    assert [line.split(":")[0] for line in advice(odd) if "inference" in line] == [
        "inference.tests.t", "inference.tests.t.draws",
    ]  # fmt: skip
