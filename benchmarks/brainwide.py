"""What a brain-wide study would cost, from slices of one session at two sizes on one pinned core.

    python benchmarks/brainwide.py [--features 304] [--device 30e12]

The study: 699 sessions, 75 708 units, 180 000 bins a session, 300 features, 10 models x 5 folds and all rows x 8
strengths. The model of the cost, whose two constants the two sizes give:

    seconds = c (4 T p passes + 2 T p^2 Hessians) + h passes,

T rows, p features; ``passes`` are those of a column (a fit) over the rows, ``Hessians`` those of a unit. c is the time
of a flop at the engine's shapes, h what the host does for a column between passes: a device has its own c, and the same
h as long as the search runs on the host. Passes and Hessians a fit are those of the larger slice.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter

import numpy as np
import wide
import workloads

SESSIONS, UNITS, BINS, MODELS, SETS, STRENGTHS = 699, 75_708, 180_000, 10, 6, 8
SIZES = ((9_000, 4), (36_000, 4))
"""Bins and units of the two slices."""


def slice_of(rows: int, units: int, features: int, counter: Counter) -> dict[str, float]:
    """Fit a slice warm; return seconds, fits, flops and passes."""
    from nwbglm.engine.fit import fit_splits
    from nwbglm.engine.penalties import Ridge

    counts, _ = workloads.population(rows + 80, features // 8, seed=3)
    X = workloads.history(counts.astype(float), workloads.raised_cosine_log(8, 80))[80:]
    test = workloads.folds(rows)[1]
    test = np.concatenate([test, np.zeros((1, rows), bool)])
    path = tuple(10.0 ** np.linspace(-6, 1, STRENGTHS))
    seconds = np.inf
    for _ in range(3):  # the first compiles
        counter.clear()
        began = time.process_time()
        fits = fit_splits(X, counts[80:, :units], ~test, test, strengths=path, penalty=Ridge())
        seconds = min(seconds, time.process_time() - began)
    flops = 4.0 * rows * features * counter["passes"] + 2.0 * rows * features**2 * counter["hessians"]
    return {"seconds": seconds, "fits": fits.status.size, "flops": flops, **counter}


def main() -> None:
    """Measure both slices and say what follows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=int, default=304)
    parser.add_argument("--device", type=float, default=30e12, help="flops a second of a device at these shapes")
    options = parser.parse_args()
    if not wide.THREADS.items() <= os.environ.items():
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **wide.THREADS, "JAX_PLATFORMS": "cpu"})
    os.sched_setaffinity(0, [max(os.sched_getaffinity(0))])
    counter: Counter = Counter()
    wide.count_work(counter)
    found = [slice_of(rows, units, options.features, counter) for rows, units in SIZES]
    for (rows, units), got in zip(SIZES, found, strict=True):
        each = got["passes"] / got["fits"]
        print(
            f"{rows} bins, {units} units: {got['fits']} fits, {got['seconds']:.2f} s, {each:.1f} passes a fit",
            flush=True,
        )
    work = np.array([[got["flops"], got["passes"]] for got in found])
    flop, host = np.linalg.solve(work, [got["seconds"] for got in found])
    last = found[-1]
    fits = UNITS * MODELS * SETS * STRENGTHS
    passes = fits * last["passes"] / last["fits"]
    flops = fits * BINS / SIZES[-1][0] * last["flops"] / last["fits"]
    print(f"a flop {flop * 1e12:.1f} ps ({1e-9 / flop:.0f} GF/s), the host {host * 1e6:.0f} us for a pass of a column")
    print(f"{fits / 1e6:.0f} million fits of {SESSIONS} sessions, {flops:.1e} flop")
    print(f"one core: {(flops * flop + passes * host) / 3600:.0f} hours, of which the host {passes * host / 3600:.0f}")
    print(f"a device of {options.device:.0e} flop/s: {flops / options.device / 3600:.1f} hours, and the host's")


if __name__ == "__main__":
    main()
