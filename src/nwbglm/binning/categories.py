"""Events and boxcars whose value is a text: every bin is of one category."""

from __future__ import annotations

import numpy as np

from nwbglm.binning.grid import Grid, coverage
from nwbglm.epochs import Epochs, rounded, union
from nwbglm.labels import EMPTY, NONE
from nwbglm.recording.events import Rows
from nwbglm.study.data import Signal


def bin_categories(rows: Rows, signal: Signal, grid: Grid, where: str) -> tuple[np.ndarray, list[str]]:
    """Return the category of each bin as a code, and the texts of the codes.

    Of a boxcar a bin is of the text whose rows cover most of it (of equals the first in the alphabet), and of none
    where no row covers as much as is free. Of events a bin is of the text of the last one in it.

    Parameters
    ----------
    rows
        The rows that count.
    signal
        The study's entry, whose `value` names a column of texts.
    grid
        The bins.
    where
        The file, for errors.

    Returns
    -------
    codes
        (bins,) float64, places in the levels.
    levels
        The texts of the rows in the order of the alphabet, then `NONE`.
    """
    assert signal.value is not None  # the caller has asked
    texts = np.array([text or EMPTY for text in rows.texts(signal.value)], dtype=object)
    levels = sorted(set(texts.tolist()) - {NONE})
    code = np.array([levels.index(text) if text != NONE else len(levels) for text in texts], dtype=np.int64)
    bin_codes = _of_events if signal.resample == "events" else _of_boxcars
    return bin_codes(rows, code, len(levels), signal, grid, where).astype(np.float64), [*levels, NONE]


def _of_events(rows: Rows, code: np.ndarray, none: int, signal: Signal, grid: Grid, where: str) -> np.ndarray:
    found, row = rows.times(signal, where)
    times, clocks = rounded(found + signal.shift), rows.clock[row]
    values = np.full(len(grid), none)
    for clock in np.unique(grid.segments.clock):
        here = np.flatnonzero(np.isfinite(times) & (clocks == clock))
        here = here[np.argsort(times[here], kind="stable")]  # numpy keeps the last of what it writes to one place
        index = grid.index(times[here], int(clock))
        values[index[index >= 0]] = code[row[here]][index >= 0]
    return values


def _of_boxcars(rows: Rows, code: np.ndarray, none: int, signal: Signal, grid: Grid, where: str) -> np.ndarray:
    starts, stops = rows.spans(signal, where)
    values = np.full(len(grid), none)
    for clock in np.unique(grid.segments.clock):
        good = np.isfinite(starts) & np.isfinite(stops) & (rows.clock == clock) & (stops > starts) & (code < none)
        mine = grid.clock == clock
        covered = union(Epochs.of(starts[good], stops[good]))
        most = np.round(grid.fraction - coverage(covered.start, covered.stop, grid, int(clock)), 9)
        for level in range(none - 1, -1, -1):  # the first in the alphabet comes last, and wins among equals
            this = good & (code == level)
            share = np.round(coverage(starts[this], stops[this], grid, int(clock)), 9)
            won = mine & (share >= most) & (share > 0)
            values[won], most = level, np.where(won, share, most)
    return values
