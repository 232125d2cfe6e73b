"""Simulated models spike as they predict, and say when they run away."""

import json
import logging

import numpy as np
import pytest
import xarray as xr
from scipy.stats import chisquare, poisson
from small_sessions import Stages, binned_session, head_direction_session

from nwbglm.errors import ProblemError
from nwbglm.filters import filters
from nwbglm.fits.generate import draw_counts, feedback, loop_gain, simulate, spectral_radius


@pytest.fixture(scope="module")
def stages():
    return Stages(head_direction_session(), ["coupling", "history", "heading", "others"])


def with_coefficients(fits: xr.Dataset, coef, intercept) -> xr.Dataset:
    return fits.assign(coef=fits["coef"].copy(data=coef), intercept=fits["intercept"].copy(data=intercept))


def test_draws_are_poisson_and_seeded():
    counts = draw_counts(np.full(20_000, 1.7), seed=3)
    top = np.minimum(counts, 6)
    expected = np.append(poisson.pmf(np.arange(6), 1.7), poisson.sf(5, 1.7)) * 20_000
    assert chisquare(np.bincount(top, minlength=7), expected).pvalue > 1e-3
    np.testing.assert_array_equal(counts, draw_counts(np.full(20_000, 1.7), seed=3))
    assert draw_counts(np.array([np.nan, 0.0]), seed=0).tolist() == [-1, 0]


def test_feedback_is_the_filters(stages):
    fits = stages.fit("coupling", "history", "heading")
    weights = feedback(fits)
    assert weights.shape == (10, 3, 3)
    coupling, own = filters(fits, "coupling").values, filters(fits, "history").values
    assert weights[4, 2, 1] == pytest.approx(coupling[1, 2, 4])
    assert weights[4, 1, 1] == pytest.approx(coupling[1, 1, 4] + own[1, 4])


def test_a_model_of_signals_spikes_as_it_predicts(stages):
    fits = stages.fit("heading")
    made = simulate(fits, stages.binned, draws=40, seed=1)
    assert made["response"].shape == (40, 4000, 3)
    rate = np.exp(stages.design("heading") @ fits["coef"].values.T + fits["intercept"].values)
    total, expected = made["response"].values.sum(axis=0), 40 * rate
    z = (total.sum(axis=0) - expected.sum(axis=0)) / np.sqrt(expected.sum(axis=0))
    assert np.abs(z).max() < 4
    # bin by bin the spread is Poisson's, too
    assert ((total - expected) ** 2 / expected).mean() == pytest.approx(1.0, abs=0.05)
    assert np.isnan(made["ran_away"].values).all()
    assert made.attrs["loop_gain"] == 0.0


def test_spikes_feed_back_with_the_fitted_filters(stages):
    fits = stages.fit("history", penalty="none")
    # a strong refractory history: what the simulation does is the formula, bin by bin
    coef = np.tile([-3.0, -0.5, 0.4], (3, 1))
    fits = with_coefficients(fits, coef, np.log([0.3, 0.2, 0.1]))
    made = simulate(fits, stages.binned, draws=30, seed=2)
    counts = made["response"].values.astype(float)
    kernel = filters(fits, "history").values[0]
    eta = np.zeros((30, 4000))
    for lag, weight in enumerate(kernel, 1):
        eta[:, lag:] += weight * counts[:, :-lag, 0]
    expected = 0.3 * np.exp(eta)
    assert counts[..., 0].sum() == pytest.approx(expected.sum(), abs=4 * np.sqrt(expected.sum()))
    after = np.zeros((30, 4000), bool)
    after[:, 1:] = counts[:, :-1, 0] > 0
    ratio = counts[..., 0][after].sum() / expected[after].sum()
    assert ratio == pytest.approx(1.0, abs=4 / np.sqrt(expected[after].sum()))
    assert counts[..., 0][after].mean() < 0.2 * counts[..., 0].mean()


def test_refitting_a_simulation_finds_the_model(stages):
    fits = stages.fit("coupling", penalty={"ridge": {"strength": 1e-3}})
    coef = np.random.default_rng(0).normal(0, 0.25, size=(3, 9))
    truth = with_coefficients(fits, coef, np.log([0.2, 0.15, 0.1]))
    long = binned_session(np.zeros((60_000, 3)))
    made = simulate(truth, long, seed=5)
    again = Stages(binned_session(made["response"].values[0]), ["coupling"]).fit("coupling", penalty="none")
    found, true = filters(again, "coupling").values, filters(truth, "coupling").values
    assert np.corrcoef(found.ravel(), true.ravel())[0, 1] > 0.97
    assert np.abs(np.exp(again["intercept"].values) / [0.2, 0.15, 0.1] - 1).max() < 0.1


