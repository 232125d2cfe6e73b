"""Hold the nulls beside shifts, and refits of every draw, to their word: sizes and power on recordings of known truth.

Each null on the recordings that it is for: exchanged trials where a block's level drives cue and unit alike, jitter
where sender and receiver share a slow input, sessions with drifting units, refits with a drift term.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from nwbglm.engine.fit import fit_splits
from nwbglm.engine.observations import POISSON

from .nulls import draw_p_value
from .permuted import exchangeable_rows, jittered, windows_of
from .refit import Refits
from .score_test import prepare_rest, score_statistic
from .shifted import circular_shifts
from .simulated import SCENARIOS, bumps, cosines, draw_covariate, simulate_unit, slow
from .together import exchanged_sessions, mean_ranks

EXCHANGES = ("null", "recording", "effect", "tests", "rejected", "standard_error")
SESSIONS = 20
"""Sessions that exchange their covariates: the least number at which a unit's p value can be .05."""


class Case(NamedTuple):
    """What is simulated, and tested."""

    null: str
    recording: str
    p_values: Callable[[np.random.Generator, bool, int], Iterator[float]]
    """``(random, effect, draws)``: of one recording, or of one set of sessions."""


def exchanges(*, repeats: int = 200, draws: int = 99, level: float = 0.05, seed: int = 0) -> pd.DataFrame:
    """Count how often each null rejects where nothing ties the term to the unit, and where something does.

    Parameters
    ----------
    repeats
        Tests of each null, about: recordings with several units take fewer.
    draws
        Of each null.
    level
        A p value at or below it rejects.
    seed
        Of everything.

    Returns
    -------
    DataFrame
        Of `EXCHANGES`. Standard errors are over recordings, whose units share their covariate.
    """
    out = []
    for number, case in enumerate(CASES):
        for effect in (False, True):
            shares: list[float] = []
            tests = 0
            while tests < repeats:
                random = np.random.default_rng([seed, number, int(effect), len(shares)])
                hits = [p <= level + 1e-12 for p in case.p_values(random, effect, draws)]
                shares.append(float(np.mean(hits)))
                tests += len(hits)
            share = float(np.mean(shares))
            least = np.sqrt(max(share * (1 - share), 0.25 / tests) / tests)
            spread = float(np.std(shares, ddof=1) / np.sqrt(len(shares))) if len(shares) > 1 else least
            out.append((case.null, case.recording, effect, tests, share, max(least, spread)))
    return pd.DataFrame(out, columns=list(EXCHANGES))


