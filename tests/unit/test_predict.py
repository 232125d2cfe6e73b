"""Predicted rates are those of the fit, held out where a row was tested."""

import numpy as np
import pytest
import xarray as xr
from small_sessions import Stages, head_direction_session

from nwbglm import limits, store
from nwbglm.errors import ProblemError
from nwbglm.fits.matching import BY_ID
from nwbglm.fits.predict import predict_rates, predict_recording
from nwbglm.study import Window
from nwbglm.tuning import tuning_curve

EDGES = np.linspace(0, 2 * np.pi, 9)


def tuning_store():
    centres = (EDGES[1:] + EDGES[:-1]) / 2
    return xr.Dataset(
        {"rate_heading": (("unit", "value_heading"), np.zeros((3, 8)), {"signal": "heading"})},
        coords={"value_heading": centres, "edges_heading": ("edge_heading", EDGES), "unit": [1, 2, 3]},
    )


def predictions(stages, fits, window=None):
    window = Window.model_validate(window or {"start": "5 s", "length": "10 s"})
    return predict_rates(stages.binned, tuning_store(), stages.folds, stages.features, fits, window=window)


@pytest.fixture(scope="module")
def stages():
    return Stages(head_direction_session(), ["heading", "coupling", "history"])


def expected_rates(stages, fits, terms):
    """Return rates in sample and held out on all rows, Hz, from the formula."""
    inside, outside = np.full((2, stages.folds.sizes["time"], 3), np.nan)
    for u, unit in enumerate(fits["unit"].values):
        x = np.concatenate([stages.design(term, unit) for term in terms], axis=1)
        inside[:, u] = np.exp(x @ fits["coef"].values[u] + fits["intercept"].values[u]) / 0.01
        for k, test in enumerate(stages.folds["test"].values):
            eta = x @ fits["fold_coef"].values[u, k] + fits["fold_intercept"].values[u, k]
            outside[test, u] = np.exp(eta[test]) / 0.01
    invalid = ~stages.folds["shared"].values
    inside[invalid] = outside[invalid] = np.nan
    return inside, outside


@pytest.mark.parametrize("terms", [("heading", "coupling"), ("history",)])
@pytest.mark.parametrize("piece", [2**26, 1])
def test_rates_are_the_models(stages, terms, piece, monkeypatch):
    monkeypatch.setattr(limits, "PREDICTED_BYTES", piece)
    fits = stages.fit(*terms)
    made = predictions(stages, fits)
    inside, outside = expected_rates(stages, fits, terms)
    np.testing.assert_array_equal(made["row"].values, np.arange(500, 1500))
    np.testing.assert_allclose(made["rate"].values, inside[500:1500], rtol=1e-5)
    np.testing.assert_allclose(made["heldout_rate"].values, outside[500:1500], rtol=1e-5)
    assert np.abs(made["rate"].values - made["heldout_rate"].values).max() > 1e-3
    heading = stages.binned["heading"].values
    for kind, rates in (("rate", inside), ("heldout_rate", outside)):
        valid = np.isfinite(rates).all(axis=1)
        curve = tuning_curve(rates[valid] * 0.01, heading[valid], EDGES, 0.01)
        np.testing.assert_allclose(made[f"{kind}_heading"].values, curve.rate, rtol=1e-5)


def test_rows_without_history_have_no_rate(stages):
    made = predictions(stages, stages.fit("history"), {"start": "0 s", "length": "1 s"})
    np.testing.assert_array_equal(np.isnan(made["rate"].values).all(axis=1), np.arange(100) < 10)


def test_a_unit_without_its_own_history_has_no_rate_while_others_do():
    exposure = np.ones((4000, 3))
    exposure[600:700, 1] = 0
    stages = Stages(head_direction_session(exposure=exposure), ["history"])
    fits = stages.fit("history")
    made = predictions(stages, fits)
    unknown = np.isnan(made["rate"].values)
    np.testing.assert_array_equal(made["row"].values[unknown[:, 1]], np.arange(601, 710))
    assert not unknown[:, [0, 2]].any()
    np.testing.assert_array_equal(unknown, np.isnan(made["heldout_rate"].values))
    np.testing.assert_array_equal(unknown, np.isnan(predict_recording(fits, stages.binned).values[500:1500]))


def test_explicit_test_rows_are_held_out_of_the_final_fit():
    train, test = np.arange(4000) < 2500, np.arange(4000) >= 3000
    binned = head_direction_session(in_epoch={"fit": train | test, "train": train, "test": test})
    stages = Stages(binned, ["heading"])
    made = predictions(stages, stages.fit("heading"), {"start": "20 s", "length": "20 s"})
    tested = made["row"].values >= 3000
    np.testing.assert_allclose(made["heldout_rate"].values[tested], made["rate"].values[tested])
    assert np.isfinite(made["heldout_rate"].values).all()
    assert (made["heldout_rate"].values[~tested] != made["rate"].values[~tested]).any()


def test_the_store_follows_its_contract(stages, tmp_path):
    fits = stages.fit("heading")
    store.write(predictions(stages, fits), tmp_path / "p.zarr.zip", "predictions")
    assert store.read(tmp_path / "p.zarr.zip", "predictions")["rate"].attrs["units"] == "Hz"


