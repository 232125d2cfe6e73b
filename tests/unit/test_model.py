"""A model's fits equal scikit-learn's on the same rows; strengths are chosen without the rows that are then scored."""

import json
import logging

import numpy as np
import pytest
import scipy.stats
from scipy.special import gammaln
from sklearn.linear_model import PoissonRegressor
from small_sessions import RIDGE, TERMS, Stages, binned_session, head_direction_session

from nwbglm import limits, store
from nwbglm.comparison.scored import score_fit
from nwbglm.engine import limits as engine_limits
from nwbglm.errors import ProblemError
from nwbglm.fits import rows
from nwbglm.fits.choice import choose_nested, choose_strength, choose_without_each_fold
from nwbglm.fits.design import Design
from nwbglm.study import Term


@pytest.fixture(scope="module")
def stages():
    return Stages(head_direction_session(), TERMS)


def sklearn_fit(x, y, strength, scale):
    model = PoissonRegressor(alpha=strength, solver="newton-cholesky", tol=1e-13, max_iter=300)
    model.fit(x / scale, y)
    return model.coef_ / scale, model.intercept_


def log_likelihood(y, x, coef, intercept):
    mu = np.exp(x @ coef + intercept)
    return (y * np.log(mu) - mu - gammaln(y + 1)).sum()


# ---------------------------------------------------------------- against scikit-learn


@pytest.mark.parametrize("scale", ["sd", "raw"])
@pytest.mark.parametrize("terms", [("coupling",), ("drive", "coupling"), ("history", "drive"), ("heading",)])
def test_fits_and_scores_are_scikit_learns(stages, terms, scale):
    fits = stages.fit(*terms, penalty={"ridge": RIDGE["ridge"] | {"scale": scale}})
    shared, folds = stages.folds["shared"].values, stages.folds
    for u, unit in enumerate(stages.binned["unit"].values):
        x = np.concatenate([stages.design(term, unit) for term in terms], axis=1)
        y = stages.counts[:, u]
        sd = x[shared].std(axis=0) if scale == "sd" else np.ones(x.shape[1])
        strength = fits["strength"].values[fits["chosen"].values[u]]
        coef, intercept = sklearn_fit(x[shared], y[shared], strength, sd)
        np.testing.assert_allclose(fits["coef"].values[u] * sd, coef * sd, rtol=1e-5, atol=1e-7)
        assert fits["intercept"].values[u] == pytest.approx(intercept, rel=1e-6)
        k = 2
        train, test = folds["train"].values[k] & shared, folds["test"].values[k] & shared
        for s, strength in enumerate(fits["strength"].values):
            coef, intercept = sklearn_fit(x[train], y[train], strength, sd)
            expected = log_likelihood(y[test], x[test], coef, intercept)
            assert fits["test_log_likelihood"].values[u, k, s] == pytest.approx(expected, rel=1e-7)
        mean = np.full(test.sum(), y[train].mean())
        expected = (y[test] * np.log(mean) - mean - gammaln(y[test] + 1)).sum()
        assert fits["null_test_log_likelihood"].values[u, k] == pytest.approx(expected)
        assert fits["test_spikes"].values[u, k] == y[test].sum()
        assert fits["test_rows"].values[u, k] == test.sum()
    assert (fits["status"].values == 0).all()


def test_the_constant_model_is_the_mean_rate(stages):
    fits = stages.fit(penalty="none")
    shared = stages.folds["shared"].values
    np.testing.assert_allclose(np.exp(fits["intercept"].values), stages.counts[shared].mean(axis=0), rtol=1e-10)
    np.testing.assert_allclose(fits["log_likelihood"].values, fits["null_log_likelihood"].values, rtol=1e-12)
    assert fits["coef"].shape == (3, 0)
    assert json.loads(fits.attrs["terms"]) == []


def test_other_spikes_leave_out_the_units_own(stages):
    fits = stages.fit("others", penalty={"ridge": {"strength": 1e-3, "scale": "raw"}})
    shared, x = stages.folds["shared"].values, stages.design("others")
    for u, unit in enumerate(stages.binned["unit"].values):
        others = fits["input"].values != str(unit)
        coef, _ = sklearn_fit(x[shared][:, others], stages.counts[shared, u], 1e-3, 1.0)
        np.testing.assert_allclose(fits["coef"].values[u, others], coef, rtol=1e-5, atol=1e-8)
        assert (fits["coef"].values[u, ~others] == 0).all()


