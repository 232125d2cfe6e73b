"""Draws of the experimenter's own generator: sequences that the experiment could have had in place of the real one."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from nwbglm.errors import ProblemError
from nwbglm.labels import levels_of
from nwbglm.study.nulls import Draws

FEWEST = 19
"""Draws below which no p value lies at .05."""


def drawn_signals(
    binned: xr.Dataset, signals: Sequence[str], draws: Draws, count: int, seed: Sequence[int], where: str
) -> tuple[int, Iterator[dict[str, np.ndarray]]]:
    """Return how many draws there are, and the signals of each on the bins of a session.

    Parameters
    ----------
    binned
        The session's ``binned`` store.
    signals
        Those of the tested term.
    draws
        The study's entry: a file, or a function.
    count
        Draws wanted; a file with fewer gives what it has.
    seed
        Of a function's generator, which goes on from draw to draw.
    where
        For messages.

    Returns
    -------
    int, iterator of dict
        The count, and values (bins,) by signal.

    Raises
    ------
    ProblemError
        If the file or function is not there, or does not give what is asked for.
    """
    session = str(binned.attrs.get("session", ""))
    path = draws.path(session)
    if not Path(path).is_file():
        raise ProblemError(f"there is no file '{path}'", where=f"{where}, null.draws.of", mend="write where it is")
    if draws.function:
        return count, _by_function(binned, signals, path, draws.function, count, seed, where)
    try:
        with np.load(path, allow_pickle=False) as opened:
            held = {name: opened[name] for name in opened.files}
    except (OSError, ValueError) as error:
        raise ProblemError(f"'{path}' is no `.npz` of arrays: {error}", where=where, mend=SAVE) from None
    arrays = {name: _on_bins(binned, name, held, path, where) for name in signals}
    there = min(len(values) for values in arrays.values())
    if there < FEWEST:
        raise ProblemError(f"'{path}' holds {there} draws", where=where, mend=f"save {FEWEST} or more, better 999")
    numbers = range(min(count, there))
    return len(numbers), (
        {name: _known(binned, name, values[number], path, where) for name, values in arrays.items()}
        for number in numbers
    )


SAVE = "save it by np.savez(path, <signal>=array of (draws, bins)), or of (draws, samples) beside time=(samples,)"


def _on_bins(binned: xr.Dataset, name: str, held: Mapping[str, np.ndarray], path: str, where: str) -> np.ndarray:
    """Return a signal's draws (draws, bins)."""
    if name not in held:
        raise ProblemError(
            f"'{path}' has no array '{name}' (it has: {', '.join(held) or 'none'})", where=where, mend=SAVE
        )
    values, bins = np.atleast_2d(held[name]), binned["time"].values
    if "time" not in held:
        if values.ndim != 2 or values.shape[1] != len(bins):
            raise ProblemError(
                f"'{name}' in '{path}' has the shape {values.shape}; the session has {len(bins)} bins",
                where=where,
                mend="save (draws, bins) on the `time` of the session's binned store, or add time=(samples,)",
            )
        return values
    time = np.asarray(held["time"], float)
    if values.ndim != 2 or time.shape != (values.shape[1],) or not (np.diff(time) > 0).all():
        raise ProblemError(f"'time' in '{path}' is not one rising time a sample of '{name}'", where=where, mend=SAVE)
    if values.dtype.kind not in "iuf":
        raise ProblemError(f"'{name}' in '{path}' holds texts, which have no place between samples", where=where,
                           mend="save one value a bin: (draws, bins), without time")  # fmt: skip
    if period := binned[name].attrs.get("period"):
        turn = 2j * np.pi / float(period)
        around = np.array([np.interp(bins, time, each) for each in np.exp(turn * values)])
        return np.mod(np.angle(around) / turn.imag, float(period))
    return np.array([np.interp(bins, time, each) for each in values.astype(float)])


def _known(binned: xr.Dataset, name: str, values: Any, path: str, where: str) -> np.ndarray:
    """Return one draw of a signal as the bins hold it: texts as their codes, missing where the data are."""
    values = np.asarray(values)
    levels = levels_of(binned[name].attrs)
    if levels and values.dtype.kind == "U":
        code = {level: float(number) for number, level in enumerate(levels)}
        if unknown := sorted(set(values.tolist()) - set(code)):
            raise ProblemError(f"'{name}' of '{path}' has '{unknown[0]}', which the recording has not", where=where,
                               mend=f"draw from: {', '.join(levels[:12])}")  # fmt: skip
        values = np.array([code[value] for value in values.tolist()])
    if values.shape != (binned.sizes["time"],) or values.dtype.kind not in "iufb":
        raise ProblemError(
            f"'{name}' of '{path}' is an array of {values.dtype} of the shape {values.shape}, not one number a bin",
            where=where,
            mend=f"return {binned.sizes['time']} numbers, one for each time that was given",
        )
    real, values = np.asarray(binned[name].values, float), values.astype(float)
    if not np.isfinite(values[np.isfinite(real)]).all():
        raise ProblemError(f"'{name}' of '{path}' has no value where the recording has one", where=where,
                           mend="draw a value for every bin")  # fmt: skip
    return np.where(np.isfinite(real), values, np.nan)


def _by_function(
    binned: xr.Dataset, signals: Sequence[str], path: str, name: str, count: int, seed: Sequence[int], where: str
) -> Iterator[dict[str, np.ndarray]]:
    spec = importlib.util.spec_from_file_location("nwbglm_draws", path)
    assert spec is not None and spec.loader is not None  # the path ends with .py
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function = getattr(module, name, None)
    if not callable(function):
        raise ProblemError(
            f"'{path}' has no function '{name}'", where=where, mend=f"def {name}(time, random, session):"
        )
    random = np.random.default_rng([*seed, 1])
    time, session = binned["time"].values, str(binned.attrs.get("session", ""))
    for _ in range(count):
        found = function(time.copy(), random, session)
        found = found if isinstance(found, Mapping) else dict.fromkeys(signals, found) if len(signals) == 1 else {}
        if missing := [signal for signal in signals if signal not in found]:
            raise ProblemError(f"{path}:{name} gives no '{missing[0]}'", where=where,
                               mend=f"return a dict with {', '.join(signals)}")  # fmt: skip
        yield {signal: _known(binned, signal, found[signal], f"{path}:{name}", where) for signal in signals}
