"""Features equal NeMoS's where both are defined, and are valid exactly where their whole window can be trusted."""

import json
import warnings

import numpy as np
import pytest
from small_sessions import binned_session

from nwbglm import basis, convolution, features, limits, making, store
from nwbglm.errors import ProblemError, StudyError
from nwbglm.study import Term

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import nemos

import jax


def term(of, **kind):
    return Term.model_validate({"of": of, "basis": kind})


def history(of="all spikes", n=5, window="200 ms", **more):
    return term(of, raised_cosine_log={"n": n, "window": window, **more})


def nemos_features(theirs, series):
    with jax.enable_x64(True):
        return np.asarray(theirs.compute_features(series))


# ---------------------------------------------------------------- compute


@pytest.mark.parametrize("first", [1, -30, -15, 0])
@pytest.mark.parametrize("length", [17, 256, 900])
def test_convolution_is_the_sum_it_stands_for(first, length):
    rng = np.random.default_rng(0)
    values, weights = rng.normal(size=(length, 3)), rng.normal(size=(30, 4))
    rows = np.flatnonzero(rng.random(length) < 0.7)
    got = np.empty((len(rows), 3, 4))
    for where, made in convolution.convolve(values, basis.Kernel(weights, first), rows):
        got[where] = made
    expected = np.zeros((length, 3, 4))
    for t in range(length):
        for k in range(30):
            source = t - first - k
            if 0 <= source < length:
                expected[t] += values[source][:, None] * weights[k]
    np.testing.assert_allclose(got, expected[rows], atol=1e-12)


@pytest.mark.parametrize("first", [1, -30, -15, 0])
def test_adding_kernels_event_by_event_is_convolution(monkeypatch, first):
    monkeypatch.setattr(convolution, "EVENT_ROWS", 100)
    rng = np.random.default_rng(2)
    values, kernel = rng.poisson(0.05, size=(900, 1)), basis.Kernel(rng.normal(size=(30, 4)), first)
    rows = np.flatnonzero(rng.random(900) < 0.7)
    rows = rows[(rows < 300) | (rows >= 500)]
    plain, added = (
        np.concatenate([made for _, made in way(values, kernel, rows)])
        for way in (convolution.convolve, convolution.add_events)
    )
    np.testing.assert_allclose(added, plain, rtol=0, atol=1e-13)
    assert np.count_nonzero(added[np.abs(plain).sum(axis=(1, 2)) == 0]) == 0


def test_convolution_in_small_pieces_is_the_same(monkeypatch):
    rng = np.random.default_rng(1)
    values, kernel = rng.poisson(0.1, size=(3000, 4)).astype(float), basis.Kernel(rng.normal(size=(40, 3)), 1)
    rows = np.arange(3000)
    whole = np.concatenate([made for _, made in convolution.convolve(values, kernel, rows)])
    monkeypatch.setattr(limits, "GATHERED_BYTES", 1)
    pieces = list(convolution.convolve(values, kernel, rows))
    assert len(pieces) > 10
    np.testing.assert_allclose(np.concatenate([made for _, made in pieces]), whole, rtol=0, atol=1e-14)


def test_silence_gives_features_of_exactly_zero():
    values = np.zeros((1000, 1))
    values[500] = 1.0
    weights = basis.raised_cosine_log(np.linspace(0, 1, 50), 6)
    made = np.concatenate([m for _, m in convolution.convolve(values, basis.Kernel(weights, 1), np.arange(1000))])
    assert np.count_nonzero(made[:501]) == 0
    assert np.count_nonzero(made[551:]) == 0
    np.testing.assert_allclose(made[501:551, 0], weights, atol=1e-15)


# ---------------------------------------------------------------- NeMoS


