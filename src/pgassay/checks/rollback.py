"""Down parts, tried on rows: each migration goes up, down and up again, and what does not come back is told.

``docs/rules/migration-rollback.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

from pgassay import migrations
from pgassay.checks import kept, trials
from pgassay.checks.finding import ERROR, WARNING, Finding
from pgassay.checks.snapshot import grading, reading
from pgassay.checks.snapshot.state import State
from pgassay.config import Tenancy
from pgassay.errors import MigrationError
from pgassay.identity import Clone, Databases, Session
from pgassay.migrations import Command, Script

RULE = "migration-rollback"
_NAMED = 5


@dataclass
class RolledBack:
    """What was found, which migrations were ``tried``, and which could not be (name → reason)."""

    findings: list[Finding] = field(default_factory=list)
    unjudged: dict[str, str] = field(default_factory=dict)
    tried: list[Script] = field(default_factory=list)


def check(
    databases: Databases,
    before: tuple[Script, ...],
    scripts: Sequence[Script],
    tenancy: Tenancy | None,
    *,
    only: Collection[Script] | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> RolledBack:
    """Try the down part of each of ``scripts``, or of ``only`` these, on rows of the state before it.

    Rows are made by ``tenancy``, or by the one that the schema tells of. A migration without a down part is
    passed over. Raises `MigrationError` where a migration itself fails without rows. ``progress`` is told in words of
    each step.
    """
    done = RolledBack()
    with databases.copy(databases.template(before, ())) as bare:
        for script in scripts:
            if isinstance(script, Command):
                done.unjudged[script.name] = "a command applies it, and nobody knows what would take it back"
            elif script.down is not None and (only is None or script in only):
                progress(f"Taking back {script.name}")
                try:
                    done.findings += _tried(databases, bare, script, script.down, tenancy)
                    done.tried.append(script)
                except MigrationError as error:
                    done.unjudged[script.name] = f"it fails on rows that were there before it: {error.message}"
            with _as_owner(databases, bare) as owner:
                migrations.apply(owner, script)
    return done


def missing(scripts: Sequence[Script]) -> Iterator[Finding]:
    """A warning for each migration that nothing takes back."""
    for script in scripts:
        if script.down is None and not isinstance(script, Command):
            yield _finding(
                script, "it has no down part", "Write one, or say in a waiver that there is no way back.", WARNING
            )


def _as_owner(databases: Databases, clone: Clone) -> Session:
    """Logged in as the owner: nothing in a migration gets back to a superuser."""
    return databases.server.connect(clone.name, user=databases.server.owner, kind=Session)


def _tried(
    databases: Databases, bare: Clone, script: Script, down: Script, tenancy: Tenancy | None
) -> Iterator[Finding]:
    with databases.copy_of(bare) as clone:
        with _as_owner(databases, clone) as owner:
            trials.fill(owner, tenancy)
        with _as_owner(databases, clone) as reader:
            at_first = _state(reader)
            rows = kept.read(reader)
            _go(databases, clone, script)
            there = _state(reader)
            try:
                _go(databases, clone, down)
            except MigrationError as error:
                yield _finding(script, f"its down part fails: {error.message}", "Correct the down part.", at=down)
                return
            yield from _differences(script, down, at_first, _state(reader), "after its down part")
            for change in kept.changes(reader, rows):
                if change.loses:
                    what = f"up and down again lose rows of {change.table}: {change.what}"
                    yield _finding(
                        script, what, "Keep the values elsewhere until there is no way back.", WARNING, at=down
                    )
            try:
                _go(databases, clone, script)
            except MigrationError as error:
                what = f"after its down part it cannot go up again: {error.message}"
                yield _finding(script, what, "Let the down part take back all that the migration makes.", at=down)
                return
            yield from _differences(script, down, there, _state(reader), "after down and up again")


def _go(databases: Databases, clone: Clone, script: Script) -> None:
    with _as_owner(databases, clone) as owner:
        migrations.apply(owner, script)


def _state(reader: Session) -> State:
    return reading.read(reader)


def _differences(script: Script, down: Script, wanted: State, found: State, when: str) -> Iterator[Finding]:
    """One finding for all that is otherwise than it was."""
    differing = grading.compare(wanted, found)
    if differing:
        told = [f"{each.object.kind} {each.object.name}: {each.what}" for each in differing[:_NAMED]]
        more = f", and {len(differing) - _NAMED} more" if len(differing) > _NAMED else ""
        yield _finding(
            script,
            f"{when}, the schema is not what it was: {'; '.join(told)}{more}",
            "Let the down part take back all that the migration makes, and nothing else.",
            at=down,
        )


def _finding(script: Script, observed: str, mend: str, severity: str = ERROR, *, at: Script | None = None) -> Finding:
    shown = at or script
    statements = migrations.split(shown.sql)
    line = statements[0].code_line if statements else 1
    return Finding(RULE, script.name, observed, mend, severity=severity, location=f"{shown.path}:{line}")
