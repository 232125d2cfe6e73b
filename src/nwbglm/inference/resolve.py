"""What a test can resolve in a session, before anything is fitted: its rows, its term, its null, and simulated units.

Nothing of what the units really did is looked at but how many spikes they fired: the size of a test and the least
effect that it would find come from simulated units of that rate, which drift, on the term's own feature rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import xarray as xr

from nwbglm.fits.design import Design, pick_terms
from nwbglm.fits.splits import kept_rows, plan_splits
from nwbglm.study import Fit, Model
from nwbglm.study.inference import FalseDiscoveries, TermTest

from .calibrate import fit_by_engine
from .moves import Moves, Recorded, moves_of
from .nulls import FEW_STRETCHES, TOO_FEW_STRETCHES
from .score_test import Rest, moments, prepare_rest, shifted_statistics, statistics_of
from .shifted import judged
from .simulated import cosines, slow

EFFECTS = (0.0, 0.05, 0.1, 0.2, 0.4)
"""Standard deviation of the term's part of the log rate; 0 gives the size."""

DRIFT = 0.5
"""Standard deviation of the simulated units' drift in log rate."""

MEMORY = 1 / 6
"""Its memory, as a share of the rows."""

COSINES = 16
"""Of time, in the rest, where the study's has a term of time."""

ENOUGH = 0.8
"""Power that is called finding."""

MOST_DRAWS = 199
"""Draws of the null for these simulations, where the study asks for more."""


class Resolution(NamedTuple):
    """What one test can resolve in one session."""

    test: str
    session: str
    null: str
    rows: int
    units: int
    rate: float
    """Median spikes a bin of the units."""
    stretches: float
    draws: int
    least: int
    """Units that must be significant together before the correction accepts any."""
    rejected: dict[float, float]
    """Share of simulated units with p <= .05, by effect."""
    said: tuple[str, ...]

    @property
    def detectable(self) -> float:
        """Least effect that is found in `ENOUGH` of the units; NaN where none of `EFFECTS` is."""
        effects = sorted(self.rejected)
        for low, high in pairwise(effects):
            below, above = self.rejected[low], self.rejected[high]
            if above >= ENOUGH:
                share = 1.0 if above == below else np.clip((ENOUGH - below) / (above - below), 0.0, 1.0)
                return float(low + share * (high - low))
        return float("nan")


def resolve_test(
    binned: xr.Dataset,
    folds: xr.Dataset,
    features: Sequence[xr.Dataset],
    *,
    test: TermTest,
    name: str,
    model: Model,
    fit: Fit,
    fdr: FalseDiscoveries,
    drift: bool,
    all_units: int,
    others: Mapping[str, xr.Dataset] | None = None,
    repeats: int = 20,
    seed: int = 0,
) -> Resolution:
    """Simulate units on a session's own rows and term, and say what a test can resolve there.

    Parameters
    ----------
    binned, folds, features
        The session's stores.
    test, name, model, fit, fdr, drift
        The study's settings of the test.
    all_units
        Units of all sessions, over which p values are corrected.
    others
        ``binned`` stores of the other sessions, for the null `sessions`.
    repeats
        Simulated units of each effect.
    seed
        Of everything.
    """
    session = str(binned.attrs.get("session", ""))
    settings = fit.of_model(model)
    kept, _ = kept_rows(binned, folds, pick_terms(features, model.terms), settings.rows)
    splits = plan_splits(folds, kept, halves=False, nested=False)
    used = splits.train[splits.final]
    bins = folds["row"].values[used]
    term = Design(pick_terms(features, [test.term]), used)
    null = test.resolved(drift)
    names = binned["recording_of_segment"].values if "recording_of_segment" in binned else None
    recording = np.zeros(len(bins), int)
    if names is not None:
        recording = np.unique(names, return_inverse=True)[1][binned["segment"].values[bins]]
    gap = int(np.ceil(float(folds.attrs["gap"]) / float(binned.attrs["bin"])))
    where = f"session {session}, test {name}"
    few = test.model_copy(update={"draws": min(test.draws, MOST_DRAWS)})
    moves = moves_of(null, few, term, Recorded(binned, bins, recording, gap, where), others or {}, [seed])
    rates = binned["response"].values[bins].mean(axis=0)
    draws = moves.draws if null.kind in ("sessions", "draws") else test.draws
    least = max(1, int(np.ceil(all_units / ((draws + 1) * fdr.level) - 1e-9)))
    said = [*moves.said, *_words(null.kind, moves.stretches, drift)]
    rejected = {}
    if term.own:
        said.append("a term of a unit's own spikes cannot be put into simulated units: no power is given")
    else:
        random = np.random.default_rng([seed, 2])
        rate = float(np.median(rates[rates > 0])) if (rates > 0).any() else 0.0
        hits = _simulated(moves, recording, null.kind == "linear", drift, rate, repeats, random)
        rejected = {effect: float(np.mean(found)) for effect, found in hits.items()}
    return Resolution(
        name, session, null.kind, int(moves.inside.sum()), binned.sizes["unit"], float(np.median(rates)),
        moves.stretches, draws, least, rejected, tuple(said),
    )  # fmt: skip


