"""What every null of a test does to a term: its rows in the data, and in each draw."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import xarray as xr

from nwbglm.errors import ProblemError
from nwbglm.features import analysis_rows, remake
from nwbglm.fits.design import Design
from nwbglm.labels import levels_of
from nwbglm.study.inference import TermTest
from nwbglm.study.nulls import Null
from nwbglm.study.terms import Term

from .experimenter import drawn_signals
from .nulls import correlation_time, linear_shifts
from .permuted import exchangeable_rows, jittered, windows_of
from .shifted import central_rows, circular_shifts, stretches

MOST_DROPPED = 0.2
"""Share of rows without a counterpart in the draws above which it is said."""


class Recorded(NamedTuple):
    """What of a session the draws of a term are made of."""

    binned: xr.Dataset
    bins: np.ndarray
    """(T,) bin of each fitted row."""
    recording: np.ndarray
    """(T,) recording of each, where several are joined."""
    gap: int
    """Bins between training and test rows."""
    where: str
    """For messages."""


@dataclass(frozen=True, eq=False)
class Moves:
    """A term's rows in the data and in each draw.

    Attributes
    ----------
    draws
        How many draws there are.
    inside : (T,) bool
        Rows that take part: those that have a counterpart in every draw.
    take
        ``(draw, unit) -> (rows inside, columns)``: 0 is the data, the draws are 1 to `draws`, to be asked for in this
        order, all units one after the other.
    stretches
        How much there is to exchange: independent stretches of rows, or trials.
    shifts
        Where draws are shifts of rows: (draws,) or (draws, recordings); linear ones with the unshifted in the middle.
    names
        The sessions that the draws are of, where they are.
    said
        What the user should know of them.
    """

    draws: int
    inside: np.ndarray
    take: Callable[[int, object], np.ndarray]
    stretches: float
    shifts: np.ndarray | None = None
    names: tuple[str, ...] = ()
    said: list[str] = field(default_factory=list)


def moves_of(
    null: Null, test: TermTest, design: Design, session: Recorded, others: Mapping[str, xr.Dataset], seed: Sequence[int]
) -> Moves:
    """Return a term's rows in the data and in the draws of a null.

    Parameters
    ----------
    null
        The test's, resolved.
    test
        The study's entry.
    design
        The term alone, on the fitted rows.
    session
        Where it is from.
    others
        ``binned`` stores of the other sessions by name, for `sessions`.
    seed
        Of the draws, the same for all units of a session.

    Raises
    ------
    ProblemError
        If the data have nothing to exchange.
    """
    if null.kind in ("circular", "linear"):
        return _shifts(null, test, design, session, seed)
    if null.kind == "trials":
        return _trials(null, test, design, session, seed)
    if null.kind == "jitter":
        return _jitter(null, test, design, session, seed)
    if null.kind == "draws":
        return _draws(null, test, design, session, seed)
    return _sessions(design, session, others)


def _matrix(design: Design) -> Callable[[object], np.ndarray]:
    """Return what gives a unit's columns of the term; those that all share are read once."""
    if design.own:
        return lambda unit: design.matrix(unit).astype(float)  # type: ignore[arg-type]  # an id of a unit
    shared = design.matrix().astype(float)
    return lambda unit: shared


def _first(design: Design) -> object:
    """Return an input whose columns stand for the term's memory."""
    return design.stores[0]["input"].values[0]


def _shifts(null: Null, test: TermTest, design: Design, session: Recorded, seed: Sequence[int]) -> Moves:
    matrix = _matrix(design)
    example = matrix(_first(design))
    rows, memory = len(example), correlation_time(example)
    if null.kind == "linear":
        inside = central_rows(rows)
        shifts = linear_shifts(rows, test.draws)
        centre, middle = np.flatnonzero(inside), len(shifts) // 2

        def slid(draw: int, unit: object) -> np.ndarray:
            number = middle if draw == 0 else draw - 1 if draw <= middle else draw
            return matrix(unit)[centre - shifts[number]]

        return Moves(len(shifts) - 1, inside, slid, stretches(example, memory) / 2, shifts)
    least = null.settings.least
    gap = session.gap if least is None else max(session.gap, round(least / float(session.binned.attrs["bin"])))
    circles = [np.flatnonzero(session.recording == number) for number in range(session.recording.max(initial=0) + 1)]
    each = [
        circular_shifts(len(circle), test.draws, example[circle], gap, [*seed, *([k] if len(circles) > 1 else [])])
        for k, circle in enumerate(circles)
    ]
    shifts = np.stack(each, axis=1)

    def turned(draw: int, unit: object) -> np.ndarray:
        return round_circles(matrix(unit), circles, shifts[draw - 1]) if draw else matrix(unit)

    alone = shifts[:, 0] if len(circles) == 1 else shifts
    return Moves(len(shifts), np.ones(rows, bool), turned, stretches(example, memory), alone)


