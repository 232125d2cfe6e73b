"""How the cost of each stage grows: CPU seconds at twice the trials, units, spikes or bins, over those at once.

    python benchmarks/growth.py            all stages
    python benchmarks/growth.py audit fit  some

A stage that takes more than 2.5 times as long for twice as much is marked, and the status is 1. Each number is the
least of three; what JAX compiles is compiled before.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from nwbglm.audit import audit_recording
from nwbglm.binning import bin_recording
from nwbglm.comparison import compare_models
from nwbglm.crossval import split_rows
from nwbglm.features import build_features
from nwbglm.fits.model import fit_model
from nwbglm.fits.predict import predict_rates
from nwbglm.recording import open_recording
from nwbglm.study import DataSettings, Fit, Folds, Model, Term, Window
from nwbglm.tuning import tune_units

ONCE = {"trials": 1000, "units": 12, "spikes": 3000, "seconds": 1200.0}
"""Spikes are those of a unit; a bin has 50 ms."""
WIDEST = 2.5
SETTLED = 0.02
"""CPU seconds below which a ratio is noise."""
SETTINGS = {
    "epochs": {"use": {"table": "trials"}},
    "units": {"where": "rate > 0"},
    "bin": "50 ms",
    "signals": {"x": {"from": "x", "resample": "interpolate"}},
    "tuning": {"x": {"of": "x", "bins": 12}},
}
TERMS = {
    "history": {"of": "own spikes", "basis": {"raised_cosine_log": {"n": 4, "window": "200 ms"}}},
    "x": {"of": "x", "basis": {"bspline": {"n": 5}}},
}


def write(path: Path, trials: int, units: int, spikes: int, seconds: float) -> Path:
    """Write a recording of any size."""
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2.6.0"
        table = file.create_group("units")
        table["id"] = np.arange(units)
        table["spike_times"] = np.concatenate([np.sort(rng.uniform(0, seconds, spikes)) for _ in range(units)])
        table["spike_times_index"] = np.cumsum([spikes] * units)
        table.attrs["colnames"] = np.array(["spike_times"], dtype=object)
        rows = file.create_group("intervals/trials")
        start = np.arange(trials) * seconds / trials
        rows["id"], rows["start_time"], rows["stop_time"] = np.arange(trials), start, start + 0.99 * seconds / trials
        rows.attrs["colnames"] = np.array(["start_time", "stop_time"], dtype=object)
        signal = file.create_group("acquisition/x")
        signal["data"] = np.sin(np.arange(int(20 * seconds)) / 9)
        signal["data"].attrs["unit"] = "m"
        signal["starting_time"] = 0.0
        signal["starting_time"].attrs["rate"] = 20.0
    return path


def stages(path: Path) -> dict[str, Callable[[], Any]]:
    """Return what does each stage of a recording, on the results of those before it."""
    settings = DataSettings.model_validate(SETTINGS)

    def binned() -> xr.Dataset:
        with open_recording(path, session="s") as recording:
            return bin_recording(recording, settings).load().assign_attrs(session="s")

    def tuned() -> xr.Dataset:
        with open_recording(path, session="s") as recording:
            return tune_units(data, settings, [recording]).load()

    def features() -> list[xr.Dataset]:
        return [build_features(data, Term.model_validate(term), name=name).load() for name, term in TERMS.items()]

    def folds(cut: str = "within_epochs") -> xr.Dataset:
        return split_rows(data, made, Folds.model_validate({"blocks": 3, "cut": cut, "gap": "50 ms"}), seed=0)

    def fitted() -> xr.Dataset:
        model, fit = (
            Model.model_validate({"terms": list(TERMS)}),
            Fit.model_validate({"penalty": {"ridge": {"strength": [1e-3, 1e-1]}}}),
        )
        return fit_model(data, split, made, model=model, fit=fit, name="m", block="0-of-1")

    def predicted() -> xr.Dataset:
        window = Window.model_validate({"start": "0 s", "length": "10 s"})
        return predict_rates(data, tuning, split, made, fits, window=window).load()

    data = binned()
    tuning, made = tuned(), features()
    split = folds()
    fits = fitted()
    return {
        "audit": lambda: audit_recording(path, settings, session="s"),
        "bin": binned,
        "tune": tuned,
        "features": features,
        "folds within epochs": folds,
        "folds of epochs": lambda: folds("epochs"),
        "fit": fitted,
        "predict": predicted,
        "compare": lambda: compare_models([fits], binned=[data], tuning=[tuning]),
    }


def seconds_of(work: Callable[[], Any]) -> float:
    """Return the least CPU seconds of three."""
    taken = []
    for _ in range(3):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return min(taken)


def main(wanted: list[str]) -> int:
    """Print a table; return 1 where a stage grows too fast."""
    worst = 0
    with tempfile.TemporaryDirectory() as folder:
        measured: dict[str, dict[str, float]] = {}
        for what in ("once", *ONCE):
            size = ONCE | ({what: 2 * ONCE[what]} if what in ONCE else {})
            works = stages(write(Path(folder) / f"{what}.nwb", **size))
            measured[what] = {
                name: seconds_of(work)
                for name, work in works.items()
                if not wanted or any(word in name for word in wanted)
            }
    print(
        "| stage | once, CPU s | " + " | ".join(f"2 x {what}" for what in ("trials", "units", "spikes", "bins")) + " |"
    )
    print("|---|---|" + "---|" * len(ONCE))
    for name, once in measured["once"].items():
        cells = []
        for what in ONCE:
            ratio, settled = measured[what][name] / once, measured[what][name] > SETTLED
            worst = max(worst, ratio if settled else 0)
            cells.append(f"{ratio:.2f}{' !' if settled and ratio > WIDEST else ''}")
        print(f"| {name} | {once:.3f} | {' | '.join(cells)} |")
    print(f"largest ratio: {worst:.2f}")
    return int(worst > WIDEST)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
