"""Filters are what coefficients mean: kernel times coefficient, with names on every axis."""

import numpy as np
import pytest
from small_sessions import Stages, head_direction_session

from nwbglm.errors import ProblemError
from nwbglm.features import filters


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
