"""Numbers of published definitions, computed by hand or by statsmodels, to every digit given."""

import numpy as np
import pytest
from scipy.special import gammaln

from nwbglm.inference import agreement, correction, levels, nulls, rescaling, sandwich, score_test, selection, worth
from nwbglm.inference.shifted import judged

X = np.array([-1, 0.5, 0.2, -0.3, 0.8, 1.1, -0.6, 0.4, -0.2, 0.9, -1.2, 0.3])
Y = np.array([0, 1, 2, 0, 1, 3, 0, 1, 1, 2, 0, 1.0])


def poisson_fit(x, y, strength=0.0):
    """Newton's method for mean(mu - y log mu) + strength / 2 w^2, intercept free."""
    design, theta = sandwich.with_ones(x[:, None]), np.zeros(2)
    ridge = np.diag([len(y) * strength, 0.0])
    for _ in range(100):
        mu = np.exp(design @ theta)
        theta = theta - np.linalg.solve(design.T @ (design * mu[:, None]) + ridge, design.T @ (mu - y) + ridge @ theta)
    return theta, np.exp(design @ theta)


def likelihood(y, mu):
    return float((y * np.log(mu) - mu - gammaln(y + 1)).sum())


def test_false_discovery_rate_as_statsmodels():
    p = np.array([0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216])
    hochberg = [0.01, 0.04, 0.084, 0.084, 0.084, 0.1, 0.1057142857, 0.216, 0.216, 0.216]
    yekutieli = [0.0292896825, 0.1171587302, *[0.2460333333] * 3, 0.2928968254, 0.3096337868, *[0.6326571429] * 3]
    assert correction.benjamini_hochberg(p) == pytest.approx(hochberg, abs=1e-10)
    assert correction.benjamini_yekutieli(p) == pytest.approx(yekutieli, abs=1e-10)
    shuffled = np.random.default_rng(0).permutation(len(p))
    with_gaps = np.r_[p[shuffled], np.nan]
    assert correction.benjamini_hochberg(with_gaps)[:-1] == pytest.approx(np.array(hochberg)[shuffled], abs=1e-10)
    assert np.isnan(correction.benjamini_hochberg(with_gaps)[-1])


@pytest.mark.parametrize("method", ["fdr_bh", "fdr_by"])
def test_false_discovery_rate_for_any_p_values(method):
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    ours = {"fdr_bh": correction.benjamini_hochberg, "fdr_by": correction.benjamini_yekutieli}[method]
    random = np.random.default_rng(3)
    for size in (1, 2, 7, 200):
        p = random.random(size) ** random.choice([0.5, 1, 3])
        assert ours(p) == pytest.approx(multitest.multipletests(p, method=method)[1], rel=1e-12)


def test_draws_that_a_correction_needs():
    assert correction.least_draws(24, 1, 0.05) == 479
    assert correction.least_draws(24, 5, 0.05) == 95  # 99 draws can accept five or more
    assert correction.least_draws(24, 3, 0.05) == 159


def test_a_poisson_regression_by_hand():
    theta, mu = poisson_fit(X, Y)
    assert theta[::-1] == pytest.approx([-0.5360673468, 1.4300507469], abs=1e-9)
    at = sandwich.curvature(X[:, None], mu)
    assert np.sqrt(np.diag(sandwich.laplace(at)))[::-1] == pytest.approx([0.4605581134, 0.5899067185], abs=1e-9)
    null = np.full(len(Y), Y.mean())
    assert 2 * (likelihood(Y, mu) - likelihood(Y, null)) == pytest.approx(8.0131245818, abs=1e-9)
    dispersion = agreement.pearson_dispersion(Y, mu, mu, parameters=2)
    assert dispersion == pytest.approx(0.3948194421, abs=1e-9)


def test_rao_and_its_shifts_by_hand():
    null = np.full(len(Y), Y.mean())
    rest = score_test.prepare_rest(np.zeros((len(Y), 0)), Y - null, null)
    value, rank = score_test.score_statistic(X[:, None], rest)
    assert (value, rank) == (pytest.approx(6.7562886598, abs=1e-9), 1)
    values, _ = score_test.shifted_statistics(X[:, None], rest, np.arange(12))
    assert values[0] == pytest.approx(value, abs=1e-10)
    assert (values >= values[0] - 1e-12).sum() == 1
    assert nulls.draw_p_value(value, values[1:]) == pytest.approx(1 / 12)


