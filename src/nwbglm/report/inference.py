"""What the report says of inference: tests of terms, intervals on filters, goodness of fit."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from markupsafe import Markup

from nwbglm.study import Study

from .inferred import checked_rows, checked_units, interval_rows
from .markup import html_table
from .tested import population_rows, test_rows
from .weighed import definition_rows, preference_rows, selection_rows, worth_rows


def inferred(study: Study, tables: Mapping[str, pd.DataFrame]) -> dict[str, Markup]:
    """Return the tables of the index page's sections on inference, by name; '' where there is nothing."""
    return {
        "tests": html_table(population_rows(study, tables["population"], tables["tests"])),
        "tested_units": html_table(test_rows(tables["tests"])),
        "intervals": html_table(interval_rows(tables["intervals"])),
        "checks": html_table(checked_rows(tables["checks"])),
        "worth": html_table(worth_rows(study, tables["worth"])),
        "definitions": html_table(definition_rows(tables["worth"])),
        "preferences": html_table(preference_rows(tables["preferences"])),
        "selection": html_table(selection_rows(tables["selection"])),
        "checked_units": html_table(checked_units(tables["checks"])),
    }
