"""Scores: what a fit is worth, each defined in one place with its formula, its words and its digits.

A score is a function of sums over rows of one fit (nats, counts): the model's log-likelihood, that of a null model (a
constant), deviances, numbers of rows and spikes. To add one, write a `Score` into `SCORES`: tables, pairs, summaries,
figures, report and methods read it from there.

The null is the caller's: the mean of the *training* rows is the honest one for held-out rows (chance or drift may make
it worse than what it is judged on); the mean of the scored rows themselves is NeMoS's. A score that is undefined (no
spikes, a null that is already perfect, a density where it asks for a probability) is NaN, and a likelihood of zero
(``LL = -inf``) gives ``-inf``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.special import gammaln, xlogy

Sums = Mapping[str, np.ndarray]
PROBABILITY, DENSITY = "probability", "density"
"""What a likelihood is: of counts, or of continuous responses. One is never subtracted from the other."""


@dataclass(frozen=True)
class Score:
    """One score.

    Attributes
    ----------
    name
        Its column in tables.
    label
        Its name in headings and on axes.
    formula
        From sums, by name, to values.
    needs
        The sums that it takes. One that begins with ``null_`` makes the score one against a null: a second column,
        with ``_own_mean`` behind its name, is made with the sums that begin with ``own_mean_``.
    words
        What it is, in a sentence of a methods text or caption; empty where the label says all.
    digits
        Significant digits that are shown.
    measures
        For which likelihoods it is defined.
    gain
        ``(difference of log-likelihoods, sums) -> difference of scores`` of two models on equal rows, where the score
        is a log-likelihood in some unit: no null takes part in it.
    paired
        Whether differences of two models are formed.
    summarised
        Whether the report's comparison of models shows it.
    in_sample
        Whether it is of the fit on its own rows alone.
    """

    name: str
    label: str
    formula: Callable[[Sums], np.ndarray] = field(repr=False)
    needs: tuple[str, ...]
    words: str = ""
    digits: int = 3
    measures: tuple[str, ...] = (PROBABILITY, DENSITY)
    gain: Callable[[np.ndarray, Sums], np.ndarray] | None = field(default=None, repr=False)
    paired: bool = False
    summarised: bool = False
    in_sample: bool = False

    @property
    def against_null(self) -> bool:
        """Whether it is set against a null model."""
        return any(name.startswith("null_") for name in self.needs)

    def of(self, sums: Sums, measure: np.ndarray | str = PROBABILITY, null: str = "null") -> np.ndarray:
        """Return the score of sums; NaN where the likelihood is of another measure.

        Parameters
        ----------
        sums
            Arrays by name, among them those that the score needs.
        measure
            ``probability`` or ``density``, one for all or one each.
        null
            What the sums of the null begin with: ``null`` or ``own_mean``.
        """
        mine = {name: np.asarray(sums[name.replace("null_", f"{null}_", 1)], dtype=float) for name in self.needs}
        return np.where(np.isin(measure, self.measures), self.formula(mine), np.nan)[()]


def bits_per_spike(model: np.ndarray, null: np.ndarray, spikes: np.ndarray) -> np.ndarray:
    """Return ``(LL - LL0) / (spikes log 2)``: what the model tells beyond the null rate, per spike."""
    return _ratio(_difference(model, null), np.asarray(spikes, dtype=float) * np.log(2.0))


def deviance_explained(deviance: np.ndarray, null_deviance: np.ndarray) -> np.ndarray:
    """Return ``1 - D / D0``: 1 is perfect, 0 is no better than the null.

    Cohen's pseudo-R2 and scikit-learn's D2; for Gaussian responses R2.
    """
    return _ratio(_difference(null_deviance, deviance), null_deviance)


def pseudo_r2_mcfadden(model: np.ndarray, null: np.ndarray) -> np.ndarray:
    """Return McFadden's pseudo-R2, ``1 - LL / LL0``."""
    return _ratio(_difference(model, null), -np.asarray(null, dtype=float))


def information_criterion(model: np.ndarray, parameters: np.ndarray, weight: np.ndarray | float) -> np.ndarray:
    """Return ``weight k - 2 LL``: AIC for a weight of 2 (Akaike 1974), BIC for ``log n`` (Schwarz 1978)."""
    return np.asarray(weight) * np.asarray(parameters, float) - 2.0 * np.asarray(model, float)


