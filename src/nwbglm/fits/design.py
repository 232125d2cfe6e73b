"""The design matrix of a model: which columns of which feature stores each unit sees.

Terms of own spikes give each unit columns of its own; all others are shared. Where a term is of other spikes, a unit's
own columns are masked, not left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from nwbglm.engine.penalties import second_difference
from nwbglm.errors import ProblemError
from nwbglm.study.terms import Term

from .rows import FeatureRows, RowsOfStore, last_held

OWN = "own"  # what a fit calls the input of its own columns


@dataclass(frozen=True, eq=False)
class Design:
    """A model's terms on some rows, in the order of the model's list.

    Attributes
    ----------
    stores
        One ``features`` store a term.
    rows
        Which of their rows are used, shape (time,) bool.
    """

    stores: tuple[xr.Dataset, ...]
    rows: np.ndarray

    @property
    def own(self) -> bool:
        """Whether units have columns of their own."""
        return any(store.attrs["own"] for store in self.stores)

    @property
    def labels(self) -> dict[str, np.ndarray]:
        """Coordinates of the columns: ``term``, ``input`` (``own`` where each unit has its own), ``function``."""
        parts: dict[str, list] = {"term": [], "input": [], "function": []}
        for store in self.stores:
            columns = self._columns(store, store["input"].values[0])
            parts["term"] += [term_name(store)] * len(columns)
            parts["input"] += [OWN if store.attrs["own"] else str(sender) for sender in store["input"].values[columns]]
            parts["function"] += store["function"].values[columns].tolist()
        return {
            "term": np.array(parts["term"], dtype=str),
            "input": np.array(parts["input"], dtype=str),
            "function": np.array(parts["function"], dtype=int),
        }

    @property
    def nbytes(self) -> int:
        """Bytes of a unit's features on the rows in use."""
        return 4 * int(np.count_nonzero(self.rows)) * len(self.labels["term"])

    def by_rows(self, binned: xr.Dataset, *, hold: bool = False) -> Callable[[object], FeatureRows]:
        """Return what gives a unit's features (or those that all share) some rows at a time.

        Parameters
        ----------
        binned
            The ``binned`` store that the features were made of.
        hold
            Whether the last rows of the columns that units share are held for the next unit.
        """
        sources = [RowsOfStore(store, binned) for store in self.stores]
        shared = {}
        for i, store in enumerate(self.stores):
            if not store.attrs["own"]:
                part = sources[i].of(self._columns(store, None))
                shared[i] = last_held(part) if hold and self.own else part
        rows = np.flatnonzero(self.rows)

        def of(unit: object) -> FeatureRows:
            columns = [self._columns(store, unit) for store in self.stores]
            parts = [shared[i] if i in shared else sources[i].of(mine) for i, mine in enumerate(columns)]
            return FeatureRows([(len(mine), part) for mine, part in zip(columns, parts, strict=True)], rows)

        return of

    def matrix(self, unit: int | None = None) -> np.ndarray:
        """Return a unit's features (or those that all share) on the rows in use, shape (rows, features), float32."""
        columns = [self._columns(store, unit) for store in self.stores]
        rows = np.flatnonzero(self.rows)
        made = np.empty((len(rows), sum(map(len, columns))), np.float32)
        at = 0
        for store, chosen in zip(self.stores, columns, strict=True):
            # one input at a time, as the store is chunked: a big store is never in memory twice
            for piece in np.split(chosen, _where_inputs_change(store["input"].values[chosen])):
                made[:, at : at + len(piece)] = store["features"].isel(feature=piece).values[rows]
                at += len(piece)
        return made

    def mask(self, units: Sequence[int] | np.ndarray) -> np.ndarray | None:
        """Return which features each unit may use, shape (features, units); None where that is all."""
        if not any(_of_others(store) for store in self.stores):
            return None
        parts = []
        for store in self.stores:
            inputs = store["input"].values[self._columns(store, store["input"].values[0])]
            allowed = np.ones((len(inputs), len(units)), bool)
            if _of_others(store):
                allowed = np.array([[str(sender) != str(unit) for unit in units] for sender in inputs], bool)
            parts.append(allowed)
        return np.concatenate(parts)

    def differences(self, order: int) -> np.ndarray:
        """Return the differences between neighbouring functions of each input, shape (differences, features).

        Terms whose functions do not follow each other (see `study.family.Family`) have none, nor do products.
        """
        labels = self.labels
        blocks = []
        for store in self.stores:
            factors = Term.model_validate_json(store.attrs["term"]).factors
            members = np.flatnonzero(labels["term"] == term_name(store))
            family = factors[0].basis.settings
            if len(factors) > 1 or not family.neighbours:
                continue
            block = second_difference(labels["input"][members], order=order, cyclic=family.cyclic)
            padded = np.zeros((len(block), len(labels["term"])))
            padded[:, members] = block
            blocks.append(padded)
        return np.concatenate(blocks) if blocks else np.zeros((0, len(labels["term"])))

    @staticmethod
    def _columns(store: xr.Dataset, unit: object) -> np.ndarray:
        if not store.attrs["own"]:
            return np.arange(store.sizes["feature"])
        return np.flatnonzero(store["input"].values == str(unit))


def _where_inputs_change(inputs: np.ndarray) -> np.ndarray:
    return np.flatnonzero(inputs[1:] != inputs[:-1]) + 1


def term_name(store: xr.Dataset) -> str:
    """Return the name that the study gives a store's term."""
    return str(store["term"].values[0])


def pick_terms(features: Sequence[xr.Dataset], terms: Sequence[str]) -> tuple[xr.Dataset, ...]:
    """Return the stores of a model's terms, in the model's order."""
    by_name = {term_name(store): store for store in features}
    missing = [term for term in terms if term not in by_name]
    if missing:
        raise ProblemError(
            f"no features of term {', '.join(missing)}", where="fit_model", mend=f"there are: {', '.join(by_name)}"
        )
    return tuple(by_name[term] for term in terms)


def _of_others(store: xr.Dataset) -> bool:
    """Whether a unit's own columns of a term are not its to use."""
    return Term.model_validate_json(store.attrs["term"]).senders == "other"
