"""Wide problems with few fits a unit: CPU seconds over features x strengths x units, and what they are made of.

    python benchmarks/wide.py                             # the family, on one pinned core
    python benchmarks/wide.py --features 256 --strengths 1e-5 --peer    # beside scikit-learn's newton-cholesky

9000 bins of coupling features, 5 folds. Features grow with the number of senders, so that a problem twice as wide has
twice the work a pass; the ratio of its time to that of the narrower one says whether passes a fit grow, too. ``passes``
are those of a column over the data, ``Hessians`` those of a unit on its rows.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections import Counter

import numpy as np
import workloads

THREADS = dict.fromkeys(("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
ROWS, FUNCTIONS, WINDOW = 9000, 8, 80
PATH = tuple(10.0 ** np.linspace(-5, 0, 4))


def wide(features: int, units: int) -> tuple[np.ndarray, np.ndarray]:
    """Return coupling features (T, p) and the counts of some of the senders (T, U)."""
    senders = features // FUNCTIONS
    counts, _ = workloads.population(ROWS + WINDOW, max(senders, units), seed=3)
    X = workloads.history(counts[:, :senders].astype(float), workloads.raised_cosine_log(FUNCTIONS, WINDOW))
    return X[WINDOW:], counts[WINDOW:, :units]


def count_work(counter: Counter) -> None:
    """Count passes and Hessians of columns in the engine's problem."""
    from nwbglm.engine.data.problem import Problem

    for name, word in (("sums", "passes"), ("grams", "hessians")):
        original = getattr(Problem, name)

        def counted(self, theta, *args, original=original, word=word, **options):
            counter[word] += len(theta)
            return original(self, theta, *args, **options)

        setattr(Problem, name, counted)


def ours(X: np.ndarray, y: np.ndarray, strengths: tuple[float, ...], repeats: int, counter: Counter) -> dict:
    """Fit warm; return the least CPU seconds and what the fits needed."""
    from nwbglm.engine.fit import fit_splits
    from nwbglm.engine.penalties import Ridge

    train, test = workloads.folds(len(X))
    best = np.inf
    for _ in range(repeats + 1):
        counter.clear()
        began = time.process_time()
        fits = fit_splits(X, y, train, test, strengths=strengths, penalty=Ridge())
        taken, best = time.process_time() - began, min(best, time.process_time() - began)
        if taken > 20:
            break
    return {"seconds": best, "fits": fits, **{key: value / fits.status.size for key, value in counter.items()}}


def scikit_learn(X: np.ndarray, y: np.ndarray, strength: float) -> float:
    """Return the CPU seconds of a fit with newton-cholesky, the mean of two units on one fold."""
    from sklearn.linear_model import PoissonRegressor

    (rows, *_), _ = workloads.folds(len(X))
    began = time.process_time()
    for unit in range(2):
        PoissonRegressor(alpha=strength, solver="newton-cholesky", tol=1e-6, max_iter=100).fit(X[rows], y[rows, unit])
    return (time.process_time() - began) / 2


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=int, nargs="*", default=[128, 256, 512])
    parser.add_argument("--units", type=int, nargs="*", default=[2, 8])
    parser.add_argument("--strengths", type=float, nargs="*", help="each alone; default: 1e-5, 1, and a path of 4")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--peer", action="store_true", help="scikit-learn, too")
    options = parser.parse_args()
    if not THREADS.items() <= os.environ.items():  # libraries read it when they are imported
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **THREADS, "JAX_PLATFORMS": "cpu"})
    warnings.simplefilter("ignore")
    os.sched_setaffinity(0, [max(os.sched_getaffinity(0))])
    counter: Counter = Counter()
    count_work(counter)
    paths = [(s,) for s in options.strengths] if options.strengths else [(1e-5,), (1.0,), PATH]
    for units in options.units:
        for path in paths:
            before = np.nan
            for features in options.features:
                X, y = wide(features, units)
                got = ours(X, y, path, options.repeats, counter)
                fits = got["fits"]
                words = f"{path[0]:g}" if len(path) == 1 else f"{len(path)} strengths"
                text = f"{units} units  {words:12s} p = {features:4d}  {got['seconds']:8.3f} s  "
                text += f"x {got['seconds'] / before:5.2f}  "
                text += f"{got['passes']:6.1f} passes a fit  {got.get('hessians', 0):5.2f} Hessians a fit  "
                text += f"largest gap {fits.gap.max():.1e}  {'all ok' if not fits.status.any() else 'NOT ALL OK'}"
                if options.peer:
                    peer = np.mean([scikit_learn(X, y, s) for s in path]) * fits.status.size
                    text += f"  scikit-learn {peer / got['seconds']:.1f} x"
                print(text, flush=True)
                before = got["seconds"]


if __name__ == "__main__":
    main()
