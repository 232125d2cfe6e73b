"""What the report says of inference: tests of terms, intervals on filters, goodness of fit."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from markupsafe import Markup

from nwbglm.study import Study

from .ceilings import ceiling_rows
from .controls import control_rows
from .inferred import checked_rows, checked_units, interval_rows
from .markup import html_table
from .tested import population_rows, test_rows
from .weighed import definition_rows, preference_rows, selection_rows, worth_rows

MOST = 200
"""Rows of units that the page shows; the tables that it links hold all."""


def _first(table: pd.DataFrame) -> Markup:
    """Write the first rows of a table of units, and say how many there are."""
    if len(table) <= MOST:
        return html_table(table)
    return html_table(table.head(MOST)) + Markup("<p>The first {} of {} rows; the tables below hold all.</p>").format(
        MOST, len(table)
    )


def inferred(study: Study, tables: Mapping[str, pd.DataFrame]) -> dict[str, Markup]:
    """Return the tables of the index page's sections on inference, by name; '' where there is nothing."""
    return {
        "tests": html_table(population_rows(study, tables["population"], tables["tests"])),
        "tested_units": _first(test_rows(tables["tests"])),
        "intervals": html_table(interval_rows(tables["intervals"])),
        "checks": html_table(checked_rows(tables["checks"])),
        "worth": html_table(worth_rows(study, tables["worth"])),
        "definitions": html_table(definition_rows(tables["worth"])),
        "ceiling": html_table(ceiling_rows(tables["ceiling"])),
        "controls": html_table(control_rows(study, tables["controls"])),
        "preferences": html_table(preference_rows(tables["preferences"])),
        "selection": html_table(selection_rows(tables["selection"])),
        "checked_units": _first(checked_units(tables["checks"])),
    }
