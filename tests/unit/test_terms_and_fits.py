"""What a study may say of terms, penalties and folds, and what it is told when it says something else."""

import pytest

from nwbglm.errors import StudyError
from nwbglm.study import Fit, Folds, Model, Penalty, Term, read_study
from nwbglm.study.base import validate

WINDOW = {"window": "0.2 s"}


@pytest.mark.parametrize(
    "value",
    [
        {"of": "own spikes", "basis": {"lags": WINDOW}},
        {"of": "all spikes", "basis": {"raised_cosine_log": {"n": 8} | WINDOW}},
        {"of": "other spikes", "basis": {"bspline": {"n": 8, "direction": "acausal"} | WINDOW}},
        {"of": "speed", "basis": {"bspline": {"n": 8, "bounds": [0, 30]}}},
        {"of": "heading", "basis": {"cyclic_bspline": {"n": 8, "bounds": [0, "2 pi"], "full_rank": True}}},
        {"of": "speed", "basis": {"orthogonal_exponentials": {"decay_times": ["5 ms", "50 ms"]} | WINDOW}},
        {"of": "state", "basis": "categorical"},
        {"product": [{"of": "speed", "basis": "identity"}, {"of": "own spikes", "basis": {"lags": WINDOW}}]},
    ],
)
def test_terms_survive_being_written_and_read(value):
    term = validate(Term, value, "study")
    assert Term.model_validate(term.dump()) == term
    assert Term.model_validate_json(term.model_dump_json(by_alias=True, exclude_none=True)) == term


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"of": "own spikes", "basis": {"bspline": {"n": 5}}}, "`own spikes` needs a basis over lags"),
        ({"of": "all spikes", "basis": {"lags": WINDOW | {"direction": "acausal"}}}, "use causal, or 'other spikes'"),
        ({"of": "x", "basis": {"bspline": {"n": 3}}}, "3 functions are too few for order 4"),
        ({"of": "x", "basis": {"bspline": {"n": 5, "bounds": [0, 1]} | WINDOW}}, "not both"),
        ({"of": "x", "basis": {"bspline": {"n": 5, "bounds": [1, 1]}}}, "the first must be below the second"),
        ({"of": "x", "basis": {"bspline": {"n": 5, "direction": "acausal"}}}, "goes with a window"),
        ({"of": "x", "basis": {"bspline": {"n": 5, "full_rank": True} | WINDOW}}, "full_rank: goes with"),
        ({"of": "x", "basis": {"lag": WINDOW}}, "did you mean 'lags'"),
        ({"of": "x"}, "basis: needed, and not there"),
        ({"product": [{"of": "x", "basis": "identity"}]}, "product"),
        (
            {
                "product": [
                    {"of": "own spikes", "basis": {"lags": WINDOW}},
                    {"of": "all spikes", "basis": {"lags": WINDOW}},
                ]
            },
            "only one of the factors may be the units' own activity",
        ),
        (
            {"of": "x", "basis": "identity", "product": [{"of": "x", "basis": "identity"}] * 2},
            "of and basis, or product, not both",
        ),
    ],
)
def test_impossible_terms_are_explained(value, words):
    with pytest.raises(StudyError) as error:
        validate(Term, value, "study.yaml")
    assert words in str(error.value)


def test_the_path_of_strengths_ascends():
    assert Penalty.model_validate({"ridge": {"strength": [1, 0.01, 0.1]}}).strengths == (0.01, 0.1, 1.0)
    assert Penalty.model_validate({"lasso": {"strength": {"log": [1, 1e-2, 3]}}}).strengths == (0.01, 0.1, 1.0)
    assert Penalty.model_validate("none").strengths == (0.0,)


def test_a_model_says_what_differs_from_fit():
    fit = Fit.model_validate({"rows": "shared", "choose": "best", "observations": "poisson"})
    model = Model.model_validate({"terms": ["x"], "rows": "own", "penalty": "none", "observations": "bernoulli"})
    changed = fit.of_model(model)
    assert (changed.rows, changed.choose, changed.observations) == ("own", "best", "bernoulli")
    assert changed.penalty.kind == "none"
    assert fit.of_model(Model(terms=("x",))) == fit
    assert fit.of_model(Model()).penalty.kind == "none"


@pytest.mark.parametrize(
    ("value", "words"),
    [({"blocks": 1}, "one fold leaves nothing"), ({"deal": "random"}, "deal: goes with cut: epochs")],
)
def test_impossible_folds_are_explained(value, words):
    with pytest.raises(StudyError) as error:
        validate(Folds, value, "study.yaml")
    assert words in str(error.value)


def study(**changes):
    return {
        "study": "s",
        "recordings": {"a": {"nwb": "a.nwb"}},
        "epochs": {"use": {"table": "epochs"}},
        "bin": "1 ms",
        "signals": {"speed": {"from": "speed"}},
        "terms": {"speed": {"of": "speed", "basis": "identity"}},
        "models": {"m": ["speed"]},
    } | changes


def mistakes(**changes):
    with pytest.raises(StudyError) as error:
        read_study(study(**changes))
    return str(error.value)


def test_mistakes_within_products_have_their_path():
    factors = [{"of": "sped", "basis": "identity"}, {"of": "speed", "basis": {"cyclic_bspline": {"n": 5}}}]
    said = mistakes(terms={"gain": {"product": factors}}, models={"m": ["gain"]})
    assert "terms.gain.product[0].of: there is no input 'sped'; did you mean 'speed'?" in said
    assert "terms.gain.product[1].basis.cyclic_bspline: 'speed' is not circular" in said


def test_relative_strengths_are_of_terms_that_there_are():
    ridge = {"ridge": {"strength": 1, "relative": {"sped": 2}}}
    said = mistakes(fit={"penalty": ridge}, models={"m": {"terms": ["speed"], "penalty": ridge}})
    assert "fit.penalty.ridge.relative.sped: there is no term 'sped'; did you mean 'speed'?" in said
    assert "models.m.penalty.ridge.relative.sped" in said


def test_folds_must_hold_something_out():
    assert "fit.folds.blocks: 0 holds nothing out" in mistakes(fit={"folds": {"blocks": 0}})
    assert "fit.nested: needs 3 folds" in mistakes(fit={"folds": {"blocks": 2}, "nested": True})
    explicit = {name: {"table": "epochs"} for name in ("use", "train", "test")}
    assert read_study(study(epochs=explicit, fit={"folds": {"blocks": 0}})).fit.folds.blocks == 0
