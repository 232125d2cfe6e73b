"""Basis functions equal NeMoS's where the two are defined alike, and keep their own promises elsewhere."""

import warnings

import numpy as np
import pytest
import scipy.linalg

from nwbglm import basis
from nwbglm.errors import StudyError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import nemos

import jax

GRID = np.linspace(0.0, 1.0, 97)


@pytest.fixture(autouse=True)
def double_precision():
    with jax.enable_x64(True):
        yield


def same(ours, theirs):
    np.testing.assert_allclose(ours, np.asarray(theirs), rtol=0, atol=1e-12)


@pytest.mark.parametrize("n", [2, 5, 8, 10])
@pytest.mark.parametrize("lags", [8, 80, 200])
def test_raised_cosine_log_is_nemos(n, lags):
    theirs = nemos.basis.RaisedCosineLogConv(n, window_size=lags).evaluate_on_grid(lags)[1]
    same(basis.raised_cosine_log(np.linspace(0, 1, lags), n), theirs)


def test_raised_cosine_log_options_are_nemos():
    theirs = nemos.basis.RaisedCosineLogConv(
        6, window_size=60, width=3.0, time_scaling=10.0, enforce_decay_to_zero=False
    )
    ours = basis.raised_cosine_log(np.linspace(0, 1, 60), 6, width=3.0, time_scaling=10.0, decay_to_zero=False)
    same(ours, theirs.evaluate_on_grid(60)[1])


def test_raised_cosine_log_starts_at_one_and_dies_out():
    values = basis.raised_cosine_log(GRID, 8)
    assert values[0, 0] == 1.0
    assert np.abs(values[-1]).max() < 1e-15


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda x: basis.raised_cosine_linear(x, 7), lambda: nemos.basis.RaisedCosineLinearEval(7)),
        (lambda x: basis.bspline(x, 9), lambda: nemos.basis.BSplineEval(9)),
        (lambda x: basis.bspline(x, 5, order=2), lambda: nemos.basis.BSplineEval(5, order=2)),
        (lambda x: basis.cyclic_bspline(x, 12), lambda: nemos.basis.CyclicBSplineEval(12)),
        (lambda x: basis.cyclic_bspline(x, 6, order=2), lambda: nemos.basis.CyclicBSplineEval(6, order=2)),
        (lambda x: basis.mspline(x, 6, order=3), lambda: nemos.basis.MSplineEval(6, order=3)),
        (lambda x: basis.fourier(x, 4), lambda: nemos.basis.FourierEval(5)),
    ],
    ids=["cosine", "bspline", "bspline2", "cyclic", "cyclic2", "mspline", "fourier"],
)
def test_functions_of_a_value_are_nemos(ours, theirs):
    same(ours(GRID), theirs().evaluate(GRID))


@pytest.mark.parametrize("order", [2, 3, 4])
def test_splines_sum_to_one_and_the_cyclic_one_closes(order):
    cyclic = basis.cyclic_bspline(GRID, 7, order=order)
    same(cyclic.sum(axis=1), 1.0)
    same(cyclic[0], cyclic[-1])
    same(basis.bspline(GRID, 7, order=order).sum(axis=1), 1.0)


def test_msplines_integrate_to_one():
    fine = np.linspace(0, 1, 20001)
    np.testing.assert_allclose(np.trapezoid(basis.mspline(fine, 6, order=3), fine, axis=0), 1.0, rtol=1e-6)


def test_exponentials_are_orthonormal_and_span_what_nemos_spans():
    lags, rates = 100, np.array([2.0, 5.0, 20.0])
    position = np.linspace(0, 1, lags)
    ours = basis.orthogonal_exponentials(position, 1.0 / rates)
    same(ours.T @ ours, np.eye(3))
    theirs = np.asarray(
        nemos.basis.OrthExponentialConv(3, window_size=lags, decay_rates=rates).evaluate_on_grid(lags)[1]
    )
    assert scipy.linalg.subspace_angles(ours, theirs).max() < 1e-10


def test_exponentials_that_coincide_are_refused():
    with pytest.raises(StudyError, match="cannot be told apart"):
        basis.orthogonal_exponentials(np.linspace(0, 1, 50), [0.2, 0.2])


def test_polynomials_span_powers():
    design = basis.polynomial(GRID, 3)
    powers = np.stack([GRID, GRID**2, GRID**3], axis=1)
    with_constant = np.column_stack([np.ones_like(GRID), design])
    residual = powers - with_constant @ np.linalg.lstsq(with_constant, powers, rcond=None)[0]
    assert np.abs(residual).max() < 1e-12


def test_categories():
    values = basis.categorical(np.array([2.0, 0.0, 5.0, np.nan]), np.array([0.0, 2.0]))
    np.testing.assert_array_equal(values, [[0, 1], [1, 0], [np.nan, np.nan], [np.nan, np.nan]])


@pytest.mark.parametrize(
    "family",
    [
        lambda x: basis.raised_cosine_log(x, 4),
        lambda x: basis.raised_cosine_linear(x, 4),
        lambda x: basis.bspline(x, 4),
        lambda x: basis.mspline(x, 4),
        lambda x: basis.cyclic_bspline(x, 4),
        lambda x: basis.fourier(x, 2),
        lambda x: basis.polynomial(x, 2),
    ],
)
def test_outside_the_bounds_is_nan_not_extrapolated(family):
    values = family(np.array([-0.01, 0.5, 1.01, np.nan]))
    assert np.isnan(values[[0, 2, 3]]).all()
    assert np.isfinite(values[1]).all()


def test_positions_wrap_circular_values_only():
    wrapped = basis.positions(np.array([-0.5, 2.5]), (0.0, 2.0), period=2.0)
    same(wrapped, [0.75, 0.25])
    assert np.isnan(basis.positions(np.array([-0.5, 2.5]), (0.0, 2.0))).all()


@pytest.mark.parametrize(
    ("family", "weights"),
    [
        (lambda x: basis.cyclic_bspline(x, 7), np.ones(7)),
        (lambda x: basis.mspline(x, 6, order=3), np.array([1, 2, 3, 3, 2, 1]) / 12),
    ],
)
def test_leaving_out_the_constant_gives_full_rank(family, weights):
    full = family(GRID)
    same(full @ weights, 1.0)
    combinations = basis.without_constant(weights)
    same(combinations.T @ combinations, np.eye(len(weights) - 1))
    same(weights @ combinations, 0.0)
    with_intercept = np.column_stack([np.ones(len(GRID)), full @ combinations])
    assert np.linalg.matrix_rank(with_intercept) == len(weights)
    assert np.linalg.matrix_rank(np.column_stack([np.ones(len(GRID)), full])) == len(weights)
