"""Decide what a first study takes of a recording."""

from __future__ import annotations

import contextlib
import fnmatch
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from nwbglm import epochs
from nwbglm.epochs import Epochs
from nwbglm.errors import NwbGlmError, RecordingError
from nwbglm.recording.choose import UnitColumns, recording_span
from nwbglm.recording.model import Recording
from nwbglm.recording.responses import described_by

from .draft import Draft, Entry, counted, duration, listed, tidy
from .events import take_marks, take_tables
from .seen import SeenSeries, SeenTable, seen_marks, seen_series, seen_tables
from .signals import take_series

MOST_BINS = 200_000
"""Bins of a first study: with more of them it would take long."""
WIDTHS = (0.01, 0.02, 0.05, 0.1, 1.0)
"""Widths of bins, s, of which the first is taken that makes few enough."""
LEAST_RATE = 0.1
"""Hz; units that fire less are left for later."""
SHORT = 300.0
"""Seconds below which nothing is said of drift."""
MARGIN = 1.0
"""Seconds before and after a trial that windows may reach into."""
LONG = 5.0
"""Rows that last so many times longer than usual are no trials."""
MOSTLY = 0.5
"""A table that covers more of its time than this is what the recording consists of."""
PHOTOMETRY = ("*photometry*", "*dff*", "*df_f*", "*dfoverf*", "*gcamp*", "*fluor*", "*dlight*", "*roiresponse*")


def decide(recording: Recording) -> Draft:
    """Draft a study of one recording.

    Raises
    ------
    RecordingError
        If there is nothing in it that a study could explain.
    """
    draft = Draft()
    series, tables = seen_series(recording), seen_tables(recording)
    used = _response(recording, draft, series)
    use = _use(recording, draft, tables)
    _width(draft, series, used, use)
    if draft.response is None:
        _units(recording, draft, use)
    single = len(np.unique(use.clock)) == 1
    take_series(draft, [one for one in series if one.series.path not in used], use)
    if single:
        take_marks(draft, seen_marks(recording))
        take_tables(draft, [table for table in tables if table.name != "epochs" and table.clocks == 1], use)
    several = draft.response is not None or len(recording.units) > 1
    _past(draft, drift=single and use.total >= SHORT, several=several)
    return draft


# ---------------------------------------------------------------- what is explained


def _response(recording: Recording, draft: Draft, series: list[SeenSeries]) -> set[str]:
    """Choose what is explained: spikes where there are units; return the paths of series that are it."""
    if len(recording.units) and recording.units.stored_counts.sum():
        return set()
    if recording.sweeps is not None and "current" in recording.sweeps.column("clamp").tolist():
        draft.response = Entry(
            {"from": "sweeps.response", "units": "mV", "name": "membrane potential"},
            "there are no units; the membrane potential of the current-clamp sweeps is explained",
        )
        return {one.series.path for one in series if one.series.kind.endswith("ClampSeries")}
    rois = [one for one in series if one.series.columns > 1 and _described(recording, one)]
    rois.sort(key=_likely)
    if rois:
        return _one_response(recording, draft, rois[0], rois)
    for pattern, members in _patterns(series):
        entry = {"from": pattern, "name": re.sub(r"[*/_]+", " ", pattern.rpartition("/")[2]).strip() or "response"}
        draft.response = Entry(entry, f"there are no units; each of these {len(members)} series is one")
        return {one.series.path for one in members}
    known = [one for one in series if not one.constant and not one.series.kind.startswith("Spatial")]
    named = [one for one in known if any(fnmatch.fnmatchcase(one.series.path.lower(), like) for like in PHOTOMETRY)]
    neural = named or [one for one in known if one.series.kind in ("ElectricalSeries", "DecompositionSeries")]
    found = neural or [one for one in known if one.series.columns > 1]
    if not found:
        raise RecordingError(
            "the file has no units, and no series that looks like a response",
            where=recording.where,
            mend="write `response: {from: <series>}` by hand; `nwbglm inspect` lists the series",
        )
    return _one_response(recording, draft, found[0], found)


