"""The methods paragraphs, written from the study, so that they say what was done and not what was meant."""

from __future__ import annotations

import string

from nwbglm.scores import SCORES
from nwbglm.study import OBSERVATION_MODELS, EpochSelection, Folds, Signal, Study
from nwbglm.study.data import Blank
from nwbglm.study.fitting import NoPenalty, Penalised
from nwbglm.study.terms import Factor, Term

from .inference_words import checks_words, intervals_words, tests_words
from .settings_words import also
from .words import listed
from .worth_words import ceiling_words, controls_words, levels_words, preference_words, worth_words

INPUTS = {
    "own": "the unit's own {}",
    "all": "the {} of all analysed units, its own included",
    "other": "the {} of all other analysed units",
}


def paragraphs(study: Study) -> list[str]:
    """Write what was done: data, models, fits, scores; one paragraph each."""
    return [
        text
        for text in (
            _data(study),
            _models(study),
            _fits(study),
            _scores(study),
            tests_words(study),
            intervals_words(study),
            checks_words(study),
            levels_words(study),
            worth_words(study),
            preference_words(study),
            ceiling_words(study),
            controls_words(study),
        )
        if text
    ]


def duration(seconds: float) -> str:
    """Write seconds for a reader: "10 ms", "0.8 s", "3 min"."""
    if seconds < 0.1:
        return f"{1000 * seconds:g} ms"
    return f"{seconds:g} s" if seconds < 120 else f"{seconds / 60:g} min"


def _data(study: Study) -> str:
    text = "".join(
        f"The recordings {listed(list(join.sessions))} hold the same units (by {join.match or 'their NWB ids'}) and "
        f"were fitted as one session, '{name}'. "
        for name, join in study.join.items()
    )
    text += _response(study)
    chosen = [f"where {study.units.where}" if study.units.where else "", _ids(study.units.ids)]
    chosen = [part for part in chosen if part]
    text += f", for units {' and '.join(chosen)}" if chosen else ", for all units"
    text += f"{also(study.units, ('where', 'ids'))}."
    if study.partial_bins == "keep":
        text += " The shorter last bin of an epoch was kept, with its exposure."
    for purpose, selection in study.epochs.items():
        text += f" Epochs '{purpose}': {_epochs(selection)}."
    for name, blank in study.blank.items():
        text += f" Not counted as observed ('{name}'): {_blank(blank)}."
    if study.invalid_times == "keep":
        text += " Time that a file marks as invalid (its table invalid_times) was kept."
    if study.blank or study.partial_bins == "keep" or "min_exposure" in study.changed:
        text += f" Bins observed for less than {study.min_exposure:g} of their width were left out."
    for name, mask in study.mask.items():
        text += f" Bins were left out ('{name}') where {mask}, or where that is not known."
    for name, signal in study.signals.items():
        text += f" The signal '{name}' is {_signal(signal)}."
    what = "rate" if study.response is None else "mean response"
    for name, tuning in study.tuning.items():
        where = "at the signal's own samples" if tuning.at == "samples" else "on the study's bins"
        text += f" Tuning '{name}': {what} by {tuning.of} in {tuning.bins} bins, {where}, over '{tuning.epochs}'"
        text += f"{also(tuning, ('of', 'bins', 'at', 'epochs'))}."
    for name, entry in study.maps.items():
        text += f" Map '{name}': {what} by {' and '.join(entry.of)}, over '{entry.epochs}'"
        text += f"{also(entry, ('of', 'epochs'))}."
    return text


def _response(study: Study) -> str:
    """Say what is explained, and how it comes to the bins."""
    response = study.response
    if response is None:
        return f"Spikes were counted in bins of {duration(study.bin)}"
    brought = {
        "mean": f"averaged in bins of {duration(study.bin)}",
        "interpolate": f"interpolated at the centres of bins of {duration(study.bin)}",
        "hold": f"taken from the last sample before the centres of bins of {duration(study.bin)}",
        "samples": f"taken sample by sample (nominally {duration(study.bin)} apart; a gap ends a stretch)",
    }[response.resample]
    name = f" ({response.name})" if response.name else ""
    units = f", in {response.units}" if response.units else ""
    rest = also(response, ("source", "resample", "name", "units"))
    return f"The response is continuous: {response.source}{name}{units}, one unit a column or series, {brought}{rest}"


def _ids(ids: tuple[int, ...] | None) -> str:
    return f"with ids {listed([str(unit) for unit in ids])}" if ids else ""


