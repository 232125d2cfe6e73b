"""The public face: light, documented by examples that run, and equal to what the workflow's stages give."""

import ast
import doctest
import inspect
import json
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
import yaml
from sklearn.linear_model import PoissonRegressor

import nwbglm
from nwbglm import api, store
from nwbglm.errors import ProblemError, StudyError

STUDY = {
    "study": "small",
    "recordings": {"cell": {"nwb": "cell.nwb"}},
    "epochs": {"use": {"tags": "Noise 1"}},
    "bin": "1 ms",
    "signals": {"current": {"from": "stimulus", "units": "pA"}},
    "terms": {"history": {"of": "current", "basis": {"raised_cosine_log": {"n": 5, "window": "100 ms"}}}},
    "models": {"constant": [], "history": ["history"]},
}


@pytest.fixture(scope="module")
def cell(tmp_path_factory):
    """A folder with a simulated recording and a study of it."""
    folder = tmp_path_factory.mktemp("cell")
    nwbglm.simulate_recording("injected_current", folder / "cell.nwb", seed=1)
    (folder / "study.yaml").write_text(yaml.safe_dump(STUDY))
    return folder


@pytest.fixture(scope="module")
def study(cell):
    return nwbglm.read_study(cell / "study.yaml")


@pytest.fixture(scope="module")
def binned(cell, study):
    return nwbglm.bin_recording(cell / "cell.nwb", study).load()


@pytest.fixture(scope="module")
def features(binned, study):
    return nwbglm.make_features(binned, study)


@pytest.fixture(scope="module")
def fits(features, binned):
    return nwbglm.cross_validate(features, binned)


@pytest.fixture(scope="module")
def folder(cell, fits):
    """The folder with a result of the workflow in it, too."""
    store.write(fits, cell / "results" / "small" / "fits" / "history" / "cell.0-of-1.zarr.zip", "fits", session="cell")
    return cell


def problem(rows=3000, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 3))
    return x, random.poisson(0.4 * np.exp(x @ [[0.5, 0.1], [-0.3, 0.2], [0.0, 0.4]]))


# ---------------------------------------------------------------- what a package promises


def loaded(code):
    """List the modules that are loaded after running some code in a fresh interpreter."""
    code = f"{code}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}


def test_importing_loads_nothing_of_others():
    before, after = loaded(""), loaded("import nwbglm; dir(nwbglm); nwbglm.__version__")
    assert after - before <= {"nwbglm", "importlib", "typing", "warnings", "__future__", *sys.stdlib_module_names}


def test_naming_a_function_loads_neither_jax_nor_pynwb():
    found = loaded("import nwbglm; [getattr(nwbglm, name) for name in nwbglm.__all__]")
    assert not found & {"jax", "pynwb", "h5py", "xarray", "numpy", "pandas", "matplotlib"}


def test_the_names_are_those_of_the_face_and_of_the_types(repository):
    stub = ast.parse((repository / "src" / "nwbglm" / "__init__.pyi").read_text())
    typed = [alias.asname for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert nwbglm.__all__ == api.__all__ == sorted(typed)
    assert set(nwbglm.__all__) <= set(dir(nwbglm))
    with pytest.raises(AttributeError, match="has no attribute 'fits_of'"):
        nwbglm.fits_of  # noqa: B018


def test_no_name_is_hidden_by_a_module(repository):
    modules = {path.stem for path in (repository / "src" / "nwbglm").iterdir()}
    assert not modules & set(nwbglm.__all__)


@pytest.mark.parametrize("name", nwbglm.__all__)
def test_every_name_is_typed_and_documented_by_an_example_that_runs(
    name, folder, binned, features, fits, tmp_path, monkeypatch
):
    function = getattr(nwbglm, name)
    for parameter in inspect.signature(function).parameters.values():
        assert parameter.annotation is not inspect.Parameter.empty, parameter
    for path in folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    known = {"nwbglm": nwbglm, "binned": binned, "features": features, "fits": fits}
    (test,) = doctest.DocTestFinder(recurse=False).find(function, name, globs=known)
    assert test.examples
    printed = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=printed.append)
    assert not printed, "".join(printed)


# ---------------------------------------------------------------- recordings


def test_settings_may_be_given_without_a_study(cell, binned):
    parts = {name: STUDY[name] for name in ("epochs", "bin", "signals")}
    again = nwbglm.bin_recording(cell / "cell.nwb", **parts)
    xr.testing.assert_identical(again.load(), binned)


