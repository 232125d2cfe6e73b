"""The tables over sessions and models: sums before scores, honest strengths, statuses that stay visible."""

import json

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import xarray as xr
from synthetic_stores import head_direction_session

from nwbglm import comparison, scores, store
from nwbglm.comparison.common import quantiles

LOG2 = np.log(2)


@pytest.fixture(scope="module")
def session():
    return head_direction_session()


@pytest.fixture(scope="module")
def silent():
    return head_direction_session("mouse-2", seed=3, silent_unit=True)


@pytest.fixture(scope="module")
def tables(session, silent):
    fits = [*session.fits.values(), *silent.fits.values()]
    audit = {"session": "mouse-1", "verdict": "usable", "contents": {"units": {"count": 9}}, "sha256": "ab"}
    return comparison.compare_models(
        fits,
        binned=[session.binned, silent.binned],
        tuning=[session.tuning, silent.tuning],
        audits=[audit],
        excluded={"mouse-3": "no wake"},
    )


def pooled_rows(table, **wanted):
    rows = table[(table.fold == "pooled") & (table.kind == "held-out")]
    for name, value in wanted.items():
        rows = rows[rows[name] == value]
    return rows


def test_pooled_scores_are_scores_of_the_sums_over_folds(session, tables):
    fit = session.fits["full"].sel(unit=7)
    chosen = fit.fold_chosen.values
    model = sum(float(fit.test_log_likelihood.isel(fold=k, strength=chosen[k])) for k in range(4))
    null = float(fit.null_test_log_likelihood.sum())
    deviance, null_deviance = float(fit.test_deviance.sum()), float(fit.null_test_deviance.sum())
    spikes = float(fit.test_spikes.sum())
    row = pooled_rows(tables["scores"], session="mouse-1", unit=7, model="full").iloc[0]
    assert row.bits_per_spike == pytest.approx((model - null) / spikes / LOG2, rel=1e-12)
    assert row.deviance_explained == pytest.approx(1 - deviance / null_deviance, rel=1e-12)
    assert row.pseudo_r2_mcfadden == pytest.approx(1 - model / null, rel=1e-12)
    assert row.spikes == spikes == session.binned.response.sel(unit=7).values[12:3000].sum()


def test_a_fold_is_scored_at_the_strength_chosen_without_it(session):
    fit = session.fits["coupling"].copy(deep=True)
    fit["fold_chosen"][:] = 2
    fit["fold_chosen"][0, 1] = 0
    table = comparison.score_fit(fit)
    row = table[(table.unit == fit.unit.values[0]) & (table.fold == "1")].iloc[0]
    assert row.strength == fit.strength.values[0]
    assert row.log_likelihood == float(fit.test_log_likelihood[0, 1, 0])


def test_in_sample_scores_come_from_the_final_fit(session, tables):
    fit = session.fits["heading"]
    row = tables["scores"].query("session == 'mouse-1' and model == 'heading' and kind == 'in-sample' and unit == 3")
    expected = float((fit.log_likelihood - fit.null_log_likelihood).sel(unit=3) / fit.spikes.sel(unit=3) / LOG2)
    assert row.bits_per_spike.item() == pytest.approx(expected, rel=1e-12)


def test_the_null_that_saw_the_scored_rows_is_never_easier_to_beat(tables):
    held_out = tables["scores"].query("kind == 'held-out' and status == 'ok'")
    assert (held_out.bits_per_spike_own_mean <= held_out.bits_per_spike + 1e-12).all()
    assert set(held_out.null) == {"training mean"}


def test_explicit_test_epochs_are_the_headline(session):
    fit = session.fits["heading"].copy(deep=True)
    fit = fit.assign_coords(fold_kind=("fold", ["cv", "cv", "cv", "test"]))
    table = comparison.score_fit(fit)
    assert set(comparison.headline(table).kind) == {"test"}
    pooled = table[(table.kind == "held-out") & (table.fold == "pooled")].set_index("unit")
    assert (pooled.rows == fit.test_rows.isel(fold=slice(3)).sum("fold").to_series()).all()


def test_pairs_put_the_larger_model_first_and_name_what_it_adds(tables):
    pairs = pooled_rows(tables["pairs"], session="mouse-1")
    drop = pairs[(pairs.model == "full") & (pairs.other == "coupling")]
    assert set(drop.adds) == {"heading"} and drop.nested.all() and drop.same_rows.all()
    assert not ((pairs.model == "constant") & (pairs.other != "constant")).any()
    assert not pairs[(pairs.model == "coupling") & (pairs.other == "history")].nested.any()


