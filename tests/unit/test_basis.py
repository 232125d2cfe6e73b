"""Basis functions equal NeMoS's where the two are defined alike, and keep their own promises elsewhere."""

import re
import warnings
from math import comb

import numpy as np
import pytest
import scipy.linalg

from nwbglm import basis
from nwbglm.basis import decays
from nwbglm.digest import reach
from nwbglm.errors import StudyError
from nwbglm.report.methods import describe_term
from nwbglm.study import Basis, Term

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


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (1.0, 3.0), (-250.0, 100.0)])
@pytest.mark.parametrize("settings", [{"n": 5}, {"n": 6, "order": 2}, {"n": 3, "order": 1}])
def test_msplines_integrate_to_one_in_the_signals_units_as_in_nemos(bounds, settings):
    family = basis.computed(Basis.model_validate({"mspline": settings | {"bounds": bounds}}))
    value = np.linspace(*bounds, 20001)
    made = family.evaluate(value, bounds, None)
    np.testing.assert_allclose(np.trapezoid(made, value, axis=0), 1.0, rtol=1e-3)
    theirs = nemos.basis.MSplineEval(settings["n"], order=settings.get("order", 4), bounds=bounds)
    np.testing.assert_allclose(made, np.asarray(theirs.evaluate(value)), rtol=0, atol=1e-13 * made.max())


def test_msplines_over_lags_are_nemos():
    made = basis.kernel(Basis.model_validate({"mspline": {"n": 5, "window": "400 ms"}}), 0.01).weights
    same(made, nemos.basis.MSplineConv(5, window_size=40).evaluate_on_grid(40)[1])


@pytest.mark.parametrize(("n", "pole"), [(1, 0.3), (4, 0.8), (9, 0.9)])
def test_laguerre_functions_are_those_of_marmarelis(n, pole):
    # Marmarelis 1993, eq. 11: his alpha is the pole's square
    made, alpha = decays.discrete_laguerre(400, n, pole), pole**2
    for j in range(n):
        for m in (0, 1, 5, 17):
            terms = [(-1) ** k * comb(m, k) * comb(j, k) * alpha ** (j - k) * (1 - alpha) ** k for k in range(j + 1)]
            assert made[m, j] == pytest.approx(alpha ** ((m - j) / 2) * np.sqrt(1 - alpha) * sum(terms), abs=1e-10)
    same(made.T @ made, np.eye(n))


def test_a_window_that_cuts_laguerre_functions_off_is_refused():
    def weights(window):
        return basis.kernel(Basis.model_validate({"laguerre": {"n": 5, "pole": 0.9, "window": window}}), 0.01).weights

    with pytest.raises(StudyError, match=r"a window of 0\.3 s cuts off 5 Laguerre functions") as refused:
        weights("300 ms")
    least = float(re.search(r"at least ([\d.]+) s", str(refused.value))[1])
    whole = weights(f"{least} s")
    assert np.abs(whole.T @ whole - np.eye(5)).max() < 0.011
    with pytest.raises(StudyError, match="at least"):
        weights(f"{least - 0.01:.2f} s")


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


# ---------------------------------------------------------------- the study's side and the computing side

SMALLEST = {
    "lags": {},
    "raised_cosine_log": {"n": 4},
    "raised_cosine_linear": {"n": 4},
    "bspline": {"n": 5},
    "cyclic_bspline": {"n": 5},
    "mspline": {"n": 5},
    "fourier": {"n": 3},
    "cosine": {"n": 4},
    "orthogonal_exponentials": {"decay_times": ["10 ms", "40 ms"]},
    "laguerre": {"n": 3, "pole": 0.5},
    "polynomial": {"degree": 3},
    "categorical": {"levels": [0, 1, 2]},
    "identity": {},
}


def spellings(kind):
    """A basis of this kind over lags, over values, or both: whatever its settings allow."""
    fields = Basis.families()[kind].model_fields
    windows = ["200 ms"] if "window" in fields else []
    options = [{"window": window} for window in windows]
    if not windows or not fields["window"].is_required():
        options.append({})
        options += [{"full_rank": True}] if "full_rank" in fields else []
    return [Basis.model_validate({kind: SMALLEST[kind] | option}) for option in options]


def test_both_sides_know_the_same_bases():
    assert set(SMALLEST) == set(Basis.families())
    assert set(basis.COMPUTED) == set(Basis.families().values())
    assert len(set(basis.COMPUTED.values())) == len(basis.COMPUTED)


def test_the_digest_of_features_covers_every_basis(repository):
    reached, _ = reach(repository / "scripts" / "build_features.py")
    assert {(each.__module__, each.__name__) for each in basis.COMPUTED.values()} <= reached


@pytest.mark.parametrize("kind", Basis.families())
def test_a_basis_is_computed_where_the_study_says_it_lies(kind):
    for spelt in spellings(kind):
        family = basis.computed(spelt)
        if spelt.settings.over_lags:
            assert isinstance(family, basis.OverLags)
            made = basis.kernel(spelt, 0.01).weights
            assert len(made) == 20
        else:
            assert isinstance(family, basis.OverValues)
            known = np.array([0.0, 1.0, 2.0])
            made = family.evaluate(known, family.bounds(known, None), None)
        assert spelt.settings.functions(0.01) == made.shape[1]
        assert isinstance(family, basis.OverLags) == ("window" in type(spelt.settings).model_fields)


@pytest.mark.parametrize("kind", Basis.families())
def test_methods_have_words_for_every_basis(kind):
    for spelt in spellings(kind):
        words = describe_term(Term.model_validate({"of": "x", "basis": spelt.dump()}))
        assert spelt.settings.describe() in words
        assert "{" not in words


@pytest.mark.parametrize("kind", Basis.families())
def test_what_is_ordered_is_local(kind):
    # neighbours may be held alike only where each function weighs most further along than the one before it
    for spelt in spellings(kind):
        family = basis.computed(spelt)
        if spelt.settings.over_lags:
            table = basis.kernel(spelt, 0.01).weights
        else:
            known = np.linspace(0.0, 2.0, 201) if kind != "categorical" else np.array([0.0, 1.0, 2.0])
            table = family.evaluate(known, family.bounds(known, None), None)
        if spelt.settings.neighbours:
            peaks = np.abs(table).argmax(axis=0)
            steps = np.diff(peaks)
            assert np.count_nonzero(steps < 0) <= int(kind == "cyclic_bspline")
            assert (table >= -1e-12).all()
