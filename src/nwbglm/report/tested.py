"""What the report shows of tests of terms."""

from __future__ import annotations

from typing import Any

import pandas as pd

from nwbglm.inference.nulls import TOO_FEW_STRETCHES
from nwbglm.study import Study

from .markup import number

TOGETHER = "p of all sessions together"


def population_rows(study: Study, population: pd.DataFrame, tests: pd.DataFrame) -> pd.DataFrame:
    """Return, for each test and session, how many units the term is significant in, and what chance would give."""
    rows = []
    for line in population.itertuples():
        test = study.inference.tests[line.test]
        mine = tests[(tests.test == line.test) & (tests.session == line.session)]
        chance = f"{number(line.null_median)} ({number(line.null_low)} to {number(line.null_high)})"
        rows.append(
            {
                "test": line.test,
                "term": test.term,
                "in": test.model,
                "session": line.session,
                "null": mine.null.iloc[0],
                "units": line.units,
                f"significant ({study.inference.fdr.method.upper()} {study.inference.fdr.level:g})": _significant(line),
                "p ≤ 0.05 alone": line.alone,
                "of these by chance": chance if pd.notna(line.null_median) else "",
                "population p": number(line.p, 2),
                TOGETHER: number(line.p_sessions, 2) if pd.notna(line.p_sessions) else "",
                "held-out gain (median)": number(mine.held_out_gain.median(), 3),
                "independent stretches": number(line.stretches, 2),
                "assumes": mine.assumes.iloc[0],
                "to be said": _said_of(line, mine),
            }
        )
    table = pd.DataFrame(rows)
    return table if population.p_sessions.notna().any() else table.drop(columns=TOGETHER, errors="ignore")


def _significant(line: Any) -> str:
    """Write how many units are significant, and that it means little where the term is too slow for the recording."""
    undecided = line.stretches < TOO_FEW_STRETCHES
    return f"{line.significant} (undecided: too few stretches)" if undecided else f"{line.significant}"


def _said_of(line: Any, tests: pd.DataFrame) -> str:
    """Collect what stands between the tests of a session and a conclusion, each thing once with its number of units."""
    words = [part for warning in tests.warning for part in warning.split("; ") if part]
    said = [f"{word} ({words.count(word)} units)" for word in dict.fromkeys(words)]
    if line.least > 1:
        said.append(f"with so many draws the correction accepts {line.least} units together, or none")
    return "; ".join(said)


def test_rows(tests: pd.DataFrame) -> pd.DataFrame:
    """Return the tests of units as they are shown, smallest p first."""
    columns = {
        "test": "test", "session": "session", "unit": "unit", "term": "term", "p": "p", "p_bh": "p (BH)",
        "p_by": "p (BY)", "held_out_gain": "held-out gain", "statistic": "statistic",
        "null_median": "its null's median", "null_q95": "95 % of the null",
        "effect": "held out, above the null's median", "draws": "draws", "failed": "of these failed",
        "stretches": "independent stretches", "warning": "to be said",
    }  # fmt: skip
    shown = tests.sort_values(["test", "p"], kind="stable")[list(columns)]
    if not shown.effect.notna().any():
        shown = shown.drop(columns="effect")
    return shown.rename(columns=columns)
