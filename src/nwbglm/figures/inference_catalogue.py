"""The figures of inference: tests of terms, goodness of fit, what terms are worth."""

from __future__ import annotations

from nwbglm.study import Study

from .spec import WHOLE, FigureSpec


def _tests(study: Study) -> tuple[str, ...]:
    return tuple(study.inference.tests)


def _any_tests(study: Study) -> tuple[str, ...]:
    return WHOLE if study.inference.tests else ()


def _in_sample(study: Study) -> bool:
    return study.fit.folds.in_sample and "test" not in study.epochs


def _checked(study: Study) -> tuple[str, ...]:
    return study.inference.checks.models


OF_SESSION: dict[str, FigureSpec] = {
    "null": FigureSpec(
        "Null of the test: {subject}",
        "What the statistic is when the term's rows are moved against everything else (grey), and what it is as they "
        "were recorded (line), for each unit, the example unit first. Coloured where p is at most 0.05 by itself, "
        "before any correction over units; p is no smaller than 1 / (draws + 1). Above, the independent stretches: "
        "with few of them the grey is a handful of values seen again and again, and decides little. Good, for a term "
        "that matters: the line far to the right of the grey; how far tells more than p.",
        ("tests",),
        "inference_tests:draw_null",
        _tests,
    ),
    "ks": FigureSpec(
        "Timing of spikes: {subject}",
        "Held-out intervals between spikes, rescaled by what the model expects. First: share of the example unit's "
        "intervals up to each value, with the 95 % band. Second: the same minus the diagonal, times the root of the "
        "number of intervals, for every unit (the example thick). Third and fourth: autocorrelation of the rescaled "
        "intervals and of the residuals of bins, with the 95 % band of a unit of median length. Good: on the diagonal; "
        "19 of 20 units within the bands. With many spikes every model leaves the band: look at how far. A missed "
        "drift shows in the third panel, not in the first.",
        ("checks",),
        "inference_checks:draw_ks",
        _checked,
        (
            "Residuals: {subject}",
            "Autocorrelation of the residuals of bins on held-out rows, every unit (the example thick), with the 95 % "
            "band of a unit of median length. Good: 19 of 20 units within the band; what is left over above it is a "
            "drift, or a memory that the model lacks.",
        ),
    ),
    "calibration": FigureSpec(
        "Calibration and variability: {subject}",
        "Left: held-out rows in tenths by what the model expects; mean response against mean expectation, every unit "
        "(the example thick), the line is equality. Right: variance of counts about their expectation over windows of "
        "so many bins, divided by the expectation. Good: on the line; flatter than it says that expectations are too "
        "extreme (overfitted). Right, 1 for Poisson counts at every window (below it for binary bins, above it for "
        "negative binomial ones): what grows with the window is a drift or a state that the model misses.",
        ("checks",),
        "inference_checks:draw_calibration",
        _checked,
        (
            "Calibration: {subject}",
            "Held-out rows in tenths by what the model expects; mean response against mean expectation, every unit "
            "(the example thick), the line is equality. Good: on the line; flatter than it says that expectations are "
            "too extreme (overfitted).",
        ),
    ),
    "ceiling": FigureSpec(
        "Ceiling of repeated stimuli: {subject}",
        "Left: the example unit's mean over repeats of the same stimulus (grey) where it responds most, and the "
        "held-out prediction. Right: for each unit, the share of single responses' variance that any model could "
        "explain, and the model's correlation with the mean over repeats in units of the explainable signal (CCnorm), "
        "each with its 95 % interval over pieces of the stimulus; a cross below: too noisy to normalise. Good: near "
        "the line at 1, which noise can pass where repeats are few. A low CCnorm at a high share is what the model "
        "misses; at a low share little can be said.",
        ("ceiling",),
        "inference_ceiling:draw_ceiling",
        lambda study: study.inference.ceiling.models,
    ),
}

ACROSS: dict[str, FigureSpec] = {
    "volcano": FigureSpec(
        "Tests of terms: effect and p value",
        "Left: what the term adds on held-out rows, and the p value of each unit; filled where significant after the "
        "correction over all units, the dashed line is the least p that the draws allow. Right: the p values against "
        "what they would be without any effect (line); units share the term, so that they rise and fall together. "
        "Good, for a term that matters: filled points to the right. Points high up at a gain of 0 or less are effects "
        "that predict nothing; points to the right and low are gains that a moved term has as well.",
        ("tests",),
        "inference_tests:draw_volcano",
        _any_tests,
    ),
    "counts": FigureSpec(
        "Tests of terms: how many units, against chance",
        "Units with p at most 0.05 by themselves (point) in each session, and how many the null's own draws give when "
        "each is taken for the data (bar: the middle 95 %, tick: median). Units share the term, so that chance gives "
        "many at once: the bar, not 5 %, is what the count is held against. Good, for a term that matters: the point "
        "right of its bar, in most sessions.",
        ("population",),
        "inference_tests:draw_counts",
        _any_tests,
    ),
    "worth": FigureSpec(
        "What terms are worth",
        "Left: each term's share of the deviance that the model explains of held-out rows: filled, what is lost "
        "without the term; hollow, what it explains alone (medians over units, averaged over sessions and animals); "
        "times: the variance inflation by the other terms. Right: what is lost without it in each session, and the "
        "estimate with its 95 % interval over animals (or sessions) where there are two or more. Good: the two ends "
        "close to each other and right of 0 in every session. Far apart, the terms share what they explain, and which "
        "of them drives the unit is open. Both ends assume covariates without error: where one is measured with "
        "noise, another that goes with it takes its place, however small the inflation.",
        ("worth",),
        "inference_worth:draw_worth",
        lambda study: WHOLE if study.inference.worth.models else (),
    ),
    "preferences": FigureSpec(
        "How many units each model predicts best",
        "Point: units whose held-out rows a model predicts best. Bar: the middle 95 % of what comes out when the "
        "models' labels are exchanged in every fold, for all units of a session together (tick: median): units that "
        "share signals and time do not vote independently. Good, for a model: right of its bar. A model with more "
        "parameters starts behind, and a vote tells nothing of sizes: see the paired differences.",
        ("preferences",),
        "inference_worth:draw_preferences",
        lambda study: WHOLE if len(study.models) > 1 and not _in_sample(study) else (),
    ),
    "controls": FigureSpec(
        "Controls",
        "Each unit's held-out score as it is, and of the same model under a control (lines join a unit, bars are "
        "medians; what leaves the axis stands at its edge): another unit's response, time running backwards, or as "
        "few spikes as the least active unit has. Good: under reversed time at 0 or below, where all terms run "
        "backwards; what is left above 0 there is not what the model was asked for. Under a shuffle of units only own "
        "history and couplings can be lost: features that all units share explain any of them. Rate matching asks "
        "whether units still differ when they fire alike.",
        ("controls",),
        "inference_controls:draw_controls",
        lambda study: WHOLE if study.inference.controls else (),
    ),
}