def test_a_study_may_be_a_mapping(study):
    assert nwbglm.read_study(STUDY).models == study.models


def test_mistakes_name_their_place(cell, binned):
    with pytest.raises(StudyError, match="bin: 10 is not a duration"):
        nwbglm.bin_recording(cell / "cell.nwb", epochs={"use": {}}, bin=10)
    with pytest.raises(StudyError, match=r"terms\.x.*\n.*did you mean 'raised_cosine_log'"):
        nwbglm.make_features(binned, {"x": {"of": "current", "basis": {"raised_cosine_lag": {"n": 3}}}})
    with pytest.raises(StudyError, match="did you mean 'penalty'"):
        nwbglm.fit(np.zeros((4, 1)), np.zeros(4), penalti="none")


def test_a_fit_is_that_of_the_stages(features, binned, study, fits):
    from nwbglm.crossval import split_rows
    from nwbglm.fits.model import fit_model
    from nwbglm.study import Fit, Model

    settings = Fit.model_validate({"penalty": "none"})
    stores = list(features.values())
    rows = split_rows(binned, stores, settings.folds, seed=0)
    theirs = fit_model(binned, rows, stores, model=Model(terms=("history",)), fit=settings, name="model")
    xr.testing.assert_identical(fits[list(theirs.data_vars)], theirs)


def test_intervals_are_those_of_the_stage(features, binned, fits):
    from nwbglm.crossval import split_rows
    from nwbglm.inference.intervals import infer_filters
    from nwbglm.study import Fit, Folds, Model
    from nwbglm.study.inference import Intervals

    stores = [features[name] for name in json.loads(fits.attrs["terms"])]
    folds = split_rows(binned, stores, Folds.model_validate(json.loads(fits.attrs["scheme"])), seed=0)
    expected = infer_filters(
        binned, folds, stores, fits, intervals=Intervals(blocks=20), model=Model(terms=json.loads(fits.attrs["terms"])),
        fit=Fit.model_validate(json.loads(fits.attrs["settings"])), drift=False,
    )  # fmt: skip
    bands = nwbglm.compute_intervals(fits, features, binned, blocks=20)
    xr.testing.assert_identical(bands, expected)
    term = json.loads(fits.attrs["terms"])[0]
    kernel = nwbglm.compute_filters(fits, term).isel(unit=0)
    np.testing.assert_allclose(bands.value.values[0][bands.term.values == term], kernel.values.ravel())
    with pytest.raises(StudyError, match="level"):
        nwbglm.compute_intervals(fits, features, binned, level=2)


def test_fits_can_be_written_and_opened_again(fits, binned, tmp_path):
    store.write(fits, tmp_path / "fit.zarr.zip", "fits", session="cell")
    again = nwbglm.open(tmp_path / "fit.zarr.zip")
    np.testing.assert_array_equal(again.bits_per_spike, fits.bits_per_spike)
    np.testing.assert_array_equal(nwbglm.predict_rates(again, binned), nwbglm.predict_rates(fits, binned))


def test_scores_say_what_they_were_judged_on(features, binned, fits):
    assert fits.bits_per_spike.coords["kind"].values.tolist() == ["in-sample", "held-out"]
    alone = nwbglm.fit(features, binned)
    assert alone.bits_per_spike.coords["kind"].values.tolist() == ["in-sample"]
    np.testing.assert_allclose(alone.coef, fits.coef, rtol=1e-6)
    gained = fits.test_log_likelihood.isel(strength=0) - fits.null_test_log_likelihood
    expected = gained.sum("fold") / fits.test_spikes.sum("fold") / np.log(2)
    np.testing.assert_allclose(fits.bits_per_spike.sel(kind="held-out"), expected)


# ---------------------------------------------------------------- matrices


def test_a_matrix_is_fitted_as_scikit_learn_fits_it():
    x, y = problem()
    ours = nwbglm.fit(x, y, penalty={"ridge": {"strength": 0.01, "scale": "raw"}}, tolerance=1e-14)
    for unit in range(2):
        theirs = PoissonRegressor(alpha=0.01, tol=1e-10, max_iter=1000).fit(x, y[:, unit])
        np.testing.assert_allclose(ours.coef[unit], theirs.coef_, atol=1e-6)
        np.testing.assert_allclose(ours.intercept[unit], theirs.intercept_, atol=1e-6)
        np.testing.assert_allclose(
            ours.deviance_explained.sel(kind="in-sample", unit=unit), theirs.score(x, y[:, unit]), atol=1e-6
        )


