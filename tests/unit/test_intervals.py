"""Intervals on filters through the stores: their formula, what is refused, coverage, the table, the figure."""

import json

import numpy as np
import pytest
import small_sessions
import xarray as xr
from scipy import stats
from small_sessions import Stages, binned_session, head_direction_session

from nwbglm.comparison.intervals import INTERVALS, gather_intervals
from nwbglm.engine.observations import MODELS
from nwbglm.engine.penalties import PENALTIES
from nwbglm.errors import StudyError
from nwbglm.figures import draw_session
from nwbglm.filters import filters
from nwbglm.inference import sandwich
from nwbglm.inference.intervals import infer_filters
from nwbglm.inference.simulated import slow
from nwbglm.report.inferred import interval_rows
from nwbglm.study import Fit, Model, read_study
from nwbglm.study.advice import SMOOTH_PENALTIES, advice
from nwbglm.study.inference import Intervals

RIDGE = {"penalty": {"ridge": {"strength": [1e-3, 1e-2, 10.0]}}, "tolerance": 1e-14}


@pytest.fixture(autouse=True)
def terms(monkeypatch):
    more = {
        "drift": {"of": "time_itself", "basis": {"cosine": {"n": 12}}},
        "short": {"of": "own spikes", "basis": {"raised_cosine_log": {"n": 2, "window": "500 ms"}}},
        "lags": {"of": "drive", "basis": {"raised_cosine_log": {"n": 4, "window": "100 ms"}}},
    }
    monkeypatch.setattr(small_sessions, "TERMS", small_sessions.TERMS | more)


def infer(stages, terms, fit=RIDGE, block="0-of-1", drift=True, fits=None, **settings):
    fits = stages.fit(*terms, fit=fit, block=block) if fits is None else fits
    found = infer_filters(
        stages.binned, stages.folds, stages.features, fits, intervals=Intervals(models=("model",), **settings),
        model=Model(terms=terms), fit=Fit.model_validate(fit), drift=drift, block=block,
    )  # fmt: skip
    return fits, found


def of_term(found, name, **chosen):
    part = found.isel(point=np.flatnonzero(found["term"].values == name))
    for key, value in chosen.items():
        part = part.isel(point=np.flatnonzero(part[key].values == value))
    return part


