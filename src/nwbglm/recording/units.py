"""The units of a recording: spike times read one unit at a time, metadata, and when each was observed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nwbglm.epochs import rounded
from nwbglm.errors import RecordingError
from nwbglm.recording.tables import Table

HIDDEN = ("spike_times", "obs_intervals", "waveforms", "waveform_mean", "waveform_sd")
"""Columns that are data, not metadata."""


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
        """(units,) int64, the file's numbers."""
        return np.empty(0, np.int64) if self.table is None else self.table.ids.astype(np.int64)

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def _ends(self) -> np.ndarray:
        if self.table is None or "spike_times" not in self.table:
            return np.zeros(len(self) + 1, np.int64)
        if not self.table.is_ragged("spike_times"):
            return np.arange(len(self) + 1)
        return self.table.ends("spike_times")

    def spike_times(self, index: int) -> np.ndarray:
        """Read the times of one unit's spikes, s, rounded to the nanosecond, in the file's order.

        Parameters
        ----------
        index
            Row of the table (not the id).
        """
        low, high = self._ends[index], self._ends[index + 1]
        if high <= low:
            return np.empty(0)
        assert self.table is not None  # without one no unit has spikes
        return rounded(self.table.array("spike_times").read(slice(int(low), int(high))))

    @cached_property
    def stored_counts(self) -> np.ndarray:
        """(units,) spike times that the file holds of each unit."""
        return np.diff(self._ends)

    def observed(self, index: int) -> np.ndarray | None:
        """(intervals, 2) when a unit was observed, s; None where the file does not say.

        A unit with an empty list in a table that has `obs_intervals` was never observed.
        """
        if self.table is None or "obs_intervals" not in self.table:
            return None
        intervals = rounded(np.asarray(self._observed[index], dtype=np.float64).reshape(-1, 2))
        if not (np.isfinite(intervals).all() and (intervals[:, 1] >= intervals[:, 0]).all()):
            raise RecordingError(
                f"the obs_intervals of unit {self.ids[index]} are no intervals",
                where=f"{self.table.where}: {self.table.path}/obs_intervals",
                mend="leave this unit out (`units.where`), or correct the file",
            )
        return intervals

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