def _fitted(rest: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return what the rest expects (T, units)."""
    everywhere = np.ones((1, len(counts)), bool)
    found = fit_splits(rest, counts, everywhere, ~everywhere)
    return np.exp(rest @ found.coef[:, 0, 0].T + found.intercept[:, 0, 0])


def _trials(within: bool) -> Callable[[np.random.Generator, bool, int], Iterator[float]]:
    def p_values(random: np.random.Generator, effect: bool, draws: int) -> Iterator[float]:
        trials, length, blocks, units = 120, 20, 6, 4
        block = np.repeat(np.arange(blocks), trials // blocks)
        level = random.normal(size=blocks)[block]
        cue = (0.7 * level if within else 0.0) + random.normal(size=trials)
        at, trial = np.tile(np.arange(length), trials), np.repeat(np.arange(trials), length)
        shape = np.exp(-at / 6)
        gains = 0.8 * level[trial] * shape + (0.25 * cue[trial] * shape if effect else 0.0)
        counts = random.poisson(0.3 * np.exp(gains)[:, None], (trials * length, units)).astype(float)
        term = np.stack([cue[trial] * shape, cue[trial] * (1 - shape)], axis=1)
        exchange = exchangeable_rows(trial, at, block[trial] if within else np.zeros_like(trial))
        orders = [exchange.order(random) for _ in range(draws)]
        expected = _fitted(np.zeros((len(counts), 0)), counts)
        for unit in range(units):
            rest = prepare_rest(np.zeros((len(counts), 0)), counts[:, unit] - expected[:, unit], expected[:, unit])
            null = np.array([score_statistic(term[order], rest)[0] for order in orders])
            yield float(draw_p_value(score_statistic(term, rest)[0], null))

    return p_values


def _jitter(random: np.random.Generator, effect: bool, draws: int) -> Iterator[float]:
    """Sender and receiver of 5 ms bins share an input of 500 ms; the sender drives 10 ms later, or does not."""
    rows, width = 20_000, 8
    common = 0.8 * slow(random, rows, 100)
    sender = random.poisson(0.08 * np.exp(common))
    driven = np.zeros(rows)
    driven[2:] = 0.35 * sender[:-2] if effect else 0.0
    counts = random.poisson(0.08 * np.exp(common + driven)).astype(float)
    start, size = windows_of(np.zeros(rows), width)

    def term(spikes: np.ndarray) -> np.ndarray:
        return np.stack([np.r_[np.zeros(lag), spikes[:-lag]] for lag in (1, 2, 3, 4)], axis=1)

    none = np.zeros((rows, 0))
    expected = np.full(rows, counts.mean())
    rest = prepare_rest(none, counts - expected, expected)
    null = np.array([score_statistic(term(jittered(sender, start, size, random)), rest)[0] for _ in range(draws)])
    yield float(draw_p_value(score_statistic(term(sender), rest)[0], null))


def _sessions(joint: bool) -> Callable[[np.random.Generator, bool, int], Iterator[float]]:
    def p_values(random: np.random.Generator, effect: bool, draws: int) -> Iterator[float]:
        sessions, rows, units = (6 if joint else SESSIONS), 2000, 4
        scenario = SCENARIOS[0]._replace(gain=0.2 if effect else 0.0)
        covariates = [draw_covariate(scenario, rows, random) for _ in range(sessions)]
        terms = [bumps(covariate) for covariate in covariates]
        ranks: dict[str, dict[str, float]] = {}
        for mine, covariate in enumerate(covariates):
            drift = 0.5 * slow(random, rows, 100, units)
            counts = random.poisson(0.3 * np.exp(drift + scenario.gain * covariate[:, None] - 0.125)).astype(float)
            expected = np.full(counts.shape, counts.mean(axis=0))
            none, over = np.zeros((rows, 0)), counts - expected
            rests = [prepare_rest(none, over[:, u], expected[:, u]) for u in range(units)]
            values = np.array([[score_statistic(term, rest)[0] for term in terms] for rest in rests])
            names = [str(k) for k in range(sessions)]
            ranks[str(mine)] = dict(zip(names, mean_ranks(values).tolist(), strict=True))
            if not joint:
                for u in range(units):
                    yield float(draw_p_value(values[u, mine], np.delete(values[u], mine)))
        if joint:
            yield exchanged_sessions(ranks)

    return p_values


def _refits(held_out: bool) -> Callable[[np.random.Generator, bool, int], Iterator[float]]:
    def p_values(random: np.random.Generator, effect: bool, draws: int) -> Iterator[float]:
        rows, units = 6000, 8
        scenario = SCENARIOS[6 if effect else 0]
        first = simulate_unit(scenario, rows, random)
        covariate = first.covariate
        drift = 0.5 * slow(random, rows, scenario.memory, units)
        counts = random.poisson(0.3 * np.exp(drift + scenario.gain * covariate[:, None] - 0.125)).astype(float)
        rest, term = cosines(rows, 20), bumps(covariate)
        piece = (np.arange(rows) * 40 // rows) % 5
        test = np.array([piece == fold for fold in range(5)] if held_out else [np.zeros(rows, bool)])
        found = fit_splits(rest, counts, ~test, test)
        whole = fit_splits(rest, counts, np.ones((1, rows), bool), np.zeros((1, rows), bool))
        coef = np.concatenate([found.coef[:, :, 0], found.intercept[:, :, :1]], axis=2)
        final = np.concatenate([whole.coef[:, 0, 0], whole.intercept[:, 0, :1]], axis=1)
        width = term.shape[1] + rest.shape[1]
        fits = Refits(
            rest, counts, None, ~test, test, coef, final, np.ones(units), np.zeros((units, width, width)), POISSON
        )
        values = []
        for shift in [0, *circular_shifts(rows, draws, term, 1, int(random.integers(2**31)))]:
            draw = fits.draw(np.roll(term, shift, axis=0), np.ones(units))
            gain = -draw.test_loss if held_out else -draw.loss
            values.append(np.where(draw.ended.all(axis=1), gain.sum(axis=1), np.nan))
        yield from (float(p) for p in draw_p_value(values[0], np.array(values[1:])))

    return p_values


CASES = (
    Case("trials", "cue at random", _trials(False)),
    Case("trials within blocks", "cue follows its block", _trials(True)),
    Case("jitter, 40 ms", "common input of 500 ms", _jitter),
    Case(f"sessions, {SESSIONS}, each unit", "drifts", _sessions(False)),
    Case("sessions, 6, all together", "drifts", _sessions(True)),
    Case("circular + drift term, gain", "memory 10 s", _refits(False)),
    Case("circular + drift term, held_out", "memory 10 s", _refits(True)),
)
"""Every null beside shifts, with the recordings that it is for."""