def test_relative_strengths_act_on_their_term_alone(stages):
    fits = stages.fit(
        "drive", "coupling", penalty={"ridge": {"strength": 0.1, "scale": "raw", "relative": {"drive": 0}}}
    )
    shared = stages.folds["shared"].values
    x = np.concatenate([stages.design("drive"), stages.design("coupling")], axis=1)[shared]
    y, coef = stages.counts[shared, 0], fits["coef"].values[0]
    slope = x.T @ (np.exp(x @ coef + fits["intercept"].values[0]) - y) / len(y)
    np.testing.assert_allclose(slope, -0.1 * np.where(np.arange(len(coef)) == 0, 0.0, coef), atol=1e-7)


def test_own_rows_use_all_that_the_model_can(stages):
    shared, own = stages.fit("drive"), stages.fit("drive", rows="own")
    assert (shared["rows"].values == 3990).all()
    assert (own["rows"].values == 4000).all()
    x, y = stages.design("drive"), stages.counts[:, 1]
    coef, _ = sklearn_fit(x, y, own["strength"].values[own["chosen"].values[1]], x.std(axis=0))
    np.testing.assert_allclose(own["coef"].values[1], coef, rtol=1e-5)


def test_halves_are_fits_of_their_own(stages):
    fits = stages.fit("history", halves=True, penalty="none")
    shared, half = stages.folds["shared"].values, stages.folds["half"].values
    assert fits["half_rows"].values.tolist() == [[1990, 2000]] * 3
    assert fits["fit"].values.tolist() == ["0", "1", "2", "3", "final", "half0", "half1"]
    rows = shared & (half == 1)
    coef, _ = sklearn_fit(stages.design("history", 2)[rows], stages.counts[rows, 1], 0.0, 1.0)
    np.testing.assert_allclose(fits["half_coef"].values[1, 1], coef, rtol=1e-5)


def test_explicit_test_epochs_are_scored_by_the_final_fit():
    train, test = np.arange(4000) < 2500, np.arange(4000) >= 3000
    stages = Stages(head_direction_session(in_epoch={"fit": train | test, "train": train, "test": test}), ["coupling"])
    fits = stages.fit("coupling")
    assert fits["fold"].values.tolist() == ["0", "1", "2", "3", "test"]
    x, y, shared = stages.design("coupling"), stages.counts, stages.folds["shared"].values
    rows = stages.folds["test"].values[4] & shared
    assert rows.sum() == 1000
    for u in range(3):
        coef, intercept, chosen = fits["coef"].values[u], fits["intercept"].values[u], fits["chosen"].values[u]
        expected = log_likelihood(y[rows, u], x[rows], coef, intercept)
        assert fits["test_log_likelihood"].values[u, 4, chosen] == pytest.approx(expected, rel=1e-10)
        assert fits["fold_chosen"].values[u, 4] == chosen
        np.testing.assert_array_equal(fits["fold_coef"].values[u, 4], coef)
        assert fits["rows"].values[u] == 2490
    alone = Stages(stages.binned, ["coupling"], blocks=0).fit("coupling", penalty={"ridge": {"strength": 0.1}})
    assert alone["fold"].values.tolist() == ["test"]


def test_smoothness_acts_on_neighbouring_functions(stages):
    smooth = {"smoothness": {"strength": 0.3, "order": 1}}
    fits = stages.fit("heading", "drive", penalty=smooth)
    shared = stages.folds["shared"].values
    x = np.concatenate([stages.design("heading"), stages.design("drive")], axis=1)[shared]
    y, coef = stages.counts[shared, 0], fits["coef"].values[0]
    slope = x.T @ (np.exp(x @ coef + fits["intercept"].values[0]) - y) / len(y)
    heading = coef[:6]
    # half the sum of squared differences round the circle, and nothing on the drive
    pull = 0.3 * (2 * heading - np.roll(heading, 1) - np.roll(heading, -1))
    np.testing.assert_allclose(slope, -np.append(pull, 0.0), atol=1e-6)


