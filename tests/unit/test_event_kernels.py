"""Kernels of events: windows that hold the event's own bin, as in neuroGLM and in IBL's design matrices."""

from __future__ import annotations

import numpy as np
import pytest
from built_files import add_units, built, settings
from small_sessions import binned_session

from nwbglm.basis import kernel
from nwbglm.binning import bin_recording
from nwbglm.errors import StudyError
from nwbglm.features import build_features, remake
from nwbglm.recording import open_recording
from nwbglm.study import Basis, Term, read_study

BIN = 0.01


def neuroglm(stimulus, bases, offset):
    """Convolve as `basisFactory.convBasis` of neuroGLM does: pad by the offset, convolve, cut to the trial's length."""
    bins = len(stimulus)
    padded = np.concatenate([np.zeros(max(offset, 0)), stimulus, np.zeros(max(-offset, 0))])
    made = np.stack([np.convolve(padded, function)[: len(padded)] for function in bases.T], axis=1)
    return made[-offset:] if offset < 0 else made[:bins]


def term(of="x", kind="bspline", **basis):
    return Term.model_validate({"of": of, "basis": {kind: {"n": 5, "window": "120 ms"} | basis}})


def events(seed=0, size=400):
    rng = np.random.default_rng(seed)
    signal = np.zeros(size)
    signal[rng.choice(size, 15, replace=False)] = rng.normal(2, 1, 15)  # each with an amplitude of its own
    return signal


@pytest.mark.parametrize("offset", [-30, -12, -5, -1, 0, 1, 2, 12])
@pytest.mark.parametrize("kind", ["bspline", "raised_cosine_linear", "raised_cosine_log"])
def test_causal_windows_are_those_of_neuroglm(kind, offset):
    signal = events(abs(offset))
    made = build_features(
        binned_session(np.zeros(400), x=signal), term(kind=kind, begin=f"{offset * 10} ms"), name="x"
    )  # fmt: skip
    theirs = neuroglm(signal, made["kernel"].values, offset)
    valid = made["valid"].values
    # neuroGLM takes what lies outside a trial for 0; here a window that leaves the segment is no row
    expected = np.ones(400, bool)
    expected[: max(offset + 11, 0)] = False
    expected[400 - max(-offset, 0) :] = False
    np.testing.assert_array_equal(valid, expected)
    np.testing.assert_allclose(made["features"].values[valid], theirs[valid], rtol=1e-6, atol=1e-6)
    assert made["lag"].values[[0, -1]] == pytest.approx([offset * BIN, (offset + 11) * BIN])
    np.testing.assert_array_equal(remake(made, binned_session(np.zeros(400), x=signal)).make([0], np.arange(90, 200)),
                                  made["features"].values[90:200])  # fmt: skip


def test_the_neuroglm_function_is_its_sum():
    signal, bases = events(), np.random.default_rng(1).normal(size=(7, 2))
    for offset in (-3, 0, 4):
        made = neuroglm(signal, bases, offset)
        for t in (50, 200, 301):
            total = sum(bases[k] * signal[t - k - offset] for k in range(7))
            np.testing.assert_allclose(made[t], total, atol=1e-12)


@pytest.mark.parametrize("begin", [-4, 0, 1, 6])
def test_anticausal_windows_mirror_causal_ones(begin):
    signal = events(3)
    time = f"{begin * 10} ms"
    ahead = build_features(
        binned_session(np.zeros(400), x=signal), term(direction="anticausal", begin=time), name="x"
    )  # fmt: skip
    behind = build_features(binned_session(np.zeros(400), x=signal[::-1]), term(begin=time), name="x")
    np.testing.assert_allclose(ahead["features"].values, behind["features"].values[::-1], atol=1e-6)
    np.testing.assert_array_equal(ahead["valid"].values, behind["valid"].values[::-1])
    np.testing.assert_allclose(ahead["lag"].values, -behind["lag"].values[::-1])


def test_what_is_said_is_what_was_there_before():
    for direction in ("causal", "anticausal"):
        plain, said = (
            kernel(Basis.model_validate({"bspline": {"n": 5, "window": "120 ms", "direction": direction} | more}), BIN)
            for more in ({}, {"begin": "10 ms"})
        )
        assert plain.first == said.first
        np.testing.assert_array_equal(plain.weights, said.weights)


