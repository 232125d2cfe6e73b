"""What a first run costs: a small study beyond importing JAX, without and with a cache of compiled programs.

    python benchmarks/cold.py

A small study: three units on their own histories and 19 units on the histories of all, five folds and the final fit,
three strengths. Each run is a process of its own on one pinned core; the second finds what the first compiled.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
STRENGTHS = (1e-4, 1e-2, 1.0)


def study(cache: str) -> float:
    """Fit the study; return the CPU seconds that it took, the import of JAX not counted."""
    import jax  # noqa: F401
    import workloads

    data = workloads.coupling()
    test = workloads.folds(len(data.X))[1]
    test = np.concatenate([test, np.zeros((1, len(data.X)), bool)])
    began = time.process_time()
    from nwbglm.engine import cache as compiled
    from nwbglm.engine.fit import fit_splits
    from nwbglm.engine.penalties import Ridge

    compiled.enable(cache)
    for unit in range(3):
        own = data.X[:, 8 * unit : 8 * unit + 8]
        fit_splits(own, data.y[:, [unit]], ~test, test, strengths=STRENGTHS, penalty=Ridge())
    fit_splits(data.X, data.y, ~test, test, strengths=STRENGTHS, penalty=Ridge())
    return time.process_time() - began


def main() -> None:
    """Run the study twice, each time in a process of its own."""
    threads = dict.fromkeys(("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    environment = {**os.environ, **threads, "JAX_PLATFORMS": "cpu"}
    core = max(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        for state in ("without a cache", "with a cache"):
            done = subprocess.run(
                [sys.executable, __file__, folder], check=True, capture_output=True, text=True, env=environment,
                preexec_fn=lambda: os.sched_setaffinity(0, [core]), cwd=HERE,
            )  # fmt: skip
            print(f"{state}: {float(done.stdout):.2f} s of CPU beyond importing JAX", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(study(sys.argv[1]))
    else:
        main()
