"""The audit of one recording: what is in it, what the study takes of it, and what is wrong with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from nwbglm import epochs
from nwbglm.audit.contents import describe_contents
from nwbglm.audit.findings import find_in_file
from nwbglm.audit.guard import failure, guarded, or_else
from nwbglm.audit.judged import judged
from nwbglm.audit.plausible import find_implausible
from nwbglm.audit.responses import take_response
from nwbglm.audit.signals import mask_findings, take_signal, used_sources
from nwbglm.binning.exposure import blanked, invalid_times, pooled_spikes, silences
from nwbglm.binning.grid import Grid
from nwbglm.binning.masks import mask_signals
from nwbglm.binning.responses import grid_of
from nwbglm.content import sha256_of
from nwbglm.epochs import Epochs
from nwbglm.errors import NwbGlmError
from nwbglm.recording.choose import UnitColumns, choose_epochs, choose_units, purposes, recording_span
from nwbglm.recording.model import Recording, open_recording
from nwbglm.recording.remote import RangeFile, is_remote, resolve_dandi
from nwbglm.study.data import AuditPolicy, DataSettings
from nwbglm.verdict import Finding, Verdict, plain_text, read_plain
from nwbglm.whole import write_together

T = TypeVar("T")

WORDS = {"pass": "nothing stands in the way", "warn": "usable, with care", "fail": "not usable like this"}
MOSTLY_OUTSIDE = 0.05
"""Share of the epochs' time that may lie outside the recording without a word."""
IMPROBABLE = 25.0
"""A silence during which this many spikes of the population were expected is no chance (e^-25)."""


OUT_OF_LINE = 5.0
"""How many times the pause that only one in a thousand exceeds."""


@dataclass(frozen=True, kw_only=True)
class Audit(Verdict):
    """What an audit found.

    Parameters
    ----------
    contents
        What is in the file: `units`, `series`, `tables`.
    takes
        What the study takes of it: `epochs`, `units`, `signals`, `bins`; empty without a study.
    """

    contents: dict[str, Any] = field(default_factory=dict)
    takes: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        plain = {"session": self.session, "verdict": self.verdict, "sha256": self.recording.get("sha256", "")}
        return plain | {
            "recording": self.recording,
            "source": self.source,
            "contents": self.contents,
            "takes": self.takes,
            "findings": [asdict(finding) for finding in self.findings],
        }

    def write(self, audit: str | Path, page: str | Path) -> None:
        """Write the audit as JSON and as one HTML page, both or neither."""
        write_together({audit: plain_text(_finite(self.to_dict())), page: self.html()})

    def html(self, pictures: str = "") -> str:
        """Return the audit as one HTML page, complete in itself, with pictures of the recording where given."""
        from nwbglm.audit.page import audit_page

        return audit_page(self, pictures)

    def text(self) -> str:
        """Return the audit as plain text, for a terminal."""
        head = [f"{self.session}: {self.verdict} ({WORDS[self.verdict]})"]
        units = self.contents.get("units", {})
        if units:
            head.append(f"  {units['count']} units, {units['spikes']} spikes")
        head += [
            f"  series  {one['path']}  {one['shape']} {one['unit']}"
            + (f"  {one['first']:.3f} to {one['last']:.3f} s" if one["first"] is not None else "")
            for one in self.contents.get("series", [])
        ]
        head += [
            f"  table   {one['path']}  {one['rows']} rows: {', '.join(one['columns'])}"
            for one in self.contents.get("tables", [])
        ]
        lines = [
            f"  {finding.level:4}  {finding.code}: {finding.path}: {finding.seen}"
            + (f"\n        -> {finding.mend}" if finding.mend else "")
            for finding in self.findings
        ]
        return "\n".join([*head, *lines])


def read_audit(path: str | Path) -> Audit:
    """Read an audit that `Audit.write` wrote."""
    plain = read_plain(path)
    findings = tuple(Finding(**finding) for finding in plain["findings"])
    known = {name: plain[name] for name in ("session", "recording", "source", "contents", "takes")}
    return Audit(**known, findings=findings)


