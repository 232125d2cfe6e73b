"""Each observation model against its own derivatives, its distribution, and the truth it was drawn from."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import statsmodels.api as sm
from engine_problems import MODELS, blocks, mean_loss, penalty_of, penalty_value, responses
from scipy.optimize import approx_fprime, minimize_scalar
from scipy.stats import nbinom, poisson

from nwbglm.engine.data.build import build_problem
from nwbglm.engine.fit import Status, fit_splits, predict
from nwbglm.engine.objective import Fits, evaluate
from nwbglm.engine.observations import BERNOULLI, GAMMA, GAUSSIAN, NEGATIVE_BINOMIAL, POISSON, POISSON_SOFTPLUS
from nwbglm.engine.penalties import NO_PENALTY
from nwbglm.errors import ProblemError


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


@pytest.mark.parametrize("kind", ["ridge", "smoothness"])
@pytest.mark.parametrize("observations", MODELS, ids=lambda model: model.name)
def test_gradient_and_hessian_of_the_objective(observations, kind):
    X, y = responses(observations, 5, rows=700)
    everything, penalty, strength, dispersion = np.ones(len(X), bool), penalty_of(kind, 5), 0.3, 0.7
    rng = np.random.default_rng(0)
    fits = Fits(np.array([1, 0]), np.zeros(2, int), np.full(2, strength), np.full(2, dispersion))
    with jax.enable_x64(True):
        problem = build_problem(
            X, y, everything[None], everything, penalty=penalty, observations=observations, exposure=None,
            allowed=None, dtype="float64", fits=2, mixed=False, memory=None,
        )  # fmt: skip
        theta = rng.normal(size=(2, problem.width)) * 0.2 * problem.usable[0]
        point = evaluate(problem, fits, theta, hessian=True)
    sd = X.std(axis=0)
    Z = (X - X.mean(axis=0)) / sd
    inside = [*range(5), problem.width - 1]
    for i, unit in enumerate(fits.unit):

        def objective(v, unit=unit):
            loss = mean_loss(observations, y[:, unit], Z @ v[:-1] + v[-1], dispersion)
            return loss + strength * penalty_value(penalty, v[:-1] / sd)

        at = point.theta[i, inside]
        np.testing.assert_allclose(point.objective[i], objective(at), rtol=1e-12)
        forward, backward = approx_fprime(at, objective, 1e-6), approx_fprime(at, objective, -1e-6)
        np.testing.assert_allclose(point.gradient[i, inside], (forward + backward) / 2, atol=1e-8)
        exact = jax_hessian(observations, Z, y[:, unit], at, dispersion)
        penalty_hessian = strength * problem.quadratic[np.ix_(inside, inside)]
        np.testing.assert_allclose(point.hessian[i][np.ix_(inside, inside)], exact + penalty_hessian, atol=1e-10)


def jax_hessian(observations, Z, y, at, dispersion):
    """Return the Hessian of the mean loss by automatic differentiation."""

    def loss(v):
        eta = Z @ v[:-1] + v[-1]
        linear = y * eta if observations.linear else 0.0
        return jnp.mean(observations.loss(eta, y, 1.0, dispersion) - linear)

    with jax.enable_x64(True):
        return np.asarray(jax.hessian(loss)(jnp.asarray(at)))


@pytest.mark.parametrize("features", [6, 40])
def test_softplus_scores_are_those_of_its_distribution(features):
    X, y = responses(POISSON_SOFTPLUS, features)
    train, test = blocks(len(X), 3)
    fits = fit_splits(X, y, train, test, observations=POISSON_SOFTPLUS)
    for unit, split in np.ndindex(2, 3):
        mu = predict(X, fits.coef[unit, split, 0], fits.intercept[unit, split, 0], observations=POISSON_SOFTPLUS)
        each = poisson.logpmf(y[:, unit], mu)
        np.testing.assert_allclose(fits.train_log_likelihood[unit, split, 0], each[train[split]].sum(), rtol=1e-10)
        np.testing.assert_allclose(fits.test_log_likelihood[unit, split, 0], each[test[split]].sum(), rtol=1e-10)


def binomial_log_likelihood(fits, X, y, unit, dispersion=None):
    """Return the summed log-likelihood of a fit, at its own dispersion or another."""
    shape = 1 / (fits.dispersion[unit, 0, 0] if dispersion is None else dispersion)
    mu = predict(X, fits.coef[unit, 0, 0], fits.intercept[unit, 0, 0])
    return nbinom.logpmf(y[:, unit], shape, shape / (shape + mu)).sum()


@pytest.mark.parametrize("features", [4, 36])
def test_negative_binomial_is_that_of_statsmodels(features):
    X, y = responses(NEGATIVE_BINOMIAL, features)
    everything = np.ones((1, len(X)), bool)
    default, tight = (
        fit_splits(X, y, everything, everything, observations=NEGATIVE_BINOMIAL, gap=gap) for gap in (1e-10, 1e-16)
    )
    assert (default.status == Status.ok).all() and (tight.status == Status.ok).all()
    for unit in range(2):
        model = sm.NegativeBinomial(y[:, unit], sm.add_constant(X))
        peer = model.fit(method="newton", disp=0, maxiter=200, tol=1e-14)
        ours = binomial_log_likelihood(default, X, y, unit)
        assert ours >= peer.llf - 1e-10 * len(X)
        np.testing.assert_allclose(tight.dispersion[unit, 0, 0], peer.params[-1], rtol=1e-5)
        coef = peer.params[1:-1]
        np.testing.assert_allclose(tight.coef[unit, 0, 0], coef, rtol=0, atol=1e-6 * np.abs(coef).max())
        np.testing.assert_allclose(default.train_log_likelihood[unit, 0, 0], ours, rtol=1e-12)
        np.testing.assert_allclose(default.test_log_likelihood[unit, 0, 0], ours, rtol=1e-10)
        null = sm.NegativeBinomial(y[:, unit], np.ones(len(X))).fit(method="newton", disp=0, maxiter=200, tol=1e-14)
        np.testing.assert_allclose(default.null_test_log_likelihood[unit, 0], null.llf, rtol=1e-10)


@pytest.mark.parametrize("kind", ["ridge", "lasso", "smoothness"])
def test_dispersion_is_the_likeliest_with_a_penalty_too(kind):
    X, y = responses(NEGATIVE_BINOMIAL, 6)
    everything = np.ones((1, len(X)), bool)
    fits = fit_splits(
        X, y, everything, ~everything, observations=NEGATIVE_BINOMIAL, strengths=(5e-2,), penalty=penalty_of(kind, 6)
    )
    for unit in range(2):
        at = fits.dispersion[unit, 0, 0]
        here, below, above = (binomial_log_likelihood(fits, X, y, unit, at * by) for by in (1, 1 - 1e-3, 1 + 1e-3))
        assert here > below and here > above
        slope, curvature = (above - below) / 2, below + above - 2 * here
        assert abs(slope / curvature) < 1e-2  # in steps of a thousandth of the dispersion


def test_slight_dispersions_are_the_likeliest_too():
    rng = np.random.default_rng(4)
    X = rng.normal(size=(3000, 3))
    mu = np.exp(X @ [0.3, -0.2, 0.1] - 1.5)[:, None]
    shape = 1 / np.geomspace(1e-3, 2.0, 24)
    y = rng.negative_binomial(shape, shape / (shape + mu))
    train, test = blocks(len(X), 2)
    fits = fit_splits(X, y, train, test, observations=NEGATIVE_BINOMIAL)
    assert (fits.status == Status.ok).all()
    for unit in range(24):
        found = np.log(fits.dispersion[unit, -1, 0])
        expected = predict(X, fits.coef[unit, -1, 0], fits.intercept[unit, -1, 0])

        def loss(log, unit=unit, expected=expected):
            shape = np.exp(-log)
            return -nbinom.logpmf(y[:, unit], shape, shape / (shape + expected)).mean()

        best = minimize_scalar(loss, bounds=(np.log(1e-6), np.log(1e3)), method="bounded", options={"xatol": 1e-10})
        assert loss(found) <= best.fun + 1e-10


def peers(observations, y, mu, scale):
    """Log-likelihood and deviance of statsmodels' family: scale is the variance, or the Gamma's dispersion."""
    family = {
        "poisson": sm.families.Poisson(),
        "bernoulli": sm.families.Binomial(),
        "gaussian": sm.families.Gaussian(),
        "gamma": sm.families.Gamma(sm.families.links.Log()),
        "negative_binomial": sm.families.NegativeBinomial(alpha=scale),
    }[observations.name]
    return family.loglike(y, mu, scale=1.0 if observations is NEGATIVE_BINOMIAL else scale), family.deviance(y, mu)


def likeliest_scale(observations, y, mu):
    """The nuisance parameter of largest likelihood, by brute force."""
    if observations in (POISSON, BERNOULLI):
        return 1.0
    found = minimize_scalar(
        lambda log: -peers(observations, y, mu, np.exp(log))[0], bounds=(-8, 4), method="bounded",
        options={"xatol": 1e-10},
    )  # fmt: skip
    return np.exp(found.x)


@pytest.mark.parametrize("kind", ["none", "ridge", "lasso"])
@pytest.mark.parametrize(
    "observations", [POISSON, BERNOULLI, NEGATIVE_BINOMIAL, GAMMA, GAUSSIAN], ids=lambda model: model.name
)
def test_likelihoods_and_deviances_are_those_of_statsmodels(observations, kind):
    X, y = responses(observations, 3, rows=600)
    train, test = blocks(len(X), 2)
    path = (0.0,) if kind == "none" else (1e-2, 1.0)
    penalty = NO_PENALTY if kind == "none" else penalty_of(kind, 3)
    fits = fit_splits(X, y, train, test, observations=observations, strengths=path, penalty=penalty, gap=1e-14)
    for unit, split, i in np.ndindex(2, 2, len(path)):
        seen, held = y[train[split], unit], y[test[split], unit]
        mu = predict(X, fits.coef[unit, split, i], fits.intercept[unit, split, i], observations=observations)
        scale = fits.dispersion[unit, split, i]
        assert scale == pytest.approx(likeliest_scale(observations, seen, mu[train[split]]), rel=1e-4)
        for name, on, of in (("train", train, seen), ("test", test, held)):
            likelihood, deviance = peers(observations, of, mu[on[split]], scale)
            assert getattr(fits, f"{name}_log_likelihood")[unit, split, i] == pytest.approx(likelihood, rel=1e-9)
            assert getattr(fits, f"{name}_deviance")[unit, split, i] == pytest.approx(deviance, rel=1e-9)
        flat = {"null_train": (seen, seen), "null_test": (held, seen), "test_mean": (held, held)}
        for name, (of, learned) in flat.items():
            own = likeliest_scale(observations, learned, np.full(len(learned), learned.mean()))
            mean = np.full(len(of), learned.mean())
            likelihood, deviance = peers(observations, of, mean, own)[0], peers(observations, of, mean, scale)[1]
            assert getattr(fits, f"{name}_log_likelihood")[unit, split] == pytest.approx(likelihood, rel=1e-7)
            assert getattr(fits, f"{name}_deviance")[unit, split, i] == pytest.approx(deviance, rel=1e-9)


@pytest.mark.parametrize("kind", ["ridge", "lasso", "elastic_net", "group_lasso", "smoothness"])
@pytest.mark.parametrize("observations", MODELS, ids=lambda model: model.name)
def test_scores_do_not_depend_on_what_else_was_fitted(observations, kind):
    X, y = responses(observations, 3, rows=600)
    train, test = blocks(len(X), 2)
    options = {"observations": observations, "penalty": penalty_of(kind, 3), "gap": 1e-15}
    alone, among = (fit_splits(X, y, train, test, strengths=path, **options) for path in ((1e-3,), (1e-3, 1e-1, 1e4)))
    for name in alone._fields:
        if name.endswith(("log_likelihood", "deviance", "dispersion", "rate")):
            one, other = getattr(alone, name), getattr(among, name)
            other = other[..., :1] if other.ndim == 3 else other
            np.testing.assert_allclose(one, other, rtol=1e-7, err_msg=name)


def test_a_dispersion_on_its_bound_is_flagged():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 2))
    binary = (rng.random((4000, 1)) < 0.3).astype(float)  # less dispersed than Poisson counts
    wide = rng.negative_binomial(1.0, 0.5, size=(4000, 1))
    everything = np.ones((1, 4000), bool)
    fits = fit_splits(X, np.hstack([binary, wide]), everything, ~everything, observations=NEGATIVE_BINOMIAL)
    assert fits.dispersion_at_bound[:, 0, 0].tolist() == [True, False]
    exact = fit_splits(X, X @ np.array([[1.0], [2.0]]), everything, ~everything, observations=GAUSSIAN)
    assert exact.dispersion_at_bound.all()


@pytest.mark.parametrize(
    ("observations", "wrong"),
    [
        (BERNOULLI, 2.0),
        (BERNOULLI, 0.5),
        (POISSON, -1.0),
        (GAMMA, 0.0),
        (GAUSSIAN, np.nan),
        (NEGATIVE_BINOMIAL, np.inf),
    ],
)
def test_responses_that_a_model_does_not_know_are_refused(observations, wrong):
    X, y = responses(observations, 3, rows=600)
    y = y.astype(float)
    y[5, 1] = wrong
    train, test = blocks(len(X), 2)
    with pytest.raises(ProblemError, match=f"{observations.name} responses are .* holds {wrong:g}"):
        fit_splits(X, y, train, test, observations=observations)
    exposure = np.ones(y.shape)
    exposure[5, 1] = 0.0
    unseen = fit_splits(X, y, train, test, observations=observations, exposure=exposure)
    assert np.isfinite(unseen.test_log_likelihood).all()


def information(observations, eta):
    """Return Fisher's information of one row on its predictor, for what `drawn` draws."""
    mu = np.exp(eta)
    return {
        "poisson": mu,
        "poisson_softplus": 1 / (1 + np.exp(-eta)) ** 2 / np.logaddexp(0, eta),
        "bernoulli": np.exp(-eta) / (1 + np.exp(-eta)) ** 2,
        "gaussian": np.ones_like(eta),
        "gamma": np.full_like(eta, 2.0),
        "negative_binomial": mu / (1 + 0.5 * mu),
    }[observations.name]


