"""Writes to secret columns, by whoever has a right to a table, or to a view of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from pgassay.catalog import Column, Relation
from pgassay.checks.isolation import changes, column_rights
from pgassay.checks.isolation.matrix import Actor, Probe
from pgassay.checks.isolation.relations import Target
from pgassay.checks.isolation.world import Touched, World
from pgassay.checks.isolation.writes import Write, Writes
from pgassay.identity import Session
from pgassay.rows import Row, Unfilled, insert_statement

_VALUES = 2
"""So many values are tried in a column."""


@dataclass(frozen=True)
class Written:
    """A statement by which somebody wrote a value of their own, the ``operation``, and how that is shown again."""

    operation: str
    statement: str
    probe: Probe


class SecretWrites:
    """Inserts and updates of one secret column of a table, each with a value that the caller chooses."""

    def __init__(self, world: World, table: Relation, column: Column) -> None:
        self._world = world
        self._table = table
        self._column = column
        self.probes = 0

    def try_all(self, api: Session, target: Target, actor: Actor) -> Iterator[Written]:
        """What goes through at a table or view; ``api`` is the actor."""
        for operation, tried in (("update", self._updates), ("insert", self._inserts)):
            granted = self._world.granted(target.relation, actor.identity.role, operation)
            for name in self._names(target.relation):
                write = tried(api, target, actor, name) if name in granted else None
                if write is not None:
                    yield self._written(api, target, actor, operation, name, write)
                    break

    def _names(self, relation: Relation) -> list[str]:
        """The column, or those of a view that may be it."""
        if relation.full_name == self._table.full_name:
            return [self._column.name]
        if relation.kind != "view":
            return []
        return [column.name for column in relation.columns if column.type == self._column.type]

    def _written(self, api: Session, target: Target, actor: Actor, operation: str, name: str, write: Write) -> Written:
        relation = target.relation
        cause = None
        if relation.full_name == self._table.full_name:
            cause = column_rights.cause(self._world, relation, name, operation, actor)
        tried = self._updates if operation == "update" else self._inserts

        def holds(session: Session) -> bool:
            return tried(session, target, actor, name) is not None

        return Written(
            operation, api.bound(write.statement, write.values), Probe(actor, holds, before=write.before, cause=cause)
        )

    def _updates(self, api: Session, target: Target, actor: Actor, name: str) -> Write | None:
        """The change of a row of one's own by its key, or of any that is reached."""
        relation = target.relation
        label = min(actor.own, default="A")
        own = self._world.tenants.rows.get(relation.full_name, {}).get(label)
        for value in self._values(own):
            if own is not None and relation.primary_key:
                change = changes.update(self._world, relation, own, {name: value})
                write = Write(change.statement, change.values)
                if self._goes_through(api, write, value):
                    return write
            statement = sql.SQL("update {} set {} = %s").format(
                sql.Identifier(relation.schema, relation.name), sql.Identifier(name)
            )
            writes = Writes(self._world, relation, api, actor)
            for write, touched in writes.one_by_one(statement, [value]):
                if self._is_set(touched, value):
                    return write
            self.probes += writes.probes
        return None

    def _inserts(self, api: Session, target: Target, actor: Actor, name: str) -> Write | None:
        """A new row of one's own, which has a value in that column."""
        try:
            rows = [*target.insertions(min(actor.own, default="A"), actor)]
        except Unfilled:
            return None
        granted = self._world.granted(target.relation, actor.identity.role, "insert")
        for row in rows:
            for value in itertools.islice(self._values(row), 1):
                values = {key: each for key, each in {**row, name: value}.items() if key in granted}

                def reaches(values: Row, value: Any = value) -> bool:
                    return self._sets(api, insert_statement(target.relation, values), [*values.values()], value)

                writes = Writes(self._world, target.relation, api, actor)
                found = writes.insert(values, target.column, reaches)
                self.probes += writes.probes
                if isinstance(found, Write):
                    return found
        return None

    def _values(self, row: Row | None) -> Iterator[Any]:
        """Values that the column of a row does not have."""
        row = row or {}
        other = self._world.maker.beside(self._table, self._column.name, row.get(self._column.name))
        more = changes.other_values(self._world, self._table, self._column, row)
        found = [value for value in (other, *more) if value is not None]
        yield from itertools.islice(found, _VALUES)

    def _goes_through(self, api: Session, write: Write, value: Any) -> bool:
        self.probes += 1
        try:
            return self._sets(api, write.statement, write.values, value)
        except psycopg.Error:
            if api.closed:
                raise
            return False

    def _sets(self, api: Session, statement: sql.Composed, values: Sequence[Any], value: Any) -> bool:
        return self._is_set(self._world.touched_by(api, statement, values), value)

    def _is_set(self, touched: Iterable[Touched], value: Any) -> bool:
        """Whether a row has the value now, and had not."""
        wanted, name = _written(value), self._column.name
        versions = [(row, there) for table, row, _, there in touched if table == self._table.full_name]
        now = sum(_written(row.get(name)) == wanted for row, there in versions if there)
        before = sum(_written(row.get(name)) == wanted for row, there in versions if not there)
        return now > before


def _written(value: Any) -> str:
    """A value as it stands in JSON that PostgreSQL makes of a row."""
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    return str(value)
