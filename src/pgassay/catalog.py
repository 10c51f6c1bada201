"""The catalog: a project's relations as typed objects, read in one query.

Only what is the project's own: what the environment brought, and what belongs to extensions, is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg

# Schemas of the platform (sql/supabase); on a URL without a superuser they have the same owner as the project's own.
_PLATFORM = (
    "auth", "cron", "extensions", "graphql", "graphql_public", "net", "pgassay", "pgmq", "pgsodium", "pgtle",
    "realtime", "storage", "supabase_functions", "supabase_migrations", "vault",
)  # fmt: skip
_KINDS = {"r": "table", "p": "table", "v": "view", "m": "materialized view", "f": "foreign table"}

_RELATIONS = """
select
    n.nspname,
    c.relname,
    c.relkind::text,
    coalesce(columns.found, '[]'),
    coalesce(keys.found, '{}'),
    coalesce(links.found, '[]'),
    coalesce(checks.found, '{}')
from pg_class as c
join pg_namespace as n on c.relnamespace = n.oid
left join lateral (
    select json_agg(json_build_object(
        'name', a.attname, 'type', format_type(t.oid, null), 'category', t.typcategory::text,
        'not_null', a.attnotnull, 'has_default', a.atthasdef or a.attidentity <> '',
        'labels', (select json_agg(e.enumlabel order by e.enumsortorder) from pg_enum as e where e.enumtypid = t.oid)
    ) order by a.attnum) as found
    from pg_attribute as a
    join pg_type as t on coalesce(
        (select nullif(d.typbasetype, 0) from pg_type as d where d.oid = a.atttypid), a.atttypid
    ) = t.oid
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
) as columns on true
left join lateral (
    select array_agg(a.attname::text order by k.position) as found
    from pg_constraint as p
    cross join lateral unnest(p.conkey) with ordinality as k (attnum, position)
    join pg_attribute as a on a.attrelid = c.oid and a.attnum = k.attnum
    where p.conrelid = c.oid and p.contype = 'p'
) as keys on true
left join lateral (
    select json_agg(json_build_object(
        'schema', tn.nspname, 'name', tc.relname,
        'columns', (
            select json_agg(json_build_array(a.attname, b.attname) order by k.position)
            from unnest(f.conkey, f.confkey) with ordinality as k (here, there, position)
            join pg_attribute as a on a.attrelid = f.conrelid and a.attnum = k.here
            join pg_attribute as b on b.attrelid = f.confrelid and b.attnum = k.there
        )
    ) order by f.conname) as found
    from pg_constraint as f
    join pg_class as tc on f.confrelid = tc.oid
    join pg_namespace as tn on tc.relnamespace = tn.oid
    where f.conrelid = c.oid and f.contype = 'f'
) as links on true
left join lateral (
    select array_agg(pg_get_constraintdef(k.oid) order by k.conname) as found
    from pg_constraint as k
    where k.conrelid = c.oid and k.contype = 'c'
) as checks on true
where
    c.relkind in ('r', 'p', 'v', 'm', 'f')
    and <which>
    and n.nspname <> 'information_schema'
    and not starts_with(n.nspname, 'pg_')
    and not exists (
        select from pg_depend as x where x.classid = 'pg_class'::regclass and x.objid = c.oid and x.deptype = 'e'
    )
order by n.nspname collate "C", c.relname collate "C"
"""

_PROJECT = "not c.relispartition and n.nspname <> all(%(platform)s)"
_PARTITIONS = "c.relispartition and c.relkind = 'r' and n.nspname <> all(%(platform)s)"
_STORAGE = """n.nspname = 'storage' and n.nspname = any(%(platform)s) and c.relname in ('buckets', 'objects')
    and exists (select from pg_policy as y where y.polrelid = c.oid)"""

_FUNCTIONS = """
select
    n.nspname,
    p.proname,
    case
        when p.proargmodes is null then coalesce(p.proargnames, '{}')
        else array(
            select coalesce(a.name, '')
            from unnest(p.proargmodes, p.proargnames) with ordinality as a (mode, name, position)
            where a.mode in ('i', 'b', 'v')
            order by a.position
        )
    end,
    array(select format_type(t.oid, null) from unnest(p.proargtypes) with ordinality as a (oid, position)
        join pg_type as t on a.oid = t.oid order by a.position),
    p.pronargdefaults,
    p.provolatile::text,
    p.prokind = 'p',
    p.provariadic <> 0,
    array(select r.rolname::text from pg_roles as r where r.rolname = any(%(roles)s)
        and has_function_privilege(r.oid, p.oid, 'execute') and has_schema_privilege(r.oid, n.oid, 'usage'))
from pg_proc as p
join pg_namespace as n on p.pronamespace = n.oid
where
    p.prokind in ('f', 'p')
    and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)
    and p.provariadic <> '"any"'::regtype
    and n.nspname <> all(%(platform)s)
    and n.nspname <> 'information_schema'
    and not starts_with(n.nspname, 'pg_')
    and not exists (
        select from pg_depend as x where x.classid = 'pg_proc'::regclass and x.objid = p.oid and x.deptype = 'e'
    )
