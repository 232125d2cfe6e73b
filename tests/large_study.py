"""A study as large as one likes, made by repeating a small session's units: for sizes and times, not for science."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import xarray as xr
from synthetic_stores import SyntheticSession, head_direction_session, study_of

from nwbglm import comparison, figures, report
from nwbglm.figures.style import csv_text, svg_text
from nwbglm.report.gathered import as_text, gather


def widen(session: SyntheticSession, units: int) -> SyntheticSession:
    """Return a session of so many units: those that there are, again and again, under ids of their own."""
    old = session.binned.unit.values
    names = {str(unit) for unit in old}
    place = np.arange(units) % len(old)

    def of_units(store: xr.Dataset) -> xr.Dataset:
        if "unit" not in store.dims:
            return store
        return store.isel(unit=place).assign_coords(unit=np.arange(units))

    def of_inputs(store: xr.Dataset) -> xr.Dataset:
        """Repeat the columns whose input is a unit."""
        if "feature" not in store.dims:
            return store
        inputs, terms = store.input.values.astype(str), store.term.values.astype(str) if "term" in store else None
        groups = list(dict.fromkeys(terms)) if terms is not None and terms.ndim else [None]
        columns: list[int] = []
        renamed: list[str] = []
        for group in groups:
            mine = np.arange(len(inputs)) if group is None else np.flatnonzero(terms == group)
            if set(inputs[mine]) <= names:
                for unit in range(units):
                    here = mine[inputs[mine] == str(old[unit % len(old)])]
                    columns += here.tolist()
                    renamed += [str(unit)] * len(here)
            else:
                columns += mine.tolist()
                renamed += inputs[mine].tolist()
        return store.isel(feature=columns).assign_coords(input=("feature", renamed))

    return session._replace(
        binned=of_units(session.binned),
        tuning=of_units(session.tuning),
        features={name: of_inputs(store) for name, store in session.features.items()},
        fits={name: of_units(of_inputs(store)) for name, store in session.fits.items()},
        predictions={name: of_units(store) for name, store in session.predictions.items()},
    )


def many_sessions(tables: dict[str, pd.DataFrame], session: str, names: list[str]) -> dict[str, pd.DataFrame]:
    """Return a study's tables as if each of the names were a session like this one, scores apart by some noise."""
    rng = np.random.default_rng(0)
    out = {}
    for name, table in tables.items():
        if "session" not in table or table.empty:
            out[name] = table
            continue
        mine = table[table.session == session]
        large = pd.concat([mine.assign(session=other) for other in names], ignore_index=True)
        for column in ("bits_per_spike", "deviance_explained", "log_likelihood"):
            if column in large:
                large[column] += rng.normal(0, 0.1, len(large))
        out[name] = large
    return out


def large_report(sessions: int, units: int) -> Iterator[tuple[str, str | bytes]]:
    """Return the parts of the report of a study of so many sessions of so many units, all drawn alike."""
    names = [f"sub-{place:03d}_ses-1" for place in range(sessions)]
    one = widen(head_direction_session("one"), units)
    study = study_of(one, recordings={name: {"nwb": f"{name}.nwb"} for name in names})
    stores = {kind: value for kind, value in one._asdict().items() if kind != "name"}
    tables = many_sessions(comparison.compare_models(list(one.fits.values()), binned=[one.binned]), "one", names)
    drawn = {}
    for name in figures.figures_of(study):
        figure, table = figures.draw_session(name, study=study, **stores)
        drawn[name] = svg_text(figure), csv_text(table)
    overall = {}
    for name in figures.overall_figures_of(study):
        figure, table = figures.draw_overall(name, study=study, **tables)
        overall[name] = svg_text(figure), csv_text(table)
    found = as_text(gather(study, **stores))
    return report.report_parts(
        study,
        tables,
        {},
        dict.fromkeys(names, drawn),
        overall,
        audit_pages=dict.fromkeys(names, "<html></html>"),
        gathered=dict.fromkeys(names, found),
    )
