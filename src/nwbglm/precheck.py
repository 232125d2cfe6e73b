"""What a study says, held against the data before any job: as far as they can be reached, and in bounded time.

The audit's own functions look at epochs, units and signals; the terms are made on the bins by the functions that make
them in a run, with one silent unit in the place of all. So the findings, their codes and words are those that a run
would end with.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from nwbglm import epochs
from nwbglm.audit import find_in_study
from nwbglm.audit.guard import guarded
from nwbglm.audit.judged import judged
from nwbglm.binning import purpose_masks
from nwbglm.binning.masks import mask_signals, masked
from nwbglm.binning.responses import grid_of
from nwbglm.binning.signals import bin_named
from nwbglm.errors import NwbGlmError
from nwbglm.features import analysis_rows, build_features
from nwbglm.lost import lost_rows
from nwbglm.recording.choose import choose_epochs
from nwbglm.recording.model import Recording, open_recording
from nwbglm.response import SPIKES
from nwbglm.study import Study
from nwbglm.study.cost import Taken
from nwbglm.verdict import Finding

SECONDS = 60.0
"""How long to look, by default."""


@dataclass
class Looked:
    """What was seen.

    Parameters
    ----------
    findings
        By recording, worst first; those of the study itself under ''.
    taken
        Rows and units of each recording that could be used.
    unseen
        Why a recording was not looked at, by its name.
    """

    findings: dict[str, list[Finding]] = field(default_factory=dict)
    taken: list[Taken] = field(default_factory=list)
    unseen: dict[str, str] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether something is in the way of a run."""
        return any(finding.level == "fail" for findings in self.findings.values() for finding in findings)


def look_at_data(study: Study, *, seconds: float = SECONDS) -> Looked:
    """Hold a study against its recordings.

    Parameters
    ----------
    study
        The study.
    seconds
        Recordings whose turn has not come by then are left out, and a recording is left in the middle.
    """
    looked = Looked()
    end = time.monotonic() + seconds
    if same := list(_same_files(study)):
        looked.findings[""] = same
    for name, recording in study.recordings.items():
        source = recording.nwb
        if source.path is None:
            looked.unseen[name] = "made by the run" if source.made else "on a server, and not opened here"
        elif time.monotonic() > end:
            looked.unseen[name] = f"not looked at within {seconds:g} s"
        else:
            _look_at_one(study, name, source.path, end, looked)
    return looked


def _same_files(study: Study) -> Iterator[Finding]:
    """Report recordings that are the same file under several names: a session would count twice."""
    names: dict[str, list[str]] = {}
    for name, recording in study.recordings.items():
        if recording.nwb.path is not None:
            names.setdefault(os.path.realpath(recording.nwb.path), []).append(name)
    for path, several in names.items():
        if len(several) > 1:
            seen = f"{' and '.join(several)} are the same file, {path}"
            yield Finding("same-file", "warn", "recordings", seen, "keep one, so that no session counts twice")


def _look_at_one(study: Study, name: str, path: str, end: float, looked: Looked) -> None:
    findings: list[Finding] = []
    try:
        with open_recording(path, session=name, external=study.audit.external_links) as recording:
            takes: dict[str, Any] = {}
            for finding in _look(recording, study, takes):
                findings.append(finding)
                if time.monotonic() > end:
                    looked.unseen[name] = "not looked at to the end: it takes long"
                    break
        taken = takes.get("units") or takes.get("response")
        if taken and takes.get("rows"):
            looked.taken.append(Taken(takes["rows"], taken["selected"]))
    except NwbGlmError as error:
        mend = error.mend
        if not Path(path).exists():
            mend = f"correct recordings.{name}.nwb; paths count from {os.getcwd()}"
        findings.append(Finding("file", "fail", error.where or path, error.what, mend))
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:  # a damaged file, as in the audit
        seen = f"the file cannot be read: {type(error).__name__}: {error}"
        findings.append(Finding("file", "fail", path, seen, "copy or download it again"))
    looked.findings[name] = judged(tuple(findings), study.audit)


def _look(recording: Recording, study: Study, takes: dict[str, Any]) -> Iterator[Finding]:
    failed = False
    for finding in guarded(lambda: find_in_study(recording, study.data, takes), "study"):
        failed |= finding.level == "fail"
        yield finding
    if not failed:
        yield from _terms(recording, study, takes)


def _terms(recording: Recording, study: Study, takes: dict[str, Any]) -> Iterator[Finding]:
    """Make the terms on the recording's bins, and say what they cost."""
    binned = bins_without_spikes(recording, study)
    rows = analysis_rows(binned)
    takes["rows"] = len(rows)
    if not len(rows):
        seen = "no bin lies whole in the epochs that are fitted"
        yield Finding("no-bins", "fail", "epochs.fit", seen, "check that `fit` lies within `use`, and `bin`")
        return
    made = {}
    for name in study.used_terms:
        try:
            made[name] = build_features(binned, study.terms[name], name=name)
        except NwbGlmError as error:
            yield Finding("study", "fail", f"terms.{name}", error.what, error.mend)
    for one in lost_rows(binned, list(made.values()), fitted_rows(binned, rows)):
        for code, seen, mend in one.sentences():
            yield Finding(code, "warn", f"terms.{one.term}", seen, mend)


def fitted_rows(binned: xr.Dataset, rows: np.ndarray) -> np.ndarray:
    """Tell which analysis rows are fitted (`train`, else `fit`)."""
    known = binned["purpose"].values.tolist()
    return binned["in_epoch"].values[known.index("train" if "train" in known else "fit"), rows]


def bins_without_spikes(recording: Recording, study: Study) -> xr.Dataset:
    """Make what terms need of a ``binned`` store, with one silent unit: segments, purposes and the terms' signals."""
    settings = study.data
    use = epochs.merge_overlaps(choose_epochs(recording, settings, "use"))
    grid = grid_of(recording, settings, use)
    of_terms = [signal for term in study.used_terms for signal in study.terms[term].signals]
    signals = {
        name: bin_named(recording, settings, grid, name) for name in dict.fromkeys(of_terms + mask_signals(settings))
    }
    inside = purpose_masks(recording, settings, grid) & ~masked(settings, signals, len(grid))
    return xr.Dataset(
        {
            "response": (("time", "unit"), np.broadcast_to(np.zeros(1, np.uint8), (len(grid), 1)), SPIKES),
            "segment": ("time", grid.segment),
            "in_epoch": inside,
            **signals,
        },
        coords={"time": grid.centre, "unit": [0]},
        attrs={"bin": settings.bin, "session": recording.session},
    )
