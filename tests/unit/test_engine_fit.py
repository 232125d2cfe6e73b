import jax
import numpy as np
import pytest
from engine_problems import blocks, poisson_log_likelihood, poisson_objective, population
from scipy.optimize import approx_fprime
from sklearn.linear_model import PoissonRegressor

from nwbglm.engine.data import passes
from nwbglm.engine.fit import Status, fit_splits, predict
from nwbglm.engine.penalties import Ridge
from nwbglm.errors import ProblemError

RIDGE = Ridge()


def sklearn_fit(X, y, strength):
    model = PoissonRegressor(alpha=strength, solver="newton-cholesky", tol=1e-12, max_iter=200).fit(X, y)
    return model.coef_, model.intercept_


@pytest.mark.parametrize("features", [1, 8, 40])
def test_objective_is_that_of_scikit_learn(features):
    X, y = population(features=features)
    train, test = blocks(len(X), 5)
    strengths = (0.0, 1e-3, 0.1)
    fits = fit_splits(X, y, train, test, strengths=strengths, penalty=RIDGE)
    assert (fits.status == Status.ok).all()
    for unit in range(y.shape[1]):
        for split in (0, 5):
            rows = train[split]
            for i, strength in enumerate(strengths):
                ours = poisson_objective(
                    X[rows], y[rows, unit], fits.coef[unit, split, i], fits.intercept[unit, split, i], strength
                )
                theirs = poisson_objective(
                    X[rows], y[rows, unit], *sklearn_fit(X[rows], y[rows, unit], strength), strength
                )
                assert abs(ours - theirs) < 1e-10
                assert abs(fits.objective[unit, split, i] - ours) < 1e-12


@pytest.mark.parametrize("features", [8, 40])
def test_coefficients_agree_when_asked_for(features):
    X, y = population(features=features, spread=0.3)
    everything = np.ones((1, len(X)), bool)
    fits = fit_splits(X, y, everything, ~everything, strengths=(1e-3, 1e-1), penalty=RIDGE, gap=1e-16)
    assert (fits.status == Status.ok).all()
    for unit in range(y.shape[1]):
        for i, strength in enumerate((1e-3, 1e-1)):
            coef, intercept = sklearn_fit(X, y[:, unit], strength)
            np.testing.assert_allclose(fits.coef[unit, 0, i], coef, rtol=1e-6, atol=1e-7 * np.abs(coef).max())
            np.testing.assert_allclose(fits.intercept[unit, 0, i], intercept, rtol=1e-6)


def test_scores_are_sums_over_rows():
    X, y = population(units=2)
    train, test = blocks(len(X), 4)
    fits = fit_splits(X, y, train, test, strengths=(1e-2,), penalty=RIDGE)
    for unit in range(2):
        for split in range(4):
            mu = predict(X, fits.coef[unit, split, 0], fits.intercept[unit, split, 0])
            seen, held = y[train[split], unit], y[test[split], unit]
            np.testing.assert_allclose(
                fits.train_log_likelihood[unit, split, 0], poisson_log_likelihood(seen, mu[train[split]]), rtol=1e-10
            )
            np.testing.assert_allclose(
                fits.test_log_likelihood[unit, split, 0], poisson_log_likelihood(held, mu[test[split]]), rtol=1e-10
            )
            np.testing.assert_allclose(fits.null_rate[unit, split], seen.mean())
            np.testing.assert_allclose(
                fits.null_test_log_likelihood[unit, split], poisson_log_likelihood(held, seen.mean())
            )
            np.testing.assert_allclose(
                fits.test_mean_log_likelihood[unit, split], poisson_log_likelihood(held, held.mean())
            )
            saturated = fits.test_log_likelihood[unit, split] + fits.test_deviance[unit, split] / 2
            np.testing.assert_allclose(saturated, poisson_log_likelihood(held, held))
            assert fits.test_rows[unit, split] == len(held) and fits.test_spikes[unit, split] == held.sum()
    assert (fits.test_log_likelihood[:, 4] == 0).all() and (fits.test_rows[:, 4] == 0).all()


