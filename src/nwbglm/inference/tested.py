"""The statistic of a tested term, for every unit of a session and every draw of a null."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from nwbglm.engine.data.panels import scale_of_features
from nwbglm.engine.fit import SplitFits, Status, fit_splits
from nwbglm.engine.observations import MODELS, Observations
from nwbglm.engine.penalties import Penalty
from nwbglm.fits.design import Design
from nwbglm.fits.model import resolve_penalty
from nwbglm.study import Fit

from .fitted import FitOfUnit, Rows, nats, score
from .moves import Moves
from .refit import Refits
from .score_test import Rest, moments, prepare_rest, shifted_statistics, statistics_of

LOT = 64 * 2**20
"""Bytes that the draws of a term may take which are held together."""

AT_ONCE = 256 * 2**20
"""Bytes that the slopes of units may take which are fitted together."""

BARRED = 1e8
"""Penalty, per row and squared standard deviation, on columns that a unit may not use."""


@dataclass(frozen=True, eq=False)
class Case:
    """One test of one session: the term, the rest of the model, and the units.

    Attributes
    ----------
    term, others
        The term alone and the rest of the model, on the fitted rows.
    both
        The term and then the rest.
    units
        Ids.
    rows
        What the units did on the fitted rows.
    moves
        The term's rows in the data and the draws.
    rest
        The rest's ``fits`` store.
    strength : (units,)
        Of the full model's final fit, in nats per row where a unit of loss is one.
    settings
        The study's settings of the model.
    """

    term: Design
    others: Design
    both: Design
    units: np.ndarray
    rows: Rows
    moves: Moves
    rest: xr.Dataset
    strength: np.ndarray
    settings: Fit

    @property
    def observations(self) -> Observations:
        """The model's."""
        return MODELS[self.settings.observations]

    def groups(self) -> list[list[int]]:
        """Return positions of units that share the rest's columns."""
        here = range(len(self.units))
        return [[position] for position in here] if self.both.own else [list(here)] if len(self.units) else []

    def features(self, unit: object) -> np.ndarray:
        """Return the rest's columns on the rows inside."""
        return self.others.matrix(unit)[self.moves.inside].astype(float)  # type: ignore[arg-type]  # an id of a unit

    def known(self) -> np.ndarray:
        """Return which units have a fit of the rest (units,)."""
        return np.isfinite(self.rest["intercept"].values)

    def allowed(self, position: int) -> np.ndarray:
        """Return which of the term's columns a unit may use."""
        mask = self.term.mask(self.units[[position]])
        return np.ones(len(self.term.labels["term"]), bool) if mask is None else mask[:, 0]

    def lots(self) -> Iterator[range]:
        """Return the draws in lots, the data (0) first."""
        size = 8 * max(1, int(self.moves.inside.sum()) * len(self.term.labels["term"]))
        if self.term.own:  # each unit's rows of a draw are its own, and made when they are asked for
            size *= max(1, len(self.units))
        step = max(1, LOT // size)
        for start in range(0, self.moves.draws + 1, step):
            yield range(start, min(start + step, self.moves.draws + 1))


def scored(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Return Rao's statistic (units, 1 + draws), the data's first, and the rank of what the term adds there."""
    count = case.moves.draws + 1
    values, ranks = np.full((len(case.units), count), np.nan), np.zeros((len(case.units), count), int)
    bases = _Bases(case)
    if case.moves.shifts is not None:
        for position in np.flatnonzero(case.known()):
            values[position], ranks[position] = _over_shifts(case, bases, int(position))
        return values, ranks
    for lot in case.lots():
        drawn = {draw: _drawn(case, draw) for draw in lot}
        for position in np.flatnonzero(case.known()):
            base, held = bases.of(int(position))
            columns = case.allowed(int(position))
            for draw, term in drawn.items():
                mine = term[position if case.term.own else 0][:, columns]
                value, rank = statistics_of(moments(mine, base), base, held)
                values[position, draw], ranks[position, draw] = float(value), int(rank)
    return values, ranks


def _drawn(case: Case, draw: int) -> list[np.ndarray]:
    """Return the term's rows of a draw: of each unit where they have columns of their own, else one for all."""
    return [case.moves.take(draw, unit) for unit in (case.units if case.term.own else case.units[:1])]


def _over_shifts(case: Case, bases: _Bases, position: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a unit's statistics and ranks, the data's first."""
    base, held = bases.of(position)
    inside, shifts = case.moves.inside, case.moves.shifts
    assert shifts is not None  # `scored` has asked
    term = case.term.matrix(case.units[position])[:, case.allowed(position)].astype(float)
    if inside.all():
        base_all, spaced, middle = base, 0, None
    else:  # linear shifts: rows outside the centre count nowhere, and none reaches round the circle
        base_all = Rest(
            _spread(base.residual, inside), _spread(base.weight, inside), _spread(base.weighted, inside), base.inverse
        )
        spaced, middle = (int(shifts[1] - shifts[0]) if len(shifts) > 1 else 0), len(shifts) // 2
    circle = case.rows.recording if shifts.ndim > 1 else None
    values, ranks = shifted_statistics(term, base_all, shifts, circle=circle, penalty=held, spaced=spaced)
    if middle is not None:
        return np.r_[values[middle], np.delete(values, middle)], np.r_[ranks[middle], np.delete(ranks, middle)]
    value, rank = statistics_of(moments(term, base), base, held)
    return np.r_[float(value), values], np.r_[int(rank), ranks]


def _spread(part: np.ndarray, inside: np.ndarray) -> np.ndarray:
    out = np.zeros((len(inside), *part.shape[1:]))
    out[inside] = part
    return out


class _Bases:
    """What each unit's statistic needs of the model without the term; what units share is made once."""

    def __init__(self, case: Case):
        self.case = case
        self.shared: tuple[np.ndarray, Penalty] | None = None
        self.of_term: Penalty | None = None
        inside = case.moves.inside
        self.refitted = None if inside.all() else _fit_rest(case, np.ones((1, int(inside.sum())), bool), chosen=True)

    def of(self, position: int) -> tuple[Rest, np.ndarray | None]:
        """Return a unit's base, and the second derivative of the penalty on the columns of the term that it may use."""
        case, unit = self.case, self.case.units[position]
        x, penalty = self._rest(unit)
        y, exposure = (part[case.moves.inside] for part in case.rows.of_unit(position))
        at, strength = self._fit(position)
        residual, weight = score(x, y, exposure, at, case.observations)
        free = penalty.free_to_move(at.coef)
        each = (exposure > 0).sum() * nats(case.observations, at)
        held = each * strength * penalty.curvature(at.coef)[np.ix_(free, free)]
        return prepare_rest(x[:, free], residual, weight, held), self._held(position, each)

    def _rest(self, unit: object) -> tuple[np.ndarray, Penalty]:
        if self.shared is None or self.case.others.own:
            x = self.case.features(unit)
            deviation = scale_of_features(x, np.arange(len(x))).sd
            self.shared = x, resolve_penalty(self.case.settings.penalty, deviation, self.case.others)
        return self.shared

    def _fit(self, position: int) -> tuple[FitOfUnit, float]:
        mine = self.case.rest.isel(unit=position)
        strength = float(mine["strength"].values[int(mine["chosen"])])
        if self.refitted is None:
            return FitOfUnit(mine["coef"].values, float(mine["intercept"]), float(mine["dispersion"])), strength
        found, where = self.refitted, (position, 0)
        return FitOfUnit(found.coef[where], float(found.intercept[where]), float(found.dispersion[where])), strength

    def _held(self, position: int, each: float) -> np.ndarray | None:
        """Return the term's own penalty; penalties with corners leave it free."""
        case = self.case
        if self.of_term is None or case.term.own:
            x = case.term.matrix(case.units[position])
            deviation = scale_of_features(x, np.arange(len(x))).sd
            self.of_term = resolve_penalty(case.settings.penalty, deviation, case.term)
        if not self.of_term.is_smooth or not case.strength[position] > 0:
            return None
        columns = case.allowed(position)
        form = self.of_term.quadratic(np.ones(len(columns)))[np.ix_(columns, columns)]
        return each * case.strength[position] * form


@dataclass(frozen=True, eq=False)
class _RestFits:
    """Fits of the rest: (units, splits, ...)."""

    coef: np.ndarray
    intercept: np.ndarray
    dispersion: np.ndarray
    test: np.ndarray
    """Log-likelihood of the test rows, nats."""
    objective: np.ndarray
    """Summed over training rows."""


def _fit_rest(case: Case, train: np.ndarray, test: np.ndarray | None = None, *, chosen: bool = False) -> _RestFits:
    """Fit the rest to the rows inside (K, rows inside), each unit at one strength.

    `chosen`: at that which the rest's own final fit chose, else at that of the full model's.
    """
    test = np.zeros_like(train) if test is None else test
    strengths = case.rest["strength"].values[case.rest["chosen"].values] if chosen else case.strength
    width, shape = len(case.others.labels["term"]), (len(case.units), len(train))
    out = _RestFits(np.zeros((*shape, width)), *(np.full(shape, np.nan) for _ in range(4)))
    for group in (
        [[position] for position in range(len(case.units))] if case.others.own else [[*range(len(case.units))]]
    ):
        x = case.features(case.units[group[0]])
        deviation = scale_of_features(x, np.arange(len(x))).sd
        penalty = resolve_penalty(case.settings.penalty, deviation, case.others)
        for strength in np.unique(strengths[group]):
            mine = [position for position in group if strengths[position] == strength]
            found = _fit(case, x, mine, train, test, float(strength), penalty, case.others.mask(case.units[mine]))
            at = slice(None), slice(None), 0
            out.coef[mine], out.intercept[mine] = found.coef[at], found.intercept[at]
            out.dispersion[mine], out.test[mine] = found.dispersion[at], found.test_log_likelihood[at]
            out.objective[mine] = found.objective[at] * found.train_rows
    return out


def _fit(
    case: Case, x: np.ndarray, positions: Sequence[int], train: np.ndarray, test: np.ndarray, strength: float,
    penalty: Penalty, mask: np.ndarray | None,
) -> SplitFits:  # fmt: skip
    """Fit some units by the engine, at one strength."""
    inside, exposure = case.moves.inside, case.rows.exposure
    return fit_splits(
        x, case.rows.responses[inside][:, positions], train, test, strengths=(strength,), penalty=penalty,
        observations=case.observations, exposure=None if exposure is None else exposure[inside][:, positions],
        mask=mask, dtype=case.settings.precision, gap=case.settings.tolerance,
        summed_gap=case.settings.summed_tolerance,
    )  # fmt: skip


def refitted(case: Case, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Return what the term gains when the model is fitted again with each draw, nats (units, 1 + draws).

    NaN where a draw did not end well.

    Parameters
    ----------
    case
    train, test : (K, rows inside) bool
        Splits. Where `test` is empty, twice the gain of the penalised log-likelihood on the training rows of the only
        split; else the gain of the log-likelihood over all test rows.
    """
    held_out = bool(test.any())
    rest = _fit_rest(case, train, test)
    values = np.full((len(case.units), case.moves.draws + 1), np.nan)
    known = case.known() & np.isfinite(rest.intercept).all(axis=1)
    unit_of_loss = np.array([
        nats(case.observations, FitOfUnit(np.zeros(0), 0.0, float(value))) for value in case.rest["dispersion"].values
    ])  # fmt: skip
    for lot in case.lots():
        drawn = {draw: _drawn(case, draw) for draw in lot}
        for group in _together(case, known, len(train)):
            setup = _Group(case, group, rest, train, test, unit_of_loss[group], drawn)
            for draw in lot:
                term = drawn[draw][group[0] if case.term.own else 0]
                values[group, draw] = setup.gain(term, held_out)
    return values


def _together(case: Case, known: np.ndarray, splits: int) -> Iterator[list[int]]:
    """Return the units that are fitted together: as many as their slopes leave room for."""
    most = max(1, AT_ONCE // (8 * splits * max(1, int(case.moves.inside.sum()))))
    for group in case.groups():
        mine = [position for position in group if known[position]]
        for start in range(0, len(mine), most):
            yield mine[start : start + most]


class _Group:
    """Units that are fitted together with each draw."""

    def __init__(
        self, case: Case, group: list[int], rest: _RestFits, train: np.ndarray, test: np.ndarray,
        unit_of_loss: np.ndarray, drawn: dict[int, list[np.ndarray]],
    ):  # fmt: skip
        self.case, self.group, self.rest, self.train, self.test = case, group, rest, train, test
        self.unit_of_loss = unit_of_loss
        self.x = case.features(case.units[group[0]])
        real = case.term.matrix(case.units[group[0]])[case.moves.inside].astype(float)
        both = np.concatenate([real, self.x], axis=1)
        deviation = scale_of_features(both, np.arange(len(both))).sd
        self.penalty = resolve_penalty(case.settings.penalty, deviation, case.both)
        self.mask = case.both.mask(case.units[group])
        self.refits = self._prepared(both.shape[1], deviation) if self.penalty.is_smooth else None

    def _prepared(self, width: int, deviation: np.ndarray) -> Refits:
        case, group = self.case, self.group
        form = self.penalty.quadratic(np.ones(width))
        held = case.strength[group][:, None, None] * form
        if self.mask is not None:
            barred = BARRED * deviation**2 * ~self.mask.T
            held = held + barred[:, :, None] * np.eye(width)
        coef = np.concatenate([self.rest.coef[group], self.rest.intercept[group][..., None]], axis=2)
        mine = case.rest.isel(unit=group)
        final = np.concatenate([mine["coef"].values, mine["intercept"].values[:, None]], axis=1)
        inside, exposure = case.moves.inside, case.rows.exposure
        return Refits(
            self.x, case.rows.responses[inside][:, group].astype(float),
            None if exposure is None else exposure[inside][:, group].astype(float),
            self.train, self.test, coef, final, mine["dispersion"].values, held, case.observations,
        )  # fmt: skip

    def gain(self, term: np.ndarray, held_out: bool) -> np.ndarray:
        """Return what the term's rows gain, nats (units,): what does not end near the rest is left to the engine."""
        if self.refits is None:
            return np.array([self._by_engine(term, k, held_out) for k in range(len(self.group))])
        found = self.refits.draw(term, self.unit_of_loss)
        start = self.refits.start
        gains = self.unit_of_loss * (
            (np.asarray(start.test_loss) - found.test_loss).sum(axis=1)
            if held_out
            else 2.0 * (np.asarray(start.loss) - found.loss)[:, 0]
        )
        for k in np.flatnonzero(~found.ended.all(axis=1)):
            gains[k] = self._by_engine(term, int(k), held_out)
        return gains

    def _by_engine(self, term: np.ndarray, k: int, held_out: bool) -> float:
        position = self.group[k]
        found = _fit(
            self.case, np.concatenate([term, self.x], axis=1), [position], self.train, self.test,
            float(self.case.strength[position]), self.penalty, None if self.mask is None else self.mask[:, [k]],
        )  # fmt: skip
        if not np.isin(found.status, (Status.ok, Status.rank_deficient)).all():
            return np.nan
        if held_out:
            return float((found.test_log_likelihood[0, :, 0] - self.rest.test[position]).sum())
        summed = found.objective[0, 0, 0] * found.train_rows[0, 0]
        return float(2.0 * self.unit_of_loss[k] * (self.rest.objective[position, 0] - summed))
