"""What is made of an audit's findings: the study's policy is applied, what is the same of many objects is said once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from nwbglm.study.data import AuditPolicy
from nwbglm.verdict import Finding

MANY = 4
"""Findings that differ in their object alone are told as one from this many on."""


def judged(findings: Sequence[Finding], policy: AuditPolicy) -> list[Finding]:
    """Apply the study's policy, and put the worst first."""
    judged = []
    for finding in findings:
        if finding.code in policy.ignore and finding.code != "file":
            finding = replace(finding, level="pass", mend=f"accepted by the study; {finding.mend}")
        elif finding.code in policy.fail:
            finding = replace(finding, level="fail")
        judged.append(finding)
    return sorted(_alike(judged), key=lambda finding: ("fail", "warn", "pass").index(finding.level))


def _alike(findings: list[Finding]) -> list[Finding]:
    """Say once what is the same of many objects but for the numbers: how many there are, and the first."""
    alike: dict[tuple[str, ...], list[Finding]] = {}
    for one in dict.fromkeys(findings):
        kind = (one.code, one.level, one.path.rpartition("/")[0], re.sub(r"[\d.]+", "0", one.seen), one.mend)
        alike.setdefault(kind, []).append(one)
    told = []
    for several in alike.values():
        first = several[0]
        if len(several) < MANY or first.level == "fail" or "/" not in first.path:
            told += several
            continue
        others = "" if all(one.seen == first.seen for one in several) else " (the first; the others alike)"
        told.append(replace(first, path=f"{first.path} and {len(several) - 1} more", seen=first.seen + others))
    return told
