"""The catalog: a project's relations as typed objects, read in two queries.

Only what is the project's own: what the environment brought, and what belongs to extensions, is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg

from pgassay.platforms import DEFAULT

# Schemas of the platform (sql/supabase); on a URL without a superuser they have the same owner as the project's own.
PLATFORM = DEFAULT.schemas
_MODIFIER = re.compile(r"\((\d+(?:,-?\d+)?)\)")
_KINDS = {"r": "table", "p": "table", "v": "view", "m": "materialized view", "f": "foreign table"}

_RELATIONS = """
select
    n.nspname,
    c.relname,
    c.relkind::text,
    coalesce(columns.found, '[]'),
    coalesce(keys.found, '{}'),
    coalesce(links.found, '[]'),
    coalesce(checks.found, '[]'),
    coalesce(indexes.found, '[]'),
    coalesce(triggers.found, '[]')
from pg_class as c
join pg_namespace as n on c.relnamespace = n.oid
left join lateral (
    select json_agg(json_build_object(
        'name', a.attname, 'type', format_type(t.oid, null), 'category', t.typcategory::text,
        'not_null', a.attnotnull, 'has_default', a.atthasdef or a.attidentity <> '',
        'labels', (select json_agg(e.enumlabel order by e.enumsortorder) from pg_enum as e where e.enumtypid = t.oid),
        'default', pg_get_expr(v.adbin, v.adrelid), 'generated', a.attgenerated <> '',
        'identity', case a.attidentity when 'a' then 'always' when 'd' then 'by default' else '' end,
        'data_type', json_build_array(a.atttypid::bigint, format_type(a.atttypid, a.atttypmod)),
        'viewed', exists (
            select from pg_depend as d
            where d.refclassid = 'pg_class'::regclass and d.refobjid = c.oid and d.refobjsubid = a.attnum
            and d.classid = 'pg_rewrite'::regclass
        ),
        'named', exists (
            select from pg_proc as f
            where
                f.oid >= 16384 and f.prorettype <> 'trigger'::regtype
                and strpos(f.prosrc, c.relname) > 0 and strpos(f.prosrc, a.attname) > 0
        ),
        'null_passes', exists (
            select from pg_policy as p
            where
                p.polrelid = c.oid
                and strpos(pg_get_expr(p.polqual, p.polrelid), quote_ident(a.attname) || ' IS NULL') > 0
        )
    ) order by a.attnum) as found
    from pg_attribute as a
    join pg_type as t on coalesce(
        (select nullif(d.typbasetype, 0) from pg_type as d where d.oid = a.atttypid), a.atttypid
    ) = t.oid
    left join pg_attrdef as v on v.adrelid = a.attrelid and v.adnum = a.attnum
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
        'schema', tn.nspname, 'name', tc.relname, 'constraint', f.conname, 'full', f.confmatchtype = 'f',
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
    where f.conrelid = c.oid and f.contype = 'f' and coalesce((to_json(f) ->> 'conenforced')::boolean, true)
) as links on true
left join lateral (
    select json_agg(x.check order by x.check ->> 'name' collate "C") as found
    from (
        select json_build_object(
            'name', k.conname, 'definition', pg_get_constraintdef(k.oid),
            'expression', pg_get_expr(k.conbin, k.conrelid), 'validated', k.convalidated,
            'enforced', coalesce((to_json(k) ->> 'conenforced')::boolean, true),  -- since 18
            'columns', array(select a.attname from pg_attribute as a
                where a.attrelid = c.oid and a.attnum = any(k.conkey) order by a.attnum),
            'sources', array(select s.prosrc from pg_depend as d join pg_proc as s on d.refobjid = s.oid
                where d.classid = 'pg_constraint'::regclass and d.objid = k.oid and d.refclassid = 'pg_proc'::regclass)
        ) as check
        from pg_constraint as k
        where k.conrelid = c.oid and k.contype = 'c'
        union all
        select json_build_object(
            'name', 'partitions of ' || c.relname, 'definition', 'a partition for the row',
            'expression', coalesce(
                string_agg(coalesce(pg_get_partition_constraintdef(l.relid), 'true'), ' or '), 'false'
            ),
            'validated', true, 'enforced', true,
            'columns', array(select a.attname from pg_partitioned_table as p
                join pg_attribute as a on a.attrelid = c.oid and a.attnum = any(p.partattrs::int2[])
                where p.partrelid = c.oid order by a.attnum),
            'sources', '[]'::json, 'partitioned', true
        )
        from (select) as one
        left join pg_partition_tree(c.oid) as l on l.isleaf and l.relid <> c.oid
        where c.relkind = 'p'
        having c.relkind = 'p'
    ) as x
) as checks on true
left join lateral (
    select json_agg(json_build_object(
        'name', ic.relname, 'exclusion', coalesce(k.contype = 'x', false), 'nulls_equal', i.indnullsnotdistinct,
        'keys', array(select pg_get_indexdef(i.indexrelid, n, false) from generate_series(1, i.indnkeyatts) as n
            order by n),
        'operators', case when k.contype = 'x' then array(
            select format('operator(%%I.%%s)', n.nspname, o.oprname)
            from unnest(k.conexclop) with ordinality as x (oid, position)
            join pg_operator as o on x.oid = o.oid join pg_namespace as n on o.oprnamespace = n.oid
            order by x.position
        ) else array(
            select format('operator(%%I.%%s)', n.nspname, o.oprname)
            from unnest(i.indclass) with ordinality as x (oid, position)
            join pg_opclass as p on x.oid = p.oid
            join pg_amop as m on p.opcfamily = m.amopfamily and m.amopstrategy = 3
            and m.amoplefttype = p.opcintype and m.amoprighttype = p.opcintype
            join pg_operator as o on m.amopopr = o.oid join pg_namespace as n on o.oprnamespace = n.oid
            order by x.position
        ) end,
        'predicate', pg_get_expr(i.indpred, i.indrelid),
        'columns', array(
            select a.attname from pg_attribute as a
            where a.attrelid = c.oid and a.attnum > 0 and (
                a.attnum = any((i.indkey::int2[])[0:i.indnkeyatts - 1])
                or exists (
                    select from pg_depend as d
                    where d.classid = 'pg_class'::regclass and d.objid = i.indexrelid
                    and d.refobjid = c.oid and d.refobjsubid = a.attnum
                    and (i.indexprs is not null or i.indpred is not null)
                )
            )
            order by a.attnum
        )
    ) order by ic.relname collate "C") as found
    from pg_index as i
    join pg_class as ic on i.indexrelid = ic.oid
    left join pg_constraint as k on k.conindid = i.indexrelid and k.conrelid = c.oid and k.contype in ('p', 'u', 'x')
    where i.indrelid = c.oid and (i.indisunique or i.indisexclusion) and i.indislive
) as indexes on true
left join lateral (
    select json_agg(json_build_object('name', g.tgname, 'source', s.prosrc) order by g.tgname) as found
    from pg_trigger as g
    join pg_proc as s on g.tgfoid = s.oid
    where g.tgrelid = c.oid and not g.tgisinternal and g.tgenabled <> 'D' and g.tgtype & 4 <> 0
) as triggers on true
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
_STORAGE = """n.nspname = any(%(platform)s)
    and (n.nspname, c.relname) in (('storage', 'buckets'), ('storage', 'objects'), ('realtime', 'messages'))
    and exists (select from pg_policy as y where y.polrelid = c.oid)"""

