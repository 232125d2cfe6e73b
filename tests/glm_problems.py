"""Problems that the tests of the engine share, and the objective written out in plain numpy."""

import numpy as np
from scipy.special import gammaln, xlogy


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
