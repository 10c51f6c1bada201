"""Own writes: what somebody may insert and change themselves, with the values that policies and functions ask for.

They ask for roles, flags, tenants and users. Which of these opens anything is seen by what is read afterwards.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from pgassay import sqltree
from pgassay.catalog import PLATFORM, Column, Relation
from pgassay.checks.isolation.gains import Move
from pgassay.checks.isolation.matrix import Actor
from pgassay.checks.isolation.relations import Target
from pgassay.checks.isolation.world import KEYS, World
from pgassay.rows import USERS, Row, Unfilled, insert_statement

_ASKED = """
select pg_catalog.concat(n.nspname, '.', c.relname), a.attname::pg_catalog.text
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where
    c.relkind in ('r', 'p') and n.nspname <> all(%(platform)s)
    and (
        pg_catalog.has_column_privilege('authenticated', c.oid, a.attnum, 'update')
        or pg_catalog.has_column_privilege('authenticated', c.oid, a.attnum, 'insert')
    )
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
_FUNCTIONS: LiteralString = """
select pg_catalog.pg_get_functiondef(p.oid)
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on p.pronamespace = n.oid
join pg_catalog.pg_language as l on p.prolang = l.oid
where
    p.prokind = 'f' and l.lanname in ('sql', 'plpgsql') and p.prorettype <> 'pg_catalog.trigger'::pg_catalog.regtype
    and n.nspname <> all(%(platform)s) and not pg_catalog.starts_with(n.nspname, 'pg_')
order by p.oid
"""
_POLICIES: LiteralString = """
select e.expression
from pg_catalog.pg_policies as p
cross join pg_catalog.unnest(array[p.qual, p.with_check]) as e (expression)
where e.expression is not null
order by 1
"""
_VALUES = 6
"""So many values are tried for a column."""
_ROWS = 24
"""So many rows are inserted into a table, by one actor."""


@dataclass(frozen=True)
class OwnWrite:
    """A move that writes ``columns`` of a relation.

    It ``gives`` a role or flag if these are constants, and nothing that names another tenant.
    """

    move: Move
    relation: Relation
    columns: tuple[str, ...]
    is_insert: bool
    gives: bool


