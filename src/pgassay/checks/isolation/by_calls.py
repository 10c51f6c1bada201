"""Rights of roles through functions: rows that somebody changes by a call, and values that it tells them."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import psycopg

from pgassay.catalog import Function
from pgassay.checks.finding import ERROR, WARNING, Finding
from pgassay.checks.isolation.arguments import Answer, Call, answers
from pgassay.checks.isolation.declared import Declared
from pgassay.checks.isolation.functions import offered
from pgassay.checks.isolation.matrix import Probe
from pgassay.checks.isolation.owncalls import OwnCalls
from pgassay.checks.isolation.people import Person
from pgassay.checks.isolation.relations import Found
from pgassay.checks.isolation.rights import Whose
from pgassay.checks.isolation.seen_in import RULE, SeenIn
from pgassay.checks.isolation.world import Touched, World
from pgassay.identity import Session
from pgassay.schema import asked as asked_for

_LOOKED = 24
"""So many calls of a function that go through are looked at, of each person."""
_TENANT = "A"
_USER_KEY = ("id",)
"""The key of auth.users, the one table that is looked at and is no door."""
Answered = list[tuple[Call, Answer]]
Line = Mapping[str, Any]
"""A row as it is in JSON."""


@dataclass(frozen=True)
class _Changed:
    """What a call did to a row of a declared table, and how bad it is that the role may not."""

    operation: str
    table: str
    whose: Whose
    severity: str
    raised: str = ""
    """The role that the row has now, where that is the caller's own."""


