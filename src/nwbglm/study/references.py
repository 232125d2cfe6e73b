"""What parts of a study say of one another.

Checked on the plain data, beside pydantic's check of each part, so that one reading reports the mistakes of both kinds.
Whatever has the wrong shape is passed over here: pydantic reports it.
"""

from __future__ import annotations

import glob
import math
from collections.abc import Iterator
from typing import Any

from .base import nearest
from .bases import Basis
from .data import RESERVED
from .quantities import parse_duration
from .responses import response_mistakes
from .terms import SENDERS

MOST_LAGS = 100_000
"""Bins of a window."""


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []


def reference_mistakes(config: dict[str, Any]) -> list[str]:
    """List, with their paths, the names that lead nowhere and the settings that contradict each other."""
    return [
        *_epochs(config),
        *_signals(config),
        *_terms(config),
        *_models(config),
        *_fits(config),
        *_tests(config),
        *_inferred(config),
        *response_mistakes(config),
    ]


def _epochs(config: dict[str, Any]) -> Iterator[str]:
    epochs = _mapping(config.get("epochs"))
    if epochs and "use" not in epochs:
        yield "epochs: name the epochs `use`, all that counts of a recording, such as use: {table: epochs}"
    if ("train" in epochs) != ("test" in epochs):
        yield "epochs: name both `train` and `test`, or neither"
    for name in epochs:
        if name != "use" and "margin" in _mapping(epochs[name]):
            yield f"epochs.{name}.margin: belongs to `use`, around which bins are made"
        seen, at = [name], _mapping(epochs[name]).get("within")
        while isinstance(at, str):
            if at not in epochs:
                yield f"epochs.{name}.within: there are no epochs '{at}'; {nearest(at, epochs)}"
                break
            if at in seen:
                yield f"epochs.{name}.within: leads round in a circle ({' -> '.join([*seen, at])})"
                break
            seen.append(at)
            at = _mapping(epochs[at]).get("within")


def _signals(config: dict[str, Any]) -> Iterator[str]:
    signals = _mapping(config.get("signals"))
    for name in signals:
        if name in RESERVED:
            yield f"signals.{name}: the binned dataset needs this name for itself; choose another"
    for name, tuning in _mapping(config.get("tuning")).items():
        of = _mapping(tuning).get("of")
        if isinstance(of, str) and of not in signals:
            yield f"tuning.{name}.of: there is no signal '{of}'; {nearest(of, signals)}"
        elif isinstance(of, str) and _mapping(signals[of]).get("of") and _mapping(tuning).get("at") == "samples":
            yield f"tuning.{name}.at: '{of}' is time itself and has no samples; use at: bins"


def _terms(config: dict[str, Any]) -> Iterator[str]:
    for name, term in _mapping(config.get("terms")).items():
        term = _mapping(term)
        if "product" not in term:
            yield from _factor(term, f"terms.{name}", config)
        for i, factor in enumerate(_list(term.get("product"))):
            yield from _factor(_mapping(factor), f"terms.{name}.product[{i}]", config)


def _factor(factor: dict[str, Any], path: str, config: dict[str, Any]) -> Iterator[str]:
    signals = _mapping(config.get("signals"))
    of, basis = factor.get("of"), factor.get("basis")
    yield from _window(_mapping(basis), path, config.get("bin"))
    if isinstance(of, str) and of not in signals and of not in SENDERS:
        yield f"{path}.of: there is no input '{of}'; {nearest(of, [*SENDERS, *signals])}"
        return
    for kind, settings in _mapping(basis).items():
        family = Basis.families().get(kind)
        needs_period = family is not None and family.closes and "window" not in _mapping(settings)
        if isinstance(of, str) and needs_period and not _mapping(signals.get(of)).get("period"):
            yield f"{path}.basis.{kind}: '{of}' is not circular; give the signal a period, such as 2 pi"


def _window(basis: dict[str, Any], path: str, width: Any) -> Iterator[str]:
    """Hold a window against the bin: it is a whole number of bins, and not a million of them; so is its beginning."""
    for kind, settings in basis.items():
        yield from _beginning(_mapping(settings).get("begin"), f"{path}.basis.{kind}.begin", width)
        try:
            window, bin_width = parse_duration(_mapping(settings).get("window")), parse_duration(width)
        except ValueError:  # pydantic reports what is no duration
            continue
        if not (window > 0 and bin_width > 0):
            continue
        here = f"{path}.basis.{kind}.window: {window:g} s"
        count = window / bin_width
        if count > MOST_LAGS:
            yield f"{here} holds {count:.3g} bins of {bin_width:g} s; at most {MOST_LAGS} are taken"
        elif round(count) < 1 or abs(count - round(count)) > 1e-6 * count:
            near = sorted({max(1, int(count)), int(count) + 1})
            yield (
                f"{here} is not a whole number of bins of {bin_width:g} s; use "
                f"{' or '.join(f'{whole * bin_width:.9g} s' for whole in near)}"
            )


