"""Goodness of fit on held-out rows: sizes of its checks, what a wrong model fails, the stage, the table, the words."""

import numpy as np
import pytest
from small_sessions import Stages, binned_session, head_direction_session

from nwbglm.comparison.checked import CHECKS, WHAT_TO_DO, gather_checks
from nwbglm.engine.fit import predict
from nwbglm.engine.observations import BERNOULLI, GAMMA, GAUSSIAN, MODELS, NEGATIVE_BINOMIAL, POISSON
from nwbglm.errors import StudyError
from nwbglm.inference.goodness import PLACES, SEEDS, SHAPES, check_fit, check_unit, variance_of
from nwbglm.inference.rescaling import autocorrelations, ks_distance, rescale_counts
from nwbglm.inference.simulated import slow
from nwbglm.report.inferred import checked_rows, checked_units
from nwbglm.study import Fit, Model, read_study
from nwbglm.study.advice import advice

ROWS = 6000


def seeds(seed):
    return [np.random.default_rng([seed, k]) for k in range(SEEDS)]


def drawn(observations, mean, random, dispersion=0.5):
    """Responses of a model that is right."""
    if observations is BERNOULLI:
        return (random.random(mean.shape) < mean).astype(float)
    if observations is NEGATIVE_BINOMIAL:
        return random.poisson(mean * random.gamma(1 / dispersion, dispersion, mean.shape)).astype(float)
    if observations is GAUSSIAN:
        return mean + np.sqrt(dispersion) * random.normal(size=mean.shape)
    if observations is GAMMA:
        return mean * random.gamma(1 / dispersion, dispersion, mean.shape)
    return random.poisson(mean).astype(float)


@pytest.mark.parametrize("observations", [POISSON, BERNOULLI, NEGATIVE_BINOMIAL, GAUSSIAN, GAMMA], ids=lambda m: m.name)
@pytest.mark.parametrize("pieces", [1, 60])
def test_the_right_model_passes(observations, pieces):
    """Also in short pieces, which hold short intervals only."""
    stretch = np.arange(ROWS) * pieces // ROWS
    found = []
    for seed in range(12):
        random = np.random.default_rng(seed)
        mean = np.minimum(0.15 * np.exp(0.6 * slow(random, ROWS, 20)), 0.9)
        y = drawn(observations, mean, random)
        found.append(check_unit(y, mean, stretch, observations, 0.5, seeds(seed))[0])
    failed = [one.get("ks", 0) > one.get("ks_band", 1) for one in found]
    assert sum(failed) <= 3
    assert sum(one.get("interval_p", 1) < 0.05 for one in found) <= 3
    assert sum(one["residual_p"] < 0.05 for one in found) <= 3
    for name, right in {"slope": 1, "offset": 0, "dispersion": 1}.items():
        assert np.mean([one[name] for one in found]) == pytest.approx(right, abs=0.1), name
    assert ("ks" in found[0]) == ("fano_100" in found[0]) == observations.counts


def test_short_pieces_would_reject_the_right_model_otherwise():
    random = np.random.default_rng(0)
    mean, stretch = np.full(20_000, 0.05), np.arange(20_000) // 50
    y = random.poisson(mean)
    plain = rescale_counts(y, mean, stretch, np.random.default_rng(1)).z
    within = rescale_counts(y, mean, stretch, np.random.default_rng(1), truncated=True).z
    assert ks_distance(plain) > 3 * 1.36 / np.sqrt(len(plain)) and ks_distance(within) < 1.36 / np.sqrt(len(within))


def one_unit(y, mean, observations=POISSON, dispersion=1.0):
    return check_unit(y, mean, np.zeros(len(y), int), observations, dispersion, seeds(0))[0]


