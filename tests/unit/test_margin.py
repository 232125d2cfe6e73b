"""A margin around the epochs in use: windows may read it, nothing in it is fitted or counted."""

import json

import numpy as np
import pytest
from built_files import add_units, built, series, settings
from pynwb.epoch import TimeIntervals

from nwbglm.binning import bin_recording
from nwbglm.crossval import lost_sentences, split_rows
from nwbglm.errors import StudyError
from nwbglm.features import analysis_rows, build_features
from nwbglm.recording import open_recording
from nwbglm.report.recordings import lost_lines, lost_table
from nwbglm.study import Folds, Term, read_study


def session(file):
    """Forty seconds of a series and a busy unit; trials of 1 s, 3 s apart, the first at the recording's start."""
    add_units(file, [np.arange(0.005, 40, 0.02)])
    file.add_acquisition(series("x", np.arange(0, 40, 0.01), rate=100.0))
    trials = TimeIntervals(name="trials", description="trials")
    for start in (0.2, *np.arange(4.0, 36.0, 4.0)):
        trials.add_row(start_time=start, stop_time=start + 1.0)
    file.add_time_intervals(trials)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return built(tmp_path_factory.mktemp("files") / "trials.nwb", session)


def binned(path, **use):
    with open_recording(path, session="one") as recording:
        return bin_recording(recording, settings(epochs={"use": {"table": "trials", **use}})).load()


def onset(window="500 ms", direction="causal"):
    basis = {"raised_cosine_linear": {"n": 3, "window": window, "direction": direction}}
    return Term.model_validate({"of": "own spikes", "basis": basis})


def test_the_margin_is_read_and_not_counted(path):
    plain, wide = binned(path), binned(path, margin="1 s")
    rows = analysis_rows(wide)
    np.testing.assert_allclose(wide["time"].values[rows], plain["time"].values)
    np.testing.assert_array_equal(wide["response"].values[rows], plain["response"].values)
    assert wide["rate"].values == plain["rate"].values and wide["spikes"].values == plain["spikes"].values
    assert (
        not wide["in_epoch"]
        .sel(purpose=["use", "fit"])
        .values[:, np.setdiff1d(np.arange(wide.sizes["time"]), rows)]
        .any()
    )


def test_a_margin_ends_where_the_recording_does(path):
    wide = binned(path, margin="1 s")
    assert wide["segment_start"].values[0] == 0.0 and wide["segment_start"].values[1] == 3.0
    assert wide["segment_stop"].values[-1] == 34.0


def test_margins_that_meet_are_one_stretch(path):
    wide = binned(path, margin="1.5 s")  # 3 s between trials: they touch, and nothing is lost between them
    rows = analysis_rows(wide)
    made = build_features(wide, onset("1 s"), name="past")
    valid = made["valid"].values
    first = wide["time"].values[rows] < 1.2
    assert valid[~first].all() and not valid[first][:20].any()


def test_a_window_that_left_the_trial_no_longer_does(path):
    for use, lost in (({}, 0.5), ({"margin": "500 ms"}, 30 / 900)):
        data = binned(path, **use)
        folds = split_rows(data, [build_features(data, onset(), name="past")], Folds(blocks=3, cut="epochs"), seed=0)
        (told,) = json.loads(folds.attrs["lost"])["terms"]
        assert told["window"] / told["fitted"] == pytest.approx(lost)
        assert (told["window"] == told["alone"]) and told["outside"] == told["missing"] == 0
        lines = lost_sentences(folds)
        assert bool(lines) == (not use)
        if lines:
            assert "session one, term past: its window reaches 0.5 s" in lines[0] and "margin: 0.5 s" in lines[0]


def test_features_read_the_margin_and_never_across_a_gap(path):
    data = binned(path, margin="300 ms")
    made = build_features(data, onset("300 ms"), name="past")
    row, segment = made["row"].values, data["segment"].values
    counts = data["response"].values[:, 0].astype(float)
    kernel = made["kernel"].values
    for i in np.flatnonzero(made["valid"].values)[::37]:
        past = counts[row[i] - 30 : row[i]][::-1]
        assert (segment[row[i] - 30 : row[i]] == segment[row[i]]).all()
        np.testing.assert_allclose(made["features"].values[i], past @ kernel, rtol=1e-5)


def test_only_use_has_a_margin():
    study = {
        "study": "x",
        "recordings": {"one": {"nwb": "a.nwb"}},
        "epochs": {"use": {}, "fit": {"within": "use", "margin": "1 s"}},
        "bin": "10 ms",
        "models": {"constant": []},
    }
    with pytest.raises(StudyError, match=r"epochs\.fit\.margin: belongs to `use`"):
        read_study(study)


def test_the_session_s_page_says_what_terms_and_the_gap_cost(path):
    data = binned(path)
    made = [build_features(data, onset(), name="past")]
    many = Folds.model_validate({"blocks": 3, "pieces": 18, "gap": "240 ms"})
    folds = split_rows(data, made, many, seed=0)
    lost = json.loads(folds.attrs["lost"])
    (row,) = lost_table(lost).to_dict("records")
    assert row["rows to be fitted"] == 900 and row["lost: window leaves the epochs"] == 450
    first, second = lost_lines(lost)
    assert first.startswith("past: its window reaches 0.5 s") and "margin: 0.5 s" in first
    assert "the gap of 24 bins around the tested pieces takes" in second
    short = split_rows(data, made, Folds.model_validate({"blocks": 3, "pieces": 6, "gap": "10 ms"}), seed=0)
    lost = json.loads(short.attrs["lost"])
    trained = short["train"].values.sum() / 3
    assert lost["gap"]["rows"] + trained == pytest.approx(lost["gap"]["of"]) and lost["gap"]["sentence"] == ""
    assert "The gap around the tested pieces takes" in lost_lines(lost)[-1]
    assert lost_lines({"terms": [], "gap": {"rows": 0, "of": 9, "sentence": ""}}) == []
