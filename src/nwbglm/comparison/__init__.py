"""Tidy tables over sessions and models: scores, paired differences, units, sessions, and how the fits ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import xarray as xr

from nwbglm.study.inference import FalseDiscoveries

from .animals import animals_of, levels_of, with_animals
from .ceilings import gather_ceilings
from .checked import gather_checks
from .cohort import describe_sessions, describe_units, joined_in, refuse_nothing
from .common import POOLED, ROUNDING, concat, headline, primary
from .controlled import gather_controls, summarise_controls
from .intervals import gather_intervals
from .paired import pair_models, unpaired
from .preferred import count_preferences, select_among
from .scored import count_fits, merge_blocks, score_fit
from .summaries import summarise_models, summarise_pairs
from .tested import gather_tests
from .weighed import gather_worth, summarise_worth

__all__ = [
    "POOLED",
    "ROUNDING",
    "TABLES",
    "compare_models",
    "headline",
    "levels_of",
    "primary",
    "refuse_nothing",
    "score_fit",
    "summarise_controls",
    "summarise_models",
    "summarise_pairs",
    "summarise_worth",
    "unpaired",
]

TABLES = (
    "scores", "pairs", "units", "sessions", "fits", "tests", "population", "intervals", "checks", "worth",
    "ceiling", "controls", "preferences", "selection",
)  # fmt: skip


def compare_models(
    fits: Sequence[xr.Dataset],
    *,
    binned: Sequence[xr.Dataset] = (),
    tuning: Sequence[xr.Dataset] = (),
    audits: Sequence[Mapping[str, Any]] = (),
    excluded: Mapping[str, str] | None = None,
    tests: Sequence[xr.Dataset] = (),
    fdr: FalseDiscoveries | None = None,
    intervals: Sequence[xr.Dataset] = (),
    checks: Sequence[xr.Dataset] = (),
    worth: Sequence[xr.Dataset] = (),
    ceilings: Sequence[xr.Dataset] = (),
    controls: Sequence[xr.Dataset] = (),
    animals: Mapping[str, str] | None = None,
    selection: Sequence[str] = (),
    seed: int = 0,
) -> dict[str, pd.DataFrame]:
    """Gather every fit of a study into tables.

    Parameters
    ----------
    fits
        Stores of kind ``fits``: any number of sessions, models and blocks of units.
    binned, tuning
        Stores of the same sessions, and of the recordings that a session joins; they add what is known of each unit.
    audits
        Audits of the recordings (plain data), for the numbers of units before selection.
    excluded
        Reason by session, for the sessions that were left out.
    tests, fdr
        Stores of kind ``tests``, and the correction over their units.
    intervals, checks, worth, ceilings, controls
        Stores of these kinds.
    animals
        Animal by session, where it is not the file's `subject_id`.
    selection
        Models among which units are taken to choose.
    seed
        The study's.

    Returns
    -------
    dict
        ``scores``: one row a session, unit, model, kind (in-sample, held-out, test) and fold (or ``pooled``);
        ``pairs``: paired differences between two models of a unit, per fold and pooled; ``units``; ``sessions``;
        ``fits``: numbers of fits of each status, with their largest gap and gradient norm;
        ``tests`` and ``population``: see `gather_tests`; ``intervals``: see `gather_intervals`;
        ``checks``: see `gather_checks`; ``worth``: see `gather_worth`; ``preferences``: see `count_preferences`;
        ``selection``: see `select_among`.
    """
    scores = concat([score_fit(fit) for fit in fits])
    terms = {str(fit.attrs["model"]): frozenset(map(str, fit.term.values)) for fit in fits}
    fit_rows = concat([count_fits(fit) for fit in fits])
    home = joined_in(binned)
    units = describe_units(scores, [store for store in binned if store.attrs["session"] not in home], tuning)
    tested, population = gather_tests(tests, fdr or FalseDiscoveries())
    of = animals_of(audits, home, animals)
    return {
        "scores": scores,
        "pairs": with_animals(pair_models(scores, terms), of),
        "units": with_animals(units, of),
        "sessions": with_animals(describe_sessions(scores, units, binned, audits, excluded or {}, home), of),
        "fits": merge_blocks(fit_rows),
        "tests": with_animals(tested, of),
        "population": with_animals(population, of),
        "intervals": gather_intervals(intervals),
        "checks": gather_checks(checks),
        "worth": with_animals(gather_worth(worth), of),
        "ceiling": with_animals(gather_ceilings(ceilings), of),
        "controls": with_animals(gather_controls(controls), of),
        "preferences": count_preferences(scores, seed=seed),
        "selection": select_among(scores, selection, seed),
    }