def _signal(signal: Signal) -> str:
    if signal.of is not None:
        return "time itself, from 0 to 1 over what is fitted or tested"
    derived = {None: "", "speed": "the speed from ", "derivative": "the derivative of ", "unwrap": "the unwrapped "}
    text = derived[signal.derive] + signal.source
    text += f" (column {signal.column})" if signal.column is not None else ""
    text += f" where {signal.where}" if signal.where else ""
    text += f" at {signal.time}" if signal.time else ""
    if signal.resample == "boxcar" and {"start", "stop"} & signal.changed:
        text += f" from {signal.start} to {signal.stop}"
    text += f", each row counting its {signal.value}" if signal.value else ""
    text += f" in {signal.units}" if signal.units else ""
    text += f", circular with period {signal.circular:.6g}" if signal.circular else ""
    text += f", smoothed with a Gaussian of {duration(signal.smooth)}" if signal.smooth else ""
    text += f", {duration(abs(signal.shift))} {'later' if signal.shift > 0 else 'earlier'}" if signal.shift else ""
    brought = {
        "mean": "averaging its samples",
        "interpolate": "interpolation",
        "hold": "holding the last sample",
        "events": "counting its events",
        "boxcar": "what share of the bin its rows are on",
    }
    said = (
        "source",
        "of",
        "derive",
        "column",
        "where",
        "time",
        "value",
        "units",
        "period",
        "smooth",
        "shift",
        "resample",
    )
    boxcar = ("start", "stop") if signal.resample == "boxcar" else ()
    return f"{text}, brought to the bins by {brought[signal.resample]}{also(signal, (*said, *boxcar))}"


def _blank(blank: Blank) -> str:
    if blank.epochs is not None:
        text = _epochs(blank.epochs)
    elif blank.silence is not None:
        text = f"stretches of {duration(blank.silence)} or more in which no unit of the file fires"
    else:
        text = f"the events of {blank.events}" + (f" where {blank.where}" if blank.where else "")
    around = [f"{duration(t)} {side}" for t, side in ((blank.before, "before"), (blank.after, "after")) if t]
    text += f", and {listed(around)}" if around else ""
    return text + also(blank, ("epochs", "silence", "events", "where", "before", "after"))


def _epochs(selection: EpochSelection) -> str:
    parts = []
    if selection.intervals is not None:
        parts.append(listed([f"{a:g} to {b:g} s" for a, b in selection.intervals]))
    elif not selection.within or selection.table or selection.where or selection.tags or selection.label:
        parts.append(f"table '{selection.table or 'epochs'}'")
    tags = (selection.tags,) if isinstance(selection.tags, str) else selection.tags
    parts += [f"where {selection.where}"] if selection.where else []
    parts += [f"with the tags {listed(list(tags))}"] if tags else []
    parts += [f"labelled {selection.label}"] if selection.label else []
    if selection.index is not None:
        parts.append(f"rows {listed([str(i) for i in selection.index])} of these, counted from 0")
    parts += [f"within '{selection.within}'"] if selection.within else []
    parts += [f"the first {duration(selection.first)}"] if selection.first is not None else []
    parts += [f"the last {duration(selection.last)}"] if selection.last is not None else []
    said = ("table", "where", "tags", "label", "index", "intervals", "within", "first", "last")
    return ", ".join(parts) + also(selection, said)


def describe_term(term: Term) -> str:
    """Say in words what a term is."""
    return " times ".join(_factor(factor) for factor in term.factors)


def _factor(factor: Factor) -> str:
    settings = factor.basis.settings
    said = {name for _, name, _, _ in string.Formatter().parse(settings.words) if name}
    words = settings.describe() + also(settings, {*said, "window", "direction", "begin"})
    source = INPUTS[factor.senders].format(factor.of.split()[1]) if factor.senders else factor.of
    if not factor.basis.window:
        return f"{source} now, through {words}"
    place = {"causal": "the last", "anticausal": "the next", "acausal": "the surrounding"}[factor.basis.direction]
    begin = "" if factor.basis.begin is None else f" from a lag of {duration(factor.basis.begin)} on"
    return f"{source} over {place} {duration(factor.basis.window)}{begin}, through {words}"


def _models(study: Study) -> str:
    constant = "a constant rate" if study.response is None else "a constant"
    terms = "; ".join(f"'{name}': {describe_term(study.terms[name])}" for name in study.used_terms)
    models = "; ".join(
        f"'{name}': {' + '.join(model.terms) if model.terms else constant}" for name, model in study.models.items()
    )
    links = {OBSERVATION_MODELS[study.fit.of_model(model).observations].link for model in study.models.values()}
    of = "expected count" if study.response is None else "expected response"
    through = (
        "" if links == {"identity"} else "log of the " if links == {"log"} else "log (or other link, see below) of the "
    )
    text = f"Each model predicts the {through}{of} of a unit in a bin as an intercept plus the sum of its terms. "
    return text + (f"Terms: {terms}. " if terms else "") + f"Models: {models}."


