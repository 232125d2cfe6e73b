"""What stands behind the sentence that a term adds something: its test, or that there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from nwbglm.inference.nulls import TOO_FEW_STRETCHES
from nwbglm.study import Study

from .markup import number

UNTESTED = "no test was asked for: a gain on held-out rows is no evidence by itself, since slow signals go with drift"


def evidence(study: Study, tables: Mapping[str, pd.DataFrame], line: Any) -> str:
    """Return the words that follow what a pair of models says of a term.

    Parameters
    ----------
    study
        The study.
    tables
        What `nwbglm.comparison.compare_models` returns.
    line
        A row of the summary of pairs: its ``model`` and what it ``adds``.
    """
    tests, population = tables["tests"], tables["population"]
    names = [name for name, test in study.inference.tests.items() if (test.term, test.model) == (line.adds, line.model)]
    names = [name for name in names if len(tests) and (tests.test == name).any()]
    if not names:
        elsewhere = [name for name, test in study.inference.tests.items() if test.term == line.adds]
        return f"not tested so, but beside other terms ({', '.join(elsewhere)})" if elsewhere else UNTESTED
    return "; ".join(_one(study, name, tests, population) for name in names)


def _one(study: Study, name: str, tests: pd.DataFrame, population: pd.DataFrame) -> str:
    mine = tests[(tests.test == name) & tests.p.notna()]
    if not len(mine):
        return "its test could not be made"
    said = f"significant in {int(mine.significant.sum())} of {len(mine)} units ({mine.null.iloc[0]} null, corrected)"
    stretches = population[population.test == name].stretches.min()
    if stretches < TOO_FEW_STRETCHES:
        said = f"undecided: its {number(stretches, 2)} independent stretches are too few for such a null ({said})"
    if mine.null.iloc[0] == "circular" and not study.rest_has_drift(name):
        said += ", without a term of time beside it: a drift can pass for an effect"
    return said
