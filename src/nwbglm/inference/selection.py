"""Which model most units prefer: random-effects Bayesian model selection, a heuristic here.

The held-out log-likelihoods stand in for log evidences, which they are not.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import digamma, gammaln


class Selection(NamedTuple):
    """Posterior over the models' frequencies in the population of units."""

    alpha: np.ndarray
    """(M,) parameters of the Dirichlet posterior."""
    frequency: np.ndarray
    """(M,) expected frequency of each model."""
    exceedance: np.ndarray
    """(M,) probability that a model is the most frequent one."""
    omnibus_risk: float
    """Probability that all models are equally frequent."""
    protected: np.ndarray
    """(M,) exceedance probability, shrunk to 1/M by the omnibus risk (Rigoux 2014)."""


def select_models(evidence: np.ndarray, draws: int = 1_000_000, seed: int = 0) -> Selection:
    """Infer how frequent each model is over units (Stephan 2009, Rigoux 2014).

    Parameters
    ----------
    evidence : (units, M)
        Log evidence (here: held-out log-likelihood, nats) of each model for each unit.
    draws, seed
        Of the exceedance probability; with two models it is computed exactly.
    """
    evidence = np.asarray(evidence, float)
    models = evidence.shape[1]
    prior = np.ones(models)
    alpha, responsibility = _posterior(evidence, prior)
    exceedance = _exceedance(alpha, draws, seed)
    risk = _omnibus_risk(evidence, prior, alpha, responsibility)
    return Selection(alpha, alpha / alpha.sum(), exceedance, risk, (1 - risk) * exceedance + risk / models)


def _posterior(evidence: np.ndarray, prior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    alpha = prior + len(evidence) / len(prior)
    for _ in range(10_000):
        score = evidence + digamma(alpha) - digamma(alpha.sum())
        responsibility = np.exp(score - score.max(axis=1, keepdims=True))
        responsibility /= responsibility.sum(axis=1, keepdims=True)
        new = prior + responsibility.sum(axis=0)
        if np.abs(new - alpha).max() < 1e-12:
            break
        alpha = new
    return new, responsibility


def _exceedance(alpha: np.ndarray, draws: int, seed: int) -> np.ndarray:
    if len(alpha) == 2:
        from scipy.stats import beta

        above = float(beta.sf(0.5, *alpha))
        return np.array([above, 1 - above])
    random = np.random.default_rng(seed)
    best = np.zeros(len(alpha))
    for start in range(0, draws, 100_000):
        part = random.dirichlet(alpha, min(100_000, draws - start))
        best += np.bincount(part.argmax(axis=1), minlength=len(alpha))
    return best / draws


def _omnibus_risk(evidence: np.ndarray, prior: np.ndarray, alpha: np.ndarray, responsibility: np.ndarray) -> float:
    """Return the posterior probability of equal frequencies, from both free energies (Rigoux 2014, appendix)."""
    models = len(prior)
    uniform = evidence - np.log(models)
    peak = uniform.max(axis=1, keepdims=True)
    null = (peak[:, 0] + np.log(np.exp(uniform - peak).sum(axis=1))).sum()
    expected = digamma(alpha) - digamma(alpha.sum())
    entropy_r = -(responsibility * np.log(np.maximum(responsibility, 1e-300))).sum()
    energy = (responsibility * (evidence + expected)).sum() + entropy_r
    divergence = (
        gammaln(alpha.sum()) - gammaln(alpha).sum() - gammaln(prior.sum()) + gammaln(prior).sum()
        + ((alpha - prior) * expected).sum()
    )  # fmt: skip
    return float(1.0 / (1.0 + np.exp(energy - divergence - null)))
