"""Many features and few fits a unit: Hessians on demand lead to the same optimum, in few passes."""

import jax
import numpy as np
import pytest
from scipy.signal import lfilter

from nwbglm.engine import limits
from nwbglm.engine.data.build import build_problem
from nwbglm.engine.fit import Status, fit_splits
from nwbglm.engine.observations import POISSON
from nwbglm.engine.penalties import Ridge
from nwbglm.engine.smooth import quasi_newton

ROWS, FEATURES, UNITS, WEAK = 2000, 120, 2, 1e-5


@pytest.fixture(scope="module")
def data():
    """Correlated features, spikes that are as few as coefficients, five folds and all rows."""
    rng = np.random.default_rng(5)
    X = lfilter([1.0], [1.0, -0.9], rng.normal(size=(ROWS, FEATURES)), axis=0)
    X = X + 2.0 * X[:, :1]
    drive = X @ rng.normal(0, 0.05, (FEATURES, UNITS))
    y = rng.poisson(np.exp(np.minimum(drive - 2.5, 1.5)))
    test = np.zeros((6, ROWS), bool)
    for fold in range(5):
        test[fold, fold * ROWS // 5 : (fold + 1) * ROWS // 5] = True
    return X, y, ~test, test


def least_objective(X, y, strength):
    """Minimise mean(mu - y eta) + strength/2 |w|^2 by damped Newton steps in plain numpy."""
    A = np.column_stack([X - X.mean(axis=0), np.ones(len(X))])
    w = np.r_[np.zeros(X.shape[1]), np.log(y.mean())]
    held = strength * np.r_[np.ones(X.shape[1]), 0.0]

    def value(w):
        return np.mean(np.exp(A @ w) - y * (A @ w)) + 0.5 * held @ w**2

    for _ in range(60):
        mu = np.exp(A @ w)
        gradient = A.T @ (mu - y) / len(y) + held * w
        step = np.linalg.solve(A.T @ (A * mu[:, None]) / len(y) + np.diag(held), gradient)
        length = 1.0
        while value(w - length * step) > value(w) and length > 1e-8:
            length /= 2
        w = w - length * step
        if gradient @ step < 1e-20:
            break
    return value(w)


def fit(data, strengths):
    """Fit all units, folds and strengths."""
    X, y, train, test = data
    return fit_splits(X, y, train, test, strengths=strengths, penalty=Ridge())


def test_weak_strengths_reach_the_optimum_that_newton_finds(data):
    X, y, train, _ = data
    fits = fit(data, (WEAK,))
    assert (fits.status == Status.ok).all()
    for unit, split in ((0, 0), (1, 3), (1, 5)):
        least = least_objective(X[train[split]], y[train[split], unit], WEAK)
        assert -1e-13 < fits.objective[unit, split, 0] - least < 1e-10


def test_splits_with_their_own_hessians_need_fewer_passes(data, monkeypatch):
    monkeypatch.setattr(quasi_newton, "CALL_PASSES", 0)  # it pays for all
    with_own = fit(data, (WEAK,))
    monkeypatch.setattr(quasi_newton, "OWN_NEED", 10**6)  # a Hessian would never pay
    without = fit(data, (WEAK,))
    assert np.abs(with_own.objective - without.objective).max() < 1e-10
    folds = slice(0, 5)
    assert with_own.iterations[:, folds].mean() < 0.8 * without.iterations[:, folds].mean()


def test_metrics_that_do_not_fit_in_memory_change_nothing(data, monkeypatch):
    usual = fit(data, (WEAK, 1e-3))
    monkeypatch.setattr(limits, "METRIC_BYTES", 3 * 8 * (FEATURES + 8) ** 2)
    few = fit(data, (WEAK, 1e-3))
    assert np.abs(usual.objective - few.objective).max() < 1e-10
    assert (few.status == Status.ok).all()


def test_what_splits_leave_out_adds_up_to_their_hessians(data):
    X, y, train, _ = data
    masks = np.concatenate([train[:5], np.ones((1, ROWS), bool)])
    with jax.enable_x64(True):
        problem = build_problem(
            X, y, masks, masks[-1], penalty=Ridge(), observations=POISSON, exposure=None, allowed=None,
            dtype="float64", fits=12, mixed=False, memory=None,
        )  # fmt: skip
        theta = np.random.default_rng(1).normal(0, 0.05, (1, problem.width))
        where = np.zeros(1, int), np.full(1, 5), np.ones(1)
        parts = [problem.grams(theta, *where, without=k)[0] for k in range(5)]
        own = problem.grams(theta, where[0], np.array([2]), where[2])[0]
    np.testing.assert_allclose(sum(parts) - parts[2], own, rtol=1e-10, atol=1e-10 * np.abs(own).max())
    np.testing.assert_array_equal(own, own.T)
