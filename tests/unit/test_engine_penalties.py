"""Penalties with corners and differences, against libraries that have them."""

from types import SimpleNamespace

import numpy as np
import pytest
from engine_problems import blocks, poisson_objective, population
from glum import GeneralizedLinearRegressor

from nwbglm.engine.fit import Status, fit_splits
from nwbglm.engine.penalties import (
    ElasticNet,
    GroupLasso,
    Lasso,
    Penalty,
    Ridge,
    Smoothness,
    second_difference,
)


def problem(features, seed=3):
    X, y = population(rows=1500, features=features, units=2, rate=0.3, seed=seed, spread=0.2)
    return X, y


@pytest.mark.parametrize("features", [6, 40])
@pytest.mark.parametrize("ratio", [1.0, 0.4])
@pytest.mark.filterwarnings("ignore:Line search failed", "ignore:IRLS failed to converge")  # glum's, at tight tolerance
def test_lasso_and_elastic_net_against_glum(features, ratio):
    X, y = problem(features)
    train, test = blocks(len(X), 3)
    strengths = (1e-3, 1e-2, 5e-2)
    penalty = Lasso() if ratio == 1 else ElasticNet(ratio=ratio)
    fits = fit_splits(X, y, train, test, strengths=strengths, penalty=penalty)
    assert (fits.status == Status.ok).all()

    def objective(rows, unit, coef, intercept, strength):
        absolute = strength * ratio * np.abs(coef).sum()
        return poisson_objective(X[rows], y[rows, unit], coef, intercept, strength * (1 - ratio)) + absolute

    for unit in range(2):
        for split in (0, 3):
            for i, strength in enumerate(strengths):
                rows = train[split]
                peer = GeneralizedLinearRegressor(
                    family="poisson", alpha=strength, l1_ratio=ratio, gradient_tol=1e-10, max_iter=1000
                ).fit(X[rows], y[rows, unit])
                ours = objective(rows, unit, fits.coef[unit, split, i], fits.intercept[unit, split, i], strength)
                assert ours <= objective(rows, unit, peer.coef_, peer.intercept_, strength) + 1e-10
                assert abs(ours - fits.objective[unit, split, i]) < 1e-11
                assert ((fits.coef[unit, split, i] != 0) == (np.abs(peer.coef_) > 1e-7)).mean() > 0.9
    assert (fits.coef[:, :, 0] != 0).sum() > (fits.coef[:, :, 2] != 0).sum()


def least_subgradient(X, y, coef, intercept, strength, groups):
    """Return the norm of the least subgradient of the group lasso for raw features."""
    mu = np.exp(X @ coef + intercept)
    gradient = X.T @ (mu - y) / len(y)
    total = np.mean(mu - y) ** 2
    for group in np.unique(groups):
        inside = groups == group
        pull = strength * np.sqrt(inside.sum())
        size = np.linalg.norm(coef[inside])
        if size > 0:
            total += np.sum((gradient[inside] + pull * coef[inside] / size) ** 2)
        else:
            total += max(0.0, np.linalg.norm(gradient[inside]) - pull) ** 2
    return np.sqrt(total)


@pytest.mark.parametrize("features", [8, 40])
def test_group_lasso_is_stationary_and_drops_whole_groups(features):
    X, y = problem(features)
    groups = np.arange(features) // 4
    train, test = blocks(len(X), 3)
    fits = fit_splits(X, y, train, test, strengths=(2e-3, 0.15), penalty=GroupLasso(groups=groups), gap=1e-13)
    assert (fits.status == Status.ok).all()
    for unit in range(2):
        for split in (0, 3):
            for i, strength in enumerate((2e-3, 0.15)):
                rows = train[split]
                coef = fits.coef[unit, split, i]
                norm = least_subgradient(X[rows], y[rows, unit], coef, fits.intercept[unit, split, i], strength, groups)
                assert norm < 1e-5
                dropped = (coef.reshape(-1, 4) == 0).sum(axis=1)
                assert set(dropped) <= {0, 4}
    assert (fits.coef[:, :, 1] == 0).any()


def test_group_lasso_scale_is_a_change_of_units():
    X, y = problem(8)
    groups = np.arange(8) // 4
    everything = np.ones((1, len(X)), bool)
    sd = X.std(axis=0)
    scaled = fit_splits(X, y, everything, ~everything, strengths=(1e-2,), penalty=GroupLasso(groups=groups, scale=sd))
    plain = fit_splits(X / sd, y, everything, ~everything, strengths=(1e-2,), penalty=GroupLasso(groups=groups))
    np.testing.assert_allclose(scaled.objective, plain.objective, atol=1e-10)
    np.testing.assert_allclose(scaled.coef * sd, plain.coef, atol=1e-5)


@pytest.mark.parametrize("features", [8, 40])
def test_smoothness_is_ridge_on_differences(features):
    X, y = problem(features)
    terms = np.arange(features) // 8
    D = second_difference(terms)
    assert D.shape == (6 * features // 8, features)
    everything = np.ones((1, len(X)), bool)
    fits = fit_splits(X, y, everything, ~everything, strengths=(1e-1,), penalty=Smoothness(differences=D), gap=1e-15)
    for unit in range(2):
        coef = fits.coef[unit, 0, 0]
        mu = np.exp(X @ coef + fits.intercept[unit, 0, 0])
        gradient = X.T @ (mu - y[:, unit]) / len(X) + 0.1 * D.T @ D @ coef
        assert np.linalg.norm(gradient) < 1e-6
        value = np.mean(mu - y[:, unit] * np.log(mu)) + 0.05 * np.sum((D @ coef) ** 2)
        assert abs(value - fits.objective[unit, 0, 0]) < 1e-12


def test_strengths_per_term_and_scale_are_resolved_into_one():
    X, y = problem(6)
    everything = np.ones((1, len(X)), bool)
    strengths = np.array([1, 1, 1, 10, 10, 0.0])
    columns = SimpleNamespace(labels={"term": np.array(list("aaabbc"))})
    penalty = Ridge.of(columns, X.std(axis=0), scale="sd", relative={"b": 10.0, "c": 0.0})
    fits = fit_splits(X, y, everything, ~everything, strengths=(1e-2,), penalty=penalty, gap=1e-15)
    coef = fits.coef[0, 0, 0]
    mu = np.exp(X @ coef + fits.intercept[0, 0, 0])
    gradient = X.T @ (mu - y[:, 0]) / len(X) + 1e-2 * strengths * X.var(axis=0) * coef
    assert np.linalg.norm(gradient) < 1e-6


def test_cyclic_differences_join_the_ends():
    assert second_difference(np.zeros(4), order=1, cyclic=True).sum(axis=1).tolist() == [0, 0, 0, 0]
    assert second_difference(np.zeros(2), order=2).shape == (0, 2)


def test_a_penalty_without_a_kind_is_refused():
    with pytest.raises(TypeError, match="take one of the penalties: NoPenalty, Ridge"):
        Penalty("ridge")