def _likely(one: SeenSeries) -> tuple[bool, ...]:
    """Order series by how likely they are what is to be explained: cells, then power of bands, then raw channels."""
    kind, path = one.series.kind, one.series.path
    return "Roi" not in kind, "Decomposition" not in kind, "DfOverF" not in path, "europil" in path


def _one_response(recording: Recording, draft: Draft, one: SeenSeries, others: list[SeenSeries]) -> set[str]:
    region = _described(recording, one)
    why = f"there are no units; each of the {one.series.columns} columns of this series is one"
    if len(others) > 1:
        why += f". Others: {', '.join(other.name for other in others[1:8])}"
    draft.response = Entry({"from": one.name}, why)
    if region:
        columns = ", ".join(region)
        draft.units = Entry({}, f"all are taken; `units: {{where: ...}}` selects by valid, mean, sd, {columns}")
    return {one.series.path, *(other.series.path for other in others if other.series.columns > 1)}


def _described(recording: Recording, one: SeenSeries) -> list[str]:
    with contextlib.suppress(NwbGlmError):
        region = described_by(recording, one.series)
        return [] if region is None else ["id", *region[1].metadata()]
    return []


def _patterns(series: list[SeenSeries]) -> list[tuple[str, list[SeenSeries]]]:
    """Group series that differ in a number alone, the largest group first."""
    groups: dict[tuple[str, int], list[SeenSeries]] = {}
    for one in series:
        if one.series.columns == 1:
            groups.setdefault((re.sub(r"\d+", "*", one.series.path), one.series.samples), []).append(one)
    found = [(stem, members) for (stem, _), members in groups.items() if len(members) > 2 and "*" in stem]
    return sorted(found, key=lambda pair: -len(pair[1]))


# ---------------------------------------------------------------- which time, which bins


def _use(recording: Recording, draft: Draft, tables: list[SeenTable]) -> Epochs:
    known = {table.path: table for table in tables}
    if recording.sweeps is not None and (draft.response is not None or "intervals/epochs" not in known):
        sweeps = recording.sweeps
        clamps = sweeps.column("clamp").tolist()
        where = {"where": "clamp == 'current'"} if "current" in clamps and len(set(clamps)) > 1 else {}
        draft.use = Entry({"table": "sweeps", **where}, f"the {len(sweeps)} sweeps of intracellular recordings")
        rows, _ = recording.intervals(sweeps)
        return rows.take([clamps[row] == "current" for row in rows.row]) if where else rows
    if "intervals/epochs" in known:
        table = known["intervals/epochs"]
        count = counted(len(table.start), "epoch")
        draft.use = Entry({"table": "epochs"}, f"{count}; tags: {listed(table.labels) or 'many'}")
        draft.use.why += "; one kind alone: {table: epochs, tags: ...}" if len(table.labels) > 1 else ""
        return epochs.merge_overlaps(recording.intervals(recording.tables[table.path])[0])
    trials = [table for table in tables if table.clocks == 1 and table.path != "sweeps"]
    if len(trials) == 1 and len(trials[0].start) > 1 and trials[0].covered > MOSTLY:
        return _of_trials(recording, draft, trials[0])
    low, high = recording_span(recording)
    if not np.isfinite(low):
        ends = recording.units.ends_of_trains()
        low, high = (float(ends.min()), float(ends.max())) if len(ends) else (0.0, 0.0)
    if not high > low:
        raise RecordingError("nothing says when the recording began and ended", where=recording.where)
    draft.use = Entry(
        {"intervals": [[f"{low:.3f} s", f"{high:.3f} s"]]},
        "the whole recording"
        + (f"; tables that could be epochs: {', '.join(t.name for t in tables)}" if tables else ""),
    )
    return Epochs.of(low, high)