def _finite(value: Any) -> Any:
    """Replace what JSON cannot say (NaN, infinity, numpy's numbers) by what it can."""
    if isinstance(value, dict):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def audit_recording(path: str | Path, settings: DataSettings | None, *, session: str) -> Audit:
    """Audit a recording. A file that cannot be opened or used is a failing audit, not an error.

    Parameters
    ----------
    path
        The file.
    settings
        The study's part about data; None to look at the file alone.
    session
        Its name in the study.
    """
    policy = AuditPolicy() if settings is None else settings.audit
    about: dict[str, Any] = {"file": Path(str(path)).name}
    try:
        about |= file_facts(path)
        with open_recording(path, session=session, external=policy.external_links) as recording:
            audit = _audit(recording, settings, about)
    except NwbGlmError as error:
        finding = Finding("file", "fail", error.where, error.what, error.mend)
        audit = Audit(session=session, recording=about, findings=(finding,))
    except Exception as error:
        # A damaged file can break the reader anywhere below: whatever is raised is a finding.
        finding = failure(error, str(path), code="file", mend="copy or download it again; then ask its authors")
        audit = Audit(session=session, recording=about, findings=(finding,))
    return replace(audit, source=str(path), findings=tuple(judged(audit.findings, policy)))


def file_facts(path: str | Path) -> dict[str, Any]:
    """Return the size and sha256 of a local file (or of all files of a folder, in order of name).

    Of a file on a server: its address, size and tag; to hash it would be to download it.
    """
    if is_remote(path):
        address = str(path)
        with RangeFile(resolve_dandi(address) if address.startswith("dandi:") else address) as remote:
            return {"url": address, "bytes": remote.size, "etag": remote.etag}
    place = Path(str(path))
    if not place.exists():
        return {}
    sha256, size = sha256_of(place)
    return {"sha256": sha256, "bytes": size}


def _audit(recording: Recording, settings: DataSettings | None, about: dict[str, Any]) -> Audit:
    for name in ("identifier", "version", "start", "description", "subject", "notes"):
        about[ABOUT.get(name, name)] = or_else(partial(getattr, recording, name), "")
    takes: dict[str, Any] = {}
    findings: list[Finding] = []
    use = None
    if settings is not None:
        findings += guarded(lambda: find_in_study(recording, settings, takes), "study", "fail")
        use = takes.pop("use", None)
        recording = recording.for_study(settings)
    spikes = settings is None or settings.response is None
    findings += guarded(lambda: find_in_file(recording, use, spikes=spikes), "file", "fail")
    findings += guarded(lambda: find_implausible(recording, use, takes.get("bin")), "times")
    contents = describe_contents(recording)
    used = used_sources(takes)
    found = tuple(
        replace(one, level="fail") if one.code in RUINOUS and one.path in used and one.level == "warn" else one
        for one in findings
    )
    return Audit(session=recording.session, recording=about, findings=found, contents=contents, takes=takes)


ABOUT = {"version": "nwb_version", "start": "session_start"}
"""What the audit calls the file's own words."""
RUINOUS = ("times-not-in-seconds", "axes-exchanged")
"""Findings that make a signal worthless: they fail where the study takes it."""