# The types of columns, with all that they are made of.
_TYPES = """
with recursive used (oid) as (
    select o::oid from unnest(%(types)s::bigint[]) as o
    union
    select part.oid
    from used
    join pg_type as t on used.oid = t.oid
    cross join lateral (
        select t.typelem where t.typcategory = 'A'
        union all
        select t.typbasetype
        union all
        select a.atttypid from pg_attribute as a
        where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
        union all
        select r.rngsubtype from pg_range as r where r.rngtypid = t.oid
        union all
        select r.rngtypid from pg_range as r where r.rngmultitypid = t.oid
    ) as part (oid)
    where part.oid <> 0
)

select
    t.oid::bigint,
    json_build_object(
        'name', format_type(t.oid, -1),
        'kind', case
            when t.typtype = 'b' and t.typcategory = 'A' and t.typarray = 0 then 'array'
            else case t.typtype
                when 'e' then 'enum' when 'd' then 'domain' when 'c' then 'composite' when 'r' then 'range'
                when 'm' then 'multirange' else 'base'
            end
        end,
        'category', t.typcategory::text,
        'not_null', t.typnotnull,
        'default', case when t.typtype = 'd' then t.typdefault end,
        'delimiter', t.typdelim::text,
        'labels', array(select e.enumlabel from pg_enum as e where e.enumtypid = t.oid order by e.enumsortorder),
        'part', coalesce(
            case when t.typtype = 'b' and t.typcategory = 'A' and t.typarray = 0
                then json_build_array(t.typelem::bigint, format_type(t.typelem, -1)) end,
            case when t.typtype = 'd'
                then json_build_array(t.typbasetype::bigint, format_type(t.typbasetype, t.typtypmod)) end,
            (select json_build_array(r.rngsubtype::bigint, format_type(r.rngsubtype, -1))
                from pg_range as r where r.rngtypid = t.oid),
            (select json_build_array(r.rngtypid::bigint, format_type(r.rngtypid, -1))
                from pg_range as r where r.rngmultitypid = t.oid)
        ),
        'attributes', array(
            select json_build_array(
                a.attname, json_build_array(a.atttypid::bigint, format_type(a.atttypid, a.atttypmod))
            )
            from pg_attribute as a
            where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
            order by a.attnum
        ),
        'checks', array(
            select json_build_object(
                'name', k.conname, 'definition', pg_get_constraintdef(k.oid),
                'expression', pg_get_expr(k.conbin, 0), 'validated', k.convalidated, 'enforced', true,
                'columns', '[]'::json,
                'sources', array(select s.prosrc from pg_depend as d join pg_proc as s on d.refobjid = s.oid
                    where d.classid = 'pg_constraint'::regclass and d.objid = k.oid
                    and d.refclassid = 'pg_proc'::regclass)
            )
            from pg_constraint as k
            where k.contypid = t.oid and k.contype = 'c'
            order by k.conname collate "C"
        )
    )
from used
join pg_type as t on used.oid = t.oid
"""
_PROJECT = "not c.relispartition and n.nspname <> all(%(platform)s)"
_PARTITIONS = "c.relispartition and c.relkind = 'r' and n.nspname <> all(%(platform)s)"
_STORAGE = """n.nspname = any(%(platform)s)
    and (n.nspname, c.relname) in (('storage', 'buckets'), ('storage', 'objects'), ('realtime', 'messages'))
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
    array(select json_build_array(t.oid::bigint, format_type(t.oid, null))
        from unnest(p.proargtypes) with ordinality as a (oid, position)
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
    """An argument of a function; ``name`` is empty where it has none, ``data_type`` None where it is not known."""

    name: str
    type: str
    has_default: bool
    data_type: DataType | None = None


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
class Check:
    """A CHECK constraint of a table or domain, or what the partitions of a table let in (``partitioned``).

    ``sources`` are the bodies of the functions that it calls. Rows that were there before it were held to it if it is
    ``validated``, new ones if it is ``enforced``.
    """

    name: str
    definition: str
    expression: str
    validated: bool
    enforced: bool
    columns: tuple[str, ...]
    sources: tuple[str, ...]
    partitioned: bool = False


@dataclass(frozen=True)
class DataType:
    """A type as it is used somewhere: ``declared`` is how PostgreSQL writes it there, with its length.

    ``kind`` is base, enum, domain, array, composite, range or multirange; ``part`` what it is made of: a domain's type,
    an array's element, a range's bound, a multirange's range.
    """

    name: str
    kind: str
    category: str
    declared: str
    labels: tuple[str, ...] = ()
    part: DataType | None = None
    attributes: tuple[tuple[str, DataType], ...] = ()
    checks: tuple[Check, ...] = ()
    not_null: bool = False
    default: str | None = None
    delimiter: str = ","

    @property
    def modifier(self) -> tuple[int, ...]:
        """The length of this type, or precision and scale; empty where it has none."""
        found = _MODIFIER.search(self.declared)
        return tuple(int(number) for number in found[1].split(",")) if found else ()

    @property
    def base(self) -> DataType:
        """The type below the domains."""
        return self.part.base if self.kind == "domain" and self.part is not None else self

    @property
    def domains(self) -> tuple[DataType, ...]:
        """The domains on the way to `base`."""
        return (self, *self.part.domains) if self.kind == "domain" and self.part is not None else ()


@dataclass(frozen=True)
class Column:
    """A column: its type as PostgreSQL writes it (of a domain: the type below), and the labels of an enum.

    ``default`` is the expression of its default, or of a generated column; ``identity`` is ``always``, ``by default``
    or empty. ``not_null`` and ``has_default`` count what a domain says. ``viewed`` is that a view uses it,
    ``named`` that a function does, as far as its words tell; ``null_passes`` that a policy asks whether it is NULL.
    """

    name: str
    type: str
    category: str
    not_null: bool
    has_default: bool
    data_type: DataType
    labels: tuple[str, ...] = ()
    default: str | None = None
    generated: bool = False
    identity: str = ""
    viewed: bool = False
    named: bool = False
    null_passes: bool = False


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key to the relation ``target``; ``columns`` are pairs of a column here and one there.

    ``full`` is that it was made with MATCH FULL.
    """

    target: str
    columns: tuple[tuple[str, str], ...]
    name: str = ""
    full: bool = False


