"""Partitions as doors: whoever has a right to one reads it by its own name, past the policies of the whole."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from pgassay import sqltree
from pgassay.catalog import Relation
from pgassay.checks.isolation.belonging import LABELS
from pgassay.checks.isolation.matrix import Actor
from pgassay.checks.isolation.relations import Target
from pgassay.checks.isolation.world import World
from pgassay.rows import USERS, Row, insert_statement

_PARTITIONS = """
select
    n.nspname || '.' || c.relname,
    (select pn.nspname || '.' || p.relname from pg_catalog.pg_class as p
        join pg_catalog.pg_namespace as pn on p.relnamespace = pn.oid
        where p.oid = pg_catalog.pg_partition_root(c.oid)),
    pg_catalog.pg_get_partition_constraintdef(c.oid),
    array(
        select a.attname::pg_catalog.text
        from pg_catalog.pg_partition_ancestors(c.oid) as x (oid)
        join pg_catalog.pg_partitioned_table as k on k.partrelid = x.oid
        join pg_catalog.pg_attribute as a on a.attrelid = x.oid and a.attnum = any(k.partattrs)
    ),
    exists (select from pg_catalog.pg_policy as p where p.polrelid = c.oid)
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
where
    c.oid = pg_catalog.to_regclass(%s)
    and exists (
        select from pg_catalog.unnest(%s::pg_catalog.text[]) as r
        where
            pg_catalog.has_schema_privilege(r, n.oid, 'usage')
            and (
                pg_catalog.has_any_column_privilege(r, c.oid, 'select, insert, update')
                or pg_catalog.has_table_privilege(r, c.oid, 'delete')
            )
    )
"""
_TRIES = 256
_BY_HASH = "satisfies_hash_partition"
_UNFILLED = "no row of each tenant could be made in this partition, which has policies of its own"


def _held(world: World) -> list[str]:
    """The roles of the API that row level security holds."""
    return [role for role in world.roles if role != world.platform.roles.back_end]


class Partition(Target):
    """A partition by its own name: a new row has to be in its bounds, as those are that were made for it."""

    def insertions(self, label: str, actor: Actor) -> Iterator[Row]:
        """A row like the one that there is, in the actor's name as well."""
        like = self.world.tenants.rows[self.relation.full_name][label]
        plain = _plain(self.relation, like) | {name: like[name] for name in self.relation.primary_key if name != "id"}
        if self.relation.column(self.column) is not None:
            plain[self.column] = like[self.column]
        plain |= self._keys_here(like)
        users = [here for key in self.relation.foreign_keys if key.target == USERS for here, _ in key.columns]
        yield plain
        if actor.user is not None and users:
            yield {**plain, **{name: actor.user for name in users if name != self.column}}

    @property
    def given(self) -> set[str]:
        """What the whole counts, too: before PostgreSQL 17 a partition does not."""
        return super().given | {column.name for column in self._whole.columns if column.has_default}

    @cached_property
    def _read(self) -> Any:
        name = sql.Identifier(self.relation.schema, self.relation.name).as_string(None)
        (row,) = self.world.ask(_PARTITIONS, [name, _held(self.world)])
        return row

    @property
    def _whole(self) -> Relation:
        return self.world.relations[self._read[1]]

    @property
    def _bounds(self) -> tuple[str, list[str]]:
        """The condition that holds for its rows, and the columns by which rows are parted."""
        _, _, constraint, keys, _ = self._read
        return constraint or "", keys

    def _keys_here(self, like: Row) -> Row:
        """Values for its keys that lead to the partition, and are not taken where they tell one row from all others."""
        constraint, keys = self._bounds
        if _BY_HASH not in constraint:
            return {key: like[key] for key in keys if key in like}
        with self.world.connection.transaction(force_rollback=True):
            row = _row(self.world, self.relation, like, keys, constraint) or {}
        return {key: row[key] for key in keys if key in row}


