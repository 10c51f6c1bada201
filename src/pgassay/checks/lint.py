"""Lint: what is said of migrations and functions by looking at them, and at the locks that they take."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from pgassay.checks import linters, locks, lowering, places, rollback, rules, trials, waivers
from pgassay.checks.finding import Finding
from pgassay.checks.linters import NotInstalled
from pgassay.config import Config, Waiver
from pgassay.identity import Databases
from pgassay.migrations import Command, Folder, Script
from pgassay.templates import Template

_RULES = (lowering.RULE, locks.LOCKS, locks.FAILS, trials.LOSES, trials.REWRITES, rollback.RULE)
_PREFIXES = {linters.SQLFLUFF: "sqlfluff-", linters.SQUAWK: "squawk-", linters.PLPGSQL_CHECK: "plpgsql-check-"}


@dataclass
class Linted:
    """What was found; which linters could not be had although they should be, and which this server lacks.

    ``notes`` say what a linter could not read although PostgreSQL took it.
    """

    findings: list[Finding] = field(default_factory=list)
    unjudged: dict[str, str] = field(default_factory=dict)
    lacking: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def check(
    databases: Databases,
    template: Template,
    settings: Config,
    before: tuple[Script, ...],
    folder: Folder,
    *,
    only: Collection[Path] | None = None,
    most: int = trials.MANY,
    progress: Callable[[str], None] = lambda _: None,
) -> Linted:
    """Lint the migrations of ``folder``, and what goes in ``before`` them; of all these files ``only`` those, if given.

    Migrations are tried with up to ``most`` rows in a table. ``progress`` is told of each step before it is taken.
    """
    scripts = (*before, *folder.migrations)
    linted = Linted()
    ours = [script for script in scripts if only is None or script.path.resolve() in only]
    theirs = [script for script in folder.migrations if script in ours]
    files = [script for script in ours if not isinstance(script, Command)]
    theirs_files = [script for script in files if script in theirs]
    static: dict[str, Callable[[], list[Finding]]] = {
        linters.SQLFLUFF: lambda: linters.sqlfluff(files, settings.root),
        linters.SQUAWK: lambda: linters.squawk(theirs_files, settings.root, databases.server.major),
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
    linted.findings = [finding for finding in linted.findings if not _is_in_another_part(finding, files)]
    linted.findings += lowering.check(folder.migrations)
    tried = trials.check(
        databases, before, folder.migrations, settings.tenancy, only=theirs, most=most, progress=progress
    )
    linted.findings += tried.findings
    linted.findings += rollback.check(
        databases, before, folder.migrations, settings.tenancy, only=theirs, progress=progress
    ).findings
    progress("Applying the rules that the catalog tells of")
    linted.findings += _advice(databases, template, scripts)
    if only is not None:
        linted.findings = [f for f in linted.findings if Path(f.location.rpartition(":")[0]).resolve() in only]
    found = sorted(map(_shortened, linted.findings), key=_place)
    linted.findings = [finding for finding in found if finding.rule not in linters.UNREADABLE]
    linted.notes = (*_notes(finding for finding in found if finding.rule in linters.UNREADABLE), *tried.notes)
    return linted


def _is_in_another_part(finding: Finding, scripts: Iterable[Script]) -> bool:
    """Whether a linter, which reads whole files, found it in what is not applied: in a down part."""
    file, _, line = finding.location.rpartition(":")
    number = int(line or 1) - 1
    parts = [script.sql.split("\n") for script in scripts if script.path == Path(file)]
    if not parts or any(number < len(part) and part[number].strip() for part in parts):
        return False
    written = Path(file).read_text(encoding="utf-8-sig").split("\n")
    return number < len(written) and bool(written[number].strip())


def _advice(databases: Databases, template: Template, scripts: Iterable[Script]) -> list[Finding]:
    """What costs time: `pgassay check` has only counted it."""
    with databases.copy(template) as clone, clone.connect_as_owner() as session:
        found = [finding for finding in rules.check(session, frozenset()) if finding.rule in rules.PERFORMANCE]
    made = places.where_made(scripts)
    located = ((finding, places.place_of(finding.object, made)) for finding in found)
    return [
        finding if place is None else replace(finding, location=f"{place.script.path}:{place.line}")
        for finding, place in located
    ]


def _notes(unreadable: Iterable[Finding]) -> Iterator[str]:
    """One for each file that a linter could not read: the first line of that."""
    told = set()
    for finding in unreadable:
        linter = finding.rule.partition("-")[0]
        if (linter, finding.object) not in told:
            told.add((linter, finding.object))
            yield f"{linter} cannot read {finding.location}, which PostgreSQL has taken, nor perhaps what follows there"


def is_rule(rule: str | None) -> bool:
    """Whether that is a rule of the linter's, and not of the other checks."""
    return rule is not None and (rule in _RULES or rule.startswith(tuple(_PREFIXES.values())))


def waivers_of_checks(declared: Iterable[Waiver]) -> tuple[Waiver, ...]:
    """The waivers that are not for the linter."""
    return tuple(waiver for waiver in declared if not _is_for_linting(waiver))


def waivers_of_lint(declared: Iterable[Waiver], linted: Linted, *, partial: bool = False) -> tuple[Waiver, ...]:
    """The waivers for the linter, without those for what a linter would say that was not run, or is a note.

    Advice on performance is waived for `pgassay check` and for the linter alike. Where the look was ``partial``, those
    that accept nothing are left out, too: nobody knows whether they would.
    """
    absent = (*(_PREFIXES[name] for name in (*linted.unjudged, *linted.lacking)), *linters.UNREADABLE)
    advised = {finding.object for finding in linted.findings if finding.rule in rules.PERFORMANCE}
    chosen = tuple(
        waiver
        for waiver in declared
        if (_is_for_linting(waiver) and not (waiver.rule is not None and waiver.rule.startswith(absent)))
        or waiver.rule in rules.PERFORMANCE
        or (waiver.rule is None and waiver.object in advised)
    )
    # `pgassay rollback` says more of down parts: a waiver may be for that
    asked = tuple(w for w in chosen if not partial and w.rule != rollback.RULE)
    return tuple(w for w in chosen if w in asked or any(waivers.accepts(w, finding) for finding in linted.findings))


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
