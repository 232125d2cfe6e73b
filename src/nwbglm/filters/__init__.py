"""Filters: from coefficients to what they mean, over lags or values, with names on every axis."""

from .labelled import OTHER_FEATURE, Layout, filters, layout_of, tabulate, variances
from .tables import Table, put_in_features, put_in_fits, tables_of_features, tables_of_fits

__all__ = [
    "OTHER_FEATURE",
    "Layout",
    "Table",
    "filters",
    "layout_of",
    "put_in_features",
    "put_in_fits",
    "tables_of_features",
    "tables_of_fits",
    "tabulate",
    "variances",
]
