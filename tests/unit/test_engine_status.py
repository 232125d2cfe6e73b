import numpy as np
import pytest
from engine_problems import blocks, named_penalty, population

from nwbglm.engine.fit import Status, fit_splits, predict
from nwbglm.engine.observations import BERNOULLI
from nwbglm.engine.penalties import Ridge

RIDGE = Ridge()


@pytest.mark.parametrize("features", [6, 40])
def test_silent_units_and_folds_have_a_status_and_change_nothing(features):
    X, y = population(features=features, units=4)
    train, test = blocks(len(X), 3)
    y[:, 1] = 0
    y[:, 2] *= test[0]  # spikes in the first fold only: its training rows have none
    fits = fit_splits(X, y, train, test, strengths=(1e-3,), penalty=RIDGE)
    assert (fits.status[1] == Status.no_spikes).all()
    assert fits.status[2].ravel().tolist() == [Status.no_spikes, 0, 0, 0]
    assert (fits.coef[1] == 0).all() and np.isneginf(fits.intercept[1]).all()
    assert (fits.train_log_likelihood[1] == 0).all() and (fits.test_log_likelihood[1] == 0).all()
    assert np.isneginf(fits.test_log_likelihood[2, 0]).all()
    healthy = fit_splits(X, y[:, [0, 3]], train, test, strengths=(1e-3,), penalty=RIDGE)
    np.testing.assert_allclose(fits.objective[[0, 3]], healthy.objective, atol=1e-10, rtol=0)


@pytest.mark.parametrize("kind", ["ridge", "lasso"])
@pytest.mark.parametrize("features", [6, 40])
def test_a_bernoulli_unit_that_always_responds_is_separable(features, kind):
    X, y = population(features=features, units=5, rate=0.3)
    y = np.minimum(y, 1)
    train, test = blocks(len(X), 3)
    y[:, 1], y[:, 2] = 1, 0
    y[:, 3] = 1 - (y[:, 3] == 0) * test[0]  # something missing in the first fold only
    options = {"strengths": (1e-3, 1e-1), "penalty": named_penalty(kind), "observations": BERNOULLI}
    fits = fit_splits(X, y, train, test, **options)
    assert (fits.status[1] == Status.separable).all() and (fits.status[2] == Status.no_spikes).all()
    assert fits.status[3, :, 0].tolist() == [Status.separable, 0, 0, 0]
    assert (fits.coef[[1, 2]] == 0).all()
    assert np.isposinf(fits.intercept[1]).all() and np.isneginf(fits.intercept[2]).all()
    for name in ("train_log_likelihood", "test_log_likelihood", "objective", "gap", "null_test_log_likelihood"):
        assert (getattr(fits, name)[[1, 2]] == 0).all()
    assert np.isneginf(fits.test_log_likelihood[3, 0]).all() and np.isneginf(fits.null_test_log_likelihood[3, 0])
    assert (predict(X, fits.coef[1:3, 0, 0], fits.intercept[1:3, 0, 0], observations=BERNOULLI) == [1, 0]).all()
    healthy = fit_splits(X, y[:, [0, 4]], train, test, **options)
    assert (healthy.status == Status.ok).all() and (fits.status[[0, 4]] == Status.ok).all()
    np.testing.assert_allclose(fits.objective[[0, 4]], healthy.objective, atol=1e-10, rtol=0)


@pytest.mark.parametrize("features", [1, 6, 40])
@pytest.mark.parametrize("seed", range(3))
def test_bernoulli_responses_that_a_plane_parts_are_separable(features, seed):
    rng = np.random.default_rng(seed)
    X = np.c_[rng.normal(size=(500, features)), rng.integers(0, 2, 500)]
    drive = X[:, :-1] @ rng.normal(size=features)
    chance = rng.integers(0, 2, 500)
    y = np.stack([drive > 0, np.where(X[:, -1] == 1, 1, chance), chance], axis=1).astype(int)
    everything = np.ones((1, 500), bool)
    fits = fit_splits(X, y, everything, ~everything, strengths=(0.0, 1e-3), penalty=RIDGE, observations=BERNOULLI)
    assert fits.status[:, 0, 0].tolist() == [Status.separable, Status.separable, Status.ok]
    assert (fits.status[:, 0, 1] == Status.ok).all()
    assert fits.objective[0, 0, 0] < 1e-6  # its infimum is 0
    half = y[X[:, -1] == 0, 1]  # the rows that are left when the feature's coefficient has gone to infinity
    below = fit_splits(
        X[X[:, -1] == 0][:, :-1], half[:, None], *np.ones((2, 1, len(half)), bool), observations=BERNOULLI
    )
    assert abs(fits.objective[1, 0, 0] - below.objective[0, 0, 0] * len(half) / 500) < 1e-6