@pytest.mark.parametrize("method", ["block", "laplace"])
def test_bands_are_those_of_the_formula(method):
    terms = ("history", "lags")
    stages = Stages(head_direction_session(), terms)
    fits, found = infer(stages, terms, method=method, blocks=30)
    kept = stages.folds["final"].values & stages.folds["shared"].values
    x = np.concatenate([stages.design("history", 2), stages.design("lags")], axis=1)[kept]
    y, mine = stages.counts[kept, 1], fits.isel(unit=1)
    mu = np.exp(x @ mine["coef"].values + float(mine["intercept"]))
    strength = float(mine["strength"].values[int(mine["chosen"])])
    held = len(y) * strength * np.diag(x.var(axis=0))  # scale: sd
    at = sandwich.curvature(x, mu, held)
    covariance = sandwich.laplace(at)
    if method == "block":
        block = np.arange(len(y)) * 30 // len(y)
        covariance = sandwich.block_covariance(at, sandwich.block_scores(x, y - mu, block), prior=held)
    part = of_term(found, "lags").isel(unit=1)
    kernel = fits["kernel_lags"].values
    spread = np.sqrt(np.diag(kernel @ covariance[3:7, 3:7] @ kernel.T))
    wide = stats.t.ppf(0.975, 29) if method == "block" else stats.norm.ppf(0.975)
    np.testing.assert_allclose(part["high"] - part["value"], wide * spread, rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(part["value"], filters(fits, "lags").sel(unit=2), rtol=1e-9)
    np.testing.assert_allclose(of_term(found, "history")["value"], filters(fits, "history"), rtol=1e-9)
    np.testing.assert_allclose(part["at"], fits["lag_lags"])
    inside = spread > 1e-9 * spread.max()
    assert ((part["high_all"] >= part["high"]) & (part["low_all"] <= part["low"])).all()
    assert (part["high_all"] > part["high"])[inside].all()
    assert (found["blocks"] == 30).all() and (found["reason"] == "").all()


def test_couplings_have_no_band_onto_the_unit_itself():
    stages = Stages(head_direction_session(), ("others",))
    fits, found = infer(stages, ("others",), fit={"penalty": {"ridge": {"strength": [1e-3]}}})
    curves = filters(fits, "others")
    for position, unit in enumerate((1, 2, 3)):
        for sender in (1, 2, 3):
            part = of_term(found, "others", input=str(sender)).isel(unit=position)
            assert np.isfinite(part["low"]).all() == (unit != sender)
            np.testing.assert_allclose(part["value"], curves.sel(receiver=unit, sender=sender))


def test_a_product_is_laid_out_on_two_axes():
    stages = Stages(head_direction_session(), ("gain",))
    fits, found = infer(stages, ("gain",))
    curves = filters(fits, "gain")
    table = gather_intervals([found])
    assert set(zip(table["axis"], table.axis_1, strict=True)) == {("value", "lag")}
    one = table[table.unit == 2].iloc[57]
    there = curves.sel(unit=2).isel({"value_0": 57 // curves.sizes["lag_1"], "lag_1": 57 % curves.sizes["lag_1"]})
    assert one.value == pytest.approx(float(there)) and one["at"] == pytest.approx(float(there["value_0"]))
    assert one.at_1 == pytest.approx(float(there["lag_1"]))


@pytest.mark.parametrize("observations", sorted(MODELS))
def test_independent_rows_make_all_methods_agree(observations):
    """On independent rows of the right model, the sandwich and the curvature tell the same spread."""
    random = np.random.default_rng(1)
    rows = 6000
    drive = random.normal(size=rows)
    counts = random.poisson(np.exp(0.3 * drive - 0.5)[:, None] * np.ones(2))
    binned = binned_session(counts.clip(max=1) if observations == "bernoulli" else counts, drive=drive)
    if observations == "bernoulli":
        p = 1 / (1 + np.exp(1 - 0.5 * drive[:, None]))
        binned["response"] = (("time", "unit"), (random.random((rows, 2)) < p).astype(np.uint16), binned.response.attrs)
    elif not MODELS[observations].counts:
        values = 0.3 * drive[:, None] + random.normal(size=(rows, 2))
        if observations == "gamma":
            values = np.exp(0.3 * drive)[:, None] * random.gamma(2.0, 0.5, size=(rows, 2))
        binned["response"] = (("time", "unit"), values, {"kind": "continuous", "name": "dF/F", "units": ""})
    stages, fit = Stages(binned, ("drive",)), {"penalty": "none", "observations": observations}
    fits, block = infer(stages, ("drive",), fit=fit, blocks=1000)
    _, laplace = infer(stages, ("drive",), fit=fit, fits=fits, method="laplace")
    # the negative binomial's and softplus' weights are observed ones, and counts are Poisson: 10 % all the same
    np.testing.assert_allclose(block["high"] - block["low"], laplace["high"] - laplace["low"], rtol=0.12)
    if observations == "gaussian":
        error = np.sqrt(fits["dispersion"].values / rows) / drive.std()
        width = (laplace["high"] - laplace["low"]).values[:, 0] / abs(laplace["at"].values[0])
        np.testing.assert_allclose(width, 2 * 1.96 * error, rtol=0.05)


@pytest.mark.parametrize("penalty", sorted(PENALTIES))
def test_what_has_no_interval_is_refused_in_words(penalty):
    stages = Stages(head_direction_session(), ("history",))
    strength = {} if penalty == "none" else {"strength": [1e-4]}
    _, found = infer(stages, ("history",), fit={"penalty": {penalty: strength}, "tolerance": 1e-12})
    told = np.isfinite(found["low"].values).all(axis=1)
    assert told.all() == (penalty in SMOOTH_PENALTIES) and told.any() == told.all()
    if not told.any():
        assert all(str(reason).startswith(penalty.replace("_", " ")) for reason in found["reason"].values)


def test_fits_at_the_edge_and_fits_without_spikes_are_refused_and_others_not():
    random = np.random.default_rng(0)
    drive = random.normal(size=2000)
    counts = random.poisson(np.exp(np.array([0.8, 0, 0]) * drive[:, None] - 1))
    counts[:, 2] = 0
    stages = Stages(binned_session(counts, drive=drive), ("drive",))
    _, found = infer(stages, ("drive",), fit={"penalty": {"ridge": {"strength": [1e-4, 1e-3, 1e4]}}})
    reasons = [str(reason) for reason in found["reason"].values]
    assert reasons[0] == "" and "largest of the path" in reasons[1] and reasons[2] == "no spikes to fit"
    assert np.isfinite(found["low"]).all("point").values.tolist() == [True, False, False]
    line = interval_rows(gather_intervals([found])).iloc[0]
    assert line["units with intervals"] == "1 of 3" and "1 without: no spikes to fit" in line["to be said"]


def test_blocks_of_units_and_unobserved_blocks():
    exposure = np.ones((4000, 3))
    exposure[2000:, 1] = 0
    stages = Stages(head_direction_session(exposure=exposure), ("lags", "history"))
    _, whole = infer(stages, ("lags", "history"), blocks=40)
    parts = [infer(stages, ("lags", "history"), blocks=40, block=f"{b}-of-2")[1] for b in (0, 1)]
    together = xr.concat(parts, "unit", data_vars="minimal", coords="minimal", compat="override").sortby("unit")
    np.testing.assert_allclose(together["high_all"], whole["high_all"], rtol=1e-6)
    assert whole["blocks"].values[0] == 40 and 19 <= whole["blocks"].values[1] <= 21


def test_features_beyond_memory_give_the_same(monkeypatch):
    stages = Stages(head_direction_session(), ("history", "lags"))
    fits, whole = infer(stages, ("history", "lags"))
    monkeypatch.setattr("nwbglm.inference.intervals.STEP", 700)
    _, pieces = infer(stages, ("history", "lags"), fits=fits, fit=RIDGE | {"memory": "100 kB"})
    np.testing.assert_allclose(pieces["low_all"], whole["low_all"], rtol=1e-6, atol=1e-12)


def test_warnings_say_what_is_wrong():
    stages = Stages(head_direction_session(rows=1000), ("history", "drive"))
    _, found = infer(stages, ("history", "drive"), drift=False, blocks=100)
    said = json.loads(found.attrs["warnings"])
    assert ["no term of time" in said[0], "two windows" in said[1]] == [True, True]
    _, good = infer(stages, ("drive",), blocks=20)
    assert json.loads(good.attrs["warnings"]) == []
    _, few = infer(stages, ("drive",), blocks=3)
    assert json.loads(few.attrs["warnings"]) == ["3 blocks are few for the 1 functions of 'drive'"]


def test_trials_are_blocks_where_there_are_more():
    segment = np.arange(4000) // 40
    stages = Stages(head_direction_session(segment=segment), ("drive",))
    _, found = infer(stages, ("drive",), blocks=10)
    assert (found["blocks"] == 100).all()


def covered(seed, drift_in, drift_of_model, units=16, rows=4000):
    """Share of filter values (4 lags, 2 terms) whose interval holds the truth, of units with history and a drive."""
    random = np.random.default_rng(seed)
    drive, bins = slow(random, rows, 3), 5
    time = (np.arange(rows) + 0.5) / rows
    drift = drift_in * slow(random, rows, 500, units)
    stages = Stages(binned_session(np.zeros((rows, units)), bin_width=0.1, drive=drive, time_itself=time), ("short",))
    basis = stages.features[0]
    kernel = basis["kernel"].values
    history = kernel @ np.array([-0.6, -0.2])
    counts = np.zeros((rows, units), int)
    lag = np.rint(basis["lag"].values / 0.1).astype(int)
    assert lag.max() <= bins
    for t in range(rows):
        past = sum(history[k] * counts[t - lag[k]] for k in range(len(lag)) if t >= lag[k])
        counts[t] = random.poisson(np.exp(-1.0 + 0.3 * drive[t] + drift[t] + past))
    terms = ("short", "drive", "drift") if drift_of_model else ("short", "drive")
    binned = binned_session(counts, bin_width=0.1, drive=drive, time_itself=time)
    fit = {"penalty": {"ridge": {"strength": [1e-5, 1e-4, 1e-3, 1e-2, 1e2]}}, "tolerance": 1e-12}
    _, found = infer(Stages(binned, terms, pieces=40), terms, fit=fit)
    own, driven = of_term(found, "short"), of_term(found, "drive")
    hits = [((part["low"] <= truth) & (part["high"] >= truth)).values.ravel()
            for part, truth in ((own, history[None]), (driven, 0.3 * driven["at"].values[None]))]  # fmt: skip
    known = [np.isfinite(part["low"]).values.ravel() for part in (own, driven)]
    moving = [np.tile(np.abs(kernel).max(axis=1) > 1e-9, units), np.tile(driven["at"].values != 0, units)]
    return np.concatenate([h[k & m] for h, k, m in zip(hits, known, moving, strict=True)]).mean()


def test_intervals_of_the_true_model_cover_and_those_of_a_missed_drift_do_not():
    true = np.mean([covered(seed, 0.0, False) for seed in range(3)])
    missed = np.mean([covered(seed, 0.7, False) for seed in range(2)])
    mended = np.mean([covered(seed, 0.7, True) for seed in range(2)])
    assert 0.88 <= true <= 0.99, true
    assert missed < true - 0.1, (missed, true)
    assert mended > missed + 0.1, (missed, mended)


def study(models=("full",), **more):
    return read_study(
        {
            "study": "s", "recordings": {"a": {"nwb": "a.nwb"}}, "epochs": {"use": {"table": "epochs"}}, "bin": "10 ms",
            "signals": {"drive": {"from": "x"}, "t": {"of": "time"}},
            "terms": {
                "lags": {"of": "drive", "basis": {"raised_cosine_log": {"n": 4, "window": "100 ms"}}},
                "drift": {"of": "t", "basis": {"polynomial": {"degree": 3}}},
            },
            "models": {"alone": ["lags"], "full": ["lags", "drift"]},
            "fit": {"folds": {"blocks": 5, "pieces": 40}} | more,
            "inference": {"intervals": {"models": models}},
        }
    )  # fmt: skip


def test_what_a_study_says_of_intervals_is_checked():
    with pytest.raises(StudyError, match=r"inference.intervals.models\[0\]: there is no model 'ful'"):
        study(["ful"])
    with pytest.raises(StudyError, match="is there twice"):
        study(["full", "full"])
    assert not [line for line in advice(study()) if "inference" in line]
    (line,) = [line for line in advice(study(["alone"])) if "inference" in line]
    assert "no term of time" in line
    lasso = study(penalty={"lasso": {"strength": [0.1, 1.0]}})
    (line,) = [line for line in advice(lasso) if "inference" in line]
    assert "under lasso" in line


def test_the_figure_has_the_bands_and_their_numbers():
    stages = Stages(head_direction_session(), ("lags",))
    fits, found = infer(stages, ("lags",))
    figure, table = draw_session(
        "filters-lags", study=study(["alone"]), binned=stages.binned, fits={"alone": fits}, intervals={"alone": found}
    )
    assert len(figure.axes[0].collections) == 2
    np.testing.assert_allclose(table["low_all"], found["low_all"].values.ravel())
    np.testing.assert_allclose(table["log_gain"], found["value"].values.ravel())
    _, plain = draw_session("filters-lags", study=study(["alone"]), binned=stages.binned, fits={"alone": fits})
    assert "low" not in plain
    assert list(gather_intervals([]).columns) == list(gather_intervals([found]).columns) == list(INTERVALS)