def test_coupling_features_are_nemos_within_every_segment():
    counts = np.random.default_rng(2).poisson(0.3, size=(700, 3))
    built = features.build_features(binned_session(counts, segment=np.arange(700) // 350), history(), name="coupling")
    theirs = np.concatenate(
        [
            nemos_features(nemos.basis.RaisedCosineLogConv(5, window_size=20), counts[part].astype(float))
            for part in (slice(0, 350), slice(350, 700))
        ]
    )
    assert built["features"].shape == theirs.shape == (700, 15)
    np.testing.assert_array_equal(built["valid"].values, ~np.isnan(theirs).any(axis=1))
    valid = built["valid"].values
    # the store is float32
    np.testing.assert_allclose(built["features"].values[valid], theirs[valid], rtol=2e-7, atol=1e-12)
    assert built["input"].values.tolist() == ["1"] * 5 + ["2"] * 5 + ["3"] * 5
    assert built["function"].values.tolist() == [0, 1, 2, 3, 4] * 3


@pytest.mark.filterwarnings("ignore:With `acausal` filter")
@pytest.mark.parametrize("direction", ["causal", "acausal"])
@pytest.mark.parametrize("lags", [20, 21])
def test_signal_history_is_nemos_nan_included(direction, lags):
    signal = np.random.default_rng(3).normal(size=500)
    signal[[100, 250, 251]] = np.nan
    spec = history("drive", 4, f"{lags * 10} ms", direction=direction)
    built = features.build_features(binned_session(np.zeros(500), drive=signal), spec, name="drive")
    theirs = nemos_features(
        nemos.basis.RaisedCosineLogConv(4, window_size=lags, conv_kwargs={"predictor_causality": direction}), signal
    )
    np.testing.assert_array_equal(built["valid"].values, ~np.isnan(theirs).any(axis=1))
    valid = built["valid"].values
    np.testing.assert_allclose(built["features"].values[valid], theirs[valid], rtol=2e-6, atol=2e-7)


def test_raw_lags_are_nemos():
    counts = np.random.default_rng(4).poisson(0.3, size=(300, 2))
    built = features.build_features(binned_session(counts), term("all spikes", lags={"window": "80 ms"}), name="lags")
    theirs = nemos_features(nemos.basis.HistoryConv(8), counts.astype(float))
    valid = built["valid"].values
    assert valid.sum() == 292
    np.testing.assert_array_equal(built["features"].values[valid], theirs[valid])


def test_anticausal_windows_mirror_causal_ones():
    signal = np.random.default_rng(5).normal(size=300)
    ahead = features.build_features(
        binned_session(np.zeros(300), drive=signal), history("drive", direction="anticausal"), name="a"
    )
    behind = features.build_features(binned_session(np.zeros(300), drive=signal[::-1]), history("drive"), name="a")
    np.testing.assert_allclose(ahead["features"].values, behind["features"].values[::-1], atol=1e-6)
    np.testing.assert_array_equal(ahead["valid"].values, behind["valid"].values[::-1])
    assert ahead["lag"].values[[0, -1]] == pytest.approx([-0.2, -0.01])
    assert (ahead.attrs["window"], ahead.attrs["ahead"]) == pytest.approx((0.0, 0.2))


# ---------------------------------------------------------------- validity


def test_a_window_never_crosses_segments_or_missing_values():
    signal = np.ones(400)
    signal[300] = np.nan
    segment = np.repeat([0, 1, 2], [100, 290, 10])
    built = features.build_features(
        binned_session(np.zeros(400), segment=segment, drive=signal), history("drive"), name="drive"
    )
    expected = np.ones(400, bool)
    expected[:20] = expected[100:120] = expected[301:321] = expected[390:] = False
    np.testing.assert_array_equal(built["valid"].values, expected)


def test_unobserved_senders_invalidate_for_all_in_coupling_and_for_themselves_in_own_history():
    counts, exposure = np.ones((300, 2)), np.ones((300, 2))
    exposure[100:150, 1] = 0
    data = binned_session(counts, exposure=exposure)
    coupling = features.build_features(data, history(), name="coupling")
    hit = np.zeros(300, bool)
    hit[:20] = hit[101:170] = True
    np.testing.assert_array_equal(coupling["valid"].values, ~hit)
    own = features.build_features(data, history("own spikes"), name="history")
    assert own.attrs["own"] == 1
    np.testing.assert_array_equal(own["valid"].values, np.arange(300) >= 20)
    np.testing.assert_array_equal(own["input_valid"].values[:, 1], ~hit)
    np.testing.assert_array_equal(own["input_valid"].values[:, 0], np.arange(300) >= 20)


def test_only_rows_that_are_fitted_are_stored_with_the_history_before_them():
    counts = np.random.default_rng(6).poisson(0.5, size=(400, 1))
    late = np.arange(400) >= 150
    whole = features.build_features(binned_session(counts), history(), name="h")
    part = features.build_features(binned_session(counts, in_epoch={"fit": late}), history(), name="h")
    np.testing.assert_array_equal(part["row"].values, np.flatnonzero(late))
    assert part["valid"].values.all()
    np.testing.assert_array_equal(part["features"].values, whole["features"].values[150:])


# ---------------------------------------------------------------- functions of a value


def test_value_functions_take_the_period_and_the_bounds_of_the_study():
    angle = np.linspace(-7, 7, 300)
    data = binned_session(np.zeros(300), heading=(angle, {"period": 2 * np.pi}))
    built = features.build_features(data, term("heading", cyclic_bspline={"n": 12}), name="heading")
    theirs = nemos_features(nemos.basis.CyclicBSplineEval(12, bounds=(0, 2 * np.pi)), np.mod(angle, 2 * np.pi))
    np.testing.assert_allclose(built["features"].values, theirs, atol=1e-7)
    assert json.loads(built.attrs["bounds"]) == [[0.0, 2 * np.pi]]
    assert built["valid"].values.all()
    assert built["values_of_function"].shape == (features.GRID, 12)


def test_values_outside_the_bounds_are_invalid_rows():
    value = np.linspace(0, 10, 101)
    data = binned_session(np.zeros(101), speed=value)
    built = features.build_features(data, term("speed", bspline={"n": 5, "bounds": [2, 8]}), name="speed")
    np.testing.assert_array_equal(built["valid"].values, (value >= 2) & (value <= 8))
    free = features.build_features(data, term("speed", bspline={"n": 5}), name="speed")
    assert json.loads(free.attrs["bounds"]) == [[0.0, 10.0]]
    again = features.build_features(data, term("speed", bspline={"n": 5}), name="speed", bounds=[[0.0, 20.0]])
    assert json.loads(again.attrs["bounds"]) == [[0.0, 20.0]]
    assert not np.allclose(again["features"].values, free["features"].values)


def test_identity_and_categories():
    data = binned_session(np.zeros(6), state=[0, 1, 2, 1, 0, np.nan], current=[1.5, 2, 3, np.nan, 5, 6])
    states = features.build_features(data, term("state", categorical={}), name="state")
    np.testing.assert_array_equal(states["features"].values[:5], np.eye(3)[[0, 1, 2, 1, 0]])
    assert states["valid"].values.tolist() == [True] * 5 + [False]
    assert states["value"].values.tolist() == [0, 1, 2]
    current = features.build_features(data, term("current", identity={}), name="current")
    np.testing.assert_array_equal(current["features"].values[:, 0], [1.5, 2, 3, 0, 5, 6])
    assert current["valid"].values.tolist() == [True, True, True, False, True, True]


def test_full_rank_leaves_out_what_the_intercept_has():
    rng = np.random.default_rng(8)
    data = binned_session(
        np.zeros(200), heading=(rng.uniform(0, 6, 200), {"period": 2 * np.pi}), state=rng.integers(0, 3, 200)
    )
    heading = features.build_features(data, term("heading", cyclic_bspline={"n": 8, "full_rank": True}), name="heading")
    state = features.build_features(data, term("state", categorical={"full_rank": True}), name="state")
    assert (heading.sizes["feature"], state.sizes["feature"]) == (7, 2)
    assert heading["values_of_function"].shape[1] == 7
    design = np.column_stack([np.ones(200), heading["features"].values, state["features"].values])
    assert np.linalg.matrix_rank(design, tol=1e-4) == 10


def test_products_multiply_every_function_with_every_other():
    rng = np.random.default_rng(7)
    data = binned_session(rng.poisson(0.4, size=(200, 2)), x=rng.random(200), y=rng.random(200))
    x, y = term("x", bspline={"n": 4}), term("y", polynomial={"degree": 2})
    both = Term.model_validate({"product": [x.dump(), y.dump()]})
    built = features.build_features(data, both, name="xy")
    left, right = (features.build_features(data, one, name="one")["features"].values for one in (x, y))
    np.testing.assert_allclose(
        built["features"].values, (left[:, :, None] * right[:, None, :]).reshape(200, 8), atol=1e-6
    )
    assert built["values_of_function_0"].shape == (features.GRID, 4)
    gain = features.build_features(
        data, Term.model_validate({"product": [history("own spikes").dump(), x.dump()]}), name="gain"
    )
    assert gain.attrs["own"] == 1
    assert gain["input"].values.tolist() == ["1"] * 20 + ["2"] * 20
    past = features.build_features(data, history("own spikes"), name="h")
    valid = gain["valid"].values
    np.testing.assert_array_equal(valid, past["valid"].values)
    np.testing.assert_allclose(
        gain["features"].values[valid][:, 21], (past["features"].values[:, 5] * left[:, 1])[valid], atol=1e-6
    )


OVER_LAGS = {
    "lags": ({}, 12),
    "raised_cosine_log": ({"n": 4, "width": 3.0, "time_scaling": 10, "decay_to_zero": False}, 4),
    "raised_cosine_linear": ({"n": 5}, 5),
    "bspline": ({"n": 6, "order": 3}, 6),
    "cyclic_bspline": ({"n": 6}, 6),
    "mspline": ({"n": 4}, 4),
    "fourier": ({"n": 2}, 4),
    "orthogonal_exponentials": ({"decay_times": ["10 ms", "40 ms"]}, 2),
    "laguerre": ({"n": 2, "pole": 0.4}, 2),
}
OVER_VALUES = {
    "raised_cosine_log": ({"n": 4}, 4),
    "raised_cosine_linear": ({"n": 5, "bounds": [-10, 10]}, 5),
    "bspline": ({"n": 6, "full_rank": True}, 5),
    "mspline": ({"n": 5, "order": 3, "full_rank": True}, 4),
    "fourier": ({"n": 3}, 6),
    "cosine": ({"n": 5}, 5),
    "polynomial": ({"degree": 3}, 3),
    "categorical": ({"levels": [0, 1]}, 2),
    "identity": ({}, 1),
}


@pytest.mark.parametrize("direction", ["causal", "anticausal", "acausal"])
@pytest.mark.parametrize("kind", OVER_LAGS)
def test_every_basis_over_lags_weighs_the_window_by_its_kernel(kind, direction):
    settings, count = OVER_LAGS[kind]
    signal = np.zeros(100)
    signal[50] = 2.0
    spec = term("drive", **{kind: {"window": "120 ms", "direction": direction} | settings})
    made = features.build_features(binned_session(np.zeros(100), drive=signal), spec, name="drive")
    assert made["kernel"].shape == (12, count)
    # an impulse brings out the kernel, each lag where it belongs
    at = 50 + np.round(made["lag"].values / 0.01).astype(int)
    np.testing.assert_allclose(made["features"].values[at], 2 * made["kernel"].values, atol=1e-6)
    assert np.abs(np.delete(made["features"].values, at, axis=0)).max() == 0
    first = {"causal": 0.01, "anticausal": -0.12, "acausal": -0.06}[direction]
    assert made["lag"].values[0] == pytest.approx(first)


@pytest.mark.parametrize("kind", OVER_VALUES)
def test_every_basis_over_values_is_its_table(kind):
    settings, count = OVER_VALUES[kind]
    values = np.random.default_rng(0).uniform(-3, 3, 400)
    if kind == "categorical":
        values = np.random.default_rng(0).integers(0, 3, 400)
    made = features.build_features(binned_session(np.zeros(400), x=values), term("x", **{kind: settings}), name="x")
    assert made["features"].shape == (400, count)
    np.testing.assert_array_equal(made["valid"].values, (values < 2) | (kind != "categorical"))
    grid, table, valid = made["value"].values, made["values_of_function"].values, made["valid"].values
    for function in range(count):
        expected = np.interp(values[valid], grid, table[:, function])
        np.testing.assert_allclose(made["features"].values[valid, function], expected, atol=0.03)


# ---------------------------------------------------------------- large stores


@pytest.mark.parametrize("exposed", [False, True])
def test_large_features_are_made_as_they_are_written(tmp_path, monkeypatch, exposed):
    counts = np.random.default_rng(9).poisson(0.3, size=(900, 4))
    exposure = np.ones((900, 4))
    exposure[200:210, 2] = 0
    data = binned_session(counts, segment=np.arange(900) // 300, **({"exposure": exposure} if exposed else {}))
    whole = features.build_features(data, history(), name="coupling")
    monkeypatch.setattr(limits, "WHOLE_BYTES", 0)
    monkeypatch.setattr(limits, "STREAM_BYTES", 40_000)
    made = []
    make = making.Lagged.make
    monkeypatch.setattr(making.Lagged, "make", lambda self, *args: made.extend(args[0]) or make(self, *args))
    lazy = features.build_features(data, history(), name="coupling")
    assert made == []
    np.testing.assert_array_equal(lazy["valid"].values, whole["valid"].values)
    np.testing.assert_array_equal(lazy["features"][50:60, 7].values, whole["features"][50:60, 7].values)
    np.testing.assert_array_equal(lazy["features"][120, [19, 3]].values, whole["features"][120, [19, 3]].values)
    made.clear()
    store.write(lazy, tmp_path / "features.zarr.zip", "features")
    assert made == [0, 1, 2, 3]
    again = store.read(tmp_path / "features.zarr.zip", "features")
    np.testing.assert_array_equal(again["features"].values, whole["features"].values)
    assert again["input"].values.tolist() == whole["input"].values.tolist()
    assert again["features"].dtype == np.float32


REMADE = {
    "coupling": {"of": "all spikes", "basis": {"raised_cosine_log": {"n": 5, "window": "200 ms"}}},
    "lags": {"of": "own spikes", "basis": {"lags": {"window": "100 ms"}}},
    "ahead": {"of": "other spikes", "basis": {"bspline": {"n": 5, "window": "200 ms", "direction": "acausal"}}},
    "heading": {"of": "x", "basis": {"cyclic_bspline": {"n": 6, "bounds": [-3, 3]}}},
    "state": {"of": "state", "basis": "categorical"},
    "gain": {
        "product": [
            {"of": "state", "basis": "categorical"},
            {"of": "all spikes", "basis": {"raised_cosine_log": {"n": 3, "window": "100 ms"}}},
            {"of": "x", "basis": "identity"},
        ]
    },
}


@pytest.mark.parametrize("exposed", [False, True])
@pytest.mark.parametrize("name", REMADE)
def test_features_that_are_made_again_are_those_of_the_store(name, exposed):
    rng = np.random.default_rng(3)
    counts = rng.poisson([0.02, 0.4, 0.05], size=(1500, 3))  # one convolved by products, two event by event
    x = rng.uniform(-3, 3, 1500)
    x[700:705] = np.nan
    exposure = np.ones((1500, 3))
    exposure[200:210, 2] = 0
    fit = (np.arange(1500) < 900) | (np.arange(1500) >= 1200)
    data = binned_session(
        counts, segment=np.arange(1500) // 500, in_epoch={"fit": fit}, x=x, state=np.arange(1500) // 300 % 3,
        **({"exposure": exposure} if exposed else {}),
    )  # fmt: skip
    made = features.build_features(data, Term.model_validate(REMADE[name]), name=name)
    maker = features.remake(made, data)
    rows, columns = made["row"].values, np.arange(len(maker.inputs))
    again = np.concatenate([maker.make(columns, rows[start : start + 70]) for start in range(0, len(rows), 70)])
    np.testing.assert_array_equal(again, made["features"].values)
    last = maker.make(columns[-1:], rows[100:900])
    np.testing.assert_array_equal(last, made["features"].values[100:900, -maker.count :])


# ---------------------------------------------------------------- errors


def test_windows_that_are_no_whole_number_of_bins_are_refused():
    with pytest.raises(StudyError, match="whole number of bins"):
        features.build_features(binned_session(np.zeros(50)), history(window="204 ms"), name="h")


def test_constant_signals_have_no_range():
    data = binned_session(np.zeros(50), speed=np.ones(50))
    with pytest.raises(ProblemError, match="constant"):
        features.build_features(data, term("speed", bspline={"n": 4}), name="speed")


def test_a_term_without_a_single_usable_row_says_why():
    short = binned_session(np.zeros((90, 2)), segment=np.repeat(np.arange(6), 15))
    with pytest.raises(ProblemError, match=r"0.2 s is longer than every segment \(the longest has 0.15 s\)") as error:
        features.build_features(short, history(), name="coupling")
    assert "session small, term coupling" in str(error.value)
    missing = binned_session(np.zeros(90), drive=np.where(np.arange(90) % 10 == 0, np.nan, 1.0))
    with pytest.raises(ProblemError, match="no fitted bin has all of its values: drive"):
        features.build_features(missing, history("drive"), name="drive")