def test_names_of_arrays_are_kept():
    x, y = problem(500)
    time = 0.5 + np.arange(500)
    x = xr.DataArray(x, dims=("t", "column"), coords={"t": time, "column": ["a", "b", "c"]})
    y = xr.DataArray(y, dims=("t", "cell"), coords={"t": time, "cell": [7, 9]})
    fits = nwbglm.fit(x, y, bin="100 ms")
    assert fits.input.values.tolist() == ["a", "b", "c"] and fits.unit.values.tolist() == [7, 9]
    rate = nwbglm.predict_rates(fits, x)
    np.testing.assert_array_equal(rate.time, time)
    np.testing.assert_allclose((rate * 0.1).mean("time"), y.mean("t").values, rtol=1e-6)


def test_rows_with_missing_values_are_left_out():
    x, y = problem(800)
    gone = np.r_[:50, 300:310]
    holed = x.copy()
    holed[gone, 1] = np.nan
    ours, theirs = nwbglm.fit(holed, y), nwbglm.fit(np.delete(x, gone, 0), np.delete(y, gone, 0))
    np.testing.assert_allclose(ours.coef, theirs.coef, atol=1e-8)
    assert (ours.rows == 740).all()
    assert np.isnan(nwbglm.predict_rates(ours, holed).values[gone]).all()


def test_matrices_are_not_rounded_to_single_precision():
    x, y = problem(500)
    shifted = nwbglm.fit(x + 1e7, y, tolerance=1e-14)
    np.testing.assert_allclose(shifted.coef, nwbglm.fit(x, y, tolerance=1e-14).coef, atol=1e-5)


def test_the_gap_between_training_and_test_rows_is_the_history():
    x, y = problem(600)
    fits = nwbglm.cross_validate(x, y, folds=3, bin="10 ms", history="0.2 s")
    trained = fits.trained.sel(fit="1").values
    np.testing.assert_array_equal(np.flatnonzero(~trained), np.arange(200 - 21, 400 + 21))


def test_a_strength_is_chosen_by_held_out_rows():
    x, y = problem()
    fits = nwbglm.cross_validate(x, y, penalty={"ridge": {"strength": [1e-6, 100.0]}})
    assert (fits.strength[fits.chosen] == 1e-6).all()
    with pytest.raises(ProblemError, match="without folds"):
        nwbglm.fit(x, y, penalty={"ridge": {"strength": [1e-6, 100.0]}})


def test_neighbours_are_smoothed_where_columns_say_that_they_are_neighbours(features, binned):
    smooth = {"smoothness": {"strength": 1.0}}
    ours = nwbglm.fit(features, binned, penalty=smooth)
    matrix, rows = features["history"].features, features["history"].valid.values
    counts = binned.response[features["history"].row.values]
    theirs = nwbglm.fit(matrix.where(xr.DataArray(rows, dims="time")), counts.values, penalty=smooth)
    np.testing.assert_allclose(theirs.coef, ours.coef, rtol=1e-5)
    with pytest.raises(ProblemError, match="neighbours"):
        nwbglm.fit(*problem(100), penalty=smooth)


def test_continuous_responses_have_their_own_units_and_scores():
    x, _ = problem(400)
    y = x @ [1.0, -2.0, 0.0] + 0.5 + 0.1 * np.random.default_rng(1).normal(size=400)
    fits = nwbglm.fit(x, y, observations="gaussian")
    theirs = np.linalg.lstsq(np.column_stack([x, np.ones(400)]), y, rcond=None)[0]
    np.testing.assert_allclose([*fits.coef[0].values, fits.intercept[0].item()], theirs, atol=1e-8)
    assert np.isnan(fits.bits_per_spike).all() and (fits.bits_per_bin > 3).all()
    predicted = nwbglm.predict_rates(fits, x)
    assert predicted.attrs["units"] != "Hz"
    np.testing.assert_allclose(predicted[:, 0], x @ theirs[:3] + theirs[3], atol=1e-8)


def test_shapes_that_do_not_fit_are_said():
    x, y = problem(100)
    with pytest.raises(TypeError, match="matrix"):
        nwbglm.fit(x[:, 0], y)
    with pytest.raises(TypeError, match="shape"):
        nwbglm.fit(x, y[None])
    with pytest.raises(ProblemError, match="rows"):
        nwbglm.fit(x[:50], y)
    with pytest.raises(ProblemError, match="2 columns"):
        nwbglm.predict_rates(nwbglm.fit(x, y), x[:, :2])
