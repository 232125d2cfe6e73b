"""What every column of the comparison's tables is: the data dictionary, and the page that is made of it.

``python -m nwbglm.comparison.dictionary docs/tables.md`` writes the page again.
"""

from __future__ import annotations

import sys
from pathlib import Path

from nwbglm.scores import SCORES
from nwbglm.store.kinds import CONTRACTS

WHERE = {
    "session": "the session's name in the study",
    "animal": "the file's `subject_id`, or what `inference.animals` says; empty where nobody says",
    "unit": "the NWB unit id",
    "model": "the model's name",
    "term": "the term's name",
    "reason": "why something is not there, or a fit that did not end well; else empty",
    "rows": "rows (bins) that count",
    "spikes": "summed response of these rows",
    "kind": "in-sample, held-out (folds) or test (epochs)",
    "fold": "the fold, or `pooled`: sums over folds",
    "status": "how the fit ended; of pooled rows the worst of the folds'",
}
"""Columns that mean the same in every table."""

SUMS = {
    "log_likelihood": "nats, summed over the rows",
    "null_log_likelihood": "of a constant: the training rows' mean",
    "own_mean_log_likelihood": "of a constant: the scored rows' own mean",
    "deviance": "summed over the rows",
    "null_deviance": "of the training rows' mean",
    "own_mean_deviance": "of the scored rows' own mean",
    "exposure": "summed exposure, bins",
    "predicted": "summed prediction",
}

OF_PAIRS = {
    "other": "the model that is subtracted",
    "nested": "whether `model` has all terms of `other`",
    "adds": "the terms that `model` has more; one term: its unique contribution",
    "same_rows": "whether both were scored on equal rows",
    "folds": "folds that were scored (pooled rows)",
    "folds_better": "folds in which `model` scores higher (pooled rows)",
    "spread": "standard deviation of the difference over folds: no standard error, folds share their training rows",
    "p_nb": "Nadeau & Bengio's corrected one-sided p value over folds; finds next to nothing in slow signals",
}

TABLES: dict[str, tuple[str, dict[str, str]]] = {
    "scores": (
        "One row a session, unit, model, kind and fold.",
        SUMS
        | {
            "intercept": "of the final fit (in-sample rows)",
            "parameters": "coefficients, intercept and nuisance (in-sample rows)",
            "effective_parameters": "degrees of freedom at the chosen strength (in-sample rows)",
            "dispersion": "nuisance parameter of models that have one (in-sample rows)",
            "strength": "of the penalty, chosen without the fold; of pooled rows the median",
            "at_edge": "whether the final strength is the first or last of its path",
            "at_bound": "whether the dispersion lies on a bound of its search",
            "observations": "the observation model",
            "measure": "what the likelihood is: a probability, or a density",
            "per": "what a response is divided by in rates, s",
            "null": "what the null of the plain columns is",
        },
    ),
    "pairs": ("Differences of two models of the same unit, kind and fold, `model` minus `other`.", OF_PAIRS),
    "units": (
        "One row a unit: what the file and the tuning say of it, and the best model.",
        {
            "best_model": "the model of the highest held-out score among good fits: no evidence of an effect",
            "notes": "fits that did not end well",
        },
    ),
    "sessions": (
        "One row a session and recording.",
        {
            "part_of": "the joined session that it belongs to",
            "included": "whether it went in",
            "verdict": "of its audit",
            "units_in_file": "units that the file holds",
            "units": "units that were analysed",
            "bins": "bins of `use`",
            "duration": "s",
            "rows_fitted": "rows of the final fits, at most",
            "sha256": "of the file",
        },
    ),
    "fits": (
        "Fits of each session and model by how they ended.",
        {
            "fits": "fits, every fold and strength counted",
            "reported": "of these, those behind a result",
            "gradient_norm": "the largest certificate: slope",
            "gap": "the largest certificate: distance from the minimum at most",
            "iterations_median": "median steps",
            "iterations_max": "most steps",
        },
    ),
    "tests": (
        "Tests of terms: one row a test, session and unit.",
        {
            "test": "the test's name in the study",
            "null": "by what the term was moved",
            "drift": "whether the rest of the model has a term of time",
            "kind_of_statistic": "score, gain or held_out",
            "assumes": "what the null assumes",
            "statistic": "of the data",
            "draws": "draws of the null that count",
            "failed": "draws that did not end well",
            "null_median": "median of the null's statistics",
            "null_q95": "their 95 % quantile",
            "held_out_gain": "what the term adds on held-out rows, bits per spike (or per bin)",
            "effect": "the held-out gain above the null's median, where the null has held-out gains",
            "p": "rank of the statistic among those of the draws, uncorrected",
            "p_conservative": "p that is guaranteed where one series is stationary",
            "p_bh": "corrected over the units of all sessions of the test, Benjamini & Hochberg",
            "p_by": "the same, Benjamini & Yekutieli",
            "significant": "whether the study's corrected p is at most its level",
            "floor": "the least p that the draws allow",
            "stretches": "independent stretches of the term: rows / (2 tau)",
            "rank_changes": "draws that visit another number of basis functions",
            "warning": "what stands between p and a conclusion",
        },
    ),
    "population": (
        "Tests of terms: one row a test and session.",
        {
            "test": "the test's name in the study",
            "units": "units that were tested",
            "alone": "units with p <= .05 by themselves",
            "null_median": "how many the null's own draws give when each is taken for the data, median",
            "null_low": "the same, 2.5 %",
            "null_high": "the same, 97.5 %",
            "p": "rank of `alone` among these",
            "p_mean": "rank of the mean log statistic",
            "p_sessions": "p of all sessions together, where the null moves sessions",
            "significant": "units that are significant after correction",
            "stretches": "least number of independent stretches",
            "least": "units that must be significant together for the correction to accept any",
        },
    ),
    "intervals": (
        "Bands of filters: one row a point of a filter.",
        {
            "input": "the input of the filter: a unit, a signal, or `own`",
            "axis": "`lag` or `value`",
            "at": "the place there (s, or the signal's units; of a category the number of its level)",
            "text": "the level of a category",
            "axis_1": "the second axis of a product",
            "at_1": "the place there",
            "text_1": "the level there",
            "value": "the filter",
            "low": "pointwise limit",
            "high": "pointwise limit",
            "low_all": "simultaneous limit over the filter",
            "high_all": "simultaneous limit over the filter",
            "level": "of the intervals",
            "method": "block or laplace",
            "blocks": "blocks of rows that the covariance is from",
            "drift": "whether the model has a term of time",
            "warning": "what makes the intervals less than they seem",
        },
    ),
    "checks": (
        "Goodness of fit on held-out rows: one row a unit.",
        {
            "observations": "the observation model",
            "bad": "keys of what is bad, separated by blanks (see inference.md)",
        },
    ),
    "worth": ("What terms are worth: one row a unit and term.", {}),
    "ceiling": (
        "Ceilings of repeated stimuli: one row a unit.",
        {"width": "of the windows, s"},
    ),
    "controls": (
        "Models under controls: one row a unit.",
        {
            "name": "the control's name in the study",
            "control": "its kind",
            "controlled": "held-out bits per spike (or per bin) under the control",
            "difference": "score minus controlled",
        },
    ),
    "preferences": (
        "How many units each model predicts best.",
        {
            "units": "units that were counted",
            "preferred": "units that the model predicts best",
            "null_median": "with exchanged labels, median",
            "null_low": "the same, 2.5 %",
            "null_high": "the same, 97.5 %",
            "p": "share of draws with as many or more",
            "folds": "folds of all sessions whose labels were exchanged",
        },
    ),
    "selection": (
        "Random-effects model selection: a heuristic.",
        {
            "units": "units with a finite score of every model",
            "frequency": "expected frequency of the model",
            "exceedance": "probability that it is the most frequent",
            "protected": "the same, shrunk by the omnibus risk",
            "omnibus_risk": "probability that all are equally frequent",
        },
    ),
}
"""By table: what a row is, and its columns beside `WHERE`, scores, and what the table's stores say."""

