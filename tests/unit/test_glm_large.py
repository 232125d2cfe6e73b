"""Data larger than memory, other precisions, and the compilation cache."""

import jax
import numpy as np
import pytest
import zarr
from glm_problems import blocks, poisson_objective, population
from jax.experimental.compilation_cache import compilation_cache

from nwbglm.glm import cache, problem
from nwbglm.glm.fit import Status, fit_splits
from nwbglm.glm.penalties import Penalty

RIDGE = Penalty("ridge")


@pytest.mark.parametrize("features", [6, 40])
def test_features_on_disk_give_the_same_fits(tmp_path, monkeypatch, features):
    monkeypatch.setattr(problem, "PANEL_BLOCKS", 4)
    X, y = population(rows=6000, features=features, units=2)
    train, test = blocks(len(X), 3)
    train[:, 100:140] = test[:, 100:140] = False  # rows that no split uses
    stored = zarr.create_array(tmp_path / "x.zarr", data=X, chunks=(500, features))
    kept = fit_splits(X, y, train, test, strengths=(1e-2,), penalty=RIDGE)
    read = fit_splits(stored, y, train, test, strengths=(1e-2,), penalty=RIDGE, memory=1e4)
    assert (read.status == Status.ok).all()
    np.testing.assert_allclose(read.objective, kept.objective, atol=1e-10, rtol=0)
    np.testing.assert_allclose(read.test_log_likelihood, kept.test_log_likelihood, rtol=1e-5)


@pytest.mark.parametrize("features", [6, 40])
def test_float32_errs_by_less_than_a_millionth(features):
    X, y = population(rows=4000, features=features, units=3)
    train, test = blocks(len(X), 3)
    double = fit_splits(X, y, train, test, strengths=(1e-3, 1e-1), penalty=RIDGE)
    single = fit_splits(X, y, train, test, strengths=(1e-3, 1e-1), penalty=RIDGE, dtype="float32")
    assert (single.status == Status.ok).all()
    np.testing.assert_allclose(single.objective, double.objective, atol=1e-6, rtol=0)
    for unit in range(3):
        at = poisson_objective(X, y[:, unit], single.coef[unit, 3, 0], single.intercept[unit, 3, 0], 1e-3)
        assert at - double.objective[unit, 3, 0] < 1e-8


@pytest.fixture
def jax_options():
    """Put back what a test changes of JAX's configuration."""
    names = "compilation_cache_dir", "persistent_cache_min_compile_time_secs", "persistent_cache_min_entry_size_bytes"
    before = {f"jax_{name}": getattr(jax.config, f"jax_{name}") for name in names}
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


def test_compiled_programs_are_kept(tmp_path, jax_options):
    cache.enable(tmp_path / "compiled")
    X, y = population(rows=700, features=17, units=2)
    train, test = blocks(len(X), 2)
    fit_splits(X, y, train, test, strengths=(1e-2,), penalty=RIDGE)
    assert any((tmp_path / "compiled").iterdir())
