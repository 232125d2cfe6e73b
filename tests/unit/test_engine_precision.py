"""The defaults fit rare spikes to all digits, textbook data as printed, and any number of units in one call."""

import numpy as np
import pytest
import statsmodels.api as sm
from engine_problems import penalty_of
from sklearn.linear_model import LogisticRegression

from nwbglm.engine.fit import Status, fit_splits
from nwbglm.engine.observations import BERNOULLI, GAUSSIAN, MODELS, POISSON
from nwbglm.engine.penalties import PENALTIES, Ridge
from nwbglm.engine.tolerance import SUMMED

ROWS, SPIKES = 12_000, 120
FAMILIES = {POISSON: sm.families.Poisson(), BERNOULLI: sm.families.Binomial()}


def whole(X, y, **options):
    """Fit all rows with the defaults."""
    everything = np.ones((1, len(X)), bool)
    y = np.asarray(y, float)
    return fit_splits(X, y if y.ndim == 2 else y[:, None], everything, ~everything, **options)


def sparse(features, seed=0, rows=ROWS):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, features))
    eta = X @ rng.normal(0, 1.0 / np.sqrt(features), features)
    expected = np.exp(eta) * SPIKES / np.exp(eta).sum()
    return X, np.minimum(rng.poisson(expected), 1)


@pytest.mark.parametrize(("features", "share"), [(3, 1e-4), (40, 1.0)])  # Newton and its last step; quasi-Newton
@pytest.mark.parametrize("observations", FAMILIES, ids=lambda model: model.name)
def test_rare_spikes_are_fitted_to_all_digits(observations, features, share):
    X, y = sparse(features)
    fits = whole(X, y, observations=observations)
    peer = sm.GLM(y, sm.add_constant(X), FAMILIES[observations]).fit(tol=1e-12, maxiter=100)
    assert (fits.status == Status.ok).all()
    ours, errors = np.r_[fits.intercept[0, 0], *fits.coef[0, 0].T], peer.bse
    assert np.abs((ours - peer.params) / errors).max() < np.sqrt(2 * SUMMED * share)
    assert fits.gap.max() * len(X) <= SUMMED
    np.testing.assert_allclose(fits.train_log_likelihood[0, 0, 0], peer.llf, rtol=1e-12, atol=SUMMED * share)


def test_splits_are_fitted_as_well_as_all_rows():
    X, y = sparse(8, rows=20_000)
    train = np.ones((3, len(X)), bool)
    train[0, ::2], train[1, 1::2] = False, False
    fits = fit_splits(X, y[:, None].astype(float), train, ~train)
    for split, rows in enumerate(train):
        peer = sm.GLM(y[rows], sm.add_constant(X[rows]), sm.families.Poisson()).fit(tol=1e-12, maxiter=100)
        np.testing.assert_allclose(fits.coef[0, split, 0], peer.params[1:], rtol=0, atol=2e-5 * peer.bse.max())


@pytest.mark.parametrize("kind", ["lasso", "ridge"])
def test_penalised_rare_spikes_meet_the_summed_gap(kind):
    X, y = sparse(40, rows=20_000)
    penalty = PENALTIES[kind]()
    loose = whole(X, y, strengths=(3e-4,), penalty=penalty)
    tight = whole(X, y, strengths=(3e-4,), penalty=penalty, gap=1e-18, summed_gap=1e-16)
    assert loose.status[0, 0, 0] == Status.ok
    assert (loose.objective - tight.objective).max() * len(X) <= SUMMED
    np.testing.assert_allclose(loose.coef, tight.coef, rtol=0, atol=1e-4)


def test_sparse_logistic_ridge_is_scikit_learns():
    X, y = sparse(5, rows=20_000)
    strength = 1e-4
    fits = whole(X, y, strengths=(strength,), penalty=Ridge(), observations=BERNOULLI)
    peer = LogisticRegression(C=1 / (strength * len(X)), tol=1e-12, solver="newton-cholesky", max_iter=200).fit(X, y)
    np.testing.assert_allclose(fits.coef[0, 0, 0], peer.coef_[0], rtol=0, atol=1e-6)


