"""Lasso, elastic net and group lasso: optimality over all coefficients, in plain numpy, screened-out ones included."""

import jax
import numpy as np
import pytest
from engine_problems import MODELS, blocks, mean_loss, named_penalty, population, responses

from nwbglm.engine.corners import descent, screening, working_set
from nwbglm.engine.corners.reduced import BlockNorms, minimise
from nwbglm.engine.data.build import build_problem
from nwbglm.engine.data.problem import Problem
from nwbglm.engine.fit import Status, fit_splits
from nwbglm.engine.objective import Fits
from nwbglm.engine.observations import BERNOULLI, GAMMA, GAUSSIAN, NEGATIVE_BINOMIAL, POISSON, POISSON_SOFTPLUS
from nwbglm.engine.penalties import GroupLasso, Lasso
from nwbglm.engine.smooth.newton import exact_hessians

FEATURES = 24
GROUPS = np.repeat([0, 1, 2, 3, 4], [1, 2, 3, 6, 12])


def slopes(observations, y, eta, dispersion=1.0, exposure=1.0):
    """Return the derivative of each row's loss in the linear predictor."""
    sigmoid = 1 / (1 + np.exp(-eta))
    if observations is POISSON:
        return exposure * np.exp(eta) - y
    if observations is POISSON_SOFTPLUS:
        return sigmoid * (exposure - y / np.logaddexp(0, eta))
    if observations is BERNOULLI:
        return sigmoid - y
    if observations is GAUSSIAN:
        return 2 * (eta - y)
    if observations is GAMMA:
        return 1 - y * np.exp(-eta)
    assert observations is NEGATIVE_BINOMIAL
    mu = exposure * np.exp(eta)
    return (mu - y) / (1 + dispersion * mu)


def penalty_slopes(penalty, coef, slope, strength):
    """Return the least subgradient of loss and penalty in raw features, and the penalty's value."""
    scale = np.ones(len(coef)) if penalty.scale is None else penalty.scale
    share = penalty.ratio if penalty.kind == "elastic_net" else 1.0
    groups = penalty.groups if penalty.kind == "group_lasso" else np.arange(len(coef))
    square = strength * (1 - share)
    total, value = slope + square * scale**2 * coef, 0.5 * square * np.sum((scale * coef) ** 2)
    for group in np.unique(groups):
        inside = (groups == group) & (scale > 0)
        weight, v = strength * share * np.sqrt(inside.sum()), (scale * coef)[inside]
        g, size = total[inside] / scale[inside], np.linalg.norm(v)
        least = g + weight * v / size if size > 0 else g * max(0.0, 1 - weight / max(np.linalg.norm(g), 1e-99))
        total[inside] = least * scale[inside]
        value += weight * size
    return total, value


def certify(fits, X, y, train, strengths, penalty, observations=POISSON, exposure=None, allowed=None):
    """Return, for all fits, the largest norm of the least subgradient (standardised) and check the reported numbers."""
    largest = 0.0
    sd = X[train.any(axis=0)].std(axis=0)
    for unit, split, i in np.ndindex(fits.intercept.shape):
        rows = train[split] & (True if exposure is None else exposure[:, unit] > 0)
        x, mine = X[rows], np.ones(X.shape[1], bool) if allowed is None else allowed[:, unit]
        e = 1.0 if exposure is None else exposure[rows, unit]
        coef, dispersion = fits.coef[unit, split, i], fits.dispersion[unit, split, i]
        assert not coef[~mine].any()
        eta = x @ coef + fits.intercept[unit, split, i]
        r = slopes(observations, y[rows, unit], eta, dispersion, e)
        centred = x - X[train.any(axis=0)].mean(axis=0)
        least, value = penalty_slopes(penalty, coef, centred.T @ r / rows.sum(), strengths[i])
        norm = np.linalg.norm(np.append((least / sd)[mine], r.mean()))
        assert abs(norm - fits.gradient_norm[unit, split, i]) < 1e-7 + 1e-3 * norm
        if exposure is None:
            loss = mean_loss(observations, y[rows, unit], eta, dispersion)
            assert abs(loss + value - fits.objective[unit, split, i]) < 1e-11 * (1 + abs(loss))
        largest = max(largest, norm)
    return largest


