"""One hole lets many in: findings that differ in who did it alone are told once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pgassay.checks.finding import Finding


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
    """Object → its groups, errors first; objects with errors first, otherwise in the order in which they were found."""
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for finding in findings:
        groups.setdefault(_key(finding), []).append(finding)
    found: dict[str, list[Group]] = {}
    for alike in sorted(groups.values(), key=lambda alike: alike[0].severity != "error"):
        others = tuple(finding.identity for finding in alike[1:])
        found.setdefault(alike[0].object, []).append(Group(alike[0], others))
    return found


def _key(finding: Finding) -> tuple[str, ...]:
    what = finding.observed
    if finding.identity:
        what = what.removeprefix(finding.identity)
    else:  # nobody did it: there is nothing to be told together
        what += f"\0{finding.statement}\0{finding.location}"
    return finding.rule, finding.object, finding.severity, finding.door, finding.culprit, finding.expected, what