def _beginning(begin: Any, path: str, width: Any) -> Iterator[str]:
    try:
        count = parse_duration(begin) / parse_duration(width)
    except (ValueError, ZeroDivisionError):  # absent, or reported by pydantic
        return
    if abs(count) > MOST_LAGS:
        yield f"{path}: it is {count:.3g} bins away; at most {MOST_LAGS} are taken"
    elif abs(count - round(count)) > 1e-6 * max(abs(count), 1):
        near = [math.floor(count), math.ceil(count)]
        yield (
            f"{path}: {begin} is not a whole number of bins of {width}; use "
            f"{' or '.join(f'{whole * parse_duration(width):.9g} s' for whole in near)}"
        )


def _models(config: dict[str, Any]) -> Iterator[str]:
    terms = _mapping(config.get("terms"))
    for name, model in _mapping(config.get("models")).items():
        listed = _list(model)
        prefix = f"models.{name}"
        if isinstance(model, dict):
            listed, prefix = _list(model.get("terms")), f"{prefix}.terms"
        for i, term in enumerate(listed):
            if isinstance(term, str) and term not in terms:
                yield f"{prefix}[{i}]: there is no term '{term}'; {nearest(term, terms)}"
            elif term in listed[:i]:
                yield f"{prefix}[{i}]: '{term}' is there twice"


def _tests(config: dict[str, Any]) -> Iterator[str]:
    models = _mapping(config.get("models"))
    for name, test in _mapping(_mapping(config.get("inference")).get("tests")).items():
        term, model = _mapping(test).get("term"), _mapping(test).get("model")
        if isinstance(model, str) and model not in models:
            yield f"inference.tests.{name}.model: there is no model '{model}'; {nearest(model, models)}"
        elif isinstance(model, str) and isinstance(term, str):
            entry = models[model]
            terms = _list(entry.get("terms") if isinstance(entry, dict) else entry)
            if term not in terms:
                listed = f"its terms: {', '.join(map(str, terms))}" if terms else "it has no terms"
                yield f"inference.tests.{name}.term: model '{model}' has no term '{term}'; {listed}"
            else:
                yield from _null(_mapping(test), f"inference.tests.{name}", config)
            if _each_term_its_own(entry, config):
                yield (
                    f"inference.tests.{name}.model: '{model}' has a strength for each term, which draws cannot be "
                    "fitted with; test a model with one strength or a path, such as {ridge: {strength: 0.01}}"
                )


def _each_term_its_own(model: Any, config: dict[str, Any]) -> bool:
    """Whether a model's penalty has a strength for each term."""
    penalty = _mapping(model).get("penalty") or _mapping(config.get("fit")).get("penalty")
    return any("per" in _mapping(_mapping(kind).get("strength")) for kind in _mapping(penalty).values())


def _null(test: dict[str, Any], here: str, config: dict[str, Any]) -> Iterator[str]:
    """Find nulls that have nothing to move in the tested term, and names of signals that lead nowhere."""
    null = test.get("null")
    kind = null if isinstance(null, str) else next(iter(_mapping(null)), "")
    settings = _mapping(_mapping(null).get(kind))
    term = _mapping(_mapping(config.get("terms")).get(str(test.get("term"))))
    inputs = [_mapping(factor).get("of") for factor in _list(term.get("product")) or [term]]
    senders = {SENDERS[of] for of in inputs if isinstance(of, str) and of in SENDERS}
    signals = _mapping(config.get("signals"))
    if kind in ("draws", "sessions") and senders:
        yield (
            f"{here}.null.{kind}: term '{test.get('term')}' is of spikes, and only signals can be of "
            f"{'another session' if kind == 'sessions' else 'a generator'}; use jitter, circular or linear"
        )
    if kind in ("draws", "sessions") and any(_mapping(signals.get(str(of))).get("of") == "time" for of in inputs):
        yield f"{here}.null.{kind}: term '{test.get('term')}' is of time itself, which is the same in every session"
    if kind == "sessions" and len(_mapping(config.get("recordings"))) < 2 and not _patterned(config):
        yield f"{here}.null.sessions: there is one session only; use circular or linear"
    if kind == "jitter":
        yield from _jitter(null, senders, here, test, config)
    if kind == "trials":
        named = {"starts": [settings.get("starts")], "within": _list(settings.get("within"))}
        for key, names in named.items():
            for of in names:
                if isinstance(of, str) and of not in signals:
                    yield f"{here}.null.trials.{key}: there is no signal '{of}'; {nearest(of, signals)}"


def _patterned(config: dict[str, Any]) -> bool:
    """Whether the recordings are files of a pattern, however many they are."""
    return any("*" in str(name) + str(entry) for name, entry in _mapping(config.get("recordings")).items())


