"""Causes: what is open, once each, however many findings tell of it; the worst first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pgassay.checks import isolation
from pgassay.checks.finding import Finding
from pgassay.checks.rules import PERFORMANCE
from pgassay.checks.run import Run
from pgassay.report.groups import what
from pgassay.wording import count

SEVERITIES = ("error", "question", "warning", "note")
"""The worst first."""
_HARM = tuple(reversed(isolation.RULES))
"""Rules of the experiments, the worst first."""


@dataclass(frozen=True)
class Cause:
    """Findings that one policy, grant, function or setting is to blame for, or that one mend closes: the worst first.

    ``more`` are the doors besides the first finding's, and ``others`` whoever else gets through.
    """

    findings: tuple[Finding, ...]

    @property
    def worst(self) -> Finding:
        """The finding that is told."""
        return self.findings[0]

    @property
    def objects(self) -> tuple[str, ...]:
        """Where it shows."""
        return tuple(dict.fromkeys(finding.object for finding in self.findings))

    @property
    def doors(self) -> tuple[str, ...]:
        """By which operations besides the worst one, at the same object."""
        doors = {finding.door for finding in self.findings if finding.object == self.worst.object}
        return tuple(name for name in isolation.OPERATIONS if name in doors - {self.worst.door})

    @property
    def others(self) -> tuple[str, ...]:
        """Who else gets through."""
        names = dict.fromkeys(finding.identity for finding in self.findings if finding.identity)
        return tuple(name for name in names if name != self.worst.identity)

    @property
    def culprit(self) -> str:
        """What lets them through, where that is known. Its own table is not named again."""
        culprit = next((finding.culprit for finding in self.findings if finding.culprit), "")
        return culprit.removesuffix(f" on {self.worst.object}")

    @property
    def location(self) -> str:
        """``file:line`` of that, else of the object."""
        places = (finding.culprit_location or finding.location for finding in self.findings)
        return next(filter(None, places), "")

    @property
    def sentence(self) -> str:
        """What is open, and to whom."""
        worst = self.worst
        said = what(worst)
        if worst.identity and worst.observed.startswith(worst.identity):
            said = worst.identity + said
        if self.others:
            said += f"; {count(len(self.others), 'other')} too"
        if self.doors:
            said += f"; also {', '.join(self.doors)}"
        where = named(self.objects, 1)
        return f"{where}: {said}"


def of(run: Run) -> list[Cause]:
    """The causes of what was found in ``run``, without advice on performance and mere notes."""
    findings = [f for f in run.findings if f.rule not in PERFORMANCE and f.severity != "note"]
    ranks = {identity: number for number, identity in enumerate(run.identities)}
    causes = [Cause(tuple(sorted(each, key=lambda f: _harm(f, ranks)))) for each in _together(findings)]
    return sorted(causes, key=lambda cause: (*_harm(cause.worst, ranks), -len(cause.findings)))


def advice(run: Run) -> list[Finding]:
    """What was found that costs time, and opens nothing."""
    return [finding for finding in run.findings if finding.rule in PERFORMANCE]


def not_judged(run: Run) -> list[tuple[str, tuple[str, ...]]]:
    """Each reason with the objects that were not judged for it, the most frequent first."""
    found: dict[str, list[str]] = {}
    for name, why in run.unjudged.items():
        found.setdefault(why.replace(name, "it"), []).append(name)
    return [(why, tuple(names)) for why, names in sorted(found.items(), key=lambda item: -len(item[1]))]


def named(names: tuple[str, ...], most: int) -> str:
    """The first of ``names``, and how many more."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def _together(findings: Iterable[Finding]) -> Iterable[list[Finding]]:
    """The findings of each cause: they share the culprit, or the mend at one object, or all that a rule says to do."""
    group: dict[tuple[str, ...], list[Finding]] = {}
    for finding in findings:
        keys = list(_keys(finding))
        known = [group[key] for key in keys if key in group]
        mine = known[0] if known else []
        mine.append(finding)
        for other in known[1:]:
            if other is not mine:
                mine += other
                group |= {key: mine for key, value in group.items() if value is other}
        group |= dict.fromkeys(keys, mine)
    return {id(each): each for each in group.values()}.values()


def _keys(finding: Finding) -> Iterable[tuple[str, ...]]:
    yield "mend", finding.object, finding.mend
    if finding.culprit:
        yield "culprit", finding.culprit
    elif not finding.identity:  # a rule that says the same of many objects, as that the snapshot has them otherwise
        yield "rule", finding.rule, finding.mend


def _harm(finding: Finding, identities: Mapping[str, int]) -> tuple[int, int, int]:
    severity = SEVERITIES.index(finding.severity) if finding.severity in SEVERITIES else len(SEVERITIES)
    rule = _HARM.index(finding.rule) if finding.rule in _HARM else len(_HARM) + (not finding.identity)
    # Of what one has no column for, as forged claims, a stranger may have as much.
    return severity, rule, identities.get(finding.identity, 1)
