"""Strengths of a penalty for each term: what is tried, which terms features belong to, and what a fit got."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from nwbglm.engine.fit import SplitFits
from nwbglm.engine.penalties import ColumnsOfX
from nwbglm.study import Fit

__all__ = ["draw_shares", "relative_strengths", "strengths_of_terms", "terms_of", "what_terms_got"]

LEAST_SHARE = 1e-4
"""Of a term in a candidate, relative to that of equal shares: its strength is then as many times larger."""

ALIKE = 5
"""One candidate in how many treats all terms alike, so that the plain penalty is among what is tried."""


def terms_of(columns: ColumnsOfX) -> tuple[list[str], np.ndarray]:
    """Return the names of the terms, in the features' order, and the term of each feature (p,)."""
    labels = [str(term) for term in columns.labels["term"]]
    names = list(dict.fromkeys(labels))
    return names, np.array([names.index(label) for label in labels], int)


def draw_shares(count: int, terms: int, seed: int) -> np.ndarray:
    """Return what each candidate's strength is multiplied by in each term, shape (count, terms).

    Shares g_t of the terms are drawn from Dirichlet distributions of concentrations 1 and 0.1 in turn (even and sparse
    mixtures, as in the random search of Dupre la Tour et al. 2022, NeuroImage), and the strength of a term is divided
    by its share: ``1 / (terms g_t)``, which is 1 where all are alike.

    Parameters
    ----------
    count, terms
        How many candidates, and terms.
    seed
        Of the draws.
    """
    random = np.random.default_rng(seed)
    shares = np.ones((count, terms))
    for i in range(count):
        if i % ALIKE:
            shares[i] = terms * random.dirichlet(np.full(terms, (1.0, 0.1)[i % 2]))
    return 1.0 / np.maximum(shares, LEAST_SHARE)


def strengths_of_terms(settings: Fit, columns: ColumnsOfX, seed: int) -> dict[str, Any]:
    """Return what `fit_splits` needs to know of terms; nothing where all have one strength."""
    chosen = settings.penalty.per_term
    if chosen is None:
        return {}
    names, term = terms_of(columns)
    if chosen.by == "evidence":
        return {"terms": term}
    return {"terms": term, "relative": draw_shares(chosen.candidates, len(names), seed)}


def what_terms_got(fits: SplitFits, at_final: tuple, at_folds: tuple, columns: ColumnsOfX) -> dict[str, Any]:
    """Return variables of a store of fits: strengths and effective parameters of terms; none without such strengths."""
    if not fits.term_strength.shape[3]:
        return {}
    names, _ = terms_of(columns)
    return {
        "penalised_term": np.array(names, dtype=str),
        "term_strength": (("unit", "penalised_term"), fits.term_strength[at_final]),
        "fold_term_strength": (("unit", "fold", "penalised_term"), fits.term_strength[at_folds]),
        "term_parameters": (("unit", "penalised_term"), fits.term_parameters[at_final]),
    }


def relative_strengths(fits: xr.Dataset, unit: int) -> Mapping[str, float]:
    """Return, for each term of a unit's final fit, its strength relative to `strength`; nothing where it has that."""
    if "term_strength" not in fits:
        return {}
    mine = fits.isel(unit=unit)
    overall = float(mine["strength"].values[int(mine["chosen"])])
    values = np.nan_to_num(mine["term_strength"].values / overall)  # NaN: the penalty leaves the term free
    return dict(zip(fits["penalised_term"].values.astype(str).tolist(), values.tolist(), strict=True))
