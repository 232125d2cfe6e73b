"""What the report says of inference: tests of terms, intervals on filters, goodness of fit."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from markupsafe import Markup

from nwbglm.study import Study

from . import paths
from .ceilings import ceiling_rows
from .controls import control_rows
from .inferred import checked_rows, checked_units, interval_rows
from .markup import html_table
from .tested import population_rows, test_rows
from .weighed import definition_rows, preference_rows, selection_rows, worth_rows


def inferred(study: Study, tables: Mapping[str, pd.DataFrame]) -> dict[str, Markup]:
    """Return the tables of the index page's sections on inference, by name; '' where there is nothing."""
    shown = {
        "tests": (population_rows(study, tables["population"], tables["tests"]), "Tests of terms", "population"),
        "tested_units": (test_rows(tables["tests"]), "Tests of terms, every unit, smallest p first", "tests"),
        "intervals": (interval_rows(tables["intervals"]), "Intervals on filters", ""),
        "checks": (checked_rows(tables["checks"]), "Goodness of fit on held-out rows", "checks"),
        "checked_units": (checked_units(tables["checks"]), "Goodness of fit, every unit, the worst first", "checks"),
        "worth": (worth_rows(study, tables["worth"]), "What terms are worth", "worth"),
        "definitions": (definition_rows(tables["worth"]), "Worth by the definitions of others", "worth"),
        "ceiling": (ceiling_rows(tables["ceiling"]), "Ceilings of repeated stimuli", "ceiling"),
        "controls": (control_rows(study, tables["controls"]), "Controls", "controls"),
        "preferences": (preference_rows(tables["preferences"]), "Units that each model predicts best", "preferences"),
        "selection": (selection_rows(tables["selection"]), "Random-effects selection (a heuristic)", "selection"),
    }
    return {
        name: html_table(rows, caption=caption, whole=paths.comparison_table(table) if table else "")
        for name, (rows, caption, table) in shown.items()
    }
