"""Lazy matrices are those that they stand for, however they are asked."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from nwbglm import limits
from nwbglm.lazy import HeldRows, LazyMatrix

WHOLE = np.arange(60.0).reshape(12, 5)


def lazy():
    return LazyMatrix(WHOLE.shape, WHOLE.dtype, lambda rows, columns: WHOLE[np.ix_(rows, columns)])


def keys(size):
    numbers = st.integers(-size, size - 1)
    arrays = st.lists(numbers, max_size=6).map(lambda some: np.array(some, int))
    return st.one_of(numbers, st.slices(size), arrays)


@given(keys(12), keys(5))
def test_any_part_is_that_of_the_whole(rows, columns):
    expected = WHOLE[rows][..., columns] if isinstance(rows, int) else WHOLE[rows][:, columns]
    np.testing.assert_array_equal(lazy()[rows, columns], expected)
    np.testing.assert_array_equal(lazy()[rows], WHOLE[rows])


@given(keys(12), keys(5))
def test_a_variable_is_the_same_lazy_or_whole(rows, columns):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "WHOLE_BYTES", 0)
        variable = lazy().variable(("time", "unit"), {"units": "1"})
    assert not variable._in_memory
    expected = xr.Variable(("time", "unit"), WHOLE, {"units": "1"})
    xr.testing.assert_identical(variable[rows, columns].compute(), expected[rows, columns])


@given(st.lists(st.integers(0, 11), unique=True).map(sorted), st.lists(st.integers(0, 4), unique=True, min_size=1))
def test_held_rows_are_those_of_the_matrix(rows, columns):
    held = HeldRows(xr.Variable(("time", "unit"), WHOLE), piece=3)
    columns = np.sort(columns)
    for some in (np.array(rows, int), np.array(rows[1:], int)):
        np.testing.assert_array_equal(held.take(some, columns), WHOLE[np.ix_(some, columns)])
    for stretch in (slice(1, 5), slice(2, 4), slice(0, 12)):
        np.testing.assert_array_equal(held.stretch(stretch, columns), WHOLE[stretch][:, columns])


def test_what_is_held_is_not_read_again():
    read = []

    def make(rows, columns):
        read.append(len(rows))
        return WHOLE[np.ix_(rows, columns)]

    counted = HeldRows(Recorded(make), piece=4)
    for start in range(4):
        counted.stretch(slice(start, start + 1), np.arange(2))
    counted.stretch(slice(4, 5), np.arange(2))
    assert read == [4, 4]


class Recorded:
    """Stands for a stored variable; its parts have `values`."""

    dtype = WHOLE.dtype

    def __init__(self, make):
        self.matrix = LazyMatrix(WHOLE.shape, WHOLE.dtype, make)

    def __getitem__(self, key):
        return xr.Variable(("time", "unit"), self.matrix[key])