def test_what_is_wrong_is_seen():
    random = np.random.default_rng(3)
    steady, drift = np.full(20_000, 0.2), 0.2 * np.exp(0.8 * slow(random, 20_000, 2000))
    missed = one_unit(random.poisson(drift).astype(float), np.full(20_000, drift.mean()))
    assert missed["interval_p"] < 1e-3 and missed["residual_p"] < 1e-3
    assert missed["fano_100"] > 2 * missed["fano_1"]
    binary = one_unit((random.random(20_000) < 0.3).astype(float), np.full(20_000, 0.3))
    assert binary["ks"] > binary["ks_band"] and binary["dispersion"] == pytest.approx(0.7, abs=0.03)
    extreme = 0.2 * np.exp(random.normal(size=20_000))
    assert one_unit(random.poisson(0.2 * (extreme / 0.2) ** 0.5).astype(float), extreme)["slope"] < 0.6
    wild = one_unit(drawn(NEGATIVE_BINOMIAL, steady * 5, random, 2.0), steady * 5)
    assert wild["dispersion"] > 2
    bursts = np.repeat(random.poisson(0.2, 10_000), 2).astype(float)
    assert one_unit(bursts, steady)["residual_p"] < 1e-6


@pytest.mark.parametrize("observations", sorted(MODELS))
def test_variances_are_those_of_draws(observations):
    model = MODELS[observations]
    random, mean = np.random.default_rng(0), np.array([0.2, 0.5, 0.8])
    y = drawn(model, np.tile(mean, (200_000, 1)), random)
    np.testing.assert_allclose(variance_of(mean, model, 0.5), y.var(axis=0), rtol=0.03)


def check(stages, terms, fit=None, block="0-of-1", fits=None):
    settings = {"penalty": {"ridge": {"strength": [1e-3]}}} | (fit or {})
    fits = stages.fit(*terms, fit=settings, block=block) if fits is None else fits
    return fits, check_fit(
        stages.binned, stages.folds, stages.features, fits, model=Model(terms=terms),
        fit=Fit.model_validate(settings), block=block,
    )  # fmt: skip


def test_every_row_is_judged_by_the_fit_that_never_saw_it():
    exposure = np.ones((4000, 3))
    exposure[:1000, 1], exposure[1000:1500, 1] = 0.0, 0.5
    segment = (np.arange(4000) > 2500).astype(int)
    stages = Stages(head_direction_session(exposure=exposure, segment=segment), ("history", "drive"))
    fits, found = check(stages, ("history", "drive"))
    x, mean = np.concatenate([stages.design("history", 2), stages.design("drive")], axis=1), np.full(4000, np.nan)
    row = stages.folds["row"].values
    for k, scored in enumerate(fits["scored"].values):
        here = fits["row"].values[scored]
        at = np.searchsorted(row, here)
        mean[here] = predict(x[at], fits["fold_coef"].values[1, k], fits["fold_intercept"].values[1, k])
    mean, y = mean * exposure[:, 1], stages.binned["response"].values[:, 1].astype(float)
    seen = np.isfinite(mean) & (exposure[:, 1] > 0)
    history = next(store for store in stages.features if store.attrs["own"])
    seen[row] &= history["input_valid"].sel(input_unit="2").values  # no window reaches into what was not observed
    assert int(found["rows"][1]) == seen.sum() < int(found["rows"][0])
    np.testing.assert_allclose(found["dispersion"][1], ((y - mean)[seen] ** 2 / mean[seen]).mean(), rtol=1e-6)
    assert (found["tenth_rows"].sum("tenth") == found["rows"]).all()
    np.testing.assert_allclose(
        (found["expected"] * found["tenth_rows"]).sum("tenth")[1] / found["rows"][1], mean[seen].mean(), rtol=1e-6
    )


def test_blocks_of_units_are_checked_alike():
    stages = Stages(head_direction_session(), ("drive", "history"))
    _, whole = check(stages, ("drive", "history"))
    for b in (0, 1):
        _, part = check(stages, ("drive", "history"), block=f"{b}-of-2")
        np.testing.assert_allclose(part["ks"], whole["ks"].sel(unit=part["unit"]), rtol=1e-6)


def test_what_cannot_be_checked_says_so():
    stages = Stages(head_direction_session(rows=1500), ("drive",), cut="none", blocks=0)
    _, found = check(stages, ("drive",), fit={"folds": "none"})
    assert set(found["reason"].values) == {"0 held-out rows"} and found["ks"].isnull().all()
    binned = head_direction_session(rows=1500)
    counts = binned["response"].values.copy()
    counts[:, 0], counts[:, 1] = 0, np.arange(1500) < 300
    binned["response"] = (binned["response"].dims, counts, binned["response"].attrs)
    _, found = check(Stages(binned, ("drive",)), ("drive",))
    assert str(found["reason"].values[0]) == "no spikes on held-out rows"
    table = gather_checks([found])
    assert "1 not checked: no spikes" in checked_rows(table).iloc[0]["what is bad, and what to do"]


