"""Lint: what is said of migrations and functions by looking at them, and at the locks that they take."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from pgassay.checks import linters, locks, lowering
from pgassay.checks.finding import Finding
from pgassay.checks.linters import NotInstalled
from pgassay.config import Config, Waiver
from pgassay.identity import Databases
from pgassay.migrations import Folder, Script
from pgassay.templates import Template

_RULES = (lowering.RULE, locks.LOCKS, locks.FAILS)
_PREFIXES = {linters.SQLFLUFF: "sqlfluff-", linters.SQUAWK: "squawk-", linters.PLPGSQL_CHECK: "plpgsql-check-"}


@dataclass
class Linted:
    """What was found; which linters could not be had although they should be, and which this server lacks.

    ``notes`` are facts that nobody must act on.
    """

    notes: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    unjudged: dict[str, str] = field(default_factory=dict)
    lacking: dict[str, str] = field(default_factory=dict)


def check(
    databases: Databases,
    template: Template,
    settings: Config,
    before: tuple[Script, ...],
    folder: Folder,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> Linted:
    """Lint the migrations of ``folder``, and what goes in ``before`` them.

    ``progress`` is told in words of each step before it is taken.
    """
    scripts = (*before, *folder.migrations)
    linted = Linted()
    static: dict[str, Callable[[], list[Finding]]] = {
        linters.SQLFLUFF: lambda: linters.sqlfluff(scripts, settings.root),
        linters.SQUAWK: lambda: linters.squawk(folder.migrations, settings.root, databases.server.major),
    }
    for name, run in static.items():
        progress(f"Running {name}")
        try:
            linted.findings += run()
        except NotInstalled as error:
            linted.unjudged[name] = f"it is not installed: {error}"
    progress(f"Running {linters.PLPGSQL_CHECK}")
    try:
        linted.findings += linters.plpgsql_check(databases, template, scripts)
    except NotInstalled as error:
        linted.lacking[linters.PLPGSQL_CHECK] = str(error)
    linted.findings += lowering.check(folder.migrations)
    progress("Watching which locks the migrations take")
    linted.findings += locks.check(databases, before, folder.migrations, settings.tenancy)
    found = sorted(map(_shortened, linted.findings), key=_place)
    linted.findings = [finding for finding in found if finding.severity != linters.NOTE]
    notes = (f"{finding.location}: {finding.observed}" for finding in found if finding.severity == linters.NOTE)
    linted.notes = list(dict.fromkeys(notes))
    return linted


def is_rule(rule: str | None) -> bool:
    """Whether that is a rule of the linter's, and not of the other checks."""
    return rule is not None and (rule in _RULES or rule.startswith(tuple(_PREFIXES.values())))


def waivers_of_checks(declared: Iterable[Waiver]) -> tuple[Waiver, ...]:
    """The waivers that are not for the linter."""
    return tuple(waiver for waiver in declared if not _is_for_linting(waiver))


def waivers_of_lint(declared: Iterable[Waiver], linted: Linted) -> tuple[Waiver, ...]:
    """The waivers for the linter, without those for what a linter would say that was not run."""
    absent = tuple(_PREFIXES[name] for name in (*linted.unjudged, *linted.lacking))
    return tuple(
        waiver
        for waiver in declared
        if _is_for_linting(waiver) and not (waiver.rule is not None and waiver.rule.startswith(absent))
    )


def _is_for_linting(waiver: Waiver) -> bool:
    return is_rule(waiver.rule) or waiver.object in (linters.SQLFLUFF, linters.SQUAWK)


def _shortened(finding: Finding) -> Finding:
    """The same with the file as seen from here."""
    file, _, line = finding.location.rpartition(":")
    path = Path(file)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        return replace(finding, location=f"{path.relative_to(Path.cwd()).as_posix()}:{line}")
    return finding


def _place(finding: Finding) -> tuple[str, int, str]:
    file, _, line = finding.location.rpartition(":")
    return file, int(line or 0), finding.rule