def penalty_for(kind, scale=None):
    return named_penalty(kind, ratio=0.4, groups=GROUPS if kind == "group_lasso" else None, scale=scale)


@pytest.mark.parametrize("kind", ["lasso", "elastic_net", "group_lasso"])
@pytest.mark.parametrize("observations", MODELS, ids=lambda model: model.name)
def test_every_model_is_optimal_over_all_coefficients(observations, kind):
    X, y = responses(observations, FEATURES, rows=800)
    train, test = blocks(len(X), 3)
    strengths = (0.2, 3e-2, 5e-3)
    penalty = penalty_for(kind)
    options = {"strengths": strengths, "penalty": penalty, "observations": observations, "gap": 1e-13}
    fits = fit_splits(X, y, train, test, **options)
    assert (fits.status == Status.ok).all()
    assert (fits.gap <= 1e-13).all()
    assert certify(fits, X, y, train, strengths, penalty, observations) < 1e-5
    kept = (fits.coef != 0).sum(axis=-1)
    assert kept[:, :, 0].mean() < kept[:, :, 2].mean() and (kept < FEATURES).any()


@pytest.mark.parametrize("kind", ["lasso", "elastic_net", "group_lasso"])
@pytest.mark.parametrize("features", ["narrow", "wide"])
def test_scales_and_free_features(kind, features):
    X, y = population(rows=900, features=FEATURES, units=2, rate=0.3, seed=4, spread=0.5)
    if features == "wide":  # beyond exact Newton's width, with a copy in float32
        X = np.concatenate([X, population(rows=900, features=FEATURES, units=1, seed=5)[0]], axis=1)
    scale = X.std(axis=0)
    scale[[2, 7, 20]] = 0.0  # unpenalised, the last two inside groups
    groups = np.concatenate([GROUPS, GROUPS + 5])[: X.shape[1]]
    penalty = named_penalty(kind, ratio=0.4, groups=groups if kind == "group_lasso" else None, scale=scale)
    train, test = blocks(len(X), 3)
    strengths = (0.3, 5e-2, 1e-2)
    fits = fit_splits(X, y, train, test, strengths=strengths, penalty=penalty, gap=1e-13)
    assert (fits.status == Status.ok).all()
    assert certify(fits, X, y, train, strengths, penalty) < 1e-5
    assert (fits.coef[..., [2, 7, 20]] != 0).all()
    assert (fits.coef[:, :, 0] == 0).sum() > 20


@pytest.mark.parametrize("kind", ["lasso", "group_lasso"])
def test_exposure_and_own_features_held_out(kind):
    rng = np.random.default_rng(8)
    X, y = population(rows=1200, features=FEATURES, units=3, rate=0.4, seed=6, spread=0.3)
    exposure = rng.choice([0.0, 0.5, 1.0], p=[0.05, 0.25, 0.7], size=y.shape)
    y = rng.binomial(y, exposure)
    allowed = np.ones((FEATURES, 3), bool)
    allowed[0, 0] = allowed[1:6, 1] = False  # a part of a group, and whole ones
    penalty = penalty_for(kind)
    train, test = blocks(len(X), 2)
    strengths = (5e-2, 5e-3)
    options = {"strengths": strengths, "penalty": penalty, "exposure": exposure, "gap": 1e-13}
    fits = fit_splits(X, y, train, test, mask=allowed, **options)
    assert (fits.status == Status.ok).all()
    assert (fits.coef != 0).any()
    if kind == "lasso":
        assert certify(fits, X, y, train, strengths, penalty, exposure=exposure, allowed=allowed) < 1e-5
    # a feature that a unit may not use is as one that is not there; a group keeps the weight of all its members
    without = fit_splits(X[:, 6:], y[:, 1:2], train, test, strengths=strengths, exposure=exposure[:, 1:2], gap=1e-13,
        penalty=named_penalty(kind, groups=GROUPS[6:] if kind == "group_lasso" else None))  # fmt: skip
    only = np.zeros((FEATURES, 3), bool)
    only[6:] = True
    held = fit_splits(X, y, train, test, mask=only, **options)
    np.testing.assert_allclose(held.objective[1], without.objective[0], atol=1e-12)
    np.testing.assert_allclose(held.coef[1][..., 6:], without.coef[0], atol=1e-5)


