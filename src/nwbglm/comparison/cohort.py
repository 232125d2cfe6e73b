"""The units and sessions that went in, and those that did not."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from nwbglm.errors import NwbGlmError

from .common import concat, headline, primary


def refuse_nothing(fits: Iterable[xr.Dataset], excluded: Mapping[str, str]) -> None:
    """Raise `NwbGlmError` where no session has a unit that was fitted: a report on nothing would look like a result."""
    if any(fit.sizes["unit"] for fit in fits):
        return
    reasons = "".join(f"\n  {session}: {' '.join(reason.split())}" for session, reason in excluded.items())
    raise NwbGlmError(
        "no session is left to analyse" + (f", all were left out:{reasons}" if reasons else ": no unit was selected"),
        where="the study's recordings",
        mend="mend the study or the recordings; each recording's page in audit/ says what was seen in it",
    )


def describe_units(
    scores: pd.DataFrame, binned: Iterable[xr.Dataset] = (), tuning: Iterable[xr.Dataset] = ()
) -> pd.DataFrame:
    """List the units: what the file and the tuning say of each, the best held-out model, and what went wrong."""
    known = concat([_unit_frame(dataset) for dataset in binned])
    tuned = concat([_unit_frame(dataset) for dataset in tuning])
    if known.empty:
        columns = ["session", "unit"]
        known = scores[columns].drop_duplicates() if len(scores) else pd.DataFrame(columns=columns)
    if not tuned.empty:
        new = [name for name in tuned if name not in known or name in ("session", "unit")]
        known = known.merge(tuned[new], how="left", on=["session", "unit"])
    return known.merge(_best_models(scores), how="left", on=["session", "unit"]) if len(scores) else known


def _unit_frame(dataset: xr.Dataset) -> pd.DataFrame:
    """Return every variable and coordinate that has one value a unit."""
    names = [n for n, v in dataset.variables.items() if v.dims == ("unit",) and n != "unit"]
    frame = pd.DataFrame({name: dataset[name].values for name in names})
    frame.insert(0, "unit", dataset.unit.values)
    frame.insert(0, "session", str(dataset.attrs["session"]))
    return frame


def _best_models(scores: pd.DataFrame) -> pd.DataFrame:
    """Name, for each unit, the model of the highest held-out score among the fits that ended well.

    Where nothing is held out, that of the lowest AIC: scores in sample favour the largest model.
    """
    pooled = headline(scores)
    score = primary(pooled).name
    good = pooled[(pooled.status == "ok") & pooled[score].notna()]
    by = good[score]
    if (good.kind == "in-sample").any() and "aic" in good and good.aic.notna().any():
        by = -good.aic.astype(float)
    best = good.loc[by.groupby([good.session, good.unit]).idxmax().dropna()]
    best = best[["session", "unit", "model", score]].rename(columns={"model": "best_model"})
    bad = scores[scores.status != "ok"].groupby(["session", "unit"])[["model", "status"]]
    notes = bad.apply(lambda part: "; ".join(sorted({f"{m}: {s}" for m, s in part.to_numpy()})))
    notes = notes.rename("notes").reset_index() if len(notes) else pd.DataFrame(columns=["session", "unit", "notes"])
    everyone = scores[["session", "unit"]].drop_duplicates()
    return everyone.merge(best, how="left", on=["session", "unit"]).merge(notes, how="left", on=["session", "unit"])


def joined_in(binned: Iterable[xr.Dataset]) -> dict[str, str]:
    """Return the joined session of each recording that belongs to one, those that were left out of it included."""
    return {
        str(name): str(store.attrs["session"])
        for store in binned
        if "recording" in store.coords
        for name in (*store["recording"].values, *json.loads(store.attrs["left_out"]))
    }


def describe_sessions(
    scores: pd.DataFrame,
    units: pd.DataFrame,
    binned: Iterable[xr.Dataset],
    audits: Iterable[Mapping[str, Any]],
    excluded: Mapping[str, str],
    home: Mapping[str, str],
) -> pd.DataFrame:
    """List the sessions and the recordings that they join: in or out, why, and how many units and rows went in.

    `home` names the joined session of a recording (see `joined_in`).
    """
    stores = {str(dataset.attrs["session"]): dataset for dataset in binned}
    seen = {str(audit["session"]): audit for audit in audits}
    counted = units.groupby("session").size() if len(units) else pd.Series(dtype=int)
    fitted = (
        scores[scores.kind == "in-sample"].groupby("session")["rows"].max() if len(scores) else pd.Series(dtype=float)
    )
    names = list(dict.fromkeys([*seen, *stores, *counted.index, *excluded]))
    rows = []
    for name in names:
        store, audit = stores.get(name), seen.get(name, {})
        rows.append(
            {
                "session": name,
                "part_of": home.get(name, ""),
                "included": name not in excluded,
                "reason": excluded.get(name, ""),
                "verdict": str(audit.get("verdict", "")),
                "units_in_file": _units_in_file(audit),
                "units": int(counted.get(name, 0 if store is None else store.sizes["unit"])),
                "bins": store.sizes["time"] if store is not None else np.nan,
                "duration": store.sizes["time"] * float(store.attrs["bin"]) if store is not None else np.nan,
                "rows_fitted": fitted.get(name, np.nan),
                "sha256": str(audit.get("sha256", "")),
            }
        )
    return pd.DataFrame(rows)


def _units_in_file(audit: Mapping[str, Any]) -> float:
    takes = audit.get("takes")
    response = takes.get("response") if isinstance(takes, Mapping) else None
    if isinstance(response, Mapping):
        return float(response["of"])
    units = audit.get("contents", {}).get("units") if isinstance(audit.get("contents"), Mapping) else None
    count = units.get("count") if isinstance(units, Mapping) else len(units) if isinstance(units, list) else units
    return float(count) if isinstance(count, (int, float)) else np.nan
