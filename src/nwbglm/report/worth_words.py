"""The methods paragraphs on comparisons across sessions, worth of terms, ceilings, controls and model selection."""

from __future__ import annotations

from nwbglm.study import Study

from .words import listed


def levels_words(study: Study) -> str:
    """Say over what comparisons have intervals."""
    if len(study.models) < 2:
        return ""
    if study.inference.levels == ("session",):
        over = "sessions, each taken as if it were of another animal"
    elif len(study.sessions) > 1:
        over = "animals (the file's subject) where every session's is known and there are two or more, else sessions"
    else:
        return ""
    return (
        "Across sessions an effect is the median over a session's units, averaged over an animal's sessions and over "
        f"animals; intervals are over {over}: Student's t below ten of them, a hierarchical bootstrap (animals, within "
        "them sessions, within them units; Saravanan et al. 2020) from ten on; beside them the p value of exchanged "
        "signs. Folds share their training rows, so that their spread is no standard error. "
    )


def worth_words(study: Study) -> str:
    """Say how terms were weighed."""
    models = study.inference.worth.models
    if not models:
        return ""
    return (
        f"Terms of {_quoted(models)} were weighed on held-out rows: the model was fitted without each term and with "
        "each term alone, to the same rows and folds. A term's unique contribution is what is lost without it, in "
        "deviance explained (pooled over folds) unless named otherwise; the definitions of IBL (R2 of a fold with its "
        "own mean), Allen (clipped dropout and single scores of variance explained), Musall et al. (2019; squared "
        "correlation) and Engelhard et al. (2019; share of the losses) stand beside it. Variance inflation is that of "
        "the largest canonical correlation with the other terms' features. All of this assumes covariates without "
        "error. "
    )


def preference_words(study: Study) -> str:
    """Say how units' preferences were counted, and how models were selected."""
    if len(study.models) < 2 or (study.fit.folds.in_sample and "test" not in study.epochs):
        return ""
    text = (
        "Units that a model predicts best were counted beside 2000 draws in which the labels of the models were "
        "exchanged in every fold, for all units of a session together. "
    )
    if study.inference.selection.models:
        text += (
            f"Random-effects model selection among {_quoted(study.inference.selection.models)} (Stephan et al. 2009; "
            "Rigoux et al. 2014) is a heuristic here: held-out log-likelihoods stand in for log evidences, and units "
            "count as independent. "
        )
    return text


def ceiling_words(study: Study) -> str:
    """Say how the ceiling of repeated stimuli was measured."""
    settings = study.inference.ceiling
    if not settings.models:
        return ""
    which = "every epoch held the same stimulus" if settings.repeats == "epochs" else "epochs of a label held the same"
    return (
        f"The ceiling of {_quoted(settings.models)}: {which}; responses were summed over {1000 * settings.window:g} "
        "ms, noise is the variance over repeats, signal the variance of their mean less the noise in it, and CCnorm "
        "the correlation of the held-out prediction with the mean over repeats, normalised by the signal (Schoppe et "
        "al. 2016), with intervals from resampled pieces of the stimulus; none where the signal-to-noise ratio is "
        "below 0.5 (Pospisil and Bair 2021). "
    )


CONTROLS = {
    "cell_shuffle": "the response of another unit (seeded, none its own)",
    "rate_matched": "spikes thinned at random to {rate}",
    "reversed_time": "the feature rows of {term} running backwards within each recording",
}


def controls_words(study: Study) -> str:
    """Say which controls were fitted."""
    controls = study.inference.controls
    if not controls:
        return ""
    parts = []
    for name, control in controls.items():
        rate = f"{control.rate:g} Hz" if control.rate else "the rate of the least active unit"
        term = f"'{control.term}'" if control.term else "all terms"
        parts.append(f"{name}, '{control.model}' with {CONTROLS[control.kind].format(rate=rate, term=term)}")
    return f"Controls, each fitted and scored as the models were: {listed(parts)}. "


def _quoted(names: tuple[str, ...]) -> str:
    return listed([f"'{name}'" for name in names])
