"""Triggers that are made to fire: by rows of one's own, with the values for which their conditions and bodies ask.

A trigger may do something for one state of a row alone. What rows of others become then is looked at after each
statement, as after any other; and PostgreSQL says which triggers a statement has fired.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import psycopg
from psycopg import sql

from pgassay.catalog import Column, Relation
from pgassay.checks.isolation import changes, typed
from pgassay.checks.isolation.broadcasts import Broadcasts
from pgassay.checks.isolation.changes import Change
from pgassay.checks.isolation.effects import Attempt, Effects
from pgassay.checks.isolation.matrix import Actor
from pgassay.checks.isolation.relations import Found, Target
from pgassay.checks.isolation.ways import Ways
from pgassay.checks.isolation.world import World
from pgassay.checks.isolation.writes import Write, Writes
from pgassay.identity import Session
from pgassay.rows import USERS, Row, Unfilled, insert_statement
from pgassay.schema.triggers import Trigger

_STATEMENTS = 24
"""So many statements of one operation are tried in a table, or on a row of it, by one actor."""
_ROWS = 6
"""So many rows of a table are changed."""
_OPERATIONS = ("insert", "update", "delete")
_EXPLAIN = sql.SQL(
    "set constraints all immediate; explain (analyze, costs off, timing off, summary off, format json) {}"
)


class Firing:
    """Statements of members of A on ``api`` that make triggers fire; ``effects`` says what came of each."""

    def __init__(self, world: World, api: Session, effects: Effects, ways: Ways, broadcasts: Broadcasts) -> None:
        self._world = world
        self._api = api
        self._effects = effects
        self._ways = ways
        self._broadcasts = broadcasts
        self._told: Found | None = None
        """What others hear of a statement that was tried at the table at hand."""
        self._left: set[str] = set()
        """The triggers of the table at hand that have not fired yet."""
        self.probes = 0

    def try_all(
        self, target: Target, actors: Iterable[Actor], reached: Mapping[tuple[str, str], Mapping[str, set[str]]]
    ) -> Iterator[Found]:
        """A finding for each operation that changes or tells what is another tenant's, and that is closed otherwise.

        The first of ``actors`` tries everything, the others what no trigger has fired for yet. ``reached`` says whose
        rows somebody reaches in a relation, by operation.
        """
        name = target.relation.full_name
        there = [trigger for trigger in self._world.triggers if trigger.table == name]
        if not there:
            return
        self._left, self._told = {trigger.name for trigger in there}, None
        for number, actor in enumerate(actors):
            for operation in _OPERATIONS:
                triggers = [trigger for trigger in there if operation in trigger.operations]
                if not triggers or (number and self._have_fired(triggers)):
                    continue
                is_closed = reached.get((name, actor.name), {}).get(operation, set()) <= actor.own
                for attempt in self._fired(target, actor, operation, triggers):
                    found = [*self._effects.judge(attempt)] if is_closed else []
                    yield from found
                    if found:
                        break
        yield from filter(None, [self._told])

    def _have_fired(self, triggers: Iterable[Trigger]) -> bool:
        return self._left.isdisjoint(trigger.name for trigger in triggers)

    def _fired(self, target: Target, actor: Actor, operation: str, triggers: Sequence[Trigger]) -> Iterator[Attempt]:
        """Statements of that operation after which triggers fired, but for those that are tried of every table."""
        if operation == "insert":
            yield from self._inserted(target, actor, triggers)
            return
        for statement, values in target.sweeping(actor, operation):
            if self._fires(Attempt(target, actor, operation, statement, values)):
                break
        if operation == "update":
            for change in self._updates(target, actor, triggers):
                attempt = Attempt(target, actor, operation, change.statement, change.values)
                if self._fires(attempt):
                    yield attempt

    def _inserted(self, target: Target, actor: Actor, triggers: Sequence[Trigger]) -> Iterator[Attempt]:
        """The same for rows of one's own, and for each value that one of the triggers asks for in them."""
        try:
            rows = [*target.insertions("A", actor)]
        except Unfilled:
            return
        granted = self._world.granted(target.relation, actor.identity.role, "insert")
        rows = [{name: value for name, value in row.items() if name in granted} for row in rows]
        changed = ({**row, **change} for row in rows[:1] for change in self._changes(target, granted, triggers, row))
        for row in itertools.islice(itertools.chain(rows, changed), _STATEMENTS):
            done: list[Attempt] = []

            def reaches(values: Row, done: list[Attempt] = done) -> bool:
                statement = insert_statement(target.relation, values)
                done.append(Attempt(target, actor, "insert", statement, [*values.values()]))
                return self._explained(done[-1])

            with actor.enter(self._api):
                written = Writes(self._world, target.relation, self._api, actor).insert(row, target.column, reaches)
            if isinstance(written, Write) and not written.before:
                yield done[-1]
        if not self._have_fired(triggers):
            for row in self._naming_others(target, actor, rows[:1]):
                self._fires(Attempt(target, actor, "insert", insert_statement(target.relation, row), [*row.values()]))

    def _naming_others(self, target: Target, actor: Actor, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows in the actor's name but for one column, in which they name another user, as a helper of their own.

        What triggers do to the other user is for `pointing` to say.
        """
        other = self._world.tenants.users["B"]
        keys = [key for key in target.relation.foreign_keys if key.target == USERS]
        for row in rows:
            users = [here for key in keys for here, _ in key.columns if here in row and here != target.column]
            for name in users:
                yield {**row, **dict.fromkeys(users, actor.user), name: other}

    def _updates(self, target: Target, actor: Actor, triggers: Sequence[Trigger]) -> Iterator[Change]:
        """Changes of a row of one's own, to each value that a trigger asks for; of more rows until all fired."""
        relation = target.relation
        owns = [row for name, label, row in self._world.made() if (name, label) == (relation.full_name, "A")]
        granted = self._world.granted(relation, actor.identity.role, "update")
        for number, own in enumerate(owns[:_ROWS] if relation.primary_key else ()):
            if number and self._have_fired(triggers):
                return
            for changed in itertools.islice(self._changes(target, granted, triggers, own), _STATEMENTS):
                yield changes.update(self._world, relation, own, changed)

    def _changes(
        self, target: Target, granted: Collection[str], triggers: Iterable[Trigger], row: Row
    ) -> Iterator[Row]:
        """Other values for one column of a row of one's own, which stays the tenant's, for each column that is read."""
        relation = target.relation
        several = {here for key in relation.foreign_keys if len(key.columns) > 1 for here, _ in key.columns}
        fixed = {target.column, *relation.primary_key, *several}
        for column in relation.columns:
            asking = [trigger for trigger in triggers if column.name in trigger.columns]
            if not asking or column.name not in granted or column.name in fixed or column.generated:
                continue
            constants = [value for trigger in asking for value in trigger.constants.get(column.name, ())]
            values = [*changes.other_values(self._world, relation, column, row, constants)]
            yield from ({column.name: value} for value in values)
            yield from self._more(relation, column, asking, row)

    def _more(self, relation: Relation, column: Column, asking: Sequence[Trigger], row: Row) -> Iterator[Row]:
        """Values of a column whatever it is compared with, until all of the triggers have fired."""
        if column.type in typed.PAYLOADS:
            values = self._payloads(row.get(column.name), asking)
        elif column.name in relation.referring:
            there = {key.target: key.columns[0][1] for key in relation.foreign_keys if key.columns[0][0] == column.name}
            values = (made[there[name]] for name, label, made in self._world.made() if label == "A" and name in there)
        else:
            others = itertools.islice(self._world.maker.alternatives(relation, row, [column.name]), 1)
            values = (other[column.name] for other in others if column.name in other)
        for value in values:
            if self._have_fired(asking):
                return
            yield {column.name: value}

    def _payloads(self, old: Any, triggers: Iterable[Trigger]) -> Iterator[str]:
        """Objects in which each key that is read is something else: a text, a number, the id of a row of A's."""
        for trigger in triggers:
            ids = [
                row[relation.primary_key[0]]
                for name, label, row in self._world.made()
                if label == "A" and (relation := self._world.relations.get(name)) is not None
                if len(relation.primary_key) == 1 and relation.name in trigger.text
            ]
            for key in trigger.keys:
                for value in ("sample", 1, *dict.fromkeys(map(str, ids))):
                    yield json.dumps({**(old if isinstance(old, dict) else {}), key: value})

    def _fires(self, attempt: Attempt) -> bool:
        """Whether a statement makes triggers fire, which are noted."""
        try:
            return self._explained(attempt)
        except psycopg.Error:
            if self._api.closed:
                raise
            return False

    def _explained(self, attempt: Attempt) -> bool:
        """The same; raises `psycopg.Error` where the statement fails."""
        self.probes += 1
        with attempt.actor.enter(self._api):
            (row,) = self._api.attempt(_EXPLAIN.format(attempt.statement), attempt.values)[0].rows
        (said,) = json.loads(row[0]) if isinstance(row[0], str) else row[0]
        fired = [trigger["Trigger Name"] for trigger in said["Triggers"] if "Trigger Name" in trigger]
        text = self._api.bound(attempt.statement, attempt.values)
        for name in fired:
            self._ways.fires(attempt.target.relation.full_name, name, attempt.actor, text)
        self._left.difference_update(fired)
        self._told = self._told or self._broadcasts.try_attempt(self._api, attempt, fired)
        return bool(fired)
