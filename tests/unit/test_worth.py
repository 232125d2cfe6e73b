"""What terms are worth through the stores: definitions by hand, equal rows, what stands in for a term, preferences."""

import numpy as np
import pandas as pd
import pytest
from small_sessions import Stages, binned_session, head_direction_session

from nwbglm import figures
from nwbglm.comparison.animals import with_animals
from nwbglm.comparison.preferred import count_preferences, select_among
from nwbglm.comparison.weighed import SHOWN, WORTH, gather_worth, summarise_worth
from nwbglm.errors import StudyError
from nwbglm.inference import weighing, worth
from nwbglm.inference.collinear import canonical_r2_of, condition_of, correlation_matrix, inflation
from nwbglm.inference.weighing import OF_MODEL, OF_TERM, variants, weigh_terms
from nwbglm.report.weighed import LABS, definition_rows, preference_rows, worth_rows
from nwbglm.study import Fit, Model, read_study

RIDGE = {"penalty": {"ridge": {"strength": [1e-3]}}}
TERMS = ("drive", "heading", "history")


def weigh(stages, terms, fit=None, others=(), block="0-of-1", **model):
    settings = RIDGE | (fit or {})
    fits = stages.fit(*terms, fit=settings, block=block, **model)
    return fits, weigh_terms(
        stages.binned, stages.folds, stages.features, fits, model=Model(terms=terms, **model),
        fit=Fit.model_validate(settings), others=others, block=block,
    )  # fmt: skip


@pytest.fixture(scope="module")
def stages():
    return Stages(head_direction_session(), TERMS)


@pytest.fixture(scope="module")
def weighed(stages):
    return weigh(stages, TERMS)


def explained(fits):
    return 1 - fits["test_deviance"].sum("fold").values / fits["null_test_deviance"].sum("fold").values


def test_unique_and_alone_are_differences_of_refits(stages, weighed):
    fits, found = weighed
    whole = explained(fits)
    np.testing.assert_allclose(found["full"], whole, rtol=1e-9)
    for term in TERMS:
        without = explained(stages.fit(*(t for t in TERMS if t != term), fit=RIDGE))
        np.testing.assert_allclose(found["unique"].sel(term=term), whole - without, atol=1e-7)
        np.testing.assert_allclose(found["alone"].sel(term=term), explained(stages.fit(term, fit=RIDGE)), atol=1e-7)
    np.testing.assert_allclose(found["shared"], whole - found["unique"].sum("term"), atol=1e-12)
    assert (found["reason"] == "").all()


def held_out(stages, fits, unit):
    """Held-out expectations by hand: rows of each fold with that fold's coefficients."""
    names = [str(name) for name in dict.fromkeys(fits["term"].values)]
    x = np.concatenate([stages.design(n, unit if n == "history" else None) for n in names], axis=1)
    position, row = unit - 1, stages.folds["row"].values
    y, mean, fold = [], [], []
    for k, scored in enumerate(fits["scored"].values):
        at = np.searchsorted(row, fits["row"].values[scored])
        eta = x[at] @ fits["fold_coef"].values[position, k] + fits["fold_intercept"].values[position, k]
        mean.append(np.exp(eta))
        y.append(stages.counts[at, position])
        fold.append(np.full(len(at), k))
    return np.concatenate(y), np.concatenate(mean), np.concatenate(fold)


def test_the_labs_definitions_by_hand(stages, weighed):
    fits, found = weighed
    parts = {"full": fits, "less": stages.fit("drive", "history", fit=RIDGE), "only": stages.fit("heading", fit=RIDGE)}
    for unit in (1, 3):
        of = {name: held_out(stages, part, unit) for name, part in parts.items()}
        y, _, fold = of["full"]

        def folds(score, name, of=of, fold=fold):
            return np.array([score(of[name][0][fold == k], of[name][1][fold == k]) for k in range(4)])

        line = found.sel(unit=unit, term="heading")
        ibl = {name: folds(worth.r_squared, name).mean() for name in of}
        assert float(line["ibl_delta"]) == pytest.approx(ibl["full"] - ibl["less"], abs=1e-6)
        allen = {name: max(folds(worth.variance_explained, name).mean(), 0) for name in of}
        assert float(line["allen_dropout"]) == pytest.approx(-(1 - allen["less"] / allen["full"]), abs=1e-5)
        assert float(line["allen_single"]) == pytest.approx(-allen["only"] / allen["full"], abs=1e-5)
        musall = {name: np.corrcoef(*of[name][:2])[0, 1] ** 2 for name in of}
        assert float(line["musall_delta"]) == pytest.approx(musall["full"] - musall["less"], abs=1e-6)
        assert float(line["musall_alone"]) == pytest.approx(musall["only"], abs=1e-6)
        assert len(y) == fits["test_rows"].sel(unit=unit).sum()
    share = found["engelhard_share"].sum("term")
    np.testing.assert_allclose(share, 1.0)


