"""Which figures a study has, decided from the study alone, so that the workflow knows them before any data is read.

A figure's name is its family, and after a hyphen its subject where the family has one: ``scores``,
``tuning-heading``, ``coupling-full``. No family has a hyphen in its name.
"""

from __future__ import annotations

from collections.abc import Mapping

from nwbglm.study import Study

from .inference_catalogue import ACROSS, OF_SESSION
from .spec import WHOLE, FigureSpec, always
from .subjects import (
    circular_tunings,
    coupled_models,
    filters,
    halves,
    longest_window,
    maps,
    products,
    shown_features,
    tunings,
    with_basis,
    with_terms,
    with_truth,
)

__all__ = ["FIGURES", "OVERALL", "FigureSpec", "figures_of", "overall_figures_of", "split_name", "title_of", "words_of"]


MOVING = ("window",)
"""Families with an animation."""

_DATA = ("binned", "tuning", "predictions")

BANDS = (
    "Shaded, where the study asks for intervals: pointwise (dark) and simultaneous over the filter (light). They "
    "hold on average across the filters, not for each, and are too narrow where a drift is missed. "
)

TUNING_BANDS = (
    "Shaded in a model's colour, where the study asks for intervals: what the pointwise interval on the model's own "
    "term of the signal makes of its curve, all other terms as they are."
)

