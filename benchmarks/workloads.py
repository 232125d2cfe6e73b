"""Data for the workloads W1 to W4: simulated here, in the shapes of real jobs.

- W1: one neuron driven by an injected current (pA), 9.7 s in bins of 1 ms, 10 raised-cosine-log functions of 200 ms.
- W2: 19 head-direction neurons, 180 s in bins of 10 ms; 152 coupling features (19 senders x 8 functions of 0.8 s).
- W3: W2's neurons x 5 contiguous folds x 8 strengths x 3 models.
- W4: 100 neurons, 360 000 bins, 800 coupling features.
- L1, L2, L3: W2's neurons on all rows and 5 folds, along 8 strengths of a lasso, of a group lasso by sender, and of an
  elastic net, from just below the largest strength that leaves anything down to a thousandth of it.
- L4: a lasso of 40 neurons on 320 features, 3 strengths, all rows and 5 folds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.signal import lfilter


class Workload(NamedTuple):
    """Features (T, p), counts (T, U), the path of strengths and what they multiply (names as in our `Penalty`)."""

    name: str
    X: np.ndarray
    y: np.ndarray
    strengths: tuple[float, ...]
    penalty: str = "ridge"
    ratio: float = 0.0
    groups: np.ndarray | None = None


def raised_cosine_log(functions: int, window: int) -> np.ndarray:
    """Return (window, functions) raised cosines on a log axis of lags."""
    place = np.log(50 * np.linspace(0, 1, window) + 1) / np.log(51)
    last = 1 - 2 / (functions + 1)
    peaks = np.linspace(0, last, functions)
    distance = (place[:, None] - peaks) / (last / (functions - 1) * 2)
    return 0.5 * (np.cos(np.clip(np.pi * distance, -np.pi, np.pi)) + 1)


def history(signal: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """Return (T, signals x functions): each signal's strictly past values through each kernel."""
    past = np.concatenate([np.zeros((1, signal.shape[1])), signal[:-1]])
    columns = [lfilter(kernel, 1.0, past[:, i]) for i in range(signal.shape[1]) for kernel in kernels.T]
    return np.stack(columns, axis=1)


def injected_current(rows: int = 9900, seed: int = 11) -> Workload:
    """Return W1."""
    rng = np.random.default_rng(seed)
    current = 320 + 90 * lfilter([np.sqrt(1 - 0.95**2)], [1, -0.95], rng.normal(size=rows))
    X = history(current[:, None], raised_cosine_log(10, 200))
    drive = X[:, 2:5].sum(axis=1)
    y = rng.poisson(np.exp(-4.2 + 0.9 * (drive - drive.mean()) / drive.std()))
    return Workload("W1", X[200:], y[200:, None], (0.0,))


def population(rows: int = 18_000, units: int = 19, seed: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Return spike counts (T, U) of neurons tuned to a wandering heading, with slow gain, and the heading (T,)."""
    rng = np.random.default_rng(seed)
    heading = np.cumsum(lfilter([0.004], [1, -0.97], rng.normal(size=rows))) * 3
    preferred = rng.uniform(0, 2 * np.pi, units)
    rate = rng.gamma(2.0, 2.5, units) * 0.01 + 0.005
    gain = lfilter([0.02], [1, -0.999], rng.normal(size=(rows, units)), axis=0)
    tuned = np.exp(2.0 * (np.cos(heading[:, None] - preferred) - 0.4) + gain)
    return rng.poisson(np.minimum(rate * tuned, 3.0)), heading


def coupling(strength: float = 0.1) -> Workload:
    """Return W2a."""
    counts, _ = population()
    X = history(counts.astype(float), raised_cosine_log(8, 80))
    return Workload(f"W2a {strength:g}", X[80:], counts[80:], (strength,))


def raw_lags() -> Workload:
    """Return W2b: one neuron on 80 lags of its own counts."""
    counts, _ = population()
    X = history(counts[:, :1].astype(float), np.eye(80))
    return Workload("W2b", X[80:], counts[80:, :1], (0.0,))


def own_history() -> Workload:
    """Return W2c: one neuron on 8 functions of its own counts."""
    counts, _ = population()
    X = history(counts[:, :1].astype(float), raised_cosine_log(8, 80))
    return Workload("W2c", X[80:], counts[80:, :1], (0.0,))


SWEEP = tuple(10.0 ** np.linspace(-6, 1, 8))


def sweep() -> dict[str, Workload]:
    """Return W3: the models ``history`` (one store of 152; each unit its own 8), ``coupling``, ``full``."""
    counts, heading = population()
    X = history(counts.astype(float), raised_cosine_log(8, 80))[80:]
    centres = np.arange(12) * 2 * np.pi / 12
    bumps = np.exp(4 * (np.cos(heading[80:, None] - centres) - 1))
    bumps /= bumps.sum(axis=1, keepdims=True)
    y = counts[80:]
    return {
        "history": Workload("W3 history", X, y, SWEEP),
        "coupling": Workload("W3 coupling", X, y, SWEEP),
        "full": Workload("W3 full", np.concatenate([bumps, X], axis=1), y, SWEEP),
    }


def largest_strength(X: np.ndarray, y: np.ndarray, groups: np.ndarray) -> float:
    """Return the strength at which the last group of any neuron leaves a group lasso (a lasso: each feature alone)."""
    slope = np.abs(X.T @ (y - y.mean(axis=0))) / len(X)
    return max(
        np.linalg.norm(slope[groups == g], axis=0).max() / np.sqrt((groups == g).sum()) for g in np.unique(groups)
    )


def corners(name: str) -> Workload:
    """Return L1 to L4."""
    wide = name == "L4"
    counts, _ = population(18_000, 40, seed=13) if wide else population()
    X, y = history(counts.astype(float), raised_cosine_log(8, 80))[80:], counts[80:]
    features = X.shape[1]
    by_sender = name == "L2"
    groups = np.arange(features) // 8 if by_sender else np.arange(features)
    ratio = 0.5 if name == "L3" else 1.0
    most = 0.9 * largest_strength(X, y, groups) / ratio
    path = tuple(most * np.array([0.1, 0.03, 0.01]) if wide else most * 10.0 ** np.linspace(0, -3, 8))
    kind = {"L2": "group_lasso", "L3": "elastic_net"}.get(name, "lasso")
    return Workload(name, X, y, path, kind, ratio, groups if by_sender else None)


def folds(rows: int, count: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Return contiguous training and test sets (K, T)."""
    test = np.zeros((count, rows), bool)
    for k in range(count):
        test[k, k * rows // count : (k + 1) * rows // count] = True
    return ~test, test


def big_session(rows: int = 360_000, units: int = 100) -> Workload:
    """Return W4, features in float32."""
    counts, _ = population(rows, units, seed=9)
    kernels = raised_cosine_log(8, 80)
    X = np.empty((rows, units * 8), np.float32)
    for unit in range(units):
        X[:, 8 * unit : 8 * unit + 8] = history(counts[:, unit : unit + 1].astype(float), kernels)
    return Workload("W4", X[80:], counts[80:].astype(np.uint8), (0.1,))
