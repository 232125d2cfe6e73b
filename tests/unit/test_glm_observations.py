"""Each observation model against a library that has it, and against its own derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import statsmodels.api as sm
from glm_problems import blocks, population
from glum import GeneralizedLinearRegressor
from scipy.optimize import minimize
from scipy.stats import nbinom
from sklearn.linear_model import GammaRegressor, LogisticRegression, Ridge

from nwbglm.glm.fit import Status, fit_splits, predict
from nwbglm.glm.observations import (
    BERNOULLI,
    GAMMA,
    GAUSSIAN,
    NEGATIVE_BINOMIAL,
    POISSON,
    POISSON_SOFTPLUS,
)
from nwbglm.glm.penalties import Penalty

RIDGE = Penalty("ridge")
MODELS = [POISSON, POISSON_SOFTPLUS, BERNOULLI, GAUSSIAN, GAMMA, NEGATIVE_BINOMIAL]


def responses(observations, features, rows=2000, seed=2):
    """Return features and responses drawn from the model."""
    rng = np.random.default_rng(seed)
    X, _ = population(rows=rows, features=features, units=1, seed=seed, spread=0.3)
    drive = (X - X.mean(axis=0)) / X.std(axis=0) @ rng.normal(size=(features, 2)) * 0.4 / features**0.5
    if observations is POISSON:
        return X, rng.poisson(0.3 * np.exp(drive))
    if observations is POISSON_SOFTPLUS:
        return X, rng.poisson(np.logaddexp(0, drive - 0.5))
    if observations is BERNOULLI:
        return X, (rng.random(drive.shape) < 1 / (1 + np.exp(0.5 - drive))).astype(int)
    if observations is GAUSSIAN:
        return X, 3 + drive + rng.normal(size=drive.shape)
    if observations is GAMMA:
        return X, rng.gamma(2.0, np.exp(drive) / 2)
    mu = 2 * np.exp(drive)
    return X, rng.negative_binomial(2.0, 2.0 / (2.0 + mu))


@pytest.mark.parametrize("observations", MODELS, ids=lambda model: model.name)
def test_derivatives_of_the_loss(observations):
    rng = np.random.default_rng(0)
    eta, e, a = rng.normal(size=200) * 2, rng.random(200), 0.7
    y = rng.gamma(1.0, 2.0, 200) if observations in (GAMMA, GAUSSIAN) else rng.integers(0, 2, 200).astype(float)
    with jax.enable_x64(True):
        slope = jax.vmap(jax.grad(lambda t, y, e: observations.loss(t, y, e, a)))(jnp.asarray(eta), y, e)
        curve = jax.vmap(jax.grad(jax.grad(lambda t, y, e: observations.loss(t, y, e, a))))(jnp.asarray(eta), y, e)
        np.testing.assert_allclose(observations.slope(eta, y, e, a), slope, atol=1e-10)
        np.testing.assert_allclose(observations.curvature(eta, y, e, a), curve, atol=1e-10)


def gamma_peer(X, y, strength):
    model = GammaRegressor(alpha=strength, tol=1e-14, max_iter=5000, solver="newton-cholesky").fit(X, y)
    return model.coef_, model.intercept_


def bernoulli_peer(X, y, strength):
    model = LogisticRegression(C=1 / (strength * len(y)), solver="newton-cholesky", tol=1e-14, max_iter=500).fit(X, y)
    return model.coef_[0], model.intercept_[0]


def gaussian_peer(X, y, strength):
    model = Ridge(alpha=0.5 * strength * len(y), solver="cholesky").fit(X, y)
    return model.coef_, model.intercept_


def poisson_peer(X, y, strength):
    model = GeneralizedLinearRegressor(family="poisson", alpha=strength, l1_ratio=0, gradient_tol=1e-12, max_iter=500)
    model.fit(X, y)
    return model.coef_, model.intercept_


@pytest.mark.parametrize("features", [6, 40])
@pytest.mark.parametrize(
    ("observations", "peer"),
    [(GAMMA, gamma_peer), (BERNOULLI, bernoulli_peer), (GAUSSIAN, gaussian_peer), (POISSON, poisson_peer)],
    ids=["gamma", "bernoulli", "gaussian", "poisson"],
)
def test_coefficients_agree_with_a_peer(observations, peer, features):
    X, y = responses(observations, features)
    train, test = blocks(len(X), 3)
    fits = fit_splits(X, y, train, test, strengths=(1e-3, 1e-1), penalty=RIDGE, observations=observations, gap=1e-15)
    assert (fits.status == Status.ok).all()
    for unit in range(2):
        for split in (0, 3):
            rows = train[split]
            for i, strength in enumerate((1e-3, 1e-1)):
                coef, intercept = peer(X[rows], y[rows, unit], strength)
                np.testing.assert_allclose(fits.coef[unit, split, i], coef, rtol=1e-5, atol=1e-6 * np.abs(coef).max())
                np.testing.assert_allclose(fits.intercept[unit, split, i], intercept, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("features", [6, 40])
def test_softplus_reaches_the_least_objective(features):
    X, y = responses(POISSON_SOFTPLUS, features)
    everything = np.ones((1, len(X)), bool)
    fits = fit_splits(X, y, everything, everything, strengths=(1e-2,), penalty=RIDGE, observations=POISSON_SOFTPLUS)
    for unit in range(2):

        def objective(v, counts=y[:, unit]):
            eta = X @ v[:-1] + v[-1]
            mu = np.logaddexp(0, eta)
            slope = (1 - counts / mu) / (1 + np.exp(-eta))
            value = np.mean(mu - counts * np.log(mu)) + 0.5e-2 * v[:-1] @ v[:-1]
            return value, np.append(slope @ X / len(X) + 1e-2 * v[:-1], slope.mean())

        peer = minimize(
            objective,
            np.zeros(features + 1),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 5000, "ftol": 0, "gtol": 1e-9},
        )
        ours = objective(np.append(fits.coef[unit, 0, 0], fits.intercept[unit, 0, 0]))[0]
        assert ours <= peer.fun + 1e-10 and abs(ours - fits.objective[unit, 0, 0]) < 1e-12
        mu = predict(X, fits.coef[unit, 0, 0], fits.intercept[unit, 0, 0], observations=POISSON_SOFTPLUS)
        from scipy.stats import poisson

        np.testing.assert_allclose(
            fits.test_log_likelihood[unit, 0, 0], poisson.logpmf(y[:, unit], mu).sum(), rtol=1e-9
        )


@pytest.mark.parametrize("features", [4, 36])
def test_negative_binomial_dispersion_is_that_of_statsmodels(features):
    X, y = responses(NEGATIVE_BINOMIAL, features)
    everything = np.ones((1, len(X)), bool)
    fits = fit_splits(X, y, everything, everything, observations=NEGATIVE_BINOMIAL, gap=1e-14)
    assert (fits.status == Status.ok).all()
    for unit in range(2):
        peer = sm.NegativeBinomial(y[:, unit], sm.add_constant(X)).fit(method="newton", disp=0, maxiter=200)
        ours = fits.train_log_likelihood[unit, 0, 0]
        assert ours >= peer.llf - 1e-6
        np.testing.assert_allclose(fits.dispersion[unit, 0, 0], peer.params[-1], rtol=1e-4)
        np.testing.assert_allclose(fits.coef[unit, 0, 0], peer.params[1:-1], rtol=1e-3, atol=1e-5)
        shape = 1 / fits.dispersion[unit, 0, 0]
        mu = predict(X, fits.coef[unit, 0, 0], fits.intercept[unit, 0, 0])
        np.testing.assert_allclose(ours, nbinom.logpmf(y[:, unit], shape, shape / (shape + mu)).sum(), rtol=1e-9)
        np.testing.assert_allclose(fits.test_log_likelihood[unit, 0, 0], ours, rtol=1e-9)
        null = nbinom.logpmf(y[:, unit], shape, shape / (shape + y[:, unit].mean())).sum()
        np.testing.assert_allclose(fits.null_test_log_likelihood[unit, 0], null, rtol=1e-9)


@pytest.mark.parametrize("observations", [GAMMA, GAUSSIAN, BERNOULLI], ids=lambda model: model.name)
def test_nulls_and_saturated_scores(observations):
    X, y = responses(observations, 3)
    train, test = blocks(len(X), 2)
    fits = fit_splits(X, y, train, test, observations=observations)
    held, mean = y[test[0], 0], y[train[0], 0].mean()
    expected = {
        "gamma": (-np.sum(held / mean + np.log(mean)), -np.sum(1 + np.log(held))) if observations is GAMMA else None,
        "gaussian": (-np.sum((held - mean) ** 2), 0.0),
        "bernoulli": (np.sum(held * np.log(mean) + (1 - held) * np.log(1 - mean)), 0.0)
        if observations is BERNOULLI
        else None,
    }[observations.name]
    np.testing.assert_allclose(fits.null_test_log_likelihood[0, 0], expected[0])
    np.testing.assert_allclose(fits.saturated_test_log_likelihood[0, 0], expected[1], atol=1e-9)


@pytest.mark.parametrize("rows", [2000, 8000, 32000])
def test_truth_is_recovered_as_the_root_of_the_rows(rows):
    rng = np.random.default_rng(rows)
    X = rng.normal(size=(rows, 5))
    truth = np.array([0.3, -0.5, 0.2, 0.0, 0.4])
    y = rng.poisson(0.2 * np.exp(X @ truth))[:, None]
    everything = np.ones((1, rows), bool)
    fits = fit_splits(X, y, everything, ~everything)
    error = np.linalg.norm(fits.coef[0, 0, 0] - truth)
    expected = np.sqrt(np.trace(np.linalg.inv(X.T @ (X * 0.2 * np.exp(X @ truth)[:, None]))))
    assert 0.2 * expected < error < 2.5 * expected
