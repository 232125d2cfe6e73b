"""Observation models: how a linear predictor becomes a distribution of the response.

Notation: ``eta = intercept + x.w``; ``mu`` the expected response of one row (a *count per bin* for spikes); ``e`` the
exposure of the row in [0, 1]; ``a`` the dispersion. A model is a loss per row, up to terms that do not depend on
``eta``, with its first two derivatives. Where the loss is ``cumulant(eta) - y eta``, the response enters a fit only
through the sums ``X'y``, so that it never enters the hot loop: such models are ``linear`` and their functions
leave out ``- y eta``.

Rows with zero exposure do not exist. A fractional exposure multiplies ``mu`` of the count models (for the
exponential link that is the log-exposure offset); Bernoulli, Gaussian and Gamma responses know only 0 and not 0.

A model may have a nuisance parameter. The negative binomial's dispersion is part of the loss, and found in turns with
the coefficients; a Gaussian's variance and a Gamma's dispersion (1 / shape) do not move the coefficients, and are
found afterwards from the loss (`Scale`). All are those of largest likelihood.

To add a model, write one `Observations` here, put it into `MODELS`, and name it on the study's side
(`study.observations`); a test holds the two equal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jax.nn import sigmoid, softplus
from scipy.special import digamma, gammaln, polygamma, xlogy

__all__ = [
    "BERNOULLI",
    "GAMMA",
    "GAUSSIAN",
    "MODELS",
    "NEGATIVE_BINOMIAL",
    "POISSON",
    "POISSON_SOFTPLUS",
    "Observations",
    "Response",
    "Scale",
]

LEAST_SCALE = 1e-12
"""Smallest variance or Gamma dispersion, of responses that are fitted exactly: flagged as a bound."""


@dataclass(frozen=True)
class Response:
    """Which values a response may take.

    Attributes
    ----------
    words
        For messages.
    low, high
        Least and largest value.
    whole
        Whether only whole numbers.
    above
        Whether `low` itself is not allowed.
    counts
        Whether a sum of zero means that there is nothing to fit (``no_spikes``).
    """

    words: str
    low: float = -np.inf
    high: float = np.inf
    whole: bool = False
    above: bool = False
    counts: bool = False

    def holds(self, least: float, largest: float) -> bool:
        """Whether responses between these two may be; not where one is NaN or infinite."""
        above = least > self.low if self.above else least >= self.low
        return bool(above and largest <= self.high and np.isfinite(least) and np.isfinite(largest))

    def first_refused(self, y: np.ndarray) -> float | None:
        """Return a value that is none of these, or None where all are."""
        y = np.asarray(y)
        good = np.isfinite(y) & ((y > self.low) if self.above else (y >= self.low)) & (y <= self.high)
        if self.whole and y.dtype.kind == "f":
            good &= y == np.floor(y)
        return None if good.all() else float(y[~good].ravel()[0])


COUNTS = Response("counts, 0 or more", low=0.0, counts=True)
"""Fractions too: likelihoods are those of a Gamma function in place of the factorial."""

BINARY = Response("0 or 1", low=0.0, high=1.0, whole=True, counts=True)
REAL = Response("finite numbers")
POSITIVE = Response("finite numbers above 0", low=0.0, above=True)


@dataclass(frozen=True)
class Scale:
    """A nuisance parameter that leaves the coefficients alone: found after them, from sums over rows.

    ``excess`` is the loss above the least possible one (at ``mu = y``), per row.

    Attributes
    ----------
    name
        What is stored and shown.
    best
        ``(excess) -> value`` of largest likelihood.
    log_likelihood
        ``(loss, rows, saturated, value) -> nats``, from sums over rows of the loss, and minus that at ``mu = y``.
    nats
        ``(value) -> factor``: what a unit of loss is worth in nats.
    """

    name: str
    best: Callable = field(repr=False)
    log_likelihood: Callable = field(repr=False)
    nats: Callable = field(repr=False)


@dataclass(frozen=True, eq=False)
class Observations:
    """One observation model with its link.

    Attributes
    ----------
    name
        What is stored and shown.
    linear
        Whether ``- y eta`` is left out of the functions below (and added from sums).
    intercept_in_closed_form
        Whether the best intercept for given coefficients is ``log(sum y / sum exp(x.w))``.
    loss, slope, curvature
        ``(eta, y, e, a) -> array``: loss of a row and its derivatives in ``eta``. ``curvature`` is never negative
        (the expected one where the observed one can be).
    mean
        ``(eta, xp=np) -> mu`` at full exposure; ``xp`` is the array namespace, `jax.numpy` where it is traced.
    link
        ``(mu) -> eta``, for numpy arrays.
    flat_curvature
        ``(mu, a) -> array``: expected curvature of a row at a constant mean, for numpy arrays.
    constant
        ``(y, a) -> array``: what to add to minus the loss (with its linear part) to get the log-likelihood, but for
        ``y log e`` where ``offset``.
    saturated
        ``(y, a) -> array``: log-likelihood of a row at ``mu = y``.
    offset
        Whether ``y log e`` is left out of the loss.
    has_dispersion
        Whether ``a`` is estimated, by maximum likelihood for each unit and split.
    response
        Which values a response may take.
    inside
        Least and largest mean that starting points take, within what the link allows.
    flat_loss
        ``(rate, rows, spikes, exposure) -> array``: the summed loss (linear part included) under one rate, from sums
        over rows; None where it takes a pass over the data.
    draw
        ``(key, mu, a) -> array``: random responses, traced by JAX; a is the dispersion, variance or 1 / shape.
    scale
        The nuisance parameter outside the loss, if there is one.
    deviance_factor
        What turns the loss above the least possible one into a deviance.
    """

    name: str
    linear: bool
    intercept_in_closed_form: bool
    loss: Callable = field(repr=False)
    slope: Callable = field(repr=False)
    curvature: Callable = field(repr=False)
    mean: Callable = field(repr=False)
    link: Callable = field(repr=False)
    flat_curvature: Callable = field(repr=False)
    constant: Callable = field(repr=False)
    saturated: Callable = field(repr=False)
    response: Response
    inside: tuple[float, float]
    draw: Callable = field(repr=False)
    flat_loss: Callable | None = field(default=None, repr=False)
    offset: bool = False
    has_dispersion: bool = False
    scale: Scale | None = None
    deviance_factor: float = 2.0

    @property
    def counts(self) -> bool:
        """Whether a sum of zero means that there is nothing to fit, and data may be separable."""
        return self.response.counts

    @property
    def ceiling(self) -> float:
        """Largest response: a unit that always gives it is the mirror image of a silent one."""
        return self.response.high


def _zero(y, a):
    return np.zeros(np.shape(y))


def _exponential(eta, xp=np):
    return xp.exp(eta)


def _softplus(eta, xp=np):
    return xp.logaddexp(0.0, eta)


def _draw_poisson(key, mu, a):
    return jax.random.poisson(key, mu).astype(mu.dtype)


def _draw_binomial(key, mu, a):
    """Draw a Poisson count whose rate is Gamma distributed."""
    key, other = jax.random.split(key)
    return _draw_poisson(key, mu * a * jax.random.gamma(other, jnp.broadcast_to(1.0 / a, mu.shape)), a)


def _poisson_flat_loss(rate, rows, spikes, exposure):
    return rate * exposure - xlogy(spikes, rate)


def _poisson_constant(y, a):
    return -gammaln(y + 1)


def _poisson_saturated(y, a):
    return xlogy(y, y) - y - gammaln(y + 1)


POISSON = Observations(
    name="poisson",
    linear=True,
    intercept_in_closed_form=True,
    loss=lambda eta, y, e, a: e * jnp.exp(eta),
    slope=lambda eta, y, e, a: e * jnp.exp(eta),
    curvature=lambda eta, y, e, a: e * jnp.exp(eta),
    mean=_exponential,
    link=np.log,
    flat_curvature=lambda mu, a: mu,
    constant=_poisson_constant,
    saturated=_poisson_saturated,
    offset=True,
    response=COUNTS,
    inside=(1e-9, np.inf),
    draw=_draw_poisson,
    flat_loss=_poisson_flat_loss,
)
"""Poisson counts, ``mu = e exp(eta)``."""


def _log_softplus(eta):
    """Return ``log(log(1 + exp(eta)))`` without underflow: softplus(eta) -> exp(eta) far below zero."""
    low = eta < -30.0
    return jnp.where(low, eta, jnp.log(softplus(jnp.where(low, 0.0, eta))))


def _softplus_ratio(eta):
    """Return ``sigmoid(eta) / softplus(eta)``, which tends to 1 far below zero."""
    low = eta < -30.0
    safe = jnp.where(low, 0.0, eta)
    return jnp.where(low, 1.0, sigmoid(safe) / softplus(safe))


def _softplus_curvature(eta, y, e, a):
    """Return the observed curvature ``e s' - y (s'/f - s^2/f^2)``: never negative, as log softplus is concave."""
    s = sigmoid(eta)
    ratio = _softplus_ratio(eta)
    return e * s * (1 - s) + y * ratio * jnp.maximum(ratio - (1 - s), 0.0)


POISSON_SOFTPLUS = Observations(
    name="poisson_softplus",
    linear=False,
    intercept_in_closed_form=False,
    loss=lambda eta, y, e, a: e * softplus(eta) - y * _log_softplus(eta),
    slope=lambda eta, y, e, a: e * sigmoid(eta) - y * _softplus_ratio(eta),
    curvature=_softplus_curvature,
    mean=_softplus,
    link=lambda mu: mu + np.log(-np.expm1(-mu)),
    flat_curvature=lambda mu, a: np.expm1(-mu) ** 2 / mu,
    constant=_poisson_constant,
    saturated=_poisson_saturated,
    offset=True,
    response=COUNTS,
    inside=(1e-9, np.inf),
    draw=_draw_poisson,
    flat_loss=_poisson_flat_loss,
)
"""Poisson counts, ``mu = e log(1 + exp(eta))``."""

BERNOULLI = Observations(
    name="bernoulli",
    linear=True,
    intercept_in_closed_form=False,
    loss=lambda eta, y, e, a: softplus(eta),
    slope=lambda eta, y, e, a: sigmoid(eta),
    curvature=lambda eta, y, e, a: sigmoid(eta) * sigmoid(-eta),
    mean=lambda eta, xp=np: 0.5 * (1.0 + xp.tanh(0.5 * eta)),
    link=lambda mu: np.log(mu) - np.log1p(-mu),
    flat_curvature=lambda mu, a: mu * (1 - mu),
    constant=_zero,
    saturated=lambda y, a: xlogy(y, y) + xlogy(1 - y, 1 - y),
    response=BINARY,
    inside=(1e-6, 1 - 1e-6),
    draw=lambda key, mu, a: jax.random.bernoulli(key, mu).astype(mu.dtype),
    flat_loss=lambda rate, rows, spikes, exposure: -xlogy(spikes, rate) - xlogy(rows - spikes, 1 - rate),
)
"""Bernoulli responses in {0, 1}, logit link."""

VARIANCE = Scale(
    "variance",
    best=lambda excess: np.maximum(excess, LEAST_SCALE),
    log_likelihood=lambda loss, rows, saturated, v: -0.5 * rows * np.log(2 * np.pi * v) - loss / (2 * v),
    nats=lambda v: 1 / (2 * v),
)
"""Of Gaussian responses: the mean squared error."""

GAUSSIAN = Observations(
    name="gaussian",
    linear=False,
    intercept_in_closed_form=False,
    loss=lambda eta, y, e, a: (y - eta) ** 2,
    slope=lambda eta, y, e, a: 2.0 * (eta - y),
    curvature=lambda eta, y, e, a: jnp.full_like(eta, 2.0),
    mean=lambda eta, xp=np: eta,
    link=lambda mu: mu,
    flat_curvature=lambda mu, a: np.full_like(mu, 2.0),
    constant=_zero,
    saturated=_zero,
    response=REAL,
    inside=(-np.inf, np.inf),
    draw=lambda key, mu, a: mu + jnp.sqrt(a) * jax.random.normal(key, mu.shape, mu.dtype),
    scale=VARIANCE,
    deviance_factor=1.0,
)
"""Gaussian responses, identity link. The loss is the squared error, without 1/2 (as NeMoS has it); the variance is that
of largest likelihood on the training rows."""


def _best_gamma_dispersion(excess, steps: int = 50):
    """Return 1 / k with ``log k - digamma(k) = excess``, by Newton's method in log k from a close approximation."""
    excess = np.maximum(np.asarray(excess, float), LEAST_SCALE / 2)
    # Minka 2002: within 1.5 % of the root
    k = (3 - excess + np.sqrt((excess - 3) ** 2 + 24 * excess)) / (12 * excess)
    for _ in range(steps):
        error = np.log(k) - digamma(k) - excess
        step = error / (1 - k * polygamma(1, k))
        k = k * np.exp(-np.clip(step, -1, 1))
        if np.all(np.abs(step) < 1e-14):
            break
    return np.maximum(1 / k, LEAST_SCALE)


