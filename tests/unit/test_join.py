"""Recordings of the same units as one session, and leaving one of them out."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import xarray as xr
from small_sessions import TERMS, Stages, head_direction_session

from nwbglm import limits, store
from nwbglm.binning.join import join_recordings
from nwbglm.comparison import compare_models
from nwbglm.crossval import split_rows
from nwbglm.errors import NwbGlmError, RecordingError, StudyError
from nwbglm.features import build_features
from nwbglm.study import Folds, Term, read_study


def recording(name, seed, rows=2000, units=(1, 2, 3), **unit_columns) -> xr.Dataset:
    """One day of three units, with what a binned store says of units and segments."""
    day = head_direction_session(rows=rows, seed=seed, segment=np.repeat([0, 1], [rows - 500, 500]))
    counts = day["response"].values
    labels = {"rate": counts.sum(axis=0) / (rows * 0.01), "spikes": counts.sum(axis=0), **unit_columns}
    return day.assign_coords(
        unit=list(units),
        segment_label=("segments", ["run", "rest"]),
        segment_start=("segments", [0.0, rows * 0.01 - 5]),
        segment_stop=("segments", [rows * 0.01 - 5, rows * 0.01]),
        **{key: ("unit", values) for key, values in labels.items()},
    ).assign_attrs(session=name)


def two_days() -> xr.Dataset:
    return join_recordings([recording("day1", 0), recording("day2", 1, rows=1500)], session="mouse")


def test_counts_and_signals_follow_one_another():
    days = [recording("day1", 0), recording("day2", 1, rows=1500)]
    joined = join_recordings(days, session="mouse")
    for name in ("response", "heading", "drive"):
        np.testing.assert_array_equal(joined[name], np.concatenate([day[name] for day in days]))
    np.testing.assert_array_equal(joined["time"], np.concatenate([day["time"] for day in days]))
    np.testing.assert_array_equal(np.unique(joined["segment"]), [0, 1, 2, 3])
    assert joined["recording"].values.tolist() == ["day1", "day2"]
    assert joined["recording_of_segment"].values.tolist() == [0, 0, 1, 1]
    assert joined["heading"].attrs["period"] == 2 * np.pi
    np.testing.assert_array_equal(joined["spikes"], joined["response"].sum("time"))
    np.testing.assert_allclose(joined["rate"], joined["response"].sum("time") / 35.0)
    assert "exposure" not in joined


def test_a_joined_store_is_a_binned_store(tmp_path):
    path = tmp_path / "mouse.zarr.zip"
    store.write(two_days(), path, "binned", recording=[])
    xr.testing.assert_equal(store.read(path, "binned").load(), two_days())


def test_large_counts_are_joined_as_they_are_read(monkeypatch, tmp_path):
    whole = two_days()
    monkeypatch.setattr(limits, "WHOLE_BYTES", 0)
    lazy = two_days()
    assert not lazy["response"].variable._in_memory
    for rows in (slice(None), slice(1900, 2100), slice(2500, 2600), slice(10, 3400, 7), 2000, slice(5, 5)):
        for units in (slice(None), slice(0, 2), 1):
            np.testing.assert_array_equal(lazy["response"][rows, units], whole["response"][rows, units])
    monkeypatch.setattr(limits, "STREAM_BYTES", 0)
    store.write(lazy, tmp_path / "a.zarr.zip", "binned")
    xr.testing.assert_equal(store.read(tmp_path / "a.zarr.zip")["response"].load(), whole["response"])


def test_exposure_of_one_recording_is_one_in_the_others():
    first = recording("day1", 0)
    seen = np.ones((2000, 3), np.float32)
    seen[:100, 1] = 0.0
    first["exposure"] = (("time", "unit"), seen)
    joined = join_recordings([first, recording("day2", 1)], session="mouse")
    np.testing.assert_array_equal(joined["exposure"][:2000], seen)
    assert (joined["exposure"][2000:] == 1).all()
    mean = (first["rate"][1] * 19.0 + recording("day2", 1)["rate"][1] * 20.0) / 39.0
    np.testing.assert_allclose(joined["rate"][1], mean)


def test_units_are_matched_by_id_or_by_a_column(caplog):
    first = recording("day1", 0, units=(7, 8, 9), cluster=[40, 41, 42], depth=[1.0, 2.0, np.nan])
    second = recording("day2", 1, units=(0, 1, 2), cluster=[42, 40, 99], depth=[np.nan, 1.0, 3.0])
    with caplog.at_level(logging.WARNING):
        joined = join_recordings([first, second], session="mouse", match="cluster")
    assert joined["unit"].values.tolist() == [7, 9]
    assert joined["unit_of_recording"].values.tolist() == [[7, 9], [1, 0]]
    np.testing.assert_array_equal(joined["response"][:2000], first["response"][:, [0, 2]])
    np.testing.assert_array_equal(joined["response"][2000:], second["response"][:, [1, 0]])
    np.testing.assert_array_equal(joined["depth"], [1.0, np.nan])
    assert "1 of 3 units of day1 are not in every recording" in caplog.text
    with pytest.raises(RecordingError, match=r"no unit is in every one of day1, day2 \(by unit id\)"):
        join_recordings([first, second], session="mouse")


def test_columns_that_disagree_are_left_out_and_said(caplog):
    first = recording("day1", 0, location=["adn", "adn", "pos"])
    second = recording("day2", 1, location=["adn", "adn", "adn"])
    with caplog.at_level(logging.WARNING):
        joined = join_recordings([first, second], session="mouse")
    assert "location" not in joined.coords
    assert "differs in location" in caplog.text and "the same units?" in caplog.text


def test_what_cannot_be_joined_is_said():
    first, second = recording("day1", 0), recording("day2", 1)
    with pytest.raises(RecordingError, match=r"recording day1: the units have no column 'cluster'"):
        join_recordings([first, second], session="mouse", match="cluster")
    with pytest.raises(RecordingError, match="column 'shank' names several units alike: 1"):
        join_recordings([first.assign_coords(shank=("unit", [1, 1, 2])), second], session="mouse", match="shank")
    second["drive"].attrs["units"] = "nA"
    with pytest.raises(RecordingError, match="signal 'drive' has units 'au' in day1 and 'nA' in day2"):
        join_recordings([first, second], session="mouse")


def test_each_fold_leaves_one_recording_out():
    stages = Stages(two_days(), ["coupling", "heading"], blocks=5, cut="sessions")
    folds, home = stages.folds, stages.binned["recording_of_segment"].values[stages.binned["segment"].values]
    assert folds["fold"].values.tolist() == ["day1", "day2"]
    for k in range(2):
        np.testing.assert_array_equal(folds["test"][k], home == k)
        np.testing.assert_array_equal(folds["train"][k], home != k)
    # no window reaches over the end of a segment: the first ten bins of each of the four are not shared
    assert int((~folds["shared"]).sum()) == 4 * 10


def test_scores_of_a_left_out_recording_are_those_of_a_fit_to_the_others():
    stages = Stages(two_days(), ["coupling", "heading"], blocks=5, cut="sessions")
    fits = stages.fit("coupling", "heading", fit={"penalty": {"ridge": {"strength": 0.01}}})
    alone = Stages(recording("day2", 1, rows=1500), ["coupling", "heading"], blocks=2)
    # the features of a circular signal and of spikes need nothing of the other day, so that the two fits are the same
    other = alone.fit("coupling", "heading", fit={"penalty": {"ridge": {"strength": 0.01, "scale": "raw"}}})
    raw = stages.fit("coupling", "heading", fit={"penalty": {"ridge": {"strength": 0.01, "scale": "raw"}}})
    np.testing.assert_allclose(raw["fold_coef"].sel(fold="day1"), other["coef"], rtol=1e-6, atol=1e-9)
    scores = compare_models([fits], binned=[stages.binned])["scores"]
    assert set(scores[scores.kind == "held-out"].fold) == {"day1", "day2", "pooled"}


def test_a_recording_without_usable_rows_has_no_fold(caplog):
    days = [recording("day1", 0), recording("day2", 1), recording("day3", 2)]
    days[1]["heading"][:] = np.nan
    binned = join_recordings(days, session="mouse")
    features = [build_features(binned, Term.model_validate(TERMS["heading"]), name="heading")]
    with caplog.at_level(logging.WARNING):
        folds = split_rows(binned, features, Folds(cut="sessions"), seed=0)
    assert folds["fold"].values.tolist() == ["day1", "day3"]
    assert "day2 has no row" in caplog.text
    binned["heading"][4000:] = np.nan
    features = [build_features(binned, Term.model_validate(TERMS["heading"]), name="heading")]
    with pytest.raises(NwbGlmError, match="1 recordings have rows that every model can use"):
        split_rows(binned, features, Folds(cut="sessions"), seed=0)


STUDY = {
    "study": "small",
    "recordings": {"day1": {"nwb": "a.nwb"}, "day2": {"nwb": "b.nwb"}, "other": {"nwb": "c.nwb"}},
    "epochs": {"use": {"intervals": [["0 s", "10 s"]]}},
    "bin": "10 ms",
    "models": {"constant": []},
}


def test_a_joined_session_takes_the_place_of_its_recordings():
    study = read_study(STUDY | {"join": {"mouse": ["day1", "day2"]}})
    assert study.sessions == ("mouse", "other")
    assert study.members("mouse") == ("day1", "day2") and study.members("other") == ("other",)
    assert read_study(study.dump()).sessions == study.sessions


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"join": {"mouse": ["day1", "day3"]}},
            r"join.mouse.sessions\[1\]: there is no recording 'day3'; did you mean",
        ),
        ({"join": {"a": ["day1", "day2"], "b": ["day2", "other"]}}, "'day2' is already part of 'a'"),
        ({"join": {"a": ["day1", "day1"]}}, "'day1' is already part of 'a'"),
        ({"join": {"day1": ["day2", "other"]}}, "join.day1: there is a recording of this name"),
        ({"join": {"mouse": ["day1"]}}, "join.mouse.sessions: .*at least 2"),
        (
            {"join": {"mouse": ["day1", "day2"]}, "fit": {"folds": {"cut": "sessions"}}},
            "cut: sessions holds out one recording of a joined session, and 'other' is not in `join`",
        ),
        ({"fit": {"folds": {"cut": "sessions", "blocks": 3}}}, "there is one fold for each recording"),
    ],
)
def test_joins_that_lead_nowhere_are_said(changes, said):
    with pytest.raises(StudyError, match=said):
        read_study(STUDY | changes)