@pytest.mark.parametrize("observations", ["poisson_softplus", "negative_binomial", "bernoulli", "gaussian"])
def test_every_observation_model_maximises_its_likelihood(observations):
    binned = head_direction_session()
    if observations == "bernoulli":
        binned["response"] = binned["response"].clip(max=1)
    stages = Stages(binned, ["coupling"])
    fits = stages.fit("coupling", penalty="none", observations=observations)
    shared = stages.folds["shared"].values
    x, y = stages.design("coupling")[shared], stages.counts[shared, 0]
    fit = fits.isel(unit=0)

    def score(parameters):
        eta = x @ parameters[1:] + parameters[0]
        if observations == "poisson_softplus":
            mu = np.logaddexp(0, eta)
            return (y * np.log(mu) - mu - gammaln(y + 1)).sum()
        if observations == "negative_binomial":
            a = float(fit["dispersion"])
            return scipy.stats.nbinom.logpmf(y, 1 / a, 1 / (1 + a * np.exp(eta))).sum()
        if observations == "bernoulli":
            return (y * eta - np.logaddexp(0, eta)).sum()
        return scipy.stats.norm.logpdf(y, eta, np.sqrt(((y - eta) ** 2).mean())).sum()  # the variance likeliest there

    at = np.append(float(fit["intercept"]), fit["coef"].values)
    best = score(at)
    assert float(fit["log_likelihood"]) == pytest.approx(best, rel=1e-9)
    for step in np.eye(len(at)) * 1e-2:
        assert score(at + step) < best
        assert score(at - step) < best
    assert (fits["status"].values == 0).all()


@pytest.mark.parametrize("scale", ["sd", "raw"])
@pytest.mark.parametrize("kind", ["lasso", "elastic_net"])
def test_sparse_penalties_meet_their_conditions(stages, kind, scale):
    strength, ratio = 0.02, {"lasso": 1.0, "elastic_net": 0.3}[kind]
    settings = {"strength": strength, "scale": scale} | ({"ratio": ratio} if kind == "elastic_net" else {})
    fits = stages.fit("heading", "coupling", penalty={kind: settings})
    shared = stages.folds["shared"].values
    x = np.concatenate([stages.design("heading"), stages.design("coupling")], axis=1)[shared]
    y, coef = stages.counts[shared, 0], fits["coef"].values[0]
    sd = x.std(axis=0) if scale == "sd" else np.ones(x.shape[1])
    slope = x.T @ (np.exp(x @ coef + fits["intercept"].values[0]) - y) / len(y) / sd
    slope += strength * (1 - ratio) * coef * sd
    zero = coef == 0
    assert 0 < zero.sum() < len(coef)
    assert np.abs(slope[zero]).max() <= strength * ratio * (1 + 1e-6)
    np.testing.assert_allclose(slope[~zero], -strength * ratio * np.sign(coef[~zero]), atol=1e-6)


@pytest.mark.parametrize("groups", ["input", "term"])
def test_group_lasso_drops_whole_groups(stages, groups):
    settings = {"group_lasso": {"strength": 0.012, "groups": groups, "scale": "raw", "relative": {"heading": 0.5}}}
    fits = stages.fit("heading", "coupling", penalty=settings)
    labels = list(zip(fits["term"].values, fits["input"].values, strict=True))
    keys = [key if groups == "input" else key[0] for key in labels]
    norms = np.array([
        [np.linalg.norm(coef[[k == key for k in keys]]) for key in dict.fromkeys(keys)] for coef in fits["coef"].values
    ])  # fmt: skip
    zero = np.array([
        [(coef[[k == key for k in keys]] == 0).all() for key in dict.fromkeys(keys)] for coef in fits["coef"].values
    ])  # fmt: skip
    np.testing.assert_array_equal(zero, norms == 0)
    assert zero.any() and not zero.all()
    shared = stages.folds["shared"].values
    x = np.concatenate([stages.design("heading"), stages.design("coupling")], axis=1)[shared]
    y, coef = stages.counts[shared, 0], fits["coef"].values[0]
    slope = x.T @ (np.exp(x @ coef + fits["intercept"].values[0]) - y) / len(y)
    heading = np.array([key[0] == "heading" for key in labels])
    if norms[0, 0] > 0:
        pull = 0.012 * 0.5 * np.sqrt(heading.sum()) / norms[0, 0]
        np.testing.assert_allclose(slope[heading], -pull * coef[heading], atol=1e-6)


