"""The methods paragraphs on tests of terms, intervals on filters, and goodness of fit."""

from __future__ import annotations

from nwbglm.study import Study

from .words import listed

STATISTICS = {
    "score": "Rao's score statistic of the term beside the fitted rest, its penalty included",
    "gain": "twice the gain in penalised log-likelihood of a fit with the term over one without",
    "held_out": "the gain in log-likelihood over held-out rows",
}


def tests_words(study: Study) -> str:
    """Say which terms were tested, against which null, and what it assumes."""
    tests = study.inference.tests
    if not tests:
        return ""
    parts, nulls, statistics = [], {}, set()
    for name, test in tests.items():
        null = test.resolved(study.rest_has_drift(name))
        nulls[null.kind] = null.settings
        statistics.add(test.statistic)
        count = len(study.sessions) - 1 if null.kind == "sessions" else test.draws
        parts.append(f"'{test.term}' in '{test.model}' ({null.settings.moved}, {count} draws)")
    text = (
        f"Terms tested: {listed(parts)}. A term's feature rows were moved against the response and the rest of its "
        "model, which stayed together, with the same draws for all units of a session; the statistic is "
        f"{listed([STATISTICS[name] for name in STATISTICS if name in statistics])}, the p value its rank among those "
        "of the draws. "
    )
    for null in nulls.values():
        text += f"{null.moved[0].upper()}{null.moved[1:]} assume that {null.assumes}. "
    if "circular" in nulls:
        text += (
            "Harris (2020) warns of circular shifts for drifting signals, while later simulations of stationary ones "
            "find them among the best: a term of time in the rest takes the drift. "
        )
    method = {"bh": "Benjamini and Hochberg (1995)", "by": "Benjamini and Yekutieli (2001)"}[study.inference.fdr.method]
    return text + (
        f"P values were corrected over the units of all sessions by {method} at {study.inference.fdr.level:g}. "
    )


def intervals_words(study: Study) -> str:
    """Say how intervals on filters were made."""
    models, settings = study.inference.interval_models, study.inference.intervals
    if not models:
        return ""
    named = listed([f"'{name}'" for name in models])
    if settings.method == "laplace":
        how = "from the curvature of the penalised likelihood at its maximum, as if rows were independent"
    else:
        how = (
            f"from the scores of {settings.blocks} blocks of rows (or of every epoch, where there are more) and the "
            "prior that the penalty stands for, H^-1 (S + n s P) H^-1, with Student's t for one degree less than there "
            "are blocks"
        )
    return (
        f"Filters of {named} have intervals at {settings.level:g}, pointwise and simultaneous over each filter, {how}. "
        "Under a penalty they hold on average across the filters, not for each (Nychka 1988; Marra and Wood 2012), and "
        "no interval repairs what a model misses. "
    )


def checks_words(study: Study) -> str:
    """Say how goodness of fit was checked."""
    if not study.inference.checks.models:
        return ""
    named = listed([f"'{name}'" for name in study.inference.checks.models])
    return (
        f"Goodness of fit of {named} was checked on held-out rows, each predicted by the fit that never saw it: "
        "intervals between spikes rescaled in discrete time (Haslinger, Pipa and Brown 2010; counts above one placed "
        "uniformly in their bin; negative binomial counts by their randomised quantiles), conditional on ending before "
        "their stretch of rows does (Wiener 2003), with the Kolmogorov-Smirnov distance averaged over 10 random "
        "placements; the autocorrelation of their normal scores over 10 lags and of Pearson residuals over 20 bins "
        "(Ljung and Box 1978); the regression of responses on expectations, Pearson dispersion with the model's own "
        "variance, and Fano factors about the expectation in windows of 1, 10 and 100 bins. "
    )
