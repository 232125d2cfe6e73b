"""Exchanges that keep all but the order of things: whole trials within groups, spikes within short windows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Exchange(NamedTuple):
    """Rows of trials that may take one another's place."""

    inside: np.ndarray
    """(T,) bool: rows that have a counterpart in every trial of their group; others take no part."""
    groups: list[np.ndarray]
    """Of each group, positions among the rows inside (trials, offsets): a column holds rows of equal offset."""

    @property
    def trials(self) -> int:
        """Trials that take part."""
        return sum(len(group) for group in self.groups)

    def order(self, random: np.random.Generator) -> np.ndarray:
        """Return a random exchange: for each row inside, the row inside whose features it gets."""
        order = np.arange(int(self.inside.sum()))
        for places in self.groups:
            order[places] = places[random.permutation(len(places))]
        return order


def exchangeable_rows(trial: np.ndarray, offset: np.ndarray, group: np.ndarray) -> Exchange:
    """Find the rows of trials that may be exchanged for one another.

    Trials differ in length and lack rows; of each group those offsets and those trials are taken that keep most rows,
    every trial with every offset. Nothing is exchanged in a group of one.

    Parameters
    ----------
    trial : (T,) int
        The trial of each row; -1 lies in none.
    offset : (T,) int
        Bins since the trial's beginning.
    group : (T,) int
        The group of each row's trial; -1 in none.

    Returns
    -------
    Exchange
    """
    inside = np.zeros(len(trial), bool)
    chosen = []
    for number in np.unique(group[(group >= 0) & (trial >= 0)]):
        rows = np.flatnonzero((group == number) & (trial >= 0))
        kept = _fullest(trial[rows], offset[rows])
        if kept is not None:
            places = rows[kept]
            inside[places] = True
            chosen.append(places)
    among = np.cumsum(inside) - 1
    return Exchange(inside, [among[places] for places in chosen])


def _fullest(trial: np.ndarray, offset: np.ndarray) -> np.ndarray | None:
    """Return positions (trials, offsets) of the largest full table of rows; None where there are not two trials."""
    trials, row = np.unique(trial, return_inverse=True)
    offsets, column = np.unique(offset, return_inverse=True)
    place = np.full((len(trials), len(offsets)), -1)
    place[row, column] = np.arange(len(trial))
    there = place >= 0
    best, most = None, 0
    for least in np.unique(there.sum(axis=0)):
        columns = there.sum(axis=0) >= least
        whole = there[:, columns].all(axis=1)
        if whole.sum() > 1 and whole.sum() * columns.sum() > most:
            best, most = place[np.ix_(whole, columns)], whole.sum() * columns.sum()
    return best


def windows_of(piece: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut stretches of bins into windows.

    Parameters
    ----------
    piece : (T,)
        The stretch of each bin: windows do not span two.
    width
        Bins of a window; the last of a stretch may have fewer.

    Returns
    -------
    start, size : (T,) int
        Where each bin's window begins, and how many bins it has.
    """
    bins = np.arange(len(piece))
    first = np.maximum.accumulate(np.where(np.r_[True, piece[1:] != piece[:-1]], bins, 0))
    start = bins - (bins - first) % width
    size = np.bincount(start, minlength=len(piece))[start]
    return start, size


def jittered(counts: np.ndarray, start: np.ndarray, size: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Move each spike to a random bin of its window: every window keeps its count (Amarasingham et al. 2012).

    Parameters
    ----------
    counts : (T,) int
    start, size : (T,) int
        Of `windows_of`.
    random
        Generator.
    """
    spikes = np.repeat(np.arange(len(counts)), counts)
    places = start[spikes] + random.integers(0, size[spikes]) if len(spikes) else spikes
    return np.bincount(places, minlength=len(counts)).astype(counts.dtype)