def test_rao_is_statsmodels_score_test():
    api = pytest.importorskip("statsmodels.api")
    random = np.random.default_rng(5)
    rest, term = random.normal(size=(300, 3)), random.normal(size=(300, 2))
    y = random.poisson(np.exp(0.3 * rest[:, 0] - 0.5))
    fit = api.GLM(y, api.add_constant(rest), family=api.families.Poisson()).fit(tol=1e-14)
    expected = fit.score_test(exog_extra=term)[0]
    ours = score_test.score_statistic(term, score_test.prepare_rest(rest, y - fit.mu, fit.mu))
    assert ours == (pytest.approx(float(np.squeeze(expected)), rel=1e-8), 2)


def test_shifted_statistics_are_those_of_moved_rows():
    random = np.random.default_rng(6)
    rest, term = random.normal(size=(201, 3)), random.normal(size=(201, 4))
    term[:, 3] = 0.0  # a function that nothing visits
    mu = np.exp(0.2 * rest[:, 0] - 1)
    y = random.poisson(mu)
    prepared = score_test.prepare_rest(rest, y - mu, mu, penalty=np.diag([0.5, 0.1, 2.0]))
    shifts = np.array([0, 1, 7, 200, -3])
    values, ranks = score_test.shifted_statistics(term, prepared, shifts)
    for shift, value, rank in zip(shifts, values, ranks, strict=True):
        assert (value, rank) == (
            pytest.approx(score_test.score_statistic(np.roll(term, shift, axis=0), prepared)[0], rel=1e-9),
            3,
        )


