"""Gains: rows of other tenants that somebody reads only after a move of their own.

A row counts that was there before the move, and that nobody changed. So a new organisation of one's own is no gain, nor
an invitation that one sends, nor a row of one's own that names another tenant.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql

from pgassay.catalog import Relation
from pgassay.checks.isolation.matrix import Actor
from pgassay.checks.isolation.relations import Target
from pgassay.checks.isolation.world import World
from pgassay.identity import Session

Seen = Mapping[str, frozenset[tuple[str, str]]]
"""By relation: each row that was there before, as where it is and whose it is; of a view, whose its rows are."""


@dataclass(frozen=True)
class Move:
    """What the platform does for ``actor``, as a sign-up, who may gain something. ``sent`` is what the actor chose."""

    actor: Actor
    statement: str
    sent: frozenset[str]


@contextmanager
def anew_after(session: Session, actor: Actor, statements: Iterable[str]) -> Iterator[bool]:
    """A block after statements of the actor's, all of which is undone; whether the last of them changed anything.

    The session is the actor's anew in the block: a trigger may have given it another role. Raises `psycopg.Error` where
    a statement fails.
    """
    with actor.enter(session):
        count = 0
        for statement in statements:
            session.begin_request()
            count = session.execute(statement.encode()).rowcount
        with actor.enter(session):
            yield count > 0


class Gains:
    """What moves gain in ``targets``, each on a session in the database of the rows, where it is undone."""

    def __init__(self, world: World, targets: Sequence[Target]) -> None:
        self._world = world
        self._targets = targets
        self._labels = {target.relation.full_name: target.places() for target in targets if target.is_table}
        self.probes = 0

    def before(self, session: Session, actor: Actor) -> Seen:
        """What the actor reads before any move."""
        with actor.enter(session):
            return self.seen(session, actor, frozenset())

    def after(self, move: Move) -> Seen | None:
        """What the actor reads after the platform's move; None where the move fails."""
        owner = self._world.connection
        self.probes += 1
        try:
            with owner.transaction(force_rollback=True):
                owner.execute(move.statement.encode())
                with move.actor.enter(owner) as session:
                    return self.seen(session, move.actor, move.sent)
        except psycopg.Error:
            if owner.closed:
                raise
            return None

    def gained(self, before: Seen, after: Seen, actor: Actor) -> Iterator[Target]:
        """The relations in which rows of other tenants are read that were not read before."""
        for target in self._targets:
            name = target.relation.full_name
            new = after.get(name, frozenset()) - before.get(name, frozenset())
            if any(label not in actor.own for _, label in new):
                yield target

    def seen(
        self, session: Session, actor: Actor, sent: frozenset[str], targets: Sequence[Target] | None = None
    ) -> Seen:
        """What of the rows that were there before the session reads, which is the actor's."""
        asked = [(target, reading) for target in targets or self._targets if (reading := self._reading(target, actor))]
        results, _ = session.attempts([(reading, ()) for _, reading in asked], reading=True)
        self.probes += len(results)
        found: dict[str, frozenset[tuple[str, str]]] = {}
        for (target, _), result in zip(asked, results, strict=False):
            if not isinstance(result, psycopg.Error):
                found[target.relation.full_name] = frozenset(self._rows(target, actor, result.rows, sent))
        return found

    def _is_placed(self, target: Target, actor: Actor) -> bool:
        """Whether the actor may read where a row is, for which it takes the right to the table as a whole."""
        columns = self._world.granted(target.relation, actor.identity.role, "select")
        return target.is_table and len(columns) == len(target.relation.columns)

    def _reading(self, target: Target, actor: Actor) -> sql.Composed | None:
        relation = target.relation
        if self._is_placed(target, actor):
            table = sql.Identifier(relation.schema, relation.name)
            return sql.SQL("select t.tableoid::pg_catalog.text, t.ctid::pg_catalog.text from {} as t").format(table)
        return self._world.reading(relation, actor.identity.role)

    def _rows(
        self, target: Target, actor: Actor, rows: Sequence[tuple[object, ...]], sent: frozenset[str]
    ) -> Iterator[tuple[str, str]]:
        if not self._is_placed(target, actor):
            for row in rows:
                yield from (("", label) for label in self._world.labels(row, sent))
            return
        labels = self._labels[target.relation.full_name]
        for table, place in rows:
            where = f"{table} {place}"
            if where in labels:
                yield where, labels[where]


class Nobodys:
    """Tables whose rows are no tenant's, or of which that is not known, as logs that are for admins alone."""

    def __init__(self, world: World, known: Container[str]) -> None:
        self._world = world
        self._relations = [
            relation
            for name, relation in sorted(world.relations.items())
            if relation.kind == "table" and (name not in known or name in world.tenancy.public)
        ]
        self._there = {relation.full_name: self._places(world.connection, relation) for relation in self._relations}

    def closed(self, session: Session) -> list[Relation]:
        """Those of which the session reads no row that was there before, though there are some."""
        filled = [relation for relation in self._relations if self._there[relation.full_name]]
        return [relation for relation in filled if not self.is_read(relation, session)]

    def is_read(self, relation: Relation, session: Session) -> bool:
        """Whether the session reads a row that was there before."""
        return bool(self._places(session, relation) & self._there[relation.full_name])

    def _places(self, session: Session, relation: Relation) -> set[str]:
        table = sql.Identifier(relation.schema, relation.name)
        statement = sql.SQL("select pg_catalog.concat(t.tableoid, ' ', t.ctid) from {} as t").format(table)
        try:
            return {place for (place,) in session.attempt(statement, reading=True)[0].rows}
        except psycopg.Error:
            if session.closed:
                raise
            return set()