@dataclass(frozen=True)
class Exclusion:
    """A unique index, or an exclusion constraint: no two rows agree in all ``keys`` by the ``operators``.

    Keys are expressions, ``columns`` those that they and the ``predicate`` use. NULL agrees with nothing, or with
    itself where ``nulls_equal``.
    """

    name: str
    exclusion: bool
    keys: tuple[str, ...]
    operators: tuple[str, ...]
    predicate: str | None
    columns: tuple[str, ...]
    nulls_equal: bool

    @property
    def definition(self) -> str:
        """What it says, for a person."""
        what = "exclude" if self.exclusion else "unique"
        where = f" where {self.predicate}" if self.predicate else ""
        return f"{what} ({', '.join(self.keys)}){where}"


@dataclass(frozen=True)
class Trigger:
    """A trigger for INSERT that fires, and the body of its function."""

    name: str
    source: str


@dataclass(frozen=True)
class Relation:
    """A table, view or materialized view."""

    schema: str
    name: str
    kind: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    foreign_keys: tuple[ForeignKey, ...]
    check_constraints: tuple[Check, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    triggers: tuple[Trigger, ...] = ()

    @property
    def checks(self) -> tuple[str, ...]:
        """The definitions of its CHECK constraints."""
        return tuple(check.definition for check in self.check_constraints if not check.partitioned)

    @property
    def full_name(self) -> str:
        """``schema.name``."""
        return f"{self.schema}.{self.name}"

    @property
    def referring(self) -> frozenset[str]:
        """The columns of its foreign keys."""
        return frozenset(here for key in self.foreign_keys for here, _ in key.columns)

    def refers_to(self, column: str) -> str:
        """The table to which a column refers by itself; empty where it refers to none."""
        keys = (key for key in self.foreign_keys if [column] == [here for here, _ in key.columns])
        return next((key.target for key in keys), "")

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
    """The tables of storage and Realtime for which there are policies: these can only be the project's."""
    return _read(connection, _STORAGE)


def _read(connection: psycopg.Connection[Any], which: LiteralString) -> tuple[Relation, ...]:
    with connection.transaction(), connection.cursor(row_factory=psycopg.rows.tuple_row) as cursor:
        # Nothing in the schemas of the project can stand before the built-in functions and operators.
        cursor.execute("set local search_path = pg_catalog")
        rows = cursor.execute(_RELATIONS.replace("<which>", which), {"platform": list(PLATFORM)}).fetchall()
        used = {column["data_type"][0] for row in rows for column in row[3]}
        types: dict[int, dict[str, Any]] = dict(cursor.execute(_TYPES, {"types": list(used)}).fetchall())
    return tuple(
        Relation(
            schema=schema,
            name=name,
            kind=_KINDS[kind],
            columns=tuple(_column(column, types) for column in columns),
            primary_key=tuple(key),
            foreign_keys=tuple(
                ForeignKey(
                    f"{link['schema']}.{link['name']}",
                    tuple((here, there) for here, there in link["columns"]),
                    link["constraint"],
                    link["full"],
                )
                for link in links
            ),
            check_constraints=tuple(map(_check, checks)),
            exclusions=tuple(Exclusion(**_with_tuples(index)) for index in indexes),
            triggers=tuple(Trigger(**trigger) for trigger in triggers),
        )
        for schema, name, kind, columns, key, links, checks, indexes, triggers in rows
    )


def read_functions(connection: psycopg.Connection[Any], roles: Iterable[str]) -> tuple[Function, ...]:
    """The functions that some of ``roles`` may execute, sorted by name."""
    with connection.transaction(), connection.cursor(row_factory=psycopg.rows.tuple_row) as cursor:
        cursor.execute("set local search_path = pg_catalog")
        rows = cursor.execute(_FUNCTIONS, {"platform": list(PLATFORM), "roles": list(roles)}).fetchall()
        used = {oid for row in rows for oid, _ in row[3]}
        known: dict[int, dict[str, Any]] = dict(cursor.execute(_TYPES, {"types": list(used)}).fetchall())
    return tuple(
        Function(
            schema,
            name,
            tuple(
                Argument(
                    names[n] if n < len(names) else "", used[1], n >= len(types) - defaults, _data_type(used, known)
                )
                for n, used in enumerate(types)
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


def _column(found: dict[str, Any], types: dict[int, dict[str, Any]]) -> Column:
    data_type = _data_type(found["data_type"], types)
    return Column(
        **{
            **found,
            "labels": tuple(found["labels"] or ()),
            "data_type": data_type,
            "not_null": found["not_null"] or any(domain.not_null for domain in data_type.domains),
            "has_default": found["has_default"] or any(domain.default is not None for domain in data_type.domains),
            "default": found["default"] or next(filter(None, (d.default for d in data_type.domains)), None),
        }
    )


def _data_type(used: tuple[int, str], types: dict[int, dict[str, Any]]) -> DataType:
    oid, declared = used
    found = types[oid]
    part = found["part"]
    if part is not None and found["kind"] == "array":
        part = (part[0], declared.removesuffix("[]"))  # an array's length is that of its elements
    return DataType(
        **{
            **found,
            "declared": declared,
            "labels": tuple(found["labels"]),
            "part": None if part is None else _data_type(part, types),
            "attributes": tuple((name, _data_type(attribute, types)) for name, attribute in found["attributes"]),
            "checks": tuple(map(_check, found["checks"])),
        }
    )


def _check(found: dict[str, Any]) -> Check:
    return Check(**_with_tuples(found))


def _with_tuples(found: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in found.items()}