@pytest.mark.parametrize("features", [6, 40])
def test_gradient_norm_is_that_of_the_standardised_problem(features):
    X, y = population(features=features, units=1)
    everything = np.ones((1, len(X)), bool)
    fits = fit_splits(X, y, everything, ~everything, strengths=(1e-2,), penalty=RIDGE, gap=1e-5)
    sd = X.std(axis=0)
    Z = (X - X.mean(axis=0)) / sd

    def objective(v):
        eta = Z @ v[:-1] + v[-1]
        return np.mean(np.exp(eta) - y[:, 0] * eta) + 0.5 * 1e-2 * np.sum((v[:-1] / sd) ** 2)

    at = np.append(fits.coef[0, 0, 0] * sd, fits.intercept[0, 0, 0] + fits.coef[0, 0, 0] @ X.mean(axis=0))
    numeric = approx_fprime(at, objective, 1e-7)
    found = fits.gradient_norm[0, 0, 0]
    if features == 6:  # Newton's last step follows what is reported, and leaves next to nothing of it
        assert np.linalg.norm(numeric) < 0.1 * found + 1e-6
        return
    assert abs(np.linalg.norm(numeric) - found) < 1e-6
    with jax.enable_x64(True):
        exact = jax.grad(
            lambda v: (
                jax.numpy.mean(jax.numpy.exp(Z @ v[:-1] + v[-1]) - y[:, 0] * (Z @ v[:-1] + v[-1]))
                + 0.005 * jax.numpy.sum((v[:-1] / sd) ** 2)
            )
        )(at)
    np.testing.assert_allclose(np.linalg.norm(exact), fits.gradient_norm[0, 0, 0], rtol=1e-6, atol=1e-13)


@pytest.mark.parametrize("features", [8, 40])
def test_exposure_is_weight_and_offset(features):
    X, y = population(features=features, units=2)
    rng = np.random.default_rng(5)
    exposure = rng.choice([0.0, 0.5, 1.0], size=y.shape, p=[0.2, 0.2, 0.6])
    everything = np.ones((1, len(X)), bool)
    fits = fit_splits(X, y, everything, everything, strengths=(1e-2,), penalty=RIDGE, exposure=exposure)
    for unit in range(2):
        rows = exposure[:, unit] > 0
        share = exposure[rows, unit]
        model = PoissonRegressor(
            alpha=1e-2 * rows.sum() / share.sum(), solver="newton-cholesky", tol=1e-12, max_iter=100
        )
        model.fit(X[rows], y[rows, unit] / share, sample_weight=share)  # same stationary point as an offset
        ours = poisson_objective(X[rows], y[rows, unit], fits.coef[unit, 0, 0], fits.intercept[unit, 0, 0], 1e-2, share)
        theirs = poisson_objective(X[rows], y[rows, unit], model.coef_, model.intercept_, 1e-2, share)
        assert abs(ours - theirs) < 1e-10 and abs(fits.objective[unit, 0, 0] - ours) < 1e-12
        mu = predict(X[rows], fits.coef[unit, 0, 0], fits.intercept[unit, 0, 0], share)
        np.testing.assert_allclose(fits.train_log_likelihood[unit, 0, 0], poisson_log_likelihood(y[rows, unit], mu))
        np.testing.assert_allclose(fits.null_rate[unit, 0], y[rows, unit].sum() / share.sum())
        np.testing.assert_allclose(
            fits.null_test_log_likelihood[unit, 0],
            poisson_log_likelihood(y[rows, unit], share * fits.null_rate[unit, 0]),
        )


@pytest.mark.parametrize("features", [9, 40])
def test_mask_fits_the_features_that_a_unit_may_use(features):
    X, y = population(features=features, units=3)
    allowed = np.ones((features, 3), bool)
    allowed[:4, 0] = allowed[4:8, 1] = False
    train, test = blocks(len(X), 3)
    fits = fit_splits(X, y, train, test, strengths=(0.0, 1e-2), penalty=RIDGE, mask=allowed)
    for unit in range(3):
        alone = fit_splits(X[:, allowed[:, unit]], y[:, [unit]], train, test, strengths=(0.0, 1e-2), penalty=RIDGE)
        assert (fits.coef[unit][..., ~allowed[:, unit]] == 0).all()
        np.testing.assert_allclose(fits.objective[unit], alone.objective[0], atol=1e-10, rtol=0)
    assert (fits.status == Status.ok).all()


def test_many_units_and_splits_recompile_nothing():
    X, y = population(rows=2000, features=8, units=4)
    train, test = blocks(len(X), 3)
    kernels = passes.loss_sums, passes.weighted_grams, passes.predictor_extremes
    fit_splits(X, y[:, :1], train, test)
    before = [kernel._cache_size() for kernel in kernels]
    for unit in range(1, 4):
        fit_splits(X + unit, y[:, [unit]], train, test)
    assert [kernel._cache_size() for kernel in kernels] == before


def test_wrong_shapes_are_said():
    X, y = population(rows=100)
    train, test = blocks(100, 2)
    with pytest.raises(ProblemError, match="y has shape"):
        fit_splits(X, y[:50], train, test)
    with pytest.raises(ProblemError, match="finite"):
        fit_splits(np.where(X[3, 2] == X, np.nan, X), y, train, test)
    with pytest.raises(ProblemError, match="strengths"):
        fit_splits(X, y, train, test, strengths=(-1.0,))
