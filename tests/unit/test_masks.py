"""Bins masked by the value of a signal, and samples that do not count: lost tracking, trials that are left out."""

from __future__ import annotations

import numpy as np
import pytest
from built_files import add_units, built, position, series, settings

from nwbglm.audit import audit_recording
from nwbglm.binning import bin_recording
from nwbglm.features import analysis_rows, build_features
from nwbglm.precheck import bins_without_spikes
from nwbglm.recording import open_recording
from nwbglm.study import Term, read_study
from nwbglm.tuning import tune_units

RNG = np.random.default_rng(11)
TIMES = np.arange(0, 30, 0.02)
X = RNG.uniform(0, 100, 1500)
CONFIDENCE = np.repeat(RNG.uniform(0, 1, 150), 10)  # holds for 200 ms
LOST = RNG.random(1500) < 0.1
SIGNALS = {
    "x": {"from": "x", "resample": "hold"},
    "confidence": {"from": "confidence", "resample": "hold"},
    "outcome": {"from": "trials", "resample": "boxcar", "value": "outcome"},
}
OUTCOMES = ["hit", "ignore", "miss", "hit", "ignore", "hit"]


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    def fill(file):
        file.add_epoch(0.0, 30.0, ["all"])
        add_units(file, [np.sort(RNG.uniform(0, 30, 600))])
        file.add_acquisition(series("x", X, timestamps=TIMES, unit="cm"))
        file.add_acquisition(series("confidence", CONFIDENCE, timestamps=TIMES, unit="1"))
        file.add_acquisition(series("lost", np.where(LOST, -1.0, X), timestamps=TIMES, unit="cm"))
        both = np.stack([np.where(LOST, -1.0, X), np.arange(1500.0)], axis=1)
        file.add_acquisition(position(both, timestamps=TIMES))
        file.add_trial_column("outcome", "what became of it")
        for k, outcome in enumerate(OUTCOMES):
            file.add_trial(start_time=5.0 * k, stop_time=5.0 * k + 4, outcome=outcome)

    return built(tmp_path_factory.mktemp("tracked") / "a.nwb", fill)


def _bins(path, **parts):
    with open_recording(path) as recording:
        return bin_recording(recording, settings(bin="20 ms", **({"signals": SIGNALS} | parts)))