def fill(world: World, found: tuple[Relation, ...]) -> tuple[tuple[Relation, ...], dict[str, str]]:
    """Make a row of each tenant in every partition that API roles have rights to.

    Gives those that could be filled, and of the others why those cannot be judged that policies open by their own
    names: a partition in which no row of several tenants can be, as one for each tenant, or one by a hash of keys of
    other rows. Without policies nothing is open there, or all, of which a rule tells.
    """
    doors = []
    unjudged: dict[str, str] = {}
    for partition in found:
        name = sql.Identifier(partition.schema, partition.name).as_string(None)
        row = next(iter(world.ask(_PARTITIONS, [name, _held(world)])), None)
        if row is None or row[1] not in world.tenants.rows:
            continue
        _, root, constraint, keys, opened = row
        if opened:
            unjudged[partition.full_name] = _UNFILLED
        if _BY_HASH in (constraint or "") and _is_fixed(world, root, keys):
            continue
        if root in world.tenancy.tables and "." in world.tenancy.tables[root]:
            continue
        rows: dict[str, Row] = {}
        try:
            with world.connection.transaction() as made:
                for label in LABELS:
                    filled = _row(world, partition, world.tenants.rows[root][label], keys, constraint or "")
                    if filled is None:
                        raise psycopg.Rollback(made)
                    rows[label] = filled
        except psycopg.Error:
            continue
        if len(rows) < len(LABELS):
            continue
        partition = replace(partition, primary_key=partition.primary_key or world.relations[root].primary_key)
        world.tenants.rows[partition.full_name] = rows
        doors.append(partition)
        world.relations[partition.full_name] = partition
        unjudged.pop(partition.full_name, None)
    return tuple(doors), unjudged


def _is_fixed(world: World, root: str, keys: list[str]) -> bool:
    """Whether chance has decided the keys, which are those of a tenant or of another row."""
    fixed = world.relations[root].referring
    return not fixed.isdisjoint(keys) or world.tenancy.column_of(root) in keys


def _row(world: World, partition: Relation, like: Row, keys: list[str], constraint: str) -> Row | None:
    """A row in the partition: like one that there is, with another key, and in the partition's bounds."""
    names = {column.name for column in partition.columns}
    plain = _plain(partition, like)
    tenant = world.tenancy.column_of(partition.full_name)
    given = {name: like[name] for name in names & set(keys) | {tenant} & names}
    for changes in itertools.islice(_within(given, [key for key in keys if key != tenant], constraint), _TRIES):
        values = {**plain, **given, **changes}
        statement = insert_statement(partition, values, returning=True)
        try:
            with world.connection.transaction(), world.connection.cursor(row_factory=dict_row) as cursor:
                return cursor.execute(statement, list(values.values())).fetchone()
        except (psycopg.Error, psycopg.ProgrammingError):
            continue
    return None


def _plain(partition: Relation, like: Row) -> Row:
    """The values of the columns that have no default."""
    return {
        column.name: json.dumps(like[column.name]) if column.type in ("json", "jsonb") else like[column.name]
        for column in partition.columns
        if not column.has_default and like.get(column.name) is not None
    }


def _within(given: Row, keys: list[str], constraint: str) -> Iterator[Row]:
    """Values for the keys of the partition that may be in its bounds: those that bound it, and what is next to them."""
    yield {}
    tree = sqltree.expression(constraint)
    literals = [] if tree is None else [str(constant) for constant in sqltree.constants(tree)]
    pools = [list(_near(given[key], literals)) for key in keys]
    for chosen in itertools.product(*pools):
        yield dict(zip(keys, chosen, strict=True))


def _near(value: Any, literals: list[str]) -> Iterator[Any]:
    yield value
    for literal in literals:
        yield literal
        try:
            if isinstance(value, datetime):
                yield datetime.fromisoformat(literal) - timedelta(days=1)
            elif isinstance(value, date):
                yield date.fromisoformat(literal) - timedelta(days=1)
            elif isinstance(value, int):
                yield int(literal) - 1
        except ValueError:
            continue
    if isinstance(value, int):
        yield from range(value + 1, value + _TRIES)
    elif isinstance(value, UUID):
        yield from (UUID(int=value.int ^ number) for number in range(1, _TRIES))
    elif isinstance(value, str):
        yield from (f"{value}{number}" for number in range(1, _TRIES))