def correlated(seed, rows=60, features=30):
    """Return features from a few sources, and a Gaussian response: where the strong rule may fail."""
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(features, 6))
    X = rng.normal(size=(rows, 6)) @ mix.T + 0.4 * rng.normal(size=(rows, features))
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    return X, (X @ rng.normal(size=features) * 0.3 + rng.normal(size=rows))[:, None]


def test_right_where_the_strong_rule_is_wrong(monkeypatch):
    X, y = correlated(17)
    everything = np.ones((1, len(X)), bool)
    largest = 2 * np.abs(X.T @ (y[:, 0] - y.mean())).max() / len(X)
    path = tuple(0.9 * largest * 0.85 ** np.arange(18))
    before: list[np.ndarray] = []
    run = descent.Descent.run
    monkeypatch.setattr(
        descent.Descent, "run", lambda self, **how: (before.append(self.sets.inside[0].copy()), run(self, **how))
    )
    options = {"observations": GAUSSIAN, "penalty": Lasso(), "gap": 1e-14}
    fits = fit_splits(X, y, everything, ~everything, strengths=path, **options)
    assert (fits.status == Status.ok).all()
    assert certify(fits, X, y, everything, path, Lasso(), GAUSSIAN) < 1e-6
    failed = 0
    for i in range(17):
        gradient = 2 * X.T @ (X @ fits.coef[0, 0, i] + fits.intercept[0, 0, i] - y[:, 0]) / len(X)
        discarded = np.abs(gradient) < 2 * path[i + 1] - path[i]
        wrong = discarded & (fits.coef[0, 0, i + 1] != 0)
        failed += np.count_nonzero(wrong & ~before[i + 1][: X.shape[1]])
    assert failed  # the rule was wrong, and the solver had believed it


@pytest.mark.parametrize("kind", ["lasso", "group_lasso"])
def test_screening_never_decides(kind, monkeypatch):
    X, y = population(rows=900, features=FEATURES, units=2, rate=0.3, seed=4, spread=0.2)
    train, test = blocks(len(X), 3)
    strengths = (0.1, 3e-2, 1e-2, 3e-3)
    found = []
    for coarse in (0.0, 0.8, 1e6):  # keep all, as it is, keep none
        monkeypatch.setattr(screening, "LEAST_THRESHOLD", coarse)
        fits = fit_splits(X, y, train, test, strengths=strengths, penalty=penalty_for(kind), gap=1e-14)
        assert (fits.status == Status.ok).all()
        found.append(fits)
    for other in found[1:]:
        np.testing.assert_allclose(other.objective, found[0].objective, atol=1e-13)
        np.testing.assert_allclose(other.coef, found[0].coef, atol=1e-5)


def test_strengths_that_leave_nothing_cost_next_to_nothing(monkeypatch):
    X, y = population(rows=900, features=40, units=3, rate=0.3, seed=2, spread=0.2)
    train, test = blocks(len(X), 3)
    most = np.abs(X.T @ (y - y.mean(axis=0))).max() / len(X)
    passes = []
    sums = Problem.sums

    def counted(self, theta, *fits, order):
        passes.append(len(theta) * order)  # gradients; scores are of order 0
        return sums(self, theta, *fits, order=order)

    monkeypatch.setattr(Problem, "sums", counted)
    monkeypatch.setattr(Problem, "compact_grams", None)
    fits = fit_splits(X, y, train, test, strengths=tuple(most * np.linspace(2, 10, 30)), penalty=Lasso())
    assert (fits.status == Status.ok).all()
    assert not fits.coef.any() and (fits.gap == 0).all()
    np.testing.assert_allclose(np.exp(fits.intercept), np.repeat(fits.null_rate[:, :, None], 30, axis=2), rtol=1e-12)
    assert sum(passes) <= 2 * 3 * 4  # two passes for each unit and split, not for each of the 360 fits


