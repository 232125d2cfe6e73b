"""Columns of texts as categories: from a file to features, filters, tables, joined sessions and other recordings."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from built_files import add_units, built, settings
from small_sessions import Stages

from nwbglm.audit import audit_recording
from nwbglm.binning import bin_recording
from nwbglm.binning.join import join_recordings
from nwbglm.comparison.intervals import gather_intervals
from nwbglm.errors import ProblemError, StudyError
from nwbglm.features import build_features, remake
from nwbglm.figures import draw_session
from nwbglm.filters import filters, tabulate
from nwbglm.inference.intervals import infer_filters
from nwbglm.labels import NONE, codes_in, levels_of
from nwbglm.recording import open_recording
from nwbglm.study import Fit, Model, Term, read_study
from nwbglm.study.inference import Intervals
from nwbglm.tuning import tune_units

TRAIN = np.sort(np.random.default_rng(5).uniform(0, 30, 900))
WHOLE = {"use": {"intervals": [["0 s", "30 s"]]}}
SHOWN = {"from": "trials", "resample": "boxcar", "value": "image"}


def _file(path, rows, **more):
    """Write trials (start, stop, image); `more` are further columns."""

    def fill(file):
        add_units(file, [TRAIN, TRAIN[::2]])
        file.add_trial_column("image", "what was shown")
        for name in more:
            file.add_trial_column(name, name, index=name == "licks")
        for i, (start, stop, image) in enumerate(rows):
            file.add_trial(start_time=start, stop_time=stop, image=image, **{k: v[i] for k, v in more.items()})

    return built(path, fill)


def _bins(path, **parts):
    with open_recording(path) as recording:
        return bin_recording(recording, settings(epochs=WHOLE, **parts))


def _texts(signal):
    return np.array(levels_of(signal.attrs))[signal.values.astype(int)]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    rows = [(5.0 * k, 5.0 * k + 5, ("cat", "dog", "car")[k % 3]) for k in range(6)]
    return _file(tmp_path_factory.mktemp("images") / "a.nwb", rows)


def test_a_text_of_each_row_is_the_category_of_its_bins(images):
    binned = _bins(images, signals={"i": SHOWN})
    expected = np.array(["cat", "dog", "car"])[(np.arange(3000) * 0.01 // 5).astype(int) % 3]
    np.testing.assert_array_equal(_texts(binned.i), expected)
    made = build_features(binned, Term.model_validate({"of": "i", "basis": {"categorical": {}}}), name="i")
    assert made["value"].values.tolist() == ["car", "cat", "dog"]  # the level of bins without a row is not there
    for column, level in enumerate(["car", "cat", "dog"]):
        np.testing.assert_array_equal(made["features"].values[:, column], expected == level)
    assert made["valid"].values.all()


def test_the_reference_is_chosen_by_its_text(images):
    binned = _bins(images, signals={"i": SHOWN})
    term = Term.model_validate({"of": "i", "basis": {"categorical": {"reference": "cat"}}})
    made = build_features(binned, term, name="i")
    np.testing.assert_array_equal(made["features"].values, np.stack([_texts(binned.i) == x for x in ("car", "dog")], 1))
    assert made["values_of_function"].values.tolist() == [[1, 0], [0, 0], [0, 1]]
    again = remake(made, binned).make([0], made["row"].values)
    np.testing.assert_array_equal(again, made["features"].values)
    with pytest.raises(ProblemError, match="no value is the reference 'fish'"):
        build_features(
            binned, Term.model_validate({"of": "i", "basis": {"categorical": {"reference": "fish"}}}), name="i"
        )


def test_a_reference_among_numbers_leaves_out_that_number():
    binned = _plain(np.repeat([3.0, 1.0, 2.0], 10))
    term = Term.model_validate({"of": "x", "basis": {"categorical": {"reference": 2}}})
    made = build_features(binned, term, name="x")
    np.testing.assert_array_equal(made["features"].values, np.stack([binned.x.values == 1, binned.x.values == 3], 1))


def _plain(values):
    return xr.Dataset(
        {
            "response": (("time", "unit"), np.zeros((len(values), 1), np.uint8), {"kind": "count"}),
            "segment": ("time", np.zeros(len(values), np.int32)),
            "in_epoch": (("purpose", "time"), np.ones((1, len(values)), bool)),
            "x": ("time", values, {"role": "signal", "resample": "hold"}),
        },
        coords={"time": np.arange(len(values)) * 0.01, "unit": [0], "purpose": ["fit"]},
        attrs={"bin": 0.01},
    )


@pytest.mark.parametrize("seed", range(4))
def test_a_bin_is_of_the_text_that_covers_most_of_it(tmp_path, seed):
    rng = np.random.default_rng(seed)
    starts = np.sort(np.round(rng.uniform(0, 29, 40), 3))
    stops = np.round(starts + rng.uniform(0.001, 0.8, 40), 3)  # they overlap, and some are shorter than a bin
    names = rng.choice(["b", "a", "c c", "ü"], 40)
    path = _file(tmp_path / "a.nwb", list(zip(starts, stops, names.tolist(), strict=True)))
    found = _texts(_bins(path, bin="100 ms", signals={"i": SHOWN}).i)
    # by counting the milliseconds of each bin
    begin, end = np.rint(starts * 1000).astype(int), np.rint(stops * 1000).astype(int)
    levels = ["a", "b", "c c", "ü"]
    on = np.zeros((len(levels), 30_000), int)
    for first, last, name in zip(begin, end, names, strict=True):
        on[levels.index(name), first:last] += 1
    free = (on.sum(axis=0) == 0).reshape(300, 100).sum(axis=1)
    share = on.reshape(len(levels), 300, 100).sum(axis=2)
    expected = [
        levels[int(np.argmax(share[:, k]))] if share[:, k].max() >= max(free[k], 1) else NONE for k in range(300)
    ]
    np.testing.assert_array_equal(found, expected)


def test_texts_of_events_mark_their_own_bin(tmp_path):
    path = _file(tmp_path / "a.nwb", [(1.0, 2.0, "go"), (4.0, 5.0, ""), (7.0, 8.0, "stop"), (7.004, 8.0, "go")])
    binned = _bins(path, signals={"i": {**SHOWN, "resample": "events"}})
    at = np.flatnonzero(_texts(binned.i) != NONE)
    assert at.tolist() == [100, 400, 700] and _texts(binned.i)[at].tolist() == ["go", "(empty)", "go"]


def test_lists_of_times_with_a_text_a_row(tmp_path):
    path = _file(
        tmp_path / "a.nwb", [(0.0, 5.0, "left"), (5.0, 9.0, "right")], licks=[[1.0, 2.0, 3.0], [6.0]]
    )  # fmt: skip
    binned = _bins(path, signals={"l": {**SHOWN, "resample": "events", "time": "licks"}})
    at = np.flatnonzero(_texts(binned.l) != NONE)
    assert at.tolist() == [100, 200, 300, 600] and _texts(binned.l)[at].tolist() == ["left"] * 3 + ["right"]


def test_boxcars_whose_ends_count_from_each_rows_start(tmp_path):
    rows = [(5.0 * k, 5.0 * k + 4, "x") for k in range(6)]
    path = _file(tmp_path / "a.nwb", rows, cue_on=[1.0] * 6, cue_off=[1.5] * 6)
    cue = {"from": "trials", "resample": "boxcar", "start": "cue_on", "stop": "cue_off", "since": "start_time"}
    on = np.zeros(3000)
    for k in range(6):
        on[500 * k + 100 : 500 * k + 150] = 1
    np.testing.assert_array_equal(_bins(path, signals={"c": cue}).c.values, on)


def test_texts_want_the_basis_of_labels(images):
    binned = _bins(images, signals={"i": SHOWN})
    for basis in ({"bspline": {"n": 5}}, {"lags": {"window": "50 ms"}}, {"identity": {}}):
        with pytest.raises(ProblemError, match="texts") as refused:
            build_features(binned, Term.model_validate({"of": "i", "basis": basis}), name="i")
        assert "categorical" in refused.value.mend
    with pytest.raises(ProblemError, match="no level 'fish'") as refused:
        build_features(
            binned, Term.model_validate({"of": "i", "basis": {"categorical": {"levels": ["fish"]}}}), name="i"
        )
    assert "car, cat, dog" in refused.value.mend
    with pytest.raises((StudyError, ValueError), match="reference"):
        Term.model_validate({"of": "i", "basis": {"categorical": {"levels": ["cat"], "reference": "dog"}}})


def test_levels_that_are_named_leave_the_other_rows_out(images):
    binned = _bins(images, signals={"i": SHOWN})
    term = Term.model_validate({"of": "i", "basis": {"categorical": {"levels": ["dog", "cat"]}}})
    made = build_features(binned, term, name="i")
    np.testing.assert_array_equal(made["valid"].values, _texts(binned.i) != "car")
    np.testing.assert_array_equal(made["features"].values[:, 0], _texts(binned.i) == "dog")


def test_another_recordings_texts_are_matched_by_name(images, tmp_path):
    other = _bins(_file(tmp_path / "b.nwb", [(0.0, 10.0, "zebra"), (10.0, 30.0, "cat")]), signals={"i": SHOWN})
    binned = _bins(images, signals={"i": SHOWN})
    term = Term.model_validate({"of": "i", "basis": {"categorical": {}}})
    made = build_features(binned, term, name="i")
    there = build_features(other, term, name="i", bounds=json.loads(made.attrs["bounds"]))
    np.testing.assert_array_equal(there["valid"].values, np.arange(3000) >= 1000)  # it knows no zebra
    np.testing.assert_array_equal(there["features"].values[1000:], np.tile([0, 1, 0], (2000, 1)))
    joined = join_recordings(
        [binned.assign_attrs(session="a"), other.assign_attrs(session="b")], session="both"
    )  # fmt: skip
    assert _texts(joined.i).tolist() == [*_texts(binned.i), *_texts(other.i)]


def test_codes_are_brought_to_other_texts():
    np.testing.assert_array_equal(
        codes_in(np.array([0, 1, np.nan, 2]), ["a", "b", "c"], ["c", "a"]), [1, np.nan, np.nan, 0]
    )


def test_the_audit_and_tuning_take_texts(images):
    shown = {"signals": {"i": SHOWN}, "tuning": {"i": {"of": "i"}}}
    done = audit_recording(images, settings(epochs=WHOLE, **shown), session="a")
    binned = _bins(images, **shown)
    assert done.verdict != "fail"
    tuned = tune_units(binned, settings(epochs=WHOLE, **shown))
    names = levels_of(tuned["value_i"].attrs)
    for k, name in enumerate(names):
        mine = _texts(binned.i) == name
        assert tuned["count_i"].values[:, k].tolist() == binned["response"].values[mine].sum(axis=0).tolist()
        assert tuned["occupancy_i"].values[k] == pytest.approx(0.01 * mine.sum())


def test_filters_and_their_tables_name_the_texts(images):
    binned = _bins(images, signals={"i": SHOWN}, bin="50 ms")
    stages = Stages(binned, {"image": {"of": "i", "basis": {"categorical": {"reference": "dog"}}}})
    fits = stages.fit("image", fit={"penalty": {"ridge": {"strength": [1e-9]}}})
    curves = filters(fits, "image")
    assert curves.dims == ("unit", "value") and curves["value"].values.tolist() == ["car", "cat", "dog"]
    table = tabulate(curves)
    assert set(table["value"]) == {"car", "cat", "dog"}
    # a saturated model: differences of the logarithms of the mean counts
    means = {x: binned["response"].values[_texts(binned.i) == x].mean(axis=0) for x in ("car", "cat", "dog")}
    for level, values in zip(curves["value"].values, curves.values.T, strict=True):
        np.testing.assert_allclose(values, np.log(means[str(level)] / means["dog"]), atol=1e-5)


def test_levels_that_no_fitted_row_has_get_no_column(tmp_path):
    path = _file(
        tmp_path / "a.nwb", [(0.0, 10.0, "before"), (10.0, 15.0, "a"), (15.0, 20.0, "b"), (20.0, 30.0, "late")]
    )
    use = {"use": {"table": "trials", "where": "image in ['a', 'b', 'late']", "margin": "1 s"}}
    with open_recording(path) as recording:
        binned = bin_recording(recording, settings(epochs=use, signals={"i": SHOWN}, mask={"m": "i == 'late'"}))
    assert set(_texts(binned.i)) == {"before", "a", "b", "late"}  # windows may read the margin
    made = build_features(binned, Term.model_validate({"of": "i", "basis": {"categorical": {}}}), name="i")
    assert made["value"].values.tolist() == ["a", "b"]
    np.testing.assert_array_equal(made["features"].values.sum(axis=0), [500, 500])


def test_intervals_on_texts_stand_at_their_levels(images):
    binned = _bins(images, signals={"i": SHOWN, "t": {"of": "time"}}, bin="50 ms")
    terms = {
        "image": {"of": "i", "basis": {"categorical": {"reference": "dog"}}},
        "drift": {"of": "t", "basis": {"cosine": {"n": 2}}},
    }
    stages = Stages(binned, terms)
    fit = {"penalty": {"ridge": {"strength": [1e-4, 1e-3, 10.0]}}}
    fits = stages.fit("image", "drift", fit=fit)
    found = infer_filters(
        binned, stages.folds, stages.features, fits, intervals=Intervals(models=("m",)),
        model=Model(terms=("image", "drift")), fit=Fit.model_validate(fit), drift=True,
    )  # fmt: skip
    assert found["at"].dtype.kind == "f"  # texts beside numbers made all of them texts
    assert found["at"].values[found["term"].values == "image"].tolist() == [0, 1, 2]
    table = gather_intervals([found])
    mine = table[table["term"] == "image"]
    assert mine["text"].tolist() == ["car", "cat", "dog"] * 2
    assert set(table[table["term"] == "drift"]["text"]) == {""}
    study = read_study(
        {
            "study": "s", "recordings": {"a": {"nwb": str(images)}}, "epochs": WHOLE, "bin": "50 ms",
            "signals": {"i": SHOWN, "t": {"of": "time"}}, "terms": terms, "models": {"m": ["image", "drift"]},
            "fit": fit | {"folds": {"blocks": 5, "pieces": 20}}, "inference": {"intervals": {"models": ["m"]}},
        }
    )  # fmt: skip
    for subject in terms:
        figure, table = draw_session(
            f"filters-{subject}", study=study, binned=binned, fits={"m": fits}, intervals={"m": found}
        )
        mine = found.isel(point=np.flatnonzero(found["term"].values == subject))
        np.testing.assert_allclose(table["low"], mine["low"].values.ravel())
        figure.canvas.draw()
        shown = [text.get_text() for text in figure.axes[0].get_xticklabels()]
        assert (shown == ["car", "cat", "dog"]) == (subject == "image")
        if subject == "image":
            assert set(table["value"]) == {"car", "cat", "dog"}
