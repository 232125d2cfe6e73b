"""Each observation model with each penalty that NeMoS has, beside NeMoS at tight tolerance."""

import warnings

import jax
import numpy as np
import pytest
from engine_problems import MODELS, assert_agrees_with, penalty_of, responses

from nwbglm.engine.observations import BERNOULLI, POISSON, POISSON_SOFTPLUS

LINKS = {"poisson_softplus": jax.nn.softplus, "bernoulli": jax.lax.logistic, "gaussian": lambda eta: eta}
OTHERS = [model for model in MODELS if model is not POISSON_SOFTPLUS]
STRENGTH = 2e-2


def nemos(observations, penalty):
    """Return the fit of NeMoS in float64."""

    def fit(X, y, strength, dispersion):
        with warnings.catch_warnings(), jax.enable_x64(True):
            warnings.simplefilter("ignore")  # its own deprecations, and its solvers' word on convergence
            import nemos as nmo

            model = nmo.glm.GLM(
                observation_model=observation_model(nmo, observations, dispersion),
                inverse_link_function=LINKS.get(observations.name, jax.numpy.exp),
                solver_kwargs={"tol": 1e-12, "maxiter": 20_000},
                **regularizer(nmo, penalty, strength),
            ).fit(X, y)
            return np.asarray(model.coef_), float(np.asarray(model.intercept_).squeeze())

    return fit


def observation_model(nmo, observations, dispersion):
    """Return NeMoS' model of the same name."""
    models = nmo.observation_models
    if observations.has_dispersion:
        return models.NegativeBinomialObservations(scale=dispersion)
    return getattr(models, f"{observations.name.removesuffix('_softplus').capitalize()}Observations")()


def regularizer(nmo, penalty, strength):
    """Return NeMoS' penalty of the same name, with its strength."""
    if penalty.kind == "none":
        return {"regularizer": "UnRegularized"}
    if penalty.kind == "group_lasso":
        mask = (np.unique(penalty.groups)[:, None] == penalty.groups).astype(float)
        return {"regularizer": nmo.regularizer.GroupLasso(mask=mask), "regularizer_strength": strength}
    name = {"ridge": "Ridge", "lasso": "Lasso", "elastic_net": "ElasticNet"}[penalty.kind]
    both = (strength, penalty.ratio) if penalty.kind == "elastic_net" else strength
    return {"regularizer": name, "regularizer_strength": both}


@pytest.mark.parametrize("kind", ["none", "ridge", "lasso", "elastic_net", "group_lasso"])
def test_softplus(kind):
    compare(POISSON_SOFTPLUS, kind, 6, STRENGTH if kind != "none" else 0.0)


@pytest.mark.parametrize("observations", OTHERS, ids=lambda model: model.name)
def test_group_lasso(observations):
    compare(observations, "group_lasso", 6, STRENGTH)


@pytest.mark.slow  # together: NeMoS compiles every fit, and these have other peers
@pytest.mark.parametrize("kind", ["none", "ridge", "lasso", "elastic_net"])
@pytest.mark.parametrize("observations", OTHERS, ids=lambda model: model.name)
def test_what_others_have_too(observations, kind):
    compare(observations, kind, 6, STRENGTH if kind != "none" else 0.0)


@pytest.mark.parametrize("kind", ["ridge", "lasso", "group_lasso"])  # more features of the rest: test_engine_peers.py
def test_many_features_softplus(kind):
    compare(POISSON_SOFTPLUS, kind, 32, 1e-3)


@pytest.mark.parametrize("observations", [POISSON, BERNOULLI], ids=lambda model: model.name)
def test_many_features_in_groups(observations):
    compare(observations, "group_lasso", 32, 1e-3)


def compare(observations, kind, features, strength):
    """Compare on standardised features, as first-order solvers like them."""
    X, y = responses(observations, features, rows=800)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    penalty = penalty_of(kind, features)
    assert_agrees_with(nemos(observations, penalty), observations, penalty, X, y[:, 0].astype(float), strength)
