"""Rows that name a second user, where each user is a tenant: only the project knows whether they are theirs to read."""

from __future__ import annotations

from collections.abc import Iterator

from pgassay.catalog import Relation
from pgassay.checks.finding import QUESTION, Finding
from pgassay.checks.isolation import changes
from pgassay.checks.isolation.changes import Change
from pgassay.checks.isolation.matrix import Actor, Probe, Verdict
from pgassay.checks.isolation.one_row import OneRow
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
        before, named = (OneRow(self._world, relation, each) for each in (row, {**row, column: actor.user}))
        with self._session.transaction(force_rollback=True):
            is_closed = not self._is_read(before, actor)
            if is_closed and changes.are_made(self._session, [naming]) and self._is_read(named, actor):
                yield self._finding(named, owner, column, naming)

    def _is_read(self, one: OneRow, actor: Actor) -> bool:
        self.probes += 1
        with actor.enter(self._session):
            return one.is_read(self._session, actor)

    def _finding(self, named: OneRow, owner: str, column: str, naming: Change) -> Found:
        actor, done = self._world.member("A"), naming.text(self._session)
        name = named.relation.full_name

        def holds(session: Session) -> bool:
            return named.is_read(session, actor)

        finding = Finding(
            Verdict.LEAKS.rule,
            name,
            f"who is named in {column} reads a row of another user's: {done}",
            "Hold the policy to the owner of the row.",
            QUESTION,
            actor.name,
            named.shown,
            door="select",
            expected="no row of another user's, unless it is shared with whom it names",
        )
        return finding, Probe(actor, holds, arranged=done, answer=Share(name, owner, column))
