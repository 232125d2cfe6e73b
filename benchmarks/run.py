"""Hold the engine beside NeMoS, scikit-learn and glum: one command, all in one run, on pinned cores.

    python benchmarks/run.py                       # everything, on one core
    python benchmarks/run.py W1 W2c --cores 2
    python benchmarks/run.py W3 --peers sklearn

Each library runs in a process of its own, pinned to the same cores, ours before and after each peer; ratios are of CPU
seconds (wall seconds on several cores) and hold within one run only. Where a peer would take too long it does a part of
the work, and its time is multiplied by the ratio of the fits: the table says so. "cold" is the first call, compilation
included and an empty compilation cache; "warm" the best later one. Objectives and gradients are computed in float64
outside all libraries; the difference is a peer's objective minus ours, the median and the least over its fits (below
zero: theirs is better).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent

WORKLOADS = ("W1", "W2a:0.1", "W2a:0.001", "W2b", "W2c", "W3", "W4", "W4:90000", "L1", "L2", "L3", "L4")

PARTIAL = {
    ("W3", "sklearn"): {"units": 2},
    ("W3", "glum"): {"units": 1},
    ("W3", "nemos"): {"units": 19, "limit": [[0, 1], [0, 5]]},
    ("W4:90000", "sklearn"): {"units": 1},
    ("W4:90000", "glum"): {"units": 1},
    ("W4:90000", "nemos"): {"units": 5},
    ("L1", "glum"): {"units": 2},
    ("L3", "glum"): {"units": 2},
    ("L4", "glum"): {"units": 2},
    ("L1", "nemos"): {"limit": [[5, 2], [5, 5]]},
    ("L2", "nemos"): {"units": 2, "limit": [[5, 2], [5, 5]]},
    ("L3", "nemos"): {"limit": [[5, 2], [5, 5]]},
    ("L4", "nemos"): {"limit": [[5, 1]]},
}
"""What a peer does of a workload: units, (fold, strength) pairs."""

FITS = {"W3": 2280, "W4:90000": 100, "L1": 912, "L2": 912, "L3": 912, "L4": 720}
SKIP = {
    *(("W4", peer) for peer in ("sklearn", "glum", "nemos")),
    ("L2", "glum"),
    *((f"L{i}", "sklearn") for i in (1, 2, 3, 4)),
}


def measure(engine: str, workload: str, cores: list[int], repeats: int, **part) -> dict:
    """Run one engine on one workload in a pinned process; return what it says."""
    threads = str(len(cores))
    names = ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(names, threads), "JAX_PLATFORMS": "cpu"}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "result.json"
        command = [sys.executable, str(HERE / "engines.py"), engine, workload]
        command += ["--repeats", str(repeats), "--out", str(out)]
        command += ["--units", str(part["units"])] if "units" in part else []
        command += ["--limit", json.dumps(part["limit"])] if "limit" in part else []
        command += ["--dtype", "float32"] if workload.startswith("W4") and engine == "nwbglm" else []
        subprocess.run(
            command, check=True, env=environment, preexec_fn=lambda: os.sched_setaffinity(0, cores), cwd=HERE
        )
        return json.loads(out.read_text()) | {"cores": len(cores)}


def difference(theirs: dict, ours: dict) -> tuple[float, float]:
    """Return median and least of a peer's objectives minus ours, over the fits that both have."""
    both = sorted(set(theirs) & set(ours))
    values = np.array([theirs[key][0] - ours[key][0] for key in both])
    values = values[np.isfinite(values)]  # a peer may end in NaN
    return (float(np.median(values)), float(values.min())) if len(values) else (np.nan, np.nan)


def report(workload: str, peers: list[str], cores: list[int], repeats: int) -> None:
    """Measure and print one workload."""
    once = workload.startswith("W4")
    ours = measure("nwbglm", workload, cores, 0 if once else max(repeats, 2))
    line(workload, ours, None, 1.0)
    for peer in peers:
        if (workload, peer) in SKIP:
            continue
        part = PARTIAL.get((workload, peer), {})
        theirs = measure(peer, workload, cores, 0 if part or once else repeats, **part)
        again = ours if once else measure("nwbglm", workload, cores, max(repeats, 2))
        factor = FITS[workload] / theirs["fits"] if part else 1.0
        warm = [best(result) for result in (ours, again)]
        line(workload, theirs, (ours, float(np.mean(warm))), factor)


def times(result: dict) -> list[float]:
    """Return CPU seconds; on several cores, where waiting threads burn them, wall seconds."""
    return result["cpu" if result["cores"] == 1 else "wall"]


def best(result: dict) -> float:
    """Return the best warm time, or the only one."""
    return min(times(result)[1:] or times(result))


def line(workload: str, result: dict, pair: tuple[dict, float] | None, factor: float) -> None:
    """Print one row of the table."""
    gradients = [value[1] for value in result["certificates"].values()]
    largest = f"{max(gradients):.1e}" if gradients else "-"
    cold, warm = times(result)[0] * factor, best(result) * factor
    text = f"{workload:10s} {result['engine']:8s} cold {cold:9.3f} s  warm {warm:9.3f} s  "
    text += f"peak {result['peak_mb']:6.0f} MB (data {result['data_mb']:.0f})  |g| {largest}"
    if pair is not None:
        ours, time = pair
        median, least = difference(result["certificates"], ours["certificates"])
        text += f"  {warm / time:8.1f} x ours  objective {median:+.1e} ({least:+.1e})"
    if factor != 1.0:
        text += f"  [{result['fits']} fits, time x {factor:.1f}]"
    print(text, flush=True)


def main() -> None:
    """Run the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", default=list(WORKLOADS))
    parser.add_argument("--peers", nargs="*", default=["sklearn", "glum", "nemos"])
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[-options.cores :]
    print(f"pinned to {len(cores)} core(s); {'CPU' if len(cores) == 1 else 'wall'} seconds", flush=True)
    for workload in options.workloads:
        report(workload, options.peers, cores, options.repeats)


if __name__ == "__main__":
    main()
