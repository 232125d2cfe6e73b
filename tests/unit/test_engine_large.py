"""Data larger than memory, other precisions, and the compilation cache."""

import jax
import numpy as np
import pytest
import zarr
from engine_problems import blocks, poisson_objective, population
from jax.experimental.compilation_cache import compilation_cache

from nwbglm.engine import cache, limits
from nwbglm.engine.fit import Status, fit_splits
from nwbglm.engine.observations import GAUSSIAN, POISSON_SOFTPLUS
from nwbglm.engine.penalties import GroupLasso, Lasso, NoPenalty, Ridge

RIDGE = Ridge()


class Slices:
    """Features of which only slices of some rows can be had; counts the rows that were asked for."""

    def __init__(self, X, longest):
        self.X, self.longest, self.read = X, longest, 0
        self.shape, self.dtype = X.shape, X.dtype

    def __getitem__(self, rows):
        made = self.X[rows]
        assert len(made) <= self.longest, "features larger than memory were asked for at once"
        self.read += len(made)
        return made


@pytest.mark.parametrize("features", [6, 40])
def test_features_on_disk_give_the_same_fits(tmp_path, features):
    X, y = population(rows=6000, features=features, units=2)
    train, test = blocks(len(X), 3)
    train[:, 100:140] = test[:, 100:140] = False  # rows that no split uses
    stored = zarr.create_array(tmp_path / "x.zarr", data=X, chunks=(500, features))
    kept = fit_splits(X, y, train, test, strengths=(1e-2,), penalty=RIDGE, gap=1e-16)
    read = fit_splits(stored, y, train, test, strengths=(1e-2,), penalty=RIDGE, gap=1e-16, memory=1e4)
    assert (read.status == Status.ok).all()
    np.testing.assert_allclose(read.objective, kept.objective, atol=1e-10, rtol=0)
    np.testing.assert_allclose(read.coef, kept.coef, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(read.test_log_likelihood, kept.test_log_likelihood, rtol=1e-8)


PROBLEMS = {
    "ridge": {"penalty": RIDGE},
    "ridge float32": {"penalty": RIDGE, "dtype": "float32", "gap": 1e-9},
    "lasso": {"penalty": Lasso()},
    "group lasso": {"penalty": GroupLasso(groups=np.arange(40) // 4)},
    "softplus": {"penalty": RIDGE, "observations": POISSON_SOFTPLUS},
    "gaussian": {"penalty": NoPenalty(), "observations": GAUSSIAN},
}


@pytest.mark.parametrize("room", ["as given", "for each pass"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_however_much_memory_there_is_the_fits_are_the_same(monkeypatch, name, room):
    monkeypatch.setattr(limits, "SCANNED_BYTES", 100_000)
    X, y = population(rows=5000, features=40, units=3)
    X, y = (X + 20).astype(np.float32), y.astype(np.uint8)
    train, test = blocks(len(X), 3)
    options = {"strengths": (1e-3, 1e-2), "gap": 1e-17, "summed_gap": 1e-14} | PROBLEMS[name]
    if name in ("ridge", "softplus"):
        exposure = np.ones(y.shape, np.float32)
        exposure[400:900, 1], exposure[2000:2600, 2] = 0.0, 0.5
        options["exposure"] = exposure
    options["mask"] = np.ones((40, 3), bool)
    options["mask"][:4, 0] = False
    kept = fit_splits(X, y, train, test, **options)
    memory = 5000 * 48 * 4 if room == "as given" else 100_000
    source = Slices(X, 5000 if room == "as given" else 1024)
    large = fit_splits(source, y, train, test, memory=memory, **options)
    np.testing.assert_array_equal(large.status, kept.status)
    loose = options.get("dtype") == "float32"
    np.testing.assert_allclose(large.objective, kept.objective, atol=1e-7 if loose else 1e-10, rtol=0)
    np.testing.assert_allclose(large.coef, kept.coef, rtol=1e-3 if loose else 1e-6, atol=1e-4 if loose else 1e-8)
    np.testing.assert_allclose(large.test_log_likelihood, kept.test_log_likelihood, rtol=1e-4 if loose else 1e-8)
    assert source.read == 2 * len(X) if room == "as given" else source.read > 4 * len(X)


def test_a_panel_is_made_once_for_all_columns_of_a_pass():
    X, y = population(rows=5000, features=40, units=20)
    train, test = blocks(len(X), 9)
    source = Slices(X.astype(np.float32), 5000)
    fits = fit_splits(source, y, train, test, strengths=(1e-4, 1e-3, 1e-2, 0.1), penalty=RIDGE, memory=100_000)
    assert (fits.status == Status.ok).all()
    # 800 fits in 512 slots; fit by fit, each would need some 10 passes of its own
    assert source.read / len(X) < 60


def test_separable_data_larger_than_memory_are_named(monkeypatch):
    monkeypatch.setattr(limits, "SCANNED_BYTES", 10_000)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 3))
    X[:, 0] = rng.random(4000) < 0.2
    y = rng.poisson(0.3 * np.exp(0.3 * X[:, 1:])) * (X[:, :1] == 0)  # never a spike where the first feature is 1
    train, test = blocks(len(X), 2)
    source = Slices(X, 1024)
    for made in (fit_splits(X, y, train, test), fit_splits(source, y, train, test, memory=20_000)):
        assert (made.status == Status.separable).all()


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
    names = "min_compile_time_secs", "min_entry_size_bytes", "enable_xla_caches"
    names = "jax_compilation_cache_dir", *(f"jax_persistent_cache_{name}" for name in names)
    before = {name: getattr(jax.config, name) for name in names}
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


def test_compiled_programs_are_kept(tmp_path, jax_options):
    compilation_cache.reset_cache()  # the one that the tests share is open
    cache.enable(tmp_path / "compiled")
    X, y = population(rows=700, features=17, units=2)
    train, test = blocks(len(X), 2)
    fit_splits(X, y, train, test, strengths=(1e-2,), penalty=RIDGE)
    assert any((tmp_path / "compiled").iterdir())
