"""The response of a binned store: what the units do in each bin, as counts of spikes or as a continuous series.

The variable ``response (time, unit)`` says of itself, in its attributes, which `kind` it is, what it is called (`name`)
and its `units`. Stages that make sense for spikes alone take `counts`, which refuses a continuous response in words.
"""

from __future__ import annotations

import xarray as xr

from nwbglm.errors import ProblemError

COUNT, CONTINUOUS = "count", "continuous"
SPIKES = {"kind": COUNT, "name": "spike count", "units": "spikes"}
"""Attributes of a response that is spikes, counted."""


def about(kind: str, name: str, units: str) -> dict[str, str]:
    """Return the attributes of a response.

    Parameters
    ----------
    kind
        ``count`` or ``continuous``.
    name
        What it is called on axes and in sentences, such as ``dF/F``.
    units
        Of its values; empty where they have none.
    """
    if kind not in (COUNT, CONTINUOUS):
        raise ValueError(f"a response is {COUNT} or {CONTINUOUS}, not {kind!r}")
    return {"kind": kind, "name": name, "units": units}


def of_counts(binned: xr.Dataset) -> bool:
    """Whether the response of a binned dataset is counts."""
    return binned["response"].attrs["kind"] == COUNT


def counts(binned: xr.Dataset, what: str) -> xr.DataArray:
    """Return the counts (time, unit) of a binned dataset.

    Parameters
    ----------
    binned
        The dataset.
    what
        What needs them, for the message.

    Raises
    ------
    ProblemError
        If the response is continuous.
    """
    response = binned["response"]
    if not of_counts(binned):
        raise ProblemError(
            f"{what} needs counts of spikes, and the response here is continuous ({response.attrs['name']})",
            where=f"session {binned.attrs.get('session', '')}",
            mend="take spikes as the response (leave out `response`), or leave this out of the study",
        )
    return response
