"""Do counts agree with held-out expectations: calibration, dispersion over windows, the ceiling of repeated stimuli."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np


class Tenths(NamedTuple):
    """Rows in ten groups of equal size by their expectation."""

    expected: np.ndarray
    observed: np.ndarray
    rows: np.ndarray


def calibration_tenths(y: np.ndarray, mean: np.ndarray, groups: int = 10) -> Tenths:
    """Return mean expectation and mean response in groups of rows of ascending expectation.

    Parameters
    ----------
    y, mean : (T,)
        Responses and held-out expectations.
    groups
        How many; rows of equal expectation stay together.
    """
    y, mean = np.asarray(y, float), np.asarray(mean, float)
    edges = np.quantile(mean, np.linspace(0, 1, groups + 1)[1:-1])
    group = np.searchsorted(edges, mean, side="right")
    rows = np.bincount(group, minlength=groups)
    with np.errstate(invalid="ignore", divide="ignore"):
        return Tenths(
            np.bincount(group, mean, minlength=groups) / rows, np.bincount(group, y, minlength=groups) / rows, rows
        )


def calibration_line(y: np.ndarray, mean: np.ndarray, steps: int = 50) -> tuple[float, float]:
    """Return slope and offset of a Poisson regression of the counts on the log of their expectation: 1 and 0 are right.

    A slope below 1 says that predictions are too extreme (overfitted), an offset that the rate has moved. NaN where
    there is no spike, or nothing varies.
    """
    y, mean = np.asarray(y, float), np.asarray(mean, float)
    good = mean > 0
    y, x = y[good], np.log(mean[good])
    if not (y.sum() > 0 and len(x) > 1 and x.std() > 0):
        return float("nan"), float("nan")
    design = np.column_stack([x, np.ones(len(x))])
    beta = np.array([1.0, np.log(y.sum() / mean[good].sum())])

    def loss(at: np.ndarray) -> float:
        return np.exp(np.minimum(design @ at, 700.0)).sum() - y @ (design @ at)

    value = loss(beta)
    for _ in range(steps):
        mu = np.exp(np.minimum(design @ beta, 700.0))
        gradient = design.T @ (mu - y)
        step = np.linalg.lstsq(design.T @ (design * mu[:, None]), gradient, rcond=None)[0]
        size = 1.0
        while size > 1e-8 and not loss(beta - size * step) <= value:
            size /= 2
        beta, previous = beta - size * step, value
        value = loss(beta)
        if abs(previous - value) < 1e-12 * (1 + abs(value)):
            break
    return float(beta[0]), float(beta[1])


def straight_line(y: np.ndarray, mean: np.ndarray) -> tuple[float, float]:
    """Return slope and offset of a linear regression of continuous responses on their expectation: 1 and 0 are right.

    NaN where the expectation does not vary.
    """
    y, mean = np.asarray(y, float), np.asarray(mean, float)
    if len(mean) < 2 or not mean.std() > 0:
        return float("nan"), float("nan")
    centred = mean - mean.mean()
    slope = float(centred @ y / (centred @ centred))
    return slope, float(y.mean() - slope * mean.mean())


def pearson_dispersion(y: np.ndarray, mean: np.ndarray, variance: np.ndarray, parameters: float = 0.0) -> float:
    """Return ``X2 / (n - parameters)``: squared residuals in units of the model's own variance; 1 is right."""
    y, mean, variance = (np.asarray(array, float) for array in (y, mean, variance))
    good = variance > 0
    free = good.sum() - parameters
    return float(((y - mean)[good] ** 2 / variance[good]).sum() / free) if free > 0 else float("nan")


def fano(y: np.ndarray, mean: np.ndarray, stretch: np.ndarray, window: int) -> float:
    """Return the variance of counts about their expectation over windows of bins: ``sum (Y - M)^2 / sum M``.

    1 for a Poisson model that is right at every window; what grows with the window is a drift that the model misses.

    Parameters
    ----------
    y, mean : (T,)
    stretch : (T,)
        Windows lie inside one stretch of rows.
    window
        Bins.
    """
    y, mean, stretch = np.asarray(y, float), np.asarray(mean, float), np.asarray(stretch)
    edges = np.flatnonzero(np.r_[True, stretch[1:] != stretch[:-1], True])
    squares = total = 0.0
    for start, stop in pairwise(edges):
        whole = (stop - start) // window * window
        counts = y[start : start + whole].reshape(-1, window).sum(axis=1)
        means = mean[start : start + whole].reshape(-1, window).sum(axis=1)
        squares += ((counts - means) ** 2).sum()
        total += means.sum()
    return float(squares / total) if total > 0 else float("nan")


class Ceiling(NamedTuple):
    """What repeats of the same stimuli say about how much can be explained at all."""

    noise: float
    """Variance over repeats, averaged over stimuli."""
    signal: float
    """Variance over stimuli of what repeats share."""
    share: float
    """``signal / (signal + noise)``: what a perfect model explains of single trials."""
    correlation: float
    """Of the mean over repeats with the prediction."""
    normalised_correlation: float
    """CCnorm (Schoppe 2016): 1 is perfect; with few repeats it can pass 1."""


def repeat_ceiling(responses: np.ndarray, prediction: np.ndarray | None = None) -> Ceiling:
    """Split the variance of responses to repeated stimuli into signal and noise.

    Parameters
    ----------
    responses : (S, R)
        Response to each of S stimuli (or bins of one) in each of R repeats.
    prediction : (S,) or None
        Held-out prediction.
    """
    responses = np.asarray(responses, float)
    repeats = responses.shape[1]
    mean = responses.mean(axis=1)
    noise = float(responses.var(axis=1, ddof=1).mean())
    signal = float(mean.var(ddof=1) - noise / repeats)
    total = signal + noise
    share = signal / total if total > 0 else float("nan")
    if prediction is None:
        return Ceiling(noise, signal, share, float("nan"), float("nan"))
    prediction = np.asarray(prediction, float)
    covariance = np.cov(mean, prediction)
    correlation = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    normalised = covariance[0, 1] / np.sqrt(covariance[1, 1] * signal) if signal > 0 else float("nan")
    return Ceiling(noise, signal, share, float(correlation), float(normalised))
