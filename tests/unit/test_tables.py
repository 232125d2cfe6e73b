"""The data dictionary: every column of every table stands in it, and the page is made of it."""

import pytest
from synthetic_stores import head_direction_session

from nwbglm import comparison
from nwbglm.comparison import TABLES, ceilings, checked, controlled, intervals, preferred, tested, weighed
from nwbglm.comparison.dictionary import TABLES as DESCRIBED
from nwbglm.comparison.dictionary import columns_of, dictionary_text

GATHERED = {
    "tests": tested.TESTS, "population": tested.POPULATION, "intervals": intervals.INTERVALS, "checks": checked.CHECKS,
    "worth": weighed.WORTH, "ceiling": ceilings.CEILING, "controls": controlled.CONTROLS,
    "preferences": preferred.PREFERENCES, "selection": preferred.SELECTION,
}  # fmt: skip


@pytest.fixture(scope="module")
def tables():
    session = head_direction_session()
    return comparison.compare_models(list(session.fits.values()), binned=[session.binned])


def test_every_table_is_described_and_no_other():
    assert set(DESCRIBED) == set(TABLES)


@pytest.mark.parametrize("table", sorted(GATHERED))
def test_every_column_that_is_gathered_is_described(table):
    assert set(GATHERED[table]) <= set(columns_of(table)), table
    own = set(DESCRIBED[table][1])
    assert own <= set(GATHERED[table]), f"{table} describes columns that it lacks: {own - set(GATHERED[table])}"


@pytest.mark.parametrize("table", ["scores", "pairs", "sessions", "fits"])
def test_every_column_of_the_comparison_is_described(tables, table):
    assert set(tables[table]) <= set(columns_of(table)), set(tables[table]) - set(columns_of(table))
    assert set(DESCRIBED[table][1]) <= set(tables[table])


def test_the_page_is_made_of_it(repository):
    """Made again by: python -m nwbglm.comparison.dictionary docs/tables.md"""
    assert (repository / "docs" / "tables.md").read_text(encoding="utf-8") == dictionary_text()