def round_circles(term: np.ndarray, circles: Sequence[np.ndarray], shifts: Iterable[int]) -> np.ndarray:
    """Return the term's rows, those of each circle moved round it by its shift."""
    moved = np.empty_like(term)
    for circle, shift in zip(circles, shifts, strict=True):
        moved[circle] = term[np.roll(circle, shift)]
    return moved


def _trials(null: Null, test: TermTest, design: Design, session: Recorded, seed: Sequence[int]) -> Moves:
    trial, offset, group = _trials_of_bins(session.binned, null.settings.starts, null.settings.within, session.where)
    bins = session.bins
    exchange = exchangeable_rows(trial[bins], offset[bins], group[bins])
    if exchange.trials < 2:
        raise ProblemError(
            "no group has two trials with rows at the same time after their beginning",
            where=f"{session.where}, null.trials",
            mend="name fewer signals in `within`, or take another null",
        )
    matrix, inside = _matrix(design), np.flatnonzero(exchange.inside)

    def exchanged(draw: int, unit: object) -> np.ndarray:
        rows = matrix(unit)[inside]
        return rows[exchange.order(np.random.default_rng([*seed, draw]))] if draw else rows

    said = _dropped(exchange.inside, "have no counterpart in the other trials of their group")
    return Moves(test.draws, exchange.inside, exchanged, float(exchange.trials), said=said)