def test_stores_from_the_disk_serve_as_well(stages, tmp_path):
    fits = stages.fit("heading", "history")
    expected = predictions(stages, fits)
    for name, dataset, kind in (("fits", fits, "fits"), ("folds", stages.folds, "folds")):
        store.write(dataset, tmp_path / f"{name}.zarr.zip", kind)
    for i, dataset in enumerate(stages.features):
        store.write(dataset, tmp_path / f"{i}.zarr.zip", "features")
    again = predict_rates(
        stages.binned,
        tuning_store(),
        store.read(tmp_path / "folds.zarr.zip"),
        [store.read(tmp_path / f"{i}.zarr.zip") for i in range(3)],
        store.read(tmp_path / "fits.zarr.zip"),
        window=Window.model_validate({"start": "5 s", "length": "10 s"}),
    )
    np.testing.assert_array_equal(again["heldout_rate"].values, expected["heldout_rate"].values)


def test_a_window_outside_the_fitted_rows_is_refused(stages):
    with pytest.raises(ProblemError, match="no fitted or tested bin"):
        predictions(stages, stages.fit("heading"), {"start": "100 s", "length": "10 s"})


# ---------------------------------------------------------------- another recording


def test_a_stored_fit_predicts_its_own_recording(stages, tmp_path):
    fits = stages.fit("heading", "coupling", "history")
    store.write(fits, tmp_path / "fits.zarr.zip", "fits")
    rate = predict_recording(store.read(tmp_path / "fits.zarr.zip"), stages.binned)
    inside, _ = expected_rates(stages, fits, ("heading", "coupling", "history"))
    np.testing.assert_allclose(rate.values, inside, rtol=1e-5)


def test_a_stored_fit_predicts_another_recording_with_its_own_bounds(stages):
    drive = Stages(stages.binned, ["drive", "coupling"])
    fits = drive.fit("coupling", "drive")
    other = head_direction_session(rows=500, seed=9)
    more = xr.concat([other["response"], other["response"].isel(unit=[0]).assign_coords(unit=[9])], "unit")
    wider = other.drop_vars(["response", "unit"]).assign(response=more).isel(unit=[3, 1, 0, 2])
    rate = predict_recording(fits, wider)
    np.testing.assert_allclose(rate.values, predict_recording(fits, other).values, rtol=1e-5)
    assert rate["unit"].values.tolist() == [1, 2, 3]
    assert np.isnan(rate.values[:10]).all() and np.isfinite(rate.values[10:]).all()
    with pytest.raises(ProblemError, match="units that the recording does not have: 3"):
        predict_recording(fits, other.isel(unit=[0, 1]))
    with pytest.raises(ProblemError, match="no signal drive"):
        predict_recording(fits, other.drop_vars("drive"))
    alone = Stages(stages.binned, ["heading"]).fit("heading")
    assert predict_recording(alone, other.isel(unit=[0])).shape == (500, 3)


def of_session(binned: xr.Dataset, name: str) -> xr.Dataset:
    return binned.assign_attrs(session=name)


def test_units_of_another_session_are_not_the_models_because_ids_agree(stages):
    fits = Stages(stages.binned, ["coupling"]).fit("coupling")
    other = head_direction_session(rows=500, seed=9)
    same = predict_recording(fits, other).values
    elsewhere = of_session(other, "another mouse")
    with pytest.raises(ProblemError, match=r"units of 'another mouse' bear the same ids does not make them the same"):
        predict_recording(fits, elsewhere)
    np.testing.assert_array_equal(predict_recording(fits, elsewhere, match=BY_ID).values, same)
    renamed = elsewhere.assign_coords(unit=[70, 80, 90]).isel(unit=[2, 0, 1])
    mapped = predict_recording(fits, renamed, match={1: 70, 2: 80, 3: 90})
    np.testing.assert_array_equal(mapped.values, same)
    assert mapped["unit"].values.tolist() == [1, 2, 3]


def test_a_joined_session_knows_the_ids_of_its_recordings(stages):
    fits = Stages(of_session(stages.binned, "b"), ["history"]).fit("history")
    other = head_direction_session(rows=500, seed=9)
    ids = [[11, 12, 13], [1, 2, 3]]
    joined = of_session(other, "a and b").assign_coords(unit=ids[0], recording=["a", "b"])
    joined["unit_of_recording"] = (("recording", "unit"), ids)
    np.testing.assert_array_equal(
        predict_recording(fits, joined).values, predict_recording(fits, of_session(other, "b"))
    )


@pytest.mark.parametrize(
    ("match", "words"),
    [
        ({1: 1, 2: 2}, "match names no unit for 3"),
        ({1: 1, 2: 2, 3: 2}, "match names one unit for several"),
        ({1: 1, 2: 2, 3: 8}, "match names units that the recording does not have: 8"),
        ("by name", "match is 'by name'"),
    ],
)
def test_a_match_that_is_none_is_refused(stages, match, words):
    fits = Stages(stages.binned, ["coupling"]).fit("coupling")
    with pytest.raises(ProblemError, match=words):
        predict_recording(fits, of_session(stages.binned, "another"), match=match)


def test_models_of_signals_predict_any_session(stages):
    fits = Stages(stages.binned, ["heading"]).fit("heading")
    other = head_direction_session(rows=500, seed=9)
    here, there = (predict_recording(fits, of_session(other, name)) for name in ("small", "another"))
    np.testing.assert_array_equal(here, there)
