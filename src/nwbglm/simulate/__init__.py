"""Ground-truth recordings: drawn from known GLMs, written as valid NWB, with the truth beside."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import Any

import xarray as xr

from nwbglm.errors import StudyError

from .head_direction import HeadDirection, HeadDirectionSession, draw_head_direction
from .injected_current import InjectedCurrent, InjectedCurrentSession, draw_injected_current
from .process import ornstein_uhlenbeck, place_spikes, population_glm_simulate
from .trials import Trials, TrialsSession, draw_trials

__all__ = [
    "KINDS",
    "HeadDirection",
    "HeadDirectionSession",
    "InjectedCurrent",
    "InjectedCurrentSession",
    "Trials",
    "TrialsSession",
    "draw_head_direction",
    "draw_injected_current",
    "draw_trials",
    "ornstein_uhlenbeck",
    "place_spikes",
    "population_glm_simulate",
    "simulate_recording",
]

KINDS = ("head_direction", "injected_current", "trials")


def simulate_recording(kind: str, path: str | os.PathLike, *, seed: int, **options: Any) -> xr.Dataset:
    """Draw a recording, write it as NWB, and return the truth that it was drawn from.

    The same kind, seed and options give the same bytes.

    Parameters
    ----------
    kind
        One of `KINDS`.
    path
        The NWB file to write; it is moved into place when it is whole.
    seed
        Seed of everything that is drawn.
    **options
        Fields of `HeadDirection`, `InjectedCurrent` or `Trials`.

    Returns
    -------
    xarray.Dataset
        The truth: baselines, filters, coupling, tuning and coefficients, by NWB unit id.

    Raises
    ------
    StudyError
        On a kind or an option that does not exist.
    ProblemError
        When the drawn population has no physiological rates.
    """
    from .nwb import head_direction_file, injected_current_file, trials_file, write_repeatable  # pynwb takes a second

    kinds: dict[str, tuple[type[Any], Callable[..., Any], Callable[..., Any]]] = {
        "head_direction": (HeadDirection, draw_head_direction, head_direction_file),
        "injected_current": (InjectedCurrent, draw_injected_current, injected_current_file),
        "trials": (Trials, draw_trials, trials_file),
    }
    if kind not in kinds:
        raise StudyError(
            f"there is no simulation '{kind}'", where="simulate.kind", mend=f"take one of: {', '.join(KINDS)}"
        )
    settings, draw, layout = kinds[kind]
    known = [field.name for field in dataclasses.fields(settings)]
    if unknown := sorted(set(options) - set(known)):
        raise StudyError(
            f"'{kind}' has no option {', '.join(unknown)}",
            where="simulate",
            mend=f"options: {', '.join(known)}",
        )
    session = draw(seed, settings(**options))
    write_repeatable(layout(session), path)
    return session.truth
