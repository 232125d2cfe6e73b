"""Effective numbers of parameters and predicted sums, against formulas written out for small problems."""

from itertools import pairwise

import numpy as np
import pytest
from engine_problems import MODELS, penalty_of, responses

from nwbglm.engine.degrees import effective_parameters, predicted_sums
from nwbglm.engine.fit import fit_splits, predict
from nwbglm.engine.observations import GAUSSIAN, POISSON
from nwbglm.engine.penalties import NO_PENALTY, ElasticNet, Lasso, Ridge


def fitted(X, y, penalty, strength, observations=POISSON, **options):
    rows = np.ones((1, len(X)), bool)
    fits = fit_splits(
        X, y, rows, ~rows, strengths=(strength,), penalty=penalty, observations=observations, gap=1e-15, **options
    )
    return fits.coef[:, 0, 0], fits.intercept[:, 0, 0], fits.dispersion[:, 0, 0]


def degrees(X, y, penalty, strength, observations=POISSON, exposure=None):
    coef, intercept, dispersion = fitted(X, y, penalty, strength, observations, exposure=exposure)
    found = effective_parameters(
        X, y, np.arange(len(X)), coef, intercept, np.full(len(coef), strength), observations=observations,
        penalty=penalty, exposure=exposure, dispersion=dispersion, usable=np.ones((X.shape[1], len(coef)), bool),
    )  # fmt: skip
    return found, coef


def test_ridge_regression_has_the_trace_of_its_hat_matrix():
    X, y = responses(GAUSSIAN, 6, rows=300)
    found, _ = degrees(X, y, Ridge(), 0.5, GAUSSIAN)
    centred = X - X.mean(axis=0)
    # ours has no half on the squared error: a strength s is n s / 2 of the sum of squares
    hat = centred @ np.linalg.solve(centred.T @ centred + 300 * 0.25 * np.eye(6), centred.T)
    assert found == pytest.approx(1 + np.trace(hat), rel=1e-9)


@pytest.mark.parametrize("kind", ["ridge", "lasso", "elastic_net", "group_lasso", "smoothness"])
@pytest.mark.parametrize("observations", MODELS, ids=lambda model: model.name)
def test_a_penalty_takes_parameters_away(observations, kind):
    X, y = responses(observations, 6, rows=500)
    path = [degrees(X, y, penalty_of(kind, 6), strength, observations)[0] for strength in (1e-8, 1e-2, 1e-1, 1e3)]
    assert path[0] == pytest.approx(np.full(2, 7.0), abs=0.02)
    assert all((a >= b - 1e-9).all() for a, b in pairwise(path))
    assert path[-1] == pytest.approx(np.full(2, 3.0 if kind == "smoothness" else 1.0), abs=0.02)  # a line stays free


def test_the_lasso_has_as_many_as_are_not_zero():
    X, y = responses(POISSON, 6, rows=500)
    found, coef = degrees(X, y, Lasso(), 0.02)
    assert found == pytest.approx(1 + (coef != 0).sum(axis=1), abs=1e-9)
    assert (found < 7).any()


def test_it_is_how_far_fitted_values_follow_the_data():
    """tr(d mu_hat / d y), by changing every response a little (for a Gaussian mean exactly the definition)."""
    X, y = responses(GAUSSIAN, 4, rows=60)
    for penalty in (Ridge(), penalty_of("group_lasso", 4), ElasticNet(ratio=0.5)):
        found, _ = degrees(X, y[:, :1], penalty, 0.3, GAUSSIAN)
        moved = np.repeat(y[:, :1], 60, axis=1) + 1e-4 * np.eye(60)
        coef, intercept, _ = fitted(X, np.hstack([y[:, :1], moved]), penalty, 0.3, GAUSSIAN)
        mean = predict(X, coef, intercept, observations=GAUSSIAN)
        trace = sum((mean[t, 1 + t] - mean[t, 0]) / 1e-4 for t in range(60))
        assert found[0] == pytest.approx(trace, abs=2e-3)


def test_no_penalty_leaves_all_and_no_fit_has_none():
    X, y = responses(POISSON, 3, rows=300)
    y[:, 1] = 0
    found, _ = degrees(X, y, NO_PENALTY, 0.0)
    assert found[0] == 4 and np.isnan(found[1])


@pytest.mark.parametrize("observations", MODELS, ids=lambda model: model.name)
def test_predicted_sums_are_those_of_predictions(observations):
    X, y = responses(observations, 4, rows=700)
    random = np.random.default_rng(0)
    exposure = random.choice([0.0, 0.5, 1.0], size=y.shape) if observations.counts else None
    exposure = None if observations.response.high == 1 else exposure
    coef, intercept = random.normal(size=(2, 3, 4)) * 0.1, random.normal(size=(2, 3))
    rows = random.random((3, 700)) < 0.5
    found = predicted_sums(X, coef, intercept, rows, exposure, observations)
    for unit, k in np.ndindex(2, 3):
        mean = predict(X, coef[unit, k], intercept[unit, k], observations=observations)
        mean = mean if exposure is None else mean * exposure[:, unit]
        assert found[unit, k] == pytest.approx(mean[rows[k]].sum())
