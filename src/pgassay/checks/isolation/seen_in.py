"""Values of rows that a role may not read, in what a view or a function shows of its own tenant."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

import psycopg
from psycopg import sql

from pgassay.catalog import Function, Relation
from pgassay.checks.finding import ERROR, Finding
from pgassay.checks.isolation.arguments import Answer, Call, Words
from pgassay.checks.isolation.belonging import is_marker, stands_in
from pgassay.checks.isolation.declared import Declared
from pgassay.checks.isolation.matrix import Probe
from pgassay.checks.isolation.nesting import leaves
from pgassay.checks.isolation.people import NUMBERS, Person
from pgassay.checks.isolation.relations import Found, shortened
from pgassay.checks.isolation.world import World
from pgassay.identity import Session

RULE = "role-right"
_VIEWS = ("view", "materialized view")
_EXPECTED = "no value of rows that the role is not declared to select"
_TENANT = "A"


@dataclass(frozen=True)
class Shown:
    """All that was read, as single values and as one text."""

    values: frozenset[str]
    text: str

    def of(self, marks: Collection[str]) -> list[str]:
        """Those of ``marks`` that stand in it."""
        return [mark for mark in marks if mark in self.values or (mark in self.text and stands_in(mark, self.text))]


class SeenIn:
    """Looks for them in what people read, on sessions of the API."""

    def __init__(self, world: World, declared: Declared) -> None:
        self._world = world
        self._declared = declared
        self._marks: dict[str, Mapping[str, str]] = {}
        self.probes = 0

    def is_shown(self, relation: Relation) -> bool:
        """Whether it is a view whose rows may be others' than those that a declaration is of, or everybody's."""
        return relation.kind in _VIEWS and relation.full_name not in self._world.tenancy.public

    def in_view(self, api: Session, relation: Relation, person: Person) -> Iterator[Found]:
        """What a view shows to a person who may not read it where it is from."""
        name = relation.full_name
        if name in self._declared.roles.tables and self._declared.right(person, name).written != "none":
            return
        statement = self._world.reading(relation, person.actor.identity.role)
        if statement is None:
            return
        with person.actor.enter(api):
            marks = self._marks_for(api, person)
            found = self._read(api, statement).of(marks)
        if not found:
            return

        def holds(session: Session) -> bool:
            return bool(self._read(session, statement).of(found))

        finding = Finding(
            RULE,
            name,
            f"{person.actor.name} reads {self._told(person, marks, found)}",
            f"{person.advice}Let the rights of the caller hold in {name} (security_invoker), ask in it for the "
            "caller's role, or declare it in [tool.pgassay.roles.tables].",
            ERROR,
            person.actor.name,
            statement=statement.as_string(None),
            door="select",
            expected=_EXPECTED,
        )
        yield finding, Probe(person.actor, holds)

    def in_answer(
        self, api: Session, function: Function, person: Person, call: Call, answer: Answer
    ) -> Iterator[Found]:
        """What a function tells a person who may not read it where it is from; the session is the person's."""
        marks = self._marks_for(api, person)
        found = news(call, answer, marks)
        if not found:
            return

        def holds(session: Session) -> bool:
            return bool(news(call, call.answer(session), found))

        finding = Finding(
            RULE,
            function.signature,
            f"{person.actor.name} is given {self._told(person, marks, found)}",
            f"{person.advice}Ask in {function.schema}.{function.name} for the caller's role, revoke execute from roles "
            "that do not need it, or declare it in [tool.pgassay.roles.tables].",
            ERROR,
            person.actor.name,
            statement=api.bound(call.statement, call.values),
            door="call",
            expected=_EXPECTED,
        )
        yield finding, Probe(person.actor, holds)

    def _told(self, person: Person, marks: Mapping[str, str], found: list[str]) -> str:
        table = marks[found[0]]
        declared = self._declared.right(person, table).written
        return f"what stands in rows of others in {table}, as {shortened(found[0])}; declared there is: {declared}"

    # what is a sign

    def _marks_for(self, session: Session, person: Person) -> Mapping[str, str]:
        """The values by which a row shows that a person may not read, and its table; the session is the person's."""
        name = person.actor.name
        if name not in self._marks:
            marks = self._kept_from(person)
            readable = self._readable(session, person) if marks else shown([])
            open_to = {*readable.of(marks), *self._allowed(person).of(marks)}
            self._marks[name] = {mark: table for mark, table in marks.items() if mark not in open_to}
        return self._marks[name]

    def _kept_from(self, person: Person) -> dict[str, str]:
        """Values that stand in no row but those that are kept from somebody; what refers to another row is none."""
        world, tables = self._world, self._declared.roles.tables
        kept: dict[str, str] = {}
        others: set[str] = set()
        for table, label, row in world.made():
            if table not in tables:
                continue
            skipped = {*world.maker.listed_of(table), *world.relations[table].referring}
            values = {sign for column, value in row.items() if column not in skipped and (sign := _sign(value))}
            if label == _TENANT and not self._declared.may_read(person, table, row):
                kept.update((value, table) for value in values if value not in kept)
            else:
                others |= values
        return {value: table for value, table in kept.items() if value not in others}

    def _allowed(self, person: Person) -> Shown:
        """What the declaration lets a person read, as far as rows were made, and what they know of themselves."""
        tables, tenants = self._declared.roles.tables, self._world.tenants
        rows = [
            [*row.values()]
            for table, label, row in self._world.made()
            if table in tables and label == _TENANT and self._declared.may_read(person, table, row)
        ]
        user = person.actor.user
        known = [tenants.ids[_TENANT], user, self._world.emails.get(user) if user else None]
        return shown([*rows, *known, *sorted(person.actor.identity.texts)])

    def _readable(self, session: Session, person: Person) -> Shown:
        """What a person reads in tables, but for those that are declared to be none of theirs."""
        values: set[str] = set()
        texts = []
        for relation in self._world.relations.values():
            name = relation.full_name
            is_declared = name in self._declared.roles.tables
            is_theirs = is_declared and self._declared.right(person, name).written != "none"
            if is_declared and not is_theirs:
                continue
            if relation.kind in _VIEWS and not (is_theirs or name in self._world.tenancy.public):
                continue
            if (statement := self._world.reading(relation, person.actor.identity.role)) is not None:
                read = self._read(session, statement)
                values |= read.values
                texts.append(read.text)
        return Shown(frozenset(values), "\n".join(texts))

    def _read(self, session: Session, statement: sql.Composed) -> Shown:
        """What is read; nothing where that is refused."""
        self.probes += 1
        try:
            return shown(session.attempt(statement, reading=True)[0].rows)
        except psycopg.Error:
            if session.closed:
                raise
            return shown([])


def news(call: Call, answer: Answer, marks: Collection[str]) -> list[str]:
    """Those of ``marks`` that an answer tells, but for what the caller has named."""
    told = answer.told if isinstance(answer, Words) else [value for row in answer for value in row]
    return [mark for mark in shown(told).of(marks) if not any(mark in value for value in call.known)]


def shown(rows: Collection[object]) -> Shown:
    """All that stands in rows."""
    rows = [*rows]
    values = [value for row in rows for value in leaves(row)]
    return Shown(frozenset(values), "\n".join([*values, *map(str, rows)]))


def _sign(value: object) -> str:
    """The text by which a value is known wherever it is shown; empty for one that may stand elsewhere by chance."""
    if isinstance(value, UUID | str):
        return str(value) if is_marker(value) else ""
    return str(int(value)) if isinstance(value, int | Decimal) and value >= NUMBERS else ""