def test_parts_are_fitted_to_the_rows_of_the_whole():
    """With `rows: own` a part alone could use more rows than the whole."""
    stages = Stages(head_direction_session(rows=3000), ("drive", "history"))
    fits, found = weigh(stages, ("drive", "history"), fit={"rows": "own"})
    drive = stages.fit("drive", fit=RIDGE | {"rows": "own"})
    assert (drive["test_rows"].sum("fold") > fits["test_rows"].sum("fold")).all()
    alone = stages.fit("drive", fit=RIDGE)  # the rows that both terms share
    np.testing.assert_allclose(found["alone"].sel(term="drive"), explained(alone), atol=1e-7)


def test_the_studys_own_parts_are_not_fitted_again(stages, weighed, monkeypatch):
    _, expected = weighed
    fitted = []

    def count(*args, **options):
        fitted.append(options["name"])
        return original(*args, **options)

    original = weighing.fit_model
    monkeypatch.setattr(weighing, "fit_model", count)
    _, found = weigh(stages, TERMS, others=[stages.fit("drive", fit=RIDGE), stages.fit("drive", "heading", fit=RIDGE)])
    assert sorted(fitted) == ["drive + history", "heading", "heading + history", "history"]
    for name in (*OF_TERM, *OF_MODEL):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-7)
    assert len(variants(("a", "b"))) == 2 and len(variants(TERMS)) == 6


def test_blocks_of_units_are_weighed_alike(stages, weighed):
    _, whole = weighed
    for b in (0, 1):
        _, part = weigh(stages, TERMS, block=f"{b}-of-2")
        np.testing.assert_allclose(part["unique"], whole["unique"].sel(unit=part["unit"]), atol=1e-7)
        np.testing.assert_allclose(part["vif"], whole["vif"].sel(unit=part["unit"]), rtol=1e-7)


def test_one_term_stands_alone():
    stages = Stages(head_direction_session(rows=2000), ("drive",))
    _, found = weigh(stages, ("drive",))
    np.testing.assert_allclose(found["unique"], found["alone"], atol=1e-9)
    np.testing.assert_allclose(found["unique"][:, 0], found["full"], atol=1e-9)
    assert (found["vif"] == 1).all() and np.allclose(found["allen_dropout"][1:], -1) and np.allclose(found["shared"], 0)


def test_what_did_not_end_well_is_named_and_nothing_held_out_gives_nothing():
    binned = head_direction_session(rows=1500)
    counts = binned["response"].values.copy()
    counts[:, 0] = 0
    binned["response"] = (binned["response"].dims, counts, binned["response"].attrs)
    _, found = weigh(Stages(binned, ("drive", "history")), ("drive", "history"))
    assert "drive + history: no_spikes" in str(found["reason"].values[0]) and str(found["reason"].values[1]) == ""
    _, found = weigh(Stages(binned, ("drive", "history"), cut="none", blocks=0), ("drive", "history"))
    assert found["unique"].isnull().all() and found["vif"].notnull().all()


def test_collinearity_is_that_of_the_features():
    random = np.random.default_rng(0)
    a, b = random.normal(size=(500, 3)), random.normal(size=(500, 2))
    b[:, 0] = a[:, 0] + 0.3 * random.normal(size=500)
    x = np.column_stack([a, b, np.ones(500)]) * 7 + 100
    correlation = correlation_matrix(iter(np.array_split(x, 7)))
    np.testing.assert_allclose(correlation[:5, :5], np.corrcoef(x[:, :5], rowvar=False), atol=1e-12)
    term = np.array([True] * 3 + [False] * 3)
    np.testing.assert_allclose(canonical_r2_of(correlation, term), worth.canonical_r2(a, b), rtol=1e-9)
    assert inflation(canonical_r2_of(correlation, term)) == pytest.approx(worth.variance_inflation(a, b))
    assert condition_of(correlation) == pytest.approx(worth.condition_number(x[:, :5]))
    copied = correlation_matrix(iter([np.column_stack([a, 2 * a[:, 0] - a[:, 1]])]))
    assert inflation(canonical_r2_of(copied, np.array([False] * 3 + [True]))) == np.inf
    assert condition_of(copied) == np.inf
    assert inflation(np.zeros(0)) == 1.0 and correlation_matrix(iter([])).shape == (0, 0)