def _gamma_log_likelihood(loss, rows, saturated, dispersion):
    k = 1 / dispersion
    log_y = -saturated - rows
    return rows * (k * np.log(k) - gammaln(k)) - k * loss + (k - 1) * log_y


SHAPE = Scale("dispersion", best=_best_gamma_dispersion, log_likelihood=_gamma_log_likelihood, nats=lambda a: 1 / a)
"""1 / shape of Gamma responses: the square of their coefficient of variation."""

GAMMA = Observations(
    name="gamma",
    linear=False,
    intercept_in_closed_form=False,
    loss=lambda eta, y, e, a: y * jnp.exp(-eta) + eta,
    slope=lambda eta, y, e, a: 1.0 - y * jnp.exp(-eta),
    curvature=lambda eta, y, e, a: y * jnp.exp(-eta),
    mean=_exponential,
    link=np.log,
    flat_curvature=lambda mu, a: np.ones_like(mu),
    constant=_zero,
    saturated=lambda y, a: -1.0 - np.log(y),
    response=POSITIVE,
    inside=(1e-9, np.inf),
    draw=lambda key, mu, a: mu * a * jax.random.gamma(key, jnp.broadcast_to(1.0 / a, mu.shape), dtype=mu.dtype),
    scale=SHAPE,
)
"""Gamma responses > 0, exponential link, loss ``y/mu + log mu``; the shape is that of largest likelihood."""