def corrected_aic(model: np.ndarray, parameters: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return ``AIC + 2 k (k + 1) / (n - k - 1)`` (Hurvich & Tsai 1989); NaN where there are too few rows."""
    k = np.asarray(parameters, float)
    return information_criterion(model, k, 2.0) + _ratio(2 * k * (k + 1), np.asarray(rows, float) - k - 1)


def poisson_log_likelihood(count: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return ``y log(mu) - mu - log(y!)`` entry by entry.

    Parameters
    ----------
    count
        Counts y.
    expected
        Expected counts mu, per bin (not Hz); zero is allowed.

    Returns
    -------
    np.ndarray
        Nats; ``-inf`` where a spike was impossible.
    """
    count = np.asarray(count, dtype=float)
    with np.errstate(divide="ignore"):
        return xlogy(count, expected) - expected - gammaln(count + 1.0)


def _difference(model: np.ndarray, null: np.ndarray) -> np.ndarray:
    """Subtract log-likelihoods; where both are impossible the answer is unknown (NaN), not a warning."""
    with np.errstate(invalid="ignore"):
        return np.asarray(model, dtype=float) - np.asarray(null, dtype=float)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Divide, with NaN where the denominator is zero, negative or unknown."""
    above, below = np.broadcast_arrays(np.asarray(above, dtype=float), np.asarray(below, dtype=float))
    good = (below > 0) & np.isfinite(below)
    return np.divide(above, below, out=np.full(below.shape, np.nan), where=good)[()]


SCORES: tuple[Score, ...] = (
    Score(
        "bits_per_spike",
        "bits per spike",
        lambda s: bits_per_spike(s["log_likelihood"], s["null_log_likelihood"], s["spikes"]),
        ("log_likelihood", "null_log_likelihood", "spikes"),
        words="Bits per spike are (LL - LL0) / (spikes x ln 2): the gain over the null's rate",
        measures=(PROBABILITY,),
        gain=lambda difference, s: _ratio(difference, s["spikes"] * np.log(2.0)),
        paired=True,
        summarised=True,
    ),
    Score(
        "bits_per_bin",
        "bits per bin",
        lambda s: bits_per_spike(s["log_likelihood"], s["null_log_likelihood"], s["rows"]),
        ("log_likelihood", "null_log_likelihood", "rows"),
        words="bits per bin are (LL - LL0) / (bins x ln 2), which a continuous response has too",
        gain=lambda difference, s: _ratio(difference, s["rows"] * np.log(2.0)),
        paired=True,
        summarised=True,
    ),
    Score(
        "deviance_explained",
        "deviance explained",
        lambda s: deviance_explained(s["deviance"], s["null_deviance"]),
        ("deviance", "null_deviance"),
        words="deviance explained is 1 - D / D0, Cohen's pseudo-R² (for a Gaussian model R²), both deviances at the "
        "fit's dispersion",
        paired=True,
        summarised=True,
    ),
    Score(
        "pseudo_r2_mcfadden",
        "McFadden's R²",
        lambda s: pseudo_r2_mcfadden(s["log_likelihood"], s["null_log_likelihood"]),
        ("log_likelihood", "null_log_likelihood"),
        words="McFadden's pseudo-R² is 1 - LL / LL0",
        measures=(PROBABILITY,),
        paired=True,
        summarised=True,
    ),
    Score(
        "log_likelihood_per_bin",
        "nats per bin",
        lambda s: _ratio(s["log_likelihood"], s["rows"]),
        ("log_likelihood", "rows"),
        words="nats per bin are LL / bins",
        gain=lambda difference, s: _ratio(difference, s["rows"]),
    ),
    Score(
        "log_likelihood_per_spike",
        "nats per spike",
        lambda s: _ratio(s["log_likelihood"], s["spikes"]),
        ("log_likelihood", "spikes"),
        words="nats per spike are LL / spikes",
        measures=(PROBABILITY,),
        gain=lambda difference, s: _ratio(difference, s["spikes"]),
    ),
    Score(
        "observed_rate",
        "observed mean",
        lambda s: _ratio(s["spikes"], s["exposure"] * s["per"]),
        ("spikes", "exposure", "per"),
        words="the observed mean is that of the scored rows (Hz for spikes)",
    ),
    Score(
        "predicted_rate",
        "predicted mean",
        lambda s: _ratio(s["predicted"], s["exposure"] * s["per"]),
        ("predicted", "exposure", "per"),
        words="the predicted mean is what the model expects on the same rows",
    ),
    Score(
        "aic",
        "AIC",
        lambda s: information_criterion(s["log_likelihood"], s["effective_parameters"], 2.0),
        ("log_likelihood", "effective_parameters"),
        words="AIC is 2 k - 2 LL with k the effective number of parameters (the trace of the hat matrix, a dispersion "
        "or variance counted as one)",
        digits=6,
        paired=True,
        in_sample=True,
    ),
    Score(
        "aicc",
        "AICc",
        lambda s: corrected_aic(s["log_likelihood"], s["effective_parameters"], s["rows"]),
        ("log_likelihood", "effective_parameters", "rows"),
        words="AICc adds 2 k (k + 1) / (n - k - 1)",
        digits=6,
        paired=True,
        in_sample=True,
    ),
    Score(
        "bic",
        "BIC",
        lambda s: information_criterion(
            s["log_likelihood"], s["effective_parameters"], np.log(np.maximum(s["rows"], 1.0))
        ),
        ("log_likelihood", "effective_parameters", "rows"),
        words="BIC is k ln n - 2 LL",
        digits=6,
        paired=True,
        in_sample=True,
    ),
)
"""Every score, in the order in which they are shown."""


def by_name(name: str) -> Score:
    """Return a score by its name."""
    return next(score for score in SCORES if score.name == name)