def two_covariates(rho, noise=0.0, rows=60_000, seed=0):
    """A covariate that drives, measured with noise, and another that goes with it and does not."""
    random = np.random.default_rng(seed)
    first = random.normal(size=rows)
    second = rho * first + np.sqrt(1 - rho**2) * random.normal(size=rows)
    counts = random.poisson(0.3 * np.exp(0.4 * first - 0.08))
    seen = first + noise * random.normal(size=rows)
    binned = binned_session(counts[:, None], bin_width=0.1, first=seen, second=second)
    entries = {name: {"of": name, "basis": "identity"} for name in ("first", "second")}
    stages = Stages(binned, entries)
    return weigh(stages, ("first", "second"))[1].isel(unit=0)


def test_collinear_terms_share_and_the_true_one_keeps_its_unique_part():
    found = two_covariates(0.9)
    unique, alone = found["unique_bits"].values, found["alone_bits"].values
    assert found["vif"].values == pytest.approx([1 / (1 - 0.81)] * 2, rel=0.05)
    assert alone[1] > 0.6 * alone[0] and unique[0] > 0.1 * alone[0] and abs(unique[1]) < 0.02 * alone[1]
    assert float(found["shared"]) > 0.5 * float(found["full"])


def test_a_noisy_covariate_loses_to_one_that_does_not_drive_at_a_small_inflation():
    """Why the report says that unique contributions assume covariates without error."""
    found = two_covariates(0.9, noise=1.0)
    assert (found["vif"] < 1.8).all()
    assert float(found["unique_bits"][1]) > 10 * float(found["unique_bits"][0]) > 0


def test_the_table_and_its_summary_over_animals(weighed):
    _, found = weighed
    stores = [found.assign_attrs(session=name) for name in ("a", "b", "c")]
    table = with_animals(gather_worth(stores), {"a": "m1", "b": "m1", "c": "m2"})
    assert set(WORTH) <= set(table) and len(table) == 3 * 3 * 3
    row = table[(table.session == "b") & (table.unit == 2) & (table.term == "history")].iloc[0]
    assert row["unique"] == float(found["unique"].sel(unit=2, term="history")) and row.vif >= 1
    summary = summarise_worth(table)
    assert set(summary.quantity) == set(SHOWN) and set(summary.top) == {"animal"} and set(summary.method) == {"t"}
    line = summary[(summary.term == "drive") & (summary.quantity == "unique")].iloc[0]
    assert line.estimate == pytest.approx(float(found["unique"].sel(term="drive").median()))
    assert len(gather_worth([])) == len(summarise_worth(gather_worth([]))) == 0


def scores_of(likelihood):
    """Rows of single folds, of log-likelihoods (session, unit, fold, model)."""
    rows = [
        {"session": f"s{s}", "unit": u, "fold": str(f), "model": f"m{m}", "log_likelihood": value}
        for (s, u, f, m), value in np.ndenumerate(likelihood)
    ]
    return pd.DataFrame(rows).assign(kind="held-out", rows=100, measure="probability")


def test_preferences_are_counted_beside_exchanged_labels():
    random = np.random.default_rng(0)
    likelihood = random.normal(size=(3, 20, 5, 2))
    likelihood[..., 1] += 3
    found = count_preferences(scores_of(likelihood)).set_index("model")
    assert found.preferred["m1"] == (likelihood.sum(axis=2).argmax(axis=2) == 1).sum() and found.units["m1"] == 60
    assert found.p["m1"] < 0.03 < 0.9 < found.p["m0"]
    assert found.null_median["m1"] == pytest.approx(30, abs=6)


def test_units_that_go_together_make_the_null_wide():
    """Where units share what favours a model, 20 units that prefer it are hardly more than one."""
    random = np.random.default_rng(1)
    shared = np.broadcast_to(random.normal(size=(1, 1, 5, 2)), (1, 20, 5, 2))
    found = count_preferences(scores_of(shared))
    assert found.preferred.tolist() in ([20, 0], [0, 20])
    assert (found.null_low == 0).all() and (found.null_high == 20).all() and found.p.min() > 0.3
    alone = count_preferences(scores_of(random.normal(size=(1, 20, 5, 2))))
    assert (alone.null_high < 20).all()