def test_one_lag_in_the_events_own_bin_is_the_signal():
    signal = events()
    own = Term.model_validate({"of": "x", "basis": {"lags": {"window": "10 ms", "begin": "0 s"}}})
    made = build_features(binned_session(np.zeros(400), x=signal), own, name="x")
    np.testing.assert_array_equal(made["features"].values[:, 0], signal.astype(np.float32))
    assert made["valid"].values.all() and made.attrs["window"] == 0 and made.attrs["ahead"] == 0


def test_other_units_spikes_may_count_from_their_own_bin():
    counts = np.random.default_rng(2).poisson(0.05, (400, 3))
    made = build_features(binned_session(counts), term("other spikes", begin="0 s"), name="x")
    valid = made["valid"].values
    for unit in range(3):
        theirs = neuroglm(counts[:, unit], made["kernel"].values, 0)
        np.testing.assert_allclose(made["features"].values[valid, 5 * unit : 5 * unit + 5], theirs[valid], atol=1e-6)


@pytest.mark.parametrize("of", ["own spikes", "all spikes", "own response"])
@pytest.mark.parametrize("begin", ["0 s", "-20 ms"])
def test_a_unit_is_not_explained_by_its_own_present(of, begin):
    with pytest.raises(ValueError, match=r"begin: a unit's .* cannot be explained by what is in the same bin"):
        term(of, begin=begin)
    assert term(of, begin="20 ms").window == pytest.approx(0.12)


def test_beginnings_that_cannot_be_are_said():
    with pytest.raises(ValueError, match="an acausal window is centred"):
        term(direction="acausal", begin="0 s")
    with pytest.raises(ValueError, match="begin: goes with a window"):
        Term.model_validate({"of": "x", "basis": {"bspline": {"n": 5, "begin": "0 s"}}})
    with pytest.raises(StudyError, match="not a whole number of bins"):
        build_features(binned_session(np.zeros(400), x=events()), term(begin="-15 ms"), name="x")
    study = {
        "study": "s",
        "recordings": {"one": {"nwb": "one.nwb"}},
        "epochs": {"use": {"table": "epochs"}},
        "bin": "10 ms",
        "signals": {"x": {"from": "trials", "resample": "events"}},
        "terms": {"x": {"of": "x", "basis": {"bspline": {"n": 5, "window": "120 ms", "begin": "-15 ms"}}}},
        "models": {"x": ["x"]},
    }
    with pytest.raises(StudyError) as refused:
        read_study(study)
    assert "begin" in str(refused.value) and "-0.02 s or -0.01 s" in str(refused.value)


def test_an_events_amplitude_times_its_kernel_from_a_file(tmp_path):
    rng = np.random.default_rng(7)
    starts = np.round(np.arange(2.0, 38, 3) + rng.uniform(0, 1, 12), 3) + 0.0004  # off the edges of bins
    contrast = rng.choice([0.0, 0.25, 1.0, np.nan], 12)

    def fill(file):
        file.add_epoch(0.0, 40.0, ["all"])
        add_units(file, [np.arange(0.0, 40, 0.1)])
        for name in ("go_cue", "contrast"):
            file.add_trial_column(name, name)
        for start, value in zip(starts, contrast, strict=True):
            file.add_trial(start_time=start, stop_time=start + 2, go_cue=0.5, contrast=value)

    cue = {"from": "trials", "resample": "events", "time": "go_cue", "since": "start_time"}
    with open_recording(built(tmp_path / "a.nwb", fill)) as recording:
        binned = bin_recording(recording, settings(signals={"cue": cue, "size": {**cue, "value": "contrast"}}))
    # as IBL's `addcov_timing`: a 1 (or the trial's value: `deltas`) in the event's bin, convolved from `offset` on
    delta, sized = np.zeros(4000), np.zeros(4000)
    at = np.floor((starts + 0.5) / BIN).astype(int)
    np.add.at(delta, at, 1.0)
    np.add.at(sized, at[np.isfinite(contrast)], contrast[np.isfinite(contrast)])
    np.testing.assert_array_equal(binned.cue.values, delta)
    np.testing.assert_array_equal(binned["size"].values, sized)
    for name, signal in (("cue", delta), ("size", sized)):
        made = build_features(binned, term(name, begin="-50 ms", window="400 ms"), name=name)
        valid = made["valid"].values
        theirs = neuroglm(signal, made["kernel"].values, -5)
        np.testing.assert_allclose(made["features"].values[valid], theirs[valid], rtol=1e-6, atol=1e-7)
