"""The response of a binned store: what the units do in each bin, as counts of spikes or as a continuous series.

The variable ``response (time, unit)`` says of itself, in its attributes, which `kind` it is, what it is called (`name`)
and its `units`; later stores carry that as an attribute, so that figures and tables find the right words (`of`). Stages
that make sense for spikes alone take `counts`, which refuses a continuous response in words.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import xarray as xr

from nwbglm.errors import ProblemError

COUNT, CONTINUOUS = "count", "continuous"
SPIKES = {"kind": COUNT, "name": "spike count", "units": "spikes"}
"""Attributes of a response that is spikes, counted."""


NO_UNIT = ("", "n.a.", "na", "n/a", "none", "unknown", "a.u.", "no unit", "arbitrary", "unitless", "dimensionless")
"""How files say that values have no unit."""


def plain_unit(unit: str) -> str:
    """Return a unit as axes show it: empty where the file says that there is none."""
    return "" if unit.strip().lower() in NO_UNIT else unit


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


@dataclass(frozen=True)
class Facts:
    """What is known of the response of a store.

    Attributes
    ----------
    kind
        ``count`` or ``continuous``.
    name, units
        As on axes.
    bin
        Width of a bin, s.
    """

    kind: str
    name: str
    units: str
    bin: float

    @property
    def counts(self) -> bool:
        """Whether it is counts of spikes."""
        return self.kind == COUNT

    @property
    def per(self) -> float:
        """What an expected response is divided by where it is shown: the bin for counts (Hz), else 1."""
        return self.bin if self.counts else 1.0

    @property
    def rate_units(self) -> str:
        """Units of what is shown: Hz, or the response's."""
        return "Hz" if self.counts else self.units

    @property
    def noun(self) -> str:
        """What is shown, in a word: rate, or the response's name."""
        return "rate" if self.counts else self.name

    @property
    def label(self) -> str:
        """What an axis of it is called: ``Rate (Hz)``, ``dF/F``, ``potential (mV)``."""
        noun = "Rate" if self.counts else self.name
        return f"{noun} ({self.rate_units})" if self.rate_units else noun

    @property
    def input_label(self) -> str:
        """What an axis of its values a bin is called, where it is an input."""
        return "Spikes per bin" if self.counts else self.label

    @property
    def one(self) -> str:
        """One unit of it as an input: ``spike``, ``mV``, ``unit of dF/F``."""
        return "spike" if self.counts else self.units or f"unit of {self.name}"


def of(store: xr.Dataset) -> Facts:
    """Return what a store of any stage knows of its session's response: `binned` itself, or those that carry it."""
    known = (
        store["response"].attrs if "response" in store else json.loads(store.attrs.get("response", "null")) or SPIKES
    )
    return Facts(known["kind"], known["name"], known["units"], float(store.attrs.get("bin", "nan")))


def carried(binned: xr.Dataset) -> dict[str, str]:
    """Return the attribute by which a later store carries what is known of the response."""
    attrs = binned["response"].attrs
    return {"response": json.dumps({key: attrs[key] for key in ("kind", "name", "units")})}


def of_counts(binned: xr.Dataset) -> bool:
    """Whether the response of a binned dataset is counts."""
    return of(binned).counts


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
