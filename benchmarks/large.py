"""Features larger than memory: one study fitted with room for them and without, through the stores of the workflow.

Makes a session of spikes (binned, features, folds as stores on disk), then fits a coupling model once for each limit of
`fit.memory`, each time in a process of its own, and prints time, peak memory (and that before the fit), and how far
the results are from those of the first limit.

    python benchmarks/large.py                                    W4's shape: 360 000 bins, 800 features, 1.15 GB
    python benchmarks/large.py --bins 1800000 --limits "1 GB"     5.8 GB
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bins", type=int, default=360_000)
    parser.add_argument("--bin", type=float, default=0.01, help="s")
    parser.add_argument("--window", default="0.8 s")
    parser.add_argument("--units", type=int, default=100, help="senders, 8 features each")
    parser.add_argument("--fitted", type=int, default=100, help="units that are fitted")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--strengths", type=float, nargs="+", default=[1e-2, 1e-1])
    parser.add_argument("--tolerance", type=float, default=1e-10)
    parser.add_argument("--limits", nargs="+", default=["32 GB", "2 GB", "256 MB"])
    parser.add_argument("--folder", help="where the stores are, or are made; default: a temporary folder")
    parser.add_argument("--fit", help=argparse.SUPPRESS)
    return parser.parse_args()


def make_session(folder: Path, given: argparse.Namespace) -> None:
    """Write the stores of a simulated session: drifting Poisson counts, two segments."""
    import xarray as xr

    from nwbglm import store
    from nwbglm.crossval import split_rows
    from nwbglm.features import build_features
    from nwbglm.response import SPIKES
    from nwbglm.study import Folds, Term

    rng = np.random.default_rng(0)
    time_of_bin = (np.arange(given.bins) + 0.5) * given.bin
    drift = np.exp(0.5 * np.sin(time_of_bin / 37))
    counts = np.empty((given.bins, given.units), np.uint8)
    for unit in range(given.units):
        counts[:, unit] = np.minimum(rng.poisson(8 * given.bin * drift * rng.lognormal(0, 0.5)), 255)
    binned = xr.Dataset(
        {
            "response": (("time", "unit"), counts, SPIKES),
            "segment": ("time", np.arange(given.bins, dtype=np.int32) // (given.bins // 2 + 1)),
            "in_epoch": (("purpose", "time"), np.ones((2, given.bins), bool)),
        },
        coords={"time": time_of_bin, "unit": np.arange(given.units) + 1, "purpose": ["use", "fit"]},
        attrs={"bin": given.bin, "session": "large"},
    )
    store.write(binned, folder / "binned.zarr.zip", "binned")
    binned = store.read(folder / "binned.zarr.zip")
    term = {"of": "all spikes", "basis": {"raised_cosine_log": {"n": 8, "window": given.window}}}
    began = time.perf_counter()
    features = build_features(binned, Term.model_validate(term), name="coupling")
    store.write_derived(features, folder / "features.zarr.zip", "features", of=binned)
    print(f"features {features['features'].nbytes / 1e9:.2f} GB, written in {time.perf_counter() - began:.0f} s")
    folds = split_rows(binned, [features], Folds.model_validate({"blocks": given.folds}), seed=0)
    store.write_derived(folds, folder / "folds.zarr.zip", "folds", of=binned)


def fit(folder: Path, given: argparse.Namespace) -> None:
    """Fit with one limit and print what it took."""
    from nwbglm import store
    from nwbglm.fits.model import fit_model
    from nwbglm.study import Fit, Model

    binned = store.read(folder / "binned.zarr.zip")
    model = Model.model_validate({"terms": ["coupling"], "penalty": {"ridge": {"strength": given.strengths}}})
    before = peak()
    began, cpu = time.perf_counter(), time.process_time()
    fits = fit_model(
        binned,
        store.read(folder / "folds.zarr.zip"),
        [store.read(folder / "features.zarr.zip")],
        model=model,
        fit=Fit.model_validate({"memory": given.fit, "tolerance": given.tolerance}),
        name="coupling",
        block=f"0-of-{max(1, given.units // given.fitted)}",
    )
    took = f"{time.perf_counter() - began:.0f} s ({time.process_time() - cpu:.0f} s CPU)"
    worst = f"largest gap {fits['gap'].values.max():.0e}, {np.count_nonzero(fits['status'].values)} not ok"
    print(f"{given.fit}: {fits['status'].size} fits in {took}, peak {peak():.0f} MB ({before:.0f} before), {worst}")
    first = folder / "first.npz"
    kept = {name: fits[name].values for name in ("coef", "log_likelihood", "test_log_likelihood", "rows")}
    if not first.exists():
        np.savez(first, **kept)
        return
    other = np.load(first)
    likelihood = np.abs(kept["log_likelihood"] - other["log_likelihood"]) / kept["rows"]
    coefficients = np.abs(kept["coef"] - other["coef"]).max() / np.abs(other["coef"]).max()
    print(f"  from the first: log-likelihood {likelihood.max():.0e} nats a bin, coefficients {coefficients:.0e}")


def peak() -> float:
    """Return the process's largest memory so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def main() -> None:
    """Make the session where it is not there, and fit it with each limit."""
    given = arguments()
    for name in ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(given.folder or temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if given.fit:
            fit(folder, given)
            return
        if not (folder / "folds.zarr.zip").exists():
            make_session(folder, given)
        (folder / "first.npz").unlink(missing_ok=True)
        for limit in given.limits:
            passed = [*sys.argv[1:], "--folder", str(folder), "--fit", limit]
            subprocess.run([sys.executable, __file__, *passed], check=True)


if __name__ == "__main__":
    main()