def _of_trials(recording: Recording, draft: Draft, table: SeenTable) -> Epochs:
    """Take the rows of a table, but for those that last far longer than the others (breaks, not trials)."""
    rows = recording.intervals(recording.tables[table.path])[0]
    usual = float(np.median(rows.duration))
    short = rows.duration <= LONG * usual
    value = {"table": table.name, "margin": duration(MARGIN)}
    why = f"{len(rows)} rows; a second around each is read for windows, but not fitted"
    if not short.all():
        limit = tidy(LONG * usual, up=True)
        value["where"] = f"duration < {limit:g}"
        why += f"; {int((~short).sum())} last longer than {limit:g} s where {usual:.3g} s are usual, and are left out"
    draft.use = Entry(value, why)
    return epochs.merge_overlaps(rows.take(short))


def _width(draft: Draft, series: list[SeenSeries], response: set[str], use: Epochs) -> None:
    total = use.total
    if draft.response is not None and "sweeps" not in draft.response.value["from"]:
        own = [one for one in series if one.series.path in response]
        draft.bin = float(f"{float(np.median([one.interval for one in own])):.6g}")
        if draft.bin >= 0.005 and total / draft.bin <= MOST_BINS:
            draft.response.value["resample"] = "samples"
            draft.response.why += "; its samples are the bins"
            return
        draft.bin = next(
            width for width in (0.005, 0.01, 0.02, 0.05, 0.1, 1.0) if total / width <= MOST_BINS or width == 1.0
        )
        return
    clamped = draft.response is not None or any(one.series.unit.lower().startswith("amp") for one in series)
    fine = (0.001, 0.002, 0.005) if clamped else ()
    draft.bin = _narrowest([*fine, *WIDTHS], total, 2 * MOST_BINS if clamped else MOST_BINS)


def _narrowest(widths: Sequence[float], total: float, most: int) -> float:
    return next((width for width in widths if total / width <= most), widths[-1])


def _units(recording: Recording, draft: Draft, use: Epochs) -> None:
    columns = UnitColumns(recording, use)
    rates = columns.rate
    busy = int(np.nansum(rates >= LEAST_RATE))
    example = ""
    said = [f"{counted(len(rates), 'unit')}, {busy} of them fire {LEAST_RATE:g} times a second or more"]
    for name, values in recording.units.metadata.items():
        texts = [str(value) for value in values]
        counts = {text: texts.count(text) for text in dict.fromkeys(texts)}
        if values.dtype.kind == "O" and 1 < len(counts) <= 8:
            said.append(f"{name}: {listed(counts.items())}")
            example = f"{name} == '{max(counts, key=lambda text: counts[text])}'"
    value = {"where": f"rate > {LEAST_RATE:g}"} if 0 < busy < len(rates) else {}
    if example:
        said.append(f"select by these, too: rate > {LEAST_RATE:g} and {example}")
    draft.units = Entry(value, "; ".join(said))


# ---------------------------------------------------------------- the past, the fit


def _past(draft: Draft, *, drift: bool, several: bool) -> None:
    spikes = draft.response is None
    of, seconds = ("own spikes", 0.25) if spikes else ("own response", 15 * draft.bin)
    window = max(6, round(seconds / draft.bin)) * draft.bin
    draft.history = "history"
    draft.terms["history"] = Entry(
        {"of": of, "basis": {"raised_cosine_log": {"n": 5 if spikes else 3, "window": draft.lags(window)}}},
        "each unit's own past",
    )
    of_all = "all spikes" if spikes else "all responses"
    if several:
        draft.terms["coupling"] = Entry(
            {"of": of_all, "basis": {"raised_cosine_log": {"n": 3, "window": draft.lags(window)}}},
            f"the past of all units; in models: [{'drift, ' if drift else ''}history, coupling]",
            off=bool(draft.drives),
        )
    folds: dict[str, Any] = {"blocks": 5}
    if drift:
        name = draft.signal("drift", {"of": "time"}, "slow drift of the rates over the session")
        draft.drift = name
        draft.terms[name] = Entry({"of": name, "basis": {"cosine": {"n": 4}}})
        folds["pieces"] = 50
    draft.fit = {
        **({} if spikes else {"observations": "gaussian"}),
        "penalty": {"ridge": {"strength": {"log": [1e-4, 1, 4] if spikes else [1e-7, 1e-1, 4]}}},
        "folds": folds,
    }
    draft.choose_models()
