"""Ceilings through the stores: repeats found, the pinned numbers, what a model explains, what is refused."""

import numpy as np
import pytest
from small_sessions import Stages, binned_session

import nwbglm
from nwbglm import figures
from nwbglm.comparison.ceilings import CEILING, gather_ceilings
from nwbglm.inference.agreement import repeat_ceiling
from nwbglm.inference.ceiling import find_repeats, measure_ceiling
from nwbglm.report.ceilings import ceiling_rows
from nwbglm.study import Fit, Model, read_study
from nwbglm.study.worth import Ceiling

REPEATS, LENGTH = 8, 1000
RIDGE = {"penalty": {"ridge": {"strength": [1e-4]}}}
ENTRIES = {"drive": {"of": "drive", "basis": "identity"}, "other": {"of": "other", "basis": "identity"}}


def frozen(gain=1.0, seed=0, cut="within_epochs", rate=0.5, units=2):
    """The same slow drive in every epoch, and a signal that has nothing to do with it."""
    random = np.random.default_rng(seed)
    one = np.convolve(random.normal(size=LENGTH + 9), np.ones(10) / np.sqrt(10), mode="valid")
    drive = np.tile(one, REPEATS)
    other = np.convolve(random.normal(size=len(drive) + 9), np.ones(10), mode="valid")
    counts = random.poisson(rate * np.exp(gain * drive - gain**2 / 2)[:, None] * np.ones(units))
    segment = np.repeat(np.arange(REPEATS), LENGTH)
    binned = binned_session(counts, bin_width=0.01, segment=segment, drive=drive, other=other)
    binned["segment_label"] = ("segments", np.array(["a", "b"] * (REPEATS // 2)))
    return Stages(binned, ENTRIES, cut=cut), rate * np.exp(gain * one - gain**2 / 2)


def measure(stages, *terms, block="0-of-1", **ceiling):
    fits = stages.fit(*terms, fit=RIDGE, block=block)
    return measure_ceiling(
        stages.binned, stages.folds, stages.features, fits, ceiling=Ceiling.model_validate(ceiling),
        model=Model(terms=terms), fit=Fit.model_validate(RIDGE), block=block,
    )  # fmt: skip


@pytest.fixture(scope="module")
def driven():
    stages, rate = frozen()
    return stages, rate, measure(stages, "drive", window="50 ms")


def test_the_true_model_reaches_the_ceiling_and_another_does_not(driven):
    stages, _, found = driven
    assert (found["reason"] == "").all() and (found["repeats"] == REPEATS).all()
    assert (found["cc_low"] <= 1).all() and (found["cc_norm"] > 0.93).all()
    wrong = measure(stages, "other", window="50 ms")
    assert (np.abs(wrong["cc_norm"]) < 0.3).all()
    np.testing.assert_allclose(wrong["share"], found["share"])


def test_signal_and_noise_are_those_of_the_simulation(driven):
    _, rate, found = driven
    expected = rate.reshape(-1, 5).sum(axis=1)
    np.testing.assert_allclose(found["signal"], expected.var(ddof=1), rtol=0.15)
    np.testing.assert_allclose(found["noise"], expected.mean(), rtol=0.08)  # Poisson
    share = expected.var() / (expected.var() + expected.mean())
    assert (found["share_low"] < share).all() and (share < found["share_high"]).all()


def test_the_numbers_are_those_of_the_pinned_function_on_held_out_rows(driven):
    stages, _, found = driven
    counts = stages.binned["response"].values[:, 0].reshape(REPEATS, -1, 5).sum(axis=2).T.astype(float)
    known = np.isfinite(found["predicted"].values[0])
    got = repeat_ceiling(counts[known], found["predicted"].values[0][known])
    assert float(found["share"][0]) == pytest.approx(got.share)
    assert float(found["cc_norm"][0]) == pytest.approx(got.normalised_correlation)
    assert int(found["windows"][0]) == known.sum()
    np.testing.assert_allclose(found["response"].values[0][known], counts[known].mean(axis=1))


def test_it_is_said_whether_the_stimulus_was_seen(driven):
    assert (driven[2]["seen"] == 0).all()
    assert (measure(frozen(cut="epochs")[0], "drive", window="50 ms")["seen"] == 1).all()


def test_repeats_are_equal_times_of_epochs_cut_to_the_shortest():
    segment = np.repeat([0, 1, 2, 3], [50, 47, 50, 30])
    binned = binned_session(np.zeros(177), segment=segment)
    binned["segment_label"] = ("segments", np.array(["a", "b", "a", "c"]))
    every = find_repeats(binned, Ceiling(window="50 ms"))
    assert every.bins.shape == (6, 4, 5) and every.bins[1, 2].tolist() == [102, 103, 104, 105, 106]
    by_label = find_repeats(binned, Ceiling(window="50 ms", repeats="labels"))
    assert by_label.bins.shape == (10, 2, 5) and set(by_label.label) == {"a"}
    assert find_repeats(binned_session(np.zeros(50)), Ceiling()).bins.shape[0] == 0


def test_noise_is_refused_in_words():
    found = measure(frozen(gain=0.2, rate=0.05)[0], "drive", window="10 ms")
    assert found["cc_norm"].isnull().all() and found["share"].notnull().all()
    assert "below 0.5" in str(found["reason"].values[0])
    once = binned_session(np.random.default_rng(0).poisson(0.3, (3000, 1)), drive=np.sin(np.arange(3000)))
    alone = measure(Stages(once, {"drive": ENTRIES["drive"]}), "drive")
    assert str(alone["reason"].values[0]) == "no stimulus was given twice" and alone["share"].isnull().all()


def test_table_figure_and_page(driven):
    stages, _, found = driven
    seen = found.assign(seen=found["seen"] + 1).assign_attrs(model="model")
    table = gather_ceilings([seen])
    assert list(table) == list(CEILING) and len(table) == 2 and len(gather_ceilings([])) == 0
    said = ceiling_rows(table)
    assert "trained on in other repeats" in said["to be said"].iloc[0] and said["units"].iloc[0] == "2 of 2"
    study = read_study(
        {
            "study": "s", "recordings": {"a": {"nwb": "a.nwb"}}, "epochs": {"use": {"table": "epochs"}},
            "bin": "10 ms", "models": {"model": []}, "inference": {"ceiling": {"models": ["model"]}},
        }
    )  # fmt: skip
    assert "ceiling-model" in figures.figures_of(study)
    drawn = {"study": study, "binned": stages.binned, "ceilings": {"model": found}}
    _, numbers = figures.draw_session("ceiling-model", **drawn)
    np.testing.assert_allclose(numbers.response.to_numpy().reshape(2, -1), found["response"].values)
    nothing = found.assign(
        share=found["share"] * np.nan, reason=("unit", np.array(["no stimulus was given twice"] * 2))
    )
    _, numbers = figures.draw_session("ceiling-model", **drawn | {"ceilings": {"model": nothing}})
    assert "given twice" in numbers.message.iloc[0]


def test_nine_repeats_of_frozen_noise_give_a_real_ceiling(shared_data):
    """From the raw file with numpy alone, and the product's own words of it: about 80 % can be explained in 20 ms."""
    import h5py

    path = shared_data / "noise_current_cell3.nwb"
    with h5py.File(path) as file:
        spikes = file["units/spike_times"][:]
        starts = file["intervals/epochs/start_time"][:]
    edges = np.arange(0, 20.0001, 0.02)
    counts = np.stack([np.histogram(spikes - start, edges)[0] for start in starts], axis=1).astype(float)
    noise = counts.var(axis=1, ddof=1).mean()
    signal = counts.mean(axis=1).var(ddof=1) - noise / 9
    assert counts.shape == (1000, 9) and signal / (signal + noise) == pytest.approx(0.80, abs=0.01)
    binned = nwbglm.bin_recording(path, epochs={"use": {"table": "epochs"}}, bin="1 ms", session="cell")
    binned["ones"] = ("time", np.sin(np.arange(binned.sizes["time"])), {"role": "signal", "units": ""})
    entries = {"ones": {"of": "ones", "basis": "identity"}}
    stages = Stages(binned, entries, cut="within_epochs")
    found = measure(stages, "ones", window="20 ms")
    assert int(found["repeats"][0]) == 9 and int(found["windows"][0]) > 950
    assert float(found["share"][0]) == pytest.approx(signal / (signal + noise), abs=0.01)
    assert float(found["share_low"][0]) < 0.78 < 0.82 < float(found["share_high"][0])
    assert abs(float(found["cc_norm"][0])) < 0.2  # a sine has nothing to do with it