def _trials_of_bins(
    binned: xr.Dataset, starts: str | None, within: Sequence[str], where: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the trial, the place in it and the group of each bin; -1 where there is none."""
    segment = binned["segment"].values
    bins = np.arange(len(segment))
    begins = np.r_[True, segment[1:] != segment[:-1]]
    if starts is not None:
        marked = np.nan_to_num(binned[starts].values) > 0
        if not marked.any():
            raise ProblemError(f"the signal '{starts}' marks no trial", where=f"{where}, null.trials.starts",
                               mend="use a signal of a table's rows with `resample: events`")  # fmt: skip
        run = np.cumsum(begins | marked) - 1
        first = np.flatnonzero(begins | marked)
        trial = np.where(marked[first][run], run, -1)  # what lies before an epoch's first trial is in none
    else:
        run = trial = np.cumsum(begins) - 1
        first = np.flatnonzero(begins)
    keys = np.stack([np.asarray(binned[name].values, float)[first] for name in within] or [np.zeros(len(first))])
    known = np.isfinite(keys).all(axis=0)
    number = np.unique(np.nan_to_num(keys), axis=1, return_inverse=True)[1].ravel()
    group = np.where(known, number, -1)[run]
    return trial, bins - first[run], np.where(trial >= 0, group, -1)


def _dropped(inside: np.ndarray, why: str) -> list[str]:
    share = 1.0 - float(inside.mean())
    return [f"{share:.0%} of the rows {why}, and are left out"] if share > MOST_DROPPED else []


def _remade(design: Design, binned: xr.Dataset, bins: np.ndarray) -> Callable[[object], np.ndarray]:
    """Return what gives a unit's columns of the term made again from other bins."""
    store = design.stores[0]
    maker = remake(store, within_bounds(store, binned))
    inputs = store["input"].values[:: maker.count]
    everything = list(range(len(inputs)))
    if design.own:
        place = {str(name): number for number, name in enumerate(inputs)}
        return lambda unit: maker.make([place[str(unit)]], bins).astype(float)
    made = maker.make(everything, bins).astype(float)
    return lambda unit: made


def within_bounds(store: xr.Dataset, binned: xr.Dataset) -> xr.Dataset:
    """Return bins whose signals lie in the ranges of a term's functions: what lies outside is taken at an end."""
    factors = Term.model_validate_json(store.attrs["term"]).factors
    for factor, bounds in zip(factors, json.loads(store.attrs["bounds"]), strict=True):
        numbers = len(bounds) == 2 and all(isinstance(bound, (int, float)) for bound in bounds)
        if numbers and not factor.basis.settings.labels and not levels_of(binned[factor.of].attrs):
            binned = binned.assign({factor.of: binned[factor.of].clip(*sorted(bounds), keep_attrs=True)})
    return binned


def _last(make: Callable[[int], Callable[[object], np.ndarray]]) -> Callable[[int, object], np.ndarray]:
    """Hold what the last draw was made of: unit after unit asks for the same."""
    held: dict[int, Callable[[object], np.ndarray]] = {}

    def take(draw: int, unit: object) -> np.ndarray:
        if draw not in held:
            made = make(draw)
            held.clear()
            held[draw] = made
        return held[draw](unit)

    return take


def _jitter(null: Null, test: TermTest, design: Design, session: Recorded, seed: Sequence[int]) -> Moves:
    binned = session.binned
    width = round(null.settings.width / float(binned.attrs["bin"]))
    counts, segment = binned["response"].values, binned["segment"].values
    observed = binned["exposure"].values > 0 if "exposure" in binned else np.ones((len(counts), 1), bool)
    windows = []
    for column in observed.T:
        piece = np.cumsum(np.r_[True, (segment[1:] != segment[:-1]) | (column[1:] != column[:-1])])
        windows.append(windows_of(piece, width))
    real = _matrix(design)

    def make(draw: int) -> Callable[[object], np.ndarray]:
        if not draw:
            return real
        random = np.random.default_rng([*seed, draw])
        moved = np.empty_like(counts)
        for unit in range(counts.shape[1]):
            start, size = windows[unit % len(windows)]
            moved[:, unit] = jittered(counts[:, unit], start, size, random)
        response = binned["response"]
        return _remade(design, binned.assign(response=(response.dims, moved, response.attrs)), session.bins)

    bins = len(session.bins)
    return Moves(test.draws, np.ones(bins, bool), _last(make), bins / width)


def _draws(null: Null, test: TermTest, design: Design, session: Recorded, seed: Sequence[int]) -> Moves:
    signals = Term.model_validate_json(design.stores[0].attrs["term"]).signals
    count, found = drawn_signals(session.binned, signals, null.settings, test.draws, seed, session.where)
    real = _matrix(design)

    def make(draw: int) -> Callable[[object], np.ndarray]:
        if not draw:
            return real
        new = {
            name: (session.binned[name].dims, values, session.binned[name].attrs)
            for name, values in next(found).items()  # draws are asked for once, in their order
        }
        return _remade(design, session.binned.assign(new), session.bins)

    said = []
    if count < test.draws:
        said.append(f"the file holds {count} draws of the {test.draws} that were asked for")
    example = real(_first(design))
    return Moves(count, np.ones(len(example), bool), _last(make), stretches(example), said=said)


def _sessions(design: Design, session: Recorded, others: Mapping[str, xr.Dataset]) -> Moves:
    if not others:
        raise ProblemError("there is no other session", where=f"{session.where}, null.sessions",
                           mend="add recordings, or take another null")  # fmt: skip
    store = design.stores[0]
    there = {}
    for name, binned in others.items():
        bins = analysis_rows(binned)
        there[name] = bins[remake(store, within_bounds(store, binned)).valid(bins).all(axis=1)]
    shortest = min([len(session.bins), *map(len, there.values())])
    real, names = _matrix(design), tuple(there)

    def make(draw: int) -> Callable[[object], np.ndarray]:
        if not draw:
            return lambda unit: real(unit)[:shortest]
        name = names[draw - 1]
        return _remade(design, others[name], there[name][:shortest])

    inside = np.arange(len(session.bins)) < shortest
    said = _dropped(inside, "lie beyond the end of the shortest session")
    if len(names) + 1 < 20:
        said.append(f"with {len(names) + 1} sessions no p value of a unit lies below {1 / (len(names) + 1):.2g}")
    return Moves(len(names), inside, _last(make), stretches(real(_first(design))[:shortest]), names=names, said=said)
