"""Intervals: what set operations keep, whatever the intervals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nwbglm import epochs
from nwbglm.epochs import Epochs

edges = st.integers(0, 400).map(lambda k: k / 4)
interval = st.tuples(edges, edges).map(sorted).filter(lambda pair: pair[0] < pair[1])
some = st.lists(interval, max_size=8).map(lambda rows: Epochs.of(*np.array(rows, dtype=float).reshape(-1, 2).T))
moments = np.arange(0, 101, 0.125) + 0.0625


def inside(some_epochs):
    return np.array([any(span.start <= t < span.stop for span in some_epochs) for t in moments])


@given(some, some)
def test_set_operations_agree_moment_by_moment(one, other):
    assert (inside(epochs.union(one, other)) == (inside(one) | inside(other))).all()
    assert (inside(epochs.intersect(one, other)) == (inside(one) & inside(other))).all()
    assert (inside(epochs.difference(one, other)) == (inside(one) & ~inside(other))).all()
    assert (epochs.contains(one, moments) == inside(one)).all()


@given(some)
def test_union_and_merge_hold_no_moment_twice(some_epochs):
    for joined in (epochs.union(some_epochs), epochs.merge_overlaps(some_epochs)):
        assert not epochs.overlapping(joined).any()
        assert joined.duration.sum() == pytest.approx(some_epochs.total)


@given(some, st.integers(1, 5))
def test_split_cuts_into_equal_parts_in_order(some_epochs, parts):
    pieces = epochs.split(some_epochs, parts)
    assert [piece.duration.sum() for piece in pieces] == pytest.approx([some_epochs.duration.sum() / parts] * parts)
    assert (inside(epochs.concatenate(pieces)) == inside(some_epochs)).all()


@given(some, st.integers(0, 40).map(lambda k: k / 4))
def test_first_and_last_add_up(some_epochs, duration):
    total = float(some_epochs.duration.sum())
    first, last = epochs.first(some_epochs, duration), epochs.last(some_epochs, max(total - duration, 0.0))
    assert first.duration.sum() == pytest.approx(min(duration, total))
    assert first.duration.sum() + last.duration.sum() == pytest.approx(total)


@given(some, edges)
def test_everything_moves_with_time(some_epochs, shift):
    moved = Epochs.of(some_epochs.start + shift, some_epochs.stop + shift)
    assert np.allclose(epochs.union(moved).start, epochs.union(some_epochs).start + shift)


def test_overlapping_rows_keep_their_own_label_and_row():
    trials = Epochs.of([0, 5, 20], [10, 15, 30], row=[0, 1, 2], label=["left", "right", "left"])
    cut = epochs.intersect(trials, Epochs.of([2], [22]))
    assert cut.row.tolist() == [0, 1, 2] and cut.label.tolist() == ["left", "right", "left"]
    assert cut.start.tolist() == [2, 5, 20] and cut.stop.tolist() == [10, 15, 22]


def test_merging_names_both_labels_and_leaves_touching_rows_apart():
    rows = Epochs.of([0, 5, 15], [10, 15, 20], label=["a", "b", "c"])
    merged = epochs.merge_overlaps(rows)
    assert merged.label.tolist() == ["a+b", "c"]
    assert merged.start.tolist() == [0, 15] and merged.stop.tolist() == [15, 20]


def test_clocks_never_meet():
    first = Epochs.of([0], [10], clock=[0])
    second = Epochs.of([0], [10], clock=[1])
    assert len(epochs.intersect(first, second)) == 0
    assert len(epochs.union(first, second)) == 2
    assert not epochs.contains(first, [5.0], clock=1).any()


def test_purge_takes_the_gap_on_both_sides():
    left = epochs.purge(Epochs.of([0], [100]), Epochs.of([40], [60]), before=5.0, after=10.0)
    assert left.start.tolist() == [0, 70] and left.stop.tolist() == [35, 100]


def test_edges_that_are_equal_decimals_compare_equal():
    whole = Epochs.of([5565.1366], [5565.1366 + 180])
    assert epochs.covers(whole, [5565.1366 + 17999 * 0.01], [5565.1366 + 18000 * 0.01]).all()
    assert not epochs.covers(whole, [5565.1366 + 179.995], [5565.1366 + 180.005]).any()


@pytest.mark.parametrize(("start", "stop"), [([2.0], [1.0]), ([np.nan], [1.0]), ([0.0], [np.inf])])
def test_what_is_no_interval_is_refused(start, stop):
    with pytest.raises(ValueError, match="not an interval"):
        Epochs.of(start, stop)