@pytest.mark.parametrize("kind", ["lasso", "group_lasso", "ridge"])
def test_what_a_penalty_holds_is_not_rank_deficient(kind):
    X, y = population(rows=1500, features=4, units=1)
    X = np.c_[X, X[:, 1] + X[:, 2]]
    everything = np.ones((1, 1500), bool)
    held, free = np.array([0.0, 1.0, 1.0, 1.0, 1.0]), np.array([1.0, 0.0, 0.0, 1.0, 0.0])
    groups = np.arange(5) if kind == "group_lasso" else None
    for scale, status in ((held, Status.ok), (free, Status.rank_deficient)):
        penalty = named_penalty(kind, scale=scale, groups=groups)
        fits = fit_splits(X, y, everything, ~everything, strengths=(1e-2,), penalty=penalty)
        assert fits.status[0, 0, 0] == status


def refractory(rows=4000, lags=12, dead=4, units=3, seed=1):
    """Return raw lags of a refractory unit's own spikes, and the counts of it and of others."""
    rng = np.random.default_rng(seed)
    spikes = np.zeros(rows, int)
    last = -dead - 1
    for t in range(rows):
        if t - last > dead and rng.random() < 0.1:
            spikes[t], last = 1, t
    X = np.stack([np.concatenate([np.zeros(k), spikes[: rows - k]]) for k in range(1, lags + 1)], axis=1)
    y = np.concatenate([spikes[:, None], rng.poisson(0.1, (rows, units - 1))], axis=1)
    return X, y


@pytest.mark.parametrize("lags", [12, 60])
def test_refractory_lags_are_separable_without_a_penalty(lags):
    X, y = refractory(lags=lags)
    train, test = blocks(len(X), 2)
    fits = fit_splits(X, y, train, test, strengths=(0.0, 1e-3), penalty=RIDGE)
    assert (fits.status[0, :, 0] == Status.separable).all()
    assert (fits.status[1:] == Status.ok).all() and (fits.status[0, :, 1] == Status.ok).all()
    assert np.isfinite(fits.coef).all()
    alone = fit_splits(X, y[:, 1:], train, test, strengths=(0.0, 1e-3), penalty=RIDGE)
    np.testing.assert_allclose(fits.objective[1:], alone.objective, atol=1e-10, rtol=0)


@pytest.mark.parametrize("features", [6, 40])
def test_collinear_features_are_rank_deficient_without_a_penalty(features):
    X, y = population(features=features, units=2)
    doubled = np.concatenate([X, X[:, :1] - 2 * X[:, 1:2] + 3], axis=1)
    everything = np.ones((1, len(X)), bool)
    fits = fit_splits(doubled, y, everything, ~everything, strengths=(0.0, 1e-3), penalty=RIDGE)
    assert (fits.status[:, :, 0] == Status.rank_deficient).all() and (fits.status[:, :, 1] == Status.ok).all()
    plain = fit_splits(X, y, everything, ~everything)
    np.testing.assert_allclose(fits.objective[:, :, 0], plain.objective[:, :, 0], atol=1e-10, rtol=0)


@pytest.mark.parametrize("features", [6, 40])
def test_constant_features_get_no_coefficient(features):
    X, y = population(features=features, units=2)
    X[:, 2] = 7.0
    everything = np.ones((1, len(X)), bool)
    fits = fit_splits(X, y, everything, ~everything, strengths=(0.0, 1e-3), penalty=RIDGE)
    assert (fits.coef[..., 2] == 0).all()
    assert (fits.status[:, :, 0] == Status.rank_deficient).all() and (fits.status[:, :, 1] == Status.ok).all()


def test_more_features_than_rows():
    X, y = population(rows=50, features=80, units=2, rate=2.0)
    everything = np.ones((1, len(X)), bool)
    fits = fit_splits(X, y, everything, ~everything, strengths=(0.0, 1e-1), penalty=RIDGE)
    assert set(fits.status[:, 0, 0]) <= {Status.rank_deficient, Status.separable}
    assert (fits.status[:, 0, 1] == Status.ok).all()


@pytest.mark.parametrize(("offset", "kind"), [(1e12, np.float64), (1e8, np.float32)])
def test_what_is_nearly_constant_is_named(offset, kind):
    X, y = population(features=6, units=2)
    X = X.astype(kind)
    X[:, 2] = (offset + 1e-10 * offset * np.arange(len(X)) / len(X)).astype(kind)
    if kind is np.float32:
        X[::2, 2] = np.nextafter(X[::2, 2], np.float32(np.inf))
    everything, mask = np.ones((1, len(X)), bool), np.ones((6, 2), bool)
    mask[2, 1] = False
    fits = fit_splits(X, y, everything, ~everything, strengths=(0.0, 1e-3), penalty=RIDGE, mask=mask)
    assert (fits.coef[..., 2] == 0).all()
    assert (fits.status[0] == Status.unresolved).all() and (fits.status[1] == Status.ok).all()


def test_too_few_iterations_are_not_converged():
    X, y = population(features=40, units=2)
    everything = np.ones((1, len(X)), bool)
    fits = fit_splits(X, y, everything, ~everything, strengths=(1e-3,), penalty=RIDGE, max_iterations=1)
    assert (fits.status == Status.not_converged).all() and (fits.gap > 1e-11).all()