def drawn(observations, eta, rng):
    """Return responses: noise of variance 1, Gamma of shape 2, dispersion 0.5."""
    mu = np.exp(eta)
    return {
        "poisson": lambda: rng.poisson(mu),
        "poisson_softplus": lambda: rng.poisson(np.logaddexp(0, eta)),
        "bernoulli": lambda: rng.random(eta.shape) < 1 / (1 + np.exp(-eta)),
        "gaussian": lambda: eta + rng.normal(size=eta.shape),
        "gamma": lambda: rng.gamma(2.0, mu / 2),
        "negative_binomial": lambda: rng.negative_binomial(2.0, 2.0 / (2.0 + mu)),
    }[observations.name]() * 1.0


@pytest.mark.parametrize("observations", MODELS, ids=lambda model: model.name)
def test_truth_is_recovered_as_the_root_of_the_rows(observations):
    truth, replicates, errors = np.array([0.3, -0.5, 0.2, 0.0, 0.4, -0.5]), 40, []
    for rows in (1000, 16_000):
        rng = np.random.default_rng(rows)
        X = rng.normal(size=(rows, 5))
        eta = X @ truth[:-1] + truth[-1]
        y = drawn(observations, np.repeat(eta[:, None], replicates, axis=1), rng)
        everything = np.ones((1, rows), bool)
        fits = fit_splits(X, y, everything, ~everything, observations=observations)
        error = np.concatenate([fits.coef[:, 0, 0], fits.intercept[:, 0]], axis=1) - truth
        Z = np.column_stack([X, np.ones(rows)])
        whitened = error @ np.linalg.cholesky(Z.T @ (information(observations, eta)[:, None] * Z))
        assert 0.7 < np.mean(whitened**2) < 1.35  # 240 squares of standard normal numbers
        errors.append(np.sqrt(np.mean(error**2)))
    assert 3.2 < errors[0] / errors[1] < 5.0  # sixteen times the rows