def _jitter(null: Any, senders: set[str], here: str, test: dict[str, Any], config: dict[str, Any]) -> Iterator[str]:
    if senders != {"other"}:
        yield (
            f"{here}.null.jitter: spikes of the senders are moved, and term '{test.get('term')}' is not of 'other "
            "spikes' (a unit's own spikes, moved, would tell of themselves); use circular or linear"
        )
    if _mapping(config.get("response")):
        yield f"{here}.null.jitter: a continuous response has no spikes to move; use circular or linear"
    width = _mapping(null).get("jitter")
    try:
        bins = parse_duration(_mapping(width).get("width", width)) / parse_duration(config.get("bin"))
    except (ValueError, ZeroDivisionError):  # reported by pydantic
        return
    if bins < 2 - 1e-9:
        yield (
            f"{here}.null.jitter: a window of {bins:.3g} bins of {config.get('bin')} moves nothing; use a width of two "
            "bins or more"
        )


def _terms_of(entry: Any) -> list[str]:
    """Return the terms of a model as it is written: a list, or a mapping with one."""
    return [str(term) for term in _list(entry.get("terms") if isinstance(entry, dict) else entry)]


def _inferred(config: dict[str, Any]) -> Iterator[str]:
    models, inference = _mapping(config.get("models")), _mapping(config.get("inference"))
    for part in ("intervals", "checks", "worth", "selection", "ceiling"):
        named = _list(_mapping(inference.get(part)).get("models"))
        for i, model in enumerate(named):
            if isinstance(model, str) and model not in models:
                yield f"inference.{part}.models[{i}]: there is no model '{model}'; {nearest(model, models)}"
            elif model in named[:i]:
                yield f"inference.{part}.models[{i}]: '{model}' is there twice"
    for name, control in _mapping(inference.get("controls")).items():
        model, term = _mapping(control).get("model"), _mapping(control).get("term")
        if isinstance(model, str) and model not in models:
            yield f"inference.controls.{name}.model: there is no model '{model}'; {nearest(model, models)}"
        elif isinstance(model, str) and isinstance(term, str) and term not in (has := _terms_of(models[model])):
            listed = f"its terms: {', '.join(has)}" if has else "it has no terms"
            yield f"inference.controls.{name}.term: model '{model}' has no term '{term}'; {listed}"
    if len(_list(_mapping(inference.get("selection")).get("models"))) == 1:
        yield "inference.selection.models: one model leaves nothing to choose; name two or more"
    sessions = [*_mapping(config.get("recordings")), *_mapping(config.get("join"))]
    pattern = any(glob.has_magic(str(entry)) for entry in _mapping(config.get("recordings")).values())
    for name in _mapping(inference.get("animals")):
        if name not in sessions and not pattern:
            yield f"inference.animals.{name}: there is no session '{name}'; {nearest(name, sessions)}"


def _unchosen(config: dict[str, Any]) -> Iterator[str]:
    """Find the models whose strength nothing held out could choose."""
    fit = _mapping(config.get("fit"))
    default = fit.get("penalty", {"ridge": {"strength": {"log": [1e-6, 1, 8]}}})
    for name, model in _mapping(config.get("models")).items():
        own = _mapping(model).get("penalty")
        path = "fit.penalty" if own is None else f"models.{name}.penalty"
        has_terms = bool(_mapping(model).get("terms") if isinstance(model, dict) else model)
        for kind, settings in _mapping(default if own is None else own).items():
            strength = _mapping(settings).get("strength")
            evidence = _mapping(strength).get("per") and _mapping(strength).get("by", "evidence") == "evidence"
            many = (isinstance(strength, dict) and not evidence) or len(_list(strength)) > 1
            if has_terms and many:
                yield (
                    f"{path}.{kind}.strength: with folds: none nothing is held out to choose a strength by (model "
                    f"'{name}'); give one strength, such as strength: 0.01, or penalty: none"
                )


def _fits(config: dict[str, Any]) -> Iterator[str]:
    fit, terms = _mapping(config.get("fit")), _mapping(config.get("terms"))
    penalties = {"fit.penalty": fit.get("penalty")}
    for name, model in _mapping(config.get("models")).items():
        penalties[f"models.{name}.penalty"] = _mapping(model).get("penalty")
    for path, penalty in penalties.items():
        for kind, settings in _mapping(penalty).items():
            for term in _mapping(_mapping(settings).get("relative")):
                if term not in terms:
                    yield f"{path}.{kind}.relative.{term}: there is no term '{term}'; {nearest(term, terms)}"
    folds = fit.get("folds")
    in_sample = folds == "none" or _mapping(folds).get("cut") == "none"
    blocks = 0 if in_sample else _mapping(folds).get("blocks", 5)
    if blocks == 0 and not in_sample and "test" not in _mapping(config.get("epochs")):
        yield (
            "fit.folds.blocks: 0 holds nothing out; use 2 or more, name the epochs `train` and `test`, or write "
            "folds: none for fits in sample only"
        )
    if in_sample:
        yield from _unchosen(config)
    if fit.get("nested") is True and not in_sample and blocks in (0, 2):
        yield f"fit.nested: needs 3 folds or more, to choose on what two of them leave; fit.folds.blocks is {blocks}"
