"""Which units of a recording are those that a model was fitted to: ids name units within one recording only."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import xarray as xr

from nwbglm import response
from nwbglm.errors import ProblemError
from nwbglm.study import Term

from .design import OWN

__all__ = ["BY_ID", "Match", "match_units", "units_needed"]

BY_ID = "by id"
"""Says that equal ids are the same neurons."""

Match = Mapping[int, int] | str | None


def units_needed(fits: xr.Dataset) -> list[int]:
    """Return the ids of the units whose spikes drive a model, as the fit names them; none for models of signals."""
    terms = [Term.model_validate_json(entry["term"]) for entry in json.loads(fits.attrs["term_settings"]).values()]
    if not any(term.of_spikes for term in terms):
        return []
    signals = {of for term in terms for of in term.signals}
    needed = {str(sender) for sender in fits["input"].values} - {OWN} - signals
    if any(term.own for term in terms):
        needed |= {str(unit) for unit in fits["unit"].values}
    return sorted(int(unit) for unit in needed)


def match_units(fits: xr.Dataset, binned: xr.Dataset, match: Match = None) -> xr.Dataset:
    """Return a recording with the units that drive a model under the names that the fit has for them.

    Parameters
    ----------
    fits
        A ``fits`` store.
    binned
        A ``binned`` store, of the fit's session or of another one.
    match
        The recording's unit for each unit of the fit, by id; or ``by id`` where equal ids are the same neurons. None:
        as is known. Units of the session that was fitted are themselves, and a joined session knows the ids that its
        units have in each of its recordings.

    Raises
    ------
    ProblemError
        If the model needs the {what} of units that nothing matches with the recording's, or that it does not have.
    """
    needed = units_needed(fits)
    if not needed:
        return binned
    mine, other = str(fits.attrs.get("session", "")), str(binned.attrs.get("session", ""))
    where = f"model {fits.attrs['model']}, session {other}"
    what = "spikes" if response.of(fits).counts else "responses"
    recordings = [str(name) for name in binned["recording"].values] if "unit_of_recording" in binned else []
    if isinstance(match, Mapping):
        binned = binned.sel(unit=_matched(match, needed, binned, where))
        binned = binned.assign_coords(unit=np.array(needed, dtype=binned["unit"].dtype))
    elif match is None and mine != other and mine in recordings:
        binned = binned.assign_coords(unit=binned["unit_of_recording"].values[recordings.index(mine)])
    elif match is None and mine != other:
        raise ProblemError(
            f"the model was fitted to session '{mine}' and needs the {what} of its units "
            f"{', '.join(map(str, needed))}; that units of '{other}' bear the same ids does not make them the same",
            where=where,
            mend=f"say which are the same neurons, match={{{needed[0]}: the id here, ...}}, or match='{BY_ID}' if ids "
            "agree",
        )
    elif match is not None and match != BY_ID:
        raise ProblemError(f"match is {match!r}", where=where, mend=f"give a mapping of ids, or '{BY_ID}'")
    lost = sorted(set(needed) - {int(unit) for unit in binned["unit"].values})
    if lost:
        raise ProblemError(
            f"the model needs the {what} of units that the recording does not have: {', '.join(map(str, lost))}",
            where=where,
            mend="predict from a recording that has them, or fit a model without them",
        )
    return binned


def _matched(match: Mapping[int, int], needed: list[int], binned: xr.Dataset, where: str) -> list[int]:
    """Return the recording's id of each unit that is needed."""
    lost = [unit for unit in needed if unit not in match]
    if lost:
        raise ProblemError(
            f"match names no unit for {', '.join(map(str, lost))}", where=where, mend="name one for each"
        )
    theirs = [int(match[unit]) for unit in needed]
    if len(set(theirs)) < len(theirs):
        raise ProblemError("match names one unit for several", where=where, mend="name another one for each")
    there = {int(unit) for unit in binned["unit"].values}
    unknown = sorted(set(theirs) - there)
    if unknown:
        raise ProblemError(
            f"match names units that the recording does not have: {', '.join(map(str, unknown))}",
            where=where,
            mend=f"its units are {', '.join(map(str, sorted(there)))}",
        )
    return theirs