def test_bernoulli_refuses_counts_above_one(stages):
    with pytest.raises(ProblemError, match=r"are 0 or 1, and a bin of unit .* holds [2-9]"):
        stages.fit("coupling", observations="bernoulli")


def test_splines_that_sum_to_one_are_rank_deficient_unless_told_otherwise(stages):
    plain = stages.fit("heading", penalty="none")
    words = np.array(plain["status"].attrs["flag_meanings"].split())
    assert (words[plain["status"].values] == "rank_deficient").all()
    full = Stages(stages.binned, ["full-rank"]).fit("full-rank", penalty="none", rows="own")
    assert (words[full["status"].values] == "ok").all()
    again = Stages(stages.binned, ["heading"]).fit("heading", penalty="none", rows="own")
    # the rates are the same, and so are the scores
    np.testing.assert_allclose(full["log_likelihood"].values, again["log_likelihood"].values, rtol=1e-9)
    np.testing.assert_allclose(full["test_log_likelihood"].values, again["test_log_likelihood"].values, rtol=1e-6)


# ---------------------------------------------------------------- hostile units


def test_sick_units_change_nothing_for_the_others():
    healthy = head_direction_session()
    counts = healthy["response"].values.copy()
    counts = np.column_stack([counts, np.zeros(4000, counts.dtype), np.eye(1, 4000, 100, dtype=counts.dtype)[0]])
    sick = binned_session(
        counts, heading=(healthy["heading"].values, {"period": 2 * np.pi}), drive=healthy["drive"].values
    )
    stages = Stages(sick, ["drive"])
    fits, alone = stages.fit("drive"), Stages(healthy, ["drive"]).fit("drive")
    np.testing.assert_allclose(fits["test_log_likelihood"].values[:3], alone["test_log_likelihood"].values, rtol=1e-10)
    words = np.array(fits["status"].attrs["flag_meanings"].split())
    said = words[fits["status"].values]
    assert (said[:3] == "ok").all()
    assert (said[3] == "no_spikes").all()
    assert said[4, 0, 0] == "no_spikes" and said[4, 1, 0] != "no_spikes"
    assert np.isfinite(fits["coef"].values).all()


def test_a_units_unobserved_bins_are_no_rows_for_it_alone():
    exposure = np.ones((4000, 3))
    exposure[1000:1500, 1] = 0
    exposure[2000:2500, 2] = 0.5
    binned = head_direction_session(exposure=exposure)
    stages = Stages(binned, ["drive", "history"])
    fits = stages.fit("drive", "history", penalty={"ridge": {"strength": 1e-3, "scale": "raw"}})
    assert fits["rows"].values.tolist() == [3990, 3990 - 500 - 10, 3990]
    shared = stages.folds["shared"].values
    rows = shared & (exposure[:, 1] > 0) & stages.folds["unit_shared"].values[:, 1]
    x = np.concatenate([stages.design("drive"), stages.design("history", 2)], axis=1)
    coef, _ = sklearn_fit(x[rows], stages.counts[rows, 1], 1e-3, 1.0)
    np.testing.assert_allclose(fits["coef"].values[1], coef, rtol=1e-5)
    # half an exposure is half the expected count: log-exposure offset, fitted as weighted rates
    x = np.concatenate([stages.design("drive"), stages.design("history", 3)], axis=1)[shared]
    y, e = stages.counts[shared, 2], exposure[shared, 2]
    slope = x.T @ (e * np.exp(x @ fits["coef"].values[2] + fits["intercept"].values[2]) - y) / len(y)
    np.testing.assert_allclose(slope, -1e-3 * fits["coef"].values[2], atol=1e-7)


def test_silent_units_and_constant_features_are_in_the_log(caplog):
    healthy = head_direction_session()
    counts = healthy["response"].values.copy()
    counts[:, 1] = 0
    counts[1000:, 2] = 0
    stages = Stages(binned_session(counts, drive=np.ones(4000)), ["coupling", "drive"])
    with caplog.at_level(logging.WARNING):
        fits = stages.fit("coupling", "drive")
    assert "session small, model model: unit 2 has no spikes in the fitted rows" in caplog.text
    assert "unit 3 has no spikes in the training rows of fold 0" in caplog.text
    assert "features of term drive from drive do not vary" in caplog.text
    assert "features of term coupling from 2 do not vary" in caplog.text
    dead = (fits["input"].values == "2") | (fits["term"].values == "drive")
    assert (fits["coef"].values[:, dead] == 0).all()
    assert fits["status"].values[0, 0, 0] == 0


