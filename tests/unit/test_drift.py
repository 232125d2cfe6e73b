"""Time itself as a signal: terms of slow drift, and the folds that can score them."""

import numpy as np
import pytest
import yaml
from built_files import add_units, built, settings
from scipy.signal import lfilter

from nwbglm.basis import cosine
from nwbglm.binning import bin_recording
from nwbglm.binning.grid import Grid
from nwbglm.binning.join import join_recordings
from nwbglm.binning.signals import elapsed
from nwbglm.crossval import contiguous_blocks
from nwbglm.engine.fit import fit_splits
from nwbglm.epochs import Epochs
from nwbglm.errors import StudyError
from nwbglm.recording import open_recording
from nwbglm.study import read_study
from nwbglm.study.advice import advice

STUDY = """
study: drifting
recordings: {one: {nwb: one.nwb}}
epochs: {use: {table: epochs}}
bin: 10 ms
signals: {drift: {of: time}}
terms: {drift: {of: drift, basis: {cosine: {n: 8}}}}
models: {drift: [drift]}
"""


def small(file):
    """Ten seconds of two units, in two epochs."""
    add_units(file, [np.arange(0, 10, 0.1), np.arange(0, 10, 0.3)])
    for start in (0.0, 5.0):
        file.add_epoch(start, start + 5.0, [])


@pytest.fixture
def config():
    return yaml.safe_load(STUDY)


def test_time_runs_from_0_to_1_over_what_is_analysed():
    grid = Grid(Epochs.of([0.0, 20.0], [10.0, 30.0]), 1.0)
    inside = np.ones(20, bool)
    values, seconds = elapsed(grid, inside)
    np.testing.assert_allclose(values, (grid.centre - 0.0) / 30)
    assert seconds == 30
    inside[:5] = inside[-2:] = False
    values, seconds = elapsed(grid, inside)
    assert seconds == 23 and np.isnan(values[:5]).all() and np.isnan(values[-2:]).all()
    np.testing.assert_allclose(values[5:-2], (grid.centre[5:-2] - 5.0) / 23)


def test_passes_over_the_same_times_follow_one_another():
    grid = Grid(Epochs.of([0.0, 0.0], [4.0, 6.0], clock=[0, 1]), 1.0)
    values, _ = elapsed(grid, np.ones(10, bool))
    np.testing.assert_allclose(values, (np.arange(10) + 0.5) / 10)
    assert np.isnan(elapsed(grid, np.zeros(10, bool))[0]).all()


def test_a_study_may_take_time_itself(tmp_path):
    path = built(tmp_path / "one.nwb", small)
    with open_recording(path, session="one") as recording:
        taken = settings(signals={"drift": {"of": "time"}})
        binned = bin_recording(recording, taken)
    values = binned["drift"].values
    inside = np.isfinite(values)
    assert (np.diff(values[inside]) > 0).all() and 0 < values[inside][0] < 0.01 < 0.99 < values[inside][-1] < 1
    assert binned["drift"].attrs["role"] == "signal"


def test_time_goes_on_from_one_joined_recording_to_the_next(tmp_path):
    path = built(tmp_path / "one.nwb", small)
    parts = []
    for name in ("one", "two"):
        with open_recording(path, session=name) as recording:
            parts.append(bin_recording(recording, settings(signals={"drift": {"of": "time"}})))
    joined = join_recordings(parts, session="both")
    np.testing.assert_allclose(
        joined["drift"].values, np.concatenate([parts[0]["drift"] / 2, 0.5 + parts[1]["drift"] / 2])
    )
    assert (np.diff(joined["drift"].values) > 0).all()


@pytest.mark.parametrize("more", [{"period": 1}, {"resample": "hold"}, {"from": "position"}, {"shift": "1 s"}])
def test_time_has_no_other_settings(config, more):
    config["signals"]["drift"] |= more
    with pytest.raises(StudyError, match=f"signals.drift: {next(iter(more))} does not belong to `of: time`"):
        read_study(config)


def test_a_signal_comes_from_somewhere(config):
    config["signals"]["drift"] = {"units": "cm"}
    with pytest.raises(StudyError, match=r"signals\.drift: from: needed"):
        read_study(config)


def test_time_has_no_samples(config):
    config["tuning"] = {"drift": {"of": "drift", "at": "samples"}}
    with pytest.raises(StudyError, match="use at: bins"):
        read_study(config)


@pytest.mark.parametrize("folds", [{}, {"blocks": 10}, {"blocks": 5, "pieces": 10}, {"blocks": 3, "cut": "epochs"}])
def test_a_term_of_time_under_long_folds_is_advised_against(config, folds):
    (line,) = advice(read_study({**config, "fit": {"folds": folds}}))
    assert line.startswith("fit.folds: the term of time 'drift' is extrapolated")
    wanted = yaml.safe_load("{" + line[line.index("folds: {") :] + "}")
    assert advice(read_study({**config, "fit": wanted})) == []  # the advice, followed


def test_no_advice_where_pieces_are_short_or_nothing_drifts(config):
    for folds in ({"pieces": 40}, {"cut": "within_epochs"}, {"cut": "epochs", "deal": "interleaved"}):
        assert advice(read_study({**config, "fit": {"folds": folds}})) == []
    assert advice(read_study({**config, "models": {"constant": []}})) == []
    in_sample = {"folds": "none", "penalty": "none"}
    assert advice(read_study({**config, "fit": in_sample})) == []
    tested = {"use": {}, "train": {"intervals": [["0 s", "9 s"]]}, "test": {"intervals": [["9 s", "10 s"]]}}
    lines = advice(read_study({**config, "epochs": tested, "fit": {"folds": {"blocks": 0}}}))
    assert [line.split(":")[0] for line in lines] == ["epochs.test"]


def test_short_pieces_score_a_drift_that_long_blocks_cannot():
    """The case of the reference: cosines of time, 5 contiguous folds against 40 pieces dealt in turn."""
    rows, functions, scores = 6000, 8, {}
    time = (np.arange(rows) + 0.5) / rows
    cosines = cosine(time, functions)
    np.testing.assert_allclose(cosines.T @ cosines / rows, np.eye(functions) / 2, atol=1e-12)
    kept = np.ones(rows, bool)
    for repeat in range(3):
        rng = np.random.default_rng([11, repeat])
        a = np.exp(-1 / 500)
        noise = rng.normal(size=rows) * np.sqrt(1 - a * a)
        noise[0] /= np.sqrt(1 - a * a)
        counts = rng.poisson(0.3 * np.exp(0.5 * lfilter([1], [1, -a], noise) - 0.125)).astype(float)[:, None]
        for name, pieces in (("contiguous", 5), ("dealt", 40)):
            fold = contiguous_blocks(kept, pieces) % 5
            test = np.array([fold == k for k in range(5)])
            fit = fit_splits(cosines, counts, ~test, test)
            gain = (fit.test_log_likelihood[0, :, 0] - fit.null_test_log_likelihood[0]).sum() / np.log(2) / counts.sum()
            scores.setdefault(name, []).append(gain)
    assert np.median(scores["contiguous"]) < -10
    assert 0.05 < np.median(scores["dealt"]) < 0.2
