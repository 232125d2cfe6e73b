"""The units of a recording: spike times read one unit at a time, metadata, and when each was observed."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nwbglm.epochs import rounded
from nwbglm.errors import RecordingError
from nwbglm.recording.nodes import Array, UnreadableError
from nwbglm.recording.tables import Table

HIDDEN = ("spike_times", "obs_intervals", "waveforms", "waveform_mean", "waveform_sd")
"""Columns that are data, not metadata."""
FOREVER = 1e8
"""A time (s; three years) after every recording's end: what infinity is read as."""


@dataclass(frozen=True, eq=False)
class Units:
    """The units table of a recording.

    Parameters
    ----------
    table
        The table; None in a recording without units.
    """

    table: Table | None

    @cached_property
    def ids(self) -> np.ndarray:
        """(units,) int64, the file's numbers; 0, 1, ... where these do not name units (see `ids_problem`)."""
        if self.table is None:
            return np.empty(0, np.int64)
        return np.arange(len(self.table)) if self.ids_problem else self.table.ids.astype(np.int64)

    @cached_property
    def ids_problem(self) -> str:
        """Say why the file's ids do not tell its units apart; empty where they do."""
        ids = np.empty(0) if self.table is None else self.table.ids
        if ids.ndim != 1 or ids.dtype.kind not in "iuf":
            return f"the ids are no numbers, one a unit (shape {ids.shape}, type {ids.dtype})"
        ids = ids.astype(np.float64)
        if not (np.isfinite(ids).all() and (ids == np.rint(ids)).all() and (np.abs(ids) < 2**53).all()):
            return "some ids are no whole numbers"
        values, counts = np.unique(ids, return_counts=True)
        again = values[counts > 1]
        if not len(again):
            return ""
        shown = ", ".join(f"{value:g}" for value in again[:8]) + (", ..." if len(again) > 8 else "")
        return f"{len(again)} ids name {'two' if (counts <= 2).all() else 'several'} units each: {shown}"

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def _ends(self) -> np.ndarray:
        if self.table is None or "spike_times" not in self.table:
            return np.zeros(len(self) + 1, np.int64)
        if not self.table.is_ragged("spike_times"):
            ends = np.arange(self.table.array("spike_times").shape[0] + 1)
        else:
            ends = self.table.ends("spike_times")
        if len(ends) != len(self) + 1:
            raise RecordingError(
                f"there are {len(self)} units and {len(ends) - 1} lists of spike times",
                where=f"{self.table.where}: {self.table.path}/spike_times",
                mend="which spikes belong to which unit cannot be told: write the file again, or ask its authors",
            )
        return ends

    @cached_property
    def _trains(self) -> Array | None:
        """The spike times of all units, end to end; opened once, since opening costs more than reading one train."""
        return None if self.table is None or "spike_times" not in self.table else self.table.array("spike_times")

    def spike_times(self, index: int) -> np.ndarray:
        """Read the times of one unit's spikes, s, rounded to the nanosecond, in the file's order.

        Of a unit that a damaged piece of the file touches there are none, and `damaged` says so: it costs no other.

        Parameters
        ----------
        index
            Row of the table (not the id).
        """
        low, high = self._ends[index], self._ends[index + 1]
        if high <= low:
            return np.empty(0)
        assert self.table is not None and self._trains is not None  # without them no unit has spikes
        try:
            times = self._trains.read(slice(int(low), int(high)))
        except UnreadableError as error:
            self.damaged[int(index)] = error
            return np.empty(0)
        if times.dtype.kind not in "iuf" or times.ndim != 1:
            raise RecordingError(
                f"its values (shape {times.shape}, type {times.dtype}) are no times",
                where=f"{self.table.where}: {self.table.path}/spike_times",
                mend="NWB wants one number a spike, in seconds: write the file again, or ask its authors",
            )
        return rounded(times)

    @cached_property
    def damaged(self) -> dict[int, UnreadableError]:
        """Rows whose spike times cannot be read, with what was raised; known once `spike_times` has met them."""
        return {}

    def ends_of_trains(self) -> np.ndarray:
        """(n,) the first and last stored spike time of each unit, s; finite ones."""
        array = self._trains
        places = [(low, high - 1) for low, high in itertools.pairwise(self._ends.tolist()) if high > low]
        if array is None or array.dtype.kind not in "iuf" or len(array.shape) != 1 or not places:
            return np.empty(0)
        found = np.concatenate([self._ends_of(array, pair) for pair in places])
        return found[np.isfinite(found)].astype(np.float64)

    @staticmethod
    def _ends_of(array: Array, pair: tuple[int, int]) -> np.ndarray:
        try:
            return np.concatenate([array.read(slice(place, place + 1)) for place in pair])
        except UnreadableError:
            return np.empty(0)  # reading the whole train says so

    @cached_property
    def stored_counts(self) -> np.ndarray:
        """(units,) spike times that the file holds of each unit."""
        return np.diff(self._ends)

    def observed(self, index: int) -> np.ndarray | None:
        """(intervals, 2) when a unit was observed, s; None where the file does not say.

        A unit with an empty list in a table that has `obs_intervals` was never observed; what is no interval is left
        out.
        """
        if self.table is None or "obs_intervals" not in self.table:
            return None
        stored = np.asarray(self._observed[index], dtype=np.float64)
        if stored.size % 2:
            return np.empty((0, 2))
        # To infinity is to the end, whenever that is.
        intervals = rounded(np.clip(stored.reshape(-1, 2), -FOREVER, FOREVER))
        return intervals[intervals[:, 1] >= intervals[:, 0]]

    def misobserved(self, index: int) -> bool:
        """Tell whether some of a unit's `obs_intervals` are no intervals; such are left out, as time not observed."""
        observed = self.observed(index)
        return observed is not None and 2 * len(observed) != np.size(self._observed[index])

    @cached_property
    def _observed(self) -> list[np.ndarray]:
        assert self.table is not None  # `observed` has asked
        column = self.table.column("obs_intervals")
        return column if isinstance(column, list) else list(column)

    @cached_property
    def metadata(self) -> dict[str, np.ndarray]:
        """(units,) columns with one plain value a unit, by name."""
        if self.table is None:
            return {}
        return {name: values for name, values in self.table.metadata().items() if name not in HIDDEN}
