"""Models under controls as one table, and a line for each control and session."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
import xarray as xr

from .common import ROUNDING, concat

CONTROLS = (
    "session", "name", "control", "model", "term", "unit", "of", "score", "controlled", "difference", "spikes",
    "control_spikes", "reason",
)  # fmt: skip


def gather_controls(stores: Iterable[xr.Dataset]) -> pd.DataFrame:
    """Gather stores of controls into one table, one row a unit; see `nwbglm.inference.controls.run_control`."""
    table = concat([_units(store) for store in stores])
    return table if len(table) else pd.DataFrame(columns=list(CONTROLS))


def _units(store: xr.Dataset) -> pd.DataFrame:
    columns = {name: store.attrs[name] for name in ("session", "name", "control", "model", "term")}
    columns |= {name: store[name].values for name in ("unit", "of", "score", "spikes", "control_spikes", "reason")}
    table = pd.DataFrame(columns, index=range(store.sizes["unit"]))
    table["controlled"] = store["control"].values
    table["difference"] = table.score - table.controlled
    return table[list(CONTROLS)]


def summarise_controls(controls: pd.DataFrame) -> pd.DataFrame:
    """Return, for each control and session, medians over units, and how many units score better than under it."""
    rows = []
    for (name, session), part in controls.groupby(["name", "session"], sort=False) if len(controls) else ():
        known = part[part.difference.notna()]
        rows.append(
            {
                "name": name,
                "session": session,
                "control": part.control.iloc[0],
                "model": part.model.iloc[0],
                "term": part.term.iloc[0],
                "units": len(known),
                "score": known.score.median(),
                "controlled": known.controlled.median(),
                "better": int((known.difference > ROUNDING).sum()),
                "reason": "; ".join(dict.fromkeys(part.reason[part.reason != ""])),
            }
        )
    return pd.DataFrame(rows)
