"""Folds hold out contiguous pieces, and no training row's window touches what is tested."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_sessions import binned_session

from nwbglm import crossval, features, store
from nwbglm.errors import ProblemError
from nwbglm.study import Folds, Term


def history(window="200 ms", of="all spikes"):
    return Term.model_validate({"of": of, "basis": {"raised_cosine_log": {"n": 3, "window": window}}})


def split(binned, *terms, seed=0, **folds):
    stores = [features.build_features(binned, term, name=f"t{i}") for i, term in enumerate(terms)]
    return crossval.split_rows(binned, stores, Folds.model_validate(folds), seed=seed)


def session(rows=1000, **more):
    return binned_session(np.random.default_rng(0).poisson(0.2, (rows, 2)), **more)


def test_blocks_share_the_kept_rows_evenly_and_cover_them_once():
    folds = split(session(), history(), blocks=5)
    kept = folds["shared"].values
    assert kept.sum() == 980
    np.testing.assert_array_equal((folds["test"].values & kept).sum(axis=1), 196)
    np.testing.assert_array_equal(folds["test"].values.sum(axis=0), 1)
    assert (np.diff(folds["fold_of_row"].values) >= 0).all()
    assert folds["fold"].values.tolist() == list("01234")
    assert folds.attrs["gap"] == pytest.approx(0.21)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 60),
    st.lists(st.integers(30, 200), min_size=1, max_size=5),
    st.sampled_from(["rows", "within_epochs", "epochs", "pieces"]),
)
def test_no_training_window_ever_holds_a_tested_bin(lags, lengths, cut):
    segment = np.repeat(np.arange(len(lengths)), lengths)
    data = session(len(segment), segment=segment)
    term = Term.model_validate({"of": "all spikes", "basis": {"lags": {"window": f"{lags * 10} ms"}}})
    try:
        folds = split(data, term, blocks=2, **({"pieces": 6} if cut == "pieces" else {"cut": cut}))
    except ProblemError:
        return
    usable = folds["shared"].values
    for k in range(2):
        tested = np.flatnonzero(folds["test"].values[k])
        for t in np.flatnonzero(folds["train"].values[k] & usable):
            assert not np.isin(np.arange(t - lags, t + 1), tested).any()
        trained = np.flatnonzero(folds["train"].values[k])
        for t in np.flatnonzero(folds["test"].values[k] & usable):
            assert not np.isin(np.arange(t - lags, t + 1), trained).any()


def test_the_gap_takes_only_what_it_must():
    folds = split(session(), history(), blocks=5, gap="50 ms")
    test, train = folds["test"].values[2], folds["train"].values[2]
    edges = np.flatnonzero(np.diff(test.astype(int)))
    assert not train[edges[0] - 4 : edges[0] + 1].any() and train[edges[0] - 5]
    assert not train[edges[1] + 1 : edges[1] + 6].any() and train[edges[1] + 6]


def test_no_gap_is_taken_across_segments():
    folds = split(session(segment=np.repeat([0, 1], 500)), history(), blocks=2, cut="epochs")
    np.testing.assert_array_equal(folds["train"].values, ~folds["test"].values)


def test_within_epochs_each_fold_tests_a_piece_of_each():
    segment = np.repeat([0, 1, 2], [300, 400, 300])
    folds = split(session(segment=segment), history(), blocks=4, cut="within_epochs")
    for k in range(4):
        assert set(segment[folds["test"].values[k]]) == {0, 1, 2}


@pytest.mark.parametrize(
    ("how", "expected"), [("in_order", [0, 0, 0, 1, 1, 1]), ("interleaved", [0, 1, 0, 1, 0, 1]), ("random", None)]
)
def test_whole_epochs_are_dealt(how, expected):
    data = session(600, segment=np.repeat(np.arange(6), 100))
    got = [split(data, blocks=2, cut="epochs", deal=how, seed=seed)["fold_of_row"].values[::100] for seed in (1, 1, 2)]
    if expected is not None:
        assert got[0].tolist() == expected
        return
    assert sorted(got[0].tolist()) == [0, 0, 0, 1, 1, 1]
    np.testing.assert_array_equal(got[0], got[1])
    assert any(
        (split(data, blocks=2, cut="epochs", deal=how, seed=s)["fold_of_row"].values[::100] != got[0]).any()
        for s in range(5)
    )


def test_trials_are_stretches_of_fitted_rows_even_within_one_segment():
    fit = np.zeros(1000, bool)
    for start in (100, 300, 500, 700):
        fit[start : start + 80] = True
    folds = split(session(in_epoch={"fit": fit}), history(), blocks=4, cut="epochs")
    np.testing.assert_array_equal(folds["fold_of_row"].values, np.repeat([0, 1, 2, 3], 80))


def test_explicit_test_epochs_are_a_fold_of_their_own():
    train, test = np.arange(1000) < 600, (np.arange(1000) >= 600) & (np.arange(1000) < 900)
    data = session(in_epoch={"train": train, "test": test, "fit": train | test})
    folds = split(data, history(), blocks=3)
    assert folds["fold"].values.tolist() == ["0", "1", "2", "test"]
    assert folds["fold_kind"].values.tolist() == ["cv", "cv", "cv", "test"]
    np.testing.assert_array_equal(folds["test"].values[3], test[:900])
    np.testing.assert_array_equal(folds["train"].values[3], folds["final"].values)
    # the training rows end a gap before the test, which follows in the same segment
    assert folds["final"].values.sum() == 600 - 21
    assert not folds["test"].values[:3, 600:].any()
    only = split(data, history(), blocks=0)
    assert only["fold"].values.tolist() == ["test"]


def test_halves_split_the_rows_before_any_is_dropped():
    folds = split(session(), history(), blocks=5)
    half, kept = folds["half"].values, folds["shared"].values
    assert [(half == 0).sum(), (half == 1).sum()] == [500, 500]
    assert [((half == 0) & kept).sum(), ((half == 1) & kept).sum()] == [480, 500]


def test_reasons_name_the_term_and_the_cause():
    drive = np.ones(1000)
    drive[500] = np.nan
    data = session(drive=drive)
    identity = Term.model_validate({"of": "drive", "basis": "identity"})
    folds = split(data, history(), identity, blocks=5)
    meanings = folds["reason"].attrs["flag_meanings"]
    said = np.array(meanings)[folds["reason"].values]
    assert (said[:20] == "t0:window_leaves_the_segment").all()
    assert said[500] == "t1:value_missing"
    np.testing.assert_array_equal(said == "kept", folds["shared"].values)
    assert folds["shared"].values.sum() == 979


def test_units_with_gaps_of_their_own_narrow_only_themselves():
    exposure = np.ones((1000, 2))
    exposure[400:420, 1] = 0
    folds = split(session(exposure=exposure), history(of="own spikes"), blocks=5)
    assert folds["shared"].values.sum() == 980
    narrowed = folds["unit_shared"].values
    assert narrowed[:, 0].sum() == 980
    assert narrowed[:, 1].sum() == 980 - 39


def test_impossible_folds_are_said_before_any_fit():
    with pytest.raises(ProblemError, match=r"2 epochs .* 5 folds"):
        split(session(segment=np.repeat([0, 1], 500)), blocks=5, cut="epochs")
    with pytest.raises(ProblemError, match="no row to train on"):
        split(session(), history(), blocks=2, gap="100 s")
    start = np.where(np.arange(1000) < 15, 1.0, np.nan)
    with pytest.raises(ProblemError, match=r"no row to .* 0 rows are valid"):
        split(session(drive=start), history(), Term.model_validate({"of": "drive", "basis": "identity"}), blocks=2)


def test_the_store_survives_the_disk(tmp_path):
    folds = split(session(), history(), blocks=4)
    store.write(folds, tmp_path / "folds.zarr.zip", "folds")
    again = store.read(tmp_path / "folds.zarr.zip", "folds")
    np.testing.assert_array_equal(again["train"].values, folds["train"].values)
    assert again["fold"].values.tolist() == list("0123")
    assert json.loads(again.attrs["scheme"])["blocks"] == 4


def test_short_pieces_are_dealt_to_the_folds_in_turn():
    folds = split(session(1000), history(), blocks=5, pieces=20)
    fold, kept = folds["fold_of_row"].values, folds["shared"].values
    changes = np.flatnonzero(np.diff(fold[kept]))
    assert len(changes) == 19 and (np.diff(changes) == 49).all()
    np.testing.assert_array_equal(fold[kept][::49], np.arange(20) % 5)
    # every piece of every fold has its gap on both sides: 21 bins of 10 ms
    for k in range(5):
        tested, trained = folds["test"].values[k], folds["train"].values[k]
        for begin in np.flatnonzero(np.diff(tested.astype(int)) == 1) + 1:
            assert not trained[max(begin - 21, 0) : begin].any()
        for end in np.flatnonzero(np.diff(tested.astype(int)) == -1) + 1:
            assert not trained[end : end + 21].any()


def test_a_gap_that_takes_much_of_the_training_rows_is_told(caplog):
    split(session(1000), history(), blocks=5, pieces=30)
    assert "the gap of 21 bins around the tested pieces takes" in caplog.text and "fewer pieces" in caplog.text
    caplog.clear()
    split(session(1000), history(), blocks=5)  # the advice, followed
    assert not caplog.text


def test_nothing_is_held_out_where_the_study_says_so():
    settings_ = Folds.model_validate("none")
    assert Folds.model_validate(settings_.dump()) == settings_ and settings_.in_sample
    data = session()
    stores = [features.build_features(data, history(), name="h")]
    folds = crossval.split_rows(data, stores, settings_, seed=0)
    assert folds.sizes["fold"] == 0 and folds["final"].values.all()


@pytest.mark.parametrize(("cut", "deal"), [("epochs", "in_order"), ("epochs", "random"), ("within_epochs", "in_order")])
def test_folds_of_many_trials_are_those_of_the_definition(cut, deal):
    rng = np.random.default_rng(3)
    lengths = rng.integers(1, 9, 60)
    segment = np.repeat(np.arange(60), lengths)
    row = np.arange(len(segment)) + 3 * segment
    kept = rng.random(len(segment)) > 0.3
    folds = Folds.model_validate({"blocks": 4, "cut": cut, **({"deal": deal} if cut == "epochs" else {})})
    found = crossval.assign_folds(kept, row, segment, folds, np.random.default_rng(0))
    usable = [trial for trial in range(60) if kept[segment == trial].any()]
    wanted = np.full(len(segment), -1)
    dealt = crossval.deal(len(usable), 4, deal, np.random.default_rng(0))
    for trial, home in zip(usable, dealt, strict=True):
        mine = segment == trial
        wanted[mine] = home if cut == "epochs" else crossval.contiguous_blocks(kept[mine], 4)
    np.testing.assert_array_equal(found, wanted)


def test_rows_without_a_trial_have_no_fold():
    folds = Folds.model_validate({"blocks": 2, "cut": "within_epochs"})
    assert len(crossval.assign_folds(np.zeros(0, bool), np.zeros(0, int), np.zeros(0, int), folds, None)) == 0