def _binomial_loss(eta, y, e, a):
    """Return ``(y + 1/a) log(1 + a mu) - y log(a mu)`` of the negative binomial, with ``z = log(a mu)``."""
    z = eta + jnp.log(jnp.where(e > 0, e, 1.0) * a)
    return (y + 1.0 / a) * softplus(z) - y * z


def _binomial_slope(eta, y, e, a):
    z = eta + jnp.log(jnp.where(e > 0, e, 1.0) * a)
    return (y + 1.0 / a) * sigmoid(z) - y


def _binomial_curvature(eta, y, e, a):
    z = eta + jnp.log(jnp.where(e > 0, e, 1.0) * a)
    return (y + 1.0 / a) * sigmoid(z) * sigmoid(-z)


def _binomial_constant(y, a):
    return gammaln(y + 1.0 / a) - gammaln(1.0 / a) - gammaln(y + 1)


def _binomial_saturated(y, a):
    return _binomial_constant(y, a) + xlogy(y, a * y) - (y + 1.0 / a) * np.log1p(a * y)


NEGATIVE_BINOMIAL = Observations(
    name="negative_binomial",
    linear=False,
    intercept_in_closed_form=False,
    loss=_binomial_loss,
    slope=_binomial_slope,
    curvature=_binomial_curvature,
    mean=_exponential,
    link=np.log,
    flat_curvature=lambda mu, a: mu / (1 + a * mu),
    constant=_binomial_constant,
    saturated=_binomial_saturated,
    has_dispersion=True,
    response=COUNTS,
    inside=(1e-9, np.inf),
    draw=_draw_binomial,
)
"""Counts with variance ``mu + a mu^2``, ``mu = e exp(eta)``; ``a`` by maximum likelihood for each unit and split."""

MODELS = {model.name: model for model in (POISSON, POISSON_SOFTPLUS, NEGATIVE_BINOMIAL, BERNOULLI, GAUSSIAN, GAMMA)}
"""All observation models by name."""
