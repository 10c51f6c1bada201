"""Rows that a member still reads after leaving: the membership is deleted, ended or suspended, as its columns say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import psycopg
from psycopg import sql

from pgassay.catalog import Relation
from pgassay.checks.finding import Finding
from pgassay.checks.isolation import changes
from pgassay.checks.isolation.changes import Change
from pgassay.checks.isolation.matrix import Actor, Probe, Verdict
from pgassay.checks.isolation.relations import Found, Target
from pgassay.checks.isolation.world import World
from pgassay.config import Membership
from pgassay.identity import Session
from pgassay.rows import Row

Seen = dict[str, set[tuple[str, ...]]]
"""The rows of A that somebody reads, by relation."""


class Leaving:
    """Lets the member of both tenants leave A, who has nothing there but that, and looks what is read then.

    ``session`` is one of the rows' owner. It may be lost, if a trigger ends it.
    """

    def __init__(self, world: World, session: Session, targets: Iterable[Target]) -> None:
        self._world = world
        self._session = session
        tenancy = world.tenancy
        self._targets = [
            target
            for target in targets
            if target.relation.full_name not in tenancy.public and not self._is_of_the_tenancy(target)
        ]
        self.probes = 0

    def _is_of_the_tenancy(self, target: Target) -> bool:
        """Whether it says who is a member of what, which who has left may well see."""
        member = self._world.tenancy.member
        tables = {self._world.tenancy.tenant, member.table if isinstance(member, Membership) else ""}
        return target.relation.full_name in tables

    def try_all(self, actors: Sequence[Actor]) -> Iterator[Found]:
        """What is still read after leaving: a finding for each relation and way to leave, since a mend closes all."""
        member = self._world.tenancy.member
        actor = next((actor for actor in actors if actor.own == {"A", "B"} and actor.user is not None), None)
        if actor is None or not isinstance(member, Membership) or member.table not in self._world.relations:
            return
        relation = self._world.relations[member.table]
        known = [(member.user, actor.user), (member.tenant, self._world.tenants.ids["A"])]
        rows = changes.rows_of(self._world, relation, known)
        if len(rows) != 1:
            return
        (row,) = rows
        before = self._seen(actor)
        strangers = [self._seen(who) for who in (self._world.stranger, self._world.member("B"))]
        told: set[tuple[str, str]] = set()
        for column, change in self._changes(relation, member, row):
            for target in self._left(actor, before, strangers, change, is_sure=not column):
                if (target.relation.full_name, column) not in told:
                    told.add((target.relation.full_name, column))
                    yield self._finding(target, actor, change, before, relation, column)

    def _changes(self, relation: Relation, member: Membership, row: Row) -> Iterator[tuple[str, Change]]:
        """The ways to leave: the membership is deleted, or, which may mean anything, a column of it is changed."""
        yield "", changes.removal(self._world, relation, row)
        roles = self._world.tenancy.within.roles
        of_roles = {column for table, column in roles.columns if table == relation.full_name} if roles else set()
        tied = {*relation.referring, *relation.primary_key, member.tenant, member.user, *of_roles}
        for column in relation.columns:
            # a list of values may as well be of roles, where none is declared
            is_read = column.category in ("B", "D") or bool(of_roles)
            if column.name not in tied and not column.generated and is_read:
                for value in changes.other_values(self._world, relation, column, row):
                    yield column.name, changes.update(self._world, relation, row, {column.name: value})

    def _left(
        self, actor: Actor, before: Seen, strangers: Sequence[Seen], change: Change, *, is_sure: bool
    ) -> Iterator[Target]:
        """Where rows are read still that are not open to strangers, if the change has closed most of what there was."""
        with self._after(change) as is_done:
            after = self._seen(actor) if is_done else before
        left = [name for name, rows in before.items() if rows & after[name]]
        had = [name for name, rows in before.items() if rows]
        if not is_done or not (is_sure or len(left) < len(had) - len(left)):
            return
        for target in self._targets:
            name = target.relation.full_name
            if (before[name] & after[name]).difference(*(rows[name] for rows in strangers)):
                yield target

    @contextmanager
    def _after(self, change: Change) -> Iterator[bool]:
        """A block after the change, which is undone; whether the owner's triggers let it be made."""
        with self._session.transaction(force_rollback=True):
            try:
                with self._session.transaction():
                    is_done = self._session.execute(change.statement, change.values).rowcount > 0
            except psycopg.Error:
                if self._session.closed:
                    raise
                is_done = False
            yield is_done

    def _seen(self, actor: Actor) -> Seen:
        with actor.enter(self._session):
            self.probes += len(self._targets)
            return {
                target.relation.full_name: changes.seen(self._world, self._session, target, actor)
                for target in self._targets
            }

    def _finding(
        self, target: Target, actor: Actor, change: Change, before: Seen, relation: Relation, column: str
    ) -> Found:
        name = target.relation.full_name
        table = sql.Identifier(target.relation.schema, target.relation.name)
        way = f", by {column} of its row in {relation.full_name}" if column else ""

        def holds(session: Session) -> bool:
            return bool(changes.seen(self._world, session, target, actor) & before[name])

        finding = Finding(
            Verdict.LEAKS.rule,
            name,
            f"{actor.name} can select rows of A after leaving it{way}",
            f"Ask in the policies of {name} for a membership that is valid, as those of other tables do.",
            identity=actor.name,
            statement=sql.SQL("select * from {}").format(table).as_string(None),
            door="select",
            expected="no row of a tenant that one has left",
        )
        return finding, Probe(actor, holds, arranged=change.text(self._session))
