"""What strengths of terms cost: the evidence, and a search of 40 candidates, beside a path of 8 strengths.

    python benchmarks/terms.py [--rows 18000] [--units 8]

W3's largest model (heading and coupling, 164 features, two terms), 5 folds and all rows, on one pinned core. ``bits``
are held-out bits a spike above the path's best strength of each unit, at strengths that the held-out rows had no part
in (evidence) or were chosen by (search, path).
"""

from __future__ import annotations

import argparse
import os
import sys
import time

import numpy as np
import wide
import workloads


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=17_920)
    parser.add_argument("--units", type=int, default=8)
    options = parser.parse_args()
    if not wide.THREADS.items() <= os.environ.items():
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **wide.THREADS, "JAX_PLATFORMS": "cpu"})
    os.sched_setaffinity(0, [max(os.sched_getaffinity(0))])
    from nwbglm.engine.fit import fit_splits
    from nwbglm.engine.penalties import Ridge
    from nwbglm.fits.strengths import draw_shares

    workload = workloads.sweep()["full"]
    X = workload.X[: options.rows] / workload.X.std(axis=0)
    y = workload.y[: options.rows, : options.units]
    terms = (np.arange(X.shape[1]) >= 12).astype(int)
    test = workloads.folds(len(X))[1]
    test = np.concatenate([test, np.zeros((1, len(X)), bool)])
    ways = {
        "path of 8": {"strengths": workload.strengths},
        "evidence": {"strengths": (1.0,), "terms": terms},
        "search of 40": {
            "strengths": tuple(np.geomspace(1e-6, 10, 40)), "terms": terms, "relative": draw_shares(40, 2, seed=0),
        },
    }  # fmt: skip
    seconds, scores = {}, {}
    for name, way in ways.items():
        for _ in range(2):
            began = time.process_time()
            fits = fit_splits(X, y, ~test, test, penalty=Ridge(), **way)
            seconds[name] = time.process_time() - began
        scores[name] = fits.test_log_likelihood[:, :5].sum(axis=1).max(axis=1)
        bits = (scores[name] - scores["path of 8"]) / y.sum(axis=0) / np.log(2)
        ratio = seconds[name] / seconds["path of 8"]
        print(
            f"{name:13s} {seconds[name]:7.2f} s  x {ratio:4.1f}  bits {np.median(bits):+.4f}  gap {fits.gap.max():.0e}"
        )


if __name__ == "__main__":
    main()
