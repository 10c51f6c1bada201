"""Waivers: what the configuration accepts, with a reason. One that accepts nothing is a finding itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from pgassay.checks import ways
from pgassay.checks.finding import Finding
from pgassay.checks.ways import Way
from pgassay.config import Waiver
from pgassay.schema import policies

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
    """What is left of findings and of what was not judged (object → reason), and what was waived, of ways as well."""

    findings: tuple[Finding, ...]
    unjudged: dict[str, str]
    waived: tuple[Waived, ...]
    ways: tuple[Way, ...] = ()


def apply(
    waivers: Iterable[Waiver], findings: Iterable[Finding], unjudged: Mapping[str, str], opened: Iterable[Way] = ()
) -> Verdict:
    """Take out what ``waivers`` accept."""
    left, not_judged, every = list(findings), dict(unjudged), list(opened)
    waived: list[Waived] = []
    for waiver in waivers:
        accepted = [finding for finding in left if accepts(waiver, finding)]
        left = [finding for finding in left if finding not in accepted]
        waived += [Waived(waiver.object, finding.observed, waiver.reason, finding) for finding in accepted]
        is_for_all = waiver.way is None and waiver.rule in (None, NOT_JUDGED) and waiver.object in not_judged
        names = [waiver.object] if is_for_all else []
        for number, way in enumerate(every):
            goes_with_it = is_for_all and way.object == waiver.object and not way.takers and not way.why
            if goes_with_it or _is_for(waiver, way):
                every[number] = replace(way, waived=waiver.reason)
                names += [way.name] if way.name in not_judged else []
        waived += [Waived(name, f"not judged: {not_judged.pop(name)}", waiver.reason) for name in names]
        if not names and not accepted:
            left.append(
                Finding(
                    RULE,
                    waiver.object,
                    "a waiver is for something that was not found",
                    f"Take the waiver for {waiver.object} out of [[tool.pgassay.waive]].",
                )
            )
    return Verdict(tuple(left), not_judged, tuple(waived), tuple(every))


def _is_for(waiver: Waiver, way: Way) -> bool:
    return waiver.way is not None and ways.is_waived(way, waiver.object, policies.key_of(waiver.way))


def accepts(waiver: Waiver, finding: Finding) -> bool:
    """Whether ``waiver`` is for that."""
    if waiver.way is not None:
        return False
    is_for = waiver.rule == finding.rule or (waiver.rule is None and not finding.rule.startswith(SCHEMA))
    return is_for and finding.object == waiver.object