def _words(null: str, stretches: float, drift: bool) -> list[str]:
    said = []
    if null in ("circular", "linear") and stretches < TOO_FEW_STRETCHES:
        said.append(
            "a shift null can hardly decide here, however many draws: take longer recordings, draws or sessions"
        )
    elif null in ("circular", "linear") and stretches < FEW_STRETCHES:
        said.append("few independent stretches: only strong effects are found")
    if null == "circular" and not drift:
        said.append("no term of time in the rest: a drift can pass for an effect")
    return said


def _simulated(
    moves: Moves, recording: np.ndarray, linear: bool, drift: bool, rate: float, repeats: int,
    random: np.random.Generator,
) -> dict[float, list[bool]]:  # fmt: skip
    """Return, by effect, which simulated units have p <= .05."""
    inside, rows = moves.inside, len(moves.inside)
    terms = [moves.take(draw, None) for draw in range(1 if moves.shifts is not None else moves.draws + 1)]
    whole = terms[0] if inside.all() else None
    spread = terms[0].std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    rest = cosines(rows, COSINES)[inside] if drift else np.zeros((int(inside.sum()), 0))
    hits: dict[float, list[bool]] = {effect: [] for effect in EFFECTS}
    for effect in EFFECTS:
        for _ in range(repeats):
            part = (terms[0] / spread) @ random.normal(size=len(spread))
            own = DRIFT * slow(random, rows, max(2.0, MEMORY * rows))[inside]
            log_gain = own + effect * (part - part.mean()) / max(float(part.std()), 1e-12)
            count = random.poisson(rate * np.exp(np.minimum(log_gain - log_gain.var() / 2, 5.0))).astype(float)
            if not count.any():
                hits[effect].append(False)
                continue
            expected = fit_by_engine(rest, count, np.ones(len(count), bool))
            base = prepare_rest(rest, count - expected, expected)
            values = _values(moves, terms, base, whole, recording)
            hits[effect].append(judged(values[0], values[1:], 0.0, linear=linear).p <= 0.05 + 1e-12)
    return hits


def _values(
    moves: Moves, terms: list[np.ndarray], base: Rest, whole: np.ndarray | None, recording: np.ndarray
) -> np.ndarray:
    """Return the statistic of the data and of each draw."""
    if moves.shifts is None or whole is None:
        drawn = terms if moves.shifts is None else [moves.take(draw, None) for draw in range(moves.draws + 1)]
        return np.array([float(statistics_of(moments(term, base), base)[0]) for term in drawn])
    circle = recording if moves.shifts.ndim > 1 else None
    values, _ = shifted_statistics(whole, base, moves.shifts, circle=circle)
    return np.r_[float(statistics_of(moments(whole, base), base)[0]), values]


def resolution_text(found: Resolution) -> str:
    """Write what a test can resolve, a few lines."""
    lines = [
        f"{found.test}, session {found.session}: {found.null}; {found.rows} rows, {found.units} units of "
        f"{found.rate:.3g} spikes a bin (median), {found.stretches:.3g} "
        f"{'trials that can be exchanged' if found.null == 'trials' else 'independent stretches'}",
        f"  {found.draws} draws: no p value below {1 / (found.draws + 1):.2g}; the correction accepts "
        + (f"{found.least} units together, or none" if found.least > 1 else "a single unit"),
    ]
    if found.rejected:
        powers = ", ".join(f"{share:.2f} at {effect:g}" for effect, share in sorted(found.rejected.items()) if effect)
        lines.append(f"  p <= .05 in {found.rejected[0.0]:.2f} of units without the term's effect (its size)")
        lines.append(f"  and in {powers} (standard deviation of the term's part of the log rate)")
        least = found.detectable
        lines.append(
            f"  found in {ENOUGH:.0%} of units: {least:.2g}, about {least**2 / 2 / np.log(2):.2g} bits per spike"
            if np.isfinite(least)
            else f"  no effect up to {max(EFFECTS):g} is found in {ENOUGH:.0%} of units"
        )
    return "\n".join([*lines, *(f"  warn  {line}" for line in found.said)])
