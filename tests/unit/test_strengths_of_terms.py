"""A strength for each term: what the evidence finds, what a search tries, and what a fit tells of it."""

from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm
import xarray as xr
import yaml
from statsmodels.gam.api import BSplines, GLMGam

from nwbglm.engine.fit import Status, fit_splits
from nwbglm.engine.observations import MODELS
from nwbglm.engine.penalties import Ridge, Smoothness
from nwbglm.errors import ProblemError, StudyError
from nwbglm.fits.arrays import fit_arrays
from nwbglm.fits.strengths import draw_shares, relative_strengths
from nwbglm.study import Fit, Model, read_study

ROWS, UNITS = 4000, 4
TERMS = np.repeat([0, 1, 2], [15, 15, 10])
TRUTH = np.array([0.2, 0.05, 0.0])


def drawn(observations="poisson", seed=0, features=40):
    """Return features, responses whose coefficients of a term have the standard deviation TRUTH, five folds and all."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(ROWS, features))
    w = random.normal(size=(features, UNITS)) * TRUTH[TERMS[:features]][:, None]
    eta = X @ w
    y = {
        "poisson": lambda: random.poisson(np.exp(eta - 1.5)),
        "bernoulli": lambda: (random.random(eta.shape) < 1 / (1 + np.exp(-eta))).astype(int),
        "gaussian": lambda: eta + 0.5 * random.normal(size=eta.shape),
    }[observations]()
    test = np.zeros((6, ROWS), bool)
    for fold in range(5):
        test[fold, fold * ROWS // 5 : (fold + 1) * ROWS // 5] = True
    return X, y, ~test, test


@pytest.mark.parametrize("observations", ["poisson", "bernoulli", "gaussian"])
def test_evidence_finds_the_size_of_the_coefficients_that_were_drawn(observations):
    X, y, train, test = drawn(observations)
    model = MODELS[observations]
    fits = fit_splits(X, y, train, test, strengths=(1.0,), penalty=Ridge(), observations=model, terms=TERMS)
    assert (fits.status == Status.ok).all()
    # a strength s on n rows is a prior of variance phi / (n s); the loss of a Gaussian is that of twice its variance
    phi = 2 * 0.25 if observations == "gaussian" else 1.0
    found = np.sqrt(phi / (ROWS * fits.term_strength[:, 5, 0])).mean(axis=0)
    np.testing.assert_allclose(found[0], TRUTH[0], rtol=0.2)
    np.testing.assert_allclose(found[1], TRUTH[1], rtol=0.35)
    assert found[2] < 0.02
    assert (fits.term_parameters[:, 5, 0, 2] < 3).all()
    assert (fits.term_parameters[:, 5, 0, 0] > 12).all()


def restricted_likelihood(X, y, strengths):
    """Return minus the log restricted marginal likelihood of a Gaussian linear model, sigma profiled (dense)."""
    n = len(y)
    prior = (X * (2 / (n * strengths[TERMS]))) @ X.T + np.eye(n)
    one = np.ones((n, 1))
    inverse = np.linalg.inv(prior)
    held = one.T @ inverse @ one
    r = y - one[:, 0] * (one.T @ inverse @ y).item() / held.item()
    sigma = r @ inverse @ r / (n - 1)
    return 0.5 * ((n - 1) * np.log(sigma) + np.linalg.slogdet(prior)[1] + np.log(held.item()))


def test_gaussian_strengths_are_those_of_the_restricted_marginal_likelihood():
    X, y, _, _ = drawn("gaussian")
    X, y = X[:500], y[:500, 0]
    X = X - X.mean(axis=0)
    every = np.ones((1, 500), bool)
    fits = fit_splits(
        X, y[:, None], every, ~every, strengths=(1.0,), penalty=Ridge(), observations=MODELS["gaussian"], terms=TERMS
    )
    found = fits.term_strength[0, 0, 0]
    best = restricted_likelihood(X, y, found)
    for term in (0, 1):
        for factor in (0.8, 1.25):
            other = found.copy()
            other[term] *= factor
            assert restricted_likelihood(X, y, other) > best
    assert best < min(restricted_likelihood(X, y, np.full(3, s)) for s in 10.0 ** np.linspace(-4, 1, 30))


def test_a_smooth_term_gets_the_effective_parameters_that_its_curve_needs():
    random = np.random.default_rng(2)
    x = np.sort(random.uniform(0, 1, 3000))
    basis = BSplines(x[:, None], df=[20], degree=[3]).basis
    differences = np.diff(np.eye(basis.shape[1]), n=2, axis=0)
    every = np.ones((1, len(x)), bool)
    terms = np.zeros(basis.shape[1], int)
    effective = []
    for curve in (0 * x, x, np.sin(4 * np.pi * x)):
        y = random.poisson(np.exp(curve)[:, None], (len(x), 8))
        fits = fit_splits(
            basis, y, every, ~every, strengths=(1.0,), penalty=Smoothness(differences=differences), terms=terms
        )
        assert (fits.status == Status.ok).all()
        effective.append(np.median(fits.term_parameters))
    assert 1 <= effective[0] < 3 and 1 <= effective[1] < 3  # a straight line is free: one beside the intercept
    assert 8 < effective[2] < 15
    # the fit at that strength is statsmodels' penalised fit, which counts the same
    strength = fits.term_strength[0, 0, 0, 0]
    spline = BSplines(x[:, None], df=[20], degree=[3], include_intercept=False)
    spline.smoothers[0].cov_der2 = differences.T @ differences  # the same penalty in place of its own
    gam = GLMGam(
        y[:, 0], np.ones((len(x), 1)), smoother=spline, alpha=[len(x) * strength / 2], family=sm.families.Poisson()
    )
    theirs = gam.fit()
    assert abs(theirs.edf.sum() - 1 - fits.term_parameters[0, 0, 0, 0]) < 0.05
    np.testing.assert_allclose(theirs.params[1:], fits.coef[0, 0, 0], atol=2e-3)


@pytest.mark.parametrize("features", [20, 40])
def test_candidates_are_fitted_as_penalties_of_their_own(features):
    X, y, train, test = drawn(features=features)
    terms = TERMS[:features]
    count = terms.max() + 1
    strengths, relative = (1e-3, 3e-2, 1.0), draw_shares(5, count, seed=3)[[0, 1, 2]]
    fits = fit_splits(X, y, train, test, strengths=strengths, penalty=Ridge(), terms=terms, relative=relative)
    assert (fits.status == Status.ok).all()
    for s, strength in enumerate(strengths):
        alone = fit_splits(X, y, train, test, strengths=(strength,), penalty=Ridge(scale=np.sqrt(relative[s])[terms]))
        np.testing.assert_allclose(fits.objective[:, :, s], alone.objective[:, :, 0], atol=1e-10, rtol=0)
    np.testing.assert_allclose(fits.term_strength[0, 0], np.array(strengths)[:, None] * relative)


def test_shares_are_himalayas_with_equal_ones_among_them():
    shares = 1 / draw_shares(50, 3, seed=1)
    np.testing.assert_array_equal(shares[::5], 1.0)
    np.testing.assert_allclose(shares.sum(axis=1), 3.0, atol=1e-3)
    assert (shares > 0).all()
    np.testing.assert_array_equal(shares, 1 / draw_shares(50, 3, seed=1))


def group_ridge_cv(X, y, folds, strengths, relative):
    """Return himalaya's GroupRidgeCV by its definition: the candidate of least squared error over folds, refitted."""
    errors = np.zeros((y.shape[1], len(strengths)))
    for test in folds:
        for c, (strength, times) in enumerate(zip(strengths, relative, strict=True)):
            coef, mean_x, mean_y = ridge(X[~test], y[~test], strength * times[TERMS])
            errors[:, c] += ((y[test] - mean_y - (X[test] - mean_x) @ coef) ** 2).sum(axis=0)
    best = errors.argmin(axis=1)
    refit = [ridge(X, y[:, [u]], strengths[c] * relative[c][TERMS])[0][:, 0] for u, c in enumerate(best)]
    return best, np.array(refit)


