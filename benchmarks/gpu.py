"""The engine alone on whatever device JAX has: W2a, W3, W4, float32 and float64, with its share of the device's peak.

    python benchmarks/gpu.py --out gpu.json                  # on the device
    JAX_PLATFORMS=cpu python benchmarks/gpu.py W2a:0.1 --compare gpu.json   # the same answers on a processor

What a device cannot hide is what the host does between passes: calls into compiled code, arrays that go up and come
down, and (on a processor, where calls do not overlap) the seconds outside them, all for 1000 passes of a column.

The peak is that of a large matrix product of the same type, measured first; the work counted is ``4 T p`` for each
column and pass that the solver reports (iterations + 1), so the share is a lower bound.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from engines import features_of, models, splits

from nwbglm.engine.data.problem import Problem
from nwbglm.engine.fit import SplitFits, Status, fit_splits
from nwbglm.engine.penalties import Ridge


def peak(dtype: str, size: int) -> float:
    """Return the flops a second of a square matrix product."""
    with jax.enable_x64(True):
        a = jnp.ones((size, size), dtype)
        product = jax.jit(lambda a: jnp.matmul(a, a, precision=jax.lax.Precision.HIGHEST))
        product(a).block_until_ready()
        start = time.perf_counter()
        for _ in range(3):
            result = product(a)
        result.block_until_ready()
        return 3 * 2 * size**3 / (time.perf_counter() - start)


def fit(workload, count, own: bool, dtype: str) -> list[SplitFits]:
    """Fit a workload; one call, or one a unit where each has features of its own."""
    train, test = splits(workload, count)
    units = range(workload.y.shape[1])
    return [
        fit_splits(
            workload.X[:, features_of(workload, group[0], own)], workload.y[:, group], train, test,
            strengths=workload.strengths, penalty=Ridge(), dtype=dtype,
        )
        for group in ([[unit] for unit in units] if own else [list(units)])
    ]  # fmt: skip


class Host:
    """Counts calls of the engine's passes, their arrays and their time."""

    def __init__(self) -> None:
        self.calls = self.up = self.down = self.columns = 0
        self.inside = 0.0
        original = Problem._over_panels

        def counted(problem, kernel, theta, *args, **options):
            began = time.perf_counter()
            result = original(problem, kernel, theta, *args, **options)
            self.inside += time.perf_counter() - began
            panels = len(problem.panels)
            self.calls, self.columns = self.calls + panels, self.columns + len(theta)
            self.up, self.down = self.up + 6 * panels, self.down + len(result) * panels
            return result

        Problem._over_panels = counted

    def tell(self, seconds: float) -> str:
        """Say what was counted since it was last asked."""
        share = 1000 / max(self.columns, 1)
        text = f"{self.calls * share:.0f} calls, {self.up * share:.0f} arrays up, {self.down * share:.0f} down, "
        text += f"{(seconds - self.inside) * share:.3f} s outside them for 1000 of {self.columns} passes"
        self.calls = self.up = self.down = self.columns = 0
        self.inside = 0.0
        return text


def measure(name: str, dtype: str, top: float, host: Host) -> dict:
    """Fit cold and warm; print and return what was seen."""
    seconds, flops, objectives, worst, ok = [0.0, 0.0], 0.0, [], 0.0, True
    host.tell(0.0)
    for workload, count, own in models(name):
        for turn in range(2):
            start = time.perf_counter()
            fits = fit(workload, count, own, dtype)
            seconds[turn] += time.perf_counter() - start
        for part in fits:
            flops += 4.0 * len(workload.X) * part.coef.shape[-1] * float((part.iterations + 1).sum())
            objectives += part.objective.ravel().tolist()
            worst = max(worst, float(part.gap.max()))
            ok = ok and bool((part.status == Status.ok).all())
    share = flops / seconds[1] / top
    told = host.tell(sum(seconds))
    print(
        f"{name:10s} {dtype}  cold {seconds[0]:7.2f} s  warm {seconds[1]:7.3f} s  {share:6.1%} of peak  "
        f"largest gap {worst:.1e}  {'all ok' if ok else 'NOT ALL OK'}",
        flush=True,
    )
    print(f"{'':10s} {told} (both turns, the first with compilation)", flush=True)
    return {"cold": seconds[0], "warm": seconds[1], "share": share, "gap": worst, "objective": objectives}


def main() -> None:
    """Run the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", default=["W2a:0.1", "W2a:0.001", "W3", "W4"])
    parser.add_argument("--dtypes", nargs="*", default=["float32", "float64"])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--compare", type=Path)
    options = parser.parse_args()
    device = jax.devices()[0]
    size = 1024 if device.platform == "cpu" else 8192
    print(f"{device.device_kind} ({device.platform}), jax {jax.__version__}")
    results, host = {}, Host()
    for dtype in options.dtypes:
        top = peak(dtype, size)
        print(f"{dtype}: matrix product {top / 1e12:.2f} TF/s")
        for name in options.workloads:
            results[f"{name} {dtype}"] = measure(name, dtype, top, host)
    if options.out:
        options.out.write_text(json.dumps(results))
    if options.compare:
        others = json.loads(options.compare.read_text())
        for key in sorted(set(results) & set(others)):
            off = np.abs(np.subtract(results[key]["objective"], others[key]["objective"])).max()
            print(f"{key}: objectives differ by at most {off:.1e}")


if __name__ == "__main__":
    main()
