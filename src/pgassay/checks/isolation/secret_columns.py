"""Secret columns: values that nobody but the back end may read or write, not even in a row of one's own.

A value is known by itself, wherever it is seen: in its table, in another one into which a trigger copied it, in a view,
or in what a function answers.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import psycopg
from psycopg import sql

from pgassay.catalog import Function, Relation
from pgassay.checks.finding import ERROR, Finding
from pgassay.checks.isolation import column_rights, secrets
from pgassay.checks.isolation.answered import with_error
from pgassay.checks.isolation.arguments import Call, answers, calls_of, distinct, told
from pgassay.checks.isolation.belonging import is_marker, stands_in
from pgassay.checks.isolation.by_calls import by_sql
from pgassay.checks.isolation.functions import offered
from pgassay.checks.isolation.matrix import Actor, Probe
from pgassay.checks.isolation.owncalls import OwnCalls
from pgassay.checks.isolation.relations import Found, Target
from pgassay.checks.isolation.secret_values import signs
from pgassay.checks.isolation.secret_writes import SecretWrites
from pgassay.checks.isolation.secrets import Secrets
from pgassay.checks.isolation.world import World
from pgassay.identity import Session
from pgassay.schema import asked

RULE = "secret-column"
_CALLS = 48
"""So many calls of a function are looked at for each actor."""
_COLUMN = sql.SQL("select {0} from {1} where {0} is not null")
_NOTHING = sql.SQL("select").format()

Judge = Callable[[Session], list[Found]]


class SecretColumns:
    """Looks for values of secret columns in what ``actors`` read and are answered, and lets them write such."""

    def __init__(self, world: World, actors: Iterable[Actor]) -> None:
        self._world = world
        self._actors = [each for each in actors if not column_rights.is_back_end(world, each.identity.role)]
        self._marks = {place: self._signs(*place) for place in world.tenancy.secret}
        self._own = OwnCalls(world, asked.read(world.sources))
        self._secrets = Secrets(world)
        self._offered = offered(world)
        self._open: dict[tuple[str, str, str], Probe] = {}
        """By role and column, how it is read in its own table."""
        self.probes = 0

    def unjudged(self) -> Iterator[tuple[str, str]]:
        """Columns whose values are not known elsewhere, and why."""
        for table, column in self._world.tenancy.secret:
            if not self._marks[table, column]:
                yield f"secret column {table}.{column}", "no value was made in it by which it is known elsewhere"

    def doors(self, targets: Iterable[Target], functions: Iterable[Function]) -> Iterator[tuple[str, Judge]]:
        """The name of each table, view and function, and what judges it; tables that have such a column first."""
        tables = {table for table, _ in self._world.tenancy.secret}
        for target in sorted(targets, key=lambda target: target.relation.full_name not in tables):
            yield target.relation.full_name, self._of_relation(target)
        for function in functions:
            yield function.signature, self._of_function(function)

    def _of_relation(self, target: Target) -> Judge:
        return lambda api: [*self._at(api, target)]

    def _of_function(self, function: Function) -> Judge:
        return lambda api: [*self._by(api, function)]

    # tables and views

    def _at(self, api: Session, target: Target) -> Iterator[Found]:
        """One finding for each role, column and operation."""
        told: set[tuple[str, ...]] = set()
        for actor, (table, column) in itertools.product(self._actors, self._world.tenancy.secret):
            with actor.enter(api):
                found = [*self._reads(api, target.relation, actor, table, column)]
                found += self._writes(api, target, actor, table, column)
            for finding, probe in found:
                key = (actor.identity.role, table, column, finding.door)
                follows = finding.door == "select" and self._follows(probe, actor, table, column)
                if key not in told and not follows:
                    told.add(key)
                    yield finding, probe

    def _reads(self, api: Session, relation: Relation, actor: Actor, table: str, column: str) -> Iterator[Found]:
        role, name = actor.identity.role, relation.full_name
        is_there = name == table
        granted = self._world.granted(relation, role, "select")
        if is_there:
            statement = _COLUMN.format(sql.Identifier(column), sql.Identifier(relation.schema, relation.name))
        else:
            statement = self._world.reading(relation, role) or _NOTHING
        if not granted or (is_there and column not in granted):
            return

        def holds(session: Session) -> bool:
            self.probes += 1
            rows = session.attempt(statement, reading=True)[0].rows
            return bool(rows) if is_there else bool(self._told(rows, table, column))

        if not _is_so(api, holds):
            return
        cause = column_rights.cause(self._world, relation, column, "select", actor) if is_there else None
        probe = Probe(actor, holds, cause=cause)
        if is_there:
            self._open.setdefault((role, table, column), probe)
        who = self._world.platform.roles.told
        mend = (
            f"Grant {who} the other columns of {table} one by one, instead of the whole table."
            if is_there
            else f"Leave {table}.{column} out of {name}, or revoke select on it."
        )
        yield (
            self._finding(
                name,
                f"{actor.name} reads {table}.{column}, which is declared secret",
                mend,
                actor,
                statement.as_string(None),
                "select",
                "" if is_there else f"{table}.{column} stands in {name}",
            ),
            probe,
        )

    def _writes(self, api: Session, target: Target, actor: Actor, table: str, column: str) -> Iterator[Found]:
        relation = self._world.relations[table]
        known = relation.column(column)
        if known is None or known.generated:
            return
        writes = SecretWrites(self._world, relation, known)
        who = self._world.platform.roles.told
        for written in writes.try_all(api, target, actor):
            name, verb = target.relation.full_name, written.operation
            finding = self._finding(
                name,
                f"{actor.name} can {verb} a value of its own in {table}.{column}, which is declared secret",
                f"Grant {who} the other columns of {name} one by one, instead of the whole.",
                actor,
                written.statement,
                verb,
                "" if written.probe.cause else f"{table}.{column} stands in {name}",
            )
            yield finding, written.probe
        self.probes += writes.probes

    # functions

    def _by(self, api: Session, function: Function) -> Iterator[Found]:
        """One finding for each role: the first call that tells a value."""
        told: set[str] = set()
        for actor in self._actors if not function.immutable else ():
            role = actor.identity.role
            if role not in function.roles or role in told:
                continue
            with actor.enter(api):
                found = self._answered(api, function, actor)
            if found is None or self._follows(found[1], actor, *found[2]):
                continue
            told.add(role)
            yield (found[0] if function.schema in self._offered else by_sql(found[0])), found[1]

    def _answered(
        self, api: Session, function: Function, actor: Actor
    ) -> tuple[Finding, Probe, tuple[str, str]] | None:
        calls = [*itertools.islice(self._calls(api, function, actor), _CALLS)]
        answered, stopped = answers(api, calls)
        self.probes += len(answered)
        for call, answer in zip(calls, answered, strict=False):
            for table, column in self._world.tenancy.secret:
                if self._told(told(answer), table, column):
                    how = with_error(answer)
                    return *self._at_call(api, function, actor, call, (table, column), how), (table, column)
        if stopped is not None:
            raise stopped
        return None

    def _at_call(
        self, api: Session, function: Function, actor: Actor, call: Call, place: tuple[str, str], how: str
    ) -> tuple[Finding, Probe]:
        table, column = place

        def holds(session: Session) -> bool:
            return bool(self._told(told(call.answer(session)), table, column))

        finding = self._finding(
            function.signature,
            f"{actor.name} is given {table}.{column}, which is declared secret{how}",
            f"Leave {table}.{column} out of what {function.schema}.{function.name} gives back.",
            actor,
            api.bound(call.statement, call.values),
            "call",
            f"{table}.{column} stands in the answer of {function.signature}",
        )
        return finding, Probe(actor, holds)

    def _calls(self, api: Session, function: Function, actor: Actor) -> Iterator[Call]:
        """Calls with values of one's own, or of A for somebody who has none, that need no secret."""
        if actor.own:
            calls: Iterable[Call] = self._own.with_own(api, actor, function)
        else:
            kept = self._secrets.kept_from(api, actor)
            calls = secrets.without(calls_of(function, self._world, "A"), kept)
        marks = {mark for found in self._marks.values() for mark in found}
        yield from distinct(secrets.without(calls, marks))

    # what is found

    def _follows(self, probe: Probe, actor: Actor, table: str, column: str) -> bool:
        """Whether it is no more than what the role may in the table itself, of which that is found."""
        there = self._open.get((actor.identity.role, table, column))
        if there is None or there is probe or probe.cause is not None or there.cause is None:
            return False
        _, _, statement = there.cause
        owner = self._world.connection
        with owner.transaction(force_rollback=True):
            owner.execute(statement.encode())
            return not probe.shows(owner)

    def _finding(
        self, name: str, observed: str, mend: str, actor: Actor, statement: str, door: str, culprit: str
    ) -> Finding:
        return Finding(
            RULE,
            name,
            observed,
            mend,
            ERROR,
            actor.name,
            statement,
            door,
            f"nothing of a column that is for {self._world.platform.roles.back_end} alone",
            culprit,
        )

    def _told(self, rows: Iterable[Any], table: str, column: str) -> list[str]:
        """The values of the column that stand in rows, or in words."""
        marks = self._marks[table, column]
        values = {value for row in rows for value in signs(row)}
        text = "\n".join(values)
        return [mark for mark in marks if mark in values or (mark in text and stands_in(mark, text))]

    def _signs(self, table: str, column: str) -> frozenset[str]:
        """The values by which the column is known wherever they are seen."""
        relation = self._world.relations[table]
        statement = sql.SQL("select {} from {}").format(
            sql.Identifier(column), sql.Identifier(relation.schema, relation.name)
        )
        rows = self._world.connection.attempt(statement, reading=True)[0].rows
        made = [row for name, _, row in self._world.made() if name == table]
        own = {
            each for value in (*(row[0] for row in rows), *(row.get(column) for row in made)) for each in signs(value)
        }
        others = {
            each
            for name, _, row in self._world.made()
            for key, value in row.items()
            if (name, key) != (table, column)
            for each in signs(value)
        }
        return frozenset(value for value in own if is_marker(value) and value not in others)


def _is_so(session: Session, holds: Callable[[Session], bool]) -> bool:
    try:
        return holds(session)
    except psycopg.Error:
        if session.closed:
            raise
        return False
