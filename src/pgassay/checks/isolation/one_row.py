"""One row, known by its primary key: whether somebody reads it."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg import sql

from pgassay.catalog import Relation
from pgassay.checks.isolation.matrix import Actor
from pgassay.checks.isolation.world import World
from pgassay.identity import Session
from pgassay.rows import Row


@dataclass(frozen=True)
class OneRow:
    """A row of a relation that has a primary key."""

    world: World
    relation: Relation
    row: Row

    def is_read(self, session: Session, actor: Actor) -> bool:
        """Whether ``session``, which is the actor, reads it."""
        granted = self.world.granted(self.relation, actor.identity.role, "select")
        if not {*self.relation.primary_key} <= {*granted}:
            return False
        try:
            return session.attempt(self._select, self._key, reading=True)[0].count > 0
        except psycopg.Error:
            if session.closed:
                raise
            return False

    @property
    def shown(self) -> str:
        """The statement that reads it, as psql takes it."""
        return self.world.connection.bound(self._select, self._key)

    @property
    def _select(self) -> sql.Composed:
        relation = self.relation
        columns = sql.SQL(", ").join(map(sql.Identifier, relation.primary_key))
        table = sql.Identifier(relation.schema, relation.name)
        return sql.SQL("select {} from {} where {}").format(columns, table, self.world.where(relation.primary_key))

    @property
    def _key(self) -> list[object]:
        return [self.row[name] for name in self.relation.primary_key]
