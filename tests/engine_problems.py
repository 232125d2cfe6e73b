"""Problems that the tests of the engine share, and the objective written out in plain numpy."""

import dataclasses

import numpy as np
from scipy.special import gammaln, xlogy

from nwbglm.engine.fit import Status, fit_splits
from nwbglm.engine.observations import BERNOULLI, GAMMA, GAUSSIAN, NEGATIVE_BINOMIAL, POISSON, POISSON_SOFTPLUS
from nwbglm.engine.penalties import PENALTIES, second_difference

MODELS = (POISSON, POISSON_SOFTPLUS, BERNOULLI, GAUSSIAN, GAMMA, NEGATIVE_BINOMIAL)


def population(rows=3000, features=8, units=3, rate=0.1, seed=0, spread=1.0):
    """Return correlated positive features of different scale (T, p) and Poisson counts (T, U)."""
    rng = np.random.default_rng(seed)
    X = rng.gamma(1.0, 1.0, (rows, features)) @ (
        np.eye(features) + 0.3 * rng.random((features, features)) / features**0.5
    )
    X *= np.exp(spread * rng.normal(size=features))
    weights = rng.normal(size=(features, units)) * 0.6 / np.sqrt(features) / X.std(axis=0)[:, None]
    y = rng.poisson(rate * np.exp(np.minimum((X - X.mean(axis=0)) @ weights, 4)))
    return X, y


def blocks(rows, folds):
    """Return contiguous training and test sets (K, T), the last split trained on everything and tested on nothing."""
    test = np.zeros((folds + 1, rows), bool)
    for k in range(folds):
        test[k, k * rows // folds : (k + 1) * rows // folds] = True
    return ~test, test


def poisson_objective(X, y, coef, intercept, strength=0.0, exposure=None):
    """Return mean(mu - y log mu) + 0.5 strength |w|^2."""
    eta = X @ coef + intercept + (0 if exposure is None else np.log(exposure))
    return np.mean(np.exp(eta) - y * eta) + 0.5 * strength * coef @ coef


def poisson_log_likelihood(y, mu):
    """Return the summed log-likelihood."""
    return np.sum(xlogy(y, mu) - mu - gammaln(y + 1))


def responses(observations, features, rows=2000, seed=2):
    """Return features (T, p) and responses (T, 2) drawn from the model."""
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


def penalty_of(kind, features):
    """Return a penalty of this kind: halves as groups, second differences over all features."""
    return named_penalty(
        kind,
        ratio=0.4,
        groups=np.arange(features) // (features // 2),
        differences=second_difference(np.zeros(features)),
    )


def named_penalty(kind, **options):
    """Return a penalty of this kind with those of the options that it has."""
    known = {field.name for field in dataclasses.fields(PENALTIES[kind])}
    return PENALTIES[kind](**{name: value for name, value in options.items() if name in known})


def mean_loss(observations, y, eta, dispersion=1.0):
    """Return the mean loss of a model, as `docs/methods.md` and the peers write it, without constants."""
    if observations is POISSON:
        return np.mean(np.exp(eta) - y * eta)
    if observations is POISSON_SOFTPLUS:
        return np.mean(np.logaddexp(0, eta) - y * np.log(np.logaddexp(0, eta)))
    if observations is BERNOULLI:
        return np.mean(np.logaddexp(0, eta) - y * eta)
    if observations is GAUSSIAN:
        return np.mean((y - eta) ** 2)
    if observations is GAMMA:
        return np.mean(y * np.exp(-eta) + eta)
    z = eta + np.log(dispersion)
    return np.mean((y + 1 / dispersion) * np.logaddexp(0, z) - y * z)


def penalty_value(penalty, coef):
    """Return what a strength of 1 adds to the mean loss."""
    absolute, square = np.abs(coef).sum(), 0.5 * coef @ coef
    if penalty.kind == "group_lasso":
        return sum(
            np.sqrt(np.sum(penalty.groups == group)) * np.linalg.norm(coef[penalty.groups == group])
            for group in np.unique(penalty.groups)
        )
    return {
        "none": lambda: 0.0,
        "ridge": lambda: square,
        "lasso": lambda: absolute,
        "elastic_net": lambda: penalty.ratio * absolute + (1 - penalty.ratio) * square,
        "smoothness": lambda: 0.5 * np.sum((penalty.differences @ coef) ** 2),
    }[penalty.kind]()


def assert_agrees_with(peer, observations, penalty, X, y, strength, *, exact=True):
    """Hold the fit to one response beside a peer's, in float64 outside all libraries.

    At the default gap the objective is within 1e-10 of the least one known and never above the peer's by 1e-9; asked
    for a gap of 1e-16, coefficients agree to a millionth of the largest. The peer, ``(X, y, strength, dispersion) ->
    (coef, intercept)``, is given the dispersion that ours found. Where a peer stops short (not ``exact``), only its
    objective is looked at.
    """
    everything = np.ones((1, len(X)), bool)
    options = {"strengths": (strength,), "penalty": penalty, "observations": observations}
    default = fit_splits(X, y[:, None], everything, ~everything, **options)
    tight = fit_splits(X, y[:, None], everything, ~everything, gap=1e-16, **options)
    theirs = None
    for fits in (default, tight):
        assert fits.status[0, 0, 0] == Status.ok
        dispersion = fits.dispersion[0, 0, 0]

        def objective(coef, intercept, dispersion=dispersion):
            return mean_loss(observations, y, X @ coef + intercept, dispersion) + strength * penalty_value(
                penalty, coef
            )

        if theirs is None or observations.has_dispersion:
            theirs = peer(X, y, strength, dispersion)
        ours = objective(fits.coef[0, 0, 0], fits.intercept[0, 0, 0])
        assert abs(ours - fits.objective[0, 0, 0]) < 1e-12
        assert ours <= objective(*theirs) + 1e-10
        if not observations.has_dispersion:  # at one dispersion, ours at both gaps can be compared too
            assert ours <= tight.objective[0, 0, 0] + 1e-10
    if exact:
        atol = 1e-6 * np.abs(theirs[0]).max()
        np.testing.assert_allclose(tight.coef[0, 0, 0], theirs[0], rtol=0, atol=atol)
        np.testing.assert_allclose(tight.intercept[0, 0, 0], theirs[1], rtol=1e-6, atol=atol * np.abs(X).mean())
        assert ours > objective(*theirs) - 1e-12  # or the peer would be no measure