def test_recovers_a_sparse_truth():
    rng = np.random.default_rng(12)
    X = rng.normal(size=(8000, 40)) + 0.5 * rng.normal(size=(8000, 1))
    truth = np.zeros(40)
    truth[[3, 11, 30]] = 0.4, -0.3, 0.25
    y = rng.poisson(np.exp(-1 + X @ truth))[:, None]
    train, test = blocks(len(X), 4)
    strengths = tuple(0.3 * 10.0 ** -np.linspace(0, 3, 10))
    fits = fit_splits(X, y, train, test, strengths=strengths, penalty=Lasso())
    held_out = fits.test_log_likelihood[0, :4].sum(axis=0)
    best = int(held_out.argmax())
    assert 0 < best < 9
    coef = fits.coef[0, 4, best]
    assert np.abs(coef - truth).max() < 0.05
    sparse = fits.coef[0, 4, held_out.tolist().index(max(held_out[:best]))]
    assert set(np.flatnonzero(np.abs(sparse) > 0.02)) == {3, 11, 30}
    groups = np.arange(40) // 4
    fits = fit_splits(X, y, train, test, strengths=(0.03,), penalty=GroupLasso(groups=groups))
    assert set(groups[np.flatnonzero(fits.coef[0, 4, 0])]) == {0, 2, 7}


@pytest.mark.parametrize("kind", ["lasso", "group_lasso"])
def test_float32(kind):
    X, y = population(rows=3000, features=FEATURES, units=2, rate=0.3, seed=9, spread=0.2)
    train, test = blocks(len(X), 3)
    options = {"strengths": (5e-2, 1e-2, 2e-3), "penalty": penalty_for(kind)}
    exact = fit_splits(X, y, train, test, **options)
    fits = fit_splits(X, y, train, test, dtype="float32", gap=1e-9, **options)
    assert (fits.status == Status.ok).all()
    np.testing.assert_allclose(fits.objective, exact.objective, atol=1e-6)
    np.testing.assert_allclose(fits.coef, exact.coef, atol=3e-3 * np.abs(exact.coef).max())


