"""Scores equal those of scikit-learn and NeMoS, and stay defined where the data are hostile."""

import warnings

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics
import statsmodels.api as sm

from nwbglm import scores

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import nemos

import jax


@pytest.fixture
def data():
    rng = np.random.default_rng(3)
    rate = rng.gamma(2.0, 0.2, size=400)
    return rng.poisson(rate), rate * rng.uniform(0.8, 1.25, size=400)


def sums(count, expected):
    model = scores.poisson_log_likelihood(count, expected).sum()
    null = scores.poisson_log_likelihood(count, np.full(len(count), count.mean())).sum()
    saturated = scores.poisson_log_likelihood(count, count.astype(float)).sum()
    return model, null, 2 * (saturated - model), 2 * (saturated - null)


def test_log_likelihood_is_scipys(data):
    np.testing.assert_allclose(
        scores.poisson_log_likelihood(*data), scipy.stats.poisson.logpmf(*data), rtol=1e-12, atol=1e-13
    )


def test_deviance_explained_is_sklearns_d2(data):
    _, _, deviance, null_deviance = sums(*data)
    assert scores.deviance_explained(deviance, null_deviance) == pytest.approx(
        sklearn.metrics.d2_tweedie_score(*data, power=1), abs=1e-12
    )


def test_pseudo_r2_are_nemos(data):
    count, expected = data
    model, null, deviance, null_deviance = sums(count, expected)
    poisson = nemos.observation_models.PoissonObservations()
    with jax.enable_x64(True):
        for kind, ours in (
            ("pseudo-r2-McFadden", scores.pseudo_r2_mcfadden(model, null)),
            ("pseudo-r2-Cohen", scores.deviance_explained(deviance, null_deviance)),
        ):
            theirs = float(poisson.pseudo_r2(count.astype(float), expected, score_type=kind))
            assert ours == pytest.approx(theirs, abs=1e-10), kind


def test_bits_per_spike_counts_information():
    # whether a bin holds its spike is told exactly, where the null says one half
    count = np.tile([0, 1], 50)
    model = scores.poisson_log_likelihood(count, count.astype(float)).sum()
    null = scores.poisson_log_likelihood(count, np.full(100, 0.5)).sum()
    assert scores.bits_per_spike(model, null, 50) == pytest.approx(1.0)


def test_nothing_raises_where_a_score_is_undefined():
    minus = -np.inf
    assert np.isnan(scores.bits_per_spike(-1.0, -2.0, 0))
    assert scores.bits_per_spike(minus, -2.0, 3) == minus
    assert np.isnan(scores.bits_per_spike(minus, minus, 3))
    assert np.isnan(scores.deviance_explained(0.0, 0.0))
    assert np.isnan(scores.pseudo_r2_mcfadden(0.0, 0.0))
    assert np.isnan(scores.pseudo_r2_mcfadden(-1.0, minus))
    assert scores.poisson_log_likelihood(np.array([1.0]), np.array([0.0]))[0] == minus


def test_scores_broadcast_over_folds_and_strengths():
    model = np.array([[-10.0, -20.0], [-30.0, -np.inf]])
    null = np.array([[-40.0], [-40.0]])
    got = scores.pseudo_r2_mcfadden(model, null)
    np.testing.assert_allclose(got, [[0.75, 0.5], [0.25, -np.inf]])


def test_information_criteria_are_those_of_statsmodels():
    random = np.random.default_rng(0)
    x = random.normal(size=(50, 2))
    y = random.poisson(np.exp(0.4 * x[:, 0]))
    fit = sm.GLM(y, sm.add_constant(x), family=sm.families.Poisson()).fit()
    k, n = 3, 50
    assert scores.information_criterion(fit.llf, k, 2.0) == pytest.approx(fit.aic)
    assert scores.information_criterion(fit.llf, k, np.log(n)) == pytest.approx(fit.bic_llf)
    expected = sm.tools.eval_measures.aicc(fit.llf, n, k)
    assert scores.corrected_aic(fit.llf, k, n) == pytest.approx(expected)
    assert np.isnan(scores.corrected_aic(-1.0, 9, 10))


def test_names_of_scores_are_unique_and_every_one_has_words_or_a_label():
    names = [score.name for score in scores.SCORES]
    assert len(set(names)) == len(names)
    assert all(score.label and score.measures and score.needs for score in scores.SCORES)


def test_a_score_of_probabilities_is_undefined_for_a_density():
    sums = {"log_likelihood": [-5.0, -5.0], "null_log_likelihood": [-6.0, -6.0], "spikes": [3, 3]}
    found = scores.by_name("bits_per_spike").of(sums, np.array(["probability", "density"]))
    assert found[0] == pytest.approx(1 / 3 / np.log(2)) and np.isnan(found[1])