# ---------------------------------------------------------------- blocks and stores


def test_blocks_of_units_are_the_whole(stages, tmp_path):
    whole = stages.fit("coupling")
    blocks = [stages.fit("coupling", block=f"{b}-of-2") for b in range(2)]
    assert [block["unit"].values.tolist() for block in blocks] == [[1, 3], [2]]
    np.testing.assert_allclose(blocks[0]["coef"].values[1], whole["coef"].values[2], rtol=1e-6)
    empty = stages.fit("coupling", block="5-of-7")
    assert empty.sizes["unit"] == 0
    paths = [tmp_path / f"{i}.zarr.zip" for i in range(3)]
    for path, block in zip(paths, [*blocks, empty], strict=True):
        store.write(block, path, "fits")
    joined = store.read_blocks(paths, like=stages.binned)
    assert joined["unit"].values.tolist() == [1, 2, 3]
    np.testing.assert_allclose(joined["coef"].values, whole["coef"].values, rtol=1e-6)


def test_single_precision_is_close(stages):
    double, single = stages.fit("coupling"), stages.fit("coupling", fit={"precision": "float32", "tolerance": 1e-8})
    np.testing.assert_allclose(single["log_likelihood"].values, double["log_likelihood"].values, rtol=1e-5)
    np.testing.assert_allclose(single["coef"].values, double["coef"].values, rtol=0.02, atol=2e-3)


def test_a_store_of_fits_can_be_read_alone(stages, tmp_path):
    fits = stages.fit("heading", "coupling", halves=True)
    store.write(fits, tmp_path / "fit.zarr.zip", "fits", seed=0)
    again = store.read(tmp_path / "fit.zarr.zip", "fits")
    np.testing.assert_array_equal(again["coef"].values, fits["coef"].values)
    assert again["kernel_coupling"].dims == ("lag_coupling", "function_coupling")
    assert again["values_heading"].dims == ("value_heading", "function_heading")
    assert again["lag_coupling"].values[[0, -1]] == pytest.approx([0.01, 0.1])
    terms = json.loads(again.attrs["term_settings"])
    assert Term.model_validate_json(terms["coupling"]["term"]) == Term.model_validate(TERMS["coupling"])
    assert json.loads(terms["heading"]["bounds"]) == [[0.0, 2 * np.pi]]


# ---------------------------------------------------------------- features larger than memory

LARGE = {
    "shared": (("coupling", "heading", "drive"), {}),
    "own": (("heading", "history", "coupling"), {}),
    "product": (("gain", "drive"), {}),
    "masks": (("others", "drive"), {"penalty": {"ridge": {"strength": 1e-3, "relative": {"drive": 0.1}}}}),
    "groups": (("others", "heading"), {"penalty": {"group_lasso": {"strength": [1e-3, 1e-2]}}}),
    "own rows": (("history", "drive"), {"rows": "own", "halves": True}),
    "responses": (("coupling",), {"observations": "poisson_softplus", "penalty": {"ridge": {"strength": 1e-3}}}),
    "free": (("history", "drive"), {"penalty": "none"}),
    "dispersion": (("coupling",), {"observations": "negative_binomial", "penalty": {"ridge": {"strength": 1e-3}}}),
}


