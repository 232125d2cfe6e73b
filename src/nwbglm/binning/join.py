"""Recordings of the same units on several occasions, joined into one session.

Counts and signals follow one another; every recording keeps its own time, and its epochs stay segments of their own, so
that nothing convolves, smooths or is purged across them. Units are joined where every recording has them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from nwbglm import response
from nwbglm.errors import RecordingError
from nwbglm.labels import NONE, codes_in, levels_of, put_levels
from nwbglm.lazy import LazyMatrix
from nwbglm.study.base import nearest

__all__ = ["join_recordings"]

log = logging.getLogger(__name__)


def join_recordings(
    parts: Sequence[xr.Dataset], *, session: str, match: str | None = None, left_out: Mapping[str, str] | None = None
) -> xr.Dataset:
    """Join the ``binned`` datasets of recordings of the same units.

    Parameters
    ----------
    parts
        One a recording, in order.
    session
        Name of the joined session.
    match
        Coordinate that names the same unit everywhere; None for the NWB unit id.
    left_out
        Reason by name, for recordings that should have been among them.

    Returns
    -------
    xr.Dataset
        A ``binned`` dataset whose units are those of every recording, in the order and with the ids of the first. Also
        `recording (recording)`, the names; `recording_of_segment (segments)`, an index into them;
        `unit_of_recording (recording, unit)`, each unit's NWB id there; the attribute `left_out` (JSON).

    Raises
    ------
    RecordingError
        If the recordings have no unit in common, or disagree on a signal's units or period.
    """
    where = f"session {session}"
    names = [str(part.attrs["session"]) for part in parts]
    _same_response(parts, names, where)
    _same_signals(parts, names, where)
    rows = _matching_units(parts, names, match, where)
    chosen = [part.isel(unit=row) for part, row in zip(parts, rows, strict=True)]
    variables: dict[Hashable, Any] = {"response": _stack([part["response"].variable for part in chosen])}
    if any("exposure" in part for part in chosen):
        variables["exposure"] = _stack([_exposure(part).variable for part in chosen])
    along_time = [name for name, variable in parts[0].data_vars.items() if variable.dims[-1:] == ("time",)]
    for name in along_time:
        first = parts[0][name].variable
        values = np.concatenate([part[name].values for part in parts], axis=-1)
        variables[name] = xr.Variable(first.dims, values, first.attrs)
        if first.attrs.get("source") == "time":
            variables[name] = _elapsed([part[name].variable for part in parts])
        elif any(levels_of(part[name].attrs) for part in parts):
            variables[name] = _categories([part[name].variable for part in parts])
    variables["segment"] = ("time", _segments(parts))
    coordinates = {
        "time": ("time", np.concatenate([part["time"].values for part in parts]), parts[0]["time"].attrs),
        "purpose": parts[0]["purpose"].values,
        "unit": chosen[0]["unit"].values,
        "recording": np.array(names, dtype=str),
        "recording_of_segment": ("segments", np.repeat(np.arange(len(parts)), [p.sizes["segments"] for p in parts])),
        "unit_of_recording": (("recording", "unit"), np.stack([part["unit"].values for part in chosen])),
        **_along_segments(parts),
        **_unit_coordinates(chosen, names, where),
    }
    about = {"bin": parts[0].attrs["bin"], "session": session, "left_out": json.dumps(dict(left_out or {}))}
    return xr.Dataset(variables, coordinates, about)


# ---------------------------------------------------------------- units


def _matching_units(parts: Sequence[xr.Dataset], names: list[str], match: str | None, where: str) -> list[np.ndarray]:
    """Return, for each recording, the places of the units that all of them have, in the order of the first."""
    keys = [_keys(part, name, match) for part, name in zip(parts, names, strict=True)]
    shared = [key for key in keys[0] if all(key in other for other in keys[1:])]
    by = f"column '{match}'" if match else "unit id"
    if not shared:
        raise RecordingError(
            f"no unit is in every one of {', '.join(names)} (by {by})",
            where=where,
            mend="name the column that tells which units are the same: join.<name>.match",
        )
    for key, name in zip(keys, names, strict=True):
        if len(key) > len(shared):
            log.warning(
                "%s: %d of %d units of %s are not in every recording, and are left out (by %s)",
                where, len(key) - len(shared), len(key), name, by,
            )  # fmt: skip
    return [np.array([key[value] for value in shared]) for key in keys]


def _keys(part: xr.Dataset, name: str, match: str | None) -> dict:
    """Return the place of each unit by what names it."""
    if match is not None and (match not in part.coords or part[match].dims != ("unit",)):
        known = [str(key) for key, variable in part.coords.items() if variable.dims == ("unit",)]
        raise RecordingError(
            f"the units have no column '{match}'", where=f"recording {name}", mend=nearest(match, known)
        )
    values = part[match or "unit"].values.tolist()
    twice = sorted({str(value) for value in values if values.count(value) > 1})
    if twice:
        raise RecordingError(
            f"column '{match}' names several units alike: {', '.join(twice[:5])}",
            where=f"recording {name}",
            mend="match by a column whose values differ between units, or select units",
        )
    return {value: place for place, value in enumerate(values)}


def _unit_coordinates(chosen: list[xr.Dataset], names: list[str], where: str) -> dict:
    """Return what is known of the units: spikes and rates of all recordings together, and columns that agree."""
    known: dict[str, Any] = {}
    known |= _of_spikes(chosen) if response.of_counts(chosen[0]) else _of_values(chosen)
    differing = []
    for name, variable in chosen[0].coords.items():
        if variable.dims != ("unit",) or name in ("unit", *known):
            continue
        others = [part[name] for part in chosen[1:] if name in part.coords]
        if len(others) == len(chosen) - 1 and all(_equal(variable.values, other.values) for other in others):
            known[str(name)] = ("unit", variable.values)
        else:
            differing.append(str(name))
    if differing:
        log.warning(
            "%s: what %s say of the units differs in %s, which the joined session leaves out; are they the same units?",
            where, " and ".join(names), ", ".join(differing),
        )  # fmt: skip
    return known


def _of_spikes(chosen: Sequence[xr.Dataset]) -> dict[str, Any]:
    """Return spikes and rate (Hz) of each unit over all recordings."""
    observed = np.stack([_observed_time(part) for part in chosen])
    rates = np.stack([part["rate"].values for part in chosen])
    with np.errstate(invalid="ignore"):
        rate = (rates * observed).sum(axis=0) / observed.sum(axis=0)
    return {"spikes": ("unit", np.sum([part["spikes"].values for part in chosen], axis=0)), "rate": ("unit", rate)}


def _of_values(chosen: Sequence[xr.Dataset]) -> dict[str, Any]:
    """Return mean, standard deviation and share of known bins of each unit over all recordings."""
    values = np.concatenate([part["response"].values for part in chosen])
    known = np.isfinite(values)
    count = known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, values, 0.0).sum(axis=0) / count
        sd = np.sqrt((np.where(known, values - mean, 0.0) ** 2).sum(axis=0) / count)
    return {"mean": ("unit", mean), "sd": ("unit", sd), "valid": ("unit", known.mean(axis=0))}


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    numbers = a.dtype.kind == "f" and b.dtype.kind == "f"
    return bool(np.array_equal(a, b, equal_nan=numbers))


def _observed_time(part: xr.Dataset) -> np.ndarray:
    """Return the time that each unit was observed on the bins, s."""
    bins = part["exposure"].values.sum(axis=0, dtype=float) if "exposure" in part else part.sizes["time"]
    return np.broadcast_to(bins * float(part.attrs["bin"]), part.sizes["unit"])


# ---------------------------------------------------------------- time


def _same_response(parts: Sequence[xr.Dataset], names: list[str], where: str) -> None:
    """Raise `RecordingError` where the response is something else in another recording."""
    first = parts[0]["response"].attrs
    for part, other in zip(parts[1:], names[1:], strict=True):
        its = part["response"].attrs
        for key in ("kind", "name", "units"):
            if its[key] != first[key]:
                raise RecordingError(
                    f"the response has {key} {first[key]!r} in {names[0]} and {its[key]!r} in {other}",
                    where=where,
                    mend="join recordings of the same response",
                )


def _same_signals(parts: Sequence[xr.Dataset], names: list[str], where: str) -> None:
    """Raise `RecordingError` where a signal means something else in another recording."""
    for name, first in parts[0].data_vars.items():
        if first.attrs.get("role") != "signal":
            continue
        for part, other in zip(parts[1:], names[1:], strict=True):
            if bool(levels_of(part[name].attrs)) != bool(levels_of(first.attrs)):
                raise RecordingError(
                    f"signal '{name}' has texts in one of {names[0]} and {other}, and numbers in the other",
                    where=where,
                    mend="take a column that all files have in one form, or mend the files",
                )
            for key in ("units", "period"):
                if part[name].attrs.get(key) != first.attrs.get(key):
                    raise RecordingError(
                        f"signal '{name}' has {key} {first.attrs.get(key)!r} in {names[0]} "
                        f"and {part[name].attrs.get(key)!r} in {other}",
                        where=where,
                        mend=f"give signals.{name}.units, so that both are converted, or mend the files",
                    )


def _elapsed(parts: Sequence[xr.Variable]) -> xr.Variable:
    """Let the time of each recording, 0 to 1, follow that of the one before."""
    seconds = np.array([part.attrs["seconds"] for part in parts])
    before = np.cumsum(seconds) - seconds
    follow = [(start + part.values * long) for part, start, long in zip(parts, before, seconds, strict=True)]
    total = float(seconds.sum())
    return xr.Variable(("time",), np.concatenate(follow) / total, {**parts[0].attrs, "seconds": total})


def _categories(parts: Sequence[xr.Variable]) -> xr.Variable:
    """Give the texts of all recordings one code each, the same in all of them."""
    own = [levels_of(part.attrs) for part in parts]
    texts = [*sorted({level for levels in own for level in levels} - {NONE}), NONE]
    codes = [codes_in(part.values, levels, texts) for part, levels in zip(parts, own, strict=True)]
    return xr.Variable(("time",), np.concatenate(codes), {**parts[0].attrs, **put_levels(texts)})


def _segments(parts: Sequence[xr.Dataset]) -> np.ndarray:
    """Return the segment of each bin, counted on from one recording to the next."""
    before = np.cumsum([0, *(part.sizes["segments"] for part in parts[:-1])])
    return np.concatenate([part["segment"].values + n for part, n in zip(parts, before, strict=True)]).astype(np.int32)


def _along_segments(parts: Sequence[xr.Dataset]) -> dict[str, Any]:
    return {
        str(name): ("segments", np.concatenate([part[name].values for part in parts]), variable.attrs)
        for name, variable in parts[0].coords.items()
        if variable.dims == ("segments",)
    }


def _exposure(part: xr.Dataset) -> xr.DataArray:
    if "exposure" in part:
        return part["exposure"]
    return xr.DataArray(np.ones(part["response"].shape, np.float32), dims=("time", "unit"))


def _stack(parts: list[xr.Variable]) -> xr.Variable:
    """Put matrices (time, unit) one below the other; large ones are made as they are read."""
    starts = np.cumsum([0, *(len(part) for part in parts)])
    dtype = np.result_type(*(part.dtype for part in parts))

    def make(rows: np.ndarray, units: np.ndarray) -> np.ndarray:
        low, high = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 0)
        pieces = [
            part[max(low - start, 0) : high - start, units].values
            for part, start in zip(parts, starts, strict=False)
            if start < high and start + len(part) > low
        ]
        found = np.concatenate(pieces or [parts[0][:0, units].values]).astype(dtype, copy=False)
        return found if len(rows) == high - low else found[rows - low]

    return LazyMatrix((int(starts[-1]), parts[0].shape[1]), dtype, make).variable(("time", "unit"), parts[0].attrs)
