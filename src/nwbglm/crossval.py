"""Which rows are fitted, and which are held out when: the folds, as data.

Folds are contiguous pieces, because neighbouring bins are nearly the same bin. Around every test piece a gap is taken
out of the training rows, as long as the longest history: otherwise a training row's window would hold the very counts
that are tested. Nothing convolves across segments, so no gap is needed between them.

The masks are geometry. What each model can use of them is its own: `shared` holds the rows on which every term of every
compared model is valid.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from nwbglm.errors import ProblemError
from nwbglm.features import analysis_rows
from nwbglm.lost import as_plain, lost_rows, window_inside
from nwbglm.study import Folds

log = logging.getLogger(__name__)

TEST = "test"
HALVES = ("half0", "half1")
MUCH_PURGED = 0.2
"""Share of a fold's training rows that the gap may take without a word."""

# ---------------------------------------------------------------- compute


def contiguous_blocks(kept: np.ndarray, count: int) -> np.ndarray:
    """Cut rows into blocks of equal numbers of kept rows.

    Parameters
    ----------
    kept
        Which rows count, shape (rows,).
    count
        Number of blocks.

    Returns
    -------
    np.ndarray
        The block of every row, kept or not, int16.
    """
    total = int(kept.sum())
    before = np.cumsum(kept) - kept
    return np.minimum(before * count // max(total, 1), count - 1).astype(np.int16)


def stretches(row: np.ndarray, segment: np.ndarray) -> np.ndarray:
    """Count off the stretches of consecutive rows of one segment: epochs, trials, sweeps.

    Parameters
    ----------
    row
        Index of each row among the session's bins, ascending.
    segment
        Segment of each row.

    Returns
    -------
    np.ndarray
        Stretch of each row, from 0.
    """
    if len(row) == 0:
        return np.zeros(0, int)
    new = (np.diff(row) != 1) | (np.diff(segment) != 0)
    return np.concatenate([[0], np.cumsum(new)])


def deal(count: int, folds: int, how: str, rng: np.random.Generator) -> np.ndarray:
    """Deal epochs to folds: neighbours together, in turn, or at random; sizes differ by one at most."""
    if how == "in_order":
        return np.arange(count) * folds // count
    order = rng.permutation(count) if how == "random" else np.arange(count)
    dealt = np.empty(count, int)
    dealt[order] = np.arange(count) % folds
    return dealt


def near(test: np.ndarray, row: np.ndarray, segment: np.ndarray, gap: int) -> np.ndarray:
    """Mark the rows that lie within `gap` bins of a test row of their own segment (test rows included).

    Parameters
    ----------
    test
        Which rows are tested.
    row, segment
        Index among the session's bins and segment of each row.
    gap
        In bins.

    Returns
    -------
    np.ndarray
        Shape of `test`.
    """
    tested = np.flatnonzero(test)
    if len(tested) == 0:
        return np.zeros(len(test), bool)
    after = np.searchsorted(tested, np.arange(len(test)))
    close = np.zeros(len(test), bool)
    for neighbour in (np.maximum(after - 1, 0), np.minimum(after, len(tested) - 1)):
        other = tested[neighbour]
        close |= (np.abs(row[other] - row) <= gap) & (segment[other] == segment)
    return close


def assign_folds(
    kept: np.ndarray,
    row: np.ndarray,
    segment: np.ndarray,
    folds: Folds,
    rng: np.random.Generator,
    where: str = "fit.folds",
) -> np.ndarray:
    """Give each row its test fold.

    Parameters
    ----------
    kept, row, segment
        Of the rows that take part in cross-validation.
    folds
        The study's settings.
    rng
        Deals epochs where the study says so.
    where
        Named in an error.

    Returns
    -------
    np.ndarray
        Fold of each row, int16.
    """
    if folds.cut == "rows":
        return contiguous_blocks(kept, folds.pieces or folds.blocks) % folds.blocks
    piece = stretches(row, segment)  # ascending: each stretch is a slice of the rows
    bounds = np.searchsorted(piece, np.arange(piece[-1] + 2 if len(piece) else 1))
    usable = np.unique(piece[kept])
    if folds.cut == "within_epochs":
        fold = np.full(len(row), -1, np.int16)
        for begin, end in zip(bounds[usable], bounds[usable + 1], strict=True):
            fold[begin:end] = contiguous_blocks(kept[begin:end], folds.blocks)
        return fold
    if len(usable) < folds.blocks:
        raise ProblemError(
            f"{len(usable)} epochs with valid rows cannot be dealt to {folds.blocks} folds",
            where=where,
            mend="use fewer blocks, or cut: rows or within_epochs",
        )
    home = np.full(len(bounds), -1, np.int16)
    home[usable] = deal(len(usable), folds.blocks, folds.deal, rng)
    return home[piece]


def folds_of_sessions(
    kept: np.ndarray, final: np.ndarray, segment: np.ndarray, binned: xr.Dataset, where: str
) -> tuple[np.ndarray, list[str]]:
    """Hold out one recording of a joined session after the other.

    Parameters
    ----------
    kept, final, segment
        Rows that every model can use, rows of the final fit, and segment of each row.
    binned
        The joined ``binned`` store.
    where
        Named in an error.

    Returns
    -------
    tuple
        Fold of each row, int16, and the recordings that are held out. One without a row that is kept tests nothing,
        and has no fold.
    """
    names = binned["recording"].values if "recording" in binned else np.array([binned.attrs.get("session", "")])
    home = binned["recording_of_segment"].values[segment] if "recording" in binned else np.zeros(len(segment), int)
    counts = np.bincount(home[kept], minlength=len(names))
    held = np.flatnonzero(counts)
    if len(held) < 2:
        raise ProblemError(
            f"{len(held)} recordings have rows that every model can use, and leaving one out takes two",
            where=where,
            mend="see in the audits why the others were left out, or use another cut",
        )
    for empty in np.flatnonzero(counts == 0):
        log.warning("%s: recording %s has no row that every model can use, and no fold", where, names[empty])
    number = np.full(len(names), -1, np.int16)
    number[held] = np.arange(len(held))
    return np.where(final, number[home], np.int16(-1)), [str(name) for name in names[held]]


# ---------------------------------------------------------------- the store


def split_rows(binned: xr.Dataset, features: Sequence[xr.Dataset], settings: Folds, *, seed: int) -> xr.Dataset:
    """Decide which rows all models share, and what each fold trains on and tests.

    Parameters
    ----------
    binned
        A ``binned`` store.
    features
        The ``features`` stores of every term that some compared model uses.
    settings
        The study's ``fit.folds``.
    seed
        Of the random deal of epochs, where the study asks for one.

    Returns
    -------
    xr.Dataset
        A ``folds`` store. Where a term of own spikes is valid for some units only, ``unit_shared (time, unit)`` narrows
        `shared` for each.
    """
    row = analysis_rows(binned)
    segment = binned["segment"].values[row]
    shared, reason, meanings = _why_not(row, binned, features)
    fitted, tested = _epochs(binned, row)
    gap = gap_bins(features, settings, float(binned.attrs["bin"]))
    final = fitted & ~near(tested, row, segment, gap)
    fold = np.full(len(row), -1, np.int16)
    names: list[str] = []
    where = f"session {binned.attrs.get('session', '')}, fit.folds"
    if settings.blocks and settings.cut == "sessions":
        fold, names = folds_of_sessions(shared & final, final, segment, binned, where)
    elif settings.blocks:
        kept = (shared & final)[final]
        rng = np.random.default_rng(seed)
        fold[final] = assign_folds(kept, row[final], segment[final], settings, rng, where)
        names = [str(number) for number in range(int(fold.max(initial=-1)) + 1)]
    lost = lost_rows(binned, features, fitted)
    names, test, train = _masks(fold, names, final, tested, row, segment, gap)
    cross = np.array([name != TEST for name in names], bool)
    purged = _purged(train[cross], test[cross], final, gap, where)
    _check(test, train & shared, shared, names, binned)
    dataset = xr.Dataset(
        {
            "row": ("time", row),
            "shared": ("time", shared),
            "reason": ("time", reason, {"flag_values": list(range(len(meanings))), "flag_meanings": meanings}),
            "fold_of_row": ("time", fold),
            "train": (("fold", "time"), train),
            "test": (("fold", "time"), test),
            "final": ("time", final),
            "half": ("time", _halves(final)),
        },
        coords={
            "time": ("time", binned["time"].values[row], {"units": "s"}),
            "fold": np.array(names, dtype=str),
            "fold_kind": ("fold", np.array([TEST if name == TEST else "cv" for name in names], dtype=str)),
        },
        attrs={
            "session": binned.attrs.get("session", ""),
            "scheme": json.dumps(settings.dump()),
            "gap": gap * float(binned.attrs["bin"]),
            "seed": seed,
            "lost": json.dumps({"terms": as_plain(lost), "gap": purged}),
        },
    )
    for line in lost_sentences(dataset):
        log.warning("%s", line)
    return _narrow_by_unit(dataset, binned, features)


def lost_sentences(folds: xr.Dataset) -> list[str]:
    """Say what is much of what a session's terms cost, one line each (see `nwbglm.lost`)."""
    session = folds.attrs.get("session", "")
    lost = json.loads(folds.attrs["lost"])
    lines = [
        f"session {session}, term {one['term']}: {seen} -> {mend}"
        for one in lost["terms"]
        for _, seen, mend in one["sentences"]
    ]
    return [*lines, lost["gap"]["sentence"]] if lost["gap"]["sentence"] else lines


def _purged(train: np.ndarray, test: np.ndarray, final: np.ndarray, gap: int, where: str) -> dict[str, Any]:
    """Count what the gap takes of a fold's training rows, on average, and say it where it is much."""
    training = (final & ~test).sum(axis=1)
    lost = (final & ~test & ~train).sum(axis=1)
    plain: dict[str, Any] = {"rows": float(lost.mean()) if len(lost) else 0.0}
    plain["of"] = float(training.mean()) if len(training) else 0.0
    much = plain["rows"] > MUCH_PURGED * plain["of"]
    seen = (
        f"{where}: the gap of {gap} bins around the tested pieces takes {plain['rows'] / max(plain['of'], 1):.0%} of "
        "the training rows -> use fewer pieces, or shorter windows"
    )
    return plain | {"sentence": seen if much else ""}


def gap_bins(features: Sequence[xr.Dataset], folds: Folds, bin_width: float) -> int:
    """Return the purge gap in bins: what the study says, or the longest reach of any term and one bin."""
    if folds.gap != "auto":
        return int(np.ceil(folds.gap / bin_width - 1e-6))
    reach = max((max(term.attrs["window"], term.attrs.get("ahead", 0.0)) for term in features), default=0.0)
    return round(reach / bin_width) + 1


def _epochs(binned: xr.Dataset, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that are fitted (`train`, else `fit`, else `use`) and those of the explicit test."""
    in_epoch = binned["in_epoch"].isel(time=row)
    purposes = in_epoch["purpose"].values.tolist()
    fitted = next(purpose for purpose in ("train", "fit", "use") if purpose in purposes)
    tested = in_epoch.sel(purpose=TEST).values if TEST in purposes else np.zeros(len(row), bool)
    return in_epoch.sel(purpose=fitted).values & ~tested, tested


def _masks(
    fold: np.ndarray,
    names: list[str],
    final: np.ndarray,
    tested: np.ndarray,
    row: np.ndarray,
    segment: np.ndarray,
    gap: int,
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return the folds' names, and their test and training rows, each of shape (folds, rows)."""
    test = [fold == number for number in range(len(names))]
    train = [final & ~near(mask, row, segment, gap) for mask in test]
    if tested.any():
        names, test, train = [*names, TEST], [*test, tested], [*train, final]
    shape = (len(names), len(row))
    return names, np.array(test, bool).reshape(shape), np.array(train, bool).reshape(shape)


def _why_not(
    row: np.ndarray, binned: xr.Dataset, features: Sequence[xr.Dataset]
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return the rows that every term can use, and for the others the first term that cannot, and why."""
    shared, reason, meanings = np.ones(len(row), bool), np.zeros(len(row), np.uint8), ["kept"]
    for term in features:
        valid = term["valid"].values
        name = str(term["term"].values[0])
        inside = window_inside(term, binned)
        for bad, why in ((~valid & ~inside, "window_leaves_the_segment"), (~valid & inside, "value_missing")):
            if (bad & shared).any():
                reason[bad & shared] = len(meanings)
                meanings.append(f"{name}:{why}")
        shared &= valid
    return shared, reason, meanings


def _halves(final: np.ndarray) -> np.ndarray:
    """Split the fitted rows at their midpoint, before anything is dropped: 0, 1, and -1 for other rows."""
    half = np.full(len(final), -1, np.int8)
    half[final] = contiguous_blocks(np.ones(int(final.sum()), bool), 2)
    return half


def _narrow_by_unit(dataset: xr.Dataset, binned: xr.Dataset, features: Sequence[xr.Dataset]) -> xr.Dataset:
    narrowed = [term["input_valid"].values for term in features if "input_valid" in term]
    if not narrowed:
        return dataset
    dataset["unit_shared"] = (("time", "unit"), np.logical_and.reduce(narrowed))
    return dataset.assign_coords(unit=binned["unit"].values)


def _check(test: np.ndarray, usable: np.ndarray, shared: np.ndarray, names: list[str], binned: xr.Dataset) -> None:
    """Say before any fit which fold has no row to train on or to test."""
    session = str(binned.attrs.get("session", ""))
    for k, name in enumerate(names):
        for rows, what in ((usable[k], "train on"), (test[k] & shared, "test")):
            if not rows.any():
                raise ProblemError(
                    f"fold {name} has no row to {what}: {int(shared.sum())} rows are valid for every term",
                    where=f"session {session}, fit.folds",
                    mend="use fewer blocks, a shorter gap or window, or longer epochs",
                )