def ridge(X, y, held):
    """Minimise mean squares + sum held w^2 / 2 with a free intercept."""
    mean_x, mean_y = X.mean(axis=0), y.mean(axis=0)
    Z = X - mean_x
    return np.linalg.solve(2 * Z.T @ Z / len(X) + np.diag(held), 2 * Z.T @ (y - mean_y) / len(X)), mean_x, mean_y


def labelled(X):
    """Return the matrix as a DataArray whose columns are named."""
    names = np.array(["a", "b", "c"])[TERMS]
    along = {"term": names, "input": names, "function": np.arange(len(TERMS))}
    coords = {"time": np.arange(len(X)) * 0.01} | {key: ("feature", value) for key, value in along.items()}
    return xr.DataArray(X, dims=("time", "feature"), coords=coords)


def stored(y):
    """Return responses as a DataArray."""
    return xr.DataArray(
        y, dims=("time", "unit"), coords={"time": np.arange(len(y)) * 0.01, "unit": np.arange(y.shape[1])}
    )


def arrays(X, y, observations="poisson", **strength):
    """Fit arrays with a strength for each term."""
    penalty = {"ridge": {"strength": {"per": "term", **strength}, "scale": "raw"}}
    settings = Fit.model_validate(
        {"penalty": penalty, "observations": observations, "folds": {"blocks": 4, "gap": "10 ms"}}
    )
    return fit_arrays(
        labelled(X), stored(y), model=Model(terms=("a", "b", "c")), fit=settings, name="m", bin=0.01, seed=4
    )