@pytest.mark.parametrize("features", [8, 40])
def test_sick_units_change_no_healthy_one(features):
    rng = np.random.default_rng(3)
    X, y = population(rows=700, features=features, units=2, rate=0.4, seed=3, spread=0.2)
    gate = rng.integers(0, 2, 700).astype(float)
    X = np.concatenate([X, gate[:, None], 1e7 * rng.normal(size=(700, 1))], axis=1)
    separable = np.where(gate > 0, 0, rng.poisson(0.5, 700))
    one = np.zeros(700, int)
    one[300] = 1
    sick = np.stack([separable, np.zeros(700, int), one, rng.poisson(300.0, 700)], axis=1)
    scale = np.ones(features + 2)
    scale[features] = 0.0  # the gate is free: nothing holds it back in the unit that it separates
    train, test = blocks(700, 3)
    options = {"strengths": (0.1, 1e-2), "penalty": Lasso(scale=scale)}
    both = fit_splits(X, np.concatenate([y, sick], axis=1), train, test, **options)
    alone = fit_splits(X, y, train, test, **options)
    assert (alone.status == Status.ok).all() and (both.status[:2] == Status.ok).all()
    np.testing.assert_allclose(both.objective[:2], alone.objective, atol=1e-10)
    assert (both.status[2] == Status.separable).all()
    assert (both.status[3] == Status.no_spikes).all()
    assert np.isfinite(both.coef).all()


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("block", [1, 5])
def test_minimum_of_a_quadratic_with_corners(seed, block):
    rng = np.random.default_rng(seed)
    size = 40
    sources = rng.normal(size=(12 if seed % 3 == 0 else 60, size)) @ (np.eye(size) + rng.normal(size=(size, size)))
    hessian = sources.T @ sources / len(sources) + 1e-8 * np.eye(size)  # every third one all but singular
    start, slope = rng.normal(size=size) * (rng.random(size) < 0.5), sources.T @ rng.normal(size=len(sources)) / 20
    weight = np.full(size // block, 10.0 ** rng.uniform(-1.5, 1))
    weight[-1] = 0.0
    norms = BlockNorms(weight, np.arange(size) // block, np.arange(0, size + 1, block))
    best, gain = start, 0.0
    for _ in range(6):  # a share of a gain is left each time
        at = slope + hessian @ (best - start)
        best, more = minimise(hessian, at, best, norms, 1e-15)
        gain += more
    step = best - start
    fall = norms.value(start) - norms.value(best) - slope @ step - 0.5 * step @ hessian @ step
    assert abs(fall - gain) < 1e-9 * (1 + abs(fall))
    at = slope + hessian @ step
    for b, hold in enumerate(weight):
        inside = slice(b * block, (b + 1) * block)
        norm = np.linalg.norm(best[inside])
        left = np.linalg.norm(at[inside] + hold * best[inside] / norm) if norm else np.linalg.norm(at[inside]) - hold
        assert left < 1e-5


def made(train, test, features=6):
    """Return a problem over splits, and the index of all training rows."""
    X, y = population(rows=train.shape[1], features=features, units=2, rate=0.4, seed=1)
    union = train.any(axis=0)
    masks = np.stack([*train, *test, union])
    return build_problem(
        X, y, masks, union, penalty=Lasso(), observations=POISSON, exposure=None, allowed=None,
        dtype="float64", fits=8, mixed=False, memory=None,
    )  # fmt: skip


def test_rows_are_divided_where_the_splits_allow_it():
    train, test = blocks(600, 3)
    train, test = train[:3], test[:3]
    purged = train & ~np.roll(test, 10, axis=1)
    parts, shares = working_set.divide_rows(made(purged, test), 6)
    assert set(parts) == {3, 4, 5}
    np.testing.assert_allclose(shares[:3], [[1 - np.mean(~p[t]) for t in test] for p in purged])
    parts, _ = working_set.divide_rows(made(train[:1], test[:1]), 2)
    assert list(parts) == [0] or list(parts) == [2]
    overlapping = np.stack([np.arange(600) < 400, np.arange(600) > 200])
    parts, shares = working_set.divide_rows(made(overlapping, overlapping[:, ::-1] & False), 4)
    assert list(parts) == [4] and shares[4] == 1
    np.testing.assert_allclose(shares[:2, 0], [400 / 600, 399 / 600])


def test_hessians_of_splits_from_their_parts():
    train, test = blocks(600, 3)
    train, test = train[:3], test[:3]
    with jax.enable_x64(True):
        problem = made(train, test)
        parts, shares = working_set.divide_rows(problem, 6)
        sets = working_set.WorkingSets(problem, screening.Blocks.of_problem(problem), np.arange(2), parts, shares)
        fits = Fits(np.array([0, 1, 1]), np.array([0, 2, 6]), np.full(3, 0.1), np.ones(3))
        theta = 0.2 * np.random.default_rng(0).normal(size=(2, problem.width))
        wanted = np.zeros((2, problem.width), bool)
        wanted[0, [1, 4]] = wanted[1, [0, 2, 3]] = True
        assert sets.add(np.arange(2), wanted).tolist() == [0, 1]
        sets.take_hessians(np.arange(2), theta, np.ones(2))
        expected = exact_hessians(problem, fits, theta[fits.unit])
    for c, unit in enumerate(fits.unit):
        members = sets.members[unit]
        assert set(members) == set(np.flatnonzero(wanted[unit])) | {problem.width - 1}
        got = sets.hessian(unit, fits, c)
        np.testing.assert_allclose(got, expected[c][np.ix_(members, members)], rtol=1e-9, atol=1e-12)