FIGURES: dict[str, FigureSpec] = {
    "overview": FigureSpec(
        "The recording at a glance",
        "All that is in use: epochs by their label in the file (and which of them are fitted or tested), every signal"
        " of the study, and the units' responses, in the order of preferred value where they have one. Thin upright "
        "lines part segments. Good: signals without holes, responses in every epoch, no stretch of silence in all "
        "units.",
        ("binned", "tuning"),
        "recorded:draw_overview",
        always,
    ),
    "shapes": FigureSpec(
        "Shapes of what is fitted",
        "Every array from bins to filters, its shape and its axes. Good: many more rows than features.",
        ("binned", "folds", "features", "fits"),
        "shapes:draw_shapes",
        always,
    ),
    "rows": FigureSpec(
        "What became of every row",
        "Pale: rows that are used; hatched colours: rows that are not, by their reason. First line: what all compared"
        " models can use; then each term by itself; last the test folds, in time. The table lists every stretch with "
        "its reason. Good: little is lost, at the starts of epochs only.",
        ("binned", "folds", "features"),
        "shapes:draw_rows",
        always,
    ),
    "rates": FigureSpec(
        "Rates of an example unit",
        "The signals, the unit's spikes, its smoothed rate (black) and the models' rates, smoothed alike. Predictions "
        "are held out: each stretch is predicted by a fit that never saw it. Below, three busy moments larger. Thin "
        "upright lines part segments that are not neighbours in time. Good: a model's line follows the black one in "
        "time and height.",
        _DATA,
        "rates:draw_rates",
        always,
        (
            "The response of an example unit",
            "The signals, the unit's response (black) and what the models predict of it, as they were fitted. "
            "Predictions are held out: each stretch is predicted by a fit that never saw it. Below, three stretches "
            "around large values, larger. Thin upright lines part segments that are not neighbours in time. Good: a "
            "model's line follows the black one in time and height.",
        ),
    ),
    "tuning": FigureSpec(
        "Tuning: {subject}",
        "Black: rate of each unit by value, with the limits of a Poisson count; colours: the mean of the models' "
        "held-out predictions; both on the very same rows. A thin grey line: the data of all the tuning's epochs, "
        "where these differ. Grey along the axis: time at each value; bluish: never there. The number of each unit is "
        "Skaggs' information, in bits per spike, of the tuning's epochs: what a spike tells of the value, no score of "
        "a model. Good: a model that explains the tuning lies on the black line. " + TUNING_BANDS,
        _DATA,
        "tuning:draw_tuning",
        tunings,
        (
            "Tuning: {subject}",
            "Black: mean response of each unit by value, with limits that take each visit of a value as one sample; "
            "colours: the mean of the models' held-out predictions; both on the very same rows. A thin grey line: the "
            "data of all the tuning's epochs, where these differ. Grey along the axis: time at each value; bluish: "
            "never there. Good: a model that explains the tuning lies on the black line. " + TUNING_BANDS,
        ),
    ),
    "map": FigureSpec(
        "Map: {subject}",
        "Rate of each unit by two signals together, dark is high, white is 0 Hz, each unit scaled to its own largest "
        "rate (in the title); bluish: never visited, or for less than the study asks. Good: fields that are compact "
        "and lie where there is enough data.",
        ("tuning",),
        "tuning:draw_map",
        maps,
        (
            "Map: {subject}",
            "Mean response of each unit by two signals together, dark is high, each unit from its own least to its "
            "largest mean (in the title); bluish: never visited, or for less than the study asks. Good: fields that "
            "are compact and lie where there is enough data.",
        ),
    ),
    "population": FigureSpec(
        "The population by preferred {subject}",
        "Units in the order of their preferred value, from bottom to top, and in its colour (the scale is top left). "
        "Left: tuning; right: the same units in time, below the signal itself. Top: data; below: held-out predictions. "
        "Each unit's row has one scale throughout, up to the 99th percentile of its data: predictions that are dead "
        "look dead. Good: the band of activity follows the signal in the predictions, too.",
        _DATA,
        "population:draw_population",
        circular_tunings,
        (
            "The population by preferred {subject}",
            "Units in the order of their preferred value, from bottom to top, and in its colour (the scale is top "
            "left). Left: tuning; right: the same units in time, below the signal itself. Top: data; below: held-out "
            "predictions. Each unit's row has one scale throughout, from the 1st to the 99th percentile of its data. "
            "Good: the band of activity follows the signal in the predictions, too.",
        ),
    ),
    "basis": FigureSpec(
        "Basis functions",
        "The functions whose weighted sum is each term's filter. Good: together they cover the window without holes.",
        ("features",),
        "terms:draw_basis",
        with_basis,
    ),
    "window": FigureSpec(
        "The history window: {subject}",
        "The window slides along the input, bin by bin; each position is one row of the features (below), from which "
        "the bin behind it (framed) is predicted. It moves five times, stops under the pointer, and stands still in "
        "print. Good: the window is about as long as what one expects to matter.",
        ("binned", "tuning", "folds"),
        "sliding:draw_window",
        longest_window,
    ),
    "features": FigureSpec(
        "Features: {subject}",
        "What the model is given for the example unit, around an isolated and a busy moment. Top: the input; the "
        "shaded window is what predicts the bin at the line. Below: the features over time (each scaled to its "
        "range). Good: every feature answers the input, later functions later.",
        ("binned", "features"),
        "terms:draw_features",
        shown_features,
        (
            "Features: {subject}",
            "What the model is given for the example unit, around its largest value and where it varies most. Top: the "
            "input; the shaded window is what predicts the bin at the line. Below: the features over time (each scaled "
            "to its range). Good: every feature answers the input, later functions later.",
        ),
    ),
    "equations": FigureSpec(
        "The fitted equations",
        "Each model's equation for the example unit: the intercept, the coefficient of what is taken as it is, and the "
        "weights w of a term's functions. The table has all of them, on both halves too where these were fitted. Good: "
        "coefficients of a size that the units of the input make plausible.",
        ("binned", "tuning", "fits"),
        "equations:draw_equations",
        always,
    ),
    "coefficients": FigureSpec(
        "Coefficients: {subject}",
        "The final fit's coefficients, units by features; a term of several senders is cut between senders. In the "
        "title: the shape of the coefficients as fitted, and what it is made of. Triangles: beyond the scale, with "
        "their number. Good: no unit, and no sender, whose row or column stands out by far.",
        ("tuning", "fits"),
        "equations:draw_coefficients",
        with_terms,
    ),
    "mean_rates": FigureSpec(
        "Observed and predicted means",
        "Mean of each unit as observed and as predicted, on the very same rows: in sample those of the final fit, held "
        "out those of all test folds. Good: on the line; in sample a model with an intercept lies on it without a "
        "penalty, held out it does where the mean does not drift.",
        ("fits",),
        "means:draw_mean_rates",
        always,
    ),
    "simulated": FigureSpec(
        "Simulated beside recorded",
        "Spikes of the example unit as recorded (first row) and in five simulations of each model, which feed back "
        "what they drew. Below: the smoothed rate of the data (black), and of each model's simulations the mean with "
        "5 to 95 % of them (shaded). Good: the black line stays within the shade.",
        ("binned", "tuning", "fits", "predictions"),
        "simulated:draw_simulated",
        always,
        (
            "Simulated beside recorded",
            "The response of the example unit as recorded (black), and of twenty simulations of each model, which "
            "feed back what they drew, the mean with 5 to 95 % of them (shaded). Good: the black line stays within "
            "the shade.",
        ),
    ),
    "filters": FigureSpec(
        "Filters: {subject}",
        "The fitted sum of basis functions of each unit, in units of the linear predictor per unit of input: with an "
        "exponential link that is log gain, where 0 changes nothing and 0.69 doubles the rate. Colours: models that "
        "use the term. " + BANDS + "Good: smooth, alike between models.",
        ("fits", "intervals"),
        "filters:draw_filters",
        filters,
        (
            "Filters: {subject}",
            "The fitted sum of basis functions of each unit: what is added to the response (Gaussian models) or to "
            "its logarithm (Gamma models), per unit of input over lags, or at a value. Colours: models that use the "
            "term. " + BANDS + "Good: smooth, alike between models.",
        ),
    ),
    "product": FigureSpec(
        "Product: {subject}",
        "What the two inputs add together, in units of the linear predictor: a map of both or, where one is a "
        "condition, a curve for each of its levels (of the value itself: for its least, middle and largest value). "
        "Good: smooth, alike between models; curves that lie on each other say that the condition changes nothing. "
        "Where the study asks for intervals: pointwise ones around curves, and a veil over the places of a map whose "
        "simultaneous interval holds 0. They hold on average across filters, not for each.",
        ("tuning", "fits", "intervals"),
        "products:draw_product",
        products,
    ),
    "halves": FigureSpec(
        "History filters on both halves",
        "Left: the example unit's own-history filter, fitted on the first (solid) and second (dashed) half of the fit "
        "epochs alone. Right: correlation of the two halves' filters, one point a unit, the bar is the median. "
        "Good: halves agree; fluctuations that do not repeat are noise that was fitted.",
        ("binned", "fits"),
        "filters:draw_halves",
        halves,
    ),
    "coupling": FigureSpec(
        "Coupling filters: {subject}",
        "Rows: receivers; columns: senders; each cell runs over the lags, logarithmically; thin line: 0. All cells "
        "share one scale, shown below with the lags; the diagonal (own history, grey) has its own. The margins show "
        "tuning: data black, the model's predictions dashed. Good, in a ring of head-direction units: neighbours "
        "excite, opposites inhibit. Where the study asks for intervals, pointwise ones are shaded, and a filter is "
        "faint whose simultaneous interval holds 0 at every lag; they hold on average across filters, not for each. A "
        "coupling is functional, not anatomical: it takes up whatever both units have in common.",
        ("tuning", "fits", "predictions", "intervals"),
        "coupling:draw_coupling",
        coupled_models,
    ),
    "scores": FigureSpec(
        "Scores of the models",
        "One point a unit, lines join the same unit, the bar is the median. Filled: held out; hollow: in-sample. "
        "Triangles: below the axis, with their number. Good: held-out scores close to the in-sample ones; a large gap "
        "between them is overfitting. Above 0 alone is no evidence of an effect.",
        ("fits",),
        "scores:draw_scores",
        always,
    ),
    "truth": FigureSpec(
        "Truth against estimate",
        "This session was simulated. Every true value against its estimate; the line is equality. Correlation and "
        "relative error (root mean square error over root mean square truth) stand in each panel. Good: on the line.",
        ("binned", "tuning", "fits", "predictions", "truth"),
        "truth:draw_truth",
        with_truth,
    ),
} | OF_SESSION

