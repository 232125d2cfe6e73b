"""Each observation model with each penalty, beside the libraries that have it.

What has no peer here: softplus and group lasso (NeMoS alone has them: `test_engine_nemos.py`). glum takes smoothness as
a matrix of the quadratic part; the negative binomial's dispersion is compared in `test_engine_observations.py`, here
the peers are given ours. statsmodels ends above the optimum with any penalty, so that only objectives are compared.
"""

import numpy as np
import pytest
import statsmodels.api as sm
from engine_problems import MODELS, assert_agrees_with, penalty_of, responses
from glum import GeneralizedLinearRegressor, NegativeBinomialDistribution
from sklearn.linear_model import (
    ElasticNet,
    GammaRegressor,
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
)

BY_NAME = {model.name: model for model in MODELS}
STRENGTHS = (1e-3, 5e-2)
ABSOLUTE = {"lasso": 1.0, "elastic_net": 0.4}


def scikit_learn(observations, penalty):
    """Return the fit of scikit-learn; its squared error and its Ridge count otherwise than ours."""

    def fit(X, y, strength, dispersion):
        rows, ratio = len(y), ABSOLUTE.get(penalty.kind, 0.0)
        alpha = strength if penalty.kind != "none" else 0.0
        if observations.name == "bernoulli":
            solver = "saga" if ratio else "newton-cholesky"
            weight = 1 / (alpha * rows) if alpha else np.inf
            model = LogisticRegression(C=weight, l1_ratio=ratio, solver=solver, tol=1e-11, max_iter=20_000).fit(X, y)
            return model.coef_[0], model.intercept_[0]
        if observations.name == "gaussian":
            options = {"alpha": 0.5 * alpha, "tol": 1e-14, "max_iter": 100_000}
            model = {
                "none": LinearRegression(),
                "ridge": Ridge(alpha=0.5 * alpha * rows, solver="cholesky"),
                "lasso": Lasso(**options),
                "elastic_net": ElasticNet(l1_ratio=ratio, **options),
            }[penalty.kind]
        else:
            kind = {"poisson": PoissonRegressor, "gamma": GammaRegressor}[observations.name]
            model = kind(alpha=alpha, solver="newton-cholesky", tol=1e-12, max_iter=300)
        model.fit(X, y)
        return model.coef_, model.intercept_

    return fit


def glum(observations, penalty):
    """Return the fit of glum, whose loss is half the deviance."""

    def fit(X, y, strength, dispersion):
        families = {"bernoulli": "binomial", "negative_binomial": NegativeBinomialDistribution(theta=dispersion)}
        links = {"bernoulli": "logit", "gaussian": "identity"}
        half = 0.5 if observations.name == "gaussian" else 1.0
        curved = penalty.kind == "smoothness"
        model = GeneralizedLinearRegressor(
            family=families.get(observations.name, observations.name),
            link=links.get(observations.name, "log"),
            alpha=half * strength if penalty.kind != "none" else 0.0,
            l1_ratio=ABSOLUTE.get(penalty.kind, 0.0),
            P2=penalty.differences.T @ penalty.differences if curved else "identity",
            gradient_tol=1e-10,
            max_iter=300,
        ).fit(X, y.astype(float))
        return model.coef_, model.intercept_

    return fit


def statsmodels(observations, penalty):
    """Return the fit of statsmodels."""

    def fit(X, y, strength, dispersion):
        family = {
            "poisson": sm.families.Poisson,
            "bernoulli": sm.families.Binomial,
            "gaussian": sm.families.Gaussian,
            "gamma": lambda: sm.families.Gamma(sm.families.links.Log()),
            "negative_binomial": lambda: sm.families.NegativeBinomial(alpha=dispersion),
        }[observations.name]()
        model = sm.GLM(y, np.column_stack([X, np.ones(len(X))]), family=family)
        if penalty.kind == "none":
            params = model.fit(tol=1e-14, maxiter=200).params
        else:
            half = 0.5 if observations.name == "gaussian" else 1.0
            alpha = np.r_[np.full(X.shape[1], half * strength), 0.0]
            share = ABSOLUTE.get(penalty.kind, 0.0)
            extra = {"maxiter": 1000, "cnvrg_tol": 1e-12, "zero_tol": 1e-12} if share else {}
            params = model.fit_regularized(alpha=alpha, L1_wt=share, **extra).params
        return params[:-1], params[-1]

    return fit


def cells(names, kinds):
    """Return pairs of names."""
    return [(name, kind) for name in names.split() for kind in kinds.split()]


def compare(peer, name, kind, features, *, exact=True):
    """Compare along the strengths."""
    observations, penalty = BY_NAME[name], penalty_of(kind, features)
    X, y = responses(observations, features)
    for strength in (0.0,) if kind == "none" else STRENGTHS:
        assert_agrees_with(
            peer(observations, penalty), observations, penalty, X, y[:, 0].astype(float), strength, exact=exact
        )


@pytest.mark.parametrize("features", [6, 40])
@pytest.mark.parametrize(
    ("name", "kind"),
    [*cells("poisson gamma", "none ridge"), *cells("bernoulli gaussian", "none ridge lasso elastic_net")],
)
def test_scikit_learn(name, kind, features):
    compare(scikit_learn, name, kind, features)


@pytest.mark.parametrize("features", [6, 40])
@pytest.mark.parametrize(
    ("name", "kind"),
    cells("poisson bernoulli gaussian gamma negative_binomial", "none ridge lasso elastic_net smoothness"),
)
@pytest.mark.filterwarnings("ignore:Line search failed", "ignore:IRLS failed to converge")  # glum's, at tight tolerance
def test_glum(name, kind, features):
    compare(glum, name, kind, features)


@pytest.mark.parametrize(
    ("name", "kind"),
    cells("poisson bernoulli gaussian gamma negative_binomial", "none ridge lasso elastic_net"),
)
def test_statsmodels(name, kind):
    compare(statsmodels, name, kind, 6, exact=kind == "none")
