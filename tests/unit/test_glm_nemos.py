"""The objective of NeMoS at tight tolerance: ours is never higher."""

import warnings

import jax
import numpy as np
import pytest
from glm_problems import poisson_objective, population

from nwbglm.glm.fit import Status, fit_splits
from nwbglm.glm.penalties import Penalty

FEATURES, GROUPS = 8, np.arange(8) // 4


def nemos_fit(X, y, regularizer, strength):
    """Return coefficients and intercept of NeMoS in float64."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own deprecations, and its solvers' word on convergence
        import nemos as nmo

        with jax.enable_x64(True):
            model = nmo.glm.GLM(
                regularizer=regularizer,
                regularizer_strength=strength,
                solver_kwargs={"tol": 1e-12, "maxiter": 20_000},
            ).fit(X, y.astype(float))
            return np.asarray(model.coef_), float(np.asarray(model.intercept_).squeeze())


def penalty_value(kind, coef, strength):
    """Return what NeMoS adds to the loss."""
    if kind == "ridge":
        return 0.5 * strength * coef @ coef
    if kind == "lasso":
        return strength * np.abs(coef).sum()
    return strength * sum(np.sqrt(4) * np.linalg.norm(coef[group == GROUPS]) for group in (0, 1))


@pytest.mark.parametrize("kind", ["ridge", "lasso", "group_lasso"])
def test_objective_is_not_above_that_of_nemos(kind):
    X, y = population(rows=1200, features=FEATURES, units=1, rate=0.3, spread=0.2)
    X = (X - X.mean(axis=0)) / X.std(axis=0)  # as its first-order solvers like it
    strength = 2e-2
    everything = np.ones((1, len(X)), bool)
    penalty = Penalty(kind, groups=GROUPS if kind == "group_lasso" else None)
    fits = fit_splits(X, y, everything, everything, strengths=(strength,), penalty=penalty)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import nemos as nmo

        mask = (np.arange(2)[:, None] == GROUPS).astype(float)
        regularizer = {"ridge": "Ridge", "lasso": "Lasso"}.get(kind) or nmo.regularizer.GroupLasso(mask=mask)
    coef, intercept = nemos_fit(X, y[:, 0], regularizer, strength)
    theirs = poisson_objective(X, y[:, 0], coef, intercept) + penalty_value(kind, coef, strength)
    ours = fits.coef[0, 0, 0]
    value = poisson_objective(X, y[:, 0], ours, fits.intercept[0, 0, 0]) + penalty_value(kind, ours, strength)
    assert fits.status[0, 0, 0] == Status.ok
    assert abs(value - fits.objective[0, 0, 0]) < 1e-12
    assert value <= theirs + 1e-10
    assert theirs - value < 1e-7