STORES = {"checks": "checks", "worth": "worth", "ceiling": "ceiling", "controls": "controls"}
"""Tables whose columns are variables of stores: their contracts say what they are."""

HEAD = """# The tables

Made from the code by `python -m nwbglm.comparison.dictionary docs/tables.md`. Tables are parquet files in
`results/<study>/comparison/`, and CSV in the report.
"""


def columns_of(table: str) -> dict[str, str]:
    """Return what each column of a table is; columns of `units` that come from the file are the file's own."""
    known = dict(WHERE)
    if table in STORES:
        known |= {one.name: one.says for one in CONTRACTS[STORES[table]].variables if one.dims[:1] == ("unit",)}
    if table == "checks":
        known |= {f"fano_{bins}": f"Fano factor about the expectation, windows of {bins} bins" for bins in (1, 10, 100)}
    if table in ("scores", "pairs", "units"):
        known |= {"log_likelihood": SUMS["log_likelihood"]}
        for score in SCORES:
            known[score.name] = score.words or score.label
            if score.against_null:
                known[f"{score.name}_own_mean"] = f"{score.label} against the scored rows' own mean"
    return known | TABLES[table][1]


def dictionary_text() -> str:
    """Return the page: what each table has of its own, after what all have in common."""
    parts = [HEAD, "## In every table\n", _rows(WHERE)]
    scores = {score.name: score.words or score.label for score in SCORES}
    parts += ["## Scores (in `scores`, `pairs`, `units`)\n", _rows(scores)]
    for table, (says, own) in TABLES.items():
        of = STORES.get(table)
        more = f" Columns beside these: [the store's variables](stores.md#{of})." if of else ""
        parts += [f"## {table}\n", f"{says}{more}\n", *([_rows(own)] if own else [])]
    return "\n".join(parts).rstrip() + "\n"


def _rows(columns: dict[str, str]) -> str:
    return "\n".join(["| column | what |", "|---|---|", *(f"| `{n}` | {says} |" for n, says in columns.items())]) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(dictionary_text(), encoding="utf-8")