def find_in_study(recording: Recording, settings: DataSettings, takes: dict[str, Any]) -> Iterator[Finding]:
    """Take what the study takes, and say what is wrong with it."""
    recording = recording.for_study(settings)
    takes["epochs"] = {}
    chosen: dict[str, Epochs] = {}
    for name in dict.fromkeys([*purposes(settings), *settings.epochs]):
        found = yield from _try(partial(choose_epochs, recording, settings, name), f"epochs.{name}")
        if found is not None:
            chosen[name], takes["epochs"][name] = found, _about_epochs(found)
            if name in settings.epochs or name == "use":
                outside = list(_outside_recording(recording, name, found))
                yield from outside
                if name == "use" and any(finding.level == "fail" for finding in outside):
                    return  # units without a spike, signals without a value: all of it follows
    if "use" not in chosen:
        return
    use = epochs.merge_overlaps(chosen["use"])
    takes["use"] = use
    yield from _about_use(chosen)
    grid = yield from _try(partial(grid_of, recording, settings, use), "response")
    if grid is None:
        return
    takes["bins"], takes["bin"] = len(grid), settings.bin
    if not len(grid):
        seen = f"no epoch in use is as long as a bin ({settings.bin} s)"
        yield Finding("no-bins", "fail", "epochs.use", seen, "check `epochs.use` and `bin`")
        return
    yield from _invalid(recording, settings, use)
    if settings.response is None:
        yield from guarded(lambda: _units(recording, settings, use, takes), "units", "fail")
    else:
        yield from guarded(lambda: _response(recording, settings, grid, use, takes), "response", "fail")
    takes["signals"] = {}
    for name in settings.signals:
        yield from guarded(partial(take_signal, recording, settings, grid, name, takes["signals"]), f"signals.{name}")
    if settings.mask and takes["signals"].keys() >= set(mask_signals(settings)):
        yield from guarded(lambda: mask_findings(recording, settings, grid), "mask", "fail")


def _invalid(recording: Recording, settings: DataSettings, use: Epochs) -> Iterator[Finding]:
    """Say what is done about the time that the file itself marks as invalid."""
    found = yield from _try(lambda: invalid_times(recording), "invalid_times")
    inside = epochs.empty() if found is None else epochs.intersect(found, use)
    if len(inside):
        shown = ", ".join(f"{span.start:.3f} to {span.stop:.3f} s" for span in inside.take(slice(8)))
        seen = f"the file marks {inside.total:.3f} s of the time in use as invalid: {shown}"
        kept = settings.invalid_times == "keep"
        mend = (
            "kept, as the study says"
            if kept
            else "blanked: neither its spikes nor its silence count; `invalid_times: keep` keeps it"
        )
        yield Finding("invalid-times", "pass" if kept else "warn", "intervals/invalid_times", seen, mend)


def _try(act: Callable[[], T], field: str) -> Generator[Finding, None, T | None]:
    """Act; what goes wrong becomes a failing finding (and the value None)."""
    try:
        return act()
    except Exception as error:
        yield failure(error, field, code="study", mend="correct this field of the study, or the file")
    return None


def _about_epochs(found: Epochs) -> dict[str, Any]:
    return {
        "intervals": len(found),
        "seconds": found.total,
        "first": float(found.start.min()),
        "last": float(found.stop.max()),
        "labels": list(dict.fromkeys(str(label) for label in found.label))[:20],
        "spans": [[float(span.start), float(span.stop)] for span in found][:500],
    }


def _outside_recording(recording: Recording, name: str, found: Epochs) -> Iterator[Finding]:
    """Report epochs that lie outside the recording: times counted from another zero, or in another unit."""
    low, high = recording_span(recording)
    if not np.isfinite(low):
        return
    frame = Epochs.of(np.full(len(clocks := np.unique(found.clock)), low), np.full(len(clocks), high), clock=clocks)
    outside = float(epochs.difference(found, frame).duration.sum())
    if outside <= MOSTLY_OUTSIDE * float(found.duration.sum()):
        return
    everything = outside >= 0.999 * float(found.duration.sum())
    seen = (
        f"{'they lie' if everything else f'{outside:.3f} s of them lie'} outside the recording: from "
        f"{found.start.min():.3f} to {found.stop.max():.3f} s, and the recording lasts from {low:.3f} to {high:.3f} s"
    )
    long = min(float(found.stop.max() - found.start.min()), high - low)
    mend = (
        f"times count as in the file, such as `{name}: {{intervals: [[{low:.3f} s, {low + long:.3f} s]]}}`; or name a "
        "table, with `first`"
    )
    yield Finding("epochs-outside", "fail" if everything else "warn", f"epochs.{name}", seen, mend)


