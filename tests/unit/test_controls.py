"""Controls through the stores: what each takes away, what it leaves, and what is said where there is none."""

import numpy as np
import pytest
from small_sessions import Stages, binned_session

from nwbglm import figures
from nwbglm.comparison.controlled import CONTROLS, gather_controls, summarise_controls
from nwbglm.errors import StudyError
from nwbglm.inference.controls import backwards, derangement, run_control, thin
from nwbglm.inference.simulated import slow
from nwbglm.report.controls import control_rows
from nwbglm.study import Fit, Model, read_study
from nwbglm.study.worth import Control

RIDGE = {"penalty": {"ridge": {"strength": [1e-4]}}}
ENTRIES = {
    "own": {"of": "own_drive", "basis": "identity"},
    "drive": {"of": "drive", "basis": "identity"},
    "history": {"of": "own spikes", "basis": {"raised_cosine_log": {"n": 2, "window": "50 ms"}}},
}


def session(rows=6000, seed=0, gains=(0.6, 0.6, 0.6), rates=(0.5, 0.5, 0.5), **more):
    random = np.random.default_rng(seed)
    drive = slow(random, rows, 10)
    counts = random.poisson(np.array(rates) * np.exp(np.array(gains) * drive[:, None]))
    return binned_session(counts, drive=drive, own_drive=slow(random, rows, 10), **more)


def run(binned, terms=("drive", "history"), block="0-of-1", seed=0, **control):
    stages = Stages(binned, {name: ENTRIES[name] for name in terms})
    fits = stages.fit(*terms, fit=RIDGE, block=block)
    found = run_control(
        binned, stages.folds, stages.features, fits, control=Control.model_validate({"model": "model"} | control),
        name="c", model=Model(terms=terms), fit=Fit.model_validate(RIDGE), block=block, seed=seed,
    )  # fmt: skip
    return stages, fits, found


def test_reversed_time_leaves_nothing_of_a_drive():
    _, _, found = run(session(), kind="reversed_time")
    assert (found["score"] > 0.05).all() and (np.abs(found["control"]) < 0.01).all()
    np.testing.assert_array_equal(found["of"], found["unit"])


def test_rows_of_one_term_run_backwards_as_a_fit_by_hand_says():
    binned = session()
    stages, _, found = run(binned, kind="reversed_time", term="drive")
    turned = binned.copy()
    row = stages.folds["row"].values
    values = binned["drive"].values.copy()
    values[row] = values[row][::-1]
    turned["drive"] = ("time", values, binned["drive"].attrs)
    other = Stages(turned, {name: ENTRIES[name] for name in ("drive", "history")})
    fits = other.fit("drive", "history", fit=RIDGE)
    likelihood = fits["test_log_likelihood"].isel(strength=0).sum("fold") - fits["null_test_log_likelihood"].sum("fold")
    expected = likelihood / fits["test_spikes"].sum("fold") / np.log(2)
    np.testing.assert_allclose(found["control"], expected, atol=1e-4)  # `history` loses other rows at the end
    assert found.attrs["term"] == "drive"


def test_recordings_run_backwards_by_themselves():
    binned = session(rows=10)
    binned["segment"] = ("time", np.repeat([0, 1, 2], [3, 3, 4]))
    assert backwards(binned, np.arange(10)).tolist() == list(range(9, -1, -1))
    binned["recording_of_segment"] = ("segments", np.array([0, 0, 1]))
    assert backwards(binned, np.arange(1, 9)).tolist() == [4, 3, 2, 1, 0, 7, 6, 5]


def test_a_shuffle_gives_every_unit_anothers_response():
    for count in (2, 3, 10):
        of = derangement(count, np.random.default_rng(count))
        assert sorted(of) == list(range(count)) and (of != np.arange(count)).all()
    binned = session(gains=(0.8, 0.0, 0.0), seed=3)
    _, _, found = run(binned, terms=("drive",), kind="cell_shuffle")
    driven = found["of"].values == 1  # whoever got the only driven unit's response
    assert driven.sum() == 1 and not driven[0]
    assert float(found["control"][driven][0]) == pytest.approx(float(found["score"][0]), abs=1e-6)
    assert (np.abs(found["control"][~driven]) < 0.01).all()
    assert found["control_spikes"].values[driven] == found["spikes"].values[0]