def test_pairs_are_differences_of_scores_with_the_spread_of_folds(tables):
    row = pooled_rows(tables["pairs"], session="mouse-1", unit=8, model="full", other="heading").iloc[0]
    scores = tables["scores"].query("session == 'mouse-1' and unit == 8 and kind == 'held-out'")
    full, heading = (scores[scores.model == m].set_index("fold").bits_per_spike for m in ("full", "heading"))
    difference = full - heading
    assert row.bits_per_spike == pytest.approx(difference["pooled"])
    folds = difference.drop("pooled")
    assert row.folds == 4 and row.folds_better == (folds > 0).sum()
    assert row.spread == pytest.approx(folds.std())


def test_a_silent_unit_keeps_its_status_and_stops_nobody(tables):
    rows = tables["scores"].query("session == 'mouse-2' and unit == 12")
    assert set(rows.status) == {"no_spikes"} and rows.bits_per_spike.isna().all()
    others = pooled_rows(tables["scores"], session="mouse-2").query("unit != 12")
    assert (others.status == "ok").all() and others.bits_per_spike.notna().all()
    unit = tables["units"].query("session == 'mouse-2' and unit == 12").iloc[0]
    assert pd.isna(unit.best_model) and "heading: no_spikes" in unit.notes


def test_the_true_model_wins_for_most_units(tables):
    best = tables["units"].query("session == 'mouse-1'").best_model
    assert best.isin(["heading", "full"]).all()


def test_blocks_of_units_make_the_same_tables_as_one_store(session):
    whole = comparison.compare_models(list(session.fits.values()))
    parts = [fit.isel(unit=slice(b, None, 2)) for fit in session.fits.values() for b in (0, 1)]
    split = comparison.compare_models(parts)
    order = ["session", "unit", "model", "kind", "fold"]
    a, b = (t["scores"].sort_values(order).reset_index(drop=True) for t in (whole, split))
    pd.testing.assert_frame_equal(a, b)
    counts = [t["fits"].groupby(["model", "status"]).fits.sum() for t in (whole, split)]
    assert counts[0].sort_index().equals(counts[1].sort_index())
    assert len(split["fits"]) == len(whole["fits"])


def test_fits_are_all_counted(session, tables):
    counted = tables["fits"].query("session == 'mouse-1'").set_index("model")
    for model, fit in session.fits.items():
        assert counted.loc[model].fits == fit.status.size
        assert counted.loc[model].reported == fit.sizes["unit"] * fit.sizes["fit"]
        assert counted.loc[model].gradient_norm == float(fit.gradient_norm.max())


def test_sessions_say_who_is_in_and_why_others_are_not(tables):
    sessions = tables["sessions"].set_index("session")
    assert list(sessions.included[["mouse-1", "mouse-2", "mouse-3"]]) == [True, True, False]
    assert sessions.reason["mouse-3"] == "no wake"
    assert sessions.units["mouse-1"] == 5 and sessions.units_in_file["mouse-1"] == 9
    assert sessions.duration["mouse-1"] == pytest.approx(40.0)


def test_a_diverging_unit_does_not_rule_the_summary(tables):
    scores = tables["scores"].copy()
    before = comparison.summarise_models(scores).set_index(["model", "kind"]).bits_per_spike_median
    worst = scores.model.eq("full") & scores.unit.eq(3) & scores.session.eq("mouse-1") & scores.kind.eq("held-out")
    scores.loc[worst, "bits_per_spike"] = -5e35
    after = comparison.summarise_models(scores).set_index(["model", "kind"]).bits_per_spike_median
    assert abs(after["full", "held-out"] - before["full", "held-out"]) < 0.1


def test_few_sessions_have_a_t_interval_of_their_medians(tables):
    pairs = pooled_rows(tables["pairs"], model="full", other="heading")
    pairs = pairs[pairs.bits_per_spike.notna()]
    line = comparison.summarise_pairs(tables["pairs"]).query("model == 'full' and other == 'heading'").iloc[0]
    medians = pairs.groupby("session").bits_per_spike.median().to_numpy()
    assert len(medians) == 2 and line.method == "t"
    half = scipy.stats.t.ppf(0.975, 1) * medians.std(ddof=1) / np.sqrt(2)
    assert (line.estimate, line.low, line.high) == pytest.approx(
        (medians.mean(), medians.mean() - half, medians.mean() + half)
    )


def test_one_session_has_no_interval(session):
    tables = comparison.compare_models(list(session.fits.values()))
    summary = comparison.summarise_pairs(tables["pairs"])
    assert summary.low.isna().all() and (summary.sessions == 1).all() and set(summary.method) == {"none"}


