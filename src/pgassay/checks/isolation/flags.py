"""Rows that a policy opens to others once a column of theirs says so: whether that is meant, only the project knows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

import psycopg
from psycopg import sql

from pgassay.checks.finding import Finding
from pgassay.checks.isolation.matrix import Actor, Probe, Verdict
from pgassay.checks.isolation.relations import Found, Target
from pgassay.checks.isolation.world import World

_ASKED = """
select
    pg_catalog.concat(n.nspname, '.', c.relname), a.attname::pg_catalog.text,
    pg_catalog.array_agg(distinct p.polname::pg_catalog.text)
from pg_catalog.pg_policy as p
join pg_catalog.pg_depend as d
    on d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass and d.objid = p.oid
    and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid = p.polrelid
join pg_catalog.pg_attribute as a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
join pg_catalog.pg_class as c on p.polrelid = c.oid
join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
where p.polcmd in ('r', '*') and p.polpermissive and a.attgenerated = ''
group by 1, 2
order by 1, 2
"""


class Flags:
    """Columns that policies ask for: flags, times, and those that are held to a list of values."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.probes = 0

    def try_all(self, target: Target, actors: Iterable[Actor]) -> Iterator[Found]:
        """Give the rows of B each value of such a column, as their owner, and see whether somebody else reads them."""
        relation = target.relation
        if relation.full_name in self._world.tenancy.public:
            return
        others = [actor for actor in actors if actor.shown and not actor.may_all and "B" not in actor.own]
        for name, policies in self._asked.get(relation.full_name, {}).items():
            column = relation.column(name)
            if column is None:
                continue
            values: list[Any] = self._world.maker.listed_of(relation.full_name).get(name, [])
            if column.category == "B":
                values = [True, False]
            elif column.category == "D":
                values = ["tomorrow", "yesterday"]  # PostgreSQL's own words
            for value in values:
                found = self._try(target, name, value, others)
                if found is not None:
                    yield self._finding(target, name, value, found, policies)
                    break

    @cached_property
    def _asked(self) -> dict[str, dict[str, list[str]]]:
        found: dict[str, dict[str, list[str]]] = {}
        for relation, column, policies in self._world.ask(_ASKED):
            found.setdefault(relation, {})[column] = policies
        return found

    def _try(self, target: Target, column: str, value: Any, actors: Iterable[Actor]) -> Actor | None:
        """Who sees rows of tenants that are not its own, only because ``column`` is ``value`` in them.

        On the session of the rows' owner: what is not committed, no other session would see.
        """
        owner = self._world.connection
        for actor in actors:
            try:
                with owner.transaction(force_rollback=True):
                    if not self._seen(target, actor) <= actor.own:
                        return None
                    if self._set(target, column, value) and not self._seen(target, actor) <= actor.own:
                        return actor
            except psycopg.Error:
                if owner.closed:
                    raise
        return None

    def _seen(self, target: Target, actor: Actor) -> set[str]:
        self.probes += 1
        with actor.enter(self._world.connection) as session:
            return target.read(session)

    def _set(self, target: Target, column: str, value: Any) -> bool:
        """Whether there is a row of B of which the column can be set to that."""
        relation = target.relation
        statement = sql.SQL("update {} set {} = %s where {}").format(
            sql.Identifier(relation.schema, relation.name),
            sql.Identifier(column),
            sql.SQL(" and ").join(
                sql.SQL("{} {} %s").format(sql.Identifier(name), self._world.equals) for name in relation.primary_key
            ),
        )
        changed = False
        for made, label, row in self._world.made():
            if made == relation.full_name and label == "B" and relation.primary_key:
                try:
                    with self._world.connection.transaction():
                        key = [row[name] for name in relation.primary_key]
                        changed |= self._world.connection.execute(statement, [value, *key]).rowcount > 0
                except psycopg.Error:
                    if self._world.connection.closed:
                        raise
        return changed

    def _finding(self, target: Target, column: str, value: Any, actor: Actor, policies: list[str]) -> Found:
        name = target.relation.full_name
        shown = str(value).lower() if isinstance(value, bool) else repr(value)
        table = sql.Identifier(target.relation.schema, target.relation.name)
        condition = sql.SQL("{} = {}").format(sql.Identifier(column), sql.Literal(value))
        finding = Finding(
            Verdict.LEAKS.rule,
            name,
            f"{actor.name} can select rows of other tenants of which {column} is {shown}",
            f"If such rows are meant for everybody, waive this with the reason; else hold {' and '.join(policies)} to "
            "the caller's tenants.",
            "warning",
            actor.name,
            sql.SQL("select * from {} where {}").format(table, condition).as_string(None),
            door="select",
            culprit=", ".join(f"policy {policy} on {name}" for policy in policies),
            expected="no row of another tenant, unless that is what the column says",
        )
        return finding, Probe(actor, lambda _: False)