@pytest.fixture(scope="module")
def interrupted_stages():
    exposure = np.ones((4000, 3))
    exposure[1000:1500, 1] = 0
    exposure[2000:2500, 2] = 0.5
    fit = (np.arange(4000) < 2800) | (np.arange(4000) >= 3100)
    binned = head_direction_session(exposure=exposure, segment=np.arange(4000) // 2100, in_epoch={"fit": fit})
    return Stages(binned, TERMS)


@pytest.mark.parametrize("exposed", [False, True])
@pytest.mark.parametrize("case", LARGE)
def test_features_larger_than_memory_give_the_same_fits(stages, interrupted_stages, monkeypatch, case, exposed):
    terms, settings = LARGE[case]
    session = interrupted_stages if exposed else Stages(stages.binned, TERMS)
    kept = session.fit(*terms, **settings)
    longest = refuse_whole_features(monkeypatch)
    made = session.fit(*terms, fit={"memory": "10 kB"}, **settings)
    assert 0 < longest[0] <= 1024
    np.testing.assert_array_equal(made["status"].values, kept["status"].values)
    for name in ("log_likelihood", "test_log_likelihood", "null_test_log_likelihood", "rows", "spikes"):
        np.testing.assert_allclose(made[name].values, kept[name].values, rtol=1e-9, err_msg=name)
    for name in ("coef", "intercept", "fold_coef"):
        np.testing.assert_allclose(made[name].values, kept[name].values, rtol=1e-6, atol=1e-8, err_msg=name)


def refuse_whole_features(monkeypatch):
    """Let features be had in slices only; return where the length of the longest is noted."""
    longest = [0]
    slices = rows.FeatureRows.__getitem__

    def noted(self, key):
        made = slices(self, key)
        longest[0] = max(longest[0], len(made))
        return made

    monkeypatch.setattr(rows.FeatureRows, "__getitem__", noted)
    monkeypatch.setattr(engine_limits, "SCANNED_BYTES", 1)
    monkeypatch.setattr(Design, "matrix", lambda *_: pytest.fail("the whole matrix was made"))
    return longest


def test_features_on_disk_are_never_read_whole(interrupted_stages, monkeypatch, tmp_path):
    session = Stages(interrupted_stages.binned, TERMS)
    kept = session.fit("coupling", "heading", "history")
    monkeypatch.setattr(limits, "CHUNK_BYTES", 30_000)
    monkeypatch.setattr(limits, "HELD_BYTES", 1)
    store.write(session.binned, tmp_path / "binned.zarr.zip", "binned")
    session.binned = store.read(tmp_path / "binned.zarr.zip", "binned")
    for i, term in enumerate(session.features):
        store.write(term, tmp_path / f"{i}.zarr.zip", "features")
        session.features[i] = store.read(tmp_path / f"{i}.zarr.zip", "features")
    assert session.features[3]["features"].encoding["chunks"] == (1250, 6)
    longest = refuse_whole_features(monkeypatch)
    made = session.fit("coupling", "heading", "history", fit={"memory": "10 kB"})
    assert 0 < longest[0] <= 1024
    np.testing.assert_allclose(made["coef"].values, kept["coef"].values, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(made["test_log_likelihood"].values, kept["test_log_likelihood"].values, rtol=1e-9)


# ---------------------------------------------------------------- choice of strength


def test_the_best_strength_has_the_highest_sum_and_ties_go_to_the_larger():
    scores = np.array([[-10.0, -9.0, -12.0], [-10.0, -11.0, -8.0]])
    assert choose_strength(scores, np.array([5, 5]), "best") == 2
    assert choose_strength(scores[:1], np.array([5]), "best") == 1


def test_silent_folds_and_impossible_likelihoods_do_not_decide():
    scores = np.array([[-np.inf, -np.inf], [-3.0, -4.0]])
    assert choose_strength(scores, np.array([5, 5]), "best") == 0
    assert choose_strength(scores[:1], np.array([5]), "best") == 1
    assert choose_strength(np.array([[-np.inf, -9.0], [-1.0, -2.0]]), np.array([5, 5]), "best") == 1
    assert choose_strength(np.array([[np.nan, -9.0]]), np.array([5]), "best") == 1


def test_one_standard_error_is_of_paired_differences():
    # folds differ by hundreds, strengths by one with a spread of 1: only pairing sees that 1 is within reach
    base = np.array([-100.0, -300.0, -500.0, -700.0])
    scores = np.stack([base, base - np.array([2.0, -0.5, 1.5, -1.0]), base - 5.0], axis=1)
    rows = np.full(4, 10)
    assert choose_strength(scores, rows, "best") == 0
    assert choose_strength(scores, rows, "one_se") == 1
    steady = np.stack([base, base - 1.0, base - 5.0], axis=1)
    assert choose_strength(steady, rows, "one_se") == 0


def test_a_folds_strength_ignores_its_own_score():
    scores = np.array([[0.0, -100.0], [-5.0, -1.0], [-5.0, -1.0]])
    rows = np.full(3, 10)
    assert choose_strength(scores, rows, "best") == 0
    assert choose_without_each_fold(scores, rows, "best").tolist() == [1, 0, 0]
    inner = np.broadcast_to(scores, (3, 3, 2)).copy()
    inner[1, 0] = [-50.0, 0.0]
    assert choose_nested(inner, np.full((3, 3), 10), "best").tolist() == [1, 1, 0]


def test_nested_choice_trains_without_both_folds(stages):
    fits = stages.fit("coupling", fit={"nested": True})
    plain = stages.fit("coupling")
    np.testing.assert_allclose(fits["test_log_likelihood"].values, plain["test_log_likelihood"].values, rtol=1e-8)
    shared, folds, x, y = stages.folds["shared"].values, stages.folds, stages.design("coupling"), stages.counts
    train, test = folds["train"].values & shared, folds["test"].values & shared
    sd, u, k = x[shared].std(axis=0), 0, 1
    total = np.zeros(3)
    for j in (0, 2, 3):
        rows, judged = train[k] & train[j], test[j] & train[k]
        for s, strength in enumerate(fits["strength"].values):
            total[s] += log_likelihood(y[judged, u], x[judged], *sklearn_fit(x[rows], y[rows, u], strength, sd))
    assert fits["fold_chosen"].values[u, k] == total.argmax()


def test_the_edge_of_the_path_is_flagged(stages):
    fits = stages.fit("coupling", penalty={"ridge": {"strength": [1e-9, 1e-8, 1e3]}})
    np.testing.assert_array_equal(fits["at_edge"].values, np.isin(fits["chosen"].values, [0, 2]))
    assert not stages.fit("coupling", penalty={"ridge": {"strength": 0.1}})["at_edge"].values.any()


# ---------------------------------------------------------------- errors


def test_impossible_problems_are_said_with_session_and_model(stages):
    short = Stages(head_direction_session(100), ["coupling", "heading"], blocks=2)
    with pytest.raises(ProblemError, match=r"features cannot be fitted to .* rows without a penalty") as error:
        Stages(head_direction_session(40), ["coupling", "heading"], blocks=2, gap="10 ms").fit(
            "coupling", "heading", penalty="none"
        )
    assert "session small, model model" in str(error.value)
    with pytest.raises(ProblemError, match="no features of term drive"):
        short.fit("drive")
    lone = Stages(
        head_direction_session(in_epoch={"train": np.arange(4000) < 2000, "test": np.arange(4000) >= 2000}),
        ["drive"],
        blocks=0,
    )
    with pytest.raises(ProblemError, match="3 strengths cannot be chosen"):
        lone.fit("drive")


# ---------------------------------------------------------------- a strength for each term


@pytest.mark.parametrize("by", ["evidence", "search"])
def test_each_term_has_a_strength_from_the_study_to_the_table(stages, tmp_path, by):
    candidates = {} if by == "evidence" else {"candidates": 6}
    fits = stages.fit("drive", "coupling", penalty={"ridge": {"strength": {"per": "term", "by": by, **candidates}}})
    units, folds = fits.sizes["unit"], fits.sizes["fold"]
    assert fits["penalised_term"].values.tolist() == ["drive", "coupling"]
    assert fits["fold_term_strength"].shape == (units, folds, 2)
    assert fits.sizes["strength"] == (1 if by == "evidence" else 6)
    for u, unit in enumerate(fits["unit"].values[:2]):
        x = np.concatenate([stages.design(term, unit) for term in ("drive", "coupling")], axis=1)
        rows = stages.folds["shared"].values
        strength = fits["term_strength"].values[u]
        scale = x[rows].std(axis=0) * np.sqrt(strength)[(fits["term"] == "coupling").values.astype(int)]
        coef, _ = sklearn_fit(x[rows], stages.counts[rows, u], 1.0, scale)
        np.testing.assert_allclose(fits["coef"].values[u] * scale, coef * scale, rtol=1e-4, atol=1e-6)
    store.write(fits, tmp_path / "fits.zarr.zip", "fits")
    table = score_fit(store.read(tmp_path / "fits.zarr.zip", "fits"))
    shown = table[table.kind == "in-sample"]
    np.testing.assert_allclose(shown["strength_coupling"], fits["term_strength"].values[:, 1])
    told = shown["effective_parameters_coupling"].notna()
    assert told.all() if by == "evidence" else not told.any()