def test_a_loose_tolerance_stays_loose_where_both_are():
    X, y = sparse(40, rows=5000)
    loose, default = whole(X, y, gap=1e-3, summed_gap=10.0), whole(X, y)
    assert loose.iterations.sum() < default.iterations.sum()


def test_counts_of_dobson_come_out_as_printed():
    """Dobson (1990), the first example of R's ?glm: coefficients, deviance, AIC."""
    counts = np.array([18, 17, 15, 20, 10, 20, 25, 13, 12])
    outcome, treatment = np.tile([0, 1, 2], 3), np.repeat([0, 1, 2], 3)
    X = np.column_stack([outcome == 1, outcome == 2, treatment == 1, treatment == 2]).astype(float)
    fits = whole(X, counts)
    printed = [3.045, -0.4543, -0.2930]
    np.testing.assert_allclose([fits.intercept[0, 0, 0], *fits.coef[0, 0, 0, :2]], printed, rtol=0, atol=5e-4)
    np.testing.assert_allclose(fits.coef[0, 0, 0, 2:], 0, atol=1e-8)
    assert round(float(fits.train_deviance[0, 0, 0]), 4) == 5.1291
    assert round(float(10 - 2 * fits.train_log_likelihood[0, 0, 0]), 2) == 56.76


@pytest.mark.parametrize(
    ("name", "family", "observations"), [("scotland", "Gaussian", GAUSSIAN), ("cpunish", "Poisson", POISSON)]
)
def test_data_sets_of_statsmodels_come_out_to_all_printed_digits(name, family, observations):
    """Columns in their own units, from 1e-2 to 1e5: five digits and more, as summaries print them."""
    data = getattr(sm.datasets, name).load()
    X, y = np.asarray(data.exog, float), np.asarray(data.endog, float)
    fits = whole(X, y, observations=observations)
    peer = sm.GLM(y, sm.add_constant(X), getattr(sm.families, family)()).fit(tol=1e-14, maxiter=200)
    np.testing.assert_allclose(np.r_[fits.intercept[0, 0], *fits.coef[0, 0].T], peer.params, rtol=1e-6)


def test_more_fits_than_are_compiled_for_at_once():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 2)), rng.poisson(0.8, (60, 8200)).astype(float)
    fits = whole(X, y)
    alone = whole(X, y[:, -3:])
    np.testing.assert_allclose(fits.coef[-3:], alone.coef, rtol=0, atol=1e-7)
    assert fits.status.shape == (8200, 1, 1) and np.isfinite(fits.train_log_likelihood).all()


@pytest.mark.parametrize("kind", PENALTIES)
@pytest.mark.parametrize("observations", MODELS.values(), ids=MODELS)
def test_scores_of_a_fit_do_not_depend_on_the_path(observations, kind):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(600, 4))
    y = rng.poisson(np.exp(0.6 * X[:, :1] - 0.3))
    y = np.clip(y, 0.0, observations.response.high) + 0.5 * observations.response.above
    test = np.zeros((1, 600), bool)
    test[0, 400:] = True
    penalty = penalty_of(kind, 4)
    names = [name for name in whole(X, y)._fields if "log_likelihood" in name or "deviance" in name]
    names += ["dispersion", "dispersion_at_bound", "null_rate"]
    at = 1e-3
    found = []
    for path in ((at,), (at, 1e4), (1e-6, at)):
        fits = fit_splits(X, y, ~test, test, strengths=path, penalty=penalty, observations=observations, gap=1e-15)
        here = path.index(at)
        values = {name: getattr(fits, name) for name in names}
        found.append({name: value[..., here] if value.ndim == 3 else value for name, value in values.items()})
    for other in found[1:]:
        for name in names:
            np.testing.assert_allclose(other[name], found[0][name], rtol=2e-6, err_msg=name)
