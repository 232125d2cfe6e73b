"""Filters are what coefficients mean: kernel times coefficient, with names on every axis."""

import itertools

import numpy as np
import pytest
import xarray as xr
from small_sessions import TERMS, Stages, head_direction_session

from nwbglm.errors import ProblemError
from nwbglm.features import build_features
from nwbglm.filters import OTHER_FEATURE, filters, tables_of_features, tabulate, variances
from nwbglm.fits.predict import predict_recording
from nwbglm.study import Term


@pytest.fixture(scope="module")
def stages():
    return Stages(head_direction_session(), ["coupling", "others", "history", "heading", "drive"])


def test_coupling_filters_are_receiver_sender_lag(stages):
    fits = stages.fit("heading", "coupling")
    found = filters(fits, "coupling")
    assert found.dims == ("receiver", "sender", "lag")
    assert found.shape == (3, 3, 10)
    kernel = stages.features[0]["kernel"].values
    coef = fits["coef"].values[1, 6:][6:9]  # receiver 2, sender 3
    np.testing.assert_allclose(found.sel(receiver=2, sender=3).values, kernel @ coef, rtol=1e-12)
    np.testing.assert_allclose(found["lag"].values, np.arange(1, 11) * 0.01)
    folds = filters(fits, "coupling", of="fold_coef")
    assert folds.dims == ("receiver", "sender", "fold", "lag")
    np.testing.assert_allclose(folds.values[1, 2, 3], kernel @ fits["fold_coef"].values[1, 3, 6:][6:9], rtol=1e-12)


def test_own_history_and_halves(stages):
    fits = stages.fit("history", halves=True)
    assert filters(fits, "history").dims == ("unit", "lag")
    halves = filters(fits, "history", of="half_coef")
    assert halves.dims == ("unit", "half", "lag")
    kernel = stages.features[2]["kernel"].values
    np.testing.assert_allclose(halves.values[2, 1], kernel @ fits["half_coef"].values[2, 1], rtol=1e-12)


def test_other_spikes_have_no_filter_onto_themselves(stages):
    found = filters(stages.fit("others"), "others")
    np.testing.assert_array_equal(np.isnan(found.values).all(axis=2), np.eye(3, dtype=bool))


def test_tuning_over_values(stages):
    fits = stages.fit("heading", "drive")
    heading = filters(fits, "heading")
    assert heading.dims == ("unit", "value")
    np.testing.assert_allclose(heading.values[:, 0], heading.values[:, -1], atol=1e-10)
    drive = filters(fits, "drive")
    np.testing.assert_allclose(drive.values, fits["coef"].values[:, [6]] * drive["value"].values, rtol=1e-12)
    with pytest.raises(ProblemError, match="no term 'coupling'"):
        filters(fits, "coupling")


def test_draws_of_coefficients_keep_their_axis(stages):
    fits = stages.fit("heading", "coupling")
    draws = fits["coef"] + xr.DataArray(
        np.random.default_rng(0).normal(size=(7, 3, 15)), dims=("draw", "unit", "feature")
    )
    found = filters(fits, "coupling", of=draws)
    assert found.dims == ("receiver", "sender", "draw", "lag")
    one = filters(fits, "coupling", of=draws.isel(draw=4))
    np.testing.assert_allclose(found.isel(draw=4).values, one.values, rtol=1e-12)


@pytest.mark.parametrize("term", ["coupling", "others", "history", "heading"])
def test_variances_of_filters_are_those_of_draws(stages, term):
    fits = stages.fit(term)
    rng, features = np.random.default_rng(1), fits.sizes["feature"]
    root = rng.normal(size=(3, features, features))
    covariance = xr.DataArray(root @ root.swapaxes(1, 2), dims=("unit", "feature", OTHER_FEATURE))
    # draws that have exactly this covariance: one along each column of its root
    draws = xr.DataArray(root, dims=("unit", "feature", "draw"))
    expected = (filters(fits, term, of=draws) ** 2).sum("draw", skipna=False)
    found = variances(fits, term, covariance)
    assert found.dims == expected.dims
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-10)


