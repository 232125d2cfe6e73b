"""An observation model or a penalty is added in two places, which know the same of it; nothing else names it."""

import inspect
from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar, Literal

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from pydantic import create_model
from scipy.optimize import minimize

from nwbglm.engine.observations import BERNOULLI, MODELS, Observations
from nwbglm.engine.penalties import PENALTIES, Penalty
from nwbglm.fits.arrays import fit_arrays
from nwbglm.study import OBSERVATION_MODELS, Fit, Model, ObservationModel
from nwbglm.study import Penalty as PenaltySettings
from nwbglm.study.fitting import Penalised

LINKS = {
    "log": np.log,
    "softplus": lambda mu: np.log(np.expm1(mu)),
    "logit": lambda mu: np.log(mu / (1 - mu)),
    "identity": lambda mu: mu,
}


def test_both_sides_know_the_same_observation_models():
    assert set(OBSERVATION_MODELS) == set(MODELS)
    assert all(model.name == name for name, model in MODELS.items())


@pytest.mark.parametrize("name", sorted(OBSERVATION_MODELS))
def test_both_sides_say_the_same_of_an_observation_model(name):
    light, engine = OBSERVATION_MODELS[name], MODELS[name]
    assert light.counts == engine.counts
    assert light.positive == (engine.response.above and engine.response.low == 0)
    nuisance = "dispersion" if engine.has_dispersion else engine.scale.name if engine.scale else ""
    assert light.nuisance == nuisance
    mu = np.linspace(0.1, 0.9, 5)
    np.testing.assert_allclose(engine.link(mu), LINKS[light.link](mu), atol=1e-12)
    np.testing.assert_allclose(engine.mean(engine.link(mu)), mu, atol=1e-12)


def test_both_sides_know_the_same_penalties():
    assert set(PenaltySettings.model_fields) == set(PENALTIES)
    assert all(penalty.kind == name for name, penalty in PENALTIES.items())


@pytest.mark.parametrize("kind", sorted(PENALTIES))
def test_every_setting_of_a_penalty_reaches_the_engine(kind):
    chosen = PenaltySettings.model_validate({kind: {} if kind == "none" else {"strength": 1.0}}).settings
    wanted = set(type(chosen).model_fields) - {"strength"}
    parameters = inspect.signature(PENALTIES[kind].of).parameters.values()
    assert {one.name for one in parameters if one.kind is inspect.Parameter.KEYWORD_ONLY} == wanted
    assert chosen.describe().startswith("no penalty" if kind == "none" else kind.replace("_", " "))
    columns = SimpleNamespace(
        labels={"term": np.array(["a", "a", "b"]), "input": np.array(["x", "x", "y"])},
        differences=lambda order: np.array([[1.0, -1.0, 0.0]]),
    )
    made = PENALTIES[kind].of(columns, np.array([1.0, 2.0, 3.0]), **{name: getattr(chosen, name) for name in wanted})
    has_norms = made.norms(np.ones(3), 4)[0] is not None
    assert has_norms != made.is_smooth
    assert made.quadratic(np.ones(3)).any() == (kind in ("ridge", "smoothness", "elastic_net"))


CLOGLOG = Observations(
    name="cloglog",
    linear=False,
    intercept_in_closed_form=False,
    loss=lambda eta, y, e, a: (1 - y) * jnp.exp(eta) - y * jnp.log(-jnp.expm1(-jnp.exp(eta))),
    slope=lambda eta, y, e, a: jnp.exp(eta) * (1 + y / jnp.expm1(-jnp.exp(eta))),
    curvature=lambda eta, y, e, a: jnp.exp(2 * eta) / jnp.expm1(jnp.exp(eta)),  # the expected one
    mean=lambda eta, xp=np: -xp.expm1(-xp.exp(eta)),
    link=lambda mu: np.log(-np.log1p(-mu)),
    flat_curvature=lambda mu, a: np.log1p(-mu) ** 2 * (1 - mu) / mu,
    constant=lambda y, a: np.zeros(np.shape(y)),
    saturated=BERNOULLI.saturated,
    response=BERNOULLI.response,
    inside=BERNOULLI.inside,
    draw=BERNOULLI.draw,
    flat_loss=BERNOULLI.flat_loss,
)
"""Bernoulli responses with a complementary log-log link: at least one event of a Poisson process."""


