"""Observation models as the study names them: their words, and what is known of them without the engine.

To add one, write it here and in `engine.observations`; a test holds the two equal.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ObservationModel:
    """An observation model by its name in the study.

    Attributes
    ----------
    words
        For the methods text.
    link
        ``log``, ``softplus``, ``logit`` or ``identity``.
    counts
        Whether it is of counts (else of a continuous response).
    positive
        Whether its responses lie above 0.
    density
        Whether its likelihood is a density, and not a probability.
    nuisance
        The parameter that is found beside the coefficients, or nothing.
    """

    words: str
    link: str
    counts: bool = True
    positive: bool = False
    density: bool = False
    nuisance: str = ""

    @property
    def measure(self) -> str:
        """``density`` or ``probability``: likelihoods of one are never subtracted from those of the other."""
        return "density" if self.density else "probability"


OBSERVATION_MODELS: dict[str, ObservationModel] = {
    "poisson": ObservationModel("Poisson observations and an exponential link", "log"),
    "poisson_softplus": ObservationModel("Poisson observations and a softplus link", "softplus"),
    "negative_binomial": ObservationModel(
        "negative binomial observations (dispersion by maximum likelihood) and an exponential link",
        "log",
        nuisance="dispersion",
    ),
    "bernoulli": ObservationModel("Bernoulli observations (counts of 0 and 1 only) and a logit link", "logit"),
    "gaussian": ObservationModel(
        "Gaussian observations (variance by maximum likelihood) and an identity link",
        "identity",
        counts=False,
        density=True,
        nuisance="variance",
    ),
    "gamma": ObservationModel(
        "Gamma observations (responses above 0, shape by maximum likelihood) and an exponential link",
        "log",
        counts=False,
        positive=True,
        density=True,
        nuisance="dispersion",
    ),
}
"""Every observation model by name."""