def test_blocks_share_the_shuffle():
    _, _, whole = run(session(), kind="cell_shuffle")
    for b in (0, 1):
        _, _, part = run(session(), kind="cell_shuffle", block=f"{b}-of-2")
        np.testing.assert_array_equal(part["of"], whole["of"].sel(unit=part["unit"]))
        np.testing.assert_allclose(part["control"], whole["control"].sel(unit=part["unit"]), atol=1e-6)


def test_rates_are_matched_and_the_drive_is_found_all_the_same():
    binned = session(rates=(0.1, 0.4, 0.8))
    counts = thin(binned, None, np.random.default_rng(0))
    rates = counts.sum(axis=0) / (6000 * 0.01)
    np.testing.assert_allclose(rates, rates[0], rtol=0.12)
    assert (counts <= binned["response"].values).all() and (counts[:, 0] == binned["response"].values[:, 0]).all()
    np.testing.assert_allclose(thin(binned, 20.0, np.random.default_rng(0)).sum(axis=0)[1:] / 60, 20, rtol=0.1)
    _, _, found = run(binned, terms=("drive",), kind="rate_matched")
    np.testing.assert_allclose(found["control_spikes"], found["control_spikes"][0], rtol=0.12)
    assert (found["control"] > 0.05).all() and float(found["control"][0]) == pytest.approx(float(found["score"][0]))
    silent = session(rates=(0.0, 0.4, 0.8))
    assert (thin(silent, None, np.random.default_rng(0)).sum(axis=0)[1:] > 1000).all()


def test_a_thinned_silent_unit_says_how_its_fit_ended():
    _, _, found = run(session(rates=(0.0, 0.4, 0.8)), terms=("drive",), kind="rate_matched")
    assert str(found["reason"].values[0]) == "under the control: no_spikes" and str(found["reason"].values[1]) == ""


def test_what_cannot_be_controlled_says_so():
    _, _, alone = run(session(gains=(0.5,), rates=(0.5,)), kind="cell_shuffle")
    assert "no other" in str(alone["reason"].values[0]) and alone["control"].isnull().all()
    binned = session()
    values = binned["response"].values + 0.5
    binned["response"] = (("time", "unit"), values, {"kind": "continuous", "name": "dF/F", "units": ""})
    stages = Stages(binned, {"drive": ENTRIES["drive"]})
    gaussian = RIDGE | {"observations": "gaussian"}
    found = run_control(
        binned, stages.folds, stages.features, stages.fit("drive", fit=gaussian),
        control=Control(model="model", kind="rate_matched"), name="c", model=Model(terms=("drive",)),
        fit=Fit.model_validate(gaussian),
    )  # fmt: skip
    assert "continuous" in str(found["reason"].values[0])


def study(**controls):
    return read_study(
        {
            "study": "s", "recordings": {"a": {"nwb": "a.nwb"}}, "epochs": {"use": {"table": "epochs"}},
            "bin": "10 ms", "signals": {"x": {"from": "x"}}, "terms": {"x": {"of": "x", "basis": "identity"}},
            "models": {"model": ["x"]}, "inference": {"controls": controls},
        }
    )  # fmt: skip


def test_table_figure_page_and_mistakes():
    _, _, found = run(session(), kind="reversed_time")
    table = gather_controls([found])
    assert list(table) == list(CONTROLS) and len(gather_controls([])) == len(summarise_controls(table.iloc[:0])) == 0
    told = study(c={"model": "model", "kind": "reversed_time"})
    assert "controls" in figures.overall_figures_of(told)
    _, drawn = figures.draw_overall("controls", study=told, controls=table)
    np.testing.assert_allclose(drawn.difference, found["score"] - found["control"])
    row = control_rows(told, table).iloc[0]
    assert row["units better as it is"] == 3 and "slow signals" in row["what is left under it is"]
    _, empty = figures.draw_overall("controls", study=told, controls=gather_controls([]))
    assert "No control could be fitted" in empty.message.iloc[0]
    for controls, said in (
        ({"model": "m", "kind": "cell_shuffle"}, r"controls\.c\.model: there is no model 'm'"),
        ({"model": "model", "kind": "reversed_time", "term": "y"}, r"controls\.c\.term: model 'model' has no term 'y'"),
        ({"model": "model", "kind": "cell_shuffle", "rate": 1}, "rate belongs to kind: rate_matched"),
    ):
        with pytest.raises(StudyError, match=said):
            study(c=controls)