@pytest.mark.parametrize(
    "mask, left_out",
    [
        ("confidence < 0.3", CONFIDENCE < 0.3),
        ("outcome == 'ignore'", np.isin(np.arange(1500) // 250, [1, 4]) & (np.arange(1500) % 250 < 200)),
        ("not (outcome in ['hit', 'miss'])", np.isin(np.arange(1500) // 250, [1, 4]) | (np.arange(1500) % 250 >= 200)),
        ("x > 90 and confidence >= 0.5", (X > 90) & (CONFIDENCE >= 0.5)),
    ],
)
def test_masked_bins_serve_no_purpose(tracked, mask, left_out):
    epochs = {"use": {"table": "epochs"}, "test": {"intervals": [["20 s", "30 s"]]}}
    plain, binned = _bins(tracked, epochs=epochs), _bins(tracked, epochs=epochs, mask={"mine": mask})
    assert left_out.any() and not left_out.all()
    np.testing.assert_array_equal(binned.in_epoch.values, plain.in_epoch.values & ~left_out)
    np.testing.assert_array_equal(analysis_rows(binned), np.flatnonzero(~left_out))
    for name in ("response", "x", "segment"):  # what was observed stays, so that windows can read it
        np.testing.assert_array_equal(binned[name].values, plain[name].values)
    history = Term.model_validate({"of": "own spikes", "basis": {"lags": {"window": "100 ms"}}})
    rows = build_features(binned, history, name="h")
    everything = build_features(plain, history, name="h")
    np.testing.assert_array_equal(rows["features"].values, everything["features"].values[~left_out])
    np.testing.assert_array_equal(rows["valid"].values, everything["valid"].values[~left_out])


def test_what_is_not_known_is_masked(tracked):
    signals = {**SIGNALS, "confidence": {**SIGNALS["confidence"], "where": "value < 0.9", "max_gap": "10 ms"}}
    binned = _bins(tracked, signals=signals, mask={"mine": "confidence < 0.3"})
    np.testing.assert_array_equal(binned.in_epoch.values[0], (CONFIDENCE >= 0.3) & (CONFIDENCE < 0.9))


def test_tuning_curves_and_the_precheck_leave_masked_bins_out(tracked):
    parts = {"signals": SIGNALS, "mask": {"low": "confidence < 0.3"}, "tuning": {"x": {"of": "x", "bins": 10}}}
    binned = _bins(tracked, **parts)
    tuned = tune_units(binned, settings(bin="20 ms", **parts))
    kept = CONFIDENCE >= 0.3
    time, edges = np.histogram(X[kept], 10, (X[kept].min(), X[kept].max()))
    np.testing.assert_allclose(tuned["occupancy_x"].values, time * 0.02)
    counts = np.histogram(X[kept], edges, weights=binned.response.values[kept, 0])[0]
    np.testing.assert_array_equal(tuned["count_x"].values[0], counts)
    study = read_study(
        {
            "study": "s",
            "recordings": {"a": {"nwb": str(tracked)}},
            "epochs": {"use": {"table": "epochs"}},
            "bin": "20 ms",
            "signals": SIGNALS,
            "mask": parts["mask"],
            "terms": {"x": {"of": "x", "basis": "identity"}},
            "models": {"x": ["x"]},
        }
    )
    with open_recording(tracked) as recording:
        silent = bins_without_spikes(recording, study)
    np.testing.assert_array_equal(silent.in_epoch.values, binned.in_epoch.values)


def test_samples_that_do_not_count_are_missing(tracked):
    found = {"from": "lost", "resample": "mean", "where": "value >= 0"}
    values = _bins(tracked, signals={"x": found}).x.values
    np.testing.assert_array_equal(values, np.where(LOST, np.nan, X))
    held = _bins(tracked, signals={"x": {**found, "resample": "interpolate", "max_gap": "1 s"}}).x.values
    inside = slice(5, -5)
    centre = TIMES + 0.01
    expected = np.interp(centre, TIMES[~LOST], X[~LOST])
    np.testing.assert_allclose(held[inside], expected[inside])


def test_a_speed_has_no_value_where_a_coordinate_does_not_count(tracked):
    speed = {"from": "position", "derive": "speed", "where": "value >= 0", "max_gap": "30 ms"}
    values = _bins(tracked, signals={"v": speed}).v.values
    assert np.isnan(values[LOST]).all() and np.nanmax(values) < 100 / 0.02 * 1.5
    assert np.nanmax(_bins(tracked, signals={"v": {**speed, "where": "time >= 0"}}).v.values) > 0


def test_masks_are_told(tracked):
    done = audit_recording(
        tracked, settings(bin="20 ms", signals=SIGNALS, mask={"low": "confidence < 0.3"}), session="a"
    )
    finding = next(one for one in done.findings if one.code == "masked")
    gone = int((CONFIDENCE < 0.3).sum())
    assert finding.level == "pass" and finding.seen.startswith(f"{gone} of 1500 bins")
    everything = audit_recording(tracked, settings(bin="20 ms", signals=SIGNALS, mask={"all": "x < 1000"}), session="a")
    assert next(one for one in everything.findings if one.code == "masked").level == "fail"


@pytest.mark.parametrize(
    "parts, words",
    [
        ({"mask": {"low": "confidenc < 0.3"}}, "no signal 'confidenc'"),
        ({"mask": {"low": "confidence <"}}, "mask"),
        ({"mask": {"low": "x < 1"}, "tuning": {"x": {"of": "x", "at": "samples"}}}, "use at: bins"),
    ],
)
def test_masks_that_cannot_be_are_said(parts, words):
    with pytest.raises(ValueError, match=words):
        settings(signals=SIGNALS, **parts)
