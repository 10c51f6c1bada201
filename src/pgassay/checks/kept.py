"""Rows before a migration and after it: which are lost, which values were changed, and which tables were rewritten."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

_MOST = 1000
"""So many rows of a table are compared one by one."""
_TABLES = """
select
    c.oid::bigint, n.nspname, c.relname, pg_relation_filenode(c.oid)::bigint,
    array(
        select k.attnum::integer from unnest(i.indkey::int2[]) with ordinality as k (attnum, place) order by k.place
    )
from pg_class as c
join pg_namespace as n on c.relnamespace = n.oid
left join pg_index as i on i.indrelid = c.oid and i.indisprimary
where
    c.relkind = 'r' and n.nspname <> 'information_schema' and not starts_with(n.nspname, 'pg_')
    and not exists (
        select from pg_depend as x where x.classid = 'pg_class'::regclass and x.objid = c.oid and x.deptype = 'e'
    )
order by c.oid
"""
_COLUMNS = """
select
    a.attrelid::bigint, a.attnum::integer, a.attname, format_type(a.atttypid, a.atttypmod),
    a.atttypid::bigint, a.atttypmod
from pg_attribute as a
where a.attrelid = any(%s::bigint[]::oid[]) and a.attnum > 0 and not a.attisdropped
order by a.attrelid, a.attnum
"""

Connection = psycopg.Connection[Any]
Key = tuple[str | None, ...]


class Column(NamedTuple):
    """A column: its type as it was ``written`` then, and which type that is, whatever it is called."""

    name: str
    written: str
    type: tuple[int, ...]


Columns = dict[int, Column]


@dataclass(frozen=True)
class Table:
    """A table with rows: ``columns`` are names and types by number, ``rows`` values by key and number.

    There are no ``rows`` of a table without a primary key: nobody can say which is which.
    """

    name: str
    file: int | None
    key: tuple[int, ...]
    columns: Mapping[int, Column]
    count: int
    rows: Mapping[Key, Mapping[int, str | None]]


@dataclass(frozen=True)
class Change:
    """What a migration did to rows of ``table``, in words; ``loses`` says whether something of them is gone."""

    table: str
    what: str
    loses: bool


def read(reader: Connection) -> dict[int, Table]:
    """The tables of the database that have rows, by their numbers, which a new name does not change.

    ``reader`` is the owner's: a cast of the schema's own may run. What it may not read is left out.
    """
    found = {}
    tables = reader.execute(_TABLES).fetchall()
    columns = _columns(reader, [oid for oid, *_ in tables])
    for oid, schema, name, file, key in tables:
        where = sql.Identifier(schema, name)
        with suppress(psycopg.Error):
            if count := _count_rows(reader, where):
                rows = _rows(reader, where, columns[oid], tuple(key)) if key else {}
                found[oid] = Table(f"{schema}.{name}", file, tuple(key), columns[oid], count, rows)
    return found


def _count_rows(reader: Connection, where: sql.Identifier) -> int:
    row = reader.execute(sql.SQL("select count(*) from only {}").format(where)).fetchone()
    return 0 if row is None else int(row[0])


def _rows(
    reader: Connection, where: sql.Identifier, columns: Mapping[int, Column], key: tuple[int, ...]
) -> dict[Key, dict[int, str | None]]:
    ordered = sql.SQL(", ").join(sql.Identifier(columns[number].name) for number in key)
    values = sql.SQL(", ").join(
        sql.SQL("{}::pg_catalog.text").format(sql.Identifier(name)) for name, *_ in columns.values()
    )
    query = sql.SQL("select {} from only {} order by {} limit {}").format(values, where, ordered, sql.Literal(_MOST))
    found = {}
    for row in reader.execute(query):
        told = dict(zip(columns, row, strict=True))
        found[tuple(told[number] for number in key)] = told
    return found


def _columns(reader: Connection, tables: Sequence[int]) -> dict[int, Columns]:
    found: dict[int, Columns] = {}
    for oid, number, name, written, *type_ in reader.execute(_COLUMNS, [tables]):
        found.setdefault(oid, {})[number] = Column(name, written, tuple(type_))
    return found


def changes(reader: Connection, before: Mapping[int, Table]) -> list[Change]:
    """What has become of the rows that were there ``before``."""
    there = {oid: (f"{schema}.{name}", schema, name) for oid, schema, name, *_ in reader.execute(_TABLES)}
    columns = _columns(reader, list(before))
    found = []
    for oid, table in before.items():
        if oid not in there:
            found.append(Change(table.name, f"it is dropped with its {_count(table.count, 'row')}", True))
            continue
        found += _of_columns(table, columns.get(oid, {}))
        found += _of_rows(reader, table, sql.Identifier(*there[oid][1:]), columns.get(oid, {}))
    return found


def rewritten(reader: Connection, before: Mapping[int, Table]) -> list[str]:
    """The tables that have been written anew, and are not empty."""
    found = []
    for oid, schema, name, file, _ in reader.execute(_TABLES).fetchall():
        if oid in before and file != before[oid].file and _count_rows(reader, sql.Identifier(schema, name)):
            found.append(before[oid].name)
    return found


def _of_columns(table: Table, now: Mapping[int, Column]) -> Iterator[Change]:
    for number, (name, *_) in table.columns.items():
        if number not in now:
            held = sum(row[number] is not None for row in table.rows.values())
            if held:
                yield Change(table.name, f"column {name} is dropped with its values in {_count(held, 'row')}", True)


def _of_rows(reader: Connection, table: Table, where: sql.Identifier, now: Mapping[int, Column]) -> Iterator[Change]:
    left = _count_rows(reader, where)
    if left < table.count:
        yield Change(table.name, f"{_count(table.count - left, 'row')} of {table.count:,} are deleted", True)
    common = {number: now[number] for number in table.columns if number in now}
    if not table.rows or not set(table.key) <= set(common):
        return
    after = _rows(reader, where, common, table.key)
    for number, (name, _, type_) in common.items():
        changed = [
            (row[number], after[key][number])
            for key, row in table.rows.items()
            if key in after and row[number] != after[key][number]
        ]
        old = table.columns[number]
        if type_ != old.type:
            changed = [pair for pair in changed if not _says_the_same(reader, *pair, old.written)]
        if changed:
            example = " → ".join("NULL" if value is None else _short(value) for value in changed[0])
            what = f"column {name} has other values in {_count(len(changed), 'row')}, as {example}"
            yield Change(table.name, what, type_ != old.type)


def _says_the_same(reader: Connection, before: str | None, after: str | None, old: str) -> bool:
    """Whether a value that has another type now gives the old one back."""
    if before is None or after is None:
        return before == after
    with suppress(ValueError):
        if old in ("json", "jsonb"):
            return bool(json.loads(before) == json.loads(after))
    with suppress(psycopg.Error), reader.transaction():
        cast = sql.SQL("select pg_catalog.format('%L::%s', {}::pg_catalog.text, {}::pg_catalog.text)")
        row = reader.execute(cast.format(sql.Literal(after), sql.Literal(old))).fetchone()
        assert row is not None
        back = reader.execute(f"select ({row[0]})::pg_catalog.text".encode()).fetchone()
        return back is not None and back[0] == before
    return False


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _short(value: str) -> str:
    return value if len(value) <= 30 else f"{value[:30]}…"
