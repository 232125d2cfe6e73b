"""What is impossible, said before anything is compiled; what is odd, said in the log."""

from __future__ import annotations

import logging

import numpy as np

from nwbglm.engine.data.panels import FeatureScale
from nwbglm.engine.observations import MODELS
from nwbglm.engine.penalties import ColumnsOfX
from nwbglm.errors import ProblemError
from nwbglm.study import OBSERVATION_MODELS, Fit

from .design import OWN, Design
from .splits import Splits

log = logging.getLogger(__name__)


def refuse_impossible(
    design: ColumnsOfX, counts: np.ndarray, splits: Splits, settings: Fit, where: str, ids: np.ndarray | None = None
) -> None:
    """Raise `ProblemError` for what no solver can mend, before anything is compiled; `ids` names the units."""
    rows = splits.train[: splits.final + 1].sum(axis=1)
    if not rows.min(initial=1):
        raise ProblemError(
            "some fold has no row to train on that the model can use",
            where=where,
            mend="use fewer folds, a shorter window, or longer epochs",
        )
    strengths, features = settings.penalty.strengths, len(design.labels["term"])
    if len(strengths) > 1 and not splits.folds:
        raise ProblemError(
            f"a path of {len(strengths)} strengths cannot be chosen from without folds",
            where=where,
            mend="give one strength, or fit.folds.blocks of 2 or more",
        )
    if features >= rows.min(initial=np.iinfo(int).max) and min(strengths) == 0:
        raise ProblemError(
            f"{features} features cannot be fitted to {rows.min()} rows without a penalty",
            where=where,
            mend="use a ridge penalty, fewer functions, or longer epochs",
        )
    known = MODELS[settings.observations].response
    refused = known.first_refused(counts)
    if refused is not None:
        units = np.arange(counts.shape[1]) if ids is None else ids
        bad = [unit for unit, y in zip(units.tolist(), counts.T, strict=True) if known.first_refused(y) is not None]
        shown = ", ".join(map(str, bad[:5])) + (", ..." if len(bad) > 5 else "")
        if not OBSERVATION_MODELS[settings.observations].counts:
            mend = f'observations: gaussian, or leave out such units: `units: {{where: "unit not in {bad[:5]}"}}`'
        else:
            mend = "use smaller bins, or observations: poisson" if np.isfinite(known.high) else "observations: gaussian"
        raise ProblemError(
            f"{settings.observations} observations are {known.words}, and a bin of unit {shown} holds {refused:g}",
            where=where,
            mend=mend,
        )
    per_term = settings.penalty.per_term
    if per_term and per_term.by == "evidence" and MODELS[settings.observations].has_dispersion:
        raise ProblemError(
            f"{settings.observations} observations have a dispersion, which the evidence of strengths does not know",
            where=where,
            mend="use strength: {per: term, by: search}, or a path",
        )
    if settings.nested and len(splits.folds) < 3 and len(strengths) > 1:
        raise ProblemError(
            f"a nested choice of strength needs 3 folds or more, not {len(splits.folds)}",
            where=where,
            mend="use fit.folds.blocks: 3",
        )


def report_silent_units(counts: np.ndarray, ids: np.ndarray, splits: Splits, where: str) -> None:
    """Log the units that have no spikes to learn from in some training rows.

    Parameters
    ----------
    counts
        Shape (rows, units).
    ids
        The units' NWB ids.
    splits
        What is fitted.
    where
        Session and model.
    """
    names = [*splits.folds, "the final fit"]
    for unit, count in zip(ids, counts.T, strict=True):
        silent = [name for name, rows in zip(names, splits.train, strict=False) if not count[rows].any()]
        if len(silent) == len(names):
            log.warning("%s: unit %s has no spikes in the fitted rows", where, unit)
        elif silent:
            log.warning("%s: unit %s has no spikes in the training rows of fold %s", where, unit, ", ".join(silent))


def report_constant_features(scale: FeatureScale, design: Design, unit: object, where: str) -> None:
    """Log the terms and inputs whose features do not vary on the fitted rows: their coefficients stay 0.

    Parameters
    ----------
    scale
        How each feature varies.
    design
        Names the columns.
    unit
        Whose columns they are, where a term has own ones.
    where
        Session and model.
    """
    labels = design.labels
    constant = ~scale.varies & ~scale.unresolved
    for which, words in (
        (constant, "do not vary in the fitted rows"),
        (scale.unresolved, "vary too little to be told from a constant: subtract an offset from the signal"),
    ):
        for term, sender in dict.fromkeys(zip(labels["term"][which], labels["input"][which], strict=True)):
            of = f"unit {unit}" if sender == OWN else str(sender)
            columns = (labels["term"] == term) & (labels["input"] == sender)
            share = "" if which[columns].all() else f"{which[columns].sum()} of {columns.sum()} "
            log.warning("%s: %sfeatures of term %s from %s %s", where, share, term, of, words)
