"""Rows that name a second user, where each user is a tenant: only the project knows whether they are theirs to read."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
from psycopg import sql

from pgassay.catalog import Relation
from pgassay.checks.finding import QUESTION, Finding
from pgassay.checks.isolation import changes
from pgassay.checks.isolation.changes import Change
from pgassay.checks.isolation.matrix import Actor, Probe, Verdict
from pgassay.checks.isolation.relations import Found, Target
from pgassay.checks.isolation.world import World
from pgassay.config import Share
from pgassay.identity import Session
from pgassay.rows import Row


class NamedIn:
    """Names A in rows of B, on the session of the rows' owner, where all of it is undone."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._session = world.connection
        self.probes = 0

    def try_all(self, target: Target) -> Iterator[Found]:
        """A question for each column by which whoever is named there reads a row of somebody else's."""
        relation, world = target.relation, self._world
        row = world.tenants.rows.get(relation.full_name, {}).get("B")
        if world.tenancy.member is not None or row is None or not relation.primary_key:
            return
        owner = world.tenancy.column_of(relation.full_name)
        said = {share.user for share in world.tenancy.shared if share.table == relation.full_name}
        for column in dict.fromkeys(world.maker.users_in(relation)):
            if column not in {owner, *said}:
                yield from self._try(relation, row, owner, column)

    def _try(self, relation: Relation, row: Row, owner: str, column: str) -> Iterator[Found]:
        actor = self._world.member("A")
        naming = changes.update(self._world, relation, row, {column: actor.user})
        named = {**row, column: actor.user}
        with self._session.transaction(force_rollback=True):
            is_closed = not self._reads(self._session, relation, row, actor)
            if is_closed and self._is_made(naming) and self._reads(self._session, relation, named, actor):
                yield self._finding(relation, named, owner, column, naming)

    def _is_made(self, change: Change) -> bool:
        try:
            with self._session.transaction():
                return self._session.execute(change.statement, change.values).rowcount == 1
        except psycopg.Error:
            if self._session.closed:
                raise
            return False

    def _reads(self, session: Session, relation: Relation, row: Row, actor: Actor) -> bool:
        self.probes += 1
        with actor.enter(session):
            return self._finds(session, relation, row, actor)

    def _finds(self, session: Session, relation: Relation, row: Row, actor: Actor) -> bool:
        if not {*relation.primary_key} <= {*self._world.granted(relation, actor.identity.role, "select")}:
            return False
        try:
            return session.attempt(self._select(relation), self._key(relation, row), reading=True)[0].count > 0
        except psycopg.Error:
            if session.closed:
                raise
            return False

    def _select(self, relation: Relation) -> sql.Composed:
        columns = sql.SQL(", ").join(map(sql.Identifier, relation.primary_key))
        table = sql.Identifier(relation.schema, relation.name)
        return sql.SQL("select {} from {} where {}").format(columns, table, self._world.where(relation.primary_key))

    def _key(self, relation: Relation, row: Row) -> list[object]:
        return [row[name] for name in relation.primary_key]

    def _finding(self, relation: Relation, row: Row, owner: str, column: str, naming: Change) -> Found:
        actor, done = self._world.member("A"), naming.text(self._session)

        def holds(session: Session) -> bool:
            return self._finds(session, relation, row, actor)

        finding = Finding(
            Verdict.LEAKS.rule,
            relation.full_name,
            f"who is named in {column} reads a row of another user's: {done}",
            "Hold the policy to the owner of the row.",
            QUESTION,
            actor.name,
            self._session.bound(self._select(relation), self._key(relation, row)),
            door="select",
            expected="no row of another user's, unless it is shared with whom it names",
        )
        return finding, Probe(actor, holds, arranged=done, answer=Share(relation.full_name, owner, column))
