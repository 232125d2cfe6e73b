"""Fits in sample only, as in textbook analyses: nothing is held out, and every place says so."""

import numpy as np
import pytest
import yaml
from small_sessions import TERMS, binned_session

from nwbglm.comparison import compare_models, headline, summarise_models, summarise_pairs
from nwbglm.crossval import split_rows
from nwbglm.errors import StudyError
from nwbglm.features import build_features
from nwbglm.fits.model import fit_model
from nwbglm.report.methods import paragraphs
from nwbglm.study import Fit, Folds, Model, Term, read_study

STUDY = """
study: textbook
recordings: {one: {nwb: one.nwb}}
epochs: {use: {table: epochs}}
bin: 10 ms
signals: {heading: {from: ry, period: 2 pi}, drive: {from: i}}
terms: {heading: {of: heading, basis: {cyclic_bspline: {n: 6}}}, drive: {of: drive, basis: identity}}
models: {constant: [], heading: [heading], both: [heading, drive]}
fit: {penalty: none, folds: none}
"""


@pytest.fixture
def config():
    return yaml.safe_load(STUDY)


@pytest.fixture(scope="module")
def tables():
    """Three models of two units; `drive` is noise, which only in-sample scores can like."""
    rng = np.random.default_rng(4)
    heading = np.mod(np.cumsum(rng.normal(0, 0.1, 3000)), 2 * np.pi)
    counts = rng.poisson(0.2 * np.exp(np.cos(heading[:, None] - np.array([0.0, 2.0]))))
    binned = binned_session(counts, heading=(heading, {"period": 2 * np.pi}), drive=rng.normal(size=3000))
    settings = Fit.model_validate({"penalty": "none", "folds": "none"})
    made = {
        name: build_features(binned, Term.model_validate(TERMS[name]), name=name) for name in ("full-rank", "drive")
    }
    folds = split_rows(binned, list(made.values()), settings.folds, seed=0)
    fits = []
    for name, terms in {"constant": [], "heading": ["full-rank"], "both": ["full-rank", "drive"]}.items():
        model = Model.model_validate({"terms": terms, "penalty": "none"})
        stores = [made[term] for term in terms]
        fits.append(fit_model(binned, folds, stores, model=model, fit=settings, name=name))
    return compare_models(fits, binned=[binned])


def test_no_fold_is_made_and_all_scores_are_in_sample(tables):
    assert set(tables["scores"].kind) == {"in-sample"}
    assert len(headline(tables["scores"])) == 6
    assert set(summarise_models(tables["scores"]).kind) == {"in-sample"}
    assert len(summarise_pairs(tables["pairs"], seed=0)) == 3


def test_the_best_model_is_that_of_the_least_aic(tables):
    scores = tables["scores"].set_index(["unit", "model"])
    for line in tables["units"].itertuples():
        mine = scores.loc[line.unit]
        assert line.best_model == mine.aic.astype(float).idxmin()
        assert mine.log_likelihood.idxmax() == "both"  # the larger model is never worse in sample
    assert (tables["units"].best_model == "heading").any()


def test_methods_say_that_nothing_was_held_out(config):
    text = " ".join(paragraphs(read_study(config)))
    assert "Nothing was held out: all fits and scores are in sample" in text and "Cross-validation" not in text


@pytest.mark.parametrize("folds", ["none", {"cut": "none"}])
def test_spellings(folds):
    read = Folds.model_validate(folds)
    assert read.in_sample and read.blocks == 0 and Folds.model_validate(read.dump()) == read


@pytest.mark.parametrize("more", [{"blocks": 5}, {"gap": "1 s"}, {"pieces": 10}])
def test_nothing_held_out_has_no_blocks(more):
    with pytest.raises(ValueError, match=r"none holds nothing out|pieces: goes with"):
        Folds.model_validate({"cut": "none", **more})


@pytest.mark.parametrize(
    ("penalty", "path"),
    [
        (None, "fit.penalty.ridge.strength"),
        ({"ridge": {"strength": [0.1, 1]}}, "fit.penalty.ridge.strength"),
        ({"lasso": {"strength": {"log": [1e-3, 1, 4]}}}, "fit.penalty.lasso.strength"),
    ],
)
def test_a_strength_that_nothing_could_choose_is_a_mistake(config, penalty, path):
    config["fit"] = {"folds": "none"} | ({"penalty": penalty} if penalty else {})
    with pytest.raises(StudyError) as error:
        read_study(config)
    assert path in str(error.value) and "strength: 0.01" in str(error.value)
    config["fit"]["penalty"] = {next(iter(penalty or {"ridge": 0})): {"strength": 0.01}}
    read_study(config)  # the advice, followed
    config["fit"]["penalty"] = "none"
    read_study(config)


def test_folds_of_0_point_to_the_word(config):
    config["fit"]["folds"] = {"blocks": 0}
    with pytest.raises(StudyError, match="folds: none for fits in sample only"):
        read_study(config)