def test_nothing_fitted_gives_empty_tables():
    tables = comparison.compare_models([], excluded={"mouse-1": "broken file"})
    assert set(tables) == set(comparison.TABLES)
    assert tables["sessions"].reason.tolist() == ["broken file"]
    assert all(len(tables[name]) == 0 for name in ("scores", "pairs", "units", "fits"))
    assert len(comparison.summarise_models(tables["scores"])) == len(comparison.summarise_pairs(tables["pairs"])) == 0


def test_an_empty_session_of_no_units_passes_through(session):
    fits = [fit.isel(unit=slice(0)) for fit in session.fits.values()]
    tables = comparison.compare_models(fits, binned=[session.binned.isel(unit=slice(0))])
    assert len(tables["scores"]) == 0 and tables["sessions"].units.tolist() == [0]


def test_unequal_rows_are_said(session):
    other = session.fits["heading"].copy(deep=True)
    other["test_rows"] = xr.where(other.fold == "0", other.test_rows + 1, other.test_rows).transpose(
        *other.test_rows.dims
    )
    pairs = comparison.compare_models([session.fits["full"], other])["pairs"]
    folds = pairs[pairs.kind == "held-out"].set_index("fold").same_rows
    assert not folds["0"].any() and folds["1"].all() and not folds["pooled"].any()


def test_scores_survive_the_store(session, tmp_path):
    path = tmp_path / "full.zarr.zip"
    store.write(session.fits["full"], path, "fits")
    pd.testing.assert_frame_equal(
        comparison.score_fit(store.read(path, "fits")), comparison.score_fit(session.fits["full"]), check_dtype=False
    )


def gaussian_like(fit, name):
    """The same fit as of a model whose likelihood is a density."""
    settings = json.dumps({"observations": "gaussian"})
    return fit.copy(deep=True).assign_attrs(model=name, settings=settings)


def test_a_density_is_never_set_off_against_a_probability(session):
    full, heading = session.fits["full"], session.fits["heading"]
    fits = [full, gaussian_like(full, "wide"), gaussian_like(heading, "narrow")]
    tables = comparison.compare_models(fits)
    found = set(zip(tables["pairs"].model, tables["pairs"].other, strict=True))
    assert found == {("wide", "narrow")}
    assert [pair[:2] for pair in comparison.unpaired(tables["scores"])] == [("full", "wide"), ("full", "narrow")]
    assert "no common unit" in comparison.unpaired(tables["scores"])[0][2]
    wide = tables["scores"].query("model == 'wide'")
    assert wide.bits_per_spike.isna().all() and wide.pseudo_r2_mcfadden.isna().all()
    assert wide.bits_per_bin.notna().all() and wide.deviance_explained.notna().all()
    assert comparison.primary(tables["pairs"]).name == "bits_per_bin"


def test_a_pair_is_the_difference_of_likelihoods_whatever_the_nulls(session):
    other = session.fits["heading"].copy(deep=True)
    for name in ("null_test_log_likelihood", "null_log_likelihood"):
        other[name] = other[name] - 100.0  # a null with a dispersion of its own
    pairs = comparison.compare_models([session.fits["full"], other])["pairs"]
    for row in pairs[pairs.same_rows].itertuples():
        assert row.bits_per_spike == pytest.approx(row.log_likelihood / row.spikes / LOG2)
        assert row.bits_per_bin == pytest.approx(row.log_likelihood / row.rows / LOG2)


def test_every_score_of_the_registry_is_in_the_tables(tables):
    for score in scores.SCORES:
        assert score.name in tables["scores"], score.name
        assert (f"{score.name}_own_mean" in tables["scores"]) == score.against_null
        assert (score.name in tables["pairs"]) == score.paired
        assert f"{score.name}_median" in comparison.summarise_models(tables["scores"])
    held_out = tables["scores"].query("kind == 'held-out'")
    assert held_out.aic.isna().all() and held_out.bic.isna().all()


def test_quantiles_know_infinite_scores():
    at = [0.5, 0.25, 0.75]
    finite = pd.Series([3.0, 1.0, np.nan, 2.5, 7.0, 9.0])
    np.testing.assert_allclose(quantiles(finite, at), finite.quantile(at))
    assert quantiles(pd.Series([-np.inf, -np.inf, 1.0, 2.0]), at) == [-np.inf, -np.inf, 1.25]
    assert quantiles(pd.Series([1.0, np.inf]), [0.0, 0.5, 1.0]) == [1.0, np.inf, np.inf]
    assert np.isnan(quantiles(pd.Series([np.nan]), at)).all()