def _about_use(chosen: dict[str, Epochs]) -> Iterator[Finding]:
    use = chosen["use"]
    late = int(epochs.overlapping(use).sum())
    if late:
        seen = f"{late} of {len(use)} rows overlap an earlier one"
        yield Finding("use-overlaps", "warn", "epochs.use", seen, "joined, so that no spike counts twice")
    for name, found in chosen.items():
        outside = epochs.difference(found, use).duration.sum() if name in ("fit", "train", "test") else 0.0
        if outside > 0:
            seen = f"{outside:.3f} s of {found.total:.3f} s lie outside `use`"
            yield Finding("outside-use", "warn", f"epochs.{name}", seen, "only bins within `use` exist: widen it")
    if "train" in chosen and "test" in chosen:
        shared = epochs.intersect(chosen["test"], chosen["train"])
        if len(shared):
            seen = f"{shared.total:.3f} s are in both train and test"
            yield Finding("train-in-test", "fail", "epochs.test", seen, "make them apart: such a test is no test")


def _response(
    recording: Recording, settings: DataSettings, grid: Grid, use: Epochs, takes: dict[str, Any]
) -> Iterator[Finding]:
    blank = yield from _try(lambda: blanked(recording, settings, use), "blank")
    if blank is None:
        return
    if len(blank):
        takes["blanked"] = blank.total
    found = yield from _try(lambda: list(take_response(recording, settings, grid, blank, takes)), "response")
    yield from found or ()


def _units(recording: Recording, settings: DataSettings, use: Epochs, takes: dict[str, Any]) -> Iterator[Finding]:
    blank = yield from _try(lambda: blanked(recording, settings, use), "blank")
    columns = UnitColumns(recording, use, blank)
    rows = yield from _try(lambda: choose_units(columns, settings), "units")
    if blank is not None and len(blank):
        takes["blanked"] = blank.total
    if rows is None:
        return
    takes["units"] = {
        "selected": len(rows),
        "of": len(recording.units),
        "ids": recording.units.ids[rows].tolist(),
        "spikes": columns.spikes[rows].tolist(),
        "rate": columns.rate[rows].tolist(),
        "presence_ratio": columns.presence_ratio[rows].tolist(),
        "refractory_violations": columns.refractory_violations[rows].tolist(),
    }
    unseen = recording.units.ids[rows][columns.observed[rows] == 0].tolist()
    if unseen:
        seen = f"units {', '.join(map(str, unseen))} were never observed during `use`"
        yield Finding("units-unobserved", "warn", "units", seen, "they get a status and no fit")
    if not any(entry.silence is not None for entry in settings.blank.values()):
        yield from _lost_tracking(recording, use, columns)


def _lost_tracking(recording: Recording, use: Epochs, columns: UnitColumns) -> Iterator[Finding]:
    """Report silences of the whole population that are too long for chance, and out of line with its other pauses."""
    rate = float(columns.spikes.sum()) / use.total
    if rate <= 0:
        return
    pauses = np.concatenate(
        [np.diff(pooled_spikes(recording, use.take(use.clock == clock), int(clock))) for clock in np.unique(use.clock)]
    )
    usual = float(np.quantile(pauses, 0.999)) if len(pauses) else 0.0
    longest = max(IMPROBABLE / rate, OUT_OF_LINE * usual)
    found = silences(recording, use, longest)
    if len(found):
        times = "once" if len(found) == 1 else f"{len(found)} times"
        seen = (
            f"{times} no unit fires for {longest:.3g} s or longer (up to {found.duration.max():.3g} s, from "
            f"{found.start.min():.3f} s on), where {rate:.3g} spikes a second are usual"
        )
        mend = f"if these are lost data, not silence: `blank: {{lost: {{silence: {longest:.2g} s}}}}`"
        yield Finding("population-silent", "warn", "units/spike_times", seen, mend)