order by n.nspname collate "C", p.proname collate "C", p.proargtypes::text
"""


@dataclass(frozen=True)
class Argument:
    """An argument of a function; ``name`` is empty where it has none."""

    name: str
    type: str
    has_default: bool


@dataclass(frozen=True)
class Function:
    """A function of the project that is no trigger's; ``roles`` are those of the API that may execute it.

    ``immutable`` says that it reads no table, ``volatile`` that it may change one, ``variadic`` that its last argument
    is an array that may be spelled out.
    """

    schema: str
    name: str
    arguments: tuple[Argument, ...]
    volatile: bool
    immutable: bool
    procedure: bool
    variadic: bool
    roles: frozenset[str]

    @property
    def signature(self) -> str:
        """``schema.name(types)``."""
        return f"{self.schema}.{self.name}({', '.join(argument.type for argument in self.arguments)})"


@dataclass(frozen=True)
class Column:
    """A column: its type as PostgreSQL writes it (of a domain: the type below), and the labels of an enum."""

    name: str
    type: str
    category: str
    not_null: bool
    has_default: bool
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key to the relation ``target``; ``columns`` are pairs of a column here and one there."""

    target: str
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Relation:
    """A table, view or materialized view. ``checks`` are the definitions of its CHECK constraints."""

    schema: str
    name: str
    kind: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    foreign_keys: tuple[ForeignKey, ...]
    checks: tuple[str, ...]

    @property
    def full_name(self) -> str:
        """``schema.name``."""
        return f"{self.schema}.{self.name}"

    def column(self, name: str) -> Column | None:
        """The column called ``name``, if there is one."""
        return next((column for column in self.columns if column.name == name), None)


def read(connection: psycopg.Connection[Any]) -> tuple[Relation, ...]:
    """The relations of the database, sorted by name; no partitions."""
    return _read(connection, _PROJECT)


def read_partitions(connection: psycopg.Connection[Any]) -> tuple[Relation, ...]:
    """The partitions that are tables, which can be got at by their own names."""
    return _read(connection, _PARTITIONS)


def read_storage(connection: psycopg.Connection[Any]) -> tuple[Relation, ...]:
    """The tables of the platform's storage, those for which there are policies: they can only be the project's."""
    return _read(connection, _STORAGE)


def _read(connection: psycopg.Connection[Any], which: LiteralString) -> tuple[Relation, ...]:
    with connection.transaction(), connection.cursor(row_factory=psycopg.rows.tuple_row) as cursor:
        # Nothing in the schemas of the project can stand before the built-in functions and operators.
        cursor.execute("set local search_path = pg_catalog")
        rows = cursor.execute(_RELATIONS.replace("<which>", which), {"platform": list(_PLATFORM)}).fetchall()
    return tuple(
        Relation(
            schema=schema,
            name=name,
            kind=_KINDS[kind],
            columns=tuple(_column(column) for column in columns),
            primary_key=tuple(key),
            foreign_keys=tuple(
                ForeignKey(f"{link['schema']}.{link['name']}", tuple((here, there) for here, there in link["columns"]))
                for link in links
            ),
            checks=tuple(checks),
        )
        for schema, name, kind, columns, key, links, checks in rows
    )


def read_functions(connection: psycopg.Connection[Any], roles: Iterable[str]) -> tuple[Function, ...]:
    """The functions that some of ``roles`` may execute, sorted by name."""
    with connection.transaction(), connection.cursor(row_factory=psycopg.rows.tuple_row) as cursor:
        cursor.execute("set local search_path = pg_catalog")
        rows = cursor.execute(_FUNCTIONS, {"platform": list(_PLATFORM), "roles": list(roles)}).fetchall()
    return tuple(
        Function(
            schema,
            name,
            tuple(
                Argument(names[n] if n < len(names) else "", types[n], n >= len(types) - defaults)
                for n in range(len(types))
            ),
            volatility == "v",
            volatility == "i",
            procedure,
            variadic,
            frozenset(may),
        )
        for schema, name, names, types, defaults, volatility, procedure, variadic, may in rows
        if may
    )


def in_order_of_reference(relations: Iterable[Relation]) -> list[Relation]:
    """Tables such that each comes after those that it refers to; those in a circle come last, in the order given."""
    left = {relation.full_name: relation for relation in relations if relation.kind == "table"}
    ordered: list[Relation] = []
    while left:
        free = [
            relation
            for relation in left.values()
            if not any(key.target in left and key.target != relation.full_name for key in relation.foreign_keys)
        ]
        ordered.extend(left.pop(relation.full_name) for relation in free or list(left.values()))
    return ordered


def _column(found: dict[str, Any]) -> Column:
    return Column(**{**found, "labels": tuple(found["labels"] or ())})