def test_a_table_of_filters_has_a_row_a_point(stages):
    fits = stages.fit("others", "history")
    found = filters(fits, "others")
    table = tabulate(found)
    assert table.columns.tolist() == ["receiver", "sender", "lag", "log_gain"]
    row = table[(table.receiver == 2) & (table.sender == "3") & np.isclose(table.lag, 0.04)]
    assert row.log_gain.item() == found.sel(receiver=2, sender=3).values[3]
    assert tabulate(filters(fits, "history")).columns.tolist() == ["unit", "input", "lag", "log_gain"]


def test_no_name_of_a_term_is_taken_for_a_factor_of_a_product():
    stages = Stages(head_direction_session(1500), ["gain", "drive"])
    stages.features[1] = build_features(stages.binned, Term.model_validate(TERMS["drive"]), name="gain_0")
    fits = stages.fit("gain", "gain_0")
    product = filters(fits, "gain")
    assert product.dims == ("unit", "value_0", "lag_1")
    lags, values = (table.functions for table in reversed(tables_of_features(stages.features[0])))
    coef = fits["coef"].values[0, :8].reshape(4, 2)
    np.testing.assert_allclose(product.values[0], values @ coef @ lags.T, rtol=1e-12)
    alone = filters(fits, "gain_0")
    assert alone.dims == ("unit", "value")
    np.testing.assert_allclose(alone.values, fits["coef"].values[:, [8]] * alone["value"].values, rtol=1e-12)


# ---------------------------------------------------------------- products in any order

FACTORS = {
    "heading": {"of": "heading", "basis": {"cyclic_bspline": {"n": 4}}},
    "drive": {"of": "drive", "basis": "identity"},
    "own spikes": {"of": "own spikes", "basis": {"raised_cosine_log": {"n": 2, "window": "100 ms"}}},
    "all spikes": {"of": "all spikes", "basis": {"raised_cosine_log": {"n": 2, "window": "100 ms"}}},
    "other spikes": {"of": "other spikes", "basis": {"lags": {"window": "20 ms"}}},
}


@pytest.mark.parametrize("units", [1, 3])
@pytest.mark.parametrize(
    "inputs",
    [
        ("heading", "own spikes"),
        ("drive", "all spikes"),
        ("other spikes", "heading"),
        ("heading", "drive", "own spikes"),
    ],
)
def test_the_order_of_factors_only_orders_columns(inputs, units):
    if units == 1 and "other spikes" in inputs:
        pytest.skip("a single unit has no others")
    binned = head_direction_session(1500).isel(unit=slice(units))
    found = {}
    for order in itertools.permutations(inputs):
        term = Term.model_validate({"product": [FACTORS[name] for name in order]})
        stages = Stages(binned, {"product": term}, blocks=3)
        fits = stages.fit("product", fit={"penalty": {"ridge": {"strength": 1e-2}}, "tolerance": 1e-14})
        axes = [f"{'lag' if 'spikes' in name else 'value'}_{order.index(name)}" for name in inputs]
        filter_ = filters(fits, "product")
        found[order] = (
            fits,
            stages.features[0]["valid"].values,
            filter_.transpose(*(dim for dim in filter_.dims if dim not in axes), *axes).values,
            predict_recording(fits, binned).values,
        )
    first, *others = found.values()
    for fits, valid, shape, rate in others:
        np.testing.assert_array_equal(valid, first[1])
        assert sorted(fits["input"].values.tolist()) == sorted(first[0]["input"].values.tolist())
        # features are products in single precision, whose last digits depend on the order
        np.testing.assert_allclose(shape, first[2], rtol=0, atol=3e-6 * np.nanmax(np.abs(shape)))
        np.testing.assert_allclose(rate, first[3], rtol=1e-5)
        mine, theirs = (np.sort(each["coef"].values, axis=1) for each in (fits, first[0]))
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=3e-6 * np.abs(mine).max())
