"""The table of faults: made from the tests, and up to date."""

import fault_table


def test_the_table_of_faults_is_the_one_that_the_tests_make(repository):
    text = fault_table.PAGE.read_text(encoding="utf-8")
    assert text == fault_table.page(text, repository / "tests"), "python tests/fault_table.py --write"
    assert len(list(fault_table.faults(repository / "tests"))) > 20


def test_no_fault_is_told_twice(repository):
    told = [fault[:3] for fault in fault_table.faults(repository / "tests")]
    assert len(told) == len(set(told))