def test_continuous_responses_have_no_intervals():
    binned = head_direction_session()
    values = 2 + 0.02 * binned["drive"].values[:, None] + np.random.default_rng(0).normal(size=(4000, 3))
    binned["response"] = (("time", "unit"), values, {"kind": "continuous", "name": "dF/F", "units": ""})
    _, found = check(Stages(binned, ("drive",)), ("drive",), fit={"observations": "gaussian"})
    assert found["ks"].isnull().all() and found["fano_1"].isnull().all()
    np.testing.assert_allclose(found["dispersion"], 1, atol=0.1)
    table = gather_checks([found])
    assert (table.bad == "").all()
    line = checked_rows(table).iloc[0]
    assert "intervals correlated" not in line and line["units checked"] == "3 of 3"


def test_the_report_says_what_to_do():
    random = np.random.default_rng(0)
    rate = 0.3 * np.exp(0.8 * slow(random, ROWS, 600, 4))
    drive = random.normal(size=ROWS)
    _, found = check(Stages(binned_session(random.poisson(rate), drive=drive), ("drive",)), ("drive",))
    table = gather_checks([found])
    assert list(table.columns) == list(gather_checks([]).columns) == list(CHECKS)
    assert table.bad.str.contains("drift").all()
    line = checked_rows(table).iloc[0]
    assert f"4 of 4 units: {WHAT_TO_DO['drift']}" in line["what is bad, and what to do"]
    assert line["intervals correlated"] == "4 of 4"
    assert len(checked_units(table)) == 4 and "not checked" in checked_units(table)
    assert len(checked_rows(gather_checks([]))) == len(checked_units(gather_checks([]))) == 0


def test_what_a_study_says_of_checks_is_checked():
    def study(models, folds):
        return read_study(
            {
                "study": "s", "recordings": {"a": {"nwb": "a.nwb"}}, "epochs": {"use": {"table": "epochs"}},
                "bin": "10 ms", "signals": {"x": {"from": "x"}}, "terms": {"x": {"of": "x", "basis": "identity"}},
                "models": {"m": ["x"]}, "fit": {"folds": folds, "penalty": {"ridge": {"strength": 0.1}}},
                "inference": {"checks": {"models": models}},
            }
        )  # fmt: skip

    with pytest.raises(StudyError, match=r"inference.checks.models\[0\]: there is no model 'k'"):
        study(["k"], {"blocks": 5})
    assert not [line for line in advice(study(["m"], {"blocks": 5})) if "checks" in line]
    assert [line for line in advice(study(["m"], "none")) if "nothing is held out" in line]


def test_shapes_for_figures_are_those_of_the_numbers():
    random = np.random.default_rng(4)
    mean = 0.3 * np.exp(0.5 * slow(random, 20_000, 50))
    stretch = np.arange(20_000) // 5000
    numbers, shapes = check_unit(random.poisson(mean).astype(float), mean, stretch, POISSON, 1.0, seeds(1))
    assert all(len(values) == len(SHAPES[name][1]) for name, values in shapes.items()) and set(shapes) == set(SHAPES)
    assert np.abs(shapes["distribution"] - PLACES).max() <= numbers["ks"] + 1e-9
    assert shapes["distribution"][-1] == 1 and (np.diff(shapes["distribution"]) >= 0).all()
    assert shapes["fano"][3] == numbers["fano_10"] and shapes["tenth_rows"].sum() == numbers["rows"]
    assert np.abs(shapes["interval_correlation"]).max() < 4 / np.sqrt(numbers["intervals"])
    assert np.abs(shapes["residual_correlation"]).max() < 4 / np.sqrt(20_000)


def test_autocorrelations_leave_out_pairs_over_a_break():
    series, follows = np.array([1.0, 2.0, 4.0, 1.0, 0.0]), np.array([False, True, True, False, True])
    x = series - series.mean()
    correlation, pairs = autocorrelations(series, 3, follows)
    assert pairs.tolist() == [3, 1, 0] and np.isnan(correlation[2])
    expected = [(x[0] * x[1] + x[1] * x[2] + x[3] * x[4]) / 3, x[0] * x[2]]
    np.testing.assert_allclose(correlation[:2], np.array(expected) / (x**2).mean())