def _fits(study: Study) -> str:
    settings = {name: study.fit.of_model(model) for name, model in study.models.items()}
    distributions = _grouped({name: OBSERVATION_MODELS[fit.observations].words for name, fit in settings.items()})
    text = (
        f"Each unit was fitted by itself, with {distributions}, "
        "by maximum likelihood, penalised as follows (the intercept is never penalised): "
    )
    text += _grouped({name: _penalty(fit.penalty.settings) for name, fit in settings.items()}) + ". "
    if "train" in study.epochs:
        text += "Models were trained on the epochs 'train' and scored on the epochs 'test'. "
    text += _folds(study.fit.folds)
    if any(len(fit.penalty.strengths) > 1 for fit in settings.values()):
        how = {
            "best": "that of the highest held-out likelihood",
            "one_se": "the largest within one standard error of the best",
        }
        seen = "fits that saw nothing of it" if study.fit.nested else "the scores of the other folds"
        text += (
            f"The strength is {_grouped({name: how[fit.choose] for name, fit in settings.items()})}; the score of a "
        )
        text += (
            f"fold uses the strength chosen by {seen}, and the coefficients shown are refitted on all training rows. "
        )
    rows = {"shared": "the rows that every compared model can use", "own": "all rows that the model itself can use"}
    text += f"Fitted and scored: {_grouped({name: rows[fit.rows] for name, fit in settings.items()})}."
    halves = [f"'{name}'" for name, model in study.models.items() if model.halves]
    text += f" On each half of the fitted rows alone, too: {listed(halves)}." if halves else ""
    rest = also(study.fit, ("observations", "penalty", "rows", "folds", "choose", "nested", "gpus"))
    text += f" Numerical settings{rest}." if rest else ""
    return f"{text} All random draws derive from the seed {study.seed}."


def _penalty(settings: NoPenalty | Penalised) -> str:
    """Say what a penalty is, with all that it is set to."""
    return settings.describe() + also(settings, ("strength", "scale", "relative"))


def _grouped(words: dict[str, str]) -> str:
    """Say what holds for each model, once where it holds for all."""
    by_words: dict[str, list[str]] = {}
    for name, text in words.items():
        by_words.setdefault(text, []).append(f"'{name}'")
    if len(by_words) == 1:
        return next(iter(by_words))
    return "; ".join(f"{text} for {listed(names)}" for text, names in by_words.items())


def _folds(folds: Folds) -> str:
    if folds.in_sample:
        return "Nothing was held out: all fits and scores are in sample, and favour models with more parameters. "
    if not folds.blocks:
        return ""
    cut = {
        "rows": "{n} contiguous blocks of rows",
        "within_epochs": "{n} contiguous blocks of every epoch",
        "epochs": "whole epochs, dealt to {n} folds",
        "sessions": "one recording of a joined session is held out after the other",
    }[folds.cut].format(n=folds.blocks)
    if folds.cut == "sessions":
        return f"Cross-validation: {cut}{also(folds, ('blocks', 'cut', 'gap'))}. "
    if folds.pieces is not None:
        cut = f"{folds.pieces} contiguous pieces of rows, dealt to {folds.blocks} folds in turn"
    gap = "the longest history of any term and one bin" if folds.gap == "auto" else duration(folds.gap)
    rest = also(folds, ("blocks", "cut", "pieces", "gap"))
    return f"Cross-validation: {cut}{rest}; a gap of {gap} is purged around each test piece. "


def _scores(study: Study) -> str:
    measures = {OBSERVATION_MODELS[study.fit.of_model(model).observations].measure for model in study.models.values()}
    words = "; ".join(score.words for score in SCORES if score.words and measures & set(score.measures))
    text = (
        "LL is the log-likelihood with all its constants, in nats, summed over folds before a score is formed "
        "(pooled). The null model is a constant, LL0 and D0: the mean of the training rows, with a dispersion or "
        f"variance of its own. {words}. A difference of two models on equal rows is that of their log-likelihoods, "
        "whatever each one's null. "
    )
    if len(measures) > 1:
        text += "Models of counts and models with a density are not compared: their likelihoods have no common unit. "
    return text + (
        "The tables also hold every score against the mean of the scored rows themselves (columns ending in "
        "_own_mean), the null that NeMoS prints. Summaries over units are medians, since one diverging fit would rule "
        "a mean."
    )
