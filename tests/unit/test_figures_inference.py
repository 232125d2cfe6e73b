"""Figures of inference: the numbers behind them are those of the stores, and what does not apply says so."""

import numpy as np
import pandas as pd
import pytest
import small_sessions
from small_sessions import Stages, binned_session

from nwbglm import comparison, figures
from nwbglm.figures.filters import bands_of
from nwbglm.figures.inference_bands import DOUBT, tuning_band
from nwbglm.figures.session import Stores
from nwbglm.figures.style import svg_text
from nwbglm.fits.model import fit_model
from nwbglm.fits.predict import predict_rates
from nwbglm.inference import stage
from nwbglm.inference.goodness import check_fit
from nwbglm.inference.intervals import infer_filters
from nwbglm.inference.simulated import slow
from nwbglm.study import read_study
from nwbglm.tuning import tune_units

TERMS = {
    "clock": {"of": "clock", "basis": {"polynomial": {"degree": 3}}},
    "short": {"of": "own spikes", "basis": {"raised_cosine_log": {"n": 2, "window": "500 ms"}}},
    "drive": {"of": "drive", "basis": "identity"},
}
STUDY = {
    "study": "s",
    "recordings": {"small": {"nwb": "a.nwb"}},
    "epochs": {"use": {"table": "epochs"}},
    "bin": "100 ms",
    "signals": {"drive": {"from": "x"}, "clock": {"of": "time"}},
    "terms": TERMS,
    "models": {"less": ["clock", "short"], "full": ["clock", "short", "drive"]},
    "fit": {"penalty": {"ridge": {"strength": [1e-3]}}, "folds": {"blocks": 4, "pieces": 40}},
    "inference": {
        "tests": {"drive": {"term": "drive", "model": "full", "draws": 39}},
        "checks": {"models": ["full"]},
    },
}


@pytest.fixture(scope="module")
def session():
    study = read_study(STUDY)
    random = np.random.default_rng(0)
    drive = slow(random, 3000, 10)
    counts = random.poisson(0.4 * np.exp(np.array([0.6, 0.6, 0.0, 0.0]) * drive[:, None]))
    binned = binned_session(counts, bin_width=0.1, drive=drive, clock=np.linspace(0, 1, 3000))
    stages = Stages(binned, TERMS, pieces=40)
    made = {"binned": binned, "folds": stages.folds, "features": dict(zip(TERMS, stages.features, strict=True))}
    fits = {
        name: fit_model(
            binned, stages.folds, stages.features, model=study.model_settings(name), fit=study.fit, name=name
        )
        for name in study.models
    }
    of = {"model": study.model_settings("full"), "fit": study.fit}
    checks = check_fit(binned, stages.folds, stages.features, fits["full"], **of)
    tests = stage.test_term(
        binned, stages.folds, stages.features, fits["full"], test=study.inference.tests["drive"], name="drive",
        drift=True, **of,
    )  # fmt: skip
    return study, made | {"fits": fits, "checks": {"full": checks}, "tests": {"drive": tests}}


@pytest.fixture(scope="module")
def tables(session):
    _, made = session
    return comparison.compare_models(
        list(made["fits"].values()), binned=[made["binned"]], tests=[made["tests"]["drive"]],
        checks=list(made["checks"].values()),
    )  # fmt: skip


def drawn(name, session, **changes):
    study, made = session
    figure, table = figures.draw_session(name, study=study, **made | changes)
    assert svg_text(figure).startswith("<?xml") and len(table)
    return figure, table


def test_a_study_names_the_figures_of_what_it_infers(session):
    study, _ = session
    assert {"null-drive", "ks-full", "calibration-full"} <= set(figures.figures_of(study))
    assert {"volcano", "counts"} <= set(figures.overall_figures_of(study))
    plain = read_study({key: value for key, value in STUDY.items() if key != "inference"})
    assert not {"null-drive", "ks-full", "calibration-full"} & set(figures.figures_of(plain))
    assert not {"volcano", "counts"} & set(figures.overall_figures_of(plain))


def test_the_null_figure_holds_every_draw_and_the_real_statistic(session):
    _, table = drawn("null-drive", session)
    tests = session[1]["tests"]["drive"]
    assert len(table) == tests.sizes["unit"] * (tests.sizes["draw"] + 1)
    real = table[table.draw == 0].set_index("unit")
    np.testing.assert_allclose(real.statistic, tests["statistic"])
    beyond = table[table.draw > 0].groupby("unit").statistic.apply(lambda null: null.to_numpy(float))
    for unit, null in beyond.items():  # the p value can be read off the figure's table
        assert (1 + (null >= real.statistic[unit] * (1 - 1e-6)).sum()) / (len(null) + 1) == pytest.approx(real.p[unit])


def test_the_timing_figure_holds_the_bands_that_the_checks_use(session):
    figure, table = drawn("ks-full", session)
    checks = session[1]["checks"]["full"]
    distribution = table[table.quantity == "distribution"]
    for unit, part in distribution.groupby("unit"):
        assert part.band.iloc[0] == pytest.approx(float(checks["ks_band"].sel(unit=unit)))
        assert (np.abs(part.value - part["at"]) <= float(checks["ks"].sel(unit=unit)) + 1e-9).all()
    assert set(table.quantity) == {"distribution", "interval_correlation", "residual_correlation"}
    assert len(figure.axes) == 4


