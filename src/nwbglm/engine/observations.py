"""Observation models: how a linear predictor becomes a distribution of the response.

Notation: ``eta = intercept + x.w``; ``mu`` the expected response of one row (a *count per bin* for spikes); ``e`` the
exposure of the row in [0, 1]; ``a`` the dispersion. A model is a loss per row, up to terms that do not depend on
``eta``, with its first two derivatives. Where the loss is ``cumulant(eta) - y eta``, the response enters a fit only
through the sums ``X'y``, so that it never enters the hot loop: such models are ``linear`` and their functions
leave out ``- y eta``.

Rows with zero exposure do not exist. A fractional exposure multiplies ``mu`` of the count models (for the
exponential link that is the log-exposure offset); Bernoulli, Gaussian and Gamma responses know only 0 and not 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import jax.numpy as jnp
import numpy as np
from jax.nn import sigmoid, softplus
from scipy.special import gammaln, xlogy

__all__ = [
    "BERNOULLI",
    "GAMMA",
    "GAUSSIAN",
    "NEGATIVE_BINOMIAL",
    "POISSON",
    "POISSON_SOFTPLUS",
    "Observations",
]


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
        ``(eta) -> mu`` at full exposure, for numpy arrays.
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
    counts
        Whether responses are counts: a sum of zero means that there is nothing to fit (``no_spikes``).
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
    offset: bool = False
    has_dispersion: bool = False
    counts: bool = True


def _zero(y, a):
    return np.zeros(np.shape(y))


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
    mean=np.exp,
    link=np.log,
    flat_curvature=lambda mu, a: mu,
    constant=_poisson_constant,
    saturated=_poisson_saturated,
    offset=True,
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
    mean=lambda eta: np.logaddexp(0.0, eta),
    link=lambda mu: mu + np.log(-np.expm1(-mu)),
    flat_curvature=lambda mu, a: np.expm1(-mu) ** 2 / mu,
    constant=_poisson_constant,
    saturated=_poisson_saturated,
    offset=True,
)
"""Poisson counts, ``mu = e log(1 + exp(eta))``."""

BERNOULLI = Observations(
    name="bernoulli",
    linear=True,
    intercept_in_closed_form=False,
    loss=lambda eta, y, e, a: softplus(eta),
    slope=lambda eta, y, e, a: sigmoid(eta),
    curvature=lambda eta, y, e, a: sigmoid(eta) * sigmoid(-eta),
    mean=lambda eta: 0.5 * (1.0 + np.tanh(0.5 * eta)),
    link=lambda mu: np.log(mu) - np.log1p(-mu),
    flat_curvature=lambda mu, a: mu * (1 - mu),
    constant=_zero,
    saturated=lambda y, a: xlogy(y, y) + xlogy(1 - y, 1 - y),
)
"""Bernoulli responses in {0, 1}, logit link."""

GAUSSIAN = Observations(
    name="gaussian",
    linear=False,
    intercept_in_closed_form=False,
    loss=lambda eta, y, e, a: (y - eta) ** 2,
    slope=lambda eta, y, e, a: 2.0 * (eta - y),
    curvature=lambda eta, y, e, a: jnp.full_like(eta, 2.0),
    mean=lambda eta: eta,
    link=lambda mu: mu,
    flat_curvature=lambda mu, a: np.full_like(mu, 2.0),
    constant=_zero,
    saturated=_zero,
    counts=False,
)
"""Gaussian responses, identity link. The loss is the squared error, without 1/2 (as NeMoS has it); what is reported
as log-likelihood is minus the sum of squares, the variance left out."""

GAMMA = Observations(
    name="gamma",
    linear=False,
    intercept_in_closed_form=False,
    loss=lambda eta, y, e, a: y * jnp.exp(-eta) + eta,
    slope=lambda eta, y, e, a: 1.0 - y * jnp.exp(-eta),
    curvature=lambda eta, y, e, a: y * jnp.exp(-eta),
    mean=np.exp,
    link=np.log,
    flat_curvature=lambda mu, a: np.ones_like(mu),
    constant=_zero,
    saturated=lambda y, a: -1.0 - np.log(y),
)
"""Gamma responses > 0, exponential link, loss ``y/mu + log mu``; the shape is left out of the log-likelihood."""


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
    mean=np.exp,
    link=np.log,
    flat_curvature=lambda mu, a: mu / (1 + a * mu),
    constant=_binomial_constant,
    saturated=_binomial_saturated,
    has_dispersion=True,
)
"""Counts with variance ``mu + a mu^2``, ``mu = e exp(eta)``; ``a`` by maximum likelihood for each unit and split."""
