"""What a contract of a kind of store is, and whether a dataset keeps it; those of all kinds stand in `kinds`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import xarray as xr

from ..errors import StoreError

BOOL, INTEGER, FLOAT, NUMBER, TEXT, ANY = "bool", "integer", "float", "number", "text", "any"

KINDS = {BOOL: "b", INTEGER: "iu", FLOAT: "f", NUMBER: "iuf", TEXT: "OUST", ANY: "biufOUST"}
"""numpy's letters of each type; texts are written from objects and fixed widths, and lie as `StringDType`."""


@dataclass(frozen=True)
class Variable:
    """A variable or coordinate that a store has.

    Parameters
    ----------
    name
        Its name; what stands in braces is any name (a term, a signal, a tuning curve), the same one in `dims`.
    dims
        Its dimensions.
    kind
        A key of `KINDS`.
    says
        What it is.
    required
        Whether every store has it.
    of_unit
        Whether it is a coordinate only.
    described
        Attributes by which it is told.
    """

    name: str
    dims: tuple[str, ...]
    kind: str
    says: str
    required: bool
    of_unit: bool = False
    described: tuple[str, ...] = ()

    def dims_of(self, name: str) -> tuple[str, ...] | None:
        """Return the dimensions of the variable of this name; None where the name is none of this entry's."""
        found = re.fullmatch(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+)", re.escape(self.name)), name)
        return tuple(dim.format(**found.groupdict()) for dim in self.dims) if found else None


def must(name: str, dims: str, kind: str, says: str) -> Variable:
    """Return a variable that every store of the kind has; `dims` are separated by spaces."""
    return Variable(name, tuple(dims.split()), kind, says, required=True)


def maybe(
    name: str, dims: str, kind: str, says: str, *, of_unit: bool = False, described: tuple[str, ...] = ()
) -> Variable:
    """Return a variable that some stores of the kind have."""
    return Variable(name, tuple(dims.split()), kind, says, required=False, of_unit=of_unit, described=described)


@dataclass(frozen=True)
class Contract:
    """What a kind of store holds: where it lies, what it is, its variables and coordinates, all of them."""

    path: str
    says: str
    variables: tuple[Variable, ...]
    attributes: tuple[str, ...] = ()
    described: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Attributes that a variable must have."""


def hold_against(contract: Contract, dataset: xr.Dataset, kind: str, where: str) -> None:
    """Raise `StoreError` where a dataset breaks a contract: what is missing, what differs, what is not in it."""
    wrong = [
        f"'{entry.name}' is missing"
        for entry in contract.variables
        if entry.required and entry.name not in dataset.variables
    ]
    wrong += [line for name in dataset.variables for line in _wrong(dataset, str(name), contract)]
    wrong += [f"attribute '{name}' is missing" for name in contract.attributes if name not in dataset.attrs]
    wrong += [
        f"'{name}' lacks the attribute '{attribute}'"
        for name, attributes in contract.described.items()
        for attribute in attributes
        if name in dataset.variables and attribute not in dataset[name].attrs
    ]
    if wrong:
        raise StoreError(f"breaks the contract of a {kind} store: {'; '.join(wrong)}", where=where)


def _wrong(dataset: xr.Dataset, name: str, contract: Contract) -> Iterator[str]:
    """Say what is wrong with a variable: nothing where one entry of the contract fits it."""
    variable = dataset.variables[name]
    named = []
    for entry in contract.variables:
        dims = entry.dims_of(name)
        of_others = entry.of_unit and name not in dataset.coords
        if dims is None or of_others or any(key not in variable.attrs for key in entry.described):
            continue
        if dims == variable.dims and (not variable.size or variable.dtype.kind in KINDS[entry.kind]):
            return
        if entry.name.startswith("{"):
            continue  # such an entry takes any name, and says nothing of one that it does not fit
        differs = f"has dimensions {variable.dims}, not {dims}"
        named.append(differs if dims != variable.dims else f"is of type {variable.dtype}, not {entry.kind}")
    yield f"'{name}' {named[0] if named else 'is not in the contract'}"