def test_preferences_need_equal_rows_and_one_measure():
    table = scores_of(np.zeros((1, 2, 3, 2)))
    assert len(count_preferences(table)) == 2
    assert len(count_preferences(table.assign(rows=np.arange(len(table))))) == 0
    assert len(count_preferences(table.assign(measure=["density", "probability"] * 6))) == 0
    assert len(count_preferences(table[table.model == "m0"])) == len(count_preferences(table.iloc[:0])) == 0
    diverged = table.assign(log_likelihood=np.where((table.model == "m0") & (table.fold == "1"), -np.inf, 0.0))
    assert count_preferences(diverged).set_index("model").preferred["m1"] == 2


def test_selection_is_that_of_the_pinned_function():
    evidence = np.array([[0, -3], [0, -2], [0, 1.0]])
    found = select_among(scores_of(evidence[None, :, None, :]), ["m0", "m1"]).set_index("model")
    assert found.exceedance["m0"] == pytest.approx(0.8205623, abs=1e-6)
    assert found.protected["m0"] == pytest.approx(0.6404329, abs=1e-6)
    assert found.omnibus_risk["m0"] == pytest.approx(0.5619171, abs=1e-6)
    assert len(select_among(scores_of(evidence[None, :, None, :]), [])) == 0


def study(models, fit=None, **inference):
    return read_study(
        {
            "study": "s", "recordings": {"a": {"nwb": "a.nwb"}}, "epochs": {"use": {"table": "epochs"}},
            "bin": "10 ms", "signals": {n: {"from": n} for n in "xyz"}, "models": models, "inference": inference,
            "terms": {n: {"of": n, "basis": "identity"} for n in "xyz"}, "fit": fit or {},
        }
    )  # fmt: skip


def test_a_study_knows_which_models_are_parts_of_another():
    models = {
        "none": [], "x": ["x"], "xy": ["y", "x"], "xyz": ["x", "y", "z"], "hard": {"terms": ["z"], "penalty": "none"},
        "halves": {"terms": ["y"], "halves": True},
    }  # fmt: skip
    assert study(models).parts_of("xyz") == ("x", "xy", "halves")
    assert study(models).parts_of("xy") == ("x", "halves")
    assert study(models, fit={"rows": "own"}).parts_of("xyz") == ()
    assert study(models, worth={"models": ["xyz"]}).inference.worth.models == ("xyz",)
    with pytest.raises(StudyError, match=r"inference\.worth\.models\[0\]: there is no model 'w'"):
        study(models, worth={"models": ["w"]})
    with pytest.raises(StudyError, match="name two or more"):
        study(models, selection={"models": ["x"]})


def test_figure_and_page_show_both_ends_and_what_stands_between(weighed):
    _, found = weighed
    stores = [found.assign_attrs(session=name) for name in ("a", "b")]
    table = with_animals(gather_worth(stores), {"a": "m1", "b": "m2"})
    told = study({"model": ["x"], "less": []}, worth={"models": ["model"]})
    _, drawn = figures.draw_overall("worth", study=told, worth=table)
    ends = drawn[(drawn.quantity == "alone") & (drawn.term == "heading")]
    assert ends.estimate.item() == pytest.approx(float(found["alone"].sel(term="heading").median()))
    assert set(drawn[drawn.top == "session"].session.dropna()) == {"a", "b"}
    rows = worth_rows(told, table).set_index("term")
    assert "t)" in rows["alone"]["drive"] and rows["to be said"]["heading"] == ""
    assert set(LABS.values()) < set(definition_rows(table))
    doubled = table.assign(vif=12.0, reason=np.where(table.unit == 1, "drive: separable", ""))
    said = worth_rows(told, doubled)["to be said"].iloc[0]
    assert "stand in for it" in said and "2 units have a fit" in said
    _, empty = figures.draw_overall("worth", study=told, worth=gather_worth([]))
    assert "No term was weighed" in empty.message.iloc[0]
    counted = count_preferences(scores_of(np.zeros((1, 2, 3, 2))))
    _, drawn = figures.draw_overall("preferences", study=told, preferences=counted)
    assert drawn.preferred.sum() == 2 and preference_rows(counted)["predicted best"].sum() == 2
