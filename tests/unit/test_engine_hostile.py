"""Thirty seeds of problems that break solvers: no crash, the right status, and no harm to healthy units."""

import numpy as np
import pytest
from engine_problems import MODELS, blocks, mean_loss, penalty_of, penalty_value, population, responses

from nwbglm.engine.fit import Status, fit_splits
from nwbglm.engine.observations import BERNOULLI, GAMMA, GAUSSIAN
from nwbglm.engine.penalties import Ridge

RIDGE = Ridge()
ROWS = 600


def hostile(seed):
    """Return features with traps, counts (healthy units first), and the number of healthy units.

    Features: doubled, constant, of scale 1e6 and 1e-6, 1 in the first row only, and one that is never positive when
    the last unit fires. Units: two healthy, one silent, one with one spike, one with a spike in every bin, one of huge
    rate, one separable.
    """
    rng = np.random.default_rng(seed)
    features = int(rng.choice([5, 40]))
    X, y = population(rows=ROWS, features=features, units=2, rate=0.4, seed=seed)
    separable = rng.poisson(0.5, ROWS)
    gate = np.where(separable > 0, 0.0, rng.integers(0, 2, ROWS))
    traps = [
        X[:, 0] * 2 - 1,
        np.full(ROWS, 3.0),
        X[:, 1 % features] * 1e6 + rng.normal(size=ROWS) * 1e5,
        rng.normal(size=ROWS) * 1e-6,
        np.r_[1.0, np.zeros(ROWS - 1)],
        gate,
    ]
    X = np.concatenate([X, np.stack(traps, axis=1)], axis=1)
    one = np.zeros(ROWS, int)
    one[rng.integers(ROWS)] = 1
    sick = [np.zeros(ROWS, int), one, np.ones(ROWS, int), rng.poisson(300.0, ROWS), separable]
    return X, np.concatenate([y, np.stack(sick, axis=1)], axis=1), 2


def uneven_splits(seed):
    """Return folds, one of which tests a single bin and one of which trains on a handful."""
    rng = np.random.default_rng(seed)
    train, test = blocks(ROWS, 3)
    single, few = np.zeros(ROWS, bool), np.zeros(ROWS, bool)
    single[rng.integers(ROWS)] = True
    few[rng.choice(ROWS, 12, replace=False)] = True
    return np.stack([*train, ~single, few]), np.stack([*test, single, ~few])


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 30))])
def test_hostile_problems(seed):
    X, y, healthy = hostile(seed)
    train, test = uneven_splits(seed)
    strengths = (0.0, 1e-3, 1e-1)
    fits = fit_splits(X, y, train, test, strengths=strengths, penalty=RIDGE)
    unpenalised, penalised = fits.status[:, :, 0], fits.status[:, :, 1:]
    silent = fits.train_spikes == 0

    assert ((fits.status == Status.no_spikes) == silent[:, :, None]).all()
    fitted = ~silent[:, :, None] & np.ones_like(penalised, bool)
    assert (penalised[fitted] == Status.ok).all()
    assert np.isfinite(fits.coef).all() and np.isfinite(fits.objective).all() and np.isfinite(fits.gap).all()
    assert not np.isnan(fits.test_log_likelihood).any()
    full = train.sum(axis=1) > ROWS // 2
    assert np.isin(unpenalised[:, full][~silent[:, full]], [Status.rank_deficient, Status.separable]).all()
    assert (unpenalised[-1] == Status.separable).all()
    first_row = train[full][:, 0] & (y[0, :healthy, None] == 0)  # then its own feature separates it
    expected = np.where(first_row, Status.separable, Status.rank_deficient)
    assert (unpenalised[:healthy, full] == expected).all()

    alone = fit_splits(X, y[:, :healthy], train, test, strengths=strengths, penalty=RIDGE)
    np.testing.assert_allclose(fits.objective[:healthy, :, 1:], alone.objective[:, :, 1:], atol=1e-10, rtol=0)
    determined = unpenalised[:healthy] == Status.rank_deficient
    assert np.abs(fits.objective[:healthy, :, 0] - alone.objective[:, :, 0])[determined].max(initial=0) < 1e-10
    # separable: no minimum, and the gap of quasi-Newton cannot tell how far a flat direction still falls
    assert np.abs(fits.objective[:healthy, :, 0] - alone.objective[:, :, 0]).max() < 1e-7
    for unit in range(healthy):
        for split in np.flatnonzero(~silent[unit]):
            rows = train[split]
            assert newton_gap(X[rows], y[rows, unit], fits.coef[unit, split, 2], fits.intercept[unit, split, 2]) < 1e-10


def newton_gap(X, y, coef, intercept, strength=1e-1):
    """Return half the squared Newton decrement at a solution, in plain numpy."""
    sd = np.where(X.std(axis=0) > 0, X.std(axis=0), 1.0)
    Z = np.concatenate([(X - X.mean(axis=0)) / sd, np.ones((len(X), 1))], axis=1)
    mu = np.exp(X @ coef + intercept)
    pull = np.append(strength / sd**2, 0.0)
    gradient = Z.T @ (mu - y) / len(y) + pull * np.append(coef * sd, 0.0)
    hessian = Z.T @ (mu[:, None] * Z) / len(y) + np.diag(pull)
    return 0.5 * gradient @ np.linalg.pinv(hessian, rcond=1e-13) @ gradient


