"""One hole lets many in: findings that differ in who did it alone are told once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pgassay.checks.finding import SEVERITIES, Finding

_ROWS = re.compile(r", as \(|: [\[(]")
_IDS = re.compile("[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}")


@dataclass(frozen=True)
class Group:
    """The finding that is told, and who else did the same."""

    finding: Finding
    others: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many findings it stands for."""
        return 1 + len(self.others)


def by_object(findings: Iterable[Finding]) -> dict[str, list[Group]]:
    """Object → its groups: those with errors first, those with one mend together, otherwise in the order found."""
    alike: dict[tuple[str, ...], list[Finding]] = {}
    for finding in findings:
        alike.setdefault(_key(finding), []).append(finding)
    groups = [Group(first, tuple(finding.identity for finding in others)) for first, *others in alike.values()]
    mends = list(dict.fromkeys(group.finding.mend for group in groups))
    found: dict[str, list[Group]] = {}
    for group in sorted(groups, key=_severity):
        found.setdefault(group.finding.object, []).append(group)
    for of_one in found.values():
        of_one.sort(key=lambda group: (_severity(group), mends.index(group.finding.mend)))
    return found


def _severity(group: Group) -> int:
    return {name: place for place, name in enumerate(SEVERITIES)}.get(group.finding.severity, len(SEVERITIES))


def what(finding: Finding) -> str:
    """What was observed, without who did it, and without the rows that came back: those differ from run to run."""
    said = _ROWS.split(finding.observed.removeprefix(finding.identity))[0]
    return _IDS.sub("…", said)


def _key(finding: Finding) -> tuple[str, ...]:
    # nobody did it: there is nothing to be told together
    own = () if finding.identity else (finding.observed, finding.statement, finding.location)
    return (
        finding.rule,
        finding.object,
        finding.severity,
        finding.door,
        finding.culprit,
        finding.mend,
        what(finding),
        *own,
    )
