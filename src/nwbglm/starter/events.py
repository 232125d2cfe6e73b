"""Which columns of tables become events and categories, and the terms that they drive."""

from __future__ import annotations

from .draft import Draft, listed
from .seen import SeenColumn, SeenTable

MOST_EVENTS, MOST_TEXTS = 6, 3
"""Of each, over all tables; what is more is written as a comment."""
LEAST = 20
"""Events of a kind below which no kernel is fitted."""
LEAST_ROWS = 5
"""Rows that each text must have."""
WINDOW = 1.0
"""Length of an event's kernel, s."""


def take_tables(draft: Draft, tables: list[SeenTable]) -> None:
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
            _event(draft, table, column, stem, off=not enough or events >= MOST_EVENTS)
            events += enough and events < MOST_EVENTS
        for column in table.columns:
            if column.kind == "text" and 2 <= len(column.levels) and column.levels[-1][1] >= LEAST_ROWS:
                _category(draft, table, column, stem, off=texts >= MOST_TEXTS)
                texts += 1
        _numbers(draft, table)


def _event(draft: Draft, table: SeenTable, column: SeenColumn, stem: str, *, off: bool) -> None:
    since = {"since": "start_time"} if column.kind == "since" else {}
    why = f"{table.path}: {column.count} times" + (", counted from each row's start" if since else "")
    value = {"from": table.name, "resample": "events", "time": column.name, **since}
    name = draft.signal(f"{stem}{column.name.removesuffix('_time').removesuffix('_times')}", value, why)
    if off:
        draft.signals[name].off = True
        draft.signals[name].why += " (few)" if column.count < LEAST else " (enough for a first study)"
        return
    functions = max(4, min(8, round(WINDOW / draft.bin)))
    basis = {"bspline": {"n": functions, "window": draft.lags(WINDOW), "begin": "0 s"}}
    draft.term(name, {"of": name, "basis": basis})


def _category(draft: Draft, table: SeenTable, column: SeenColumn, stem: str, *, off: bool) -> None:
    why = f"{table.path}: a category for each text: {listed(column.levels)}"
    value = {"from": table.name, "resample": "boxcar", "value": column.name}
    name = draft.signal(f"{stem}{column.name}", value, why)
    if off:
        draft.signals[name].off = True
        return
    # Where the rows are all there is, the most frequent text is what others differ from.
    inside = draft.use.value.get("table") == table.name
    reference = (column.levels[0][0] or "(empty)") if inside else "(none)"
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
