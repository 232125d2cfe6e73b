"""Which columns of tables become events and categories, and the terms that they drive."""

from __future__ import annotations

from collections import Counter

import numpy as np

from nwbglm import epochs
from nwbglm.epochs import Epochs
from nwbglm.labels import EMPTY, NONE
from nwbglm.recording.series import Series
from nwbglm.recording.tables import labels_of
from nwbglm.recording.texts import as_text

from .draft import Draft, counted, listed
from .seen import MOST_LEVELS, SeenColumn, SeenTable

MOST_EVENTS, MOST_TEXTS = 6, 3
"""Of each, over all tables; what is more is written as a comment."""
LEAST = 10
"""Events of a kind below which no kernel is fitted."""
ALL = 0.99
"""Share of the epochs in use that rows cover, above which bins without a row are none to compare with."""
LEAST_ROWS = 5
"""Rows that each text must have."""
WINDOW = 1.0
"""Length of an event's kernel, s."""


def take_tables(draft: Draft, tables: list[SeenTable], use: Epochs) -> None:
    """Take times as events with a kernel each, and columns of texts as categories; offer the rest."""
    events = texts = 0
    several = len(tables) > 1
    for table in tables:
        stem = f"{table.name.rpartition('/')[2].removesuffix('_table')}-" if several else ""
        columns = [column for column in table.columns if column.kind in ("event", "since", "events")]
        if not any(column.count >= LEAST for column in columns) and len(table.start) >= LEAST:
            columns = [SeenColumn("start_time", "event", len(table.start)), *columns]
        for column in columns:
            enough = column.count >= LEAST
            _event(draft, table, column, stem, use, off=not enough or events >= MOST_EVENTS)
            events += enough and events < MOST_EVENTS
        for column in table.columns:
            if column.kind == "text" and len(column.levels) >= 2:
                few = column.levels[-1][1] < LEAST_ROWS
                _category(draft, table, column, stem, use, off=few or texts >= MOST_TEXTS)
                texts += not few
        _numbers(draft, table)


def take_marks(draft: Draft, marks: list[tuple[Series, str]]) -> None:
    """Take series of intervals as boxcars, and each kind of the others' marks as events."""
    taken = 0
    for series, name in marks:
        stem = name.rpartition("/")[2]
        if series.kind == "IntervalSeries":
            made = draft.signal(stem, {"from": name, "resample": "boxcar"}, f"{series.path}: on, or off")
            draft.term(made, {"of": made, "basis": "identity"})
            continue
        column, counts = _kinds(series)
        if len(counts) > MOST_LEVELS:
            draft.head.append(
                f"{series.path} marks {len(counts)} kinds of events; `where: {column} == '...'` takes one."
            )
            continue
        for text, count in counts.most_common():
            where = {"where": f"{column} == '{text}'"} if "'" not in text else {}
            value = {"from": name, "resample": "events", **where}
            made = draft.signal(f"{stem}-{text}", value, f"{series.path}: {counted(count, 'mark')}")
            if count < LEAST or taken >= MOST_EVENTS or not where:
                draft.signals[made].off = True
            else:
                taken += 1
                draft.term(made, {"of": made, "basis": _kernel(draft)})


def _kinds(series: Series) -> tuple[str, Counter[str]]:
    """Count the marks of each kind, and name the column that tells them apart."""
    assert series.data is not None  # it has marks
    if series.data.is_text:
        return "value", Counter(as_text(value) for value in series.data.read().ravel())
    assert series.labels is not None  # it has texts or labels
    return "label", Counter(labels_of(series.values(), series.labels).tolist())


def _kernel(draft: Draft) -> dict[str, object]:
    functions = max(4, min(8, round(WINDOW / draft.bin)))
    return {"bspline": {"n": functions, "window": draft.lags(WINDOW), "begin": "0 s"}}


def _event(draft: Draft, table: SeenTable, column: SeenColumn, stem: str, use: Epochs, *, off: bool) -> None:
    since = {"since": "start_time"} if column.kind == "since" else {}
    why = f"{table.path}: {column.count} times" + (", counted from each row's start" if since else "")
    value = {"from": table.name, "resample": "events", "time": column.name, **since}
    name = draft.signal(f"{stem}{column.name.removesuffix('_time').removesuffix('_times')}", value, why)
    if off:
        draft.signals[name].off = True
        draft.signals[name].why += " (few)" if column.count < LEAST else " (enough for a first study)"
        return
    draft.term(name, {"of": name, "basis": _kernel(draft)})
    if not draft.start and np.isfinite(column.first):
        draft.start = float(np.floor(max(column.first - float(use.start.min()) - 1.0, 0.0)))


def _category(draft: Draft, table: SeenTable, column: SeenColumn, stem: str, use: Epochs, *, off: bool) -> None:
    why = f"{table.path}: a category for each text: {listed(column.levels)}"
    value = {"from": table.name, "resample": "boxcar", "value": column.name}
    name = draft.signal(f"{stem}{column.name}", value, why)
    if off:
        draft.signals[name].off = True
        return
    # Where the rows are all there is, the most frequent text is what others differ from.
    inside = epochs.intersect(epochs.union(Epochs.of(table.start, table.stop)), use).total
    reference = (column.levels[0][0] or EMPTY) if inside > ALL * use.total else NONE
    draft.term(name, {"of": name, "basis": {"categorical": {"reference": reference}}}, f"differences from {reference}")


def _numbers(draft: Draft, table: SeenTable) -> None:
    few = [column for column in table.columns if column.kind == "number" and 2 <= len(column.levels) <= 6]
    many = [column.name for column in table.columns if column.kind == "number" and not column.levels]
    said = [f"{column.name}: {listed(column.levels)}" for column in few]
    if said:
        draft.head.append(
            f"Columns of {table.name} that tell rows apart: {'; '.join(said)}. One kind alone is `where: "
            f"{few[0].name} == {few[0].levels[0][0]}` in epochs, events or boxcars."
        )
    if many:
        draft.head.append(
            f"Columns of {table.name} with sizes: {', '.join(many)}; `value: {many[0]}` scales an event or a boxcar."
        )