OVERALL: dict[str, FigureSpec] = {
    "scores": FigureSpec(
        "Scores over all sessions",
        "One point a unit; the bar is the median over units. Filled: held out; hollow: in-sample. Triangles: "
        "below the axis, with their number. Good: held out close to in-sample; above 0 alone is no "
        "evidence of an effect. Where the study holds nothing "
        "out, all are in-sample and favour the larger model.",
        ("scores",),
        "overall:draw_scores",
        always,
    ),
    "differences": FigureSpec(
        "Paired differences between models",
        "Held-out score (in-sample where nothing is held out) of the first model minus the second, "
        "one point a unit; bar: the mean over sessions of their units' medians, below it its 95 % interval where there "
        "are two sessions or more (t below ten, hierarchical bootstrap from ten on). It speaks of sessions like these, "
        "not of single units. Good: sessions that agree with one another.",
        ("pairs",),
        "overall:draw_differences",
        lambda study: WHOLE if len(study.models) > 1 else (),
    ),
} | ACROSS


def figures_of(study: Study) -> list[str]:
    """List the names of the figures that every session of a study has."""
    return _names(FIGURES, study)


def overall_figures_of(study: Study) -> list[str]:
    """List the names of the figures over all sessions."""
    return _names(OVERALL, study)


def extras_of(study: Study) -> list[str]:
    """List the further files of a session's figures that a study asks for: PDF at the widths it names, animations."""
    names = figures_of(study)
    printed = [f"{name}.{width:g}mm.pdf" for width in study.figures.pdf for name in names]
    return printed + [f"{name}.gif" for name in names if study.figures.movie and split_name(name)[0] in MOVING]


def overall_extras_of(study: Study) -> list[str]:
    """List the further files of the figures over all sessions: PDF at the widths that a study names."""
    return [f"{name}.{width:g}mm.pdf" for width in study.figures.pdf for name in overall_figures_of(study)]


def _names(registry: dict[str, FigureSpec], study: Study) -> list[str]:
    return [
        f"{family}-{subject}" if subject else family
        for family, spec in registry.items()
        for subject in spec.subjects(study)
    ]


def split_name(name: str) -> tuple[str, str]:
    """Split a figure's name into its family and its subject ('' where it has none)."""
    family, _, subject = name.partition("-")
    return family, subject


def title_of(name: str, registry: Mapping[str, FigureSpec] = FIGURES, *, continuous: bool = False) -> str:
    """Return the heading of a figure; `continuous` says whether the study's response is."""
    return words_of(name, registry, continuous=continuous)[0]


def words_of(name: str, registry: Mapping[str, FigureSpec] = FIGURES, *, continuous: bool = False) -> tuple[str, str]:
    """Return the heading and the caption of a figure; `continuous` says whether the study's response is."""
    family, subject = split_name(name)
    spec = registry[family]
    title, caption = spec.continuous if continuous and spec.continuous is not None else (spec.title, spec.caption)
    return title.format(subject=subject), caption