def test_search_on_gaussian_responses_is_himalayas_group_ridge():
    X, y, _, _ = drawn("gaussian")
    X, y = X[:800], y[:800]
    fits = arrays(X, y, "gaussian", by="search", candidates=15, between=[1e-4, 1.0])
    relative = draw_shares(15, 3, seed=4)
    strengths = np.geomspace(1e-4, 1.0, 15)
    np.testing.assert_allclose(fits["strength"], strengths)
    scored = fits["scored"].values
    best, coef = group_ridge_cv(X, y, scored, strengths, relative)
    # himalaya sums squared errors, we sum log-likelihoods of each fold's own variance: near ties may differ
    same = fits["chosen"].values == best
    assert same.mean() >= 0.75
    np.testing.assert_allclose(fits["coef"].values[same], coef[same], atol=1e-5)
    np.testing.assert_allclose(fits["term_strength"], strengths[fits["chosen"]][:, None] * relative[fits["chosen"]])


def test_held_out_rows_have_no_part_in_the_strengths_that_they_are_scored_at():
    X, y, _, _ = drawn()
    X, y = X[:1200], y[:1200]
    fits = arrays(X, y)
    scored = fits["scored"].values[1]
    other = y.copy()
    other[scored] = np.random.default_rng(9).permutation(other[scored])  # the fold's responses, in another order
    again = arrays(X, other)
    kept, moved = (store["fold_coef"].isel(fold=1).values for store in (fits, again))
    np.testing.assert_allclose(moved, kept, atol=2e-4)
    assert np.abs(again["coef"] - fits["coef"]).max() > 2e-2
    assert (fits["test_log_likelihood"].isel(fold=1) != again["test_log_likelihood"].isel(fold=1)).all()


def test_effective_parameters_of_a_fit_are_those_of_its_terms():
    X, y, _, _ = drawn()
    fits = arrays(X[:1200], y[:1200])
    total = fits["term_parameters"].sum("penalised_term") + 1
    np.testing.assert_allclose(total, fits["effective_parameters"], rtol=0.02, atol=0.1)
    told = relative_strengths(fits, 2)
    assert list(told) == ["a", "b", "c"]
    np.testing.assert_allclose(list(told.values()), fits["term_strength"].values[2])


def test_what_cannot_be_is_said():
    X, y, train, test = drawn()
    with pytest.raises(ProblemError, match="one strength"):
        fit_splits(X, y, train, test, strengths=(1.0, 2.0), penalty=Ridge(), terms=TERMS)
    with pytest.raises(ProblemError, match="by: search"):
        arrays(X[:400], y[:400], "negative_binomial")
    with pytest.raises((StudyError, ValueError), match="ridge and smoothness"):
        Fit.model_validate({"penalty": {"lasso": {"strength": {"per": "term"}}}})
    with pytest.raises((StudyError, ValueError), match="go with by: search"):
        Fit.model_validate({"penalty": {"ridge": {"strength": {"per": "term", "candidates": 9}}}})


@pytest.mark.parametrize("by", ["evidence", "search"])
def test_a_test_of_a_model_with_strengths_of_terms_is_refused_in_words(by):
    config = yaml.safe_load((Path(__file__).parents[2] / "config" / "demo_injected_current.yaml").read_text())
    model, entry = next((name, entry) for name, entry in config["models"].items() if entry)
    terms = entry["terms"] if isinstance(entry, dict) else entry
    config["fit"] = {**config.get("fit", {}), "penalty": {"ridge": {"strength": {"per": "term", "by": by}}}}
    config["models"][model] = list(terms)
    assert read_study({**config, "inference": {}}, "s.yaml").fit.penalty.per_term.by == by
    config["inference"] = {"tests": {"t": {"model": model, "term": terms[0]}}}
    with pytest.raises(StudyError, match="strength for each term, which draws cannot be fitted with"):
        read_study(config, "s.yaml")