def test_runaway_excitation_is_predicted_and_reported(stages, caplog):
    fits = stages.fit("coupling", penalty={"ridge": {"strength": 1e-3}})
    wild = with_coefficients(fits, np.full((3, 9), 0.8), np.log([0.2, 0.2, 0.2]))
    assert loop_gain(wild) > 1
    with caplog.at_level(logging.WARNING):
        made = simulate(wild, stages.binned, draws=2, seed=0)
    assert np.isfinite(made["ran_away"].values).all()
    assert "ran away in 2 of 2 simulations" in caplog.text
    tame = with_coefficients(fits, np.full((3, 9), -0.2), np.log([0.2, 0.2, 0.2]))
    assert loop_gain(tame) < 1
    assert np.isnan(simulate(tame, stages.binned, seed=0)["ran_away"].values).all()


def test_loop_gain_is_the_number_of_spikes_that_a_spike_brings():
    weights = np.zeros((2, 1, 1))
    weights[:, 0, 0] = np.log([3.0, 2.0])
    assert spectral_radius(np.array([0.1]), weights) == pytest.approx(0.1 * (2.0 + 1.0))
    assert spectral_radius(np.array([0.1]), weights * 1e4) == float("inf")


def test_segments_begin_without_history(stages):
    fits = stages.fit("history", penalty="none")
    certain = with_coefficients(fits, np.tile([-50.0, -50.0, -50.0], (3, 1)), np.full(3, np.log(30.0)))
    segment = np.repeat(np.arange(8), 5)
    made = simulate(certain, binned_session(np.zeros((40, 3)), segment=segment), seed=0, limit=1e5)
    first = made["response"].values[0].reshape(8, 5, 3)
    assert (first[:, 0] > 0).all()
    assert first[:, 1:].sum() == 0


def test_what_cannot_be_simulated_is_refused(stages):
    fits = stages.fit("coupling", penalty={"ridge": {"strength": 1e-3}})
    with pytest.raises(ProblemError, match=r"bins of 0.01 s and the recording of 0.02 s"):
        simulate(fits, binned_session(np.zeros((10, 3)), bin_width=0.02))
    with pytest.raises(ProblemError, match=r"units \[2\] drive the model"):
        simulate(fits.isel(unit=[0, 2]), stages.binned)


@pytest.mark.parametrize(
    ("observations", "variance"),
    [
        ("poisson_softplus", lambda mu: mu),
        ("bernoulli", lambda mu: mu * (1 - mu)),
        ("negative_binomial", lambda mu: mu + 0.8 * mu**2),
    ],
)
def test_counts_spread_as_their_distribution_says(stages, observations, variance):
    fits = stages.fit("heading")
    settings = json.loads(fits.attrs["settings"]) | {"observations": observations}
    fits = with_coefficients(fits, np.zeros((3, 6)), np.full(3, -0.5)).assign_attrs(settings=json.dumps(settings))
    fits["dispersion"] = ("unit", np.full(3, 0.8))
    counts = simulate(fits, stages.binned, draws=5, seed=4, limit=1e4)["response"].values.astype(float)
    mu = {"poisson_softplus": np.log1p(np.exp(-0.5)), "bernoulli": 1 / (1 + np.exp(0.5))}.get(
        observations, np.exp(-0.5)
    )
    assert counts.mean() == pytest.approx(mu, rel=0.02)
    assert counts.var() == pytest.approx(variance(mu), rel=0.03)


def test_gaussian_models_make_no_spikes(stages):
    fits = stages.fit("heading")
    settings = json.loads(fits.attrs["settings"]) | {"observations": "gaussian"}
    with pytest.raises(ProblemError, match="gaussian observations are no spikes"):
        simulate(fits.assign_attrs(settings=json.dumps(settings)), stages.binned)


def test_a_silent_unit_stays_silent(stages):
    silent = head_direction_session()
    silent["response"][:, 1] = 0
    fits = Stages(silent, ["heading"]).fit("heading")
    made = simulate(fits, silent, seed=0)
    assert made["response"].values[..., 1].sum() == 0
    assert json.loads(fits.attrs["terms"]) == ["heading"]


def test_a_run_that_no_limit_stops_is_told_by_its_rates(caplog):
    """One unit whose volleys feed themselves: far below 1 at the mean rate, yet it leaves the data's regime."""
    rng = np.random.default_rng(0)
    binned = binned_session(rng.poisson(0.002, (20_000, 1)))
    fits = Stages(binned, ["history"]).fit("history", penalty={"ridge": {"strength": 1e-3}})
    unstable = with_coefficients(fits, np.array([[3.0, 3.0, 3.0]]), np.log([0.002]))
    assert loop_gain(unstable) < 0.5
    with caplog.at_level(logging.WARNING):
        made = simulate(unstable, binned, draws=2, seed=0, limit=100.0)
    assert made["too_fast"].values.all()
    assert (made["loop_gain_reached"].values > made.attrs["loop_gain"]).all()
    assert "times as often as in the data in 2 of 2" in caplog.text
    np.testing.assert_allclose(made["rate"].values, made["response"].values.mean(axis=1) / 0.01)
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        assert not simulate(fits, binned, draws=2, seed=0)["too_fast"].values.any()
    assert not caplog.text
