"""A first study of a recording: made by looking, held against the data, and written with what was seen."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from nwbglm.precheck import look_at_data
from nwbglm.recording import open_recording
from nwbglm.study import Study
from nwbglm.study.loading import parse_yaml
from nwbglm.study.root import read_study
from nwbglm.verdict import Finding

from .decide import decide
from .draft import Draft
from .page import page
from .seen import as_name

ROUNDS = 6
"""How often what the data refuse is taken out and the rest is looked at again."""


@dataclass(frozen=True)
class Started:
    """A study that was started.

    Parameters
    ----------
    text
        The study file.
    study
        What it says.
    failed
        What stands in the way of a run all the same.
    """

    text: str
    study: Study
    failed: tuple[Finding, ...]


def start_study(path: str | Path, *, seconds: float = 60.0) -> Started:
    """Make a study of one recording that runs as it is.

    Parameters
    ----------
    path
        The file.
    seconds
        How long to hold the study against the data.

    Raises
    ------
    NwbGlmError
        If the file cannot be read, or holds nothing that a study could explain.
    """
    session = as_name(Path(path).name.removesuffix(".zarr").removesuffix(".nwb"), ())
    with open_recording(path, session=session) as recording:
        draft = decide(recording)
    draft.head[:0] = [
        f"A first study of {Path(path).name}, made by `nwbglm new`. Comments say what was seen, and what is to be "
        "decided. Check it with `nwbglm check FILE`, run it with `snakemake --cores 2 --configfile FILE`.",
    ]
    for _ in range(ROUNDS):
        draft.choose_models()
        text = page(draft, session=session, path=str(path))
        where = f"the study of {path}"
        study = read_study(parse_yaml(text.encode(), where), where)
        findings = look_at_data(study, seconds=seconds).findings.get(session, [])
        if not _mended(draft, findings):
            break
    warned = [finding for finding in findings if finding.level == "warn"]
    draft.head += [f"{one.code}: {one.path}: {one.seen} -> {one.mend}." for one in warned[:8]]
    text = page(draft, session=session, path=str(path))
    return Started(text, study, tuple(finding for finding in findings if finding.level == "fail"))


def _mended(draft: Draft, findings: list[Finding]) -> bool:
    """Turn off what the data refuse, and what can explain nothing; tell whether anything was."""
    useless = [
        finding
        for finding in findings
        if finding.level == "fail" or finding.code == "signal-constant" or _gaps(finding) or _all_constant(finding)
    ]
    # What terms cost is known only once the signals are good: rows that one loses are lost to all.
    for kind, known in (("signals", draft.signals), ("terms", draft.terms)):
        mended = False
        for finding in useless:
            place = re.match(rf"{kind}\.([^.]+)", finding.path)
            if place is not None and place[1] in known and not known[place[1]].off:
                draft.drop(place[1], finding.seen)
                mended = True
        if mended:
            return True
    return False


def _gaps(finding: Finding) -> bool:
    share = re.match(r"(\d+)%", finding.seen)
    return finding.code == "signal-gaps" and share is not None and int(share[1]) > 30


def _all_constant(finding: Finding) -> bool:
    count = re.match(r"of its (\d+) features (\d+) do not vary", finding.seen)
    return finding.code == "features-vary-little" and count is not None and count[1] == count[2]


__all__ = ["Started", "start_study"]