class OwnWrites:
    """The writes of members in ``targets`` and of rows that decide what is open elsewhere."""

    def __init__(self, world: World, targets: Mapping[str, Target]) -> None:
        self._world = world
        self._targets = targets
        self.probes = 0

    def that_go_through(self, actor: Actor) -> list[OwnWrite]:
        """Those that change a row when they are tried alone."""
        found: list[OwnWrite] = []
        tried = [*self._updates(actor), *self._inserts(actor)]
        if not tried:
            return found
        with actor.enter(self._world.connection) as session:
            statements = [(sql.SQL(write.move.statement), ()) for write in tried]
            results, _ = session.attempts(statements)
        self.probes += len(results)
        for write, result in zip(tried, results, strict=False):
            if not isinstance(result, psycopg.Error) and result.count > 0:
                found.append(write)
        return found

    @cached_property
    def _asked(self) -> dict[str, list[Column]]:
        """The columns that decide something elsewhere, by their tables."""
        found: dict[str, list[Column]] = {}
        for name, column_name in self._world.ask(_ASKED, {"platform": [*PLATFORM]}):
            relation = self._world.relations.get(name)
            column = relation.column(column_name) if relation is not None else None
            if column is not None and not column.generated:
                found.setdefault(name, []).append(column)
        return found

    def _updates(self, actor: Actor) -> Iterator[OwnWrite]:
        for name, columns in self._asked.items():
            relation = self._world.relations[name]
            granted = self._world.granted(relation, actor.identity.role, "update")
            table = sql.Identifier(relation.schema, relation.name)
            for column in (column for column in columns if column.name in granted):
                keys = self._keys(column)
                for value in [*self._constants(relation, column), *keys]:
                    statement = sql.SQL("update {} set {} = %s").format(table, sql.Identifier(column.name))
                    yield self._write(actor, relation, statement, {column.name: value}, [value], value not in keys)

    def _inserts(self, actor: Actor) -> Iterator[OwnWrite]:
        for name, columns in self._asked.items():
            target, relation = self._targets.get(name), self._world.relations[name]
            granted = set(self._world.granted(relation, actor.identity.role, "insert"))
            if target is None or not target.is_table or not granted & {column.name for column in columns}:
                continue
            rows = itertools.islice(self._rows(target, actor, columns, granted), _ROWS)
            for row, changes, gives in rows:
                statement = insert_statement(relation, row)
                yield self._write(actor, relation, statement, changes, [*row.values()], gives, is_insert=True)

    def _rows(
        self, target: Target, actor: Actor, columns: Iterable[Column], granted: set[str]
    ) -> Iterator[tuple[Row, Row, bool]]:
        """Rows of one's own; what of each is chosen; whether it has a role or flag, and names nobody else's."""
        label = min(actor.own, default="B")
        try:
            own = [
                {name: value for name, value in row.items() if name in granted}
                for row in target.insertions(label, actor)
            ]
        except Unfilled:
            return
        roles = [{c.name: v} for c in columns if c.name in granted for v in self._constants(target.relation, c)]
        for row in [row for number, row in enumerate(own) if row not in own[:number]]:
            links: list[Row] = [{}, *self._links(target.relation, granted)]
            for link, role in itertools.product(links, [{}, *roles]):
                yield {**row, **link, **role}, {**link, **role}, bool(role) and not link and bool(actor.own)

    def _links(self, relation: Relation, granted: set[str]) -> Iterator[Row]:
        """For each foreign key, a row of B."""
        tenants = self._world.tenants
        for key in relation.foreign_keys:
            here = {column for column, _ in key.columns}
            there = {"id": tenants.users["B"]} if key.target == USERS else tenants.rows.get(key.target, {}).get("B")
            if there is not None and here <= granted and all(column in there for _, column in key.columns):
                yield {name: there[column] for name, column in key.columns}

    def _write(
        self,
        actor: Actor,
        relation: Relation,
        statement: sql.Composed,
        changes: Row,
        values: Sequence[Any],
        gives: bool,
        *,
        is_insert: bool = False,
    ) -> OwnWrite:
        bound = self._world.connection.bound(statement, values)
        move = Move(actor, bound, frozenset(map(str, values)))
        return OwnWrite(move, relation, tuple(changes), is_insert, gives)

    def _keys(self, column: Column) -> list[Any]:
        """Ids of the tenant B and its member, as far as they are of the column's type."""
        tenants = self._world.tenants
        return [key for key in (tenants.ids["B"], tenants.users["B"]) if type(key) is KEYS.get(column.type)]

    def _constants(self, relation: Relation, column: Column) -> list[Any]:
        """What a column is compared with, or held to."""
        if column.category == "B":
            return [True, False]
        kind = {"N": int, "S": str, "E": str}.get(column.category)
        compared = [value for value in self._compared.get(column.name, ()) if type(value) is kind]
        listed = self._world.maker.listed_of(relation.full_name).get(column.name, [])
        return list(dict.fromkeys([*compared, *listed]))[:_VALUES]

    @cached_property
    def _compared(self) -> dict[str, list[Any]]:
        """The constants with which policies and functions compare columns of each name."""
        definitions = [text for (text,) in self._world.ask(_FUNCTIONS, {"platform": [*PLATFORM]})]
        trees = [node for text in definitions for node in sqltree.body(text)]
        trees += [node for (text,) in self._world.ask(_POLICIES) if (node := sqltree.expression(text)) is not None]
        found: dict[str, list[Any]] = {}
        for tree in trees:
            for name, value in sqltree.compared(tree):
                found.setdefault(name, []).append(value)
        return found