def scales(seed):
    """Return as many well-behaved features as `hostile` has, two of them of scale 1e8 and 1e-8, and who may use what.

    Healthy units see only these; the others the traps as well.
    """
    X, y, healthy = hostile(seed)
    features = X.shape[1] - 6
    X[:, 0] *= 1e8 / X[:, 0].std()
    X[:, 1] *= 1e-8 / X[:, 1].std()
    allowed = np.ones((X.shape[1], y.shape[1]), bool)
    allowed[features:, :healthy] = False
    return X, y, allowed, healthy


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 30))])
def test_healthy_units_without_a_penalty(seed):
    X, y, allowed, healthy = scales(seed)
    train, test = uneven_splits(seed)
    train, test = train[:-1], test[:-1]  # a dozen rows are too few for anybody without a penalty
    strengths = (0.0, 1e-3)
    fits = fit_splits(X, y, train, test, strengths=strengths, penalty=RIDGE, mask=allowed)
    assert (fits.status[:healthy] == Status.ok).all()
    assert np.isin(fits.status[healthy:, :, 0], [Status.no_spikes, Status.rank_deficient, Status.separable]).all()
    mine = allowed[:, 0]
    alone = fit_splits(X[:, mine], y[:, :healthy], train, test, strengths=strengths, penalty=RIDGE)
    np.testing.assert_allclose(fits.objective[:healthy], alone.objective, atol=1e-10, rtol=0)
    likelihood = fits.test_log_likelihood[:healthy] / np.maximum(fits.test_rows[:healthy, :, None], 1)
    expected = alone.test_log_likelihood / np.maximum(alone.test_rows[:, :, None], 1)
    np.testing.assert_allclose(likelihood, expected, atol=1e-4)
    for unit, split in np.ndindex(healthy, len(train)):
        rows = train[split]
        coef, intercept = fits.coef[unit, split, 0][mine], fits.intercept[unit, split, 0]
        assert newton_gap(X[rows][:, mine], y[rows, unit], coef, intercept, 0.0) < 2e-10


def sick_responses(observations):
    """Return three units: (almost) nothing, the same in every row, and all in one row."""
    one = np.zeros(ROWS)
    one[ROWS // 2] = 1
    if observations is GAUSSIAN:
        return np.stack([np.zeros(ROWS), np.full(ROWS, 3.0), 1e3 * one], axis=1)
    if observations is GAMMA:
        return np.stack([np.full(ROWS, 1e-9), np.ones(ROWS), 1e-6 + one], axis=1)
    return np.stack([np.zeros(ROWS), np.ones(ROWS), one], axis=1)


@pytest.mark.parametrize(("features", "kind"), [(6, "lasso"), (40, "ridge")])
@pytest.mark.parametrize("observations", MODELS, ids=lambda model: model.name)
def test_sick_units_of_each_model_harm_nobody(observations, features, kind):
    X, y = responses(observations, features, rows=ROWS)
    X = np.concatenate([X, X[:, :1] * 1e8, np.full((ROWS, 1), 3.0), 1e-8 * X[:, 1:2] ** 2], axis=1)
    y[ROWS // 2] = np.maximum(y[ROWS // 2], 1)
    both = np.concatenate([y, sick_responses(observations)], axis=1)
    train, test = uneven_splits(0)
    train = np.concatenate([train, np.arange(ROWS)[None] == ROWS // 2])  # a single bin to learn from
    test = np.concatenate([test, ~train[-1:]])
    penalty, strengths = penalty_of(kind, X.shape[1]), (1e-2, 1e-1)
    options = {"strengths": strengths, "penalty": penalty, "observations": observations}
    fits, alone = (fit_splits(X, units, train, test, **options) for units in (both, y))
    assert (fits.status[:2] == alone.status).all() and (alone.status[:, :-1] == Status.ok).all()
    assert (alone.status[:, -1] == (Status.separable if observations is BERNOULLI else Status.ok)).all()
    for unit, split, i in zip(*np.nonzero(alone.status == Status.ok), strict=True):
        rows, least = train[split], []
        for found in (fits, alone):
            coef, dispersion = found.coef[unit, split, i], found.dispersion[unit, split, i]
            added = strengths[i] * penalty_value(penalty, coef)
            eta = X[rows] @ coef + found.intercept[unit, split, i]
            value = mean_loss(observations, y[rows, unit], eta, dispersion) + added
            assert abs(value - found.objective[unit, split, i]) < 1e-11 * (1 + abs(value))
            # what was minimised: with a scale, the loss and not the likelihood at its scale
            likelihood = found.train_log_likelihood[unit, split, i] / rows.sum()
            least.append(added - likelihood if observations.scale is None else value)
        assert abs(least[0] - least[1]) < 1e-10
    silent = observations not in (GAUSSIAN, GAMMA)
    assert np.isfinite(fits.coef).all() and not np.isnan(fits.intercept).any() and np.isfinite(fits.objective).all()
    assert (fits.status[2] == (Status.no_spikes if silent else Status.ok)).all()
    assert (fits.status[3] == (Status.separable if observations is BERNOULLI else Status.ok)).all()
    expected = np.where(silent & (fits.train_spikes[4] == 0), Status.no_spikes, Status.ok)
    assert (fits.status[4, :-1] == expected[:-1, None]).all()
    # its single bin, a thousand times what it is elsewhere: either is honest
    assert np.isin(fits.status[4, -1], [alone.status[0, -1, 0], Status.not_converged]).all()


@pytest.mark.parametrize("seed", range(5))
def test_rows_with_nan_that_no_split_uses_do_not_matter(seed):
    X, y = population(rows=ROWS, features=6, units=2, seed=seed)
    train, test = blocks(ROWS, 3)
    bad = np.random.default_rng(seed).random(ROWS) < 0.1
    train, test = train & ~bad, test & ~bad
    broken = np.where(bad[:, None], np.nan, X)
    clean = fit_splits(X, y, train, test, strengths=(1e-2,), penalty=RIDGE)
    fits = fit_splits(broken, y, train, test, strengths=(1e-2,), penalty=RIDGE)
    np.testing.assert_array_equal(fits.coef, clean.coef)
