"""What each family of figures has a figure of in a study: terms, models, tuning curves."""

from __future__ import annotations

from nwbglm.study import Factor, Study

from .spec import WHOLE


def tunings(study: Study) -> tuple[str, ...]:
    """Return the tuning curves."""
    return tuple(study.tuning)


def circular_tunings(study: Study) -> tuple[str, ...]:
    """Return the tuning curves to circular signals."""
    return tuple(name for name, tuning in study.tuning.items() if study.signals[tuning.of].circular is not None)


def maps(study: Study) -> tuple[str, ...]:
    """Return the maps of two signals."""
    return tuple(study.maps)


def single(study: Study, name: str) -> Factor | None:
    """Return a term's only factor; a product of several has no one-dimensional picture."""
    factors = study.terms[name].factors
    return factors[0] if len(factors) == 1 else None


def with_basis(study: Study) -> tuple[str, ...]:
    """Return `WHOLE` where some used term has basis functions worth a picture."""
    factors = [factor for name in study.used_terms for factor in study.terms[name].factors]
    return WHOLE if any(not factor.basis.settings.plain for factor in factors) else ()


def lagged(study: Study) -> tuple[str, ...]:
    """Return the used terms of one input over lags."""
    return tuple(n for n in study.used_terms if (factor := single(study, n)) and factor.basis.window > 0)


def longest_window(study: Study) -> tuple[str, ...]:
    """Return the lagged term that a window is shown of: raw lags before functions, own spikes before signals."""
    factors = {name: study.terms[name].factors[0] for name in lagged(study)}
    causal = [name for name, factor in factors.items() if factor.senders in ("own", "") and factor.basis.begin is None]
    ranks = {name: (factors[name].senders == "", not factors[name].basis.settings.plain) for name in causal}
    return (min(causal, key=lambda name: ranks[name]),) if causal else ()


def shown_features(study: Study) -> tuple[str, ...]:
    """Leave out a term of others' spikes whose columns of one unit equal those of an own-history term."""
    factors = {name: study.terms[name].factors[0] for name in lagged(study)}
    own = [factor.basis for factor in factors.values() if factor.senders == "own"]
    return tuple(n for n, f in factors.items() if f.senders == "own" or not f.of_spikes or f.basis not in own)


def filters(study: Study) -> tuple[str, ...]:
    """Terms of one input: the filters of several inputs are in the coupling figure."""
    return tuple(
        name
        for name in study.used_terms
        if (factor := single(study, name)) and (factor.senders == "own" or not factor.of_spikes)
    )


def products(study: Study) -> tuple[str, ...]:
    """Products of two inputs; of several senders there would be a picture for each pair of units."""
    terms = {name: study.terms[name] for name in study.used_terms}
    return tuple(n for n, term in terms.items() if len(term.factors) == 2 and (term.own or not term.of_spikes))


def halves(study: Study) -> tuple[str, ...]:
    """Return `WHOLE` where a model with a history of its own is fitted on halves."""
    return WHOLE if any(model.halves and history_terms(study, name) for name, model in study.models.items()) else ()


def history_terms(study: Study, model: str) -> tuple[str, ...]:
    """List a model's terms of the unit's own spikes over lags."""
    return tuple(
        name
        for name in study.models[model].terms
        if (factor := single(study, name)) and factor.senders == "own" and factor.basis.window > 0
    )


def coupling_terms(study: Study, model: str) -> tuple[str, ...]:
    """List a model's terms of other units' spikes."""
    return tuple(
        name
        for name in study.models[model].terms
        if (factor := single(study, name)) and factor.of_spikes and factor.senders != "own"
    )


def coupled_models(study: Study) -> tuple[str, ...]:
    """Return the models with a term of other units' spikes."""
    return tuple(name for name in study.models if coupling_terms(study, name))


def with_terms(study: Study) -> tuple[str, ...]:
    """Return the models that have a term."""
    return tuple(name for name, model in study.models.items() if model.terms)


def with_truth(study: Study) -> tuple[str, ...]:
    """Return `WHOLE` where a session is simulated alone: joined ones differ in their truth."""
    alone = (study.recordings[name] for name in study.sessions if name not in study.join)
    return WHOLE if any(recording.nwb.simulate for recording in alone) else ()
