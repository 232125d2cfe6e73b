"""The study's part about a continuous response: series as units, and what the rest of a study may say of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, model_validator

from .base import Part
from .observations import OBSERVATION_MODELS
from .quantities import AnyDuration, Duration

CONTINUOUS = tuple(name for name, model in OBSERVATION_MODELS.items() if not model.counts)
"""Observation models of continuous responses."""


class Response(Part):
    """Continuous series that are explained, in the place of spikes: each column of a series is a unit."""

    source: str = Field(
        alias="from",
        description="A series, by name or path in the file, each column of which is a unit; a pattern of series, such "
        "as `acquisition/Activity_*`; or `sweeps.response`.",
    )
    resample: Literal["mean", "interpolate", "hold", "samples"] = Field(
        "mean",
        description="Average the samples of a bin; for a series slower than the bin, interpolate or hold; or take the "
        "`samples` themselves as the bins (`bin` is then the usual time between them; a gap parts segments).",
    )
    units: str | None = Field(None, description="Convert into these units, such as `mV`. Default: the file's.")
    name: str | None = Field(
        None, description="What it is called in figures, such as `dF/F`. Default: the series' name."
    )
    max_gap: Duration | None = Field(
        None,
        description="Interpolate or hold across no more than this. Default: three times the usual sampling interval.",
    )
    shift: AnyDuration = Field(0.0, description="Move the response this much later.")

    @model_validator(mode="before")
    @classmethod
    def _plain_source(cls, value: Any) -> Any:
        return {"from": value} if isinstance(value, str) else value


def default_observations(config: dict[str, Any]) -> dict[str, Any]:
    """Return a study's plain data, its fit Gaussian where the response is continuous and nothing else is said."""
    fit = config.get("fit", {})
    if config.get("response") is None or not isinstance(fit, dict) or "observations" in fit:
        return config
    return {**config, "fit": {**fit, "observations": "gaussian"}}


def response_mistakes(config: dict[str, Any]) -> Iterator[str]:
    """List what fits counts of spikes only and stands beside a continuous response, or the other way round."""
    continuous = config.get("response") is not None
    for path, name in _observations(config):
        model = OBSERVATION_MODELS.get(name) if isinstance(name, str) else None
        if model is None:
            continue
        if continuous and model.counts:
            yield (
                f"{path}: {name} is a model of counts, and the response is continuous; use gaussian, or gamma for "
                "values above 0"
            )
        elif not continuous and model.positive:
            yield (
                f"{path}: {name} is a model of values above 0, and counts of spikes are often 0; use poisson, or name "
                "a continuous `response`"
            )
    if not continuous:
        return
    for path, of in _inputs(config):
        if isinstance(of, str) and of.endswith(" spikes"):
            word = of.removesuffix(" spikes")
            right = f"{word} response" if word == "own" else f"{word} responses"
            yield f"{path}.of: the response is continuous, and no spikes are counted; write `{right}`"
    for name, tuning in _mapping(config.get("tuning")).items():
        if _mapping(tuning).get("at") == "samples":
            yield f"tuning.{name}.at: samples is for spikes, which take the closest one; use bins"
    for name, blank in _mapping(config.get("blank")).items():
        if _mapping(blank).get("silence") is not None:
            yield f"blank.{name}.silence: is of spikes, and the response is continuous; blank epochs or events"


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _observations(config: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    fit = _mapping(config.get("fit"))
    if "observations" in fit:
        yield "fit.observations", fit["observations"]
    for name, model in _mapping(config.get("models")).items():
        if "observations" in _mapping(model):
            yield f"models.{name}.observations", model["observations"]


def _inputs(config: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, term in _mapping(config.get("terms")).items():
        yield f"terms.{name}", _mapping(term).get("of")
        factors = _mapping(term).get("product")
        for i, factor in enumerate(factors if isinstance(factors, list | tuple) else ()):
            yield f"terms.{name}.product[{i}]", _mapping(factor).get("of")