class ByCalls:
    """Calls functions as ``people``, with values of their own tenant. What ``seen`` looks for is told by answers."""

    def __init__(self, world: World, people: Iterable[Person], declared: Declared, seen: SeenIn) -> None:
        self._world = world
        self._people = [*people]
        self._declared = declared
        self._own = OwnCalls(world, asked_for.read(world.sources))
        self._seen = seen
        self._offered = offered(world)
        self.probes = 0

    def try_function(self, api: Session, function: Function) -> Iterator[Found]:
        """What calls of a function do and tell that the caller's role is not declared to: the worst for each person."""
        told: set[str] = set()
        for person in self._people if not function.immutable else ():
            if person.actor.identity.role not in function.roles or (person.elsewhere and person.role in told):
                continue  # what the role alone does, it does with others in other tenants as well
            with person.actor.enter(api):
                answered = self._answered(api, function, person)
                found = [*self._tells(api, function, person, answered)]
                found += self._does(api, function, person, answered) if function.volatile else ()
            told |= {person.role for finding, _ in found if finding.severity == ERROR}
            for finding, probe in found:
                yield (finding if function.schema in self._offered else by_sql(finding)), probe

    def _tells(self, api: Session, function: Function, person: Person, answered: Answered) -> Iterator[Found]:
        told = (self._seen.in_answer(api, function, person, call, answer) for call, answer in answered)
        yield from itertools.islice(itertools.chain.from_iterable(told), 1)

    def _does(self, api: Session, function: Function, person: Person, answered: Answered) -> Iterator[Found]:
        through = [call for call, answer in answered if isinstance(answer, list)]
        warned: Found | None = None
        for call in through[:_LOOKED]:
            for changed in self._wrong(api, person, call)[:1]:
                found = self._finding(api, function, person, call, changed)
                if changed.severity == ERROR:
                    yield found
                    return
                warned = warned or found
        if warned is not None:
            yield warned

    def _answered(self, api: Session, function: Function, person: Person) -> Answered:
        """What each call is answered. Raises `Stopped` where one does not end."""
        calls = self._own.with_own(api, person.actor, function)
        answered, stopped = answers(api, calls)
        self.probes += len(answered)
        if stopped is not None:
            raise stopped
        return list(zip(calls, answered, strict=True))

    def _wrong(self, session: Session, person: Person, call: Call) -> list[_Changed]:
        """What a call does to rows of the own tenant that the role may not, errors first; the session is the person."""
        self.probes += 1
        try:
            known = call.known | person.actor.identity.texts
            touched = self._world.touched_by(session, call.statement, call.values, known)
        except psycopg.Error:
            if session.closed:
                raise
            return []
        seen = (self._judged(person, *change) for change in self._changes(touched))
        found = dict.fromkeys(changed for changed in seen if changed is not None)
        return sorted(found, key=lambda changed: changed.severity != ERROR)

    def _changes(self, touched: Iterable[Touched]) -> Iterator[tuple[str, Line | None, Line | None]]:
        """Rows of the tenant in declared tables, as they were and are; not what foreign keys do of themselves."""
        rows: dict[tuple[str, tuple[str, ...]], dict[bool, Line]] = {}
        own = set()
        for table, row, whose, there in touched:
            relation = self._world.relations.get(table)
            place = table, tuple(str(row.get(name)) for name in (relation.primary_key if relation else _USER_KEY))
            rows.setdefault(place, {})[there] = row
            if _TENANT in whose and table in self._declared.roles.tables:
                own.add(place)
        gone = [(table, versions[False]) for (table, _), versions in rows.items() if True not in versions]
        for place in rows:
            old, new = rows[place].get(False), rows[place].get(True)
            if place in own and (old is None or not self._follows(place[0], old, new, gone)):
                yield place[0], old, new

    def _follows(self, table: str, old: Line, new: Line | None, gone: Collection[tuple[str, Line]]) -> bool:
        """Whether a foreign key took a row away with the one that it refers to, or set its own columns alone."""
        for key in self._world.relations[table].foreign_keys:
            here = [name for name, _ in key.columns]
            is_left = new is not None and any(new[name] != value for name, value in old.items() if name not in here)
            for target, row in gone if not is_left else ():
                if target == key.target and all(old[name] == row.get(there) for name, there in key.columns):
                    return True
        return False

    def _judged(self, person: Person, table: str, old: Line | None, new: Line | None) -> _Changed | None:
        """What was done, where the role may not. To rows in the own name, somebody else has to have made them."""
        operation = "insert" if old is None else "delete" if new is None else "update"
        right = self._declared.right(person, table)
        rows = [self._declared.whose(person, table, row) for row in (old, new) if row is not None]
        whose = Whose.OTHERS if Whose.OTHERS in rows else Whose.OWN
        if operation in right.operations or (right.own and whose is Whose.OWN) or None in rows:
            return None
        raised = self._raised(person, table, old, new) if whose is Whose.OWN else ""
        is_warning = whose is Whose.OWN and operation != "insert" and not raised
        return _Changed(operation, table, whose, WARNING if is_warning else ERROR, raised)

    def _raised(self, person: Person, table: str, old: Line | None, new: Line | None) -> str:
        """The role that somebody has now in their own row, and had not."""
        for relation, column in self._declared.roles.columns:
            if relation == table and old is not None and new is not None and old.get(column) != new.get(column):
                order = self._declared.roles.order
                value = str(new.get(column))
                if not (value in order and person.role in order and order.index(value) < order.index(person.role)):
                    return value
        return ""

    def _finding(self, api: Session, function: Function, person: Person, call: Call, changed: _Changed) -> Found:
        written = self._declared.right(person, changed.table).written
        finding = Finding(
            RULE,
            function.signature,
            f"{person.actor.name} {_said(changed)}; declared there is: {written}",
            f"{person.advice}Ask in {function.schema}.{function.name} for the caller's role, revoke execute from roles "
            "that do not need it, or declare it in [tool.pgassay.roles.tables].",
            changed.severity,
            person.actor.name,
            statement=api.bound(call.statement, call.values),
            door="call",
            expected=f"no {changed.operation} in {changed.table}: the role is not declared to",
        )

        def holds(session: Session) -> bool:
            return changed in self._wrong(session, person, call)

        return finding, Probe(person.actor, holds)


def _said(changed: _Changed) -> str:
    if changed.raised:
        return f"can make itself {changed.raised} by it in {changed.table}"
    rows = "rows in its own name" if changed.whose is Whose.OWN else "rows of its tenant"
    return f"can {changed.operation} {rows} in {changed.table} by it"


def by_sql(finding: Finding) -> Finding:
    """The finding at a function that the API does not offer, as far as is known."""
    schema = finding.object.partition(".")[0]
    observed = f"{finding.observed}; by SQL alone, if the API does not offer the schema {schema}"
    return replace(finding, severity=WARNING, observed=observed)