def test_sandwiches_by_hand():
    _, mu = poisson_fit(X, Y)
    at = sandwich.curvature(X[:, None], mu)

    def printed(covariance):  # intercept first, as the references print them
        return covariance[1, 1], covariance[0, 1], covariance[0, 0]

    every_row = sandwich.block_scores(X[:, None], Y - mu, np.arange(12))
    plain = {"corrected": False, "centred": False}
    hc0 = sandwich.block_covariance(at, every_row, **plain)
    assert printed(hc0) == pytest.approx((0.0893368266, -0.0861935300, 0.0952514157), abs=1e-9)
    hac = sandwich.newey_west(at, X[:, None], Y - mu, lags=2)
    assert printed(hac) == pytest.approx((0.0380452697, -0.0361157392, 0.0385675139), abs=1e-9)
    threes = sandwich.block_scores(X[:, None], Y - mu, np.arange(12) // 3)
    clusters = sandwich.block_covariance(at, threes, **plain)
    assert printed(clusters) == pytest.approx((0.0412837745, -0.0292398296, 0.0212236246), abs=1e-9)
    # at the optimum the scores sum to 0, so that their mean does not matter; 4 / 3 is the correction
    assert sandwich.block_covariance(at, threes) == pytest.approx(clusters * 4 / 3, abs=1e-12)


def test_a_ridge_by_hand():
    theta, mu = poisson_fit(X, Y, 0.1)
    assert theta[::-1] == pytest.approx([-0.3212136, 1.0451525], abs=1e-7)
    penalty = np.array([[12 * 0.1]])
    at = sandwich.curvature(X[:, None], mu, penalty)
    assert np.sqrt(np.diag(sandwich.laplace(at)))[::-1] == pytest.approx([0.36802254, 0.45308048], abs=1e-8)
    assert np.sqrt(np.diag(sandwich.sampling(at)))[::-1] == pytest.approx([0.35014936, 0.39333589], abs=1e-8)
    assert sandwich.effective_parameters(at) == pytest.approx(1.7536616910, abs=1e-9)


def test_the_prior_widens_the_block_covariance():
    _, mu = poisson_fit(X, Y, 0.1)
    penalty = np.array([[1.2]])
    at = sandwich.curvature(X[:, None], mu, penalty)
    scores = sandwich.block_scores(X[:, None], Y - mu, np.arange(12) // 3)
    inverse = sandwich.laplace(at)
    wider = sandwich.block_covariance(at, scores, prior=penalty) - sandwich.block_covariance(at, scores)
    assert wider == pytest.approx(inverse @ np.diag([1.2, 0.0]) @ inverse, abs=1e-12)


def test_rescaled_intervals_by_hand():
    mu = np.array([0.1, 0.2, 0.3, 0.1, 0.4, 0.2, 0.1, 0.3, 0.2, 0.5, 0.1, 0.2])
    spikes = np.array([1, 4, 8, 9, 11])
    tau = rescaling.rescale_spikes(mu, spikes, np.array([0.5, 0.25, 0.75, 0.5]))
    assert tau == pytest.approx([0.5801319282, 0.6463762573, 0.3497021749, 0.1950083112], abs=1e-10)
    assert rescaling.ks_distance(1 - np.exp(-tau)) == pytest.approx(0.5239409681, abs=1e-10)
    total = np.cumsum(mu)
    naive = 1 - np.exp(-np.diff(total[spikes]))
    assert naive == pytest.approx([0.5506710359, 0.5506710359, 0.3934693403, 0.2591817793], abs=1e-10)
    assert rescaling.ks_distance(naive) == pytest.approx(0.4493289641, abs=1e-10)


def test_counts_above_one_are_placed_in_their_stretch():
    count, mean = np.array([0, 1, 0, 2, 0, 1]), np.array([0.5, 0.4, 0.3, 0.8, 0.6, 0.7])
    times = rescaling.spike_times_in_mean(count, mean, np.array([0.5, 0.25, 0.75, 0.5]))
    assert times == pytest.approx([0.7, 1.4, 1.8, 2.95])
    assert 1 - np.exp(-np.diff(times)) == pytest.approx([0.5034146962, 0.3296799540, 0.6833632306], abs=1e-10)


def test_worth_by_each_laboratory():
    y = np.array([0, 2, 1, 3, 0, 1, 2, 4.0])
    full = np.array([0.3, 1.8, 1.2, 2.6, 0.4, 1.1, 1.7, 3.4])
    reduced = np.array([0.6, 1.5, 1.4, 2, 0.9, 1.3, 1.6, 2.5])
    assert worth.r_squared(y, full) == pytest.approx(0.9315315315, abs=1e-10)
    assert worth.r_squared(y, reduced) == pytest.approx(0.6338738739, abs=1e-10)
    explained = worth.variance_explained(y, full), worth.variance_explained(y, reduced)
    assert explained == pytest.approx((0.9337837838, 0.6468468468), abs=1e-10)
    assert worth.allen_dropout(*explained) == pytest.approx(-0.3072841293, abs=1e-10)
    assert worth.allen_dropout_unclipped(*explained) == pytest.approx(-0.3072841293, abs=1e-10)
    assert worth.squared_correlation(y, full) == pytest.approx(0.9946075572, abs=1e-10)
    assert worth.squared_correlation(y, reduced) == pytest.approx(0.9544271544, abs=1e-10)


def test_allen_folds():
    full = worth.allen_pooled([0.10, 0.20, -np.inf, 0.06])
    reduced = worth.allen_pooled([0.04, 0.10, 0.02, -0.20])
    single = worth.allen_pooled([0.05, 0.15, 0.01, -0.05])
    assert (full, reduced, single) == pytest.approx((0.09, 0.0, 0.04))
    assert worth.allen_dropout(full, reduced) == -1
    assert worth.allen_single(full, single) == pytest.approx(-0.4444444444, abs=1e-10)
    assert worth.allen_dropout(0.004, 0.0) == worth.allen_dropout(0.2, 0.3) == worth.allen_single(0.2, 0.004) == 0


def test_folds_across():
    differences = np.array([0.021, 0.013, -0.004, 0.017, 0.009])
    assert levels.nadeau_bengio(differences) == pytest.approx((1.7387866826, 0.0785303119), abs=1e-9)
    plain = levels.nadeau_bengio(differences, test_share=0.0)
    assert plain[0] == pytest.approx(2.6081800239, abs=1e-9)


def test_p_values_of_shifts_and_draws():
    values = np.array([1, 4, 2, 5, 3, 6, 0.0])  # at shifts -3 to 3
    shifted = judged(values[3], np.delete(values, 3), 10, linear=True)
    assert (shifted.p, shifted.p_conservative) == (pytest.approx(2 / 7), pytest.approx(1 / 2))
    assert nulls.draw_p_value(5, np.array([1, 2, 6, 3, 5, 4, 2, 1, 0])) == pytest.approx(0.3)
    assert nulls.draw_p_value(5, np.array([1, np.nan, 6])) == pytest.approx(2 / 3)


def test_hierarchical_bootstrap_of_all_outcomes():
    outcomes = levels.hierarchical_outcomes([(1, 3), (4, 8)])
    assert len(outcomes) == 64
    assert (outcomes.mean(), outcomes.var()) == pytest.approx((4, 2.625))
    assert (outcomes <= 2).mean() == pytest.approx(11 / 64)
    assert np.quantile(outcomes, [0.025, 0.975], method="inverted_cdf") == pytest.approx([1.5, 7])
    low, high = levels.hierarchical_interval([np.array([1.0, 3]), np.array([4.0, 8])], draws=4000)
    assert (low, high) == (1.5, 7)


def test_repeats_and_their_ceiling():
    responses = np.array([(1, 2, 0), (3, 4, 2), (0, 1, 1), (5, 3, 4.0)])
    found = agreement.repeat_ceiling(responses, np.array([1, 2.8, 1, 3.6]))
    expected = (0.8333333333, 2.2777777778, 0.7321428571, 0.9963420346, 1.0553473904)
    assert found == pytest.approx(expected, abs=1e-10)


def test_random_effects_selection():
    found = selection.select_models([(0, -3), (0, -2), (0, 1)])
    assert found.alpha == pytest.approx([3.4271725, 1.5728275], abs=1e-6)
    assert found.exceedance[0] == pytest.approx(0.8205623, abs=1e-6)
    assert found.omnibus_risk == pytest.approx(0.5619171, abs=1e-6)
    assert found.protected[0] == pytest.approx(0.6404329, abs=1e-6)
    drawn = selection._exceedance(np.array([3.0, 2.0, 1.0]), 200_000, 1)
    assert drawn.sum() == pytest.approx(1) and drawn[0] > drawn[1] > drawn[2]


def test_each_level_is_resampled_within_the_one_above():
    """The variance of a two-level bootstrap mean, by its formula."""
    random = np.random.default_rng(2)
    tree = [random.normal(k, 1.0, size=1 + 2 * k) for k in range(6)]
    found = levels._resampled(tree, 40_000, np.random.default_rng(0))
    medians = [levels._resampled(part, 40_000, np.random.default_rng(1)) for part in tree]
    within, centres = np.mean([m.var() for m in medians]), np.array([m.mean() for m in medians])
    assert found.mean() == pytest.approx(centres.mean(), abs=0.02)
    assert found.var() == pytest.approx((centres.var() + within) / 6, rel=0.03)
    three = levels._resampled([tree[:3], tree[3:]], 40_000, np.random.default_rng(0))
    assert three.mean() == pytest.approx(centres.mean(), abs=0.03) and three.var() > found.var()


def test_the_interval_is_that_of_the_number_of_top_level_units():
    random = np.random.default_rng(0)
    values, session = random.normal(size=120), np.repeat(np.arange(12), 10)
    assert levels.estimate(values, [session]).method == "hierarchical"
    assert levels.estimate(values[:30], [session[:30]]).method == "t"
    assert levels.estimate(values[:10], [session[:10]]) == (
        pytest.approx(np.median(values[:10])),
        *[pytest.approx(np.nan, nan_ok=True)] * 2,
        "none",
        1,
    )
    animal = session // 4
    by_animal = levels.estimate(values, [animal, session])
    assert (by_animal.method, by_animal.top) == ("t", 3)
    medians = np.array([np.median(values[session == k]) for k in range(12)])
    assert by_animal.value == pytest.approx(medians.reshape(3, 4).mean())
    assert levels.sign_flip_p_value(np.array([1.0, 2, 3, 4])) == 2 / 16


def test_how_far_the_rest_can_stand_in_for_a_term():
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 4000))
    other = 0.9 * a + np.sqrt(1 - 0.81) * b
    rho = np.corrcoef(a, other)[0, 1]
    assert worth.canonical_r2(a[:, None], other[:, None]) == pytest.approx([rho**2])
    assert worth.variance_inflation(a[:, None], other[:, None]) == pytest.approx(1 / (1 - rho**2))
    assert worth.variance_inflation(a[:, None], np.ones((4000, 1))) == 1.0
    assert worth.variance_inflation(a[:, None], np.column_stack([b, 2 * a])) == np.inf
    assert worth.condition_number(np.column_stack([a, other])) == pytest.approx((1 + rho) / (1 - rho))
    assert worth.condition_number(np.column_stack([a, b, a + b])) == np.inf


def test_shares_of_what_is_lost():
    assert worth.engelhard_share(0.5, {"a": 0.2, "b": 0.4, "c": 0.6}) == pytest.approx({"a": 0.75, "b": 0.25, "c": 0})
    assert np.isnan(worth.engelhard_share(0.5, {"a": 0.5})["a"])
    assert worth.shared_worth(0.5, 0.0, {"a": 0.2, "b": 0.1}) == pytest.approx(0.2)
