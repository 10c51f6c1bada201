"""Rows that a policy opens to others once a column of theirs says so: whether that is meant, only the project knows."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import psycopg
from psycopg import sql

from pgassay import sqltree
from pgassay.catalog import Relation
from pgassay.checks.finding import ERROR, QUESTION, Finding
from pgassay.checks.isolation.matrix import Actor, Probe, Verdict
from pgassay.checks.isolation.purpose import Opening, Openings, written
from pgassay.checks.isolation.relations import Found, Target
from pgassay.checks.isolation.world import World
from pgassay.config import NULL, Published
from pgassay.identity import Session
from pgassay.platforms.platform import in_sql
from pgassay.rows import USERS

_WRITES = ("update", "delete")


class Flags:
    """Columns that policies ask for: flags, times, and those that are compared with constants."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._openings = Openings(world)
        self.probes = 0

    def try_all(self, target: Target, actors: Iterable[Actor], shown_to: Collection[str]) -> Iterator[Found]:
        """Give the rows of B each value of such a column, as their owner, and see what somebody else does with them.

        Of those who were made for a way, those in ``shown_to`` alone are tried: they saw rows that are gone now.
        """
        relation = target.relation
        if relation.full_name in self._world.tenancy.public:
            return
        asked = (actor for actor in actors if actor.shown or actor.name in shown_to)
        others = [actor for actor in asked if not actor.may_all and "B" not in actor.own]
        found: set[tuple[str, str, str]] = set()
        for opening in itertools.chain(self._openings.of(relation.full_name), self._of_others(target)):
            for door in ("select", *_WRITES):
                key = opening.published.table, opening.column.name, door
                if key not in found:
                    tried = None if self._is_said(relation, opening, door) else self._try(target, opening, door, others)
                    if tried is not None:
                        found.add(key)
                        yield self._finding(target, opening, door, *tried)

    def _of_others(self, target: Target) -> Iterator[Opening]:
        """The columns of rows to which the target's refer, where its policies ask for these."""
        relation = target.relation
        conditions = [one for one in self._world.sources.conditions if one.relation == relation.full_name]
        called = {sqltree.called(node) for one in conditions for tree in one.trees for node in sqltree.walk(tree)}
        read = {name.rpartition(".")[2] for one in conditions for tree in one.trees for name in sqltree.tables(tree)}
        bodies = [one for one in self._world.sources.functions if not called.isdisjoint((one.name, one.full_name))]
        trees = [tree for one in conditions for tree in one.trees]
        trees += [tree for body in self._world.sources.with_called(bodies) for tree in body.trees]
        policies = tuple(dict.fromkeys(one.policy for one in conditions))
        direct = {key.target for key in relation.foreign_keys}
        known: set[tuple[Published, str]] = set()
        for table in filter(partial(self._is_other, relation), self._above(direct)):
            name = table.rpartition(".")[2]
            is_read = name in read or any(name in body.definition for body in bodies)
            of_policies = self._openings.of(table) if is_read and table in direct else ()
            for opening in itertools.chain(of_policies, self._openings.within(table, trees, policies)):
                if (opening.published, str(opening.value)) not in known:
                    known.add((opening.published, str(opening.value)))
                    yield opening

    def _is_other(self, relation: Relation, table: str) -> bool:
        is_known = table in self._world.relations and table not in self._world.tenancy.public
        return is_known and table != relation.full_name

    def _above(self, tables: Iterable[str]) -> list[str]:
        """These and all to which rows of them refer, but for tenants and users."""
        found = {*tables}
        left = [*found]
        while left:
            relation = self._world.relations.get(left.pop())
            new = {key.target for key in relation.foreign_keys} - found if relation is not None else set()
            found |= new
            left += new
        return sorted(found - {self._world.tenancy.tenant, USERS})

    def _is_said(self, relation: Relation, opening: Opening, door: str) -> bool:
        """Whether it is declared that everybody may read such rows."""
        tenancy = self._world.tenancy
        return door == "select" and _answer(relation, opening) in {*tenancy.published, *tenancy.following}

    def _try(
        self, target: Target, opening: Opening, door: str, actors: Iterable[Actor]
    ) -> tuple[Actor, list[str], bool] | None:
        """Who reaches rows of other tenants only because of that value; how they got it; whether that is on purpose.

        On the session of the rows' owner: what is not committed, no other session would see.
        """
        owner = self._world.connection
        for actor in actors:
            try:
                with owner.transaction(force_rollback=True):
                    if not self._is_closed(target, door, actor):
                        return None
                    changes = self._opened_by(target, opening, door, actor)
                    if changes:
                        closes = partial(self._closes, target, opening, actor, len(changes))
                        can_be_said = door == "select" and _answer(target.relation, opening) is not None
                        return actor, changes, can_be_said and opening.is_on_purpose(closes)
            except psycopg.Error:
                if owner.closed:
                    raise
        return None

    def _opened_by(self, target: Target, opening: Opening, door: str, actor: Actor) -> list[str]:
        """The statements that give rows of B that value, if they open them to an actor. They are undone."""
        with self._world.connection.transaction(force_rollback=True):
            changes = self._set(opening, opening.value)
            return changes if changes and not self._is_closed(target, door, actor) else []

    def _closes(self, target: Target, opening: Opening, actor: Actor, count: int, value: Any) -> bool:
        """Whether the rows are closed with a value: ``count`` of them, all that can be opened.

        A trigger that lets nobody go back to the default often lets a row keep it. So the rows are as they were made.
        """
        with self._world.connection.transaction(force_rollback=True):
            return len(self._set(opening, value)) >= count and self._is_closed(target, "select", actor)

    def _is_closed(self, target: Target, door: str, actor: Actor) -> bool:
        return self._reached(target, door, actor) <= actor.own

    def _reached(self, target: Target, door: str, actor: Actor) -> set[str]:
        self.probes += 1
        with actor.enter(self._world.connection) as session:
            return target.read(session) if door == "select" else target.reaches(door, session, actor)

    def _set(self, opening: Opening, value: Any) -> list[str]:
        """The statements by which rows of B got that value. Those that a constraint or trigger refuses are none."""
        changed = []
        for statement in self._changes(opening, value):
            try:
                with self._world.connection.transaction():
                    if self._world.connection.execute(statement.encode()).rowcount > 0:
                        changed.append(statement)
            except psycopg.Error:
                if self._world.connection.closed:
                    raise
        return changed

    def _changes(self, opening: Opening, value: Any) -> Iterator[str]:
        """The statements that give the rows of B that value, in the table that has the column."""
        relation = self._world.relations[opening.published.table]
        for made, label, row in self._world.made():
            if made == relation.full_name and label == "B" and relation.primary_key:
                statement = sql.SQL("update {} set {} = {} where {}").format(
                    sql.Identifier(relation.schema, relation.name),
                    sql.Identifier(opening.column.name),
                    written(value),
                    self._world.where(relation.primary_key),
                )
                yield self._world.connection.bound(statement, [row[name] for name in relation.primary_key])

    def _finding(
        self, target: Target, opening: Opening, door: str, actor: Actor, changes: list[str], is_asked: bool
    ) -> Found:
        relation = target.relation
        name, column, value = relation.full_name, opening.column.name, opening.value
        shown = NULL if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
        of = "of" if opening.published.table == name else f"that refer to rows of {opening.published.table} of"
        policies = " and ".join(opening.policies)
        culprits = (f"policy {policy} on {opening.published.table}" for policy in opening.policies)
        finding = Finding(
            Verdict.LEAKS.rule if door == "select" else Verdict.WRITES_ACROSS.rule,
            name,
            f"{actor.name} can {door} rows of other tenants {of} which {column} is {shown}",
            f"Hold {policies} to the caller's tenants.",
            QUESTION if is_asked else ERROR,
            actor.name,
            self._statement(target, opening, door),
            door=door,
            culprit=", ".join(culprits) if is_asked else "",
            expected="no row of another tenant, unless that is what the column says",
        )

        def holds(session: Session) -> bool:
            reached = target.read(session) if door == "select" else target.reaches(door, session, actor)
            return not reached <= actor.own

        before = f"set local role {in_sql(self._world.platform.roles.back_end)};\n{'; '.join(changes)};\nreset role;\n"
        answer = _answer(relation, opening) if is_asked else None
        return finding, Probe(actor, holds, before, "; ".join(changes), answer=answer)

    def _statement(self, target: Target, opening: Opening, door: str) -> str:
        """What reaches the rows: those with that value; or one that refers to such a row."""
        relation, column = target.relation, sql.Identifier(opening.column.name)
        table = sql.Identifier(relation.schema, relation.name)
        equal = "{} is null" if opening.value is None else "{} = {}"
        where, values = sql.SQL(equal).format(column, sql.Literal(opening.value)), []
        if opening.published.table != relation.full_name:
            row = self._world.tenants.rows[relation.full_name]["B"]
            where, values = self._world.where(relation.primary_key), [row[name] for name in relation.primary_key]
            free = (one.name for one in relation.columns if one.name not in relation.primary_key and not one.generated)
            column = sql.Identifier(next(free, relation.primary_key[0]))
        statements = {
            "select": sql.SQL("select * from {} where {}").format(table, where),
            "update": sql.SQL("update {} set {} = {} where {}").format(table, column, column, where),
            "delete": sql.SQL("delete from {} where {}").format(table, where),
        }
        return self._world.connection.bound(statements[door], values)


def _answer(relation: Relation, opening: Opening) -> Published | None:
    """What declares that rows of a relation are open to everybody with that value, be it of a row they refer to.

    None where that is of a row to which they do not refer themselves.
    """
    published = opening.published
    if published.table == relation.full_name:
        return published
    keys = (here for key in relation.foreign_keys if key.target == published.table for here, _ in key.columns[::-1])
    key = next(keys, "")
    return replace(published, table=relation.full_name, key=key) if key else None
