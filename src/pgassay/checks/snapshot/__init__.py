"""Schema regression: the state of the schema as text, what differs between two of them, and how bad that is.

`snapshot.check` is what ``pgassay check`` asks; the modules hold the parts: `layout` writes SQL in one shape, `reading`
asks the catalog, `state` is the text, `grading` compares, `sources` finds the two sides of a comparison.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from weakref import WeakKeyDictionary

from pgassay.checks.finding import Finding
from pgassay.checks.isolation import Matrix
from pgassay.checks.snapshot import grading, reading, roles, state
from pgassay.checks.snapshot.grading import Difference, Grade
from pgassay.checks.snapshot.state import Object, State
from pgassay.errors import PgassayError
from pgassay.identity import Clone, Databases
from pgassay.migrations import Script
from pgassay.templates import Template

__all__ = ["Difference", "Grade", "Object", "State", "accept", "check", "findings", "read", "take", "with_access"]

RULES = {grade: f"schema-{grade.word}" for grade in Grade}


def check(file: Path, fail_on: str, found: State) -> list[Finding]:
    """What differs from the snapshot in ``file``. Differences below the grade ``fail_on`` are warnings.

    Raises `PgassayError` for a file that is no snapshot.
    """
    return findings(grading.compare(state.read(file), found), fail_on)


def take(databases: Databases, template: Template, before: tuple[Script, ...], matrix: Matrix | None) -> State:
    """The state of ``template``: what its migrations made of the environment and of ``before``, and who reaches what.

    ``before`` is the SQL that went in ahead of the migrations, ``matrix`` what the isolation check observed, None where
    it did not run.
    """
    with databases.copy(template) as clone:
        return with_access(read(databases, clone, template, before), matrix)


def read(databases: Databases, clone: Clone, template: Template, before: tuple[Script, ...]) -> State:
    """The state of ``clone``, a copy of ``template``, without what was observed."""
    with clone.connect_as_owner() as session:
        found = state.since(reading.read(session), read_template(databases, databases.template(before, ())))
    return with_roles(found, before, template.scripts[len(before) :])


def with_roles(found: State, before: tuple[Script, ...], scripts: tuple[Script, ...]) -> State:
    """``found`` with what the scripts make of roles, which are no part of a database."""
    return state.state([*found.objects.values(), *roles.since(before, scripts).objects.values()], untold=found.untold)


def with_access(found: State, matrix: Matrix | None) -> State:
    """``found`` with what the isolation check observed."""
    observed = () if matrix is None else reading.access(matrix)
    told = {thing.name for thing in found.objects.values() if thing.kind in ("table", "view", "materialized view")}
    objects = [*found.objects.values(), *(thing for thing in observed if thing.name in told)]
    return state.state(objects, untold=found.untold)


def accept(accepted: State, found: State, differences: list[Difference], reason: str | None) -> State:
    """``found``, to be written in place of ``accepted``: with its history, and a line more for each loosening.

    Raises `PgassayError` when there are such and no reason is given.
    """
    loosened = [difference for difference in differences if difference.grade is Grade.LOOSENS]
    if loosened and reason is None:
        raise PgassayError(
            f"Access may be wider at {len(loosened)} place{'s' * (len(loosened) > 1)}, which is accepted only with a "
            "reason; the snapshot is left as it is.",
            hint="Say why, for the snapshot's history: pgassay snapshot --update --reason '…'",
        )
    day, why = datetime.now(UTC).date().isoformat(), " ".join((reason or "").split())
    lines = [f"{day} {item.grade.word} {item.object}: {item.what} ({why})" for item in loosened]
    return state.state(found.objects.values(), (*accepted.history, *lines))


def findings(differences: list[Difference], fail_on: str) -> list[Finding]:
    """A finding for each difference, an error from the grade ``fail_on`` on."""
    least = Grade[fail_on.upper()]
    return [
        Finding(
            rule=RULES[difference.grade],
            object=difference.object.name,
            observed=f"{difference.object.kind}: {difference.what}",
            mend=_mend(difference.grade),
            severity="error" if difference.grade >= least else "warning",
            expected=difference.before or "",
        )
        for difference in differences
    ]


def _mend(grade: Grade) -> str:
    if grade is Grade.LOOSENS:
        return "Take it back, or accept it with a reason: pgassay snapshot --update --reason '…'."
    return "Take it back, or accept it: pgassay snapshot --update."


def read_template(databases: Databases, template: Template) -> State:
    """All that ``template`` has but the platform's own. It is read once a run, whatever is compared with it."""
    known = _GROUNDS.setdefault(databases, {})
    if template.name not in known:
        with databases.copy(template) as clone:
            known[template.name] = reading.read(clone.connect_as_owner())
    return known[template.name]


_GROUNDS: WeakKeyDictionary[Databases, dict[str, State]] = WeakKeyDictionary()
