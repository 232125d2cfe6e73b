"""What a study may say and should not: valid, computed as asked, and hardly meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .root import Study

SMOOTH_PENALTIES = ("none", "ridge", "smoothness")
"""Those under which estimates have intervals."""

FEW_PIECES = 4
"""Pieces a fold below which a term of slow drift is extrapolated rather than interpolated."""


def advice(study: Study) -> list[str]:
    """List what a study should say otherwise, one sentence each: the field, what happens, what to write instead.

    Parameters
    ----------
    study
        A valid study.
    """
    return [*_drift(study), *_tests(study), *_intervals(study), *_checks(study)]


def _tests(study: Study) -> list[str]:
    """Find tests whose null does not hold, or whose draws cannot resolve anything."""
    found = []
    for name, test in study.inference.tests.items():
        here = f"inference.tests.{name}"
        if test.null.kind == "circular" and not study.rest_has_drift(name):
            found.append(
                f"{here}: model '{test.model}' has no term of time beside '{test.term}', and a circular shift then "
                "takes drift for an effect; add a term of a signal {of: time}, or use null: linear"
            )
        count = len(study.sessions) - 1 if test.null.kind == "sessions" else test.draws
        floor = 1 / (count + 1)
        if test.null.kind == "sessions":
            if count < 19:
                found.append(
                    f"{here}.null: with {count + 1} sessions no p value of a unit lies below {floor:.2g}; read the p "
                    "value over all sessions together (`p_sessions`), or take draws, linear or circular"
                )
        elif floor > study.inference.fdr.level / 20:
            found.append(
                f"{here}.draws: with {test.draws} draws no p value lies below {floor:.3g}, which a correction over "
                "some 20 units cannot use; use 999 or more"
            )
        kind = study.fit.of_model(study.model_settings(test.model)).penalty.kind
        if test.statistic != "score" and kind not in SMOOTH_PENALTIES:
            found.append(
                f"{here}.statistic: every draw under {kind.replace('_', ' ')} is a whole fit of each unit, far slower "
                "than under ridge, smoothness or none; use statistic: score, or another penalty for this model"
            )
    return found


def _intervals(study: Study) -> list[str]:
    """Find models whose filters get intervals that are too narrow, or none."""
    found, here = [], "inference.intervals.models"
    for name in study.inference.interval_models:
        model = study.models[name]
        kind = study.fit.of_model(study.model_settings(name)).penalty.kind
        if kind not in SMOOTH_PENALTIES:
            found.append(
                f"{here}: model '{name}' is fitted under {kind.replace('_', ' ')}, which has no intervals; fit it "
                "under ridge, smoothness or none, or take it out"
            )
        elif not study.has_drift(model.terms):
            found.append(
                f"{here}: model '{name}' has no term of time, and intervals are too narrow where rates drift; add a "
                "term of a signal {of: time}"
            )
    return found


def _checks(study: Study) -> list[str]:
    """Find checks for which nothing is held out."""
    if not study.inference.checks.models or not study.fit.folds.in_sample or "test" in study.epochs:
        return []
    return ["inference.checks: nothing is held out (`fit.folds: none`), so nothing can be checked; ask for folds"]


def _drift(study: Study) -> list[str]:
    """Find terms of time that are scored where they were not fitted."""
    timed = {name for name, signal in study.signals.items() if signal.of == "time"}
    drifting = [name for name in study.used_terms if timed & set(study.terms[name].signals)]
    folds = study.fit.folds
    if not drifting or folds.in_sample:
        return []
    named = ", ".join(f"'{name}'" for name in drifting)
    found = []
    if "test" in study.epochs:
        found.append(
            f"epochs.test: the term of time {named} is extrapolated into the test epochs, where it was not fitted; "
            "leave `train` and `test` out and use folds: {blocks: 5, cut: rows, pieces: 40}"
        )
    scattered = folds.cut == "within_epochs" or (folds.cut == "epochs" and folds.deal != "in_order")
    short = folds.pieces is not None and folds.pieces >= FEW_PIECES * folds.blocks
    if folds.blocks and not (scattered or short):
        pieces = max(40, 8 * folds.blocks)
        found.append(
            f"fit.folds: the term of time {named} is extrapolated over long held-out stretches, and scores nonsense "
            f"there; deal short pieces in turn: folds: {{blocks: {folds.blocks}, cut: rows, pieces: {pieces}}}"
        )
    return found
