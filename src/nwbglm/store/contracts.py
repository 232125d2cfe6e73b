"""What each kind of store must hold, and the check that it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import xarray as xr

from ..errors import StoreError


@dataclass(frozen=True)
class Contract:
    """What a kind of store must hold: its variables' dimensions, and coordinates and attributes by name."""

    variables: Mapping[str, tuple[str, ...]]
    optional: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    attributes: tuple[str, ...] = ()
    described: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Attributes that a variable must have."""


CONTRACTS: dict[str, Contract] = {
    "truth": Contract(variables={}),
    "binned": Contract(
        variables={"response": ("time", "unit"), "segment": ("time",), "in_epoch": ("purpose", "time")},
        optional={"exposure": ("time", "unit")},
        attributes=("bin",),
        described={"response": ("kind", "name", "units")},
    ),
    "tuning": Contract(variables={}),
    "features": Contract(
        variables={"features": ("time", "feature"), "valid": ("time",), "row": ("time",)},
        optional={"kernel": ("lag", "function"), "values_of_function": ("value", "function")},
        attributes=("basis", "of", "own", "window"),
    ),
    "folds": Contract(
        variables={
            "row": ("time",),
            "shared": ("time",),
            "reason": ("time",),
            "fold_of_row": ("time",),
            "half": ("time",),
            "final": ("time",),
            "train": ("fold", "time"),
            "test": ("fold", "time"),
        },
        attributes=("scheme", "gap", "seed"),
    ),
    "fits": Contract(
        variables={
            "coef": ("unit", "feature"),
            "intercept": ("unit",),
            "fold_coef": ("unit", "fold", "feature"),
            "fold_intercept": ("unit", "fold"),
            "test_log_likelihood": ("unit", "fold", "strength"),
            "train_log_likelihood": ("unit", "fold", "strength"),
            "chosen": ("unit",),
            "fold_chosen": ("unit", "fold"),
            "at_edge": ("unit",),
            "status": ("unit", "fit", "strength"),
            "gap": ("unit", "fit", "strength"),
            "gradient_norm": ("unit", "fit", "strength"),
            "iterations": ("unit", "fit", "strength"),
            "trained": ("fit", "row"),
            "scored": ("fold", "row"),
        },
        optional={"half_coef": ("unit", "half", "feature"), "half_intercept": ("unit", "half")},
    ),
    "tests": Contract(
        variables={
            "statistic": ("unit",),
            "p": ("unit",),
            "p_conservative": ("unit",),
            "floor": ("unit",),
            "stretches": ("unit",),
            "rank_changes": ("unit",),
            "held_out_gain": ("unit",),
            "null": ("unit", "draw"),
        },
        attributes=("test", "term", "model", "null", "drift", "block"),
    ),
    "intervals": Contract(
        variables={
            "value": ("unit", "point"),
            "low": ("unit", "point"),
            "high": ("unit", "point"),
            "low_all": ("unit", "point"),
            "high_all": ("unit", "point"),
            "blocks": ("unit",),
            "reason": ("unit",),
            "term": ("point",),
            "input": ("point",),
            "axis": ("point",),
            "at": ("point",),
            "text": ("point",),
            "axis_1": ("point",),
            "at_1": ("point",),
            "text_1": ("point",),
        },
        attributes=("model", "method", "level", "drift", "block", "warnings"),
    ),
    "checks": Contract(
        variables={
            "rows": ("unit",),
            "ks": ("unit",),
            "ks_band": ("unit",),
            "interval_p": ("unit",),
            "residual_p": ("unit",),
            "slope": ("unit",),
            "offset": ("unit",),
            "dispersion": ("unit",),
            "reason": ("unit",),
            "expected": ("unit", "tenth"),
            "observed": ("unit", "tenth"),
            "tenth_rows": ("unit", "tenth"),
        },
        attributes=("model", "observations", "block"),
    ),
    "predictions": Contract(variables={"rate": ("time", "unit"), "heldout_rate": ("time", "unit"), "row": ("time",)}),
}


def check(dataset: xr.Dataset, kind: str, where: str) -> None:
    """Raise `StoreError` where a dataset breaks the contract of its kind."""
    contract = CONTRACTS[kind]
    wrong = [f"'{name}' is missing" for name in contract.variables if name not in dataset.variables]
    for name, dims in {**contract.variables, **contract.optional}.items():
        if name in dataset.variables and dataset[name].dims != dims:
            wrong.append(f"'{name}' has dimensions {dataset[name].dims}, not {dims}")
    wrong += [f"attribute '{name}' is missing" for name in contract.attributes if name not in dataset.attrs]
    wrong += [
        f"'{name}' lacks the attribute '{attribute}'"
        for name, attributes in contract.described.items()
        for attribute in attributes
        if name in dataset.variables and attribute not in dataset[name].attrs
    ]
    if wrong:
        raise StoreError(f"breaks the contract of a {kind} store: {'; '.join(wrong)}", where=where)