@dataclass(frozen=True, eq=False)
class SumToZero(Penalty):
    """Half the square of the sum of each term's coefficients."""

    kind: ClassVar[str] = "sum_to_zero"
    rows: np.ndarray = None

    @classmethod
    def of(cls, columns, deviation, *, scale):
        terms = columns.labels["term"]
        return cls(rows=(np.unique(terms)[:, None] == terms) * (deviation if scale == "sd" else 1.0))

    def quadratic(self, sd):
        return (self.rows / sd).T @ (self.rows / sd)


class SumToZeroSettings(Penalised):
    """Half the strength times the square of the sum of each term's coefficients."""

    words = "sums to zero"


class Penalties(PenaltySettings):
    """The study's penalties and one more."""

    sum_to_zero: SumToZeroSettings | None = None


@pytest.fixture
def settings(monkeypatch):
    """Enter both in the two places each; return the study's settings that know them."""
    monkeypatch.setitem(MODELS, CLOGLOG.name, CLOGLOG)
    monkeypatch.setitem(OBSERVATION_MODELS, CLOGLOG.name, ObservationModel("events or none, and their link", "cloglog"))
    monkeypatch.setitem(PENALTIES, SumToZero.kind, SumToZero)
    known = Literal[tuple(OBSERVATION_MODELS)]
    more = {"observations": (known, "poisson"), "penalty": (Penalties, Penalties.model_validate("none"))}
    return create_model("MoreFit", __base__=Fit, **more)


def test_two_places_suffice(settings):
    rng = np.random.default_rng(3)
    features = rng.normal(size=(1500, 4)) * [1, 2, 1, 0.5]
    drive = features @ [0.4, -0.1, 0.3, 0.5] - 0.7
    events = (rng.random(1500) < -np.expm1(-np.exp(drive))).astype(float)
    strength = 0.5
    fit = settings.model_validate(
        {"observations": "cloglog", "penalty": {"sum_to_zero": {"strength": strength, "scale": "raw"}}, "folds": "none"}
    )
    assert fit.penalty.settings.describe() == "sums to zero, strength 0.5 on the features' own scale"
    labels = {"term": list("aabb"), "input": list("aabb"), "function": [0, 1, 0, 1]}
    found = fit_arrays(
        xr.DataArray(
            features, dims=("time", "feature"), coords={name: ("feature", values) for name, values in labels.items()}
        ),
        xr.DataArray(events[:, None], dims=("time", "unit"), coords={"time": np.arange(1500) * 0.1, "unit": [7]}),
        model=Model(terms=("a", "b")),
        fit=fit,
        name="m",
        bin=0.1,
    )

    def objective(theta):
        rate = np.exp(features @ theta[:4] + theta[4])
        likelihood = np.mean((1 - events) * rate - events * np.log(-np.expm1(-rate)))
        return likelihood + 0.5 * strength * ((theta[0] + theta[1]) ** 2 + (theta[2] + theta[3]) ** 2)

    best = minimize(objective, np.zeros(5), method="BFGS", options={"gtol": 1e-9})
    np.testing.assert_allclose(found["coef"].values[0], best.x[:4], atol=1e-5)
    assert found["status"].values.ravel().tolist() == [0]
    mu = -np.expm1(-np.exp(features @ found["coef"].values[0] + found["intercept"].values[0]))
    log_likelihood = np.sum(np.where(events == 1, np.log(mu), np.log1p(-mu)))
    assert found["log_likelihood"].values[0] == pytest.approx(log_likelihood)
    assert 3 < found["effective_parameters"].values[0] < 5
