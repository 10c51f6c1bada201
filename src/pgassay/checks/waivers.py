"""Waivers: what the configuration accepts, with a reason. One that accepts nothing is a finding itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pgassay.checks.finding import Finding
from pgassay.config import Waiver

RULE = "unused-waiver"
SCHEMA = "schema-"
"""Rules that a waiver has to name: it was not meant for what the schema of its object becomes."""
NOT_JUDGED = "not-judged"


@dataclass(frozen=True)
class Waived:
    """What was accepted at ``object`` for ``reason``: a ``finding``, or, where that is None, its not being judged."""

    object: str
    what: str
    reason: str
    finding: Finding | None = None


@dataclass(frozen=True)
class Verdict:
    """What is left of findings and of what was not judged (object → reason), and what was waived."""

    findings: tuple[Finding, ...]
    unjudged: dict[str, str]
    waived: tuple[Waived, ...]


def apply(waivers: Iterable[Waiver], findings: Iterable[Finding], unjudged: Mapping[str, str]) -> Verdict:
    """Take out what ``waivers`` accept."""
    left, not_judged = list(findings), dict(unjudged)
    waived: list[Waived] = []
    for waiver in waivers:
        accepted = [finding for finding in left if accepts(waiver, finding)]
        left = [finding for finding in left if finding not in accepted]
        waived += [Waived(waiver.object, finding.observed, waiver.reason, finding) for finding in accepted]
        if waiver.rule in (None, NOT_JUDGED) and waiver.object in not_judged:
            what = f"not judged: {not_judged.pop(waiver.object)}"
            waived.append(Waived(waiver.object, what, waiver.reason))
        elif not accepted:
            left.append(
                Finding(
                    RULE,
                    waiver.object,
                    "a waiver is for something that was not found",
                    f"Take the waiver for {waiver.object} out of [[tool.pgassay.waive]].",
                )
            )
    return Verdict(tuple(left), not_judged, tuple(waived))


def accepts(waiver: Waiver, finding: Finding) -> bool:
    """Whether ``waiver`` is for that."""
    is_for = waiver.rule == finding.rule or (waiver.rule is None and not finding.rule.startswith(SCHEMA))
    return is_for and finding.object == waiver.object
