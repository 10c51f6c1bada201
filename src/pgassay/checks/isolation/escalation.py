"""Rights that somebody takes by changing a row of their own, as a flag in their profile, before they look again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from pgassay.catalog import Relation
from pgassay.checks.finding import Finding
from pgassay.checks.isolation.matrix import Actor, Probe, Verdict
from pgassay.checks.isolation.relations import Found, Target
from pgassay.checks.isolation.world import KEYS, World
from pgassay.identity import Session

_ASKED_ELSEWHERE = """
select pg_catalog.concat(n.nspname, '.', c.relname), a.attname::pg_catalog.text
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where
    c.relkind in ('r', 'p')
    and pg_catalog.has_column_privilege('authenticated', c.oid, a.attnum, 'update')
    and (
        exists (
            select from pg_catalog.pg_depend as d
            join pg_catalog.pg_policy as p on d.objid = p.oid and p.polrelid <> c.oid
            where
                d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass and d.refobjid = c.oid
                and d.refobjsubid = a.attnum
        )
        or exists (
            select from pg_catalog.pg_proc as f
            where
                f.oid >= 16384 and f.prosecdef and f.prorettype <> 'trigger'::pg_catalog.regtype
                and pg_catalog.strpos(f.prosrc, c.relname) > 0 and pg_catalog.strpos(f.prosrc, a.attname) > 0
        )
    )
order by 1, 2
"""
"""Columns that a signed-in user may have the right to write, and that policies of other tables or functions ask for."""


@dataclass(frozen=True)
class _Change:
    """A column of a row of one's own that is given a value."""

    relation: Relation
    column: str
    statement: sql.Composed
    values: list[Any]


class Escalation:
    """Changes of rows that policies of other tables look at: flags, what is held to a list of values, keys of B's."""

    def __init__(self, world: World, api: Session) -> None:
        self._world = world
        self._api = api
        self.probes = 0

    def try_all(self, targets: Sequence[Target], actors: Iterable[Actor]) -> Iterator[Found]:
        """What an actor reads of other tenants once it has changed what it may change; one finding a relation."""
        found: set[str] = set()
        for actor in actors:
            if actor.identity.role != "authenticated" or "B" in actor.own or not actor.shown:
                continue
            for change in self._changes():
                for target in self._opened(targets, actor, change):
                    name = target.relation.full_name
                    if name not in found:
                        found.add(name)
                        yield self._finding(target, actor, change)

    def _changes(self) -> Iterator[_Change]:
        for name, column in self._world.ask(_ASKED_ELSEWHERE):
            relation = self._world.relations.get(name)
            known = relation.column(column) if relation is not None else None
            if relation is None or known is None:
                continue
            listed: list[Any] = self._world.maker.listed_of(name).get(column, [])
            statement = sql.SQL("update {} set {} = %s").format(
                sql.Identifier(relation.schema, relation.name), sql.Identifier(column)
            )
            tenants = self._world.tenants
            keys = [key for key in (tenants.ids["B"], tenants.users["B"]) if type(key) is KEYS.get(known.type)]
            for value in [True, False] if known.category == "B" else [*listed, *keys]:
                yield _Change(relation, column, statement, [value])

    def _opened(self, targets: Sequence[Target], actor: Actor, change: _Change) -> Iterator[Target]:
        """The relations in which the change has opened rows of other tenants. Nothing of it stays."""
        with actor.enter(self._api):
            if not self._changed(change.statement, change.values):
                return
            for target in targets:
                if not self._seen(target) <= actor.own:
                    yield target

    def _changed(self, statement: sql.Composed, values: list[Any]) -> bool:
        self.probes += 1
        try:
            with self._api.transaction():
                self._api.begin_request()
                return self._api.execute(statement, values).rowcount > 0
        except psycopg.Error:
            if self._api.closed:
                raise
            return False

    def _seen(self, target: Target) -> set[str]:
        self.probes += 1
        try:
            return target.read(self._api)
        except psycopg.Error:
            if self._api.closed:
                raise
            return set()

    def _finding(self, target: Target, actor: Actor, change: _Change) -> Found:
        relation = target.relation
        table = sql.Identifier(relation.schema, relation.name)
        done = self._api.bound(change.statement, change.values)
        read = sql.SQL("select * from {}").format(table).as_string(None)

        def holds(session: Session) -> bool:
            session.begin_request()
            session.execute(change.statement, change.values)
            return not target.read(session) <= actor.own

        finding = Finding(
            Verdict.LEAKS.rule,
            relation.full_name,
            f"{actor.name} can select rows of other tenants after changing a row of its own: {done}",
            "Take the right to update that column from the API's roles; let a function change it that asks who calls.",
            identity=actor.name,
            statement=f"{done};\n{read}",
            door="select",
            expected="no row of another tenant, whatever one writes into one's own rows",
        )
        return finding, Probe(actor, holds, mends=self._without(change), touches=change.relation.full_name)

    def _without(self, change: _Change) -> tuple[str, ...]:
        """The statement that leaves the right to update but for that column."""
        relation = change.relation
        table = sql.Identifier(relation.schema, relation.name)
        statements = [sql.SQL("revoke update on {} from public, anon, authenticated").format(table)]
        for role in ("anon", "authenticated"):
            left = [name for name in self._world.granted(relation, role, "update") if name != change.column]
            if left:
                columns = sql.SQL(", ").join(map(sql.Identifier, left))
                statements.append(sql.SQL("grant update ({}) on {} to {}").format(columns, table, sql.Identifier(role)))
        return (sql.SQL(";\n").join(statements).as_string(None),)