def test_the_calibration_figure_counts_every_held_out_row_once(session):
    _, table = drawn("calibration-full", session)
    rows = table.groupby("unit").rows.sum()
    np.testing.assert_allclose(rows, session[1]["checks"]["full"]["rows"])
    assert {"tenth", "expected", "observed", "window", "fano"} <= set(table)


def test_what_was_not_checked_says_why(session):
    checks = session[1]["checks"]["full"].copy(deep=True)
    checks["reason"] = ("unit", np.full(checks.sizes["unit"], "0 held-out rows"))
    _, table = drawn("ks-full", session, checks={"full": checks})
    assert "0 held-out rows" in table.message.iloc[0]
    _, table = drawn("null-drive", session, tests={})
    assert "was not made" in table.message.iloc[0]


def test_effects_and_counts_are_those_of_the_tables(session, tables):
    study, _ = session
    _, table = figures.draw_overall("volcano", study=study, **tables)
    pd.testing.assert_frame_equal(table, tables["tests"])
    _, table = figures.draw_overall("counts", study=study, **tables)
    assert table.alone.iloc[0] == (tables["tests"].p <= 0.05).sum()
    empty = comparison.compare_models([])
    for name in ("volcano", "counts"):
        assert "No unit could be tested" in figures.draw_overall(name, study=study, **empty)[1].message.iloc[0]


# ------------------------------------------------------------------------------------------------ bands


@pytest.fixture(scope="module")
def banded():
    """Three units, tuned to a heading and coupled, with a product, and intervals on all of it."""
    binned = small_sessions.head_direction_session()
    names = ("coupling", "full-rank", "gain")
    stages = Stages(binned, names)
    study = read_study(
        STUDY
        | {
            "bin": "10 ms",
            "signals": {"heading": {"from": "x", "period": "2 pi"}},
            "tuning": {"heading": {"of": "heading", "bins": 12, "range": [0, "2 pi"]}},
            "terms": {name: small_sessions.TERMS[name] for name in names},
            "models": {"full": list(names)},
            "fit": {"penalty": {"ridge": {"strength": [1e-3, 1e-1, 10.0]}}},
            "inference": {"intervals": {"models": ["full"], "blocks": 20}},
        }
    )
    of = {"model": study.model_settings("full"), "fit": study.fit}
    fits = fit_model(binned, stages.folds, stages.features, name="full", **of)
    bands = infer_filters(
        binned, stages.folds, stages.features, fits, intervals=study.inference.intervals, drift=True, **of
    )
    tuning = tune_units(binned, study.data)
    predictions = predict_rates(binned, tuning, stages.folds, stages.features, fits, window=study.figures.window)
    made = {"binned": binned, "folds": stages.folds, "tuning": tuning, "fits": {"full": fits}}
    return study, made | {"predictions": {"full": predictions}, "intervals": {"full": bands}}


def test_couplings_have_their_bands_and_doubtful_ones_are_faint(banded):
    figure, table = drawn("coupling-full", banded)
    bands = banded[1]["intervals"]["full"]
    mine = bands.isel(point=np.flatnonzero(bands["term"].values == "coupling"))
    assert (banded[1]["intervals"]["full"]["reason"] == "").all()
    line = table[(table.receiver.astype(int) == 2) & (table.sender.astype(int) == 3)]
    expected = mine.sel(unit=2).isel(point=np.flatnonzero(mine["input"].values == "3"))
    for name in ("low", "high", "low_all", "high_all"):
        np.testing.assert_allclose(line[name], expected[name])
    np.testing.assert_allclose(line.log_gain, expected["value"], atol=1e-6)
    filled = [one for one in figure.axes[0].collections if type(one).__name__ == "PolyCollection"]
    assert len(filled) == 1 and len(filled[0].get_paths()) == 9
    lines = [one for one in figure.axes[0].collections if np.size(one.get_alpha()) == 9]
    sure = ((mine["low_all"] > 0) | (mine["high_all"] < 0)).values.reshape(3, 3, -1).any(axis=-1)
    assert sorted(np.unique(lines[0].get_alpha())) == sorted({1.0 if each else DOUBT for each in sure.ravel()})


def test_products_have_their_bands(banded):
    _, table = drawn("product-gain", banded)
    assert (table.low <= table.log_gain + 1e-9).all() and (table.log_gain <= table.high + 1e-9).all()
    assert (table.low_all <= table.low).all() and (table.high <= table.high_all).all()
    _, without = drawn("product-gain", banded, intervals={})
    assert "low" not in without


def test_tuning_is_moved_by_the_interval_of_the_models_own_term(banded):
    study, made = banded
    stores = Stores(study, {key: made[key] for key in ("binned", "tuning", "folds")}, fits=made["fits"],
                    predictions=made["predictions"], intervals=made["intervals"])  # fmt: skip
    at, rate = made["tuning"]["value_heading"].values, np.full(12, 10.0)
    low, high = tuning_band(stores, "heading", "full", 2, at, rate)
    band = bands_of(made["intervals"]["full"], "full-rank").sel(unit=2)
    nearest = int(np.abs(band["at"].values - at[4]).argmin())
    width = np.log(high[4] / low[4])
    assert width == pytest.approx(float(band["high"][nearest] - band["low"][nearest]), rel=0.05)
    assert (low < 10).all() and (high > 10).all()
    figure, _ = drawn("tuning-heading", banded)
    plain, _ = drawn("tuning-heading", banded, intervals={})
    assert len(figure.axes[0].collections) == len(plain.axes[0].collections) + 1
